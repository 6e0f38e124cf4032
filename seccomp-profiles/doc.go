// Package seccompprofiles holds the system call filters of sandboxd and turns them into BPF.
//
// A profile is an allow list in the "LinuxSeccomp" format of the OCI runtime specification
// (default.json; the reasons are in it and in README.md). The way of one:
//
//	profile.json ── parse ──> rules ── libseccomp ──> BPF ── verify ──> Filter
//	              (profile.go)        (compile.go)         (verify.go)
//
// Nothing here touches the kernel: Compile is a function of its input. Loading Filter.Program
// with seccomp(2) is the jail's last step before execve(2).
//
// What a filter returns for a denial is either the errno, for the kernel to give, or a notification
// with the errno as its data, for the daemon to give and count: see Rule.Quiet.
//
// Three answers to a call that is not allowed, and when to give which:
//
//   - ENOSYS, the default: what is not known here, be it a call, a request or a flag. Programs take
//     it for an old kernel and fall back, as they were written to do.
//   - EPERM (or another errno that says so in the profile): what is known, and denied for a reason.
//   - the process dies of SIGSYS: a call of a foreign architecture, x32 included. The numbers of the
//     filter mean other calls there.
package seccompprofiles

import _ "embed"

// Default is the profile of a run unless the operator names another one. It lets python3, its
// standard library, numpy, pandas and matplotlib work, on amd64 and on arm64.
//
//go:embed default.json
var Default []byte
