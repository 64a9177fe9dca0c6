//! The units people write, read strictly: `2G`, `1.5`, `512`, `1h30m`.
//!
//! Sizes are powers of 1024 whatever the suffix (`G`, `GB`, `GiB`), as container engines read them. A quantity that
//! would mean "nothing at all" (zero) is refused: a limit of zero is a mistake, not a wish.

use std::fmt;
use std::time::Duration;

/// What was wrong with a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not of the shape that is read here.
    #[error("{given:?} is not {wanted}")]
    Shape {
        /// The text as given.
        given: String,
        /// What would have been read, with an example.
        wanted: &'static str,
    },
    /// Larger than can be counted, or smaller than can be held.
    #[error("{given:?} is out of range: {range}")]
    Range {
        /// The text as given.
        given: String,
        /// The range in words.
        range: &'static str,
    },
}

const SIZE: &str = "a size such as 512M, 2G or 1.5G";
const SHARE: &str = "a number of CPUs such as 2, 1.5 or 0.25";
const COUNT: &str = "a whole number such as 512";
const SPAN: &str = "a time such as 90s, 10m or 1h30m";

/// Reads a size in bytes: a decimal number and an optional `K`, `M`, `G` or `T` (powers of 1024; `B` or `iB` may
/// follow).
///
/// # Errors
/// Another shape, zero, or more than `u64::MAX`.
///
/// ```
/// # use fumehood_limits::units::bytes;
/// assert_eq!(bytes("2G"), Ok(2 << 30));
/// assert_eq!(bytes("1.5k"), Ok(1536));
/// assert!(bytes("2 G").is_err());
/// ```
pub fn bytes(text: &str) -> Result<u64, UnitError> {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let unit = size_of_suffix(suffix).ok_or_else(|| shape(text, SIZE))?;
    let scaled = decimal(number, unit).map_err(|e| e.at(text, SIZE, "1 byte to 16 EiB"))?;
    at_least(text, scaled, 1, "1 byte to 16 EiB")
}

fn size_of_suffix(suffix: &str) -> Option<u64> {
    let lower = suffix.to_ascii_lowercase();
    match lower
        .strip_suffix("ib")
        .or(lower.strip_suffix('b'))
        .unwrap_or(&lower)
    {
        "" if lower == "ib" => None,
        "" => Some(1),
        "k" => Some(1 << 10),
        "m" => Some(1 << 20),
        "g" => Some(1 << 30),
        "t" => Some(1 << 40),
        _ => None,
    }
}

/// Writes a size so that [`bytes`] reads it back: the largest unit that divides it.
#[must_use]
pub fn show_bytes(size: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    UNITS
        .iter()
        .find(|(unit, _)| size >= *unit && size.is_multiple_of(*unit))
        .map_or_else(
            || size.to_string(),
            |(unit, name)| format!("{}{name}", size / unit),
        )
}

/// CPU time per wall time, in thousandths of one CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millicpus(u32);

impl Millicpus {
    /// The least share the kernel can hold: 1 ms of quota in a period of 100 ms
    /// (Documentation/scheduler/sched-bwc.rst).
    pub const LEAST: Self = Self(10);

    /// Thousandths of a CPU, at least [`Self::LEAST`].
    #[must_use]
    pub fn new(thousandths: u32) -> Option<Self> {
        (thousandths >= Self::LEAST.0).then_some(Self(thousandths))
    }

    /// Thousandths of a CPU.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Millicpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:03}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

/// Reads a number of CPUs with up to three decimals.
///
/// # Errors
/// Another shape, less than 0.01 or more than 4,000,000.
pub fn cpus(text: &str) -> Result<Millicpus, UnitError> {
    const RANGE: &str = "0.01 to 4000000 CPUs";
    let finer = text
        .split_once('.')
        .is_some_and(|(_, decimals)| decimals.len() > 3);
    let milli = decimal(text, 1000).map_err(|e| e.at(text, SHARE, RANGE))?;
    let milli = u32::try_from(milli).map_err(|_| out_of(text, RANGE))?;
    if finer {
        return Err(shape(text, SHARE));
    }
    Millicpus::new(milli).ok_or_else(|| out_of(text, RANGE))
}

/// Reads a whole number from 1.
///
/// # Errors
/// Another shape, zero, or more than `u32::MAX`.
pub fn count(text: &str) -> Result<u32, UnitError> {
    const RANGE: &str = "1 to 4294967295";
    let number = digits(text).map_err(|e| e.at(text, COUNT, RANGE))?;
    let number = u32::try_from(number).map_err(|_| out_of(text, RANGE))?;
    at_least(text, u64::from(number), 1, RANGE).map(|_| number)
}

/// Reads a span of time: `ms`, `s`, `m`, `h`, `d`, largest first, each at most once; a bare number is seconds.
///
/// # Errors
/// Another shape, zero, or more than `u64::MAX` milliseconds.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    const RANGE: &str = "1 ms to 500 million years";
    let milli = spans(text).map_err(|e| e.at(text, SPAN, RANGE))?;
    at_least(text, milli, 1, RANGE).map(Duration::from_millis)
}

/// Units of time in milliseconds, in the order they must be written.
const SPANS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

fn spans(text: &str) -> Result<u64, Wrong> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return digits(text)?.checked_mul(1000).ok_or(Wrong::Range);
    }
    let (mut rest, mut units, mut total) = (text, &SPANS[..], 0_u64);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(run_of(rest, |b| b.is_ascii_digit()));
        let (unit, after) = after.split_at(run_of(after, |b| b.is_ascii_alphabetic()));
        let place = units
            .iter()
            .position(|(name, _)| *name == unit)
            .ok_or(Wrong::Shape)?;
        let part = digits(number)?.checked_mul(units[place].1).ok_or(Wrong::Range)?;
        total = total.checked_add(part).ok_or(Wrong::Range)?;
        (rest, units) = (after, &units[place + 1..]);
    }
    Ok(total)
}

/// Writes a span so that [`duration`] reads it back, to the millisecond.
#[must_use]
pub fn show_duration(span: Duration) -> String {
    let mut left = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut out = String::new();
    for (name, unit) in SPANS {
        if left >= unit {
            out.push_str(&format!("{}{name}", left / unit));
            left %= unit;
        }
    }
    if out.is_empty() { "0ms".into() } else { out }
}

/// Why a part of a quantity was refused, before the whole text is known.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Shape,
    Range,
}

impl Wrong {
    fn at(self, given: &str, wanted: &'static str, range: &'static str) -> UnitError {
        match self {
            Self::Shape => shape(given, wanted),
            Self::Range => out_of(given, range),
        }
    }
}

fn shape(given: &str, wanted: &'static str) -> UnitError {
    UnitError::Shape {
        given: given.into(),
        wanted,
    }
}

fn out_of(given: &str, range: &'static str) -> UnitError {
    UnitError::Range {
        given: given.into(),
        range,
    }
}

fn at_least(given: &str, value: u64, least: u64, range: &'static str) -> Result<u64, UnitError> {
    if value < least {
        Err(out_of(given, range))
    } else {
        Ok(value)
    }
}

fn run_of(text: &str, is: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|b| !is(b)).unwrap_or(text.len())
}

fn digits(text: &str) -> Result<u64, Wrong> {
    // `parse` alone would take a leading `+`.
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Wrong::Shape);
    }
    text.parse().map_err(|_| Wrong::Range)
}

/// `12.5` times `unit`, rounded down, in integers: no binary fraction decides a limit.
fn decimal(text: &str, unit: u64) -> Result<u64, Wrong> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > 9 {
        return Err(Wrong::Shape);
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| Wrong::Shape)?);
    let number = u128::from(digits(whole)?) * scale + u128::from(digits(fraction)?);
    u64::try_from(number * u128::from(unit) / scale).map_err(|_| Wrong::Range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, size) in [
            ("1", 1),
            ("512", 512),
            ("512B", 512),
            ("1K", 1024),
            ("1k", 1024),
            ("64M", 64 << 20),
            ("64MiB", 64 << 20),
            ("2GB", 2 << 30),
            ("1.5G", 3 << 29),
            ("1T", 1 << 40),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
    }

    #[test]
    fn sizes_that_are_refused() {
        for text in [
            "", "G", "0", "0.0001K", "-1", "+1", " 1", "1 G", "1P", "1iB", "1.G", ".5G", "1e3", "1,5G", "٣G",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(
            bytes("99999999999T"),
            Err(out_of("99999999999T", "1 byte to 16 EiB"))
        );
    }

    #[test]
    fn shares_of_cpus() {
        for (text, milli) in [
            ("1", 1000),
            ("1.5", 1500),
            ("0.25", 250),
            ("0.01", 10),
            ("64", 64_000),
            ("0.125", 125),
        ] {
            assert_eq!(cpus(text).map(Millicpus::get), Ok(milli), "{text}");
        }
        for text in ["0", "0.001", "1.0001", "x", "", "-1", "4294968", "1.", ".5"] {
            assert!(cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_of_time() {
        for (text, milli) in [
            ("30", 30_000),
            ("90s", 90_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("1s500ms", 1500),
            ("250ms", 250),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milli)), "{text}");
        }
        for text in [
            "", "0", "0s", "30m1h", "1h1h", "1.5h", "h", "1x", "-1s", "1h 30m", "1M",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count("512"), Ok(512));
        for text in ["", "0", "1.5", "-1", "+5", "4294967296", "12K"] {
            assert!(count(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_size_shown_is_the_size_read(size in 1_u64..) {
            prop_assert_eq!(bytes(&show_bytes(size)), Ok(size));
        }

        #[test]
        fn a_share_shown_is_the_share_read(milli in 10_u32..) {
            let share = Millicpus(milli);
            prop_assert_eq!(cpus(&share.to_string()), Ok(share));
        }

        #[test]
        fn a_span_shown_is_the_span_read(milli in 1_u64..) {
            let span = Duration::from_millis(milli);
            prop_assert_eq!(duration(&show_duration(span)), Ok(span));
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = (bytes(&text).is_ok(), cpus(&text).is_ok(), count(&text).is_ok(), duration(&text).is_ok());
        }

        #[test]
        fn a_larger_number_is_a_larger_size(a in 1_u32.., b in 1_u32.., suffix in "[KMG]?") {
            let (x, y) = (bytes(&format!("{a}{suffix}")), bytes(&format!("{b}{suffix}")));
            prop_assert_eq!(a.cmp(&b), x.unwrap().cmp(&y.unwrap()));
        }
    }
}
