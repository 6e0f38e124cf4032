/*
 * sandboxd-fork.so: an extension module for the python3 of a template. It provides functions that python3 does not have.
 * It includes no header of python3. The declarations below belong to its stable ABI (PEP 384) and have not changed since
 * Python 3.7.
 */
#include <asm/fcntl.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include "replay.h"
#include "spawn.h"

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
extern int PyBytes_AsStringAndSize(object *, char **, intptr_t *);
extern void Py_IncRef(object *);
extern void exit(int) __attribute__((noreturn));
extern void PyOS_BeforeFork(void), PyOS_AfterFork_Parent(void), PyOS_AfterFork_Child(void);

enum { ABOVE = 16 }; /* than any number that the descriptors of an init get */

/*
 * become makes a child of a template the init of a jail. It returns in the program's process, which the init forks. No code of
 * python3 runs before it returns, so the init writes to almost none of the memory that it shares with the template.
 */
static void become(int *fds, unsigned long *tid)
{
	/* First move the descriptors away from the numbers that they will get. */
	for (int n = 0; n < CGROUP; n++)
		fds[n] = (int)syscall6(__NR_fcntl, fds[n], F_DUPFD, ABOVE, 0, 0, 0);
	take(fds);
	if (replay(CHANNEL, tid) != 0)
		leave(1);
}

/* decimal writes a number to text and returns where it ends. */
static char *decimal(char *text, uint32_t number)
{
	char digits[10];
	int n = 0;

	do
		digits[n++] = (char)('0' + number % 10);
	while (number /= 10);
	while (n > 0)
		*text++ = digits[--n];
	return text;
}

/* append copies a string to text and returns where it ends. */
static char *append(char *text, const char *string)
{
	while (*string)
		*text++ = *string++;
	return text;
}

/* wipe overwrites memory, and is not optimised away. */
static void wipe(void *memory, unsigned long size)
{
	for (volatile char *at = memory; size > 0; size--)
		*at++ = 0;
}

/* write_file writes text to /proc/PID/NAME. It returns 0 or -errno. */
static int write_file(long pid, const char *name, const char *text, long size)
{
	char path[64];
	long fd, wrote;

	*append(append(decimal(append(path, "/proc/"), (uint32_t)pid), "/"), name) = 0;
	fd = syscall6(__NR_openat, AT_FDCWD, (long)path, O_WRONLY | O_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		return (int)fd;
	wrote = syscall6(__NR_write, fd, (long)text, size, 0, 0, 0);
	syscall6(__NR_close, fd, 0, 0, 0, 0, 0);
	return wrote < 0 ? (int)wrote : 0;
}

/* write_map maps one id in the user namespace of a process. It returns 0 or -errno. */
static int write_map(long pid, const char *name, uint32_t inside, uint32_t outside)
{
	char map[32], *end = append(decimal(append(decimal(map, inside), " "), outside), " 1");
	int error = write_file(pid, name, map, end - map);

	wipe(map, sizeof map);
	return error;
}

/* write_maps maps the ids of a request. It returns 0 or -errno. */
static int write_maps(long pid, const struct request *request)
{
	int error = 0;

	if (request->maps == WITHOUT_SETGROUPS)
		error = write_file(pid, "setgroups", "deny", 4);
	if (error == 0)
		error = write_map(pid, "uid_map", request->uid.inside, request->uid.outside);
	if (error == 0)
		error = write_map(pid, "gid_map", request->gid.inside, request->gid.outside);
	return error;
}

/*
 * serve(socket) forks once for the daemon, into new namespaces. It returns (pid, pidfd) of the new jail's init, or (-errno, -1) if
 * there is none, and None when the daemon is gone. In the program, jailed, pid is 0.
 *
 * The C library's fork has no flags. Like it, this function updates the C library's record of the thread id in the child, which is
 * all that a process with one thread needs.
 *
 * The request names the host ids of the run. The memory of later runs is a copy of the template's, so the request is wiped.
 */
static object *serve(object *self, object *args)
{
	struct request request;
	unsigned long *tid = 0;
	int socket, pidfd = -1, given, error, fds[DESCRIPTORS];
	long pid;

	(void)self;
	if (!PyArg_ParseTuple(args, "i", &socket))
		return 0;
	given = receive_request(socket, &request, fds);
	if (given == 0 || request.maps == BY_DAEMON)
		return Py_BuildValue("");
	if (syscall6(__NR_prctl, PR_GET_TID_ADDRESS, (long)&tid, 0, 0, 0, 0) != 0)
		tid = 0;
	PyOS_BeforeFork();
	pid = clone_init(&request, fds, 0, SIGCHLD, &pidfd);
	if (pid == 0) {
		wipe(&request, sizeof request);
		become(fds, tid);
		PyOS_AfterFork_Child();
		return Py_BuildValue("(li)", 0L, -1);
	}
	PyOS_AfterFork_Parent();
	error = pid < 0 ? (int)-pid : -write_maps(pid, &request);
	wipe(&request, sizeof request);
	for (int n = 0; n < given; n++)
		syscall6(__NR_close, fds[n], 0, 0, 0, 0, 0);
	send_answer(socket, error, pid, pidfd); /* if that fails, the daemon is gone, and the next request says so */
	return Py_BuildValue("(li)", pid, pidfd);
}

/* keep(object) keeps an object from ever being destroyed. */
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

/*
 * populate(ranges) copies the pages in these ranges that this process shares with its parent (MADV_POPULATE_WRITE, Linux 5.14). One
 * system call for many pages costs less than a page fault for each. ranges is a bytes object with the first address of each range and the
 * address after its last, as native 64-bit numbers. The kernel's errors have no effect: the program may have unmapped a range.
 */
static object *populate(object *self, object *args)
{
	object *ranges;
	char *data;
	intptr_t size;

	(void)self;
	if (!PyArg_ParseTuple(args, "O", &ranges) || PyBytes_AsStringAndSize(ranges, &data, &size) != 0)
		return 0;
	for (uint64_t *range = (uint64_t *)data; size >= 16; range += 2, size -= 16)
		syscall6(__NR_madvise, (long)range[0], (long)(range[1] - range[0]), MADV_POPULATE_WRITE, 0, 0, 0);
	return Py_BuildValue("");
}

static struct method methods[] = {
	{ "serve", serve, METH_VARARGS, 0 },
	{ "keep", keepObject, METH_VARARGS, 0 },
	{ "exit", exitAsC, METH_VARARGS, 0 },
	{ "populate", populate, METH_VARARGS, 0 },
	{ 0, 0, 0, 0 },
};
static struct module module = {
	.base = { .count = 1 }, .name = "_sandboxd", .size = -1, .methods = methods,
};

__attribute__((visibility("default"))) object *PyInit__sandboxd(void)
{
	return PyModule_Create2(&module, ABI_VERSION);
}
