# expect: held
# The program uses system call numbers that are in no table. The kernel must answer ENOSYS.
# layers: kernel
for number_ in (-1, -2, 0x7fffffff, 0x80000000 - (1 << 32), 1000, 100000):
    def call():
        _, number = syscall(number_, 0, 0, 0, 0, 0, 0)
        os._exit(51 if number == errno.ENOSYS else 50)
    status = child(call)
    (escaped if status == 50 << 8 else held)(f"call {number_}: {status_of(status)}")
