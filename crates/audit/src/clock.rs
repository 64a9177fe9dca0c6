//! Times as people write them: UTC, in the proleptic Gregorian calendar.

use std::fmt;

/// A point in time, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock {
    seconds: u64,
    nanos: u32,
}

const DAY: u64 = 86_400;
const SECOND: u64 = 1_000_000_000;

impl Clock {
    /// Now, by the machine's clock, which can be set.
    #[must_use]
    pub fn now() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = now.unwrap_or_default().as_nanos();
        Self::of_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Seconds since 1970.
    #[must_use]
    pub const fn of_seconds(seconds: u64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn of_nanos(nanos: u64) -> Self {
        Self {
            seconds: nanos / SECOND,
            nanos: (nanos % SECOND) as u32,
        }
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.seconds
            .saturating_mul(SECOND)
            .saturating_add(self.nanos as u64)
    }

    /// Reads `2026-11-25`, `2026-11-25T10:04`, `2026-11-25T10:04:05` and the same with `Z`: UTC.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z').unwrap_or(text);
        let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
        let mut date = date.splitn(3, '-').map(number);
        let (year, month, day) = (date.next()??, date.next()??, date.next()??);
        let mut time = time.splitn(3, ':').map(number);
        let (hour, minute) = (time.next()??, time.next()??);
        let second = time.next().unwrap_or(Some(0))?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days_of(year, month, day)?;
        let seconds = days * DAY + hour * 3_600 + minute * 60 + second;
        (civil(days) == (year, month, day)).then_some(Self::of_seconds(seconds))
    }

    /// `20261125-100405123`: to the millisecond.
    #[must_use]
    pub fn compact(self) -> String {
        let (year, month, day) = civil(self.seconds / DAY);
        let (hour, minute, second) = self.time();
        let millis = self.nanos / 1_000_000;
        format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}{millis:03}")
    }

    const fn time(self) -> (u64, u64, u64) {
        let of_day = self.seconds % DAY;
        (of_day / 3_600, of_day % 3_600 / 60, of_day % 60)
    }
}

/// `2026-11-25T10:04:05.123Z`
impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.seconds / DAY);
        let (hour, minute, second) = self.time();
        let millis = self.nanos / 1_000_000;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Year, month and day of a day since 1970. Eras of 400 years begin on a first of March.
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + (month <= 2) as u64;
    (year, month, day)
}

fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let shifted_month = (month + 9) % 12;
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    (year / 400 * 146_097 + of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_795_601_045, "2026-11-25T10:04:05.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(Clock::of_seconds(seconds).to_string(), text);
            let short = text.strip_suffix(".000Z").unwrap();
            assert_eq!(Clock::parse(short), Some(Clock::of_seconds(seconds)));
        }
        assert_eq!(Clock::of_seconds(1_795_601_045).compact(), "20261125-100405000");
        for day in 0..100_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days_of(year, month, of_month), Some(day));
        }
        for wrong in [
            "",
            "2026-13-01",
            "2026-02-30",
            "1969-01-01",
            "2026-1-1T25:00",
            "a-b-c",
        ] {
            assert_eq!(Clock::parse(wrong), None, "{wrong}");
        }
    }
}
