# expect: held
# The program uses paths and working directories with many "..".
# layers: mounts landlock
up = "../" * 40
steal("..", *(up + p[1:] for p in hosts(SECRET_FILE)))
for _ in range(40):
    os.chdir("..")
steal(".. of the working directory", *(p[1:] for p in hosts(SECRET_FILE)))
