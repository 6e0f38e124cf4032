# expect: held
# Every capability again by a user namespace, and the securebits reset.
# layers: seccomp user-ns
syscall("unshare", 0x10000000)
value = int(of_status("CapEff"), 16)
(escaped if value >> 31 else held)(f"capabilities {value:x}")
