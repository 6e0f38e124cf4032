# expect: held
# The program looks for files of /proc that do not belong to a process.
# layers: attributes
for name in ("sys", "bus", "acpi", "scsi", "fs", "driver", "irq", "tty", "sysvipc", "net", "cmdline", "version", "mounts", "swaps",
             "interrupts", "diskstats", "partitions", "filesystems", "cgroups", "config.gz", "kcore", "kmsg",
             "kallsyms", "modules", "keys", "key-users", "timer_list", "sched_debug", "zoneinfo", "vmallocinfo", "sysrq-trigger", "pressure"):
    refused(f"/proc/{name}", lambda: os.stat(f"/proc/{name}"), errno.ENOENT)
