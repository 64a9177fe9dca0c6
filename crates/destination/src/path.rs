//! A request target, taken apart once.

use percent_encoding::percent_decode;

/// Why a target is not judged at all: no server reads it in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It does not begin with `/`, or holds a byte that RFC 3986 §3.3, §3.4 do not allow.
    #[error("the target is not a path and query of RFC 3986")]
    Syntax,
    /// A `%` that two hexadecimal digits do not follow.
    #[error("the target holds a broken escape")]
    Escape,
    /// A segment `.` or `..`, however written.
    #[error("the target holds a segment that leads upwards")]
    Dots,
    /// A control character, encoded.
    #[error("the target holds a control character")]
    Control,
}

/// The path and query of a request (origin form, RFC 9112 §3.2.1), decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    segments: Vec<Vec<u8>>,
    query: Vec<(Vec<u8>, Vec<u8>)>,
    ambiguous: bool,
    length: usize,
}

impl RequestPath {
    /// Takes a target apart.
    ///
    /// # Errors
    /// It has no single meaning, so that no rule can speak of it.
    pub fn parse(target: &[u8]) -> Result<RequestPath, TargetError> {
        if target.first() != Some(&b'/') || !target.iter().all(|b| allowed(*b)) {
            return Err(TargetError::Syntax);
        }
        escapes(target)?;
        let (path, query) = match target.iter().position(|b| *b == b'?') {
            Some(at) => (&target[..at], &target[at + 1..]),
            None => (target, &b""[..]),
        };
        let raw: Vec<&[u8]> = path[1..].split(|b| *b == b'/').collect();
        let empty_inside = raw.iter().rev().skip(1).any(|s| s.is_empty());
        let segments: Vec<Vec<u8>> = raw.iter().map(|s| decode(s)).collect();
        if segments.iter().any(|s| dots(s)) {
            return Err(TargetError::Dots);
        }
        let query = query
            .split(|b| *b == b'&')
            .filter(|p| !p.is_empty())
            .map(pair)
            .collect::<Vec<_>>();
        if segments.iter().flatten().any(u8::is_ascii_control) {
            return Err(TargetError::Control);
        }
        Ok(RequestPath {
            ambiguous: empty_inside || segments.iter().any(|s| two_readings(s)),
            segments,
            query,
            length: target.len(),
        })
    }

    /// The segments, decoded; a final `/` is an empty last one.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().map(Vec::as_slice)
    }

    /// Whether some servers read another path than others: an encoded separator, an empty segment, a
    /// second encoding within the first, a parameter (`;`). Rules that name paths never match such a one.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// All values of a query key, decoded.
    pub fn values<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.query
            .iter()
            .filter(move |(k, _)| k == key)
            .map(|(_, v)| v.as_slice())
    }

    /// Bytes of the target as it was written.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }
}

/// `pchar`, `/` and `?` of RFC 3986, and of what browsers send besides the harmless `|`, `[`, `]`, `^`.
fn allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/?|[]^".contains(&byte)
}

fn escapes(target: &[u8]) -> Result<(), TargetError> {
    let broken = |at: usize| {
        !target
            .get(at + 1..at + 3)
            .is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    let mut percents = (0..target.len()).filter(|at| target[*at] == b'%');
    if percents.any(broken) {
        return Err(TargetError::Escape);
    }
    Ok(())
}

fn decode(text: &[u8]) -> Vec<u8> {
    percent_decode(text).collect()
}

/// `key=value` of a form (WHATWG URL §5.1): `+` is a space.
fn pair(text: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let form = |part: &[u8]| {
        let spaced: Vec<u8> = part.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
        decode(&spaced)
    };
    match text.iter().position(|b| *b == b'=') {
        Some(at) => (form(&text[..at]), form(&text[at + 1..])),
        None => (form(text), Vec::new()),
    }
}

/// `.` and `..`, with a parameter after them (Tomcat's `..;`) and encoded a second time too.
fn dots(segment: &[u8]) -> bool {
    let again = decode(segment);
    let mut parts = again.split(|b| b"/\\".contains(b));
    parts.any(|part| {
        let bare = part.split(|b| *b == b';').next().unwrap_or_default();
        bare == b"." || bare == b".."
    })
}

fn two_readings(segment: &[u8]) -> bool {
    segment.iter().any(|b| b"/\\%;".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> Result<RequestPath, TargetError> {
        RequestPath::parse(text.as_bytes())
    }

    /// A34.
    #[test]
    fn a34_paths_that_servers_read_differently() {
        for (text, why) in [
            ("/a/../b", TargetError::Dots),
            ("/a/./b", TargetError::Dots),
            ("/a/%2e%2e/b", TargetError::Dots),
            ("/a/.%2E/b", TargetError::Dots),
            ("/a/..;x=1/b", TargetError::Dots),
            ("/a/%252e%252e/b", TargetError::Dots),
            ("/a%2f..%2fb", TargetError::Dots),
            ("/a%5c..%5cb", TargetError::Dots),
            ("/..", TargetError::Dots),
            ("/a%zz", TargetError::Escape),
            ("/a%2", TargetError::Escape),
            ("/a%00", TargetError::Control),
            ("/a%0d%0ab", TargetError::Control),
            ("/a\\b", TargetError::Syntax),
            ("/a b", TargetError::Syntax),
            ("/a#b", TargetError::Syntax),
            ("a", TargetError::Syntax),
            ("", TargetError::Syntax),
            ("*", TargetError::Syntax),
            ("http://evil.example/", TargetError::Syntax),
            ("/\u{e4}", TargetError::Syntax),
        ] {
            assert_eq!(parsed(text).err(), Some(why), "{text}");
        }
        for text in ["//a", "/a//b", "/a%2Fb", "/a%5Cb", "/a;v=1", "/a%25b"] {
            assert!(parsed(text).unwrap().is_ambiguous(), "{text}");
        }
        for text in ["/", "/a", "/a/", "/a.b/..c", "/%61", "/a?b=%2f..%2f&c=;"] {
            assert!(!parsed(text).unwrap().is_ambiguous(), "{text}");
        }
    }

    #[test]
    fn query_values_are_decoded_and_all_of_them_given() {
        let path = parsed("/r?service=git-upload-pack&%73ervice=git%2Dreceive-pack&a+b=c&flag").unwrap();
        let all: Vec<_> = path.values(b"service").collect();
        assert_eq!(all, [&b"git-upload-pack"[..], b"git-receive-pack"]);
        assert_eq!(path.values(b"a b").collect::<Vec<_>>(), [b"c"]);
        assert_eq!(path.values(b"flag").collect::<Vec<_>>(), [b""]);
    }

    proptest! {
        /// What passes has no segment that leads upwards, in whatever way it is encoded.
        #[test]
        fn nothing_that_passes_leads_upwards(
            parts in proptest::collection::vec("(\\.|%2e|%2E|%252e|/|%2f|%5c|;|a|%61|%25|//|\\?|&|=)", 0..12),
        ) {
            if let Ok(path) = RequestPath::parse(format!("/{}", parts.concat()).as_bytes()) {
                for segment in path.segments() {
                    prop_assert!(segment != b"." && segment != b"..");
                }
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = RequestPath::parse(&bytes);
        }
    }
}
