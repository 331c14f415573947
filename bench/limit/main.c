#include "limit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

void fail(const char *what) {
	perror(what);
	exit(1);
}

int check(int result, const char *what) {
	if (result < 0)
		fail(what);
	return result;
}

static struct sockaddr_in loopback(int port) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

int bound(int type, int port) {
	struct sockaddr_in at = loopback(port);
	int on = 1, fd = check(socket(AF_INET, type, 0), "socket");
	check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
	check(bind(fd, (struct sockaddr *)&at, sizeof at), "bind");
	return fd;
}

int accepted(int port) {
	int fd = bound(SOCK_STREAM, port);
	check(listen(fd, 1), "listen");
	return check(accept(fd, NULL, NULL), "accept");
}

int connected(int port) {
	struct sockaddr_in at = loopback(port);
	int fd = check(socket(AF_INET, SOCK_STREAM, 0), "socket");
	check(connect(fd, (struct sockaddr *)&at, sizeof at), "connect");
	return fd;
}

void allow_many_files(void) {
	struct rlimit files;
	check(getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
	files.rlim_cur = files.rlim_max;
	check(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
}

int main(int argc, char **argv) {
	const char *work = argc > 1 ? argv[1] : "";
	int port = argc > 2 ? atoi(argv[2]) : 0, target = argc > 3 ? atoi(argv[3]) : 0;
	if (!strcmp(work, "send"))
		return send_pipe(port);
	if (!strcmp(work, "receive"))
		return receive_pipe(port);
	if (!strcmp(work, "relay"))
		return relay(port, target);
	if (!strcmp(work, "tcp-echo"))
		return tcp_echo(port);
	if (!strcmp(work, "udp-echo"))
		return udp_echo(port);
	if (!strcmp(work, "udp-echo-bursts"))
		return udp_echo_bursts(port);
	if (!strcmp(work, "ws-echo"))
		return ws_echo(port);
	if (!strcmp(work, "ws-room"))
		return ws_room(port);
	fprintf(stderr, "limit: send, receive, relay, tcp-echo, udp-echo, udp-echo-bursts, ws-echo or ws-room, then PORT [TARGET]\n");
	return 2;
}
