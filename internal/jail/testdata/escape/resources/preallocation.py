# expect: held
# Space without writing, and hole punching (CVE-2024-43853's kin).
# layers: seccomp
refused("fallocate", lambda: syscall("fallocate", 1, 0, 0, 1 << 40))
