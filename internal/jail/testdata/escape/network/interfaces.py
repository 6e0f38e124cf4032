# expect: held
# The program looks for interfaces other than the loopback.
# layers: net-ns landlock
if HOST_INTERFACES == ["lo"]:
    absent("the host has no other")
try:
    names = [line.split(":")[0].strip() for line in open("/proc/self/net/dev") if ":" in line]
except PermissionError:
    held("no list of interfaces")
else:
    (held if names == ["lo"] else escaped)(f"interfaces {names}")
