# expect: held
# The program creates a user namespace, in which it would have all capabilities.
# layers: seccomp user-ns
syscall("unshare", 0x10000000)
value = int(of_status("CapEff"), 16)
(escaped if value >> 31 else held)(f"capabilities {value:x}")
