/*
 * The init of a jail: replays a script of system calls that the daemon compiled (internal/jail/inside)
 * and decides nothing. Built twice from this file, without a C library:
 *
 *   sandboxd-init     a static executable: the zygotes, and what every python3 of the engine "exec" was before
 *   sandboxd-fork.so  with -DFORK: a module for python3, with which templates fork
 *
 * A script comes in on a socket, as one image of memory: this header, the calls, and the data
 * that they point to. It is put at a fixed address, so that the pointers in it are final.
 */
#include <stdint.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <asm/unistd.h>
#include <signal.h>
#include <sys/socket.h>

enum { BASE_SHIFT = 36 }; /* far from where Linux puts anything, and within 39 bits (arm64) */
#define BASE ((char *)(1UL << BASE_SHIFT))

struct header {
	uint32_t size; /* of the image, this included */
	uint32_t calls;
};

struct call {
	int64_t nr;      /* of the system call, or one of the below */
	uint64_t arg[6]; /* values, or addresses of cells */
	uint64_t cell;   /* where the result goes; 0: nowhere */
	int64_t want;    /* the result, if not -1: less is ENOSPC */
	uint32_t cells;  /* bit n: arg[n] is the address of an int32_t, the value */
	int32_t mayFail; /* with this errno, and then `then` is the next call */
	uint32_t then;
	uint32_t unused;
};

enum { DONE = -1, JUMP = -2, FAIL = -3 };

/* What is said on the socket. wire.go has the rest of the conversation. */
struct report {
	uint32_t kind, call, error;
};

static inline long syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined __x86_64__
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	return result;
#elif defined __aarch64__
	register long x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
	return x0;
#else
#error "no such architecture"
#endif
}

/* receive reads n bytes; less is the end of the daemon. */
static int receive(int channel, char *to, uint64_t n)
{
	while (n > 0) {
		long got = syscall6(__NR_read, channel, (long)to, (long)n, 0, 0, 0);
		if (got == -4) /* EINTR */
			continue;
		if (got <= 0)
			return 0;
		to += got;
		n -= (uint64_t)got;
	}
	return 1;
}

/* replay makes the calls of one script; 0 when it came to its end. */
static int replay(int channel)
{
	struct header head;
	long at;

	if (!receive(channel, (char *)&head, sizeof head))
		return -1;
	at = syscall6(__NR_mmap, (long)BASE, head.size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (at != (long)BASE || !receive(channel, BASE + sizeof head, head.size - sizeof head))
		return -1;
	const struct call *calls = (const struct call *)(BASE + sizeof head);
	for (uint32_t i = 0; i < head.calls;) {
		const struct call *c = &calls[i];
		long arg[6], result;

		if (c->nr == DONE)
			return (int)syscall6(__NR_munmap, (long)BASE, head.size, 0, 0, 0, 0);
		if (c->nr == JUMP) {
			i = c->then;
			continue;
		}
		for (int n = 0; n < 6; n++)
			arg[n] = c->cells >> n & 1 ? *(int32_t *)c->arg[n] : (long)c->arg[n];
		result = c->nr == FAIL ? -(long)c->arg[0] : syscall6((long)c->nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
		if (result >= 0 && c->want >= 0 && result != c->want)
			result = -28; /* ENOSPC */
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
		i++;
	}
	return -1;
}

#ifndef FORK

/* The socket to the daemon: a zygote's, and an init's. Below it are the streams. */
enum { CHANNEL = 3 };

/* What a zygote is asked with: an init's output, its errors, its socket, and the cgroup if CLONE_INTO_CGROUP. */
enum { OUTPUT, ERRORS, SOCKET, CGROUP, DESCRIPTORS };

/* control has room for descriptors that come with a message. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
};

__attribute__((noreturn)) static void end(void)
{
	for (;;)
		syscall6(__NR_exit_group, 1, 0, 0, 0, 0, 0);
}

/* become makes a new process the init of a jail. */
__attribute__((noreturn)) static void become(const int *fds)
{
	for (int n = 0; n < CGROUP; n++)
		syscall6(__NR_dup3, fds[n], n + 1, 0, 0, 0, 0);
	syscall6(__NR_close_range, CHANNEL + 1, ~0U, 0, 0, 0, 0);
	replay(CHANNEL); /* a script of this engine ends with execve */
	end();
}

/*
 * serve is a zygote: it clones an init for each message, the flags of clone3 and the descriptors above, as a
 * child of the daemon, and answers with the pid or -errno. 0: it had no sense, or there is no daemon.
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
	syscall6(__NR_close_range, CHANNEL + 1, ~0U, 0, 0, 0, 0); /* this program, and what whoever started the daemon left open */
	while (serve())
		;
	end();
}

/* The kernel leaves the stack aligned, and nothing on it that we would want. */
#if defined __x86_64__
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tcall start\n");
#elif defined __aarch64__
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tbl start\n");
#endif

#endif

#ifdef FORK

/*
 * The module: what templates need that python3 has not. No header of python3 is needed to build it:
 * these are a few declarations of its stable ABI (PEP 384), the same since 3.7.
 */
typedef struct object object;
struct method {
	const char *name;
	object *(*call)(object *self, object *args);
	int flags;
	const char *doc;
};
struct module {
	struct {
		intptr_t count;
		void *type;
		object *(*init)(void);
		intptr_t index;
		object *copy;
	} base;
	const char *name, *doc;
	intptr_t size;
	struct method *methods;
	void *slots, *traverse, *clear, *free;
};
enum { METH_VARARGS = 1, ABI_VERSION = 3 };

extern object *PyModule_Create2(struct module *, int version);
extern int PyArg_ParseTuple(object *, const char *, ...);
extern object *Py_BuildValue(const char *, ...);
extern void Py_IncRef(object *);
extern void exit(int) __attribute__((noreturn));
extern void PyOS_BeforeFork(void), PyOS_AfterFork_Parent(void), PyOS_AfterFork_Child(void);

/*
 * fork(flags, cgroup) is os.fork() into new namespaces, and into a cgroup unless that is -1. It returns
 * (pid, pidfd); pid is 0 in the child and -errno when there is none.
 *
 * The C library is not asked: its fork knows no flags. What it would do in the child is done here,
 * as far as a process with one thread needs it: its record of its own thread id.
 */
static object *forkInto(object *self, object *args)
{
	unsigned long flags, *tid = 0;
	int cgroup, pidfd = -1;
	struct clone_args how = { .exit_signal = SIGCHLD };
	long pid;

	(void)self;
	if (!PyArg_ParseTuple(args, "ki", &flags, &cgroup))
		return 0;
	how.flags = flags | CLONE_PIDFD;
	how.pidfd = (uint64_t)&pidfd;
	if (cgroup >= 0) {
		how.flags |= CLONE_INTO_CGROUP;
		how.cgroup = (uint64_t)cgroup;
	}
	if (syscall6(__NR_prctl, PR_GET_TID_ADDRESS, (long)&tid, 0, 0, 0, 0) == 0 && tid != 0) {
		how.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
		how.child_tid = (uint64_t)tid;
	}
	PyOS_BeforeFork();
	pid = syscall6(__NR_clone3, (long)&how, sizeof how, 0, 0, 0, 0);
	if (pid == 0)
		PyOS_AfterFork_Child();
	else
		PyOS_AfterFork_Parent();
	return Py_BuildValue("(li)", pid, pidfd);
}

/* replay(channel) makes this process a jail's; 0 when it is one. */
static object *replayFrom(object *self, object *args)
{
	int channel;

	(void)self;
	if (!PyArg_ParseTuple(args, "i", &channel))
		return 0;
	return Py_BuildValue("i", replay(channel));
}

/* keep(anything) keeps it from ever being destroyed. */
static object *keep(object *self, object *args)
{
	object *kept;

	(void)self;
	if (!PyArg_ParseTuple(args, "O", &kept))
		return 0;
	Py_IncRef(kept);
	return Py_BuildValue("");
}

/* exit(status) ends the process as the end of main() does: os._exit() flushes nothing of the C library's. */
static object *leave(object *self, object *args)
{
	int status;

	(void)self;
	if (!PyArg_ParseTuple(args, "i", &status))
		return 0;
	exit(status);
}

static struct method methods[] = {
	{ "fork", forkInto, METH_VARARGS, 0 },
	{ "replay", replayFrom, METH_VARARGS, 0 },
	{ "keep", keep, METH_VARARGS, 0 },
	{ "exit", leave, METH_VARARGS, 0 },
	{ 0, 0, 0, 0 },
};
static struct module module = {
	.base = { .count = 1 }, .name = "_sandboxd", .size = -1, .methods = methods,
};

__attribute__((visibility("default"))) object *PyInit__sandboxd(void)
{
	return PyModule_Create2(&module, ABI_VERSION);
}

#endif
