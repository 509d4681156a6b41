// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* System calls that tell something, and names that are looked up in other ways. */

static char told[512];

static long tell_usage(void)
{
	return call(NR_getrusage, 0, (word)told, 0, 0, 0);
}

static long tell_limits(void)
{
	/* RLIMIT_NOFILE */
	return call(NR_prlimit64, 0, 7, 0, (word)told, 0);
}

static long prepare_links(void)
{
	must(make_directory("/tmp/real"));
	must(close_file(must(make_file("/tmp/real/file", 0))));
	call(NR_symlinkat, (word)"/tmp/real", CURRENT_DIRECTORY, (word)"/tmp/first", 0, 0);
	call(NR_symlinkat, (word)"first", CURRENT_DIRECTORY, (word)"/tmp/second", 0, 0);
	call(NR_symlinkat, (word)"../tmp/second/file", CURRENT_DIRECTORY, (word)"/tmp/third", 0, 0);
	return 0;
}

static long access_through_links(void)
{
	return call(NR_faccessat, CURRENT_DIRECTORY, (word)"/tmp/third", 4 /* R_OK */, 0, 0);
}

static long read_link(void)
{
	return call(NR_readlinkat, CURRENT_DIRECTORY, (word)"/proc/self/exe", (word)told,
		    sizeof(told), 0);
}

static long get_random(void)
{
	return call(NR_getrandom, (word)told, 64, 0, 0, 0);
}

/* A system call under a filter that allows all but one. */
static long prepare_filter(void)
{
	static const struct {
		unsigned short code;
		unsigned char if_true, if_false;
		unsigned int value;
	} filter[] = {
		{ 0x20, 0, 0, 0 },		/* load the number of the call */
		{ 0x15, 0, 1, NR_reboot },	/* jump if equal */
		{ 0x06, 0, 0, 0x00050001 },	/* SECCOMP_RET_ERRNO */
		{ 0x06, 0, 0, 0x7fff0000 },	/* SECCOMP_RET_ALLOW */
	};
	const struct {
		unsigned short length;
		const void *filter;
	} program = { N_OF(filter), filter };

	/* PR_SET_NO_NEW_PRIVS; PR_SET_SECCOMP, SECCOMP_MODE_FILTER */
	must(call(NR_prctl, 38, 1, 0, 0, 0));
	return call(NR_prctl, 22, 2, (word)&program, 0, 0);
}

static long ask_user(void)
{
	return call(NR_getuid, 0, 0, 0, 0, 0);
}
