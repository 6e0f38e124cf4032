# expect: held signal=SIGABRT
# The program ends itself by abort(3). The daemon must report this signal.
# layers: daemon
libc.abort()
