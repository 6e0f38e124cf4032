# expect: held
# The program looks at its process group and session. If they were those of the daemon, kill(0, SIGKILL) would reach the daemon. In the
# jail, a group or session outside has the number 0.
# layers: session init
fields = open("/proc/self/stat").read().rsplit(") ", 1)[1].split()
for name, value in (("process group", fields[2]), ("session", fields[3])):
    (held if value == "2" else escaped)(f"the {name} is {value}")
