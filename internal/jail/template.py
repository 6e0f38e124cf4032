# A template: an interpreter that has imported what the operator names, and from which runs are forked,
# each into namespaces of its own. The launcher imports this in a jail that is the template's; no
# user's code or data ever comes here. A child leaves serve() as a jail of its own, jailed by the
# same script as every other (inside), and goes on as the launcher does in any run.
import sys

before = set(sys.modules)

import _imp
import _signal
import _socket
import gc
import os
import select
from _frozen_importlib import ModuleSpec

ours = set(sys.modules) - before  # a program does not see that we needed them
CHANNEL = 3
LIBRARYS = 32, 33  # signals that the C library keeps to itself (nptl(7))
LOOKS = 50  # at what an import leaves behind
LULL = 3  # milliseconds without a program, after which none is to be expected at once


def descriptors(control, order):
    """Receive a message of the daemon into order; return its size in bytes and the descriptors that came with it."""
    size, ancillary, _, _ = control.recvmsg_into([order], _socket.CMSG_SPACE(8 * 4), _socket.MSG_CMSG_CLOEXEC)
    fds = []
    for _, _, payload in ancillary:
        for at in range(0, len(payload), 4):
            fds.append(int.from_bytes(payload[at:at + 4], sys.byteorder))
    return size, fds


def load(fd):
    """The module that was compiled with the init, from memory."""
    spec = ModuleSpec("_sandboxd", None, origin=f"/proc/self/fd/{fd}")
    module = _imp.create_dynamic(spec)
    _imp.exec_dynamic(module)
    return module


def set_map(pid, name, value):
    with open(f"/proc/{pid}/{name}", "wb", buffering=0) as file:
        file.write(value)


class Template:
    def __init__(self, control, module):
        self.control = control
        self.module = module
        self.children = {}  # pid of each, by its pidfd
        # It names the host uid of a run. No other copy is made of it, and it is wiped: the memory of the
        # runs to come is ours.
        self.order = memoryview(bytearray(256))
        self.poll = select.poll()
        self.poll.register(control.fileno(), select.POLLIN)

    def serve(self):
        """Fork whenever the daemon says so; return in a child."""
        while True:
            for fd, _ in self.poll.poll():
                if fd != self.control.fileno():
                    self.ended(fd)
                elif self.fork():
                    return

    def fork(self):
        """True in the child, jailed."""
        size, fds = descriptors(self.control, self.order)
        if not size:
            os._exit(0)  # the daemon is gone, or has no more use for us
        flags, in_cgroup, no_groups, uids, gids = self.parts(size)
        pid, pidfd = self.module.fork(int(flags), fds[4] if int(in_cgroup) else -1, *fds[:4])
        if pid == 0:
            self.control.detach()  # it is closed
            reseed()
            return True
        for fd in fds:
            os.close(fd)
        error = -pid if pid < 0 else 0
        if pid > 0:
            self.children[pidfd] = pid
            self.poll.register(pidfd, select.POLLIN)
            try:
                if int(no_groups):
                    set_map(pid, "setgroups", b"deny")
                set_map(pid, "uid_map", uids)
                set_map(pid, "gid_map", gids)
            except OSError as failure:
                error = failure.errno
        self.order[:] = bytes(len(self.order))
        self.control.sendmsg([f"{error} {pid}".encode()], [] if pid < 0 else [
            (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, pidfd.to_bytes(4, sys.byteorder))])
        return False

    def parts(self, size):
        begin = 0
        for at in range(size):
            if self.order[at] == 10:
                yield self.order[begin:at]
                begin = at + 1
        yield self.order[begin:size]

    def ended(self, pidfd):
        os.waitpid(self.children.pop(pidfd), 0)  # the daemon knows by its own pidfd
        self.poll.unregister(pidfd)
        os.close(pidfd)


def wait(channel, rehearse):
    """Use the time if there is any. It is not counted yet, and a run that does not wait is not held up."""
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    if not poll.poll(LULL):
        rehearse()


def reseed():
    """What the template's modules have drawn from a source of randomness is not to be drawn again."""
    fresh = lambda: int.from_bytes(os.urandom(16), sys.byteorder)
    modules = sys.modules
    if "random" in modules:
        modules["random"].seed()
    if "numpy.random" in modules:
        modules["numpy.random"].seed([fresh() >> shift & 0xffffffff for shift in (0, 32, 64, 96)])
    if "_ssl" in modules:
        modules["_ssl"].RAND_add(os.urandom(64), 64.0)
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
    for name, user in (("synchronize", "SemLock"), ("heap", "Arena")):
        if "multiprocessing." + name in modules:
            names = getattr(getattr(modules["multiprocessing." + name], user), "_rand", None)
            if names is not None:
                names._rng_pid = None  # it compares process ids, which are the same in each run
    if "multiprocessing.process" in modules:
        modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "uuid" in modules:
        uuid = modules["uuid"]
        uuid._generate_time_safe = None  # libuuid keeps its node and its clock sequence to itself
        uuid._node = fresh() & (1 << 48) - 1 | 1 << 40  # as uuid does where there is no address (RFC 4122, 4.5)
        uuid._last_timestamp = None


def shared():
    """What a fork shares between parent and child, or takes away from the child (fork(2)), each in words."""
    found = set()
    for thread in os.listdir("/proc/self/task"):
        if int(thread) != os.getpid():
            found.add("a thread")
        try:
            with open(f"/proc/self/task/{thread}/children") as file:
                found.update(f"child process {pid}" for pid in file.read().split())
        except OSError:
            pass  # of a thread that has ended
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"descriptor {fd} ({os.readlink('/proc/self/fd/' + fd)})")
        except OSError:
            pass  # of the listing itself
    with open("/proc/self/smaps") as file:
        for line in file:
            if "-" in line.split(None, 1)[0]:
                mapping = line.split(None, 5)  # addresses, access, offset, device, inode, path
            # Shared, and writable or open to be made so; a file that was opened for reading only is neither.
            elif line.startswith("VmFlags:") and {"sh", "mw"} <= set(line.split()):
                low, high = (int(address, 16) for address in mapping[0].split("-"))
                found.add(f"a shared mapping of {high - low} bytes ({''.join(mapping[5:]).strip() or 'anonymous'})")
    with open("/proc/self/status") as file:
        for line in file:
            key, _, value = line.partition(":")
            meaning = {"SigBlk": "blocked", "SigIgn": "ignored", "SigCgt": "handled"}.get(key)
            if meaning:
                signals = int(value, 16)
                found.update(f"signal {n + 1} {meaning}" for n in range(64)
                             if signals >> n & 1 and n + 1 not in LIBRARYS)
    for n, name in enumerate(("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")):
        if any(_signal.getitimer(n)):
            found.add(f"timer {name}")
    return found


def serve(names, report, end):
    """Import what is named and report that, then fork for the daemon; return in a child."""
    _, (control, extension) = descriptors(_socket.socket(fileno=os.dup(CHANNEL)), bytearray(1))
    module = load(extension)
    os.close(extension)
    for name in ours | {"_sandboxd"}:
        sys.modules.pop(name, None)
    end.exit = module.exit
    module.keep(end.kept)  # whatever the end of a child
    before = shared()
    for name in names:
        __import__(name)
        for _ in range(LOOKS):
            left = sorted(shared() - before)
            if not left:
                break
            select.poll().poll(10)  # milliseconds: a thread that was joined may still be on its way out
        else:
            raise RuntimeError(f"module {name!r} leaves {', '.join(left)}: the runs of this template would share it, or lack it")
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    end.keep()  # and a child that collects garbage need not copy what it shares with us
    report("S")
    os.close(CHANNEL)
    Template(_socket.socket(fileno=control), module).serve()
