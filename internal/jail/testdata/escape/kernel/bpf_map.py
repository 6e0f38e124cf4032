# expect: held
# The program creates a BPF map, the first step of most BPF exploits (CVE-2017-16995, CVE-2021-3490, CVE-2022-23222).
# layers: seccomp
if UNPRIVILEGED_BPF_DISABLED:
    absent("kernel.unprivileged_bpf_disabled")
unreachable("BPF_MAP_CREATE", lambda: syscall("bpf", 0, struct.pack("IIIII", 2, 4, 8, 1, 0) + bytes(100), 120))
