# expect: held
# The program opens a file that every user of the host may read, by its absolute path.
# layers: mounts landlock
steal("the secret file", *hosts(SECRET_FILE))
