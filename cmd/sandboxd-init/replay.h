/*
 * The init of a jail: it replays a script of system calls that the daemon compiled (internal/jail/inside)
 * and decides nothing. The script arrives on the hand-off socket as one image of memory: a header,
 * the calls, and the data that they point to. The image is mapped at a fixed address, so the
 * pointers in it are final.
 *
 * In the middle of a script the init splits in two (SPLIT). The child goes on with the script and
 * becomes the program. The parent stays process 1 of the pid namespace, which the program can
 * neither signal nor trace, and waits for the program's end (KEEP).
 */
#ifndef SANDBOXD_REPLAY_H
#define SANDBOXD_REPLAY_H

#include <stdint.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <asm/unistd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "syscall.h"

enum { BASE_SHIFT = 36 }; /* far from where Linux maps anything, and within 39 bits (arm64) */
#define BASE ((char *)(1UL << BASE_SHIFT))

/*
 * The number of the call that is made, on a page that both processes of a jail share while the script lasts: so
 * the init can say at which call its child died. The page is below the image.
 */
enum { PAGE = 1 << 16 }; /* the largest page of any kernel */
#define PROGRESS (*(volatile uint32_t *)(BASE - PAGE))

/* Descriptors of an init. The streams are below CHANNEL. */
enum {
	CHANNEL = 3, /* the hand-off socket */
	STATUS = 4,  /* a pipe to the daemon: how the program ended */
};

enum { EINTR_ = 4, ECHILD_ = 10, ENOSPC_ = 28 };

struct header {
	uint32_t size; /* of the image, this header included */
	uint32_t calls;
};

struct call {
	int64_t nr;      /* of the system call, or a pseudo call below */
	uint64_t arg[6]; /* values, or addresses of cells */
	uint64_t cell;   /* where the result goes; 0: nowhere */
	int64_t want;    /* the result that is wanted, or -1; another one is ENOSPC */
	uint32_t cells;  /* bit n: arg[n] is the address of an int32_t, the value */
	int32_t mayFail; /* with this errno, and then `then` is the next call */
	uint32_t then;
	uint32_t unused;
};

/* Pseudo calls. */
enum {
	DONE = -1,  /* the end of a script that does not end with execve */
	JUMP = -2,  /* to `then` */
	FAIL = -3,  /* with the errno in arg[0] */
	SPLIT = -4, /* fork: the child goes on here, the parent at `then`; the child's pid goes to the cell */
	KEEP = -5,  /* wait for the child with the pid in arg[0], report its end, and end */
};

/* What is said on the hand-off socket. wire.go has the rest of the conversation. */
struct report {
	uint32_t kind, call, error;
};

/* What is said on the status pipe: inside.End in wire.go. */
struct end {
	uint32_t kind, status; /* of wait4(2) */
	uint32_t call;         /* the last one that the script made */
	uint32_t alone;        /* 1: no other process is left in the pid namespace */
	uint64_t cpu;          /* microseconds of the program and of all processes that were waited for */
	uint64_t peak;         /* KiB, the largest process's resident set */
};

/* receive reads n bytes. 0: the daemon is gone. */
static int receive(int channel, char *to, uint64_t n)
{
	while (n > 0) {
		long got = syscall6(__NR_read, channel, (long)to, (long)n, 0, 0, 0);
		if (got == -EINTR_)
			continue;
		if (got <= 0)
			return 0;
		to += got;
		n -= (uint64_t)got;
	}
	return 1;
}

/*
 * split forks. tid is where the C library of the child keeps its thread id, 0 without a C library.
 */
static long split(unsigned long *tid)
{
	struct clone_args how = { .exit_signal = SIGCHLD };

	if (tid != 0) {
		how.flags = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
		how.child_tid = (uint64_t)tid;
	}
	return syscall6(__NR_clone3, (long)&how, sizeof how, 0, 0, 0, 0);
}

/*
 * keep is process 1 until the program has ended. It waits for orphans too, which the kernel gives to
 * process 1. When it ends, the kernel kills every process that is left in the pid namespace.
 */
__attribute__((noreturn)) static void keep(int program)
{
	struct rusage usage;
	int status, other;
	long pid;

	do
		pid = syscall6(__NR_wait4, -1, (long)&status, 0, 0, 0, 0);
	while (pid == -EINTR_ || (pid > 0 && pid != program));
	if (pid == program) {
		/* What the program leaves behind is ours by now: processes that have ended, and others. */
		do
			pid = syscall6(__NR_wait4, -1, (long)&other, WNOHANG, 0, 0, 0);
		while (pid > 0);
		if (syscall6(__NR_getrusage, RUSAGE_CHILDREN, (long)&usage, 0, 0, 0, 0) == 0) {
			struct end end = { 'E', (uint32_t)status, PROGRESS, pid == -ECHILD_,
				(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
					(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
				(uint64_t)usage.ru_maxrss };
			syscall6(__NR_write, STATUS, (long)&end, sizeof end, 0, 0, 0);
		}
	}
	leave(0);
}

/* replay makes the calls of one script. It returns 0 at the end of the script, and -1 if that is not reached. */
static int replay(int channel, unsigned long *tid)
{
	struct header head;
	long at;
	int parent = 0;

	if (!receive(channel, (char *)&head, sizeof head))
		return -1;
	at = syscall6(__NR_mmap, (long)BASE, head.size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at != (long)BASE || !receive(channel, BASE + sizeof head, head.size - sizeof head))
		return -1;
	at = syscall6(__NR_mmap, (long)BASE - PAGE, PAGE, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at != (long)BASE - PAGE)
		return -1;
	const struct call *calls = (const struct call *)(BASE + sizeof head);
	for (uint32_t i = 0; i < head.calls;) {
		const struct call *c = &calls[i];
		long arg[6], result;

		if (!parent)
			PROGRESS = i;
		for (int n = 0; n < 6; n++)
			arg[n] = c->cells >> n & 1 ? *(int32_t *)c->arg[n] : (long)c->arg[n];
		switch (c->nr) {
		case DONE:
			return (int)syscall6(__NR_munmap, (long)BASE - PAGE, PAGE + head.size, 0, 0, 0, 0);
		case JUMP:
			i = c->then;
			continue;
		case KEEP:
			keep((int)arg[0]);
		case FAIL:
			result = -arg[0];
			break;
		case SPLIT:
			result = split(tid);
			break;
		default:
			result = syscall6((long)c->nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
		}
		if (result >= 0 && c->want >= 0 && result != c->want)
			result = -ENOSPC_;
		if (result < 0 && c->mayFail != 0 && result == -c->mayFail) {
			i = c->then;
			continue;
		}
		if (result < 0) {
			struct report failure = { 'F', i, (uint32_t)-result };
			syscall6(__NR_write, channel, (long)&failure, sizeof failure, 0, 0, 0);
			return -1;
		}
		if (c->cell != 0)
			*(int32_t *)c->cell = (int32_t)result;
		parent |= c->nr == SPLIT && result > 0;
		i = c->nr == SPLIT && result > 0 ? c->then : i + 1;
	}
	return -1;
}

#endif
