/*
 * sandboxd-init: a static executable without a C library. Each zygote of the daemon executes it. A zygote clones inits, which
 * are children of the daemon (CLONE_PARENT). The init replays a script that ends with the execve of python3. A zygote also clones
 * visitors, which replay scripts in the namespaces of a run.
 */
#include <linux/prctl.h>
#include "replay.h"
#include "spawn.h"

/* become makes a new process the init of a jail. The descriptors of the request have numbers above STATUS, so dup3 overwrites none. */
__attribute__((noreturn)) static void become(const int *fds)
{
	take(fds);
	syscall6(__NR_close_range, STATUS + 1, ~0U, 0, 0, 0, 0);
	replay(CHANNEL, 0);
	leave(1);
}

/*
 * visit replays scripts until one fails, or the daemon closes the socket. The first one begins by entering namespaces of the process
 * whose pidfd is STATUS.
 */
__attribute__((noreturn)) static void visit(const int *fds)
{
	syscall6(__NR_dup3, fds[SCRIPT], CHANNEL, 0, 0, 0, 0);
	syscall6(__NR_dup3, fds[VISITED], STATUS, 0, 0, 0, 0);
	syscall6(__NR_close_range, STATUS + 1, ~0U, 0, 0, 0, 0);
	while (replay(CHANNEL, 0) == 0)
		;
	leave(0);
}

/* serve clones one process. It returns 0 if the daemon is gone, or does not get the answer. The daemon writes the id maps of inits. */
static int serve(void)
{
	struct request request;
	int fds[DESCRIPTORS], pidfd = -1, answered;
	int given = receive_request(CHANNEL, &request, fds);
	long pid;

	if (given == 0 || request.maps != BY_DAEMON)
		return 0;
	pid = clone_init(&request, fds, CLONE_PARENT, 0, &pidfd); /* its exit signal is the zygote's own (clone(2)) */
	if (pid == 0 && request.visitor)
		visit(fds);
	if (pid == 0)
		become(fds);
	answered = send_answer(CHANNEL, pid < 0 ? (int)-pid : 0, pid, pidfd);
	for (int n = 0; n < given; n++)
		syscall6(__NR_close, fds[n], 0, 0, 0, 0, 0);
	if (pid > 0)
		syscall6(__NR_close, pidfd, 0, 0, 0, 0, 0);
	return answered;
}

/*
 * reset_signals gives each signal its default action and unblocks all signals. execve(2) keeps ignored and blocked signals. A
 * shell script that starts the daemon in the background makes it ignore SIGINT. Without the reset, the programs would inherit that,
 * and could not be interrupted.
 */
static void reset_signals(void)
{
	struct {
		uint64_t handler, flags, restorer, mask;
	} usual = { 0 }; /* SIG_DFL */
	uint64_t none = 0;

	for (int n = 1; n <= 64; n++) /* fails for SIGKILL and SIGSTOP */
		syscall6(__NR_rt_sigaction, n, (long)&usual, 0, sizeof usual.mask, 0, 0);
	syscall6(__NR_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none, 0, 0);
}

__attribute__((noreturn, used)) static void start(void)
{
	syscall6(__NR_prctl, PR_SET_NAME, (long)"sandboxd-zygote", 0, 0, 0, 0);
	reset_signals();
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
