// Package jail runs one Python program in a jail of its own and says how it ended.
//
// # Theory of operation
//
// There are two processes and one socket pair. The second, the init, is cloned by a third, a zygote, of which
// there is one for each processor (8 at most) from the daemon's start: small processes that execute a binary which
// the daemon carries within itself, "sandboxd-init", and do nothing but clone. The init is not the zygote's child but
// its sibling, the daemon's own child (CLONE_PARENT), born into new user, mount, pid, network, ipc, uts and time
// namespaces and straight into a fresh cgroup v2 leaf. The init replays a script of system calls that the daemon
// compiled: it builds the root file system, gives up every privilege that it has, loads the seccomp
// filter and becomes python3 by execve. The program is process 1 of its pid namespace, so nothing of
// it can outlive it.
//
//	daemon                                init (capabilities over its own
//	                                      namespaces only)
//	  mkdir leaf, set limits
//	  zygote: clone3(namespaces, leaf) ─► wait, as nobody
//	  uid_map, gid_map
//	  the script ───────────────────────► replay it: become uid 1000,
//	                                      loopback, root, pivot_root, host name,
//	                                      cgroup namespace, session, processor,
//	                                      credentials, landlock, rlimits,
//	                                      descriptors, seccomp
//	  ◄────── "go", its listener ───────
//	  answer what the filter denies       execve python3
//	  ◄──────────── "ready" ────────────  the launcher waits     (a waiting jail is here)
//	  the program ──────────────────────► main.py, compiled
//	  ◄── "started", end of file ───────
//	  start the clock; read both streams
//	  kill by cgroup.kill: clock, watchdog or caller
//	  wait; read memory.events, cpu.stat; rmdir leaf
//
// A call of the script that fails sends its number and errno up the socket instead of "go", and
// Run returns a SetupError. End of file without "started" means that it died.
//
// Engine fork has a template where this has the init: an interpreter, jailed likewise, that forks
// itself into new namespaces and the leaf. The child replays the same script but for execve, and is
// where the launcher waits. See template.go.
//
// Read the files in this order: spec, verdict (what goes in, what comes out), jail, pool, run (the
// story), cgroup, ids, initbinary, zygote, start, template, plan (the root file system as data), handoff; package
// inside (what happens inside, in order); then devices, landlock, denials, output, watchdog and janitor, and probe, which
// tries every layer before the daemon promises it.
//
// # Who trusts whom
//
// Nothing that the program made is trusted: no host path is derived from it, nothing it
// wrote is opened by the daemon, and its two streams are read with a cap. The filter, the
// plan and the limits come from the daemon. Package jail needs no privilege beyond the right
// to create user namespaces; run as root it takes a host uid for each run that is
// neither root's nor the daemon's.
package jail
