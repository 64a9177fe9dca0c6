use super::*;
use fumehood_destination::Destination;
use fumehood_http::h1::read_request;
use fumehood_http::{Denial, RequestHead, Scheme};
use fumehood_model::{Provider, Usage};
use proptest::prelude::*;

/// There is one encoding of a value: what decodes is what was encoded, byte for byte.
fn canonical<T: Wire + std::fmt::Debug>(bytes: &[u8]) -> bool {
    T::decode(bytes).is_none_or(|value| value.encode() == bytes)
}

fn destination() -> impl Strategy<Value = Destination> {
    "[a-z]{1,9}(\\.[a-z]{1,9}){0,3}:[1-9][0-9]{0,3}"
        .prop_filter_map("canonical", |t| Destination::authority(t.as_bytes(), None).ok())
}

fn head(to: &Destination) -> RequestHead {
    let bytes = format!("POST /x?y=z HTTP/1.1\r\nHost: {to}\r\nContent-Length: 3\r\nA: b\r\n\r\n");
    let read = read_request(bytes.as_bytes(), Scheme::Https, to);
    read.unwrap().unwrap().head
}

fn comes_back<T: Wire + PartialEq + std::fmt::Debug>(value: &T) -> bool {
    let bytes = value.encode();
    T::decode(&bytes).as_ref() == Some(value) && T::decode(&[bytes, vec![0]].concat()).is_none()
}

proptest! {
    #[test]
    fn any_packet_decodes_to_one_value_or_is_refused(tag in prop::sample::select(&b"obectisrdcfaulgpkwx"[..]),
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        bytes.insert(0, tag);
        prop_assert!(canonical::<FromGateway>(&bytes) && canonical::<ToGateway>(&bytes));
        prop_assert!(canonical::<ToBroker>(&bytes) && canonical::<FromBroker>(&bytes));
    }

    #[test]
    fn messages_come_back_and_nothing_may_follow(flow in any::<u64>(), to in destination(),
        permitted in proptest::collection::vec(any::<std::net::IpAddr>(), 0..9), errno in 0..200i32) {
        let message = FromGateway::Open { flow, destination: to.clone() };
        prop_assert!(comes_back(&message));
        let message = ToBroker::Dial { flow, destination: to.clone(), permitted };
        prop_assert!(comes_back(&message));
        let message = FromBroker::Failed { flow, why: DialError::Connect(errno) };
        prop_assert!(comes_back(&message));
        let message = FromBroker::Withheld { destination: to.clone(), why: "the credential".to_owned() };
        prop_assert!(comes_back(&message));
        let message = FromBroker::Unreached { destination: to, why: DialError::NoName };
        prop_assert!(comes_back(&message));
    }

    #[test]
    fn messages_about_requests_come_back(request in any::<u64>(), to in destination(),
        body in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..99)), most in any::<Option<u64>>()) {
        let usage = Usage { input: 7, output: request };
        for message in [
            FromGateway::Ask { request, head: Box::new(head(&to)) },
            FromGateway::Show { request, body: body.clone() },
            FromGateway::Part { request, bytes: b"x".to_vec() },
            FromGateway::Remote { question: request, request: 1, what: "fetches".to_owned(), host: Some(to.clone()) },
            FromGateway::Remote { question: request, request: 1, what: String::new(), host: None },
            FromGateway::Used { request, usage },
            FromGateway::Done { request },
            FromGateway::Lane,
        ] {
            prop_assert!(comes_back(&message), "{:?}", message);
        }
        for message in [
            ToGateway::Tunnel { flow: request, most },
            ToGateway::Cut { flow: request },
            ToGateway::Publish { port: 3000 },
            ToGateway::Refused { flow: request, denial: Denial::new(502, "no answer") },
            ToGateway::Released { request, model: Some(Provider::Gemini) },
            ToGateway::Body { request, most: 9 },
            ToGateway::Permitted { question: request },
            ToGateway::Denied { request, denial: Denial::new(403, "no").remedy("ask") },
        ] {
            prop_assert!(comes_back(&message), "{:?}", message);
        }
        let body = body.map(|b| BodyOf::bytes(&b));
        let released = Released { request, head: head(&to), permitted: Vec::new(), body, most, budget: most.map(|_| "b".to_owned()) };
        let message = ToBroker::Send(Box::new(released));
        prop_assert!(comes_back(&message));
        let names = vec!["TOKEN".to_owned(), "login:codex".to_owned()];
        for message in [FromBroker::Used { request, names }, FromBroker::Undone { request, why: "no".to_owned() }] {
            prop_assert!(comes_back(&message), "{:?}", message);
        }
        let message = FromBroker::Passed { request, bytes: 7, over: most.is_some() };
        prop_assert!(comes_back(&message));
        let message = ToBroker::Lane;
        prop_assert!(comes_back(&message));
    }
}
