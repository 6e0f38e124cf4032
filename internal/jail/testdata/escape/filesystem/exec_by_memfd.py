# expect: held
# The program executes a file in memory (memfd_create). Such a file is not on a noexec mount.
# layers: seccomp
result, number = syscall("memfd_create", b"program", 0)
if number:
    held(f"memfd_create: {name_of(number)}")
else:
    os.write(result, open("/usr/bin/true", "rb").read())
    status = child(lambda: os.execv(f"/proc/self/fd/{result}", ["true"]))
    (escaped if status == 0 else held)(f"exec of a memfd: {status_of(status)}")
