# expect: held
# The program creates a pipe for notifications of the kernel (CVE-2022-0995).
# layers: seccomp
pair = (ctypes.c_int * 2)()
O_NOTIFICATION_PIPE = 0o200
_, number = syscall("pipe2", pair, O_NOTIFICATION_PIPE)
if number == errno.ENOPKG:
    absent("no watch queues")
(held if number in DENIED + (errno.ENOPKG,) else escaped)(f"O_NOTIFICATION_PIPE: {name_of(number)}")
