// Package inside is the init of a jail: what happens between clone and python3, in the new
// namespaces. It replays an Order that the daemon sends, and decides nothing.
//
// Read wire (what it is told and what it answers), init (the table of contents), and then its
// chapters: net, mounts, pivot, cpu, creds, landlock, rlimits, descriptors, seccomp.
//
// It is linked into a small binary of its own, cmd/sandboxd-init, which the daemon carries within
// itself: every run executes it, so that every package that is imported here is paid for by every
// run. For the same reason there is no fmt, no log and no JSON here.
package inside
