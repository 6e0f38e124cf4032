# expect: held
# The program prints escape sequences that act when somebody prints a log: titles, clipboards, answers that the terminal types, bells,
# cursor movement (CVE-2003-0063).
# layers: daemon
for s in ("\x1b]0;title\x07", "\x1b]52;c;cm0gLXJm\x07", "\x1b[6n", "\x1b[21t", "\x1bP$q\x1b\\", "\x1b[2J\x1b[H", "\x9b31m", "\r\n" * 100, "\u202e", "\x07" * 1000):
    print(s, s, file=sys.stderr)
    print(s)
print("\nheld: written as it is", flush=True)
