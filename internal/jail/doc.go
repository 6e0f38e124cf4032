// Package jail runs one Python program in a jail of its own and says how it ended.
//
// # Theory of operation
//
// There are two processes and one socket pair. The daemon executes a small binary that it
// carries within itself, "sandboxd-init", born into new user, mount, pid, network, ipc and uts namespaces and
// straight into a fresh cgroup v2 leaf. The init builds the root file system, gives up every
// privilege that it has, loads the seccomp filter and becomes python3 by execve: the
// program is process 1 of its pid namespace, so nothing of it can outlive it.
//
//	daemon                                init (ambient capabilities over its own
//	                                      namespaces only)
//	  mkdir leaf, set limits
//	  clone3(namespaces, leaf) ─────────► execve sandboxd-init, as nobody
//	  uid_map, gid_map
//	  order: plan, limits, source ──────► receive; become uid 1000
//	                                      loopback, root, pivot_root, host name,
//	                                      cgroup namespace, session, processor,
//	                                      credentials, landlock, rlimits,
//	                                      descriptors, seccomp
//	  ◄────── "go", its listener ───────
//	  answer what the filter denies
//	  ◄────────────── end of file ──────  execve python3
//	  start the clock; read both streams
//	  kill by cgroup.kill: clock, watchdog or caller
//	  wait; read memory.events, cpu.stat; rmdir leaf
//
// A step of the init that fails sends its stage, errno and object up the socket instead of
// "go", and Run returns a SetupError. End of file without "go" means that init died,
// and so does one after "go" when the process is dead under the name of a step.
//
// Read the files in this order: spec, verdict (what goes in, what comes out), jail (the
// story), cgroup, ids, initbinary, start, plan (the root file system as data), handoff; package
// inside (what happens inside, in order); then devices, landlock, denials, output and watchdog, and probe, which
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
