# expect: held
# The program opens its own executable and that of the init for writing, through /proc (CVE-2019-5736).
# layers: attributes ids
for path in ("/proc/self/exe", "/proc/1/exe", os.readlink("/proc/self/exe")):
    for flags in (os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        refused(f"open {path} for writing", lambda: os.open(path, flags), errno.EROFS, errno.EACCES, errno.ETXTBSY)
