//! From bytes to what is shown and kept.

use fumehood_output::{Output, Page, Store};
use fumehood_redact::Forbidden;
use proptest::prelude::*;
use std::sync::Arc;

const SECRET: &str = "sk-live-0123456789abcdef";

fn forbidden() -> Arc<Forbidden> {
    let stars = [b'*'; SECRET.len()];
    Arc::new(Forbidden::new([(SECRET.as_bytes(), &stars[..])]))
}

/// A sequence in its midst does not carry a secret past, to the model or to the disk.
#[test]
fn no_secret_is_shown_or_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "s").unwrap();
    let (front, back) = SECRET.split_at(9);
    let hex: String = SECRET.bytes().map(|b| format!("{b:02x}")).collect();
    let text = format!("a {SECRET} b\n{front}\x1b[0m{back}\n{hex}\nxx\r{SECRET}\n");
    for piece in [1, 3, 7, 1000] {
        let mut output = Output::new(4096, forbidden(), None).kept_in(&store).unwrap();
        text.as_bytes().chunks(piece).for_each(|c| output.push(c));
        let done = output.finish(Some(&store)).unwrap();
        assert_eq!(done.redacted, 4);
        let kept = store.read(&done.handle.unwrap(), &Page::default()).unwrap().text;
        for shown in [&done.shown.text, &kept] {
            assert!(!shown.contains(back) && !shown.contains(&hex[20..40]), "{shown}");
            assert_eq!(shown.lines().count(), 4);
        }
    }
    for file in std::fs::read_dir(dir.path().join("s")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()));
    }
}

/// Lines have the same numbers where they are shown, left out, and read later.
#[test]
fn what_is_left_out_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), "s").unwrap();
    let mut output = Output::new(1024, forbidden(), None).kept_in(&store).unwrap();
    for n in 0..10_000u32 {
        output.push(format!("\x1b[32mwork {:x}\x1b[0m\r\n", n.wrapping_mul(2_654_435_761)).as_bytes());
    }
    let done = output.finish(Some(&store)).unwrap();
    assert!(done.is_kept_whole && done.shown.text.len() <= 1024);
    let (first, last) = done.shown.left_out.unwrap();
    let page = Page {
        from_line: first,
        most: Some(1024),
        grep: None,
    };
    let read = store.read(&done.handle.unwrap(), &page).unwrap();
    assert_eq!(read.lines, done.shown.lines);
    let before = done.shown.text.split('⟦').next().unwrap();
    assert_eq!(before.lines().count() as u64, first - 1);
    assert!(last < 10_000 && read.text.starts_with("work "));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_in_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..3000), piece in 1usize..500) {
        let all = |piece: usize| {
            let mut output = Output::new(1024, forbidden(), None);
            bytes.chunks(piece).for_each(|c| output.push(c));
            output.finish(None).unwrap()
        };
        let (one, two) = (all(piece), all(4000));
        prop_assert!(one.shown.text.len() <= 1024);
        prop_assert_eq!(&one.shown, &two.shown);
        prop_assert_eq!(one.counts, two.counts);
    }
}
