# expect: held
# The program makes system calls through the vsyscall page at a fixed address, which some filters do not check.
# layers: kernel
# arch: amd64
def call():
    t = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(0xffffffffff600400)(None)
    os._exit(50 if abs(t - time.time()) < 5 else 51)
status = child(call)
held(f"time by vsyscall: {status_of(status)}")
(held if child(lambda: ctypes.string_at(0xffffffffff600000, 16)) == signal.SIGSEGV else unclear)("its page is not readable")
