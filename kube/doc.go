// Package kube is the cockpit's side of the Kubernetes API: it follows nodes,
// pods and Flux objects and hands them over as values of package cluster, asks
// what the credentials allow, and carries out the Flux actions. It is the only
// importer of the Kubernetes and Flux libraries.
//
// Nothing here gives up: a server that goes away is asked again every few
// seconds, the last values stay, and each watcher says why it cannot see more.
package kube
