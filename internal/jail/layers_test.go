package jail_test

// layer is a layer of the jail, as attacks claim it.
type layer struct {
	name string
}

var layers = []layer{
	{"seccomp"}, {"mounts"}, {"landlock"}, {"credentials"}, {"user-ns"}, {"session"}, {"rlimits"}, {"cgroup"}, {"scratch"},
	{"pid-ns"}, {"net-ns"}, {"ipc-ns"}, {"ids"}, {"daemon"},
}
