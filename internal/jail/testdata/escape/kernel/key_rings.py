# expect: held
# The program uses key rings of its user, which two runs with the same uid would share (CVE-2016-0728, CVE-2017-7472).
# layers: seccomp
KEYCTL_GET_KEYRING_ID, KEYCTL_JOIN_SESSION_KEYRING, KEYCTL_GET_PERSISTENT = 0, 1, 22
for ring in (-1, -2, -3, -4, -5, -6, -7, -8):
    unreachable(f"ring {ring}", lambda: syscall("keyctl", KEYCTL_GET_KEYRING_ID, ring, 1))
unreachable("join by name", lambda: syscall("keyctl", KEYCTL_JOIN_SESSION_KEYRING, b"_ses"))
unreachable("persistent", lambda: syscall("keyctl", KEYCTL_GET_PERSISTENT, 1000, -2))
