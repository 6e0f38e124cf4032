/*
 * sandboxd-init: a static executable without a C library. The daemon executes it once for each zygote. A zygote clones the
 * inits. With engine "exec" an init replays a script that ends with the execve of python3.
 */
#include <linux/prctl.h>
#include <sys/socket.h>
#include "replay.h"

/* Descriptors of a request: stdout, stderr, hand-off socket and status pipe of an init, and its cgroup if CLONE_INTO_CGROUP. */
enum { OUTPUT, ERRORS, SOCKET, END, CGROUP, DESCRIPTORS };

/* control has space for the descriptors that come with a message. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
};

/* become makes a new process the init of a jail. The descriptors of the request have numbers above STATUS, so dup3 overwrites none. */
__attribute__((noreturn)) static void become(const int *fds)
{
	for (int n = 0; n < CGROUP; n++)
		syscall6(__NR_dup3, fds[n], n + 1, 0, 0, 0, 0);
	syscall6(__NR_close_range, STATUS + 1, ~0U, 0, 0, 0, 0);
	replay(CHANNEL, 0);
	leave(1);
}

/*
 * serve handles one message from the daemon: the flags for clone3, and the descriptors above. It clones an init as a child of
 * the daemon (CLONE_PARENT) and answers with the init's pid or -errno. It returns 0 if the message is malformed or the daemon
 * has closed the socket.
 */
static int serve(void)
{
	union control control;
	struct clone_args how = { 0 };
	struct iovec data = { &how.flags, sizeof how.flags };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	const int *fds = (const int *)CMSG_DATA(&control.header);
	int given;
	int32_t answer;

	if (syscall6(__NR_recvmsg, CHANNEL, (long)&message, 0, 0, 0, 0) != sizeof how.flags || message.msg_controllen == 0)
		return 0;
	given = (int)((control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int));
	if (given != (how.flags & CLONE_INTO_CGROUP ? DESCRIPTORS : CGROUP))
		return 0;
	how.flags |= CLONE_PARENT;
	if (how.flags & CLONE_INTO_CGROUP)
		how.cgroup = (uint64_t)fds[CGROUP];
	answer = (int32_t)syscall6(__NR_clone3, (long)&how, sizeof how, 0, 0, 0, 0);
	if (answer == 0)
		become(fds);
	for (int n = 0; n < given; n++)
		syscall6(__NR_close, fds[n], 0, 0, 0, 0, 0);
	return syscall6(__NR_write, CHANNEL, (long)&answer, sizeof answer, 0, 0, 0) == sizeof answer;
}

__attribute__((noreturn, used)) static void start(void)
{
	syscall6(__NR_prctl, PR_SET_NAME, (long)"sandboxd-zygote", 0, 0, 0, 0);
	/*
	 * Close the descriptor of this program and all that the daemon passed on. STATUS stays open, so that requests get
	 * higher numbers: see become.
	 */
	syscall6(__NR_dup3, 0, STATUS, 0, 0, 0, 0);
	syscall6(__NR_close_range, STATUS + 1, ~0U, 0, 0, 0, 0);
	while (serve())
		;
	leave(1);
}

/* The kernel starts the program with an aligned stack. The arguments on it are not needed. */
#if defined __x86_64__
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tcall start\n");
#elif defined __aarch64__
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tbl start\n");
#endif
