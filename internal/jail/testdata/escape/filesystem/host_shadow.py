# expect: held
# The program opens the files of password hashes and root's SSH key of the host.
# layers: mounts landlock ids
for path in hosts("/etc/shadow") + hosts("/etc/gshadow") + hosts("/root/.ssh/id_rsa"):
    refused(path, lambda: os.open(path, os.O_RDONLY), errno.ENOENT, errno.EACCES)
