// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Processes, signals, waiting and being scheduled; and modules. */

static long start_and_wait(void)
{
	long child = must(start_process());

	if (child == 0)
		end_process(0);
	return wait_for(child) ? INVALID : 0;
}

/* Executes this program, which ends at once if it has an argument. */
static long execute_and_wait(void)
{
	static const char *const arguments[] = { "/bin/training", "end", 0 };
	long child = must(start_process());

	if (child == 0) {
		call(NR_execve, (word)arguments[0], (word)arguments, (word)(arguments + 2), 0, 0);
		end_process(FAILED);
	}
	return wait_for(child) ? INVALID : 0;
}

static volatile word n_signals;

static void count_signal(int number)
{
	(void)number;
	n_signals++;
}

static long own_process;

static long prepare_signal(void)
{
	own_process = call(NR_getpid, 0, 0, 0, 0, 0);
	return handle_signal(10 /* SIGUSR1 */, count_signal);
}

static long signal_self(void)
{
	word before = n_signals;

	must(call(NR_kill, own_process, 10, 0, 0, 0));
	return n_signals == before + 1 ? 0 : INVALID;
}

/* The words that two processes wait for. */
static volatile int *turns;

enum { WAIT = 0, WAKE = 1 };

static long futex(volatile int *at, word what, word value)
{
	long result = call6(NR_futex, (word)at, what, value, 0, 0, 0);

	return result == TRY_AGAIN ? 0 : result;
}

static long take_turn(volatile int *mine, volatile int *other)
{
	while (!*mine)
		must(futex(mine, WAIT, 0));
	*mine = 0;
	*other = 1;
	return futex(other, WAKE, 1);
}

static long take_other_turn(void)
{
	return take_turn(turns + 1, turns);
}

static long prepare_futex(void)
{
	turns = map(PAGE, SHARED | ANONYMOUS, -1);
	turns[0] = 1;
	return start_partner(take_other_turn);
}

static long take_own_turn(void)
{
	return take_turn(turns, turns + 1);
}

static long yield(void)
{
	return call(NR_sched_yield, 0, 0, 0, 0, 0);
}

static long prepare_yield(void)
{
	return start_partner(yield);
}

static long timer;

static long prepare_timer(void)
{
	/* CLOCK_MONOTONIC */
	return timer = call(NR_timerfd_create, 1, 0, 0, 0, 0);
}

static long wait_for_timer(void)
{
	static const long soon[4] = { 0, 0, 0, 1000 };
	word n;

	must(call(NR_timerfd_settime, timer, 0, (word)soon, 0, 0));
	return read_file(timer, &n, sizeof(n));
}

static long sleep_shortly(void)
{
	static const long shortly[2] = { 0, 1000 };

	return call(NR_clock_nanosleep, 1, 0, (word)shortly, 0, 0);
}

