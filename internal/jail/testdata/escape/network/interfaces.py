# expect: held
# Interfaces other than the loopback.
# layers: net-ns
if HOST_INTERFACES == ["lo"]:
    absent("the host has no other")
names = [line.split(":")[0].strip() for line in open("/proc/self/net/dev") if ":" in line]
(held if names == ["lo"] else escaped)(f"interfaces {names}")
