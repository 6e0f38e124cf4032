# expect: held
# A new user namespace would give all capabilities and reset the securebits.
# layers: seccomp user-ns
syscall("unshare", 0x10000000)
value = int(of_status("CapEff"), 16)
(escaped if value >> 31 else held)(f"capabilities {value:x}")
