// Package inside defines the steps that set up a jail from inside, in the new namespaces. The daemon compiles them once to a script of
// system calls, and the init (cmd/sandboxd-init, in C) replays the script. So the steps are the same for every engine, and the init has
// no knowledge of the jail.
//
// Read the files in this order: order.go (the input), script.go (the script and its assembler), steps.go (the list of the steps), and
// then the steps: net, mounts, pivot, cpu, creds, landlock, rlimits, descriptors, seccomp. wire.go is the protocol of the hand-off
// socket.
package inside
