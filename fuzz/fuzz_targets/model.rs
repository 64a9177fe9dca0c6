//! Any bytes as a body for a model and as its response: what is JSON for another parser is JSON here and the other
//! way round, and however it is cut the same is found.
#![no_main]

use fumehood_model::{Counter, Provider, Scanner};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (cut, body) = data.split_first().unwrap_or((&0, &[]));
    for provider in [Provider::Anthropic, Provider::OpenAi, Provider::Gemini] {
        let read = |pieces: [&[u8]; 2]| {
            let mut scanner = Scanner::new(provider);
            let mut found = scanner.feed(pieces[0])?;
            found.extend(scanner.feed(pieces[1])?);
            found.extend(scanner.end()?);
            Ok::<_, fumehood_model::Unreadable>(found)
        };
        let whole = read([body, &[]]);
        assert_eq!(whole, read(body.split_at(usize::from(*cut).min(body.len())).into()));
        if whole.is_ok() {
            let other = serde_json::from_slice::<serde_json::Value>(body);
            // It gives up on numbers too large for it, which are JSON.
            assert!(other.is_ok() || other.is_err_and(|e| e.to_string().contains("number out of range")));
        }
    }
    let mut counter = Counter::new(b"text/event-stream");
    counter.feed(body);
});
