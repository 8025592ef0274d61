package repo

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// TaskKind is an operation that a task's own commands carry out.
type TaskKind int

// The kinds of operations that are told apart.
const (
	TaskGenerateConfig TaskKind = iota
	TaskApplyConfig
	TaskUpgradeNode
	TaskUpgradeKubernetes
	TaskReset
	TaskBootstrap
	TaskKubeconfig
	TaskHealth
	TaskReboot
	TaskShutdown
	TaskEtcdSnapshot
	TaskFluxReconcile
)

// kindNames are the words of talosctl, talhelper and flux for the kinds.
var kindNames = map[TaskKind]string{
	TaskGenerateConfig: "genconfig", TaskApplyConfig: "apply-config", TaskUpgradeNode: "upgrade",
	TaskUpgradeKubernetes: "upgrade-k8s", TaskReset: "reset", TaskBootstrap: "bootstrap", TaskKubeconfig: "kubeconfig",
	TaskHealth: "health", TaskReboot: "reboot", TaskShutdown: "shutdown", TaskEtcdSnapshot: "etcd snapshot",
	TaskFluxReconcile: "reconcile",
}

// String is the command's word for the operation.
func (k TaskKind) String() string { return kindNames[k] }

// commands are the texts of a task's own commands.
func commands(task *yaml.Node) []string {
	if task == nil {
		return nil
	}
	if task.Kind == yaml.ScalarNode {
		return []string{task.Value}
	}
	lists := []*yaml.Node{task}
	if task.Kind == yaml.MappingNode {
		lists = []*yaml.Node{field(task, "cmds"), field(task, "cmd")}
	}
	var all []string
	for _, list := range lists {
		switch {
		case list == nil:
		case list.Kind == yaml.ScalarNode:
			all = append(all, list.Value)
		case list.Kind == yaml.SequenceNode:
			for _, item := range list.Content {
				one := content(item)
				all = append(all, scalar(one), scalar(field(one, "cmd")))
			}
		}
	}
	return slices.DeleteFunc(all, func(text string) bool { return text == "" })
}

var (
	talosCommand = regexp.MustCompile(`\b(?:talosctl\b[^|;&\n]*?|talhelper\s+gencommand)\s+(apply-config|apply|upgrade-k8s|upgrade|reset|bootstrap|kubeconfig|health|reboot|shutdown|etcd\s+snapshot)(?:[\s;&|)"']|$)`)
	genCommand   = regexp.MustCompile(`\btalhelper\s+genconfig\b`)
	fluxCommand  = regexp.MustCompile(`\bflux\b[^|;&\n]*?\sreconcile\s`)
	wordKinds    = map[string]TaskKind{
		"apply-config": TaskApplyConfig, "apply": TaskApplyConfig, "upgrade-k8s": TaskUpgradeKubernetes, "upgrade": TaskUpgradeNode,
		"reset": TaskReset, "bootstrap": TaskBootstrap, "kubeconfig": TaskKubeconfig, "health": TaskHealth,
		"reboot": TaskReboot, "shutdown": TaskShutdown, "etcd snapshot": TaskEtcdSnapshot,
	}
)

// kindsOf tells what a command does, by the programs that it calls.
func kindsOf(command string) []TaskKind {
	command = strings.ReplaceAll(command, "\\\n", " ")
	var kinds []TaskKind
	if genCommand.MatchString(command) {
		kinds = append(kinds, TaskGenerateConfig)
	}
	for _, match := range talosCommand.FindAllStringSubmatch(command, -1) {
		kinds = append(kinds, wordKinds[strings.Join(strings.Fields(match[1]), " ")])
	}
	if fluxCommand.MatchString(command) {
		kinds = append(kinds, TaskFluxReconcile)
	}
	return kinds
}
