# expect: held
# Messages in kernel memory: the heap spray of most exploits (CVE-2021-22555).
# layers: seccomp
refused("msgget", lambda: syscall("msgget", 0, 0o1600))
