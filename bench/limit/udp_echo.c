#include "limit.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum { BATCH = 64, LARGEST = 1 << 16 };

int udp_echo(int port) {
	static char data[BATCH][LARGEST];
	static struct sockaddr_in from[BATCH];
	static struct iovec parts[BATCH];
	static struct mmsghdr messages[BATCH];
	int fd = bound(SOCK_DGRAM, port);
	for (;;) {
		for (int i = 0; i < BATCH; i++) {
			parts[i] = (struct iovec){data[i], LARGEST};
			messages[i].msg_hdr = (struct msghdr){
				.msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &parts[i], .msg_iovlen = 1};
		}
		int n = check(recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL), "recvmmsg");
		for (int i = 0; i < n; i++)
			parts[i].iov_len = messages[i].msg_len;
		check(sendmmsg(fd, messages, n, 0), "sendmmsg");
	}
}

/* segment turns what UDP_GRO said of a burst into what UDP_SEGMENT wants. */
static void segment(struct msghdr *message) {
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	int size;
	if (!control || control->cmsg_type != UDP_GRO) {
		message->msg_controllen = 0;
		return;
	}
	memcpy(&size, CMSG_DATA(control), sizeof size);
	control->cmsg_type = UDP_SEGMENT;
	control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
	*(uint16_t *)CMSG_DATA(control) = size;
	message->msg_controllen = CMSG_SPACE(sizeof(uint16_t));
}

int udp_echo_bursts(int port) {
	static char data[LARGEST], control[CMSG_SPACE(sizeof(int))];
	struct sockaddr_in from;
	int on = 1, fd = bound(SOCK_DGRAM, port);
	check(setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on), "UDP_GRO");
	for (;;) {
		struct iovec part = {data, LARGEST};
		struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part,
			.msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		part.iov_len = check(recvmsg(fd, &message, 0), "recvmsg");
		segment(&message);
		check(sendmsg(fd, &message, 0), "sendmsg");
	}
}
