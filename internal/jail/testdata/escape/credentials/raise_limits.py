# expect: held
# The program raises the hard limits of its resources, which needs CAP_SYS_RESOURCE.
# layers: ids
import resource
for name in ("NOFILE", "NPROC", "FSIZE", "CPU", "CORE", "MEMLOCK", "STACK"):
    which = getattr(resource, "RLIMIT_" + name)
    soft, hard = resource.getrlimit(which)
    if hard == resource.RLIM_INFINITY:
        held(f"{name} has no limit to raise")
        continue
    try:
        resource.setrlimit(which, (soft, hard + 1))
        escaped(f"{name} raised")
    except (OSError, ValueError) as e:
        held(f"{name}: {e}")
