# expect: held
# The program creates the device 0:0, with which overlayfs marks a deleted file. No privilege is needed for it (related to CVE-2021-3493 and
# GameOver(lay)).
# layers: seccomp landlock
import stat
refused("mknod of a whiteout", lambda: os.mknod("/tmp/whiteout", stat.S_IFCHR, 0))
refused("mknod with high bits", lambda: syscall("mknodat", -100, b"/tmp/whiteout", stat.S_IFCHR | 1 << 32, 0))
