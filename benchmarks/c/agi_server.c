/* The limit: a FastAGI server in C. One epoll loop, one pipelined Redis connection.
 *
 *   agi_server PORT REDIS_PORT COMMANDS
 *
 * For each session: the request, one GET bench:NUMBER (none if REDIS_PORT is 0), then COMMANDS times
 * SET VARIABLE, each after the answer to the one before, then close. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SESSIONS 4096
#define REQUEST 4096

struct session { int used; int dead; int waiting; int sent; int length; int blocked; char data[REQUEST]; };

static struct session sessions[SESSIONS];
static int queue[SESSIONS], head, tail; /* sessions whose GET is on its way, in order */
static int poller, store = -1, commands;
static char answers[1 << 16];
static int answered;

static void fail(const char *what) { perror(what); exit(1); }

static void finish(int fd)
{
	if (sessions[fd].waiting) { sessions[fd].dead = 1; return; } /* its answer is still to come */
	sessions[fd].used = 0;
	close(fd);
}

static void command(int fd)
{
	struct session *s = &sessions[fd];
	char line[64];
	if (s->sent == commands) { finish(fd); return; }
	s->sent++;
	int last = s->sent == commands;
	int n = snprintf(line, sizeof line, "SET VARIABLE %s \"%s\"\n", last ? "SIAGA_VERDICT" : "SIAGA_REASON",
		s->blocked ? (last ? "BLOCK" : "blocked") : (last ? "ALLOW" : "not_blocked"));
	if (send(fd, line, n, MSG_NOSIGNAL) != n) finish(fd);
}

static void ask(int fd)
{
	struct session *s = &sessions[fd];
	s->data[s->length] = 0;
	char *number = strstr(s->data, "agi_arg_1: ");
	if (!number) { finish(fd); return; }
	number += 11;
	int length = strcspn(number, "\n");
	if (store < 0) { command(fd); return; }
	char line[128];
	int n = snprintf(line, sizeof line, "*2\r\n$3\r\nGET\r\n$%d\r\nbench:%.*s\r\n", length + 6, length, number);
	if (send(store, line, n, MSG_NOSIGNAL) != n) fail("redis");
	s->waiting = 1;
	queue[tail] = fd;
	tail = (tail + 1) % SESSIONS;
}

static void from_store(void)
{
	int n = recv(store, answers + answered, sizeof answers - answered, 0);
	if (n <= 0) { if (errno == EAGAIN) return; fail("redis"); }
	answered += n;
	int at = 0;
	for (;;) { /* "$-1\r\n" or "$5\r\nBLOCK\r\n" */
		char *end = memmem(answers + at, answered - at, "\r\n", 2);
		if (!end) break;
		int size = atoi(answers + at + 1), next = end + 2 - answers;
		if (size >= 0) next += size + 2;
		if (next > answered) break;
		at = next;
		int fd = queue[head];
		head = (head + 1) % SESSIONS;
		sessions[fd].waiting = 0;
		sessions[fd].blocked = size >= 0;
		if (sessions[fd].dead) finish(fd); else command(fd);
	}
	memmove(answers, answers + at, answered - at);
	answered -= at;
}

static void from_caller(int fd)
{
	struct session *s = &sessions[fd];
	int n = recv(fd, s->data + s->length, REQUEST - 1 - s->length, 0);
	if (n < 0 && errno == EAGAIN) return;
	if (n <= 0) { finish(fd); return; }
	s->length += n;
	if (s->sent) {
		if (s->data[s->length - 1] == '\n') { s->length = 0; command(fd); }
	} else if (s->length > 1 && !memcmp(s->data + s->length - 2, "\n\n", 2)) {
		ask(fd);
		s->length = 0;
	}
}

static void watch(int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

int main(int argc, char **argv)
{
	if (argc != 4) { fprintf(stderr, "agi_server PORT REDIS_PORT COMMANDS\n"); return 2; }
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int yes = 1;
	commands = atoi(argv[3]);
	poller = epoll_create1(0);
	if (atoi(argv[2])) {
		store = socket(AF_INET, SOCK_STREAM, 0);
		address.sin_port = htons(atoi(argv[2]));
		if (connect(store, (void *)&address, sizeof address)) fail("redis");
		setsockopt(store, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
		watch(store);
	}
	int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	address.sin_port = htons(atoi(argv[1]));
	if (bind(door, (void *)&address, sizeof address) || listen(door, 1024)) fail("bind");
	watch(door);
	struct epoll_event events[256];
	for (;;) {
		int n = epoll_wait(poller, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == store) from_store();
			else if (fd != door) from_caller(fd);
			else for (int caller; (caller = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
				if (caller >= SESSIONS) { close(caller); continue; }
				setsockopt(caller, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
				memset(&sessions[caller], 0, offsetof(struct session, data));
				sessions[caller].used = 1;
				watch(caller);
			}
		}
	}
}
