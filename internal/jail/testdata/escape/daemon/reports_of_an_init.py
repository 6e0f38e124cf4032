# expect: held
# The program writes reports of the hand-off ("go", a failure, a flood) to every descriptor number up to 1,023 and to two large ones. Only
# its three streams may be open. Then it writes the reports to its output.
# layers: daemon
go, failure = b"\x04\0\0\0G\0\0\0", b"\x0c\0\0\0F\4root\4/etc\1"
found = []
for fd in list(range(3, 1024)) + [1 << 16, (1 << 31) - 1]:
    for words in (go, failure, b"\xff" * 4096):
        try:
            os.write(fd, words)
            found.append(fd)
        except OSError as e:
            if e.errno != errno.EBADF: found.append(fd)
if found: escaped(f"descriptors {found}")
else: held("no descriptor but its three")
for words in (go, failure): os.write(1, words); os.write(2, words)
print()
