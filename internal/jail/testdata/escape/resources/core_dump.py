# expect: held
# A child ends by a signal that writes a core dump. The dump could fill the disk, or start the host's helper as root (related to
# CVE-2022-28655).
# layers: rlimits
import faulthandler
for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT, signal.SIGBUS):
    def die():
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    status = child(die)
    if os.WCOREDUMP(status): escaped(f"a core of {status_of(status)}")
    else: held(f"no core: {status_of(status)}")
if any("core" in n for n in os.listdir(".")): escaped(str(os.listdir(".")))
