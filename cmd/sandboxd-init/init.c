/*
 * The init of a jail: replays a script of system calls that the daemon compiled (internal/jail/inside)
 * and decides nothing. Built twice from this file, without a C library:
 *
 *   sandboxd-init     a static executable, which every python3 of the engine "exec" was before
 *   sandboxd-fork.so  with -DFORK: a module for python3, with which templates fork
 *
 * A script comes in on a socket, as one image of memory: this header, the calls, and the data
 * that they point to. It is put at a fixed address, so that the pointers in it are final.
 */
#include <stdint.h>
#include <linux/mman.h>
#include <asm/unistd.h>

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

enum { CHANNEL = 3 };

__attribute__((noreturn, used)) static void start(void)
{
	replay(CHANNEL);
	for (;;) /* a script of this engine ends with execve */
		syscall6(__NR_exit_group, 1, 0, 0, 0, 0, 0);
}

/* The kernel leaves the stack aligned, and nothing on it that we would want. */
#if defined __x86_64__
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tcall start\n");
#elif defined __aarch64__
__asm__(".globl _start\n_start:\n\tmov x29, #0\n\tbl start\n");
#endif

#endif
