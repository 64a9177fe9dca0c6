use super::*;
use fumehood_destination::Destination;
use fumehood_http::{Fields, Scheme, Version};

const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A head and a body from lines.
fn request(text: &str) -> (RequestHead, String) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let mut fields = Fields::default();
    let mut host = String::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        match name.to_ascii_lowercase().as_str() {
            "host" => host = value.trim().to_owned(),
            "content-length" => {}
            _ => fields
                .push(Field::new(name.as_bytes(), value.as_bytes()).unwrap())
                .unwrap(),
        }
    }
    let body = body.trim_end().to_owned();
    let head = RequestHead {
        destination: Destination::authority(host.as_bytes(), "443".parse().ok()).unwrap(),
        scheme: Scheme::Https,
        version: Version::Http1,
        method: method.to_owned(),
        target: target.to_owned(),
        fields,
        body: if body.is_empty() {
            Length::Empty
        } else {
            Length::Known(body.len() as u64)
        },
        upgrade: false,
        expects_continue: false,
        takes_trailers: false,
    };
    (head, body)
}

fn signed(text: &str) -> (String, Result<String, &'static str>) {
    let (mut head, body) = request(text);
    let original = head.fields.values("authorization").next().unwrap().to_vec();
    let from = Authorization::parse(authorization(&head).unwrap()).unwrap();
    let wrong = Field::new(b"authorization", b"AWS4-HMAC-SHA256 Signature=none").unwrap();
    head.fields.set(wrong);
    let done = sign(&mut head, &from, "AKIDEXAMPLE", SECRET, Some(body.as_bytes()));
    let value = |head: &RequestHead| {
        String::from_utf8(head.fields.values("authorization").next().unwrap().to_vec()).unwrap()
    };
    (String::from_utf8(original).unwrap(), done.map(|()| value(&head)))
}

#[test]
fn published_vectors() {
    let suite = include_str!("vectors.txt");
    let vectors: Vec<&str> = suite.split("\n== ").skip(1).collect();
    assert!(vectors.len() >= 20, "{}", vectors.len());
    for vector in vectors {
        let (name, text) = vector.split_once('\n').unwrap();
        let (original, again) = signed(text);
        assert_eq!(again.as_ref(), Ok(&original), "{name}");
    }
}

const VANILLA: &str = "GET /a%20b?x=y HTTP/1.1\nhost: example.amazonaws.com\nx-amz-date: 20150830T123600Z\n";

/// What is signed is what leaves: another byte of it, another signature.
#[test]
fn every_part_counts() {
    let head = "POST /a?x=y\nhost: example.amazonaws.com\nx-amz-date: 20150830T123600Z\nx-b: c\n";
    let credential = "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date;x-b, Signature=0";
    let whole = format!("{head}{credential}\n\nbody");
    let (_, original) = signed(&whole);
    for (this, other) in [
        ("POST", "PUT"),
        ("/a?", "/b?"),
        ("x=y", "x=z"),
        ("example.", "other."),
        ("T12", "T13"),
        ("x-b: c", "x-b: d"),
        ("body", "corpse"),
        ("us-east-1", "us-east-2"),
        ("/service/", "/other/"),
    ] {
        let (_, changed) = signed(&whole.replacen(this, other, 1));
        assert_ne!(changed.unwrap(), *original.as_ref().unwrap(), "{other}");
    }
}

#[test]
fn what_cannot_be_signed() {
    let credential = |signed: &str, date: &str| {
        format!(
            "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{date}/us-east-1/s3/aws4_request, SignedHeaders={signed}, Signature=0"
        )
    };
    let of = |extra: &str, signed_fields: &str, date: &str| {
        let vanilla = VANILLA.replace(" HTTP/1.1", "");
        signed(&format!(
            "{vanilla}{extra}{}\n\nbody",
            credential(signed_fields, date)
        ))
        .1
    };
    assert!(of("", "host;x-amz-date", "20150830").is_ok());
    assert!(
        of("", "host;x-amz-date", "20150831")
            .unwrap_err()
            .contains("another day")
    );
    assert!(
        of("", "host;x-amz-date;x-gone", "20150830")
            .unwrap_err()
            .contains("not there any more")
    );
    let streaming = "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n";
    assert!(
        of(streaming, "host;x-amz-date", "20150830")
            .unwrap_err()
            .contains("chunks")
    );
    assert!(
        of(
            "x-amz-content-sha256: UNSIGNED-PAYLOAD\n",
            "host;x-amz-content-sha256;x-amz-date",
            "20150830"
        )
        .is_ok()
    );
}

#[test]
fn what_is_no_authorization() {
    for text in [
        "",
        " Credential=a/20150830/r/s/aws4_request, SignedHeaders=host",
        " Credential=a/2015083/r/s/aws4_request, SignedHeaders=host, Signature=0",
        " Credential=a/20150830/r/s/aws5_request, SignedHeaders=host, Signature=0",
        " Credential=a/20150830/r/s/aws4_request, Credential=b/20150830/r/s/aws4_request, SignedHeaders=host, Signature=0",
        " Credential=a/20150830/r/s/aws4_request, SignedHeaders=x;host, Signature=0",
    ] {
        assert_eq!(Authorization::parse(text.as_bytes()), None, "{text}");
    }
}
