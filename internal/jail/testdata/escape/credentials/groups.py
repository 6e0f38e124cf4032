# expect: held
# Groups of the daemon that came along: none that has a name in here.
# layers: ids
groups = set(of_status("Groups").split()) - {"1000", "65534"}
(escaped if groups else held)(f"groups {groups}")
