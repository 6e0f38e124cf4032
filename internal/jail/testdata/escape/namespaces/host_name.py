# expect: held
# The program changes the host name and the domain name.
# layers: seccomp credentials
refused("sethostname", lambda: syscall("sethostname", b"taken", 5))
refused("setdomainname", lambda: syscall("setdomainname", b"taken", 5))
