// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Processes started and looked into in other ways, their signals, locks and timers. */

static long prepare_script(void)
{
	static const char text[] = "#!/bin/test end\n";
	long file = must(call(NR_openat, CURRENT_DIRECTORY, (word)"/tmp/script",
			      WRITE_ONLY | CREATE | TRUNCATE, 0755, 0));

	must(write_file(file, text, sizeof(text) - 1));
	return close_file(file);
}

/* Shares the memory of its parent, which waits until it executes a script. */
static long execute_script(void)
{
	static const char *const arguments[] = { "/tmp/script", 0 };
	/* CLONE_VM | CLONE_VFORK */
	long child = must(call(NR_clone, 0x100 | 0x4000 | CHILD_ENDED, 0, 0, 0, 0));

	if (child == 0) {
		call(NR_execve, (word)arguments[0], (word)arguments, (word)(arguments + 1), 0, 0);
		end_process(FAILED);
	}
	return wait_for(child) ? INVALID : 0;
}

enum { USER_SIGNAL = 12 /* SIGUSR2 */, SIGNAL_SET_SIZE = 8 };

static const word user_signal = 1UL << (USER_SIGNAL - 1);

static long block_signal(void)
{
	return call(NR_rt_sigprocmask, 0 /* SIG_BLOCK */, (word)&user_signal, 0, SIGNAL_SET_SIZE, 0);
}

static long wait_for_signal(void)
{
	must(call(NR_kill, call(NR_getpid, 0, 0, 0, 0, 0), USER_SIGNAL, 0, 0, 0));
	return call(NR_rt_sigtimedwait, (word)&user_signal, 0, 0, SIGNAL_SET_SIZE, 0);
}

static long prepare_signal_file(void)
{
	must(block_signal());
	return one = call(NR_signalfd4, -1UL, (word)&user_signal, SIGNAL_SET_SIZE, 0, 0);
}

static long read_signal(void)
{
	must(call(NR_kill, call(NR_getpid, 0, 0, 0, 0, 0), USER_SIGNAL, 0, 0, 0));
	return read_file(one, bytes, 128);
}

static void ignore_signal(int number)
{
	(void)number;
}

static long prepare_interval(void)
{
	return handle_signal(14 /* SIGALRM */, ignore_signal);
}

static long run_interval(void)
{
	static const long soon[4] = { 0, 0, 0, 5 };

	must(call(NR_setitimer, 0 /* ITIMER_REAL */, (word)soon, 0, 0, 0));
	return rest() == INTERRUPTED ? 0 : INVALID;
}

static long own_timer(void)
{
	static const long later[4] = { 0, 0, 1000, 0 };
	int timer;

	/* CLOCK_MONOTONIC */
	must(call(NR_timer_create, 1, 0, (word)&timer, 0, 0));
	must(call(NR_timer_settime, timer, 0, (word)later, 0, 0));
	return call(NR_timer_delete, timer, 0, 0, 0, 0);
}

/* A lock that two processes hold in turns, whose waiter lends its priority. */
static volatile int *lock;

static long hold_lock(void)
{
	/* FUTEX_LOCK_PI, FUTEX_UNLOCK_PI */
	must(call6(NR_futex, (word)lock, 6, 0, 0, 0, 0));
	call(NR_sched_yield, 0, 0, 0, 0, 0);
	return call6(NR_futex, (word)lock, 7, 0, 0, 0, 0);
}

static long prepare_lock(void)
{
	lock = map(PAGE, SHARED | ANONYMOUS, -1);
	return start_partner(hold_lock);
}

static long set_scheduling(void)
{
	/* SCHED_FIFO, and back */
	int priority = 1;

	must(call(NR_sched_setscheduler, 0, 1, (word)&priority, 0, 0));
	priority = 0;
	must(call(NR_sched_setscheduler, 0, 0, (word)&priority, 0, 0));
	return call(NR_setpriority, 0, 0, 0, 0, 0);
}

static long set_affinity(void)
{
	word processors = 1;

	return call(NR_sched_setaffinity, 0, sizeof(processors), (word)&processors, 0, 0);
}

/* A child that is stopped at each of its system calls. */
static long traced;

static long prepare_trace(void)
{
	int status;

	traced = must(start_process());
	if (traced == 0) {
		call(NR_prctl, 1, 9, 0, 0, 0);
		call(NR_ptrace, 0 /* PTRACE_TRACEME */, 0, 0, 0, 0);
		call(NR_kill, call(NR_getpid, 0, 0, 0, 0, 0), 19 /* SIGSTOP */, 0, 0, 0);
		for (;;)
			call(NR_getpid, 0, 0, 0, 0, 0);
	}
	return call(NR_wait4, traced, (word)&status, 0, 0, 0);
}

static long trace_call(void)
{
	int status;
	word value;

	must(call(NR_ptrace, 24 /* PTRACE_SYSCALL */, traced, 0, 0, 0));
	must(call(NR_wait4, traced, (word)&status, 0, 0, 0));
	/* PTRACE_PEEKDATA */
	return call(NR_ptrace, 2, traced, (word)bytes, (word)&value, 0);
}

static long change_name(void)
{
	/* PR_SET_NAME, PR_GET_NAME */
	must(call(NR_prctl, 15, (word)"tested", 0, 0, 0));
	return call(NR_prctl, 16, (word)bytes, 0, 0, 0);
}
