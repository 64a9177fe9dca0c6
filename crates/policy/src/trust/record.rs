//! One accepted file, as bytes: a few lines of head, an empty line, the content itself.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Digest;

/// The format that is written. A store with a higher one was written by a newer fumehood.
pub(super) const FORMAT: u32 = 1;

const MAGIC: &str = "fumehood trust ";

/// An accepted file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) path: PathBuf,
    pub(super) accepted_at: u64,
    pub(super) content: Vec<u8>,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Written by a newer fumehood, in this format.
    Newer(u32),
    /// Not a record at all, or cut, or changed.
    Broken,
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let digest = Digest::of(&self.content);
        let path: String = self
            .path
            .as_os_str()
            .as_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let head = format!(
            "{MAGIC}{FORMAT}\npath {path}\nsha256 {digest}\naccepted {}\n\n",
            self.accepted_at
        );
        [head.as_bytes(), &self.content].concat()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let end = bytes
            .windows(2)
            .position(|w| w == b"\n\n")
            .ok_or(Damage::Broken)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| Damage::Broken)?;
        let content = bytes[end + 2..].to_vec();
        let mut lines = head.lines();
        let format = lines
            .next()
            .and_then(|l| l.strip_prefix(MAGIC))
            .and_then(|n| n.parse().ok());
        match format {
            Some(FORMAT) => {}
            Some(newer) if newer > FORMAT => return Err(Damage::Newer(newer)),
            _ => return Err(Damage::Broken),
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let fields = (field("path"), field("sha256"), field("accepted"));
        let (Some(path), Some(digest), Some(accepted)) = fields else {
            return Err(Damage::Broken);
        };
        let path = unhex(path).ok_or(Damage::Broken)?;
        let digest = Digest::from_hex(digest).ok_or(Damage::Broken)?;
        let accepted_at = accepted.parse().map_err(|_| Damage::Broken)?;
        if digest != Digest::of(&content) {
            return Err(Damage::Broken);
        }
        Ok(Self {
            path: OsStr::from_bytes(&path).into(),
            accepted_at,
            content,
        })
    }

    /// The file of the store that holds this path's record.
    pub(super) fn file_name(path: &Path) -> String {
        Digest::of(path.as_os_str().as_bytes()).to_string()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_is_read_back(path in proptest::collection::vec(1u8.., 1..40), accepted_at: u64, content: Vec<u8>) {
            let record = Record { path: OsStr::from_bytes(&path).into(), accepted_at, content };
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn a_changed_record_is_no_record(at in 0usize..200, bit in 0u8..8) {
            let record = Record { path: "/a/fumehood.toml".into(), accepted_at: 7, content: b"version = 1\n".to_vec() };
            let mut bytes = record.encode();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // A change of the time, of upper to lower case in hex, or of the path is not
            // found by the digest; none of them makes another content trusted.
            if let Ok(other) = Record::decode(&bytes) {
                prop_assert_eq!(other.content, record.content);
            }
        }

        #[test]
        fn any_bytes_are_judged(bytes: Vec<u8>) {
            prop_assert!(Record::decode(&bytes).is_err());
        }
    }

    #[test]
    fn a_newer_format_is_told_apart() {
        assert_eq!(
            Record::decode(b"fumehood trust 2\nanything\n\n"),
            Err(Damage::Newer(2))
        );
        assert_eq!(Record::decode(b"fumehood trust x\n\n"), Err(Damage::Broken));
    }
}
