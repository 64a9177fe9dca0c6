use super::*;
use crate::binding::Binding;
use crate::placeholder::Minter;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use fumehood_http::{Scheme, Version};
use std::io::Write;

const KEY: &str = "sk-ant-api03-Real+Value/of=the.Key";
const MINTED: &str = "sk-ant-oat01-0123456789abcdefMINTED";

fn vault() -> (Vault, String) {
    let mut vault = Vault::new(Minter::new([5; 32]));
    let secret = Secret::new(KEY.as_bytes().to_vec()).unwrap();
    let binding = Binding::to(&["api.example.com".parse().unwrap()]);
    let placeholder = vault.add([("KEY".to_owned(), secret, binding)]).remove(0);
    (vault, placeholder.text().to_owned())
}

fn request(to: &str, method: &str, target: &str) -> RequestHead {
    RequestHead {
        destination: Destination::authority(to.as_bytes(), None).unwrap(),
        scheme: Scheme::Https,
        version: Version::Http1,
        method: method.to_owned(),
        target: target.to_owned(),
        fields: Fields::default(),
        body: Length::Empty,
        upgrade: false,
        expects_continue: false,
        takes_trailers: false,
    }
}

fn response(fields: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead {
        status: 200,
        fields: Fields::default(),
        body: Length::Known(1),
    };
    for (name, value) in fields {
        head.fields
            .push(Field::new(name.as_bytes(), value.as_bytes()).unwrap())
            .unwrap();
    }
    head
}

fn value(fields: &Fields, name: &str) -> String {
    String::from_utf8(fields.values(name).collect::<Vec<_>>().join(&b'|')).unwrap()
}

const HERE: &str = "api.example.com:443";

/// The body that goes inside, of pieces.
fn inside(
    vault: &mut Vault,
    to: &str,
    fields: &[(&str, &str)],
    pieces: &[&[u8]],
) -> Result<Vec<u8>, Withheld> {
    let mut head = response(fields);
    let mut answer = Answer::new(vault, &request(to, "POST", "/token"), &mut head)?;
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(&answer.push(vault, piece)?);
    }
    out.extend(answer.finish(vault)?);
    Ok(out)
}

/// A39: headers and trailers too, a redirect's address among them.
#[test]
fn a39_heads_and_trailers() {
    let (vault, placeholder) = vault();
    let escaped = KEY.replace('+', "%2B");
    let mut head = response(&[
        ("location", &format!("https://x.example/?key={escaped}")),
        ("x-echo", KEY),
        ("etag", "\"1\""),
    ]);
    let answer = Answer::new(&vault, &request("other.example:443", "GET", "/"), &mut head).unwrap();
    assert_eq!(value(&head.fields, "x-echo"), placeholder);
    assert!(!value(&head.fields, "location").contains("Real"));
    assert_eq!(value(&head.fields, "etag"), "\"1\"");
    let mut trailers = response(&[("x-echo", KEY)]).fields;
    answer.trailers(&mut trailers);
    assert_eq!(value(&trailers, "x-echo"), placeholder);
}

#[test]
fn cookies_that_name_an_account_do_not_come_in() {
    let (vault, _) = vault();
    let cookies = [
        ("set-cookie", "session=abc; Secure"),
        ("set-cookie", "__cf_bm=x; path=/"),
    ];
    let mut bound = response(&cookies);
    Answer::new(&vault, &request(HERE, "GET", "/"), &mut bound).unwrap();
    assert_eq!(value(&bound.fields, "set-cookie"), "__cf_bm=x; path=/");
    let mut free = response(&cookies);
    Answer::new(&vault, &request("other.example:443", "GET", "/"), &mut free).unwrap();
    assert_eq!(free.fields.len(), 2);
}

/// A47: compressed though nobody asked for it.
#[test]
fn a47_compressed_bodies_are_read() {
    let text = format!("it is {KEY}, {}", "and so on ".repeat(1000));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    for encoder in [&mut gzip as &mut dyn Write, &mut zlib, &mut raw] {
        encoder.write_all(text.as_bytes()).unwrap();
    }
    let bodies = [
        ("gzip", gzip.finish().unwrap()),
        ("deflate", zlib.finish().unwrap()),
        ("deflate", raw.finish().unwrap()),
    ];
    for (coding, body) in bodies {
        let (mut vault, placeholder) = vault();
        let pieces: Vec<&[u8]> = body.chunks(3).collect();
        let out = inside(
            &mut vault,
            HERE,
            &[("content-encoding", coding), ("content-type", "text/plain")],
            &pieces,
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            text.replace(KEY, &placeholder),
            "{coding}"
        );
        let mut head = response(&[("content-encoding", coding)]);
        Answer::new(&vault, &request(HERE, "GET", "/"), &mut head).unwrap();
        assert_eq!(
            (value(&head.fields, "content-encoding"), head.body),
            (String::new(), Length::Unknown)
        );
    }
}

#[test]
fn what_cannot_be_read_is_withheld() {
    let (mut vault, _) = vault();
    for coding in ["br", "zstd", "gzip, gzip", "compress"] {
        let error = inside(&mut vault, HERE, &[("content-encoding", coding)], &[]).unwrap_err();
        assert!(matches!(error, Withheld::Coding(_)), "{error}");
        // A host that no credential is for was never sent one.
        assert!(
            inside(
                &mut vault,
                "other.example:443",
                &[("content-encoding", coding)],
                &[b"x"]
            )
            .is_ok()
        );
    }
    let damaged = inside(
        &mut vault,
        HERE,
        &[("content-encoding", "gzip")],
        &[b"no gzip at all"],
    );
    assert_eq!(damaged, Err(Withheld::Compressed(CodingError::Damaged)));
    let mut head = response(&[("content-encoding", "br")]);
    assert!(Answer::new(&vault, &request(HERE, "HEAD", "/"), &mut head).is_ok());
}

#[test]
fn a_bomb_does_not_go_off() {
    let (mut vault, _) = vault();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![0; 64 * 1024 * 1024]).unwrap();
    let bomb = bomb.finish().unwrap();
    let grown = inside(
        &mut vault,
        HERE,
        &[("content-encoding", "gzip"), ("content-type", "x/y")],
        &[&bomb],
    );
    assert_eq!(grown, Err(Withheld::Compressed(CodingError::Grows)));
}

/// F15: a token that is minted in an answer is a credential of the session before anything inside sees it.
#[test]
fn minted_tokens_are_adopted_and_work() {
    let (mut vault, _) = vault();
    let body = format!("{{\"access_token\": \"{MINTED}\", \"expires_in\": 3600, \"note\": \"{MINTED}\"}}");
    for pieces in [vec![body.as_bytes()], body.as_bytes().chunks(1).collect()] {
        let out = inside(&mut vault, HERE, &[("content-type", "application/json")], &pieces).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(
            !out.contains("MINTED") && out.contains("\"expires_in\": 3600"),
            "{out}"
        );
        assert_eq!(out.len(), body.len());
        let shown = out.split('"').nth(3).unwrap().to_owned();
        let mut used = request(HERE, "GET", "/");
        used.fields
            .push(Field::new(b"authorization", format!("Bearer {shown}").as_bytes()).unwrap())
            .unwrap();
        vault.substitute(&mut used, None).unwrap();
        assert_eq!(value(&used.fields, "authorization"), format!("Bearer {MINTED}"));
        let mut elsewhere = request("evil.example:443", "GET", "/");
        elsewhere.fields = {
            let mut fields = Fields::default();
            fields
                .push(Field::new(b"authorization", format!("Bearer {shown}").as_bytes()).unwrap())
                .unwrap();
            fields
        };
        assert!(vault.substitute(&mut elsewhere, None).is_err());
    }
}

#[test]
fn a_host_that_no_credential_is_for_mints_for_whoever_asks() {
    let (mut vault, _) = vault();
    let body = format!("{{\"access_token\": \"{MINTED}\"}}");
    let out = inside(
        &mut vault,
        "other.example:443",
        &[("content-type", "application/json")],
        &[body.as_bytes()],
    )
    .unwrap();
    assert_eq!(out, body.as_bytes());
}

/// The session's own that comes back in such a field is no new one.
#[test]
fn ones_own_token_is_replaced_as_anywhere() {
    let (mut vault, placeholder) = vault();
    let body = format!("{{\"token\": \"{KEY}\"}}");
    let out = inside(&mut vault, HERE, &[], &[body.as_bytes()]).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), body.replace(KEY, &placeholder));
}

/// A refresh: the new values take the old ones' place and hosts, none of them comes back, and what was on its way with
/// the old placeholder goes with the new token. Fields of any other answer are no login's.
#[test]
fn f15_a_renewal_gives_new_values_of_the_same_credential() {
    let (mut vault, _) = vault();
    let login = crate::login::tests::login();
    let text = br#"{"in": {"access": "sk-ant-oat01-OLD0OLD0OLD0OLD0OLD0OLD", "refresh": "sk-ant-ort01-OLD0OLD0OLD0OLD0"}}"#;
    let tokens = crate::login::Tokens::read(&login, text).unwrap();
    vault.log_in(login, "/nowhere".into(), tokens);
    let name = "login:~/.login.json:access_token";
    let old = || b"sk-ant-oat01-OLD0OLD0OLD0OLD0OLD0OLD".to_vec();
    assert_eq!(vault.secret(name).unwrap().expose(), old());
    let renewed = |vault: &mut Vault, token: &str, login| {
        let body = format!("{{\"access_token\": \"{token}\", \"expires_in\": 60}}");
        let request = request("issuer.example:443", "POST", "/token");
        let mut head = response(&[("content-type", "application/json")]);
        let mut answer = Answer::new(vault, &request, &mut head).unwrap().renewing(login);
        let mut out = answer.push(vault, body.as_bytes()).unwrap().into_owned();
        out.extend(answer.finish(vault).unwrap());
        out
    };
    renewed(&mut vault, "sk-ant-oat01-ofSomethingElse0123456789", None);
    assert_eq!(vault.secret(name).unwrap().expose(), old());
    let inside = renewed(&mut vault, MINTED, Some(0));
    assert!(!String::from_utf8(inside).unwrap().contains(MINTED));
    assert_eq!(vault.secret(name).unwrap().expose(), MINTED.as_bytes());
    let forbidden = vault.forbidden();
    for value in [old(), MINTED.as_bytes().to_vec()] {
        assert_ne!(*forbidden.clean(&value), *value);
    }
}
