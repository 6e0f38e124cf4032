# expect: held
# The program mounts the cgroup file systems, to leave its cgroup or to set a release agent (CVE-2022-0492).
# layers: seccomp credentials landlock
os.mkdir("/tmp/c")
for kind, options in ((b"cgroup2", None), (b"cgroup", b"none,name=x")):
    refused(f"mount {kind.decode()}", lambda: syscall("mount", b"none", b"/tmp/c", kind, 0, options))
