# expect: held
# The program calls arch_prctl for segments, CPUID, shadow stacks, extended state and the vDSO.
# layers: seccomp
# arch: amd64
place = ctypes.c_ulong()
for name, code, argument in (("ARCH_GET_FS", 0x1003, place), ("ARCH_GET_GS", 0x1004, place), ("ARCH_GET_CPUID", 0x1011, 0), ("ARCH_REQ_XCOMP_PERM", 0x1023, 99),
                             ("ARCH_SHSTK_STATUS", 0x5005, place), ("ARCH_MAP_VDSO_64", 0x2003, 0), ("ARCH_GET_XCOMP_SUPP", 0x1021, place)):
    unreachable(name, lambda: syscall("arch_prctl", code, argument))
