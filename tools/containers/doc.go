// Command containers makes the seccomp profile in deploy/container and bundles for an OCI runtime, and its tests check the files that
// deploy sandboxd in containers. It is a module of its own, because it needs code of Docker, Compose and Kubernetes.
//
//	containers profile               prints deploy/container/seccomp.json
//	containers bundles ROOT DIR      makes a bundle below DIR for each set of options; ROOT is the root file system
package main
