# expect: held
# The process has capabilities in some set.
# layers: credentials
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    value = int(of_status(name), 16)
    (escaped if value else held)(f"{name} is {value:x}")
