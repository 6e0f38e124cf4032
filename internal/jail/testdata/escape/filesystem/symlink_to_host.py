# expect: held
# The program makes symbolic links in /tmp to a file of the host, and reads them (CVE-2024-28185 of judge0).
# layers: mounts landlock
for n, target in enumerate(hosts(SECRET_FILE)):
    link = f"/tmp/link{n}"
    try:
        os.symlink(target, link)
    except OSError as e:
        held(f"symlink: {name_of(e.errno)}")
        continue
    steal("a symbolic link", link)
