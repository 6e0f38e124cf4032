# expect: held
# The process group that the daemon started the init in: kill(0, SIGKILL) would reach all of it. A
# group or session of outside has the number 0 in here.
# layers: session init
fields = open("/proc/self/stat").read().rsplit(") ", 1)[1].split()
for name, value in (("process group", fields[2]), ("session", fields[3])):
    (held if value == "2" else escaped)(f"the {name} is {value}")
