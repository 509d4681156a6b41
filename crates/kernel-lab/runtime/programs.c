// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Whole programs as kinds of kernel work: each argument is the path of one,
 * which is executed in /tmp. One that ends with the status ABSENT has found that
 * the kernel has no support for it; with any other than 0, it has failed.
 */

#include "kinds.h"

static const char *program;

static long prepare(void)
{
	return call(NR_chdir, (word)"/tmp", 0, 0, 0, 0);
}

static long run_program(void)
{
	const char *arguments[] = { program, 0 };
	static const char *const environment[] = { "PATH=/bin:/usr/bin:/usr/sbin:/sbin",
						   "HOME=/tmp", "LC_ALL=C", 0 };
	long child = must(start_process());
	int status;

	if (child == 0) {
		must(call(NR_execve, (word)program, (word)arguments, (word)environment, 0, 0));
		end_process(FAILED);
	}
	status = wait_for(child);
	return status == ABSENT ? NO_ENTRY : status ? INVALID : 0;
}

static const char *name_of(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '/')
			name = path + 1;
	return name;
}

__attribute__((used, noreturn)) static void start(const word *stack)
{
	word i;

	for (i = 2; i <= stack[0]; i++) {
		struct kind kind = { 0, prepare, run_program, 2, 0 };

		program = (const char *)stack[i];
		kind.name = name_of(program);
		run_kinds(&kind, 1);
	}
	end_process(0);
}
