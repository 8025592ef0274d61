package talosd

// MachineConfig is the configuration that the node runs, as talhelper would have
// written it to clusterconfig.
func (n *Node) MachineConfig() []byte { return []byte(n.configText()) }

// Cores is the number of the node's CPU cores.
func (n *Node) Cores() int { return n.spec.CPUs }
