# expect: held
# The program connects to Unix sockets in the host's file system, which network namespaces do not separate. The sockets of Docker, systemd
# and the message bus give the rights of root.
# layers: mounts
for name in (SOCKET_PATH, "/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd/private",
             "/run/dbus/system_bus_socket", "/run/systemd/notify", "/run/systemd/journal/stdout", "/run/sandboxd.sock", "/tmp/.X11-unix/X0"):
    for path in hosts(name):
        s = socket.socket(socket.AF_UNIX)
        refused(path, lambda: s.connect(path), errno.ENOENT, errno.EACCES, errno.ECONNREFUSED)
