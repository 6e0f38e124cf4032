# expect: held signal=SIGKILL
# The program kills a child by each signal, and then itself by SIGKILL. The daemon must report the end of the program.
# layers: pid-ns
dead = 0
for number in sorted(set(range(1, 65)) - {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, 32, 33}):
    pid = os.fork()
    if pid == 0:
        if number != signal.SIGKILL: signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    dead += os.WIFSIGNALED(status) and os.WTERMSIG(status) == number
held(f"{dead} children died, each of its signal")
os.kill(os.getpid(), signal.SIGKILL)
escaped("the program goes on after SIGKILL")
