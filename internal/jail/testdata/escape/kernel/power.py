# expect: held
# The program calls reboot(2), with a command that only changes the effect of Ctrl-Alt-Del, and makes other calls for administrators: swap,
# process accounting, hang-up, quotas.
# layers: seccomp ids
MAGIC1, MAGIC2, CAD_OFF = 0xfee1dead, 672274793, 0
refused("reboot", lambda: syscall("reboot", MAGIC1, MAGIC2, CAD_OFF, None))
refused("swapon", lambda: syscall("swapon", b"/tmp/x", 0))
refused("swapoff", lambda: syscall("swapoff", b"/dev/null"))
refused("acct", lambda: syscall("acct", b"/tmp/x"))
refused("vhangup", lambda: syscall("vhangup"))
refused("quotactl", lambda: syscall("quotactl", 0x80000400, b"/dev/vda", 0, None), *DENIED, errno.ENOENT, errno.ESRCH, errno.ENOTBLK)
