# expect: held
# The program looks for a supplementary group of the daemon that its user namespace maps. Groups that it does not map are shown as 65534.
# layers: ids
groups = set(of_status("Groups").split()) - {"1000", "65534"}
(escaped if groups else held)(f"groups {groups}")
