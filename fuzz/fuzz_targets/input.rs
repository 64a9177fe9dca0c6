//! Any bytes from the terminal: the filter only ever leaves out, holds little
//! back, and no answer passes; the probe and the shared-terminal stream survive them.
#![no_main]

use fumehood_terminal::{Options, Probe, Relay, Size, Stream};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut relay = Relay::new(Size::new(1000, 80), Options::default());
    let mut passed = Vec::new();
    for read in data.chunks(7) {
        passed.extend(relay.input(read));
    }
    passed.extend(relay.input_timeout());
    assert!(!relay.input_pending());
    assert!(is_part_of(&passed, data), "something was added to the input");

    let mut probe = Probe::default();
    probe.feed(data);
    let (_, typed) = probe.finish();
    assert!(is_part_of(&typed, data));

    let mut stream = Stream::default();
    let mut text = stream.output(data);
    text.extend(stream.finish());
    assert_only_colours(&text);
});

/// Mouse reports are the exception: they may be written anew with fewer digits or another row.
fn is_part_of(passed: &[u8], sent: &[u8]) -> bool {
    let mut rest = sent.iter();
    passed.iter().all(|byte| rest.any(|other| other == byte)) || sent.windows(3).any(|mark| mark == b"\x1b[<")
}

fn assert_only_colours(text: &[u8]) {
    let text = std::str::from_utf8(text).expect("whole characters");
    for (at, _) in text.match_indices('\x1b') {
        let sequence = text[at..].strip_prefix("\x1b[").expect("only CSI");
        let end = sequence.find(|c: char| !"0123456789;:".contains(c)).expect("ended");
        assert!(sequence[end..].starts_with('m'));
    }
    assert!(!text.chars().any(|c| c.is_control() && !"\n\r\t\x08\x1b".contains(c)));
}
