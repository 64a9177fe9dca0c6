//! Any bytes as a recording of a terminal: they end, what is read is written and read the same again, what is
//! written is one line, and what is kept of it is kept of it again, whatever the pieces.

#![no_main]

use fumehood_terminal::{Cast, Event, Header, Piece, Size, Subset};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let header = Header {
        size: Size::new(24, 80),
        timestamp: 0,
    };
    let whole = [header.line().as_bytes(), bytes].concat();
    let _either = Cast::read(bytes).map(Iterator::count);
    for (at, event) in Cast::read(&whole).into_iter().flatten().flatten() {
        let line = event.line(at);
        let again = [header.line(), line.clone()].concat();
        let again: Vec<_> = Cast::read(again.as_bytes()).into_iter().flatten().collect();
        if event == Event::Other {
            assert!(again.is_empty());
        } else {
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(again, [Ok((at, event))]);
        }
    }
    let kept = bytes_of(&Subset::default().output(bytes));
    let mut cut = Subset::default();
    let pieces: Vec<Piece> = bytes.chunks(3).flat_map(|piece| cut.output(piece)).collect();
    assert_eq!(kept, bytes_of(&pieces));
    assert_eq!(kept, bytes_of(&Subset::default().output(&kept)));
});

fn bytes_of(pieces: &[Piece]) -> Vec<u8> {
    let bytes = |piece: &Piece| match piece {
        Piece::Text(bytes) | Piece::Control(bytes) => bytes.clone(),
    };
    pieces.iter().flat_map(bytes).collect()
}
