/*
 * The init of a jail replays a script of system calls that the daemon compiled (internal/jail/inside). It makes no decisions.
 * The script arrives over the hand-off socket as one memory image: a header, the calls, and the data that they point to. The
 * init maps the image at a fixed address, so the pointers in it are valid without relocation.
 *
 * In the middle of a script the init forks (SPLIT). The child continues the script and becomes the program. The parent stays
 * process 1 of the pid namespace, which the program can neither signal nor trace, and waits for the program's end (KEEP).
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

enum { BASE_SHIFT = 36 }; /* Linux maps nothing near this address, and it fits in 39 bits (arm64) */
#define BASE ((char *)(1UL << BASE_SHIFT))

/*
 * The number of the call in progress. Its page is shared by both processes of a jail until the script ends, so that the init
 * can report at which call its child died. The page is directly below the image.
 */
enum { PAGE = 1 << 16 }; /* the largest page size of the supported architectures */
#define PROGRESS (*(volatile uint32_t *)(BASE - PAGE))

/* Descriptors of an init. Numbers below CHANNEL are the standard streams. */
enum {
	CHANNEL = 3, /* the hand-off socket */
	STATUS = 4,  /* a pipe to the daemon, for the report of how the program ended */
};

enum { EINTR_ = 4, ECHILD_ = 10, ENOSPC_ = 28 };

struct header {
	uint32_t size; /* of the image in bytes, including this header */
	uint32_t calls; /* number of calls */
};

struct call {
	int64_t nr;      /* number of the system call, or a pseudo call below */
	uint64_t arg[6]; /* values, or addresses of cells */
	uint64_t cell;   /* address that gets the result; 0 for none */
	int64_t want;    /* the only accepted result, or -1 for any. Another result counts as ENOSPC */
	uint32_t cells;  /* if bit n is set, arg[n] is the address of an int32_t with the value */
	int32_t mayFail; /* if the call fails with this errno, continue at `then` */
	uint32_t then;   /* index of a call */
	uint32_t unused;
};

/* Pseudo calls. They have numbers that no system call has. */
enum {
	DONE = -1,  /* the end of a script that does not end with execve */
	JUMP = -2,  /* continue at `then` */
	FAIL = -3,  /* fail with the errno in arg[0] */
	SPLIT = -4, /* fork: the child continues here, the parent at `then`; the cell gets the child's pid */
	KEEP = -5,  /* wait for the child with the pid in arg[0], report its end, and exit */
};

/* A failure report on the hand-off socket. wire.go describes the other messages. */
struct report {
	uint32_t kind, call, error;
};

/* The report on the status pipe. It is inside.End in wire.go. */
struct end {
	uint32_t kind, status; /* 'E', and the status of wait4(2) */
	uint32_t call;         /* the last call that the script made */
	uint32_t alone;        /* 1 if no other process is left in the pid namespace */
	uint64_t cpu;          /* CPU time in microseconds of the program and of all processes that were waited for */
	uint64_t peak;         /* peak resident set of the largest process, in KiB */
};

/* receive reads n bytes. It returns 0 if the daemon has closed the socket. */
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
 * split forks. tid is the address where the C library of the child keeps its thread id; it is 0 without a C library.
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
 * keep runs in process 1 until the program has ended. It also reaps orphans, which the kernel reparents to process 1. When it
 * exits, the kernel kills every process that is left in the pid namespace (pid_namespaces(7)).
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
		/* All processes that the program left are children of this process now. Reap those that have ended. */
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

/* replay makes the calls of one script. It returns 0 at DONE. It returns -1 if a call failed or the daemon closed the socket. */
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
