// Package inside says what happens inside a jail before the program does, in the new namespaces: as
// a script of system calls, which the daemon compiles once and the init (cmd/sandboxd-init, a
// kilobyte of C) replays. So all that is known about the jail is here, in one place, for every way to
// start one, and the init knows nothing.
//
// Read order (what goes in), script (the language), steps (the table of contents), and then its
// chapters: net, mounts, pivot, cpu, creds, landlock, rlimits, descriptors, seccomp. wire is what
// is said over the socket.
package inside
