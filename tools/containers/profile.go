package main

import (
	"encoding/json"
	"io"
	"slices"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// capabilities are those that the daemon uses as root: it gives each run its own host uid and gid.
var capabilities = []string{"CAP_SETGID", "CAP_SETUID"}

// rule is a rule of the profile. The OCI runtime specification has no comments; runtimes ignore the key.
type rule struct {
	Comment string `json:"comment,omitempty"`
	specs.LinuxSyscall
}

// profile has the rules with their comments; runtimes read it as specs.LinuxSeccomp.
type profile struct {
	DefaultAction   specs.LinuxSeccompAction `json:"defaultAction"`
	DefaultErrnoRet *uint                    `json:"defaultErrnoRet,omitempty"`
	Architectures   []specs.Arch             `json:"architectures"`
	Syscalls        []rule                   `json:"syscalls"`
}

type addition struct {
	comment string
	names   []string
}

// added are the system calls that Docker allows only with CAP_SYS_ADMIN, or not at all, and that the daemon or the init of a jail makes.
// They run with the capabilities of the jail's own user namespace, or need none. clone with namespaces stays denied: the daemon uses clone3.
var added = []addition{
	{"sandboxd: processes in new namespaces, started in the cgroup of their run", []string{"clone3", "unshare"}},
	{"sandboxd: the root file system of a jail", []string{
		"fsconfig", "fsmount", "fsopen", "mount", "mount_setattr", "move_mount", "open_tree", "pivot_root", "umount2"}},
	{"sandboxd: files of /proc for child processes of a run, mounted by a process that enters its namespaces", []string{"setns"}},
	{"sandboxd: the host name of a jail", []string{"setdomainname", "sethostname"}},
	{"sandboxd: a session keyring for each run", []string{"keyctl"}},
}

// makeProfile returns Docker's default profile for these capabilities, on amd64 and arm64, and the added calls. Conditions such as
// "includes" are resolved, because not all runtimes know them: containerd ignores them in a Localhost profile of Kubernetes.
func makeProfile(added []addition) profile {
	docker := seccomp.DefaultProfile()
	p := profile{
		DefaultAction: docker.DefaultAction, DefaultErrnoRet: docker.DefaultErrnoRet,
		// No 32-bit calls: a profile without an architecture kills a process that uses it.
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchAARCH64},
	}
	var ours []string
	for _, a := range added {
		ours = append(ours, a.names...)
	}
	for _, s := range docker.Syscalls {
		if !applies(s) {
			continue
		}
		names := slices.DeleteFunc(slices.Clone(s.Names), func(name string) bool { return slices.Contains(ours, name) })
		if len(names) == 0 {
			continue
		}
		s.Names = names
		p.Syscalls = append(p.Syscalls, rule{Comment: s.Comment, LinuxSyscall: s.LinuxSyscall})
	}
	for _, a := range added {
		if len(a.names) > 0 {
			p.Syscalls = append(p.Syscalls, rule{a.comment, specs.LinuxSyscall{Names: a.names, Action: specs.ActAllow}})
		}
	}
	return p
}

// spec returns the profile without comments.
func (p profile) spec() *specs.LinuxSeccomp {
	s := specs.LinuxSeccomp{DefaultAction: p.DefaultAction, DefaultErrnoRet: p.DefaultErrnoRet, Architectures: p.Architectures}
	for _, r := range p.Syscalls {
		s.Syscalls = append(s.Syscalls, r.LinuxSyscall)
	}
	return &s
}

func printProfile(to io.Writer) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(makeProfile(added))
}

// applies reports whether a rule of Docker's profile applies to the daemon's container. All supported kernels are newer than those in the
// rules' conditions.
func applies(s *seccomp.Syscall) bool {
	ours := []string{"amd64", "arm64"}
	overlap := func(list, of []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return slices.Contains(of, s) })
	}
	if i := s.Includes; i != nil {
		if len(i.Arches) > 0 && !overlap(i.Arches, ours) {
			return false
		}
		for _, c := range i.Caps {
			if !slices.Contains(capabilities, c) {
				return false
			}
		}
	}
	if e := s.Excludes; e != nil && (overlap(e.Caps, capabilities) || overlap(e.Arches, ours) || e.MinKernel != nil) {
		return false
	}
	return true
}
