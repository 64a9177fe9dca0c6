//! Any bytes as the beginning of a TLS stream: what was read of a part is never another thing than of the whole.
#![no_main]

use fumehood_http::ClientHello;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = ClientHello::read(data);
    if let Some((_, part)) = data.split_last() {
        match (ClientHello::read(part), &whole) {
            (Ok(None), _) => {}
            (decided, whole) => assert_eq!(&decided, whole, "a byte more changed what was decided"),
        }
    }
});
