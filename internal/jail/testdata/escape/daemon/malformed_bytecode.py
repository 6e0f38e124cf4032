# expect: held signal=SIGSEGV,signal=SIGBUS,signal=SIGABRT,signal=SIGILL,exit=1,exit=0
# The program runs malformed bytecode, which the interpreter does not check and which can make it do anything. It still runs with the rights
# of the program, so any end of the interpreter is accepted.
# layers: credentials seccomp
held("whatever it does now it does inside")
f = lambda: 0
f.__code__ = f.__code__.replace(co_code=bytes(range(1, 255, 2)) * 8, co_stacksize=0)
f()
