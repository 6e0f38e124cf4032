# expect: held
# The one device that everybody may make, 0:0, is overlayfs' mark for a deleted file (CVE-2021-3493, GameOver(lay)).
# layers: seccomp landlock
import stat
refused("mknod of a whiteout", lambda: os.mknod("/tmp/whiteout", stat.S_IFCHR, 0))
refused("mknod with high bits", lambda: syscall("mknodat", -100, b"/tmp/whiteout", stat.S_IFCHR | 1 << 32, 0))
