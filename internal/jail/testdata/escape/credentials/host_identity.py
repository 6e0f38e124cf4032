# expect: held
# The program reads the names that identify the host: its host name and its boot id.
# layers: mounts landlock
for path in hosts("/etc/hostname") + hosts("/proc/sys/kernel/random/boot_id") + hosts("/proc/sys/kernel/hostname"):
    try:
        text = open(path).read().strip()
    except OSError as e:
        held(f"{path}: {name_of(e.errno)}")
        continue
    (escaped if text in (HOST_NAME, BOOT_ID) else held)(f"{path}: not the host's")
(escaped if os.uname().nodename == HOST_NAME else held)("uname")
