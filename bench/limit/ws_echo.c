/* WebSocket: every frame of one read answered by one write, or written to all. */
#include "limit.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer {
	int fd, open, place;
	char *rest; /* the start of a frame */
	size_t have, room;
};

static char shared[CHUNK];

/* The members of a room, if there is one. */
static struct peer **members;
static int to_all, all;

/* measure reads a client's head: 0 where it is not whole. */
static size_t measure(const char *head, size_t have, size_t *payload) {
	uint16_t two;
	uint64_t eight;
	if (have < 14 && (have < 2 || have < (size_t)((head[1] & 127) < 126 ? 6 : (head[1] & 127) == 126 ? 8 : 14)))
		return 0;
	*payload = head[1] & 127;
	if (*payload == 126) {
		memcpy(&two, head + 2, 2);
		*payload = be16toh(two);
		return 8;
	}
	if (*payload == 127) {
		memcpy(&eight, head + 2, 8);
		*payload = be64toh(eight);
		return 14;
	}
	return 6;
}

/* unmask moves a payload towards the start as well, which costs nothing more. */
static void unmask(char *to, const char *from, size_t n, const char *mask) {
	uint64_t key, word;
	memcpy(&key, mask, 4);
	memcpy((char *)&key + 4, mask, 4);
	size_t i = 0;
	for (; i + 8 <= n; i += 8) {
		memcpy(&word, from + i, 8);
		word ^= key;
		memcpy(to + i, &word, 8);
	}
	for (; i < n; i++)
		to[i] = from[i] ^ ((char *)&key)[i & 7];
}

/* put answers each whole frame of in[have], in place, and returns what is left. */
static size_t put(char *in, size_t have, size_t *out, size_t *next) {
	size_t at = 0, head, payload;
	for (*out = 0; (head = measure(in + at, have - at, &payload)); at += head + payload) {
		if (have - at < head + payload) {
			*next = head + payload;
			break;
		}
		char mask[4];
		memcpy(mask, in + at + head - 4, 4);
		memmove(in + *out, in + at, head - 4);
		in[*out + 1] &= 127;
		unmask(in + *out + head - 4, in + at + head, payload, mask);
		*out += head - 4 + payload;
	}
	return at;
}

static int say(int fd, const char *data, size_t n) {
	while (n > 0) {
		ssize_t done = write(fd, data, n);
		if (done < 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};
			poll(&wait, 1, -1);
		} else if (done < 0) {
			return -1;
		} else {
			data += done, n -= done;
		}
	}
	return 0;
}

/* tell writes to everyone. */
static int tell(const char *data, size_t n) {
	for (int i = 0; i < all; i++)
		say(members[i]->fd, data, n);
	return 0;
}

static void enter(struct peer *p) {
	members = realloc(members, (all + 1) * sizeof *members);
	members[p->place = all++] = p;
}

static void keep(struct peer *p, const char *rest, size_t n, size_t want) {
	if (p->room < want || p->room < n)
		p->rest = realloc(p->rest, p->room = want > n ? want : n);
	memmove(p->rest, rest, p->have = n);
}

/* answer returns -1 where the peer is gone. */
static int answer(struct peer *p) {
	char *in = p->have ? p->rest : shared;
	size_t room = p->have ? p->room : CHUNK - 1, out, next = 64;
	if (room == p->have)
		in = p->rest = realloc(p->rest, p->room = room *= 2);
	ssize_t n = read(p->fd, in + p->have, room - p->have);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	size_t have = p->have + n;
	if (!p->open) {
		in[have] = 0, p->open = 1;
		enter(p);
		return ws_open(p->fd, in);
	}
	size_t at = put(in, have, &out, &next);
	p->have = 0;
	if (out && (to_all ? tell(in, out) : say(p->fd, in, out)))
		return -1;
	if (at < have)
		keep(p, in + at, have - at, next);
	return 0;
}

static void welcome(int poll, int listener) {
	struct peer *p = calloc(1, sizeof *p);
	p->fd = check(accept4(listener, NULL, NULL, SOCK_NONBLOCK), "accept");
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
	check(epoll_ctl(poll, EPOLL_CTL_ADD, p->fd, &event), "epoll_ctl");
}

static void leave(struct peer *p) {
	if (p->open) {
		members[p->place] = members[--all];
		members[p->place]->place = p->place;
	}
	close(p->fd);
	free(p->rest);
	free(p);
}

int ws_echo(int port) {
	struct epoll_event events[256], first = {.events = EPOLLIN};
	int listener = bound(SOCK_STREAM, port), poll = check(epoll_create1(0), "epoll_create1");
	allow_many_files();
	check(listen(listener, 4096), "listen");
	check(epoll_ctl(poll, EPOLL_CTL_ADD, listener, &first), "epoll_ctl");
	for (;;) {
		int n = check(epoll_wait(poll, events, 256, -1), "epoll_wait");
		for (int i = 0; i < n; i++) {
			struct peer *p = events[i].data.ptr;
			if (!p)
				welcome(poll, listener);
			else if (answer(p))
				leave(p);
		}
	}
}

int ws_room(int port) {
	to_all = 1;
	return ws_echo(port);
}
