# expect: held
# The program looks for capabilities in each of its five sets.
# layers: credentials
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    value = int(of_status(name), 16)
    (escaped if value else held)(f"{name} is {value:x}")
