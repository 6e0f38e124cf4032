# expect: held
# Unix sockets in the host's file system: no network namespace keeps them apart. Docker's, systemd's
# and the message bus are ways to root.
# layers: mounts
for name in (SOCKET_PATH, "/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd/private",
             "/run/dbus/system_bus_socket", "/run/systemd/notify", "/run/systemd/journal/stdout", "/run/sandboxd.sock", "/tmp/.X11-unix/X0"):
    for path in hosts(name):
        s = socket.socket(socket.AF_UNIX)
        refused(path, lambda: s.connect(path), errno.ENOENT, errno.EACCES, errno.ECONNREFUSED)
