# expect: held
# The process has supplementary groups of the daemon. None of them has a name in the jail.
# layers: ids
groups = set(of_status("Groups").split()) - {"1000", "65534"}
(escaped if groups else held)(f"groups {groups}")
