# A template: an interpreter that has imported what the operator names, and from which runs are forked,
# each into namespaces of its own. The launcher imports this in a jail that is the template's; no
# user's code or data ever comes here. A child leaves serve() as a jail of its own, jailed by the
# same script as every other (inside), and goes on as the launcher does in any run.
import sys

before = set(sys.modules)

import _imp
import _socket
import gc
import os
import select
from _frozen_importlib import ModuleSpec

ours = set(sys.modules) - before  # a program does not see that we needed them
CHANNEL = 3
LULL = 3  # milliseconds without a program, after which none is to be expected at once


def descriptors(control, order):
    """How many bytes the daemon says over a socket, into order, and the descriptors that come with it."""
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
        channel, stdout, stderr, *cgroup = fds
        pid, pidfd = self.module.fork(int(flags), cgroup[0] if int(in_cgroup) else -1)
        if pid == 0:
            self.become(channel, stdout, stderr)
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
        self.control.sendmsg([f"F {error} {pid}".encode()], [] if pid < 0 else [
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
        pid, status, usage = os.wait4(self.children.pop(pidfd), 0)
        self.poll.unregister(pidfd)
        os.close(pidfd)
        self.control.send(f"X {pid} {status} {usage.ru_utime} {usage.ru_stime} {usage.ru_maxrss}".encode())

    def become(self, channel, stdout, stderr):
        """Make this child a jail of its own. The script closes all descriptors but these."""
        self.control.detach()
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.dup2(channel, CHANNEL)
        if self.module.replay(CHANNEL) != 0:
            os._exit(1)
        reseed()


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
                names._rng_pid = None  # it compares process ids, and each run's is 1
    if "multiprocessing.process" in modules:
        modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "uuid" in modules:
        uuid = modules["uuid"]
        uuid._generate_time_safe = None  # libuuid keeps its node and its clock sequence to itself
        uuid._node = fresh() & (1 << 48) - 1 | 1 << 40  # as uuid does where there is no address (RFC 4122, 4.5)
        uuid._last_timestamp = None


def serve(names, report, end):
    """Import what is named and report that, then fork for the daemon; return in a child."""
    _, (control, extension) = descriptors(_socket.socket(fileno=os.dup(CHANNEL)), bytearray(1))
    module = load(extension)
    os.close(extension)
    for name in ours | {"_sandboxd"}:
        sys.modules.pop(name, None)
    end.exit = module.exit
    module.keep(end.kept)  # whatever the end of a child
    for name in names:
        __import__(name)
    if len(os.listdir("/proc/self/task")) > 1:
        raise RuntimeError("an import started threads, which no child would have")
    sys.stdout.flush()
    sys.stderr.flush()
    gc.collect()
    end.keep()  # and a child that collects garbage need not copy what it shares with us
    report("S")
    os.close(CHANNEL)
    Template(_socket.socket(fileno=control), module).serve()
