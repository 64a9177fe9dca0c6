//! A further program in a sandbox that runs: what it is, as bytes the first process reads.

use std::ffi::{CStr, CString};

/// The most bytes of one, and the most words of its command line and environment together: more than the
/// kernel lets a program have by default.
pub(crate) const MAX_LAUNCH: usize = 4 << 20;
const MAX_WORDS: usize = 1 << 16;
/// Version, terminals, rows, columns, mask of permission bits, number of arguments and of variables.
const HEAD: usize = 1 + 1 + 2 + 2 + 4 + 4 + 4;
const VERSION: u8 = 1;

/// A further program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// Its arguments, the first being its name: looked for on the `PATH` of its environment where it holds
    /// no slash, inside.
    pub arguments: Vec<CString>,
    /// Its whole environment, as `NAME=value`.
    pub environment: Vec<CString>,
    /// Where it starts, as seen inside.
    pub directory: CString,
    /// Which of its descriptors 0, 1, 2 are a terminal of its own.
    pub terminal: [bool; 3],
    /// The size of that terminal.
    pub rows: u16,
    /// As above.
    pub columns: u16,
    /// Permission bits that files it makes do not get.
    pub mask: u32,
}

impl Launch {
    /// The bytes; `None` where they are more than a program may have.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let words = self.arguments.len().checked_add(self.environment.len())?;
        if self.arguments.is_empty() || words > MAX_WORDS {
            return None;
        }
        let bits = (0..3)
            .filter(|n| self.terminal[*n])
            .fold(0, |bits, n| bits | 1 << n);
        let mut out = vec![VERSION, bits];
        out.extend(self.rows.to_le_bytes());
        out.extend(self.columns.to_le_bytes());
        out.extend(self.mask.to_le_bytes());
        for count in [self.arguments.len(), self.environment.len()] {
            out.extend(u32::try_from(count).ok()?.to_le_bytes());
        }
        let strings = self.arguments.iter().chain(&self.environment);
        for string in strings.chain([&self.directory]) {
            out.extend_from_slice(string.as_bytes_with_nul());
        }
        (out.len() <= MAX_LAUNCH).then_some(out)
    }

    /// From bytes, if they are just one launch.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Launch> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        if head[0] != VERSION || head[1] > 7 || bytes.len() > MAX_LAUNCH {
            return None;
        }
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let arguments = usize::try_from(word(10)).ok()?;
        let variables = usize::try_from(word(14)).ok()?;
        let words = arguments.checked_add(variables).filter(|n| *n <= MAX_WORDS)?;
        let mut strings = Vec::with_capacity(words.min(rest.len()));
        let mut rest = rest;
        while !rest.is_empty() {
            let string = CStr::from_bytes_until_nul(rest).ok()?;
            rest = &rest[string.count_bytes() + 1..];
            strings.push(string.to_owned());
        }
        let directory = (strings.len() == words + 1 && arguments > 0).then(|| strings.pop())??;
        let environment = strings.split_off(arguments);
        Some(Launch {
            arguments: strings,
            environment,
            directory,
            terminal: [0, 1, 2].map(|n| head[1] & 1 << n != 0),
            rows: u16::from_le_bytes([head[2], head[3]]),
            columns: u16::from_le_bytes([head[4], head[5]]),
            mask: word(6),
        })
    }

    /// Where the program may be, in the order in which it is tried.
    pub(crate) fn candidates(&self) -> Vec<CString> {
        let Some(name) = self.arguments.first() else {
            return Vec::new();
        };
        if name.as_bytes().contains(&b'/') {
            return vec![name.clone()];
        }
        let path = self
            .environment
            .iter()
            .find_map(|v| v.as_bytes().strip_prefix(b"PATH="));
        let folders = path
            .unwrap_or(b"/usr/local/bin:/usr/bin:/bin")
            .split(|b| *b == b':');
        // An empty folder would be the current one, which nobody means.
        let folders = folders.filter(|f| f.first() == Some(&b'/'));
        let full = |folder: &[u8]| CString::new([folder, b"/", name.as_bytes()].concat()).ok();
        folders.filter(|_| !name.is_empty()).filter_map(full).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings() -> impl Strategy<Value = Vec<CString>> {
        prop::collection::vec("[^\0]{0,9}".prop_map(|s| CString::new(s).unwrap()), 1..6)
    }

    proptest! {
        #[test]
        fn what_is_said_comes_back(arguments in strings(), environment in strings(), rows: u16, mask: u32,
            terminal: [bool; 3]) {
            let directory = environment[0].clone();
            let launch = Launch { arguments, environment, directory, terminal, rows, columns: 7, mask };
            let bytes = launch.encode().unwrap();
            prop_assert_eq!(Launch::decode(&bytes), Some(launch));
            prop_assert_eq!(Launch::decode(&[&bytes[..], b"x\0"].concat()), None);
            prop_assert_eq!(Launch::decode(&bytes[..bytes.len() - 1]), None);
        }

        #[test]
        fn any_bytes_are_one_launch_or_none(bits in 0u8..9, few in 0u32..4, more in 0u32..4,
            rest in prop::collection::vec(prop::sample::select(&b"ab\0"[..]), 0..30)) {
            let mut bytes = vec![VERSION, bits, 0, 0, 0, 0, 0, 0, 0, 0];
            bytes.extend(few.to_le_bytes());
            bytes.extend(more.to_le_bytes());
            bytes.extend(rest);
            prop_assert!(Launch::decode(&bytes).is_none_or(|l| l.encode().unwrap() == bytes));
        }
    }

    #[test]
    fn a_name_is_looked_for_on_the_path_inside_and_never_in_the_current_folder() {
        let launch = |name: &str, path: &str| Launch {
            arguments: vec![CString::new(name).unwrap()],
            environment: vec![CString::new(format!("PATH={path}")).unwrap()],
            ..Launch::default()
        };
        assert_eq!(
            launch("a", "/x::.:/y").candidates(),
            [c"/x/a".into(), CString::from(c"/y/a")]
        );
        assert_eq!(launch("./a", "/x").candidates(), [CString::from(c"./a")]);
        assert!(launch("", "/x").candidates().is_empty());
    }

    #[test]
    fn too_much_is_none() {
        let long = CString::new(vec![b'x'; MAX_LAUNCH]).unwrap();
        let launch = |arguments| Launch {
            arguments,
            ..Launch::default()
        };
        assert_eq!(launch(vec![long]).encode(), None);
        assert_eq!(launch(vec![CString::default(); MAX_WORDS + 1]).encode(), None);
        assert_eq!(launch(vec![]).encode(), None);
    }
}
