# expect: held
# The program sends messages of System V queues, which take kernel memory and are a common heap spray (CVE-2021-22555).
# layers: seccomp
refused("msgget", lambda: syscall("msgget", 0, 0o1600))
