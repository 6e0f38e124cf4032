# expect: held
# The program executes an unnamed file of a writable directory by execveat.
# layers: attributes
fd = os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o755)
os.write(fd, open("/usr/bin/true", "rb").read())
ro = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
os.close(fd)
arguments = (ctypes.c_char_p * 2)(b"true", None)
def run():
    result, number = syscall("execveat", ro, b"", arguments, None, 0x1000)
    os._exit(50 if number in (errno.EACCES, errno.EPERM) else 51)
status = child(run)
(held if os.WEXITSTATUS(status) == 50 and os.WIFEXITED(status) else escaped)(f"execveat: {status_of(status)}")
