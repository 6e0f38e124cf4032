# expect: held
# The program calls rename with RENAME_WHITEOUT, which leaves a whiteout in place of the file.
# layers: seccomp
RENAME_NOREPLACE, RENAME_WHITEOUT = 1, 4
open("/tmp/x", "w").close()
for flags in (RENAME_WHITEOUT, RENAME_WHITEOUT | RENAME_NOREPLACE, RENAME_WHITEOUT | 1 << 32):
    refused(f"RENAME_WHITEOUT {flags:#x}", lambda: syscall("renameat2", -100, b"/tmp/x", -100, b"/tmp/y", flags))
