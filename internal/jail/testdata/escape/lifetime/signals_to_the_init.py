# expect: held timeout
# The program sends every signal to the init, to its thread and to its process group.
# layers: init
# limits: wall=1s
for number in set(range(1, 65)) - {32, 33}:
    attempt(lambda: os.kill(1, number))
    attempt(lambda: syscall("tgkill", 1, 1, number))
    attempt(lambda: os.killpg(1, number))
open("/tmp/acted", "w").close()
time.sleep(60)
