# expect: held
# The program uses futexes with priority inheritance (CVE-2014-3153 "towelroot", CVE-2021-3347), and futex_waitv.
# layers: seccomp
word = ctypes.c_int(0)
FUTEX_LOCK_PI, FUTEX_TRYLOCK_PI, FUTEX_CMP_REQUEUE_PI, FUTEX_FD = 6, 8, 12, 2
for operation in (FUTEX_TRYLOCK_PI, FUTEX_LOCK_PI, FUTEX_CMP_REQUEUE_PI, 128 | FUTEX_LOCK_PI, FUTEX_LOCK_PI | 1 << 32, 13):
    unreachable(f"futex {operation:#x}", lambda: syscall("futex", word, operation, 1, 0, word, 0))
unreachable("futex_waitv", lambda: syscall("futex_waitv", bytes(24), 1, 0, 0, 0))
