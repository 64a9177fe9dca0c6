//! What a server says of itself before a push (gitprotocol-pack, "Reference Discovery"): one word is added, so that the
//! client sends a pack that says everything by itself. Otherwise trees are sent as what differs from some that
//! the server has, and nobody here could read them.

/// The longest packet that git takes.
const MAX_PKT: usize = 65_520;
/// Asks for a pack without references to objects that it does not hold (gitprotocol-capabilities).
const WORD: &[u8] = b" no-thin";
/// Packets before the first ref: the service's name, a flush, a version.
const MAX_BEFORE: usize = 4;

/// The beginning of an advertisement, looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertised {
    /// More bytes are needed.
    More,
    /// What it becomes: longer by the bytes of one word.
    Now(Vec<u8>),
    /// It is none that can be changed, and goes on as it is.
    Other,
}

/// Adds the word to the first ref's capabilities.
#[must_use]
pub fn self_contained(bytes: &[u8]) -> Advertised {
    let mut at = 0;
    for _ in 0..MAX_BEFORE {
        let Some(head) = bytes.get(at..at + 4) else {
            return Advertised::More;
        };
        let digits = std::str::from_utf8(head)
            .ok()
            .filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
        let length = match digits.and_then(|h| usize::from_str_radix(h, 16).ok()) {
            Some(0) => 4,
            Some(length) if (5..=MAX_PKT).contains(&length) => length,
            _ => return Advertised::Other,
        };
        let Some(packet) = bytes.get(at..at + length) else {
            return Advertised::More;
        };
        let capabilities = packet.iter().position(|b| *b == 0);
        if let (Some(nul), true) = (capabilities, length > 4) {
            return add(bytes, at, packet, nul);
        }
        at += length;
    }
    Advertised::Other
}

fn add(bytes: &[u8], at: usize, packet: &[u8], nul: usize) -> Advertised {
    let words = packet.get(nul + 1..).unwrap_or_default().trim_ascii_end();
    let has = words.split(|b| *b == b' ').any(|word| word == b"no-thin");
    let length = packet.len() + WORD.len();
    if has || length > MAX_PKT {
        return Advertised::Other;
    }
    let end = if packet.ends_with(b"\n") {
        packet.len() - 1
    } else {
        packet.len()
    };
    let (Some(line), Some(tail)) = (packet.get(4..end), packet.get(end..)) else {
        return Advertised::Other;
    };
    let mut out = bytes.get(..at).unwrap_or_default().to_vec();
    out.extend_from_slice(format!("{length:04x}").as_bytes());
    out.extend_from_slice(line);
    out.extend_from_slice(WORD);
    out.extend_from_slice(tail);
    out.extend_from_slice(bytes.get(at + packet.len()..).unwrap_or_default());
    Advertised::Now(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pkt(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    fn advertisement(capabilities: &str) -> String {
        let id = "1".repeat(40);
        format!(
            "{}0000{}{}0000",
            pkt("# service=git-receive-pack\n"),
            pkt(&format!("{id} refs/heads/main\0{capabilities}\n")),
            pkt(&format!("{id} refs/tags/v1\n"))
        )
    }

    #[test]
    fn one_word_is_added_once() {
        let plain = advertisement("report-status ofs-delta");
        let Advertised::Now(now) = self_contained(plain.as_bytes()) else {
            panic!("not changed");
        };
        assert_eq!(
            String::from_utf8(now.clone()).unwrap(),
            advertisement("report-status ofs-delta no-thin")
        );
        assert_eq!(now.len(), plain.len() + 8);
        assert_eq!(self_contained(&now), Advertised::Other);
    }

    #[test]
    fn what_is_cut_waits_and_what_is_none_goes_on() {
        let plain = advertisement("report-status");
        let whole = plain.find("refs/tags").unwrap() - 45;
        for cut in 0..whole {
            assert_eq!(
                self_contained(&plain.as_bytes()[..cut]),
                Advertised::More,
                "{cut}"
            );
        }
        for other in ["zzzz", "0001", "0004", "<html></html>"] {
            assert_eq!(self_contained(other.as_bytes()), Advertised::Other, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..100), cut in 0usize..200) {
            let _any = self_contained(&bytes);
            let plain = advertisement("a b");
            let cut = cut.min(plain.len());
            if let Advertised::Now(now) = self_contained(&plain.as_bytes()[..cut]) {
                prop_assert_eq!(now.len(), cut + 8);
            }
        }
    }
}
