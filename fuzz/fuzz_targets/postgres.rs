//! A client of PostgreSQL: the first packet, messages, statements.

#![no_main]

use fumehood_postgres::{Frontend, MAX_MESSAGE, Means, backend, greeting, header, judge, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = greeting(data);
    let mut rest = data;
    while let Ok(Some(at)) = header(rest, MAX_MESSAGE) {
        let Some((message, behind)) = rest.split_at_checked(at.length) else {
            break;
        };
        rest = behind;
        let _ = backend(message);
        match Frontend::read(message) {
            Ok(Frontend::Query(text) | Frontend::Parse { text, .. }) => statements(text),
            _ => {}
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        statements(text);
    }
});

fn statements(text: &str) {
    for one in split(text).unwrap_or_default() {
        let means = judge(one);
        // Blanks and comments before and behind change nothing.
        if means == Means::Read && !one.contains("--") {
            assert_eq!(judge(&format!(" /* x */ {one} \n")), Means::Read, "{one:?}");
        }
        // A reading is one statement.
        if means == Means::Read {
            assert_eq!(split(one).map(|all| all.len()), Ok(1), "{one:?}");
        }
    }
}
