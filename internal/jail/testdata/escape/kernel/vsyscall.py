# expect: held
# The program calls time(2) through the vsyscall page at a fixed address, and reads this page, whose instructions exploits use. The kernel
# may emulate the call, to which the filter applies, but the page must not be readable.
# layers: kernel
# arch: amd64
def call():
    t = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(0xffffffffff600400)(None)
    os._exit(50 if abs(t - time.time()) < 5 else 51)
status = child(call)
held(f"time by vsyscall: {status_of(status)}")
(held if child(lambda: ctypes.string_at(0xffffffffff600000, 16)) == signal.SIGSEGV else escaped)("its page is not readable")
