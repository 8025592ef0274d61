// Package e2e tests the whole program as an operator meets it: the built
// program in a terminal emulator, on simulated clusters. It has no code of its own.
//
// TALOS_COCKPIT_E2E names a program that is tested instead of one built here.
package e2e
