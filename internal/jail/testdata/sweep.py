# Makes system calls, each in a separate process, and prints the result of each: the errno, "died" if the call killed, ended or blocked
# the process, or "SIGSYS".
#
# The test puts ATTEMPTS, a list of [number, arguments...], before this text.
import ctypes
import mmap
import os
import signal
import struct

libc = ctypes.CDLL(None, use_errno=True)
NEVER, BEGUN = 0xFFFFFFFF, 0xFFFFFFFE
PATIENCE = 4  # seconds, after which a call counts as blocked
AT_ONCE = 24

outcomes = mmap.mmap(-1, 4 * len(ATTEMPTS))  # shared with the children
outcomes.write(struct.pack("I", NEVER) * len(ATTEMPTS))


def attempt(i):
    number, *args = ATTEMPTS[i]
    args = [ctypes.c_ulong(a & (1 << 64) - 1) for a in args]
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    ctypes.set_errno(0)
    struct.pack_into("I", outcomes, 4 * i, BEGUN)
    libc.syscall(ctypes.c_long(number), *args)
    struct.pack_into("I", outcomes, 4 * i, ctypes.get_errno())
    os._exit(0)


children, sigsys = {}, set()


def reap():
    pid, status = os.wait()
    i = children.pop(pid, None)  # None for a child of a child, made by clone or vfork
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS:
        sigsys.add(i)


for i in range(len(ATTEMPTS)):
    while len(children) >= AT_ONCE:
        reap()
    pid = os.fork()
    if pid == 0:
        attempt(i)
    children[pid] = i
while children:
    reap()

for i, attempted in enumerate(ATTEMPTS):
    outcome, = struct.unpack_from("I", outcomes, 4 * i)
    outcome = {NEVER: "not tried", BEGUN: "SIGSYS" if i in sigsys else "died"}.get(outcome, outcome)
    print(attempted[0], outcome, sep="\t")
