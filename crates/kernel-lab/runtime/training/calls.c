// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* System calls that do little, and what looks up names. */

static long ask_parent(void)
{
	return call(NR_getppid, 0, 0, 0, 0, 0);
}

static char status_bytes[256];

static long prepare_deep_path(void)
{
	must(make_directory("/tmp/one"));
	must(make_directory("/tmp/one/two"));
	must(make_directory("/tmp/one/two/three"));
	must(make_directory("/tmp/one/two/three/four"));
	return make_file("/tmp/one/two/three/four/file", PAGE);
}

static long look_up_path(void)
{
	return call(NR_newfstatat, CURRENT_DIRECTORY, (word)"/tmp/one/two/three/four/file",
		    (word)status_bytes, 0, 0);
}

static long look_up_missing(void)
{
	long result = call(NR_newfstatat, CURRENT_DIRECTORY, (word)"/tmp/one/two/none/file",
			   (word)status_bytes, 0, 0);

	return result == NO_ENTRY ? 0 : result;
}

static long time_now(void)
{
	long time[2];

	/* CLOCK_MONOTONIC */
	return call(NR_clock_gettime, 1, (word)time, 0, 0, 0);
}
