# expect: held
# Pages given to a pipe, and changed after: vmsplice, tee, splice, sendfile (CVE-2016-8655's spray, CVE-2022-0847).
# layers: seccomp
page = ctypes.create_string_buffer(8192)
vector = struct.pack("PN", ctypes.addressof(page), 4096)
refused("vmsplice", lambda: syscall("vmsplice", 1, vector, 1, 8))
refused("splice", lambda: syscall("splice", 0, 0, 1, 0, 4096, 0))
refused("tee", lambda: syscall("tee", 0, 1, 4096, 0))
refused("sendfile", lambda: syscall("sendfile", 1, os.open("/etc/passwd", 0), 0, 4096))
refused("copy_file_range", lambda: syscall("copy_file_range", 0, 0, 1, 0, 4096, 0))
