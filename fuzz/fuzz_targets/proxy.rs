//! Any bytes as what a client asks of a proxy, by `CONNECT`, in a URL or by SOCKS: bounded, a part says nothing else than
//! the whole, and a request is never read for another destination than the one it was taken for.

#![no_main]

use fumehood_destination::Destination;
use fumehood_gateway::socks;
use fumehood_http::Scheme;
use fumehood_http::h1::{Proxied, read_proxied, read_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (usize, &[u8])| {
    let (cut, bytes) = input;
    let part = &bytes[..cut % (bytes.len() + 1)];
    if let Some((_, length)) = socks::greeting(part) {
        assert!(length <= part.len() && socks::greeting(bytes) == socks::greeting(part));
    }
    let asked = socks::request(bytes);
    let early = socks::request(part);
    assert!(early == Ok(None) || early == asked);
    match &asked {
        Ok(Some((to, length))) => {
            assert!(*length <= bytes.len().min(socks::LONGEST));
            assert_eq!(Destination::authority(to.to_string().as_bytes(), None).as_ref(), Ok(to));
        }
        Ok(None) => assert!(bytes.len() < socks::LONGEST),
        Err(_) => {}
    }
    if let Ok(Some(early)) = read_proxied(part) {
        assert_eq!(read_proxied(bytes), Ok(Some(early)));
    }
    if let Ok(Some(Proxied::Request { to })) = read_proxied(bytes)
        && let Ok(Some(parsed)) = read_request(bytes, Scheme::Http, &to)
    {
        assert_eq!(parsed.head.destination, to);
    }
});
