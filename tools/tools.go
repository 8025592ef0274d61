// Package tools pins the programs that the gate and the pictures need; they
// build in this module of their own, apart from the cockpit's dependencies.
package tools
