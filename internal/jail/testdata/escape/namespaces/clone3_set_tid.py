# expect: held
# The program creates a child with a process id of its choice.
# layers: seccomp credentials
wanted = ctypes.c_int(1234)
arguments = struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
pid, number = syscall("clone3", arguments, len(arguments))
if pid == 0:
    os._exit(0)
(held if number in DENIED else escaped)(f"clone3 with set_tid: {pid} {name_of(number)}")
