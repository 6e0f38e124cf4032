# expect: held
# The program executes another one with arguments and an environment above the maximum size: a quarter of the stack limit together, and 128
# KiB each (execve(2)).
# layers: rlimits
refused("one of a MiB", lambda: os.execv("/bin/true", ["true", "x" * (1 << 20)]), errno.E2BIG)
refused("a hundred thousand", lambda: os.execv("/bin/true", ["true"] + ["x" * 100] * 100000), errno.E2BIG)
refused("an environment", lambda: os.execve("/bin/true", ["true"], {str(i): "x" * 1000 for i in range(10000)}), errno.E2BIG)
