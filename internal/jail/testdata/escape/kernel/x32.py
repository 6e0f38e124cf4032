# expect: held
# The program uses system call numbers of x32, which are those of amd64 with one more bit (CVE-2014-0038).
# layers: seccomp
# arch: amd64
X32 = 0x40000000
for number_ in (39, 41, 272, 512, 520, 536, 547):
    def call():
        _, number = syscall(X32 | number_, 0, 0, 0, 0, 0, 0)
        os._exit(51 if number == errno.ENOSYS else 50)
    status = child(call)
    if status == 51 << 8:
        absent("no x32 in this kernel")
    (escaped if status == 50 << 8 else held)(f"x32 {number_}: {status_of(status)}")
