// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Pages through pipes, sockets that come and go, terminals, and waiting in other ways. */

static int ends[2];
static char message[256];

static long prepare_splice(void)
{
	one = must(make_file("/tmp/spliced", 4 * PAGE));
	other = must(open_file("/dev/null", WRITE_ONLY));
	return call(NR_pipe2, (word)ends, 0, 0, 0, 0);
}

static long splice_pages(void)
{
	word offset = 0;

	must(call6(NR_splice, one, (word)&offset, ends[1], 0, 4 * PAGE, 0));
	return call6(NR_splice, ends[0], 0, other, 0, 4 * PAGE, 0);
}

static long map_into_pipe(void)
{
	static const struct {
		void *at;
		word size;
	} vector = { bytes, sizeof(bytes) };

	must(call(NR_vmsplice, ends[1], (word)&vector, 1, 0, 0));
	return read_file(ends[0], bytes, sizeof(bytes));
}

enum { UNIX = 1, INTERNET = 2, NETLINK = 16, STREAM = 1, DATAGRAM = 2, RAW = 3, SEQUENTIAL = 5 };

static long prepare_datagrams(void)
{
	one = must(make_file("/tmp/passed", 0));
	return call(NR_socketpair, UNIX, DATAGRAM, 0, (word)ends, 0);
}

/* A file that is passed from one process to another, as both see it. */
struct passing {
	struct {
		void *name;
		word name_size;
		const void *vectors;
		word n_vectors;
		void *control;
		word control_size;
		word flags;
	} header;
	struct {
		word size;
		int level, kind;
		int file, padding;
	} control;
};

static long pass_file(void)
{
	static const struct {
		void *at;
		word size;
	} vector = { message, sizeof(message) };
	struct passing sent = {
		{ 0, 0, &vector, 1, 0, sizeof(sent.control), 0 },
		{ 20, 1 /* SOL_SOCKET */, 1 /* SCM_RIGHTS */, (int)one, 0 },
	};
	struct passing received = { { 0, 0, &vector, 1, 0, sizeof(sent.control), 0 }, { 0 } };

	sent.header.control = &sent.control;
	received.header.control = &received.control;
	must(call(NR_sendmsg, ends[1], (word)&sent.header, 0, 0, 0));
	must(call(NR_recvmsg, ends[0], (word)&received.header, 0, 0, 0));
	return close_file(received.control.file);
}

/* struct sockaddr_un */
static const struct {
	unsigned short family;
	char path[14];
} unix_address = { UNIX, "/tmp/socket" };

static long prepare_unix_server(void)
{
	remove_file("/tmp/socket");
	one = must(call(NR_socket, UNIX, STREAM, 0, 0, 0));
	must(call(NR_bind, one, (word)&unix_address, sizeof(unix_address), 0, 0));
	return call(NR_listen, one, 4, 0, 0, 0);
}

static long connect_unix(void)
{
	long client = must(call(NR_socket, UNIX, STREAM, 0, 0, 0));
	long server;

	must(call(NR_connect, client, (word)&unix_address, sizeof(unix_address), 0, 0));
	server = must(call(NR_accept4, one, 0, 0, 0, 0));
	must(close_file(client));
	return close_file(server);
}

/* struct sockaddr_in */
static struct {
	unsigned short family, port;
	unsigned char host[4];
	char zeros[8];
} loopback = { INTERNET, 0, { 127, 0, 0, 1 }, { 0 } };

static void find_port(long bound)
{
	int size = sizeof(loopback);

	must(call(NR_getsockname, bound, (word)&loopback, (word)&size, 0, 0));
}

static long prepare_server(word kind)
{
	/* The loopback device is down until somebody asks for it. */
	static struct {
		char name[16];
		short flags;
		char rest[22];
	} request = { "lo", 0x41 /* IFF_UP, IFF_RUNNING */, { 0 } };

	one = must(call(NR_socket, INTERNET, kind, 0, 0, 0));
	/* SIOCSIFFLAGS */
	must(call(NR_ioctl, one, 0x8914, (word)&request, 0, 0));
	must(call(NR_bind, one, (word)&loopback, sizeof(loopback), 0, 0));
	find_port(one);
	return 0;
}

static long prepare_tcp_server(void)
{
	prepare_server(STREAM);
	return call(NR_listen, one, 16, 0, 0, 0);
}

static long connect_tcp(void)
{
	long client = must(call(NR_socket, INTERNET, STREAM, 0, 0, 0));
	long server;

	/* SO_LINGER with 0 seconds, so that no connection stays behind. */
	static const int linger[2] = { 1, 0 };

	must(call(NR_connect, client, (word)&loopback, sizeof(loopback), 0, 0));
	server = must(call(NR_accept4, one, 0, 0, 0, 0));
	must(call(NR_setsockopt, client, 1, 13, (word)linger, sizeof(linger)));
	must(close_file(client));
	return close_file(server);
}

static long prepare_udp_server(void)
{
	prepare_server(DATAGRAM);
	return other = call(NR_socket, INTERNET, DATAGRAM, 0, 0, 0);
}

static long send_to(void)
{
	must(call6(NR_sendto, other, (word)message, sizeof(message), 0, (word)&loopback,
		   sizeof(loopback)));
	return call6(NR_recvfrom, one, (word)message, sizeof(message), 0, 0, 0);
}

/* Asks for the network devices. */
static long prepare_netlink(void)
{
	return one = call(NR_socket, NETLINK, RAW, 0, 0, 0);
}

static long list_devices(void)
{
	/* struct nlmsghdr, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP; struct ifinfomsg */
	static struct {
		unsigned int size;
		unsigned short kind, flags;
		unsigned int sequence, sender;
		unsigned int body[4];
	} request = { sizeof(request), 18, 0x301, 1, 0, { 0 } };
	unsigned short *answer = (void *)bytes;

	must(write_file(one, &request, sizeof(request)));
	do
		must(read_file(one, bytes, sizeof(bytes)));
	while (answer[2] != 3 /* NLMSG_DONE */);
	return 0;
}

/* What is written to a terminal, and read at its other end. */
static long prepare_terminal(void)
{
	static char name[] = "/dev/pts/0";
	int unlock = 0, number = 0;

	one = must(open_file("/dev/pts/ptmx", READ_WRITE));
	/* TIOCSPTLCK, TIOCGPTN */
	must(call(NR_ioctl, one, 0x40045431, (word)&unlock, 0, 0));
	must(call(NR_ioctl, one, 0x80045430, (word)&number, 0, 0));
	name[9] = '0' + number;
	return other = open_file(name, READ_WRITE | 0400 /* O_NOCTTY */);
}

static long write_terminal(void)
{
	must(write_file(other, "line\n", 5));
	return read_file(one, bytes, sizeof(bytes));
}

/* As many as fit into the files that one word stands for. */
enum { N_PIPES = 28 };

static long prepare_select(void)
{
	word i;

	for (i = 0; i < N_PIPES; i++)
		must(call(NR_pipe2, (word)ends, 0, 0, 0, 0));
	/* The last pipe is ready. */
	return write_file(ends[1], message, 1);
}

static long select_files(void)
{
	word readable = (1UL << (ends[1] + 1)) - (1UL << 8);

	return call6(NR_pselect6, ends[1] + 1, (word)&readable, 0, 0, 0, 0);
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

static long prepare_edges(void)
{
	struct epoll_event event = { 1u << 31 | 1 /* EPOLLET | EPOLLIN */, 0 };

	one = must(call(NR_epoll_create1, 0, 0, 0, 0, 0));
	must(call(NR_pipe2, (word)ends, 0, 0, 0, 0));
	return call(NR_epoll_ctl, one, 1 /* EPOLL_CTL_ADD */, ends[0], (word)&event, 0);
}

static long wait_for_edge(void)
{
	struct epoll_event event = { 1u << 30 | 1 /* EPOLLONESHOT | EPOLLIN */, 0 };

	must(call(NR_epoll_ctl, one, 3 /* EPOLL_CTL_MOD */, ends[0], (word)&event, 0));
	must(write_file(ends[1], message, 16));
	must(call6(NR_epoll_pwait, one, (word)&event, 1, -1UL, 0, 8));
	return read_file(ends[0], message, 16);
}
