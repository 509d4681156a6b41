// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! CPUs, and the time that they were used.

use std::num::NonZeroUsize;
use std::time::Duration;

use nix::sys::resource::Usage;
use nix::sys::time::TimeVal;

/// Returns the number of CPUs on which this process may run.
pub fn cpus() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Returns the user and system time of `usage`, in seconds.
pub fn cpu_seconds(usage: &Usage) -> f64 {
    (duration(usage.user_time()) + duration(usage.system_time())).as_secs_f64()
}

fn duration(time: TimeVal) -> Duration {
    let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec()).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_microseconds_both_count() {
        assert_eq!(
            duration(TimeVal::new(2, 250_000)),
            Duration::from_millis(2250)
        );
    }
}
