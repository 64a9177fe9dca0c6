//! Any bytes as a request, a response and a body: what is taken is written again with one reading.
#![no_main]

use fumehood_destination::Destination;
use fumehood_http::h1::{Decoder, Event, read_request, read_response, write_request};
use fumehood_http::{RequestHead, Scheme};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(to) = Destination::authority(b"a.example:443", None) else { return };
    if let Ok(Some(parsed)) = read_request(data, Scheme::Https, &to) {
        assert_eq!(RequestHead::decode(&parsed.head.encode()), Ok(parsed.head.clone()));
        let written = write_request(&parsed.head);
        let again = read_request(&written, Scheme::Https, &to).expect("ours").expect("whole");
        assert_eq!((again.head, again.length), (parsed.head, written.len()));
    }
    let _response = read_response(data, "GET");
    let (mut decoder, mut at) = (Decoder::chunked(), 0);
    while let Ok((event, used)) = decoder.decode(&data[at..]) {
        at += used;
        if matches!(event, Event::End(_)) || (used == 0 && event == Event::More) {
            break;
        }
    }
});
