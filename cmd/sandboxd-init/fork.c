/*
 * sandboxd-fork.so: a module for the python3 of a template, with what templates need and python3 lacks.
 * It includes no header of python3: the declarations below are of its stable ABI (PEP 384), the
 * same since Python 3.7.
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
 * become makes a child of a template the init of a jail, and returns in the program. Until it returns no
 * code of python3 runs, so the init writes to nearly none of the memory that it shares with the template.
 */
static void become(int fds[STREAMS_AND_CHANNELS], unsigned long *tid)
{
	/* First out of the way of the numbers that they get. */
	for (int n = 0; n < STREAMS_AND_CHANNELS; n++)
		fds[n] = (int)syscall6(__NR_fcntl, fds[n], F_DUPFD, ABOVE, 0, 0, 0);
	for (int n = 0; n < STREAMS_AND_CHANNELS; n++)
		syscall6(__NR_dup3, fds[n], n + 1, 0, 0, 0, 0);
	if (replay(CHANNEL, tid) != 0)
		leave(1);
}

/*
 * fork(flags, cgroup, stdout, stderr, channel, status) forks into new namespaces, and into a cgroup unless
 * that is -1. It returns (pid, pidfd) of the new jail's init; -errno for the pid if there is none. In the
 * program, jailed, pid is 0.
 *
 * The C library's fork knows no flags. What it does in a child is done here, as far as a process with
 * one thread needs it: its record of its own thread id.
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

/* keep(anything) keeps it from ever being destroyed. */
static object *keepObject(object *self, object *args)
{
	object *kept;

	(void)self;
	if (!PyArg_ParseTuple(args, "O", &kept))
		return 0;
	Py_IncRef(kept);
	return Py_BuildValue("");
}

/* exit(status) ends the process as the end of main() does: os._exit() does not flush the C library's streams. */
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
