//! The clock that holds live by.

use std::fmt;

/// Milliseconds since 1970. The caller takes the wall clock once and counts on with a clock that runs while
/// the machine sleeps (`CLOCK_BOOTTIME`), so within one process it never goes back. Where it does go back all
/// the same, every approval, grant and permit that is not used yet is void: none may live longer for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// This many milliseconds later; at most the end of time.
    #[must_use]
    pub const fn after(self, milliseconds: u64) -> Time {
        Time(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from here to `later`, 0 where that has passed.
    #[must_use]
    pub const fn until(self, later: Time) -> u64 {
        later.0.saturating_sub(self.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
