# expect: held
# The program raises each of its limits.
# layers: rlimits
import resource
for name in ("NOFILE", "NPROC", "FSIZE", "CPU", "STACK", "CORE", "MEMLOCK", "MSGQUEUE", "SIGPENDING", "NICE", "RTPRIO"):
    number = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(number)
    for value in (hard + 1, resource.RLIM_INFINITY):
        try:
            resource.setrlimit(number, (value, value))
            escaped(f"{name} is {resource.getrlimit(number)}")
        except (ValueError, OSError) as e:
            pass
    if resource.getrlimit(number) == (soft, hard):
        held(f"{name} stays {soft}")
