//! What a terminal would get for a captured stream of a program.
//!
//! `script -q -c vim capture; replay 24 80 < capture` in a terminal of that
//! size shows the program's last screen through the relay. With a third
//! argument the terminal is given back at the end.

use std::io::{Read, Write};
use std::time::Duration;

use fumehood_terminal::{Options, Relay, Size, Status};

fn main() -> std::io::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse().unwrap_or(0));
    let size = Size::new(numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;

    let mut relay = Relay::new(
        size,
        Options {
            origin_row: Some(0),
            ..Options::default()
        },
    );
    relay.set_status(Status::new("replay"));
    let mut out = std::io::stdout().lock();
    out.write_all(&relay.start())?;
    for read in bytes.chunks(4096) {
        out.write_all(&relay.output(read, Duration::ZERO).to_terminal)?;
    }
    out.write_all(&relay.tick(Duration::MAX))?;
    if numbers.next().is_some() {
        out.write_all(&relay.finish())?;
    }
    out.flush()
}
