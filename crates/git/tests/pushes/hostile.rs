//! Bytes that no git sends.

use crate::made::*;
use fumehood_git::{Bounds, Format, PackError, PackScan, Push, PushError, Reading};
use miniz_oxide::deflate::compress_to_vec_zlib;
use proptest::prelude::*;

const ZERO: &str = "0000000000000000000000000000000000000000";
const ONE: &str = "1111111111111111111111111111111111111111";

fn pkt(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

fn refused(text: &str) -> PushError {
    Push::read(text.as_bytes(), true).unwrap_err()
}

#[test]
fn requests_that_two_readers_could_read_differently() {
    let good = pkt(&format!("{ZERO} {ONE} refs/heads/a\0report-status"));
    assert!(matches!(
        Push::read(format!("{good}0000").as_bytes(), true),
        Ok(Reading::Whole(_))
    ));
    assert_eq!(refused(&good), PushError::Cut);
    assert_eq!(refused(&format!("{good}{good}0000")), PushError::Twice);
    assert_eq!(
        refused(&format!("{}0000", pkt(&format!("{ZERO} {ONE}")))),
        PushError::Command
    );
    assert_eq!(
        refused(&format!("{}0000", pkt(&format!("{ZERO}  {ONE} refs/heads/a")))),
        PushError::Command
    );
    let upper = ONE.replace('1', "A");
    assert_eq!(
        refused(&format!("{}0000", pkt(&format!("{ZERO} {upper} refs/heads/a")))),
        PushError::Command
    );
    let long = format!("{ONE}{}", "2".repeat(24));
    assert_eq!(
        refused(&format!("{}0000", pkt(&format!("{ZERO} {long} refs/heads/a")))),
        PushError::Mixed
    );
    assert_eq!(refused("0001"), PushError::Pkt(fumehood_git::PktError::Size));
    let flood = pkt(&format!("{ZERO} {ONE} refs/heads/{}", "a".repeat(60_000))).repeat(40);
    assert_eq!(Push::read(flood.as_bytes(), false), Err(PushError::Long));
}

/// The server takes capabilities from any line: options asked for on the second are options.
#[test]
fn capabilities_of_a_later_line_count() {
    let text = format!(
        "{}{}0000{}0000",
        pkt(&format!("{ZERO} {ONE} refs/heads/a\0report-status")),
        pkt(&format!("{ZERO} {ONE} refs/heads/b\0push-options")),
        pkt("merge_request.create")
    );
    let push = read(text.as_bytes());
    assert_eq!(push.options, [b"merge_request.create".to_vec()]);
    assert_eq!(push.pack_at, text.len());
}

#[test]
fn certificates_pass_and_odd_ones_do_not() {
    let cert = |lines: &[&str]| {
        let body: String = lines.iter().map(|l| pkt(&format!("{l}\n"))).collect();
        format!(
            "{}{body}{}0000",
            pkt("push-cert\0report-status"),
            pkt("push-cert-end\n")
        )
    };
    let update = format!("{ZERO} {ONE} refs/heads/main");
    let good = [
        "certificate version 0.1",
        "pusher x",
        "",
        &update,
        "-----BEGIN PGP SIGNATURE-----",
        "x",
        "-----END PGP SIGNATURE-----",
    ];
    let push = read(cert(&good).as_bytes());
    assert!(
        push.signed && push.commands.len() == 1 && push.commands[0].name.as_bytes() == b"refs/heads/main"
    );
    for odd in [
        &["v", "", &update][..],
        &["v", &update, "-----BEGIN PGP SIGNATURE-----"],
        &[
            "v",
            "",
            "-----BEGIN SSH SIGNATURE-----",
            &update,
            "-----BEGIN SSH SIGNATURE-----",
        ],
        &[
            "v",
            "",
            &format!("{update}\n{update}"),
            "-----BEGIN PGP SIGNATURE-----",
        ],
    ] {
        assert_eq!(refused(&cert(odd)), PushError::Certificate, "{odd:?}");
    }
}

fn pack(objects: &[(u8, u64, Vec<u8>)]) -> Vec<u8> {
    let mut out = b"PACK\0\0\0\x02".to_vec();
    out.extend(u32::try_from(objects.len()).unwrap().to_be_bytes());
    for (kind, size, content) in objects {
        let mut byte = kind << 4 | u8::try_from(size & 15).unwrap();
        let mut rest = size >> 4;
        while rest > 0 {
            out.push(byte | 0x80);
            byte = u8::try_from(rest & 0x7f).unwrap();
            rest >>= 7;
        }
        out.push(byte);
        out.extend(compress_to_vec_zlib(content, 6));
    }
    out.extend([0; 20]);
    out
}

fn scanned(bytes: &[u8], bounds: Bounds) -> Result<usize, PackError> {
    let mut scan = PackScan::new(Format::Sha1, bounds);
    scan.feed(bytes)?;
    scan.finish().map(|found| found.commits.len())
}

#[test]
fn packs_that_lie() {
    let commit = format!("tree {ONE}\nparent {ONE}\nauthor x\n\nm\n").into_bytes();
    let size = commit.len() as u64;
    let good = pack(&[(1, size, commit.clone())]);
    assert_eq!(scanned(&good, Bounds::default()), Ok(1));
    assert_eq!(
        scanned(&pack(&[(1, size - 1, commit.clone())]), Bounds::default()),
        Err(PackError::Inflate)
    );
    assert_eq!(
        scanned(&pack(&[(1, size + 1, commit.clone())]), Bounds::default()),
        Err(PackError::Inflate)
    );
    assert_eq!(
        scanned(&pack(&[(5, size, commit.clone())]), Bounds::default()),
        Err(PackError::Object)
    );
    assert_eq!(
        scanned(&[good.clone(), b"x".to_vec()].concat(), Bounds::default()),
        Err(PackError::End)
    );
    assert_eq!(
        scanned(&good[..good.len() - 1], Bounds::default()),
        Err(PackError::End)
    );
    assert_eq!(
        scanned(b"PACK\0\0\0\x04aaaabbbb", Bounds::default()),
        Err(PackError::Header)
    );
    let tight = Bounds {
        commit: 10,
        ..Bounds::default()
    };
    assert_eq!(
        scanned(&good, tight),
        Ok(0),
        "a commit too long to keep proves nothing"
    );
}

#[test]
fn a_bomb_ends_at_the_bound() {
    let bomb = pack(&[(3, 8 << 20, vec![0; 8 << 20])]);
    assert!(bomb.len() < 1 << 20);
    let bounds = Bounds {
        inflated: 1 << 20,
        ..Bounds::default()
    };
    assert_eq!(scanned(&bomb, bounds), Err(PackError::Bomb));
    assert_eq!(scanned(&bomb, Bounds::default()), Ok(0));
}

proptest! {
    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1..50usize) {
        let _any = Push::read(&bytes, true);
        let mut whole = b"PACK\0\0\0\x02\0\0\0\x03".to_vec();
        whole.extend(&bytes);
        let in_pieces = |piece: usize| {
            let mut scan = PackScan::new(Format::Sha1, Bounds::default());
            whole.chunks(piece).try_for_each(|p| scan.feed(p)).and_then(|()| scan.finish())
        };
        prop_assert_eq!(in_pieces(piece), in_pieces(1000));
    }

    #[test]
    fn a_flipped_byte_proves_nothing_new(at in 0..10_000usize, flip in 1..=255u8) {
        let commit = format!("tree {ONE}\nparent {ONE}\nauthor x\n\nm\n").into_bytes();
        let good = pack(&[(1, commit.len() as u64, commit)]);
        let ids = |bytes: &[u8]| {
            let mut scan = PackScan::new(Format::Sha1, Bounds::default());
            scan.feed(bytes).and_then(|()| scan.finish()).unwrap_or_default()
        };
        let mut bad = good.clone();
        let at = at % bad.len();
        bad[at] ^= flip;
        let (before, after) = (ids(&good), ids(&bad));
        // A commit is named by its content: one with other parents has another name.
        prop_assert!(after.commits.iter().all(|(id, c)| before.commits.get(id).is_none_or(|b| b == c)));
    }
}
