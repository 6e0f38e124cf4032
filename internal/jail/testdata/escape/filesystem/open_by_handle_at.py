# expect: held
# The program opens a file of the host by its handle, which bypasses all mounts (the "shocker" attack on Docker 0.11, 2014). The test gives
# the right handle to the attack; the original guessed it.
# layers: seccomp ids
handle = struct.pack("Ii", len(HANDLE_BYTES), HANDLE_TYPE) + HANDLE_BYTES
for mount in ("/usr", "/etc/fonts", "/tmp", "/dev/null"):
    try:
        fd = os.open(mount, os.O_RDONLY)
    except OSError:
        continue
    result, number = syscall("open_by_handle_at", fd, handle, os.O_RDONLY)
    if number == 0 and leaks(os.read(result, 100)):
        escaped(f"the handle of {SECRET_FILE} opens by {mount}")
    else:
        held(f"open_by_handle_at by {mount}: {name_of(number)}")
