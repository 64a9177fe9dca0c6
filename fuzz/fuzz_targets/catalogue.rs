//! Any bytes as a request, as a GraphQL document and as a body of either kind: classified in bounded
//! time, and what flies when seen whole is all that may fly.
#![no_main]

use fumehood_catalogue::{Body, Catalogue, Request, operations, parse_example};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let _document = operations(&text, &serde_json::Value::Null);
    let catalogue = CATALOGUE.get_or_init(|| Catalogue::shipped().expect("the shipped table"));
    let Ok(request) = parse_example(&text) else { return };
    if !catalogue.classify(&request).flies() {
        let unseen = Request { body: Body::TooLong, ..request };
        assert!(!catalogue.classify(&unseen).flies(), "an unread body flies");
    }
});
