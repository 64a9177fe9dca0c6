//! Texts of both sides: any bytes compare, part by part, and merge, alike from either side; what is shown of them acts on no
//! terminal.

#![no_main]

use fumehood_workspace::diff::{Colours, hunk};
use fumehood_workspace::hunk::Hunks;
use fumehood_workspace::merge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut texts = bytes.splitn(3, |b| *b == 0);
    let [base, ours, theirs] = [(); 3].map(|()| texts.next().unwrap_or_default());
    let Some(hunks) = Hunks::of(base, ours) else { return };
    assert_eq!(hunks.with(|_| false), base);
    assert_eq!(hunks.with(|_| true), ours);
    for group in hunks.groups() {
        let shown = hunk(&hunks, &group, Colours(false));
        assert!(shown.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
    }
    let merged = merge(base, ours, theirs);
    assert_eq!(merged, merge(base, theirs, ours));
    assert_eq!(merge(base, ours, base).as_deref(), Some(ours));
});
