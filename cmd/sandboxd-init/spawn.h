/*
 * The protocol between the daemon and a process that starts inits for it: a zygote, or a template.
 * internal/jail/spawn/wire.go is the daemon's side. Both sides are the same program file, so the structs need no version.
 *
 * The daemon sends a request with the init's descriptors, and gets an answer with a pidfd of the init. Messages travel over a
 * SOCK_SEQPACKET socket, which keeps them apart.
 */
#ifndef SANDBOXD_SPAWN_H
#define SANDBOXD_SPAWN_H

#include <stdint.h>
#include <linux/sched.h>
#include <asm/unistd.h>
#include <signal.h>
#include <sys/socket.h>
#include "syscall.h"

/* The descriptors of a request, in this order. CGROUP comes only with CLONE_INTO_CGROUP. An init has the others from 1 on. */
enum { OUTPUT, ERRORS, HANDOFF, END, CGROUP, DESCRIPTORS };

/* The descriptors of a request for a visitor: the socket from which it gets its scripts, and the pidfd of the process that it visits. */
enum { SCRIPT, VISITED, OF_VISITOR };

/* Who writes the id maps of the init. */
enum {
	BY_DAEMON,        /* the daemon */
	BY_SPAWNER,       /* the process that gets the request */
	WITHOUT_SETGROUPS /* the same, and setgroups(2) must be denied first (user_namespaces(7)) */
};

struct request {
	uint64_t flags; /* CLONE_NEW… of clone3(2), and CLONE_INTO_CGROUP */
	struct {
		uint32_t inside, outside;
	} uid, gid;
	uint32_t maps;
	uint32_t visitor; /* 1: not an init, but a process that replays scripts in namespaces of another one; only zygotes make it */
};

struct answer {
	int32_t error; /* an errno, or 0. With a pid, the id maps could not be written: the daemon kills the init */
	int32_t pid;   /* of the init, in the pid namespace of who made it; 0: there is none, and no pidfd */
};

/* What a message carries beside its bytes. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
};

/*
 * receive_request waits for a request. It returns the number of descriptors, or 0 if the daemon is gone or the message makes no
 * sense. The descriptors are closed on execve.
 */
static int receive_request(int socket, struct request *request, int fds[DESCRIPTORS])
{
	int want;
	union control control;
	struct iovec data = { request, sizeof *request };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	int given;

	if (syscall6(__NR_recvmsg, socket, (long)&message, MSG_CMSG_CLOEXEC, 0, 0, 0) != sizeof *request || message.msg_controllen == 0)
		return 0;
	given = (int)((control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int));
	want = request->visitor ? OF_VISITOR : request->flags & CLONE_INTO_CGROUP ? DESCRIPTORS : CGROUP;
	if (given != want)
		return 0;
	for (int n = 0; n < given; n++)
		fds[n] = ((const int *)CMSG_DATA(&control.header))[n];
	return given;
}

/* clone_init makes the process of a request. It returns as clone3(2) does, in both processes. */
static long clone_init(const struct request *request, const int *fds, uint64_t flags, int exit_signal, int *pidfd)
{
	struct clone_args how = { .flags = request->flags | flags | CLONE_PIDFD, .exit_signal = (uint64_t)exit_signal };

	how.pidfd = (uint64_t)pidfd;
	if (request->flags & CLONE_INTO_CGROUP)
		how.cgroup = (uint64_t)fds[CGROUP];
	return syscall6(__NR_clone3, (long)&how, sizeof how, 0, 0, 0, 0);
}

/* take gives the descriptors of a request the numbers that they have in an init. */
static void take(const int *fds)
{
	for (int n = 0; n < CGROUP; n++)
		syscall6(__NR_dup3, fds[n], n + 1, 0, 0, 0, 0);
}

/* send_answer sends the result of clone_init, with the pidfd if there is a process. It returns 0 if that fails. */
static int send_answer(int socket, int error, long pid, int pidfd)
{
	struct answer answer = { error, pid > 0 ? (int32_t)pid : 0 };
	struct iovec data = { &answer, sizeof answer };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	union control control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };

	if (pid > 0) {
		*(int *)CMSG_DATA(&control.header) = pidfd;
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int));
	}
	return syscall6(__NR_sendmsg, socket, (long)&message, MSG_NOSIGNAL, 0, 0, 0) == sizeof answer;
}

#endif
