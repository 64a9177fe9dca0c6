//! The shipped table keeps its word: every example matches its row, no twin matches any.

use fumehood_catalogue::{Body, Catalogue, Request, Tier, parse_example};
use proptest::prelude::*;

fn catalogue() -> Catalogue {
    Catalogue::shipped().unwrap_or_else(|e| panic!("{e}"))
}

fn request(text: &str) -> Request {
    parse_example(text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

#[test]
fn no_silent_pass() {
    let catalogue = catalogue();
    let mut missed = Vec::new();
    for row in catalogue.rows() {
        assert!(!row.hold.is_empty(), "{} has no example", row.id);
        for text in &row.hold {
            let request = request(text);
            let found = catalogue.classify(&request);
            if !found.effects.iter().any(|r| r.id == row.id) {
                missed.push(format!("{}: {text}\n  found {:?}", row.id, ids(&found.effects)));
            }
        }
    }
    assert!(missed.is_empty(), "passed unseen:\n{}", missed.join("\n"));
}

#[test]
fn no_held_twin() {
    let catalogue = catalogue();
    let mut held = Vec::new();
    for row in catalogue.rows() {
        assert!(!row.fly.is_empty(), "{} has no twin", row.id);
        for text in &row.fly {
            let request = request(text);
            let found = catalogue.classify(&request);
            if !found.flies() {
                held.push(format!("{}: {text}\n  found {found:?}", row.id));
            }
        }
    }
    assert!(held.is_empty(), "held:\n{}", held.join("\n"));
}

fn ids(rows: &[&fumehood_catalogue::Row]) -> Vec<String> {
    rows.iter().map(|r| r.id.clone()).collect()
}

#[test]
fn effects_are_of_the_vocabulary() {
    for row in catalogue().rows() {
        let known = fumehood_policy::value::EFFECTS.contains(&row.effect.as_str());
        assert!(known, "{}: no effect is named {}", row.id, row.effect);
    }
}

/// Each example's spellings that a server may read alike are held as well.
#[test]
fn spellings_of_the_examples_are_held() {
    let catalogue = catalogue();
    for row in catalogue.rows() {
        for text in &row.hold {
            let plain = request(text);
            for other in spellings(&plain) {
                let found = catalogue.classify(&other);
                assert!(!found.flies(), "{}: flies as {other:?}", row.id);
            }
        }
    }
}

fn spellings(plain: &Request) -> Vec<Request> {
    let path = |path: String| Request {
        path,
        ..plain.clone()
    };
    let mut all = vec![
        path(format!("{}/", plain.path)),
        path(plain.path.replacen('/', "//", 1)),
        path(encoded(&plain.path)),
        path(format!("/x/..{}", plain.path)),
        Request {
            method: "POST".to_owned(),
            headers: [
                plain.headers.clone(),
                vec![("x-http-method-override".to_owned(), plain.method.clone())],
            ]
            .concat(),
            ..plain.clone()
        },
    ];
    if let Body::Bytes(bytes) = &plain.body {
        let coded = ("content-encoding".to_owned(), "gzip".to_owned());
        let doubled = String::from_utf8_lossy(bytes).replacen('{', "{\"x\":1,\"x\":2,", 1);
        all.push(Request {
            body: Body::TooLong,
            ..plain.clone()
        });
        all.push(Request {
            body: Body::Unread,
            ..plain.clone()
        });
        all.push(Request {
            headers: [plain.headers.clone(), vec![coded]].concat(),
            ..plain.clone()
        });
        all.push(Request {
            body: Body::Bytes(doubled.into_bytes()),
            ..plain.clone()
        });
    }
    all
}

/// Every letter percent-encoded.
fn encoded(path: &str) -> String {
    path.bytes()
        .map(|b| {
            if b.is_ascii_alphabetic() {
                format!("%{b:02x}")
            } else {
                char::from(b).to_string()
            }
        })
        .collect()
}

#[test]
fn the_gravest_comes_first() {
    let catalogue = catalogue();
    for row in catalogue.rows() {
        for text in &row.hold {
            let request = request(text);
            let found = catalogue.classify(&request);
            let tiers: Vec<Tier> = found.effects.iter().map(|r| r.tier).collect();
            assert!(tiers.windows(2).all(|w| w[0] >= w[1]));
        }
    }
}

#[test]
fn other_hosts_of_a_service() {
    let mut catalogue = catalogue();
    let text = "PUT https://ghe.acme.example/api/v3/repos/acme/api/pulls/7/merge\n\n{}";
    assert!(catalogue.classify(&request(text)).flies());
    catalogue
        .set_hosts("github", &["ghe.acme.example".to_owned()])
        .unwrap();
    assert!(!catalogue.classify(&request(text)).flies());
    assert!(catalogue.set_hosts("githup", &[]).is_err());
}

#[test]
fn a_wrong_table_is_refused_with_its_place() {
    let wrong = |text: &str| Catalogue::parse(&[("mine.toml", text)]).unwrap_err().to_string();
    assert!(wrong("[[row]]\nid = 1").contains("mine.toml: TOML parse error at line 2"));
    let row = "[[row]]\nid='a'\nwhat='w'\neffect='http.mutate'\ntier='high'\npaths=['/a']\nhold=[]\nfly=[]\n";
    assert!(wrong(&format!("{row}{row}")).contains("twice"));
    assert!(wrong(&format!("{row}service='nowhere'\n")).contains("nowhere"));
    assert!(wrong(&format!("{row}colour='red'\n")).contains("colour"));
}

proptest! {
    /// Any request is classified, and what cannot be seen is never taken for nothing.
    #[test]
    fn any_bytes(
        method in "[A-Z]{0,8}",
        host in prop_oneof![Just("api.github.com".to_owned()), "[a-z.]{0,20}"],
        path in "(/[a-z%/.*]{0,8}){0,8}",
        query in "[a-zA-Z=&%+]{0,40}",
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let request = Request { method, host, path, query, headers: Vec::new(), body: Body::Bytes(body) };
        let catalogue = catalogue();
        let seen = catalogue.classify(&request);
        let unseen = Request { body: Body::TooLong, ..request.clone() };
        let unseen = catalogue.classify(&unseen);
        if !seen.flies() {
            prop_assert!(!unseen.flies());
        }
    }
}
