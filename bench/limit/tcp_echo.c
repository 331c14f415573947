#include "limit.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void watch(int poll, int fd) {
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	check(epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void answer(int fd) {
	static char buf[1 << 16];
	ssize_t n = read(fd, buf, sizeof buf);
	if (n <= 0 || write(fd, buf, n) != n)
		close(fd);
}

int tcp_echo(int port) {
	struct epoll_event events[256];
	int listener = bound(SOCK_STREAM, port), poll = check(epoll_create1(0), "epoll_create1");
	allow_many_files();
	check(listen(listener, 4096), "listen");
	watch(poll, listener);
	for (;;) {
		int n = check(epoll_wait(poll, events, 256, -1), "epoll_wait");
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				watch(poll, check(accept(listener, NULL, NULL), "accept"));
			else
				answer(events[i].data.fd);
		}
	}
}
