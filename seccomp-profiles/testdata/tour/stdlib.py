"""What an ordinary program does with the standard library. Under the filter all of it must work."""

import asyncio
import concurrent.futures
import ctypes
import ctypes.util
import errno
import fcntl
import glob
import mmap
import multiprocessing
import os
import resource
import select
import shutil
import signal
import socket
import socketserver
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

PARTS = []
LIBC = ctypes.CDLL(None, use_errno=True)


def part(function):
    PARTS.append(function)
    return function


def square(x):
    return x * x


def put_squares(queue, numbers):
    for n in numbers:
        queue.put(square(n))


@part
def threads():
    seen, lock = [], threading.Lock()

    def work(n):
        with lock:
            seen.append(n)

    ts = [threading.Thread(target=work, args=(n,), name=f"t{n}") for n in range(16)]
    for t in ts:
        t.start()
    for t in ts:
        t.join()
    assert sorted(seen) == list(range(16))
    assert threading.get_native_id() > 0
    event = threading.Event()
    threading.Timer(0.01, event.set).start()
    assert event.wait(5)
    threading.stack_size(1 << 20)
    t = threading.Thread(target=work, args=(99,))
    t.start()
    t.join()
    threading.stack_size(0)


@part
def processes():
    out = subprocess.run(["/bin/sh", "-c", "echo a | tr a b; ls / >/dev/null; cat /dev/null; exit 3"],
                         capture_output=True, text=True)
    assert (out.stdout, out.returncode) == ("b\n", 3), out
    out = subprocess.run([sys.executable, "-I", "-c", "print(input())"], input="x", text=True,
                         stdout=subprocess.PIPE, start_new_session=True, cwd="/", check=True)
    assert out.stdout == "x\n"
    out = subprocess.run(["/bin/true"], preexec_fn=lambda: None)
    assert out.returncode == 0
    p = subprocess.Popen(["/bin/sleep", "60"])
    try:
        p.wait(0.05)
    except subprocess.TimeoutExpired:
        p.kill()
    assert p.wait() == -signal.SIGKILL
    p = subprocess.Popen(["/bin/sh", "-c", "sleep 60; true"], start_new_session=True)
    os.killpg(os.getpgid(p.pid), signal.SIGTERM)
    assert p.wait() == -signal.SIGTERM
    pid = os.posix_spawn("/bin/true", ["true"], {})
    assert os.waitpid(pid, 0)[1] == 0
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    try:
        subprocess.run(["/does/not/exist"])
    except FileNotFoundError:
        pass
    assert os.popen("echo hi").read() == "hi\n"


@part
def asyncio_():
    async def main():
        p = await asyncio.create_subprocess_exec("/bin/echo", "hi", stdout=subprocess.PIPE)
        out, _ = await p.communicate()
        assert out == b"hi\n", out

        async def answer(reader, writer):
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "s")
            for start, connect in (
                (lambda: asyncio.start_unix_server(answer, path),
                 lambda server: asyncio.open_unix_connection(path)),
                (lambda: asyncio.start_server(answer, "127.0.0.1", 0),
                 lambda server: asyncio.open_connection(*server.sockets[0].getsockname())),
            ):
                async with await start() as server:
                    reader, writer = await connect(server)
                    writer.write(b"hello\n")
                    assert await reader.readline() == b"HELLO\n"
                    writer.close()
                    await writer.wait_closed()
        assert await asyncio.to_thread(square, 4) == 16
        results = await asyncio.gather(*(asyncio.sleep(0.001, n) for n in range(10)))
        assert results == list(range(10))
        loop = asyncio.get_running_loop()
        got = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, got.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(got.wait(), 5)
        loop.remove_signal_handler(signal.SIGUSR1)

    asyncio.run(main())


@part
def multiprocessing_():
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        p = context.Process(target=put_squares, args=(queue, [1, 2, 3]))
        p.start()
        assert sorted(queue.get(timeout=60) for _ in range(3)) == [1, 4, 9]
        p.join()
        assert p.exitcode == 0
        with context.Pool(2) as pool:
            assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    with multiprocessing.Manager() as manager:
        shared = manager.dict(a=1)
        assert shared["a"] == 1
    array = multiprocessing.Array("d", 10)
    array[3] = 2.0
    from multiprocessing import shared_memory
    block = shared_memory.SharedMemory(create=True, size=4096)
    block.buf[0] = 7
    block.close()
    block.unlink()


@part
def futures():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(square, range(4))) == [0, 1, 4, 9]
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        assert list(pool.map(square, range(4))) == [0, 1, 4, 9]


@part
def sqlite():
    with tempfile.TemporaryDirectory() as d:
        for mode in ("delete", "wal", "truncate"):
            db = sqlite3.connect(os.path.join(d, mode + ".db"))
            assert db.execute("pragma journal_mode=" + mode).fetchone() == (mode,)
            db.execute("pragma mmap_size=1048576")
            with db:
                db.execute("create table t (n integer)")
                db.executemany("insert into t values (?)", [(n,) for n in range(1000)])
            assert db.execute("select sum(n) from t").fetchone() == (499500,)
            db.execute("vacuum")
            db.close()


@part
def files():
    with tempfile.TemporaryDirectory() as d:
        os.chdir(d)
        with open("a", "wb") as f:
            f.write(b"0123456789")
            f.flush()
            os.fsync(f.fileno())
            os.fdatasync(f.fileno())
            os.ftruncate(f.fileno(), 5)
            os.pwrite(f.fileno(), b"x", 2)
            os.writev(f.fileno(), [b"a", b"b"])
        with open("a", "rb") as f:
            assert os.pread(f.fileno(), 2, 1) == b"1x"
        with open("a", "r+b") as f:
            fcntl.lockf(f, fcntl.LOCK_EX)
            fcntl.lockf(f, fcntl.LOCK_UN)
        os.rename("a", "b")
        os.replace("b", "c")
        os.link("c", "hard")
        assert os.readlink("/proc/self/cwd") == d == os.path.realpath(".")
        os.makedirs("x/y/z")
        os.rmdir("x/y/z")
        os.unlink("hard")
        assert os.access("c", os.R_OK) and os.access("c", os.R_OK, effective_ids=True)
        os.chmod("c", 0o600)
        os.utime("c", (1, 2))
        assert os.stat("c").st_mtime == 2 and os.lstat("c")
        shutil.copy2("c", "copy")
        shutil.copytree("x", "tree")
        shutil.move("copy", "moved")
        shutil.make_archive("archive", "gztar", d, "x")
        shutil.unpack_archive("archive.tar.gz", "unpacked")
        fd = os.open("x", os.O_RDONLY)
        assert os.listdir(fd) == ["y"]
        os.mkdir("x/q")
        os.stat("q", dir_fd=fd)
        os.access("q", os.R_OK, dir_fd=fd)
        os.rename("q", "r", src_dir_fd=fd, dst_dir_fd=fd)
        os.rmdir("r", dir_fd=fd)
        os.fchdir(fd)
        os.chdir(d)
        os.close(fd)
        os.statvfs("."), shutil.disk_usage(".")
        shutil.rmtree("x")
        assert sorted(glob.glob("*")) and list(os.scandir(".")) and list(os.walk("."))
        os.umask(os.umask(0o22))
        a, b = os.pipe()
        os.set_blocking(a, False)
        os.dup2(b, 50)
        os.dup2(b, 51, inheritable=False)
        os.close(os.dup(a))
        os.closerange(a, 60)
        try:
            os.get_terminal_size(0)
        except OSError:
            pass
        os.isatty(0)
        with tempfile.NamedTemporaryFile() as f, tempfile.SpooledTemporaryFile(), tempfile.TemporaryFile() as g:
            f.write(b"x")
            g.write(b"y")
        with mmap.mmap(-1, 1 << 20) as m:
            m[0] = 1
            m.madvise(mmap.MADV_DONTNEED)
            m.resize(1 << 21)
        with open("m", "w+b") as f:
            f.truncate(8192)
            with mmap.mmap(f.fileno(), 8192) as m:
                m[:3] = b"abc"
                m.flush()
        os.chdir("/")


@part
def twins():
    """The same by other names: each of these was an error of ordinary programs once."""
    with tempfile.TemporaryDirectory() as d:
        os.chdir(d)
        here = os.open(".", os.O_RDONLY)
        with open("a", "w") as f:
            f.write("abc")
        os.mkdir("d", dir_fd=here)
        os.link("a", "hard", src_dir_fd=here, dst_dir_fd=here)
        os.symlink("a", "soft")
        os.symlink("a", "soft2", dir_fd=here)
        assert os.readlink("soft") == os.readlink("soft2", dir_fd=here) == "a"
        os.chmod("a", 0o600, dir_fd=here)
        os.mkfifo("fifo")
        os.mkfifo("fifo2", dir_fd=here)
        assert stat.S_ISFIFO(os.stat("fifo").st_mode)
        os.mknod("file")
        os.chown("a", os.getuid(), os.getgid())
        os.lchown("soft", os.getuid(), -1)
        os.truncate("a", 2)
        with open("a", "r+b") as f, open("b", "wb") as g:
            fd = f.fileno()
            os.fchmod(fd, 0o640)
            os.fchown(fd, -1, os.getgid())
            os.fstatvfs(fd)
            os.posix_fallocate(fd, 0, 4096)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            assert os.readv(fd, [bytearray(1), bytearray(1)]) == 2
            assert os.preadv(fd, [bytearray(2)], 0) == os.pwritev(fd, [b"xy"], 0) == 2
            assert os.sendfile(g.fileno(), fd, 0, 2) == 2
            assert os.copy_file_range(fd, g.fileno(), 2, 0) == 2
            fcntl.flock(f, fcntl.LOCK_EX)
            fcntl.flock(f, fcntl.LOCK_UN)
            fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
            assert os.listxattr(fd) == os.listxattr("a") == os.listxattr("soft", follow_symlinks=False)
        shutil.copytree("d", "e")
        subprocess.run(["/bin/sh", "-c", "cp -rp d f; cp -p a c; ln a l; chmod +x a; touch -d @1 a; rm -r f"], check=True, stderr=subprocess.STDOUT)
        os.chdir("/")
    os.getgroups(), os.getresuid(), os.getresgid(), os.getsid(0), os.getpgrp(), os.getpriority(os.PRIO_PROCESS, 0)
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.sched_getscheduler(0), os.sched_getparam(0), os.sched_get_priority_max(os.SCHED_OTHER), os.sched_rr_get_interval(0)
    os.nice(1)
    out = subprocess.run(["/bin/sh", "-c", "sleep 0.01 & wait; echo done"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         preexec_fn=os.setpgrp, timeout=60)
    assert out.stdout == b"done\n"
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    fd = os.pidfd_open(pid)
    assert os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status == 3
    os.close(fd)
    fd = os.pidfd_open(os.getpid())
    signal.pidfd_send_signal(fd, 0)
    fd = os.eventfd(1)
    assert os.eventfd_read(fd) == 1
    signal.setitimer(signal.ITIMER_REAL, 100)
    assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    os.kill(os.getpid(), signal.SIGUSR2)
    assert signal.sigpending() == {signal.SIGUSR2}
    assert signal.sigwait({signal.SIGUSR2}) == signal.SIGUSR2
    assert signal.sigtimedwait({signal.SIGUSR2}, 0) is None
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
    time.clock_getres(time.CLOCK_PROCESS_CPUTIME_ID), time.get_clock_info("process_time")
    a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    a.getpeername(), a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16), b.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    r, w = os.pipe()
    assert fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 8192) == fcntl.fcntl(r, fcntl.F_GETPIPE_SZ) == 8192
    for call in (os.tcgetpgrp, termios.tcgetattr, lambda fd: termios.tcsetattr(fd, termios.TCSANOW, [0] * 6 + [[b"x"] * 32])):
        try:
            call(r)
        except OSError as e:
            assert e.errno == errno.ENOTTY
        except termios.error as e:
            assert e.args[0] == errno.ENOTTY
    assert LIBC.dup(0) >= 0 and LIBC.mlock(ctypes.create_string_buffer(100), 100) == 0


@part
def sockets():
    a, b = socket.socketpair()
    a.sendall(b"x")
    assert b.recv(1) == b"x"
    socket.send_fds(a, [b"f"], [0])
    _, fds, _, _ = socket.recv_fds(b, 1, 1)
    os.close(fds[0])
    a.shutdown(socket.SHUT_WR)
    assert b.recv(1) == b""
    a.close()
    b.close()
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            server = socket.create_server((address, 0), family=family, reuse_port=True)
        except OSError as e:
            if family == socket.AF_INET6:  # the kernel has no IPv6
                continue
            raise e
        if family == socket.AF_INET6:
            with socket.socket(family, socket.SOCK_DGRAM) as s:
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        client = socket.create_connection(server.getsockname()[:2], timeout=5)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        peer, _ = server.accept()
        client.send(b"hi")
        assert peer.recvfrom(2)[0] == b"hi"
        for s in (server, client, peer):
            s.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.sendto(b"x", s.getsockname())
        assert s.recv(1) == b"x"
    assert socket.getaddrinfo("127.0.0.1", 80)
    socket.getaddrinfo("localhost", 80)
    socket.gethostname()
    try:
        socket.getaddrinfo("name.invalid", 80)
    except socket.gaierror:
        pass

    import http.client
    import http.server
    import urllib.request

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        url = "http://127.0.0.1:%d/etc/hosts" % server.server_address[1]
        assert urllib.request.urlopen(url).status in (200, 404)
        server.shutdown()
    assert socketserver


@part
def waiting():
    a, b = os.pipe()
    os.write(b, b"x")
    assert select.select([a], [], [], 1)[0] == [a]
    poll = select.poll()
    poll.register(a, select.POLLIN)
    assert poll.poll(1000)
    with select.epoll() as e:
        e.register(a, select.EPOLLIN)
        assert e.poll(1)
    time.sleep(0.001)
    os.close(a)
    os.close(b)


@part
def signals():
    got = []
    signal.signal(signal.SIGALRM, lambda *a: got.append(a))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    signal.pause()
    assert got
    signal.alarm(100)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, lambda *a: got.append(a))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    assert len(got) == 1
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    assert len(got) == 2
    signal.siginterrupt(signal.SIGUSR1, False)
    pid = os.fork()
    if pid == 0:
        os.abort()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGABRT
    pid = os.fork()
    if pid == 0:
        time.sleep(0.1)
        os._exit(5)
    os.kill(pid, signal.SIGSTOP)  # a stopped sleep continues with restart_syscall
    os.kill(pid, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


@part
def facts():
    import platform
    os.getuid(), os.geteuid(), os.getgid(), os.getegid()
    os.getpid(), os.getppid(), os.getpgid(0)
    os.uname(), os.times(), os.cpu_count(), os.sched_getaffinity(0), os.getcwd()
    os.sysconf("SC_PHYS_PAGES"), os.getloadavg(), os.sysconf("SC_NPROCESSORS_ONLN")
    platform.platform(), platform.libc_ver(), platform.processor()
    resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE))
    for clock in (time.time, time.monotonic, time.perf_counter, time.process_time, time.thread_time):
        clock()
    for clock in ("time", "monotonic", "perf_counter"):
        time.get_clock_info(clock)
    os.urandom(8), os.getrandom(8)
    os.sched_yield()
    import getpass
    import pwd
    pwd.getpwuid(0), getpass.getuser
    os.get_exec_path()


@part
def libraries():
    import bz2
    import csv
    import datetime
    import decimal
    import faulthandler
    import gc
    import hashlib
    import json
    import locale
    import logging
    import lzma
    import pickle
    import random
    import re
    import secrets
    import ssl
    import statistics
    import tracemalloc
    import unittest
    import uuid
    import venv
    import xml.etree.ElementTree
    import zipfile
    import zlib
    import zoneinfo

    for codec in (bz2, lzma, zlib):
        assert codec.decompress(codec.compress(b"x" * 100000)) == b"x" * 100000
    assert decimal.Decimal(1) / 3
    faulthandler.enable(open(os.devnull, "w"))
    faulthandler.dump_traceback_later(60)
    faulthandler.cancel_dump_traceback_later()
    faulthandler.disable()
    assert len(hashlib.sha256(b"x").hexdigest()) == 64 and hashlib.scrypt(b"x", salt=b"y", n=2, r=8, p=1)
    ssl.create_default_context()
    if "Europe/Berlin" in zoneinfo.available_timezones():
        datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Berlin"))
    random.random(), secrets.token_hex(), uuid.uuid4(), uuid.uuid1()
    locale.setlocale(locale.LC_ALL, "")
    tracemalloc.start()
    tracemalloc.stop()
    gc.collect()
    assert all((csv, json, logging, pickle, re, statistics, unittest, venv, xml, zipfile))


@part
def ctypes_():
    libc = ctypes.CDLL(None)
    assert libc.getpid() == os.getpid()
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    numbers = (ctypes.c_int * 3)(3, 1, 2)
    libc.qsort(numbers, 3, 4, compare(lambda a, b: a[0] - b[0]))
    assert list(numbers) == [1, 2, 3]
    ctypes.util.find_library("m")


@part
def memory():
    blocks = [bytearray(1 << n) for n in range(10, 26)]
    blocks[-1].extend(b"x" * (1 << 24))
    del blocks


# Functions of the standard library that the filter denies. Each must fail with a clear error. README.md
# has the same list.
REFUSED = {
    "fcntl.F_NOTIFY": lambda fd: fcntl.fcntl(fd, fcntl.F_NOTIFY, fcntl.DN_ACCESS),
    "fcntl.F_SETLEASE": lambda fd: fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK),
    "fcntl.F_SETOWN": lambda fd: fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid()),
    "inotify (of C)": lambda fd: check(LIBC.inotify_init1(0)),
    "os.memfd_create": lambda fd: os.memfd_create("x"),
    "os.mknod of a device": lambda fd: os.mknod("x", stat.S_IFCHR | 0o600, os.makedev(0, 0)),
    "os.posix_fadvise with POSIX_FADV_DONTNEED": lambda fd: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED),
    "os.removexattr": lambda fd: os.removexattr(".", "user.x"),
    "os.setuid": lambda fd: os.setuid(os.getuid()),
    "os.setxattr": lambda fd: os.setxattr(".", "user.x", b"y"),
    "os.splice": lambda fd: os.splice(0, 1, 1),
    "os.sync (of C, which cannot fail)": lambda fd: check(LIBC.syncfs(fd)),
    "signalfd (of C)": lambda fd: check(LIBC.signalfd(-1, ctypes.create_string_buffer(128), 0)),
    "socket.if_nameindex": lambda fd: socket.if_nameindex(),
    "SO_BINDTODEVICE": lambda fd: socket.socket().setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo"),
    "TCP_CONGESTION": lambda fd: socket.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno"),
    "IP_ADD_MEMBERSHIP": lambda fd: socket.socket().setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, bytes(8)),
    "MSG_OOB": lambda fd: socket.socketpair()[0].send(b"x", socket.MSG_OOB),
    "AF_NETLINK": lambda fd: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
    "AF_NETLINK of another protocol": lambda fd: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12),
    "AF_PACKET and other families": lambda fd: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "SOCK_RAW": lambda fd: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "mmap of MAP_HUGETLB": lambda fd: mmap.mmap(-1, 1 << 21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000),
    "madvise(MADV_MERGEABLE)": lambda fd: mmap.mmap(-1, 4096).madvise(mmap.MADV_MERGEABLE),
}


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def refused():
    fd = os.open("/", os.O_RDONLY)
    for name, call in REFUSED.items():
        try:
            call(fd)
        except OSError as e:
            assert e.errno in (errno.EPERM, errno.ENOSYS, errno.ENOTSUP), (name, e)
        else:
            raise AssertionError(name + " works")


if __name__ == "__main__":
    if sys.argv[1:] == ["refused"]:
        PARTS = [refused]
    for function in PARTS:
        function()
        print(function.__name__.rstrip("_"), "ok", flush=True)
    print("done")
