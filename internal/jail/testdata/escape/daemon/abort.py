# expect: held signal=SIGABRT
# abort(3) resets the handler and raises.
# layers: daemon
libc.abort()
