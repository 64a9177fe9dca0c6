//! Hostile bytes to the file of a recording: what draws is kept, secrets are taken out, the size is bounded.

use super::{BOUND, END, END_OF_SESSION, MARKER, MAX_PACKET, MOST, OUTPUT, Outcome, SIZE};
use fumehood_broker::{Forbidden, Redactor};
use fumehood_effect::Hasher;
use fumehood_terminal::{Event, Header, Piece, Size, Subset};
use std::collections::VecDeque;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is in a text's place where it may have been a secret's beginning.
const FILL: u8 = b'*';
/// The most bytes that wait for what follows them.
const MOST_WAITING: usize = 256 << 10;
/// Room for the last words.
const RESERVE: u64 = 1024;

/// What may not be in a recording, as it is now: credentials are added and renewed while a session lives.
pub(crate) trait Secrets: FnMut() -> Arc<Forbidden> {}
impl<T: FnMut() -> Arc<Forbidden>> Secrets for T {}

/// Of a run without any.
pub(super) fn no_secrets() -> Arc<Forbidden> {
    Arc::new(Forbidden::new(std::iter::empty()))
}

/// Records until the end is told, or everybody who hands on is gone.
pub(crate) fn serve(socket: &OwnedFd, file: impl Write, mut secrets: impl Secrets) {
    let mut recorded = Recorded::new(file, secrets(), MOST);
    let mut packet = vec![0_u8; MAX_PACKET];
    let mut began = None;
    loop {
        let got = rustix::io::retry_on_intr(|| rustix::io::read(socket, &mut packet[..]));
        let at = began.get_or_insert_with(Instant::now).elapsed();
        let packet = got.ok().and_then(|length| packet.get(..length));
        match packet.and_then(<[u8]>::split_first) {
            Some((&OUTPUT, bytes)) => {
                recorded.renew(secrets());
                recorded.output(at, bytes);
            }
            Some((&SIZE, [a, b, c, d])) => {
                let (rows, columns) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
                recorded.size(at, Size::new(rows, columns));
            }
            Some((&MARKER, words)) => {
                recorded.event(
                    at,
                    Waiting::Event(Event::Marker(String::from_utf8_lossy(words).into_owned())),
                );
            }
            Some((&END, _)) => {
                let outcome = recorded.end(at, "fumehood: the session ended").encode();
                let _supervisor_gone = rustix::io::write(socket, &outcome);
                return;
            }
            Some(_) => {}
            None => {
                recorded.end(at, "fumehood: the session's supervisor is gone");
                return;
            }
        }
    }
}

/// A recording that is being written.
struct Recorded<W> {
    out: W,
    most: u64,
    subset: Subset,
    forbidden: Arc<Forbidden>,
    redactor: Redactor,
    /// Secrets that earlier redactors took out.
    replaced: u64,
    /// What is not written yet: its last characters could be a secret's first.
    waiting: VecDeque<(Duration, Waiting)>,
    /// How much that takes.
    length: usize,
    /// Characters' bytes that the redactor gave back and that were not written yet.
    clean: VecDeque<u8>,
    size: Option<Size>,
    hasher: Hasher,
    written: u64,
    over: Option<String>,
}

/// One event, in the order in which they came.
enum Waiting {
    Output(Vec<Piece>),
    Event(Event),
}

impl Waiting {
    /// How many bytes of printed characters.
    fn printed(&self) -> usize {
        match self {
            Waiting::Event(_) => 0,
            Waiting::Output(pieces) => pieces.iter().map(printed).sum(),
        }
    }

    /// What it takes, about: each piece is memory of its own.
    fn length(&self) -> usize {
        match self {
            Waiting::Event(_) => 256,
            Waiting::Output(pieces) => pieces.iter().map(|piece| 64 + length(piece)).sum(),
        }
    }
}

fn length(piece: &Piece) -> usize {
    match piece {
        Piece::Text(bytes) | Piece::Control(bytes) => bytes.len(),
    }
}

fn printed(piece: &Piece) -> usize {
    match piece {
        Piece::Text(text) => text.len(),
        Piece::Control(_) => 0,
    }
}

impl<W: Write> Recorded<W> {
    /// An empty one, of at most so many bytes.
    fn new(out: W, forbidden: Arc<Forbidden>, most: u64) -> Recorded<W> {
        Recorded {
            out,
            most,
            subset: Subset::default(),
            redactor: Redactor::new(Arc::clone(&forbidden)),
            forbidden,
            replaced: 0,
            waiting: VecDeque::new(),
            length: 0,
            clean: VecDeque::new(),
            size: None,
            hasher: Hasher::default(),
            written: 0,
            over: None,
        }
    }

    /// What may not be in it may be more from now on. What was held back is looked at again.
    fn renew(&mut self, forbidden: Arc<Forbidden>) {
        if Arc::ptr_eq(&self.forbidden, &forbidden) {
            return;
        }
        let held = self.redactor.finish();
        self.replaced += self.redactor.replaced();
        self.redactor = Redactor::new(Arc::clone(&forbidden));
        self.forbidden = forbidden;
        let clean = self.redactor.push(&held);
        self.clean.extend(clean.iter());
    }

    /// The program printed this.
    fn output(&mut self, at: Duration, bytes: &[u8]) {
        let pieces = self.subset.output(bytes);
        let text = pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_slice()),
            Piece::Control(_) => None,
        });
        let text = text.collect::<Vec<_>>().concat();
        // Characters alone, so that a colour or a line's end in the middle of a secret hides none of it.
        let clean = self.redactor.push(&text);
        self.clean.extend(clean.iter());
        if !pieces.is_empty() {
            self.event(at, Waiting::Output(pieces));
        }
    }

    /// Its screen has this size.
    fn size(&mut self, at: Duration, size: Size) {
        match self.size.replace(size) {
            None => self.begin(size),
            Some(before) if before == size => {}
            Some(_) => self.event(at, Waiting::Event(Event::Resize(size))),
        }
    }

    fn begin(&mut self, size: Size) {
        self.size = Some(size);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let header = Header {
            size,
            timestamp: now.unwrap_or_default().as_secs(),
        };
        self.write(&header.line());
    }

    /// Something happened.
    fn event(&mut self, at: Duration, event: Waiting) {
        if self.size.is_none() {
            self.begin(Size::new(0, 0));
        }
        self.length += event.length();
        self.waiting.push_back((at, event));
        self.drain();
        // A secret that has begun, and then nothing but colours: what has begun is not shown.
        if self.length > MOST_WAITING {
            self.mask();
            self.drain();
        }
    }

    /// What is held back is not shown.
    fn mask(&mut self) {
        let held = self.redactor.finish().len();
        self.clean.extend(std::iter::repeat_n(FILL, held));
    }

    /// Writes what is known to hold no secret.
    fn drain(&mut self) {
        while let Some((_, next)) = self.waiting.front()
            && next.printed() <= self.clean.len()
            && let Some((at, event)) = self.waiting.pop_front()
        {
            self.length -= event.length();
            let event = match event {
                Waiting::Event(event) => event,
                Waiting::Output(pieces) => Event::Output(self.text(&pieces)),
            };
            self.line(at, &event);
        }
    }

    fn text(&mut self, pieces: &[Piece]) -> String {
        let mut bytes = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Control(control) => bytes.extend_from_slice(control),
                Piece::Text(text) => bytes.extend(self.clean.drain(..text.len())),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// An event's line; at the bound the last one.
    fn line(&mut self, at: Duration, event: &Event) {
        let line = event.line(at);
        let after = self.written + line.len() as u64 + RESERVE;
        if self.over.is_none() && after > self.most {
            let words = format!(
                "fumehood: the recording has the {} bytes that it may have; what came later is not in it",
                self.most
            );
            self.write(&Event::Marker(words).line(at));
            self.over.get_or_insert(BOUND.to_owned());
        }
        self.write(&line);
    }

    fn write(&mut self, line: &str) {
        if self.over.is_some() {
            return;
        }
        match self.out.write_all(line.as_bytes()) {
            Ok(()) => {
                self.hasher.update(line.as_bytes());
                self.written += line.len() as u64;
            }
            Err(error) => self.over = Some(format!("write the recording: {error}")),
        }
    }

    /// The last words, and what was written.
    fn end(&mut self, at: Duration, words: &str) -> Outcome {
        let held = self.redactor.finish();
        self.clean.extend(held);
        if self.size.is_none() {
            self.begin(Size::new(0, 0));
        }
        self.drain();
        // There is room for it.
        self.write(&Event::Marker(words.to_owned()).line(at));
        Outcome {
            digest: Some(self.hasher.digest()),
            bytes: self.written,
            replaced: self.replaced + self.redactor.replaced(),
            ended: self.over.clone().unwrap_or_else(|| END_OF_SESSION.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fumehood_terminal::Cast;
    use proptest::prelude::*;

    const SECRET: &[u8] = b"ghp_0123456789abcdefSECRET";

    fn secrets() -> Arc<Forbidden> {
        Arc::new(Forbidden::new([(
            SECRET,
            b"ghp_PLACEHOLDERxxxxxxxxxxx".as_slice(),
        )]))
    }

    /// What is in a recording of these pieces: the file, all that was printed, what is said in it.
    fn record(pieces: &[&[u8]], most: u64) -> (Vec<u8>, String, Vec<String>, Outcome) {
        let mut file = Vec::new();
        let mut recorded = Recorded::new(&mut file, secrets(), most);
        recorded.size(Duration::ZERO, Size::new(24, 80));
        for (n, piece) in (1..).zip(pieces) {
            recorded.output(Duration::from_millis(n), piece);
        }
        let outcome = recorded.end(Duration::from_secs(9), "over");
        let (mut text, mut said) = (String::new(), Vec::new());
        for event in Cast::read(&file).unwrap() {
            match event.unwrap().1 {
                Event::Output(bytes) => text.push_str(&bytes),
                Event::Marker(words) => said.push(words),
                _ => {}
            }
        }
        assert_eq!(outcome.digest, Some(fumehood_effect::Digest::of(&file)));
        assert_eq!(outcome.bytes, file.len() as u64);
        (file, text, said, outcome)
    }

    /// Its characters alone.
    fn characters(text: &str) -> String {
        let pieces = Subset::default().output(text.as_bytes());
        let text = pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_slice()),
            Piece::Control(_) => None,
        });
        String::from_utf8(text.collect::<Vec<_>>().concat()).unwrap()
    }

    #[test]
    fn a_secret_is_taken_out_whatever_is_drawn_in_its_middle() {
        let pieces: [&[u8]; 4] = [
            b"token: ghp_0123\x1b[31m45678",
            b"9abc\r\n\x1b]0;title\x07def",
            b"SEC\x1b[0mRET\r\ndone ",
            b"ghp_ and more",
        ];
        let (file, text, said, outcome) = record(&pieces, MOST);
        assert_eq!(
            text,
            "token: ghp_PLAC\x1b[31mEHOLDERxx\r\nxxxxxx\x1b[0mxxx\r\ndone ghp_ and more"
        );
        assert_eq!(said, ["over"]);
        assert_eq!((outcome.replaced, outcome.ended.as_str()), (1, END_OF_SESSION));
        assert!(!String::from_utf8(file).unwrap().contains("456789abc"));
    }

    #[test]
    fn what_is_added_later_is_taken_out_from_then_on() {
        let mut file = Vec::new();
        let mut recorded = Recorded::new(&mut file, no_secrets(), MOST);
        recorded.output(Duration::ZERO, b"ghp_0123456789abcdefSECRET ghp_0123");
        recorded.renew(secrets());
        recorded.output(Duration::ZERO, b" ghp_0123456789");
        recorded.renew(Arc::new(Forbidden::new([(SECRET, [b'#'; 26].as_slice())])));
        recorded.output(Duration::ZERO, b"abcdefSECRET");
        let outcome = recorded.end(Duration::ZERO, "over");
        let text = String::from_utf8(file).unwrap();
        assert_eq!(text.matches("SECRET").count(), 1, "{text}");
        assert!(text.contains("##########"), "{text}");
        assert_eq!(outcome.replaced, 1);
    }

    #[test]
    fn at_the_bound_the_last_event_says_so_and_nothing_more_is_written() {
        let line = [b'x'; 400];
        let pieces: Vec<&[u8]> = std::iter::repeat_n(line.as_slice(), 40).collect();
        let (file, text, said, outcome) = record(&pieces, 8000);
        assert_eq!(outcome.ended, BOUND);
        assert!(
            file.len() < 8000 && text.len() > 5000,
            "{} {}",
            file.len(),
            text.len()
        );
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("8000 bytes that it may have"), "{said:?}");
    }

    #[test]
    fn a_secret_that_begins_and_never_goes_on_costs_no_memory() {
        let mut file = Vec::new();
        let mut recorded = Recorded::new(&mut file, secrets(), MOST);
        recorded.output(Duration::ZERO, b"ghp_0123456789");
        for n in 0..20_000 {
            let colours = b"\x1b[31m".repeat(if n % 100 == 0 { 1000 } else { 1 });
            recorded.output(Duration::ZERO, &colours);
            recorded.output(Duration::ZERO, b"\x1b]0;title\x07");
            recorded.size(Duration::ZERO, Size::new(24 + n % 2, 80));
            let there: usize = recorded.waiting.iter().map(|(_, event)| event.length()).sum();
            assert!(there == recorded.length && there <= MOST_WAITING, "{there}");
        }
        recorded.output(Duration::ZERO, b"more");
        recorded.end(Duration::ZERO, "over");
        let text = String::from_utf8(file).unwrap();
        assert!(
            !text.contains("0123") && text.contains("**************"),
            "what had begun is covered"
        );
        assert!(text.contains("more"));
    }

    #[test]
    fn a_full_disk_is_how_it_ended() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut recorded = Recorded::new(Full, no_secrets(), MOST);
        recorded.output(Duration::ZERO, b"x");
        let outcome = recorded.end(Duration::ZERO, "over");
        assert!(outcome.ended.starts_with("write the recording: "), "{outcome:?}");
        assert_eq!(Outcome::decode(&outcome.encode()), Some(outcome));
    }

    proptest! {
        /// However a secret is cut, and whatever control functions stand in it, it is not among the characters;
        /// everything else is there.
        #[test]
        fn no_secret_is_in_a_recording(
            before in "[a-zA-Z ]{0,40}", after in "[a-zA-Z ]{0,40}",
            cuts in proptest::collection::vec((0..SECRET.len(), "(\x1b\\[[0-9]{0,3}m|\r\n|\t|\x1b\\]0;x\x07|)"), 0..6),
            size in 1..40_usize)
        {
            let mut printed = before.clone().into_bytes();
            for (at, byte) in SECRET.iter().enumerate() {
                for (_, between) in cuts.iter().filter(|(cut, _)| *cut == at) {
                    printed.extend(between.bytes());
                }
                printed.push(*byte);
            }
            printed.extend(after.bytes());
            let pieces: Vec<&[u8]> = printed.chunks(size).collect();
            let (_, text, _, outcome) = record(&pieces, MOST);
            prop_assert_eq!(characters(&text), format!("{before}ghp_PLACEHOLDERxxxxxxxxxxx{after}"));
            prop_assert_eq!(outcome.replaced, 1);
        }

        /// Any bytes are a recording that reads to its end, and keep their characters.
        #[test]
        fn any_output_is_a_recording(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..9)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (_, text, said, _) = record(&pieces, MOST);
            prop_assert_eq!(characters(&text), characters(&String::from_utf8_lossy(&kept(&pieces.concat()))));
            prop_assert_eq!(said, ["over"]);
        }
    }

    fn kept(bytes: &[u8]) -> Vec<u8> {
        let pieces = Subset::default().output(bytes);
        let bytes = |piece| match piece {
            Piece::Text(bytes) | Piece::Control(bytes) => bytes,
        };
        pieces.into_iter().flat_map(bytes).collect()
    }
}
