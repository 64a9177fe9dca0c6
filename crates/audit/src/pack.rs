//! Compressed bundles: gzip (RFC 1952), which a server of static files gives as it is (C2SP tlog-tiles, "entries"),
//! and which every `gunzip` turns into the bundle of the specification.
//!
//! Bytes of gzip that mean nothing (a time, padding after the last bit) could be changed and nobody would see it. So the
//! header is always the same, and has the SHA-256 of all that follows it in a field of its own.

use crate::layout::WIDTH;
use crate::record::MAX_RECORD;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};

/// Magic, deflate, with an extra field; no time; no level; no system. Then the extra field's length and, in it, the two
/// bytes that name a field and that one's length.
const HEADER: [u8; 16] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 36, 0, b'F', b'H', 32, 0];
const DIGEST: usize = 32;
/// The header that the library writes, which has no fields.
const PLAIN: usize = 10;
/// The longest bundle.
const LONGEST: u64 = (WIDTH * (MAX_RECORD + 2)) as u64;

/// Compresses a bundle.
pub(crate) fn pack(bundle: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bundle.len() / 3), Compression::fast());
    encoder.write_all(bundle)?;
    let written = encoder.finish()?;
    let rest = written.get(PLAIN..).unwrap_or_default();
    Ok([&HEADER[..], &Sha256::digest(rest)[..], rest].concat())
}

/// The bundle that [`pack`] compressed; none where a byte of it is another.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (digest, rest) = packed.strip_prefix(&HEADER)?.split_at_checked(DIGEST)?;
    if Sha256::digest(rest)[..] != *digest {
        return None;
    }
    // Its last four bytes say how long it was (RFC 1952 §2.3.1); where that is not so, the decoder fails.
    let length = u64::from(u32::from_le_bytes(*packed.last_chunk()?));
    let mut bundle = vec![0; usize::try_from(length).ok().filter(|_| length <= LONGEST)?];
    let mut decoder = GzDecoder::new(packed);
    decoder.read_exact(&mut bundle).ok()?;
    // There is nothing more, and the checksum behind it is that of what was read.
    (decoder.read(&mut [0]).ok()? == 0 && decoder.into_inner().is_empty()).then_some(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(unpack(&pack(&bytes).unwrap()), Some(bytes));
        }

        #[test]
        fn any_bytes_are_a_bundle_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            // With a digest that fits, so that what is behind it is read.
            let fits = [&HEADER[..], &Sha256::digest(&bytes)[..], &bytes].concat();
            let (_none, _any) = (unpack(&bytes), unpack(&fits));
        }
    }

    #[test]
    fn no_bit_of_it_is_idle() {
        let packed = pack(&b"records ".repeat(100)).unwrap();
        for bit in 0..packed.len() * 8 {
            let mut bad = packed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unpack(&bad), None, "bit {bit}");
        }
        assert!((0..packed.len()).all(|at| unpack(&packed[..at]).is_none()));
        assert_eq!(unpack(&[&packed[..], b"x"].concat()), None);
    }

    /// A few bytes that would be far more than a bundle can be.
    #[test]
    fn a_bundle_that_unpacks_without_end_is_none() {
        let zeros = vec![0; LONGEST as usize + 1];
        assert_eq!(unpack(&pack(&zeros).unwrap()), None);
        assert!(unpack(&pack(&zeros[1..]).unwrap()).is_some());
    }

    /// Other programs read it.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "gunzip is the judge")]
    fn gunzip_gives_the_bundle() {
        use std::process::{Command, Stdio};
        let mut gunzip = Command::new("gzip")
            .arg("-dc")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let bundle = b"records ".repeat(100);
        gunzip
            .stdin
            .take()
            .unwrap()
            .write_all(&pack(&bundle).unwrap())
            .unwrap();
        let output = gunzip.wait_with_output().unwrap();
        assert!(output.status.success() && output.stdout == bundle);
    }
}
