// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Pipes, sockets, and waiting for them. */

static int ends[2], other_ends[2];
static char message[128];

static long prepare_pipe(void)
{
	return call(NR_pipe2, (word)ends, 0, 0, 0, 0);
}

static long pass_through(void)
{
	must(write_file(ends[1], message, sizeof(message)));
	return read_file(ends[0], message, sizeof(message));
}

static long answer(void)
{
	must(read_file(ends[0], message, 1));
	return write_file(other_ends[1], message, 1);
}

static long prepare_two_pipes(void)
{
	must(prepare_pipe());
	must(call(NR_pipe2, (word)other_ends, 0, 0, 0, 0));
	return start_partner(answer);
}

/* Two processes that wait for each other. */
static long ask_partner(void)
{
	must(write_file(ends[1], message, 1));
	return read_file(other_ends[0], message, 1);
}

enum { UNIX = 1, INTERNET = 2, STREAM = 1, DATAGRAM = 2 };

static long prepare_unix_stream(void)
{
	must(call(NR_socketpair, UNIX, STREAM, 0, (word)ends, 0));
	/* A pair goes both ways; pass_through() writes to one and reads the other. */
	return 0;
}

/* struct sockaddr_in, for 127.0.0.1 and a port that the kernel chooses. */
struct internet_address {
	unsigned short family, port;
	unsigned char host[4];
	char zeros[8];
};

static const struct internet_address loopback = { INTERNET, 0, { 127, 0, 0, 1 }, { 0 } };

/* The loopback device is down until somebody asks for it. */
static long bring_up_loopback(void)
{
	static struct {
		char name[16];
		short flags;
		char rest[22];
	} request = { "lo", 0x41 /* IFF_UP, IFF_RUNNING */, { 0 } };
	long handle = must(call(NR_socket, INTERNET, DATAGRAM, 0, 0, 0));

	/* SIOCSIFFLAGS */
	must(call(NR_ioctl, handle, 0x8914, (word)&request, 0, 0));
	return close_file(handle);
}

static long bound_socket(word kind)
{
	long handle = must(call(NR_socket, INTERNET, kind, 0, 0, 0));

	must(call(NR_bind, handle, (word)&loopback, sizeof(loopback), 0, 0));
	return handle;
}

static void connect_to(long handle, long bound)
{
	struct internet_address address;
	int size = sizeof(address);

	must(call(NR_getsockname, bound, (word)&address, (word)&size, 0, 0));
	must(call(NR_connect, handle, (word)&address, sizeof(address), 0, 0));
}

static long prepare_udp(void)
{
	must(bring_up_loopback());
	ends[0] = bound_socket(DATAGRAM);
	ends[1] = bound_socket(DATAGRAM);
	connect_to(ends[1], ends[0]);
	return 0;
}

static long prepare_tcp(void)
{
	long listening;

	must(bring_up_loopback());
	listening = bound_socket(STREAM);
	must(call(NR_listen, listening, 4, 0, 0, 0));
	ends[1] = must(call(NR_socket, INTERNET, STREAM, 0, 0, 0));
	connect_to(ends[1], listening);
	ends[0] = must(call(NR_accept4, listening, 0, 0, 0, 0));
	return 0;
}

/* struct epoll_event, which x86 packs. */
struct epoll_event {
	unsigned int events;
	word data;
}
#if defined(__x86_64__)
__attribute__((packed))
#endif
;

static long epoll;

static long prepare_epoll(void)
{
	struct epoll_event event = { 1 /* EPOLLIN */, 0 };

	epoll = must(call(NR_epoll_create1, 0, 0, 0, 0, 0));
	ends[0] = ends[1] = must(call(NR_eventfd2, 0, 0, 0, 0, 0));
	return call(NR_epoll_ctl, epoll, 1 /* EPOLL_CTL_ADD */, ends[0], (word)&event, 0);
}

static long wait_with_epoll(void)
{
	struct epoll_event event;
	word one = 1;

	must(write_file(ends[1], &one, sizeof(one)));
	must(call6(NR_epoll_pwait, epoll, (word)&event, 1, -1UL, 0, 8));
	return read_file(ends[0], &one, sizeof(one));
}

enum { N_POLLED = 16 };

/* struct pollfd */
static struct {
	int file;
	short events, happened;
} polled[N_POLLED];

static long prepare_poll(void)
{
	word i;

	for (i = 0; i < N_POLLED; i++) {
		must(prepare_pipe());
		polled[i].file = ends[0];
		polled[i].events = 1; /* POLLIN */
	}
	/* The last one is ready. */
	return write_file(ends[1], message, 1);
}

static long wait_with_poll(void)
{
	return call(NR_ppoll, (word)polled, N_POLLED, 0, 0, 8);
}
