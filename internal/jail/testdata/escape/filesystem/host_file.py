# expect: held
# A file that everybody on the host may read, by its absolute path.
# layers: mounts landlock
steal("the secret file", *hosts(SECRET_FILE))
