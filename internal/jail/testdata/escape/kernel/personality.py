# expect: held
# Another execution domain: no address space randomisation, memory at 0, readable means executable.
# layers: seccomp
for persona in (0x0040000, 0x0100000, 0x0400000, 0x0008, 0xffffffff):
    unreachable(f"personality {persona:#x}", lambda: syscall("personality", persona))
