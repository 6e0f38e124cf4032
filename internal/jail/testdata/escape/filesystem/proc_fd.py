# expect: held
# The program looks for descriptors other than its three streams, in its own process and in the init, and opens the secret file relative to
# a directory among its descriptors (CVE-2024-21626 "leaky vessels").
# layers: descriptors
for fd in range(3, 1024):
    for path in (f"/proc/self/fd/{fd}", f"/proc/1/fd/{fd}"):
        try:
            target = os.readlink(path)
        except OSError:
            continue
        escaped(f"{path} is {target}")
steal("a directory in /proc/self/fd", *(f"/proc/self/fd/{fd}/../../../../..{SECRET_FILE}" for fd in range(16)))
