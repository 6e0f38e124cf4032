# expect: held
# The program opens the SysRq trigger for writing, which can crash or reboot the host.
# layers: attributes ids
for path in hosts("/proc/sysrq-trigger"):
    refused(f"write {path}", lambda: os.open(path, os.O_WRONLY), errno.ENOENT, errno.EROFS, errno.EACCES)
