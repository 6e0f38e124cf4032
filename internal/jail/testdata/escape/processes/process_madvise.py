# expect: held
# The program opens a pidfd of a process of the host, pages this process out, and reaps its memory.
# layers: seccomp pid-ns
pidfd, number = syscall("pidfd_open", HOST_PID, 0)
held(f"pidfd_open: {name_of(number)}") if number else escaped("a pidfd of the host")
vector = (ctypes.c_void_p * 2)(0x400000, 4096)
refused("process_madvise", lambda: syscall("process_madvise", pidfd, vector, 1, 21, 0), *DENIED, errno.EBADF)
refused("process_mrelease", lambda: syscall("process_mrelease", pidfd, 0), *DENIED, errno.EBADF)
