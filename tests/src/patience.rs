//! How long is waited for what ought to happen: long enough for a machine that is busy, and only against hanging.

use std::time::Duration;

/// How many times slower than a real machine this one is: `FUMEHOOD_TEST_PATIENCE`, which an emulated one sets.
#[must_use]
pub fn slower() -> u32 {
    let times = std::env::var("FUMEHOOD_TEST_PATIENCE").ok();
    times.map_or(1, |text| {
        text.parse().unwrap_or_else(|_| panic!("{text}: not a number"))
    })
}

/// Longer waits nobody: what has not ended by then will not. A disk under load keeps the log's last write waiting for
/// seconds, which is no fault.
#[must_use]
pub fn patience() -> Duration {
    Duration::from_secs(20) * slower()
}
