/* Calls: FastAGI sessions as Asterisk makes them, AT_ONCE of them all the time, or RATE a second.
 *
 *   agi_load PORT SECONDS AT_ONCE RATE FIRST_NUMBER NUMBERS
 *
 * Callers are FIRST_NUMBER + 0 … NUMBERS-1, in a mixed order. RATE 0: the next session begins when one
 * ends. Writes for each session two doubles: when it began (or was due), and how long it took until the
 * server closed, in seconds of the monotonic clock; a negative time for one that failed. Then, to
 * stderr: sessions, failures, and how many were told BLOCK. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096

struct call { double began; int asked; int told; long number; };

static struct call calls[MOST];
static struct sockaddr_in address = { .sin_family = AF_INET };
static int poller, open_now;
static long made, failed, blocked, first, numbers;
static double *samples;
static long kept, room;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void keep(double began, double took)
{
	if (kept + 2 > room) samples = realloc(samples, (room = room ? 2 * room : 1 << 16) * sizeof *samples);
	samples[kept++] = began;
	samples[kept++] = took;
}

static void begin(double due)
{
	int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || fd >= MOST) { perror("socket"); exit(1); }
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	calls[fd] = (struct call){ .began = due, .number = first + (made * 7919) % numbers };
	made++;
	open_now++;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.fd = fd };
	epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
	connect(fd, (void *)&address, sizeof address);
}

static void end(int fd, int good)
{
	double took = now() - calls[fd].began;
	close(fd);
	open_now--;
	if (!good) failed++;
	keep(calls[fd].began, good ? took : -took);
}

static int request(char *text, int size, struct call *call)
{
	return snprintf(text, size,
		"agi_network: yes\nagi_network_script: screen\nagi_request: agi://127.0.0.1:%d/screen\n"
		"agi_channel: PJSIP/trunk-%08lx\nagi_language: id\nagi_type: PJSIP\nagi_uniqueid: 1795496070.%ld\n"
		"agi_version: 22.10.1\nagi_callerid: 0%ld\nagi_calleridname: unknown\nagi_callingpres: 0\n"
		"agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: 112\nagi_rdnis: unknown\n"
		"agi_context: siaga112-screen\nagi_extension: s\nagi_priority: 13\nagi_enhanced: 0.0\n"
		"agi_accountcode: \nagi_threadid: 139853172467392\nagi_arg_1: 0%ld\n\n",
		ntohs(address.sin_port), made, made, call->number, call->number);
}

static void turn(int fd, unsigned what)
{
	struct call *call = &calls[fd];
	char data[4096];
	if (!call->asked && what & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		int error = 0;
		socklen_t size = sizeof error;
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
		if (error) { end(fd, 0); return; }
		int n = request(data, sizeof data, call);
		if (send(fd, data, n, MSG_NOSIGNAL) != n) { end(fd, 0); return; }
		call->asked = 1;
		struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
		epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event);
		return;
	}
	int n = recv(fd, data, sizeof data - 1, 0);
	if (n < 0 && errno == EAGAIN) return;
	if (n <= 0) { end(fd, n == 0 && call->told); return; }
	data[n] = 0;
	if (strstr(data, "SIAGA_VERDICT")) {
		call->told = 1;
		if (strstr(data, "BLOCK\"")) blocked++;
	}
	for (char *line = data; (line = strchr(line, '\n')); line++)
		if (send(fd, "200 result=1\n", 13, MSG_NOSIGNAL) != 13) { end(fd, 0); return; }
}

int main(int argc, char **argv)
{
	if (argc != 7) { fprintf(stderr, "agi_load PORT SECONDS AT_ONCE RATE FIRST_NUMBER NUMBERS\n"); return 2; }
	address.sin_port = htons(atoi(argv[1]));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	double began = now(), over = began + atof(argv[2]), rate = atof(argv[4]), due = began;
	int at_once = atoi(argv[3]);
	first = atol(argv[5]);
	numbers = atol(argv[6]);
	poller = epoll_create1(0);
	struct epoll_event events[256];
	for (;;) {
		double t = now();
		if (t < over) {
			if (rate > 0) for (; due <= t && open_now < MOST - 64; due += 1 / rate) begin(due);
			else while (open_now < at_once) begin(now());
		} else if (!open_now || t > over + 5) break;
		double left = rate > 0 && t < over ? due - t : 0.1;
		if (left < 0) left = 0;
		struct timespec wait = { 0, (long)(left * 1e9) % 1000000000 };
		int n = epoll_pwait2(poller, events, 256, &wait, NULL);
		for (int i = 0; i < n; i++) turn(events[i].data.fd, events[i].events);
	}
	fwrite(samples, sizeof *samples, kept, stdout);
	fprintf(stderr, "%ld %ld %ld\n", made, failed + open_now, blocked);
	return 0;
}
