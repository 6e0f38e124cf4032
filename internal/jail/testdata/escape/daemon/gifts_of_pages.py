# expect: held
# The program gives pages to the pipe to the daemon, to change them after the daemon has read them: by vmsplice, splice and tee, which must
# be denied (related to CVE-2016-8655 and CVE-2022-0847), and by sendfile, which is allowed. The daemon reads the pipe once, before or after
# the change.
# layers: seccomp
page = ctypes.create_string_buffer(8192)
vector = struct.pack("PN", ctypes.addressof(page), 4096)
refused("vmsplice", lambda: syscall("vmsplice", 1, vector, 1, 8))
refused("splice", lambda: syscall("splice", 0, 0, 1, 0, 4096, 0))
refused("tee", lambda: syscall("tee", 0, 1, 4096, 0))
fd = os.open("/tmp/x", os.O_CREAT | os.O_RDWR)
os.write(fd, b"held: before\n")
sys.stdout.flush()
os.sendfile(1, fd, 0, 13)
os.pwrite(fd, b"held: after \n", 0)
os.ftruncate(fd, 0)
