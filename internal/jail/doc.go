// Package jail runs Python programs, each in a jail of its own, and reports how they ended.
//
// # Three types
//
// A host holds what belongs to the machine: the cgroup tree, the host ids, the zygotes. There is one for each Runner. An environment
// is an interpreter with its packages: the root file system, the filter, the template, the waiting jails. There is one for each name
// that a program may choose. A jail belongs to one run: its leaf, its host id, its processes, its streams.
//
// # Theory of operation
//
// A run has two processes: the init and the program. A zygote clones the init. Zygotes are small processes that execute
// "sandboxd-init", a program that the daemon embeds. The init is a child of the daemon (CLONE_PARENT), in new user, mount, pid,
// network, ipc, uts and time namespaces and in a new cgroup v2 leaf. It replays a script of system calls that the daemon has compiled:
// it builds the root file system and gives up every privilege. Then it forks. The child goes on with the script: it loads the seccomp
// filter and becomes python3 by execve. The init stays process 1 of the pid namespace. It reports the end of the program over a pipe,
// and no process of the run outlives it.
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
//	  answer denied system calls          the child: execve python3
//	  ◄──────────── "ready" ────────────  the launcher waits     (a waiting jail is here)
//	  the program ──────────────────────► main.py, compiled
//	  ◄── "started", end of file ───────
//	  start the clock; read both streams
//	  kill by cgroup.kill: clock, watchdog or caller
//	  ◄── "end", its wait status ───────  the init ends, and all others with it
//	  read memory.events, cpu.stat; rmdir leaf
//
// If a call of the script fails, the init sends the number of the call and the errno instead of "go", and Run returns a
// sandbox.SetupError. End of file without "started" means that the process has died.
//
// With engine fork, a template takes the place of the zygote: a python3 in a jail of its own, which forks itself into new namespaces
// and the leaf. Its child is the init, and replays the same script without the execve. Both ways implement spawn.Spawner.
//
// # The packages
//
// Package sandbox defines the program and its outcome. The following packages do not depend on this one:
//
//	cgroup    the tree, its leaves, their limits
//	hostid    host uids for the runs, and id maps
//	rootfs    the root file system as data; what Landlock allows of it
//	python    the interpreter, the launcher and the template module
//	inside    the steps inside a jail, in order, compiled to a script
//	spawn     the first process of a jail: by a zygote, by a template
//	denials   the system calls that the filter denies; the announcements of new processes
//	output    the streams of a program
//	display   the displays of a program, as they come over the hand-off socket
//	collect   the files that a run returns
//	kernfs    small files of /proc and of cgroups
//
// Read the files of this package in this order: runner, host, environment, jail (the steps of a run), process, handoff, children, pool,
// keeper, template; then verdict, watchdog, footprint, reserve, stop and janitor. Package doctor tries every layer before the daemon serves.
//
// # Trust
//
// The daemon trusts no data of a program. It derives no path of the host from such data. It reads the two streams, the displays and the
// returned files with a cap, and opens a returned file with the rights of the run's host uid (package collect). The filter, the plan and
// the limits come from the daemon. Package jail needs no privilege except the right to create user namespaces. As root, it gives each run
// a host uid that is neither root's nor the daemon's.
package jail
