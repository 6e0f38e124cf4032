# expect: held signal=SIGABRT,signal=SIGSEGV
# abort(3) resets the handler, raises, and as process 1 must then crash otherwise.
# layers: daemon
libc.abort()
