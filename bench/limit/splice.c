#include "limit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* drain moves n bytes that are in a pipe. */
static void drain(int pipe, int to, ssize_t n) {
	while (n > 0) {
		ssize_t m = splice(pipe, NULL, to, NULL, n, SPLICE_F_MOVE);
		if (m <= 0)
			fail("splice out");
		n -= m;
	}
}

/* through moves everything from a socket, by way of a pipe of its own. */
static void through(int from, int to) {
	int ends[2];
	ssize_t n;
	check(pipe(ends), "pipe");
	check(fcntl(ends[1], F_SETPIPE_SZ, CHUNK), "F_SETPIPE_SZ");
	while ((n = splice(from, NULL, ends[1], NULL, CHUNK, SPLICE_F_MOVE)) > 0)
		drain(ends[0], to, n);
	if (n < 0)
		fail("splice in");
}

int send_pipe(int port) {
	int fd = connected(port);
	ssize_t n;
	fcntl(0, F_SETPIPE_SZ, CHUNK);
	while ((n = splice(0, NULL, fd, NULL, CHUNK, SPLICE_F_MOVE)) > 0)
		;
	if (n < 0)
		fail("splice");
	return 0;
}

int receive_pipe(int port) {
	through(accepted(port), 1);
	return 0;
}

int relay(int port, int target) {
	int client = accepted(port), server = connected(target), back = check(fork(), "fork");
	int from = back ? client : server, to = back ? server : client;
	through(from, to);
	shutdown(to, SHUT_WR);
	if (back)
		wait(NULL);
	return 0;
}
