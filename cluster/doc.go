// Package cluster holds the nouns of the field as plain immutable values: what
// Talos, Kubernetes, etcd, Flux and the cluster's Git checkout say, and the
// pure merge of it all into one row a node. It imports the standard library only.
//
// Nothing here is ever guessed: what a source did not say is an Opt that is not
// known, an empty string or a nil slice, and callers show it as unknown.
package cluster
