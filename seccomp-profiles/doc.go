// Package seccompprofiles has the default system call filter of sandboxd, and compiles profiles to BPF.
//
// A profile is an allow list in the "LinuxSeccomp" format of the OCI runtime specification. default.json is the default
// profile; it and README.md give a reason for each rule. A profile is compiled in these steps:
//
//	profile.json ── parse ──> rules ── libseccomp ──> BPF ── verify ──> Filter
//	              (profile.go)        (compile.go)         (verify.go)
//
// This package does not change the process: Compile is a function of its input. The jail loads Filter.Program with seccomp(2)
// as the last step before execve(2).
//
// For a denied call the filter returns either the errno, or a notification with the errno as its data. In the second case the
// daemon gives that errno to the program and counts the denial: see Rule.Quiet.
//
// There are three answers to a call that is not allowed:
//
//   - ENOSYS is the default, for calls, requests and flags that the profile does not know. Programs treat it as an old kernel
//     and fall back to another way.
//   - EPERM, or another errno in the profile, is for known calls that are denied for a reason.
//   - SIGSYS kills the process at a call of a foreign architecture, including x32, because the numbers mean other calls there.
package seccompprofiles

import _ "embed"

// Default is the profile of a run unless the operator names another one. It lets python3, its
// standard library, numpy, pandas and matplotlib work, on amd64 and on arm64.
//
//go:embed default.json
var Default []byte
