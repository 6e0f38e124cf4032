# expect: held
# Files of /proc/sys that name programs for the host's kernel to run as root.
# layers: attributes ids
for name in ("core_pattern", "modprobe", "hotplug", "poweroff_cmd", "usermodehelper/bset"):
    for path in hosts("/proc/sys/kernel/" + name):
        refused(f"write {path}", lambda: os.open(path, os.O_WRONLY), errno.ENOENT, errno.EROFS, errno.EACCES)
for path in hosts("/sys/kernel/uevent_helper") + hosts("/proc/sys/fs/binfmt_misc/register"):
    refused(f"write {path}", lambda: os.open(path, os.O_WRONLY), errno.ENOENT, errno.EROFS, errno.EACCES)
