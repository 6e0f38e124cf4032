# expect: held
# The program makes epoll descriptors wait for each other, in a chain and in a cycle (CVE-2011-1083).
# layers: kernel
import select
first = last = select.epoll()
keep, deep = [first], 0
try:
    for i in range(200):
        nxt = select.epoll()
        nxt.register(last, select.EPOLLIN)
        keep.append(nxt)
        last, deep = nxt, deep + 1
    escaped(f"a chain of {deep}")
except OSError as e:
    held(f"{name_of(e.errno)} at depth {deep}")
refused("a circle", lambda: first.register(last, select.EPOLLIN), errno.ELOOP, errno.EINVAL)
