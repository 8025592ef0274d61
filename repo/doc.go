// Package repo reads a cluster's Git checkout: talconfig.yaml as talhelper
// reads it, the talenv files (sops with age included), the generated files in
// clusterconfig and the tasks of the Taskfiles.
//
// It only reads. Everything it returns is a plain value that nothing changes
// afterwards. What cannot be known is left empty and named in a Problem; the
// rest is read all the same. The rules are those of talhelper v3
// (github.com/budimanjojo/talhelper): comments are stripped, variables are
// substituted as text, talenv.yaml, talenv.sops.yaml, talenv.yml and
// talenv.sops.yml are laid over the environment in that order, and the sections
// controlPlane and worker are merged into their nodes.
//
// Patches are listed but not applied, so what a patch sets (an interface, a
// disk, a label) is not part of a Node.
package repo
