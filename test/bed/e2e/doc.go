// Package e2e holds the tests of the whole cockpit against the bed: the real
// Kubernetes API, the real Flux controllers and the real kubectl and flux
// commands, with a simulated Talos side. What the cockpit shows is compared with
// what those commands say, not with expectations written down here.
package e2e
