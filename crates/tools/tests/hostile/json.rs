//! Attacks in the JSON of a call.

use crate::bench::{call, load};
use fumehood_tools::Manifest;

fn tool() -> Manifest {
    load("params = { p = { type = \"RelPath\" }, n = { type = \"Int\", min = 0, max = 3600, optional = true }, t = { type = \"Text\", max = 1000000, optional = true } }\nargv = [\"cat\", \"--\", \"{p}\", \"{n}\", \"{t}\"]").unwrap()
}

#[track_caller]
fn refused(json: &[u8], words: &str) {
    let why = call(&tool(), json).unwrap_err();
    assert!(why.contains(words) && why.len() <= 512, "{why}");
}

#[test]
fn encodings() {
    refused(br#"{"p":"\ud800"}"#, "refused as JSON");
    refused(b"{\"p\":\"\xff\"}", "not UTF-8");
    refused(b"{\"p\":\"\xc0\xae\xc0\xae/x\"}", "not UTF-8"); // an overlong `..`
    refused(b"\xff\xfe{\0}\0", "not UTF-8");
}

#[test]
fn sizes() {
    refused(
        format!("{{\"p\":\"{}\"}}", "x".repeat(100 << 20)).as_bytes(),
        "more than 1048576",
    );
    refused(
        format!("{{\"p\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000)).as_bytes(),
        "deep",
    );
    let objects = format!("{}1{}", "{\"p\":".repeat(10_000), "}".repeat(10_000));
    refused(objects.as_bytes(), "deep");
    refused(
        format!("{{\"p\":[{}1]}}", "1,".repeat(100_000)).as_bytes(),
        "values",
    );
    // One word longer than the kernel takes.
    refused(
        format!("{{\"p\":\"a\",\"t\":\"{}\"}}", "x".repeat(200_000)).as_bytes(),
        "too long",
    );
}

/// Another reader takes the second value; which one counts must not matter.
#[test]
fn two_readings() {
    let json = r#"{"p":"ok","p":"/etc/passwd"}"#;
    let last: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(last["p"], "/etc/passwd");
    refused(json.as_bytes(), "`p` is there twice");
    refused(br#"{"p":"ok","\u0070":"/etc/passwd"}"#, "`p` is there twice");
}

#[test]
fn numbers() {
    for number in [
        "1e999",
        "-0",
        "1e12",
        "9007199254740993",
        "-1",
        "\"1\"",
        "1.5",
        "3601",
        "null",
        "[1]",
    ] {
        let why = call(&tool(), format!("{{\"p\":\"a\",\"n\":{number}}}").as_bytes()).unwrap_err();
        assert!(
            why.contains("`n`") || why.contains("out of range"),
            "{number}: {why}"
        );
    }
    assert_eq!(call(&tool(), br#"{"p":"a","n":3600}"#).unwrap()[3], "3600");
}

#[test]
fn keys() {
    for key in [
        "__proto__",
        "constructor",
        "prototype",
        "P",
        "p ",
        "p\\u0000",
        "\\u0440",
    ] {
        refused(
            format!("{{\"p\":\"a\",\"{key}\":{{}}}}").as_bytes(),
            "no parameter",
        );
    }
}
