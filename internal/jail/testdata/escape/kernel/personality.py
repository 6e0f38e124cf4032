# expect: held
# The program sets another execution domain: no address space randomisation, memory at address 0, readable memory that is executable, 32
# bits. It also reads the current one.
# layers: seccomp
for persona in (0x0040000, 0x0100000, 0x0400000, 0x0008, 0xffffffff):
    unreachable(f"personality {persona:#x}", lambda: syscall("personality", persona))
