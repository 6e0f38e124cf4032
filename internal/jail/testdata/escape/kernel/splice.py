# expect: held
# The program puts pages of a file, of another pipe and of its memory into a pipe (CVE-2022-0847 and related ones).
# layers: seccomp
r, w = os.pipe()
r2, w2 = os.pipe()
os.write(w, b"x")
fd = os.open("/usr/bin/env", os.O_RDONLY)
unreachable("tee", lambda: syscall("tee", r, w2, 1, 2))
unreachable("splice", lambda: syscall("splice", fd, None, w, None, 10, 0))
unreachable("vmsplice", lambda: syscall("vmsplice", w, struct.pack("PN", id(r), 8), 1, 0))
