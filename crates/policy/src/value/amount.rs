//! Sizes, times, CPUs and rates.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Invalid;

/// A number of bytes, at least one. `2G`, `512M`, `1.5G`, `4096`; units are powers of 1024,
/// and `K`, `KB` and `KiB` are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// A size from a number of bytes; none for zero.
    pub fn new(bytes: u64) -> Option<Self> {
        (bytes > 0).then_some(Self(bytes))
    }

    /// Bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

const SIZE_HELP: &str = "write a number with K, M, G or T, such as \"2G\"";
const BINARY: &[(&str, u64)] = &[("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

impl FromStr for ByteSize {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::not(text, "a size", SIZE_HELP);
        let upper = text.to_ascii_uppercase();
        let body = upper
            .strip_suffix("IB")
            .or_else(|| upper.strip_suffix('B'))
            .unwrap_or(&upper);
        let (number, unit) = split_unit(body, BINARY);
        let bytes = decimal_times(number, unit).ok_or_else(bad)?;
        Self::new(bytes).ok_or_else(|| Invalid::new("a size of zero leaves nothing to work with", SIZE_HELP))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(f, self.0, BINARY, "")
    }
}

/// A length of time, at least one millisecond. `1h`, `1h30m`, `90s`, `250ms`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// The standard library's type.
    pub fn duration(self) -> Duration {
        self.0
    }
}

const SPAN_HELP: &str = "write a number with ms, s, m, h or d, such as \"90s\" or \"1h30m\"";
const TIMES: &[(&str, u64)] = &[
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];
/// A century: beyond it is a slip, and arithmetic with clocks would overflow.
const LONGEST: u64 = 100 * 366 * 86_400_000;

impl FromStr for Span {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::not(text, "a length of time", SPAN_HELP);
        let mut milliseconds: u64 = 0;
        let mut last_unit = u64::MAX;
        let mut rest = text;
        while !rest.is_empty() {
            let (number, unit, after) = next_part(rest).ok_or_else(bad)?;
            if unit >= last_unit {
                return Err(bad()); // `1m1h`, `1h1h`
            }
            last_unit = unit;
            milliseconds = number
                .checked_mul(unit)
                .and_then(|n| n.checked_add(milliseconds))
                .ok_or_else(bad)?;
            rest = after;
        }
        match milliseconds {
            0 if text.is_empty() => Err(bad()),
            0 => Err(Invalid::new("a time of zero ends before it begins", SPAN_HELP)),
            n if n > LONGEST => Err(Invalid::new("a time is a century at most", SPAN_HELP)),
            n => Ok(Self(Duration::from_millis(n))),
        }
    }
}

/// `90s…` → 90, 1000, `…`.
fn next_part(text: &str) -> Option<(u64, u64, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(digits);
    let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
    let (unit, after) = rest.split_at(letters);
    let unit = TIMES.iter().find(|(name, _)| *name == unit)?.1;
    Some((number.parse().ok()?, unit, after))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        for (name, unit) in TIMES {
            if left >= *unit {
                write!(f, "{}{name}", left / unit)?;
                left %= unit;
            }
        }
        Ok(())
    }
}

/// A share of processors in thousandths, at least 0.01. `2`, `1.5`, `0.25`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus(u32);

impl Cpus {
    /// Thousandths of one processor.
    pub fn millis(self) -> u32 {
        self.0
    }
}

const CPUS_HELP: &str = "write a number of processors from 0.01 to 4096, such as 2 or 1.5";

impl FromStr for Cpus {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::not(text, "a number of processors", CPUS_HELP);
        let millis = decimal_times(text, 1000).ok_or_else(bad)?;
        match u32::try_from(millis) {
            Ok(n @ 10..=4_096_000) => Ok(Self(n)),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:03}", self.0 % 1000);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / 1000),
            digits => write!(f, "{}.{digits}", self.0 / 1000),
        }
    }
}

/// Over which time a [`Rate`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
    /// `/d`
    Day,
}

const WINDOWS: &[(&str, Window)] = &[
    ("s", Window::Second),
    ("m", Window::Minute),
    ("h", Window::Hour),
    ("d", Window::Day),
];

/// Bytes in a window of time: `20M/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How much.
    pub size: ByteSize,
    /// In which time.
    pub per: Window,
}

impl FromStr for Rate {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || {
            Invalid::not(
                text,
                "a rate",
                "write a size for each s, m, h or d, such as \"20M/h\"",
            )
        };
        let (size, per) = text.split_once('/').ok_or_else(bad)?;
        let per = WINDOWS.iter().find(|(name, _)| *name == per).ok_or_else(bad)?.1;
        Ok(Self {
            size: size.parse().map_err(|_| bad())?,
            per,
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = WINDOWS
            .iter()
            .find(|(_, w)| *w == self.per)
            .map_or("", |(name, _)| name);
        write!(f, "{}/{per}", self.size)
    }
}

fn split_unit<'a>(text: &'a str, units: &[(&str, u64)]) -> (&'a str, u64) {
    let found = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)));
    found.unwrap_or((text, 1))
}

/// `1.5` × 1024 → 1536, in whole numbers: no rounding of floats, digits only, the fraction
/// cut after six digits, nothing beyond `u64`.
fn decimal_times(text: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = fraction.parse().ok()?;
    let total = u128::from(whole) * u128::from(unit) + u128::from(fraction) * u128::from(unit) / scale;
    u64::try_from(total).ok()
}

fn write_in_units(f: &mut fmt::Formatter<'_>, n: u64, units: &[(&str, u64)], plain: &str) -> fmt::Result {
    match units.iter().find(|(_, unit)| n.is_multiple_of(*unit) && n > 0) {
        Some((name, unit)) => write!(f, "{}{name}", n / unit),
        None => write!(f, "{n}{plain}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        let bytes = |text: &str| text.parse::<ByteSize>().map(ByteSize::bytes).ok();
        assert_eq!(bytes("2G"), Some(2 << 30));
        assert_eq!(bytes("1.5k"), Some(1536));
        assert_eq!(bytes("512MiB"), bytes("512M"));
        assert_eq!(bytes("512MB"), bytes("512M"));
        assert_eq!(bytes("4096"), Some(4096));
        for wrong in [
            "",
            "G",
            "-1G",
            "1X",
            "1 G",
            "0",
            "1.G",
            ".5G",
            "1e9",
            "99999999999T",
            "1.0000001G",
            "١G",
        ] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn spans() {
        let ms = |text: &str| text.parse::<Span>().map(|s| s.duration().as_millis()).ok();
        assert_eq!(ms("1h30m"), Some(5_400_000));
        assert_eq!(ms("250ms"), Some(250));
        assert_eq!(ms("7d"), Some(604_800_000));
        for wrong in [
            "",
            "10",
            "1m1h",
            "1h1h",
            "h",
            "-1s",
            "1.5h",
            "0s",
            "40000d",
            "99999999999999999999s",
        ] {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cpus_and_rates() {
        assert_eq!("1.5".parse::<Cpus>().map(Cpus::millis), Ok(1500));
        assert_eq!("0.25".parse::<Cpus>().unwrap().to_string(), "0.25");
        for wrong in ["0", "0.001", "-1", "5000", "two", "1e3", ""] {
            assert!(wrong.parse::<Cpus>().is_err(), "{wrong}");
        }
        assert_eq!("20M/h".parse::<Rate>().unwrap().to_string(), "20M/h");
        for wrong in ["20M", "20M/y", "/h", "20/h/h"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(bytes in 1u64.., millis in 10u32..4_096_000, ms in 1u64..LONGEST) {
            let size = ByteSize(bytes);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            let cpus = Cpus(millis);
            prop_assert_eq!(cpus.to_string().parse(), Ok(cpus));
            let span = Span(Duration::from_millis(ms));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = (text.parse::<ByteSize>(), text.parse::<Span>(), text.parse::<Cpus>(), text.parse::<Rate>());
        }
    }
}
