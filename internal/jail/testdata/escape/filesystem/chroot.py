# expect: held
# The program enters a chroot while it has a descriptor of the directory above, from which it can leave its root (chroot(2)). Then it reads
# the secret file.
# layers: seccomp mounts landlock
root = os.open("/", os.O_PATH)
os.mkdir("/tmp/inner")
syscall("unshare", 0x10000000) if "unshare" in NR else None  # CLONE_NEWUSER brings CAP_SYS_CHROOT
result, number = syscall("chroot", b"/tmp/inner")
if number:
    held(f"chroot: {name_of(number)}")
else:
    os.fchdir(root)
    for _ in range(20):
        os.chdir("..")
    syscall("chroot", b".")
    steal("a chroot inside a chroot", *hosts(SECRET_FILE))
