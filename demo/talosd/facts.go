package talosd

import (
	"crypto/sha256"
	"fmt"
)

// MachineConfig is the configuration that the node runs, as talhelper would have
// written it to clusterconfig.
func (n *Node) MachineConfig() []byte { return []byte(n.configText()) }

// Cores is the number of the node's CPU cores.
func (n *Node) Cores() int { return n.spec.CPUs }

// MachineID is what /etc/machine-id says.
func (n *Node) MachineID() string {
	sum := sha256.Sum256([]byte(n.nodeID()))
	return fmt.Sprintf("%x", sum[:16])
}

// Kernel is the version of the node's kernel.
func (n *Node) Kernel() string {
	if minor(n.spec.Talos) >= 14 {
		return "6.18.44-talos"
	}
	return "6.18.24-talos"
}

// Containerd is the version of the node's container runtime.
func (n *Node) Containerd() string {
	if minor(n.spec.Talos) >= 14 {
		return "2.3.1"
	}
	return "2.2.4"
}

func (n *Node) kernelVersion() string {
	return "Linux version " + n.Kernel() + " (root@buildkitsandbox) (gcc (GCC) 15.2.0, GNU ld (GNU Binutils) 2.45) #1 SMP"
}
