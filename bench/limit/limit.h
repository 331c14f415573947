/* The limit: the same work in as few instructions as C and Linux allow, with
 * no check, no option and no second user. Nothing here is fit for use. */
#ifndef LIMIT_H
#define LIMIT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

enum { CHUNK = 1 << 20 };

void fail(const char *what);
int check(int result, const char *what);
int bound(int type, int port);   /* a socket of type, bound on 127.0.0.1:port */
int accepted(int port);          /* the first connection to 127.0.0.1:port */
int connected(int port);         /* a connection to 127.0.0.1:port */
void allow_many_files(void);

int send_pipe(int port);         /* standard input into a socket, by splice */
int receive_pipe(int port);      /* a socket into standard output, by splice */
int relay(int port, int target); /* one connection to another, by splice */
int tcp_echo(int port);          /* epoll, read, write */
int udp_echo(int port);          /* recvmmsg, sendmmsg */
int udp_echo_bursts(int port);   /* UDP_GRO in, UDP_SEGMENT out */
int ws_echo(int port);           /* epoll, and one write for each read */
int ws_room(int port);           /* the same, each frame written to all */
int ws_open(int fd, char *request);

#endif
