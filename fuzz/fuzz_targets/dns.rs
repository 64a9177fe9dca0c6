//! Questions for names: any bytes end, in an answer that repeats the question's number, names what was asked and is
//! bounded, or in none; the address that a name gets leads back to it.

#![no_main]

use fumehood_gateway::{Names, dns};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packets: Vec<&[u8]>| {
    let mut names = Names::default();
    for packet in packets {
        let Some(answer) = dns::answer(packet, &mut names) else {
            continue;
        };
        assert_eq!(answer.get(..2), packet.get(..2));
        assert!(answer.len() >= 12 && answer[2] & 0x80 != 0, "not a response");
        assert!(
            answer.len() <= packet.len() + 12 + 28,
            "longer than the question and one record"
        );
        // A response is never answered again.
        assert_eq!(dns::answer(&answer, &mut names), None);
        // One A record at the end: its address leads back to a name, or is loopback's own.
        let tail = answer.len().checked_sub(16).and_then(|at| answer.get(at..));
        if let Some([0xc0, 12, 0, 1, 0, 1, _, _, _, _, 0, 4, a, b, c, d]) = tail {
            let address = std::net::Ipv4Addr::new(*a, *b, *c, *d);
            assert!(
                address.is_loopback() || names.name(address.into()).is_some(),
                "{address} has no name"
            );
        }
    }
});
