/*
 * sandboxd-fork.so: an extension module for the python3 of a template. It provides functions that python3 does not have.
 * It includes no header of python3. The declarations below belong to its stable ABI (PEP 384) and have not changed since
 * Python 3.7.
 */
#include <linux/fcntl.h>
#include <linux/prctl.h>
#include "replay.h"

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

enum { STREAMS_AND_CHANNELS = 4, ABOVE = 16 };

/*
 * become makes a child of a template the init of a jail. It returns in the program's process, which the init forks. No code of
 * python3 runs before it returns, so the init writes to almost none of the memory that it shares with the template.
 */
static void become(int fds[STREAMS_AND_CHANNELS], unsigned long *tid)
{
	/* First move the descriptors away from the numbers that they will get. */
	for (int n = 0; n < STREAMS_AND_CHANNELS; n++)
		fds[n] = (int)syscall6(__NR_fcntl, fds[n], F_DUPFD, ABOVE, 0, 0, 0);
	for (int n = 0; n < STREAMS_AND_CHANNELS; n++)
		syscall6(__NR_dup3, fds[n], n + 1, 0, 0, 0, 0);
	if (replay(CHANNEL, tid) != 0)
		leave(1);
}

/*
 * fork(flags, cgroup, stdout, stderr, channel, status) forks into new namespaces, and into a cgroup unless cgroup is -1.
 * In the template it returns (pid, pidfd) of the new jail's init, or (-errno, -1) on failure. In the jailed program it
 * returns with a pid of 0.
 *
 * The C library's fork() takes no flags, so this function calls clone3. A child with one thread then needs only one part of
 * what fork() does: the C library's record of the thread id must be updated.
 */
static object *forkInto(object *self, object *args)
{
	unsigned long flags, *tid = 0;
	int cgroup, pidfd = -1, fds[STREAMS_AND_CHANNELS];
	struct clone_args how = { .exit_signal = SIGCHLD };
	long pid;

	(void)self;
	if (!PyArg_ParseTuple(args, "kiiiii", &flags, &cgroup, &fds[0], &fds[1], &fds[2], &fds[3]))
		return 0;
	how.flags = flags | CLONE_PIDFD;
	how.pidfd = (uint64_t)&pidfd;
	if (cgroup >= 0) {
		how.flags |= CLONE_INTO_CGROUP;
		how.cgroup = (uint64_t)cgroup;
	}
	if (syscall6(__NR_prctl, PR_GET_TID_ADDRESS, (long)&tid, 0, 0, 0, 0) != 0)
		tid = 0;
	PyOS_BeforeFork();
	pid = syscall6(__NR_clone3, (long)&how, sizeof how, 0, 0, 0, 0);
	if (pid == 0) {
		become(fds, tid);
		PyOS_AfterFork_Child();
	} else {
		PyOS_AfterFork_Parent();
	}
	return Py_BuildValue("(li)", pid, pidfd);
}

/* keep(object) takes a reference to an object for ever, so that it is never destroyed. */
static object *keepObject(object *self, object *args)
{
	object *kept;

	(void)self;
	if (!PyArg_ParseTuple(args, "O", &kept))
		return 0;
	Py_IncRef(kept);
	return Py_BuildValue("");
}

/* exit(status) ends the process like a return from main(). Unlike os._exit(), it flushes the C library's streams. */
static object *exitAsC(object *self, object *args)
{
	int status;

	(void)self;
	if (!PyArg_ParseTuple(args, "i", &status))
		return 0;
	exit(status);
}

static struct method methods[] = {
	{ "fork", forkInto, METH_VARARGS, 0 },
	{ "keep", keepObject, METH_VARARGS, 0 },
	{ "exit", exitAsC, METH_VARARGS, 0 },
	{ 0, 0, 0, 0 },
};
static struct module module = {
	.base = { .count = 1 }, .name = "_sandboxd", .size = -1, .methods = methods,
};

__attribute__((visibility("default"))) object *PyInit__sandboxd(void)
{
	return PyModule_Create2(&module, ABI_VERSION);
}
