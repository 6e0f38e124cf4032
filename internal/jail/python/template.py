# A template: an interpreter that has imported the modules that the operator names, and forks runs, each into its own namespaces. The
# launcher imports this module in the jail of the template, where no code or data of a user ever arrives. In a child, serve() returns
# when the child has replayed the same script as every init (package inside). The child then continues in the launcher as any run does.
import sys

before = set(sys.modules)

import _imp
import _signal
import _socket
import gc
import os
import select
from _frozen_importlib import ModuleSpec

ours = set(sys.modules) - before  # a program must not find modules that only this one imported
CHANNEL = 3
LIBRARYS = 32, 33  # signals that the C library uses itself (nptl(7))
LOOKS = 50  # shared() is called at most so often, 10 ms apart, until it finds nothing


def descriptors(channel):
    """Receive the two descriptors that the daemon sends: the control socket, and the module that was compiled with the init."""
    _, ancillary, _, _ = channel.recvmsg(1, _socket.CMSG_SPACE(2 * 4), _socket.MSG_CMSG_CLOEXEC)
    payload = ancillary[0][2]
    return [int.from_bytes(payload[at:at + 4], sys.byteorder) for at in (0, 4)]


def load(fd):
    """Load the module that was compiled with the init, from memory."""
    spec = ModuleSpec("_sandboxd", None, origin=f"/proc/self/fd/{fd}")
    module = _imp.create_dynamic(spec)
    _imp.exec_dynamic(module)
    return module


class Template:
    def __init__(self, control, module):
        self.control = control
        self.module = module
        self.children = {}  # pids by pidfd
        self.poll = select.poll()
        self.poll.register(control.fileno(), select.POLLIN)

    def serve(self):
        """Fork when the daemon asks for it. Return only in a child."""
        while True:
            for fd, _ in self.poll.poll():
                if fd != self.control.fileno():
                    self.ended(fd)
                elif self.fork():
                    return

    def fork(self):
        """Serve one request. Return True in the child, after it has replayed the script."""
        served = self.module.serve(self.control.fileno())
        if served is None:
            os._exit(0)  # the daemon has closed the control socket: it has ended, or does not need this template any more
        pid, pidfd = served
        if pid == 0:
            self.control.detach()  # the script has closed it
            reseed()
            return True
        if pid > 0:
            self.children[pidfd] = pid
            self.poll.register(pidfd, select.POLLIN)
        return False

    def ended(self, pidfd):
        os.waitpid(self.children.pop(pidfd), 0)  # the daemon knows by its own pidfd
        self.poll.unregister(pidfd)
        os.close(pidfd)


def reseed():
    """Reset all random state of imported modules, so that two runs of a template do not draw the same values."""
    fresh = lambda: int.from_bytes(os.urandom(16), sys.byteorder)
    modules = sys.modules
    if "random" in modules:
        modules["random"].seed()
    if "numpy.random" in modules:  # seed() would touch, and so copy, three times as much of the template's memory
        key = modules["numpy"].frombuffer(os.urandom(4 * 624), "uint32")  # the whole state of a Mersenne Twister
        modules["numpy.random"].set_state(("MT19937", key, 624))
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
        uuid._generate_time_safe = None  # the state of libuuid, its node and clock sequence, cannot be reset
        uuid._node = fresh() & (1 << 48) - 1 | 1 << 40  # a random node, as on a machine without a MAC address (RFC 4122, 4.5)
        uuid._last_timestamp = None


def shared():
    """Return descriptions of the state that parent and child share after a fork, or that the child loses (fork(2))."""
    found = set()
    for thread in os.listdir("/proc/self/task"):
        if int(thread) != os.getpid():
            found.add("a thread")
        try:
            with open(f"/proc/self/task/{thread}/children") as file:
                found.update(f"child process {pid}" for pid in file.read().split())
        except OSError:
            pass  # the thread has ended
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"descriptor {fd} ({os.readlink('/proc/self/fd/' + fd)})")
        except OSError:
            pass  # the descriptor of the listing itself
    with open("/proc/self/smaps") as file:
        for line in file:
            if "-" in line.split(None, 1)[0]:
                mapping = line.split(None, 5)  # addresses, access, offset, device, inode, path
            # "sh" is a shared mapping, and "mw" one that is or may become writable. A file that was opened for reading lacks "mw".
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


def leaves_nothing(what, before):
    """Raise RuntimeError if there is state that parent and child share and that was not there before."""
    for _ in range(LOOKS):
        left = sorted(shared() - before)
        if not left:
            return
        select.poll().poll(10)  # milliseconds; a joined thread may need some time until the kernel has removed it
    raise RuntimeError(f"{what} leaves {', '.join(left)}: the runs of this template would share it, or lack it")


def draw_once():
    """Draw a figure and drop it, if matplotlib is imported. Return True if one was drawn. The first figure of a process imports modules,
    reads the fonts and fills caches: a fifth of its time, which each child would spend again. pyplot is not used, so it has no figure and
    no backend afterwards."""
    if "matplotlib.figure" not in sys.modules:
        return False
    from matplotlib import font_manager

    # matplotlib keeps the files of its fonts open, and children would share the position in each file. If this version of matplotlib
    # offers no way to close the files, no figure is drawn.
    close_fonts = getattr(getattr(font_manager, "_get_font", None), "cache_clear", None)
    if close_fonts is None:
        return False
    from io import BytesIO
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], label="line")
    axes.set_title("title")
    axes.legend()
    FigureCanvasAgg(figure).print_png(BytesIO())
    close_fonts()
    return True


PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
OWN = 1 << 63 | 1 << 56  # in /proc/PID/pagemap: the page is in memory, and no other process has it (admin-guide/mm/pagemap.rst of Linux)


def pages_written_by(action):
    """Call action() in a child process. Return the numbers of the pages of this process that the child has changed, and so copied. Return
    none if a filter or a limit of the operator forbids the child, if it fails, or if the kernel has no pagemap: then each page costs a
    page fault in each run that draws."""
    with open("/proc/self/maps") as file:
        maps = [line.split(None, 2) for line in file]
    areas = [[int(address, 16) for address in addresses.split("-")] for addresses, access, _ in maps if access.startswith("rw")]
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        return set()
    if child:
        os.close(writer)
        with open(reader, "rb") as file:
            pages = set(memoryview(file.read()).cast("Q"))
        os.waitpid(child, 0)
        return pages
    try:
        action()
        with open(writer, "wb") as file:
            file.write(b"".join(page.to_bytes(8, sys.byteorder) for page in own_pages(areas)))
    finally:
        os._exit(0)


def own_pages(areas):
    """Return the numbers of the pages in these areas that this process does not share."""
    pages = []
    with open("/proc/self/pagemap", "rb", buffering=0) as file:
        for low, high in areas:
            file.seek(low // PAGE * 8)
            entries = memoryview(file.read((high - low) // PAGE * 8)).cast("Q")
            pages += [page for page, entry in enumerate(entries, low // PAGE) if entry & OWN == OWN]
    return pages


def ranges(pages):
    """Return the ranges of these pages in the form that module.populate() expects."""
    bounds = []
    for page in sorted(pages):
        if bounds and page - bounds[-1] <= 1:  # one page between two ranges costs less than another call
            bounds[-1] = page + 1
        else:
            bounds += page, page + 1
    return b"".join((bound * PAGE).to_bytes(8, sys.byteorder) for bound in bounds)


def serve(names, report, rehearse, display, end):
    """Import the modules and report that, then fork for the daemon. Return only in a child. display is the module for displays."""
    control, extension = descriptors(_socket.socket(fileno=os.dup(CHANNEL)))
    module = load(extension)
    os.close(extension)
    for name in ours | {"_sandboxd"}:
        sys.modules.pop(name, None)
    end.exit = module.exit
    module.keep(end.kept)  # so that the objects in it outlive the end of a child's interpreter
    before = shared()
    for name in names:
        __import__(name)
        leaves_nothing(f"module {name!r}", before)
    if "PIL.Image" in sys.modules:
        sys.modules["PIL.Image"].preinit()  # the first picture that is written would import these formats
    if draw_once():
        gc.collect()
        leaves_nothing("a figure of matplotlib", before)
    drawing = display["prepare"]()
    sys.stdout.flush()
    sys.stderr.flush()
    end.keep()  # gc.freeze: a child that collects garbage does not write to, and so copy, shared memory
    if drawing:
        display["hot"] = ranges(pages_written_by(drawing) - pages_written_by(rehearse))
        display["populate"] = module.populate
        leaves_nothing("a rehearsal", before)
        end.keep()
    report("S")
    os.close(CHANNEL)
    Template(_socket.socket(fileno=control), module).serve()
