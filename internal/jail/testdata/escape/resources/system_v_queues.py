# expect: held
# The program creates a System V message queue. Its messages take kernel memory and are a common heap spray (CVE-2021-22555).
# layers: seccomp
refused("msgget", lambda: syscall("msgget", 0, 0o1600))
