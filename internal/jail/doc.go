// Package jail runs one Python program in a jail of its own and says how it ended.
//
// # Theory of operation
//
// A run has two processes: the init and the program. The init is cloned by a zygote. Zygotes are small processes that
// execute a binary which the daemon embeds, "sandboxd-init", and do nothing but clone; the daemon starts one for each
// processor (8 at most) when it starts. The init is the daemon's own child (CLONE_PARENT), in new user, mount, pid, network,
// ipc, uts and time namespaces and in a fresh cgroup v2 leaf. It replays a script of system calls that the daemon
// compiled: it builds the root file system and gives up every privilege. Then it forks. The child goes on with
// the script: it loads the seccomp filter and becomes python3 by execve. The init stays process 1 of the pid namespace:
// it reports the end of the program over a pipe, and no process of the run outlives it.
//
//	daemon                                init (capabilities over its own
//	                                      namespaces only)
//	  mkdir leaf, set limits
//	  zygote: clone3(namespaces, leaf) ─► wait, as nobody
//	  uid_map, gid_map
//	  the script ───────────────────────► replay it: become uid 1000,
//	                                      loopback, root, pivot_root, host name,
//	                                      cgroup namespace, session, processor,
//	                                      credentials, split: fork
//	                                      the child: landlock, rlimits,
//	                                      descriptors, seccomp
//	  ◄────── "go", its listener ───────
//	  answer what the filter denies       the child: execve python3
//	  ◄──────────── "ready" ────────────  the launcher waits     (a waiting jail is here)
//	  the program ──────────────────────► main.py, compiled
//	  ◄── "started", end of file ───────
//	  start the clock; read both streams
//	  kill by cgroup.kill: clock, watchdog or caller
//	  ◄── "end", its wait status ───────  the init ends, and all others with it
//	  read memory.events, cpu.stat; rmdir leaf
//
// A call of the script that fails sends its number and errno up the socket instead of "go", and
// Run returns a sandbox.SetupError. End of file without "started" means that it died.
//
// Engine fork has a template in the place of the zygote: an interpreter, jailed likewise, that forks itself into new
// namespaces and the leaf. Its child is the init and replays the same script but for execve. See template.go.
//
// Package sandbox has the types of what goes in and what comes out. Read the files in this order: verdict, jail, pool, run
// (the story), cgroup, ids, initbinary, zygote, start, template, plan (the root file system as data), handoff; package
// inside (what happens inside, in order) denials (what the filter denies) and output (what the program writes); then devices, landlock, reports, watchdog, footprint and janitor, and probe, which
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
