# expect: held
# The program opens for writing the files of /proc/sys and /sys that name programs which the host's kernel runs as root.
# layers: attributes ids
for name in ("core_pattern", "modprobe", "hotplug", "poweroff_cmd", "usermodehelper/bset"):
    for path in hosts("/proc/sys/kernel/" + name):
        refused(f"write {path}", lambda: os.open(path, os.O_WRONLY), errno.ENOENT, errno.EROFS, errno.EACCES)
for path in hosts("/sys/kernel/uevent_helper") + hosts("/proc/sys/fs/binfmt_misc/register"):
    refused(f"write {path}", lambda: os.open(path, os.O_WRONLY), errno.ENOENT, errno.EROFS, errno.EACCES)
