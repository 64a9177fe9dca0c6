use super::*;
use proptest::prelude::*;

fn summary(format: Format, text: &str) -> Option<Summary> {
    let mut summariser = Summariser::new(format);
    text.as_bytes().chunks(7).for_each(|c| summariser.push(c));
    summariser.finish()
}

fn said(format: Format, text: &str) -> String {
    summary(format, text).map_or_else(|| "none".to_owned(), |s| s.to_string())
}

#[test]
fn nextest() {
    let text = "    Starting 3 tests across 1 binary
        PASS [   0.004s] demo tests::one
        FAIL [   1.250s] demo tests::two
────────────
     Summary [   1.260s] 3 tests run: 2 passed, 1 failed, 4 skipped
        FAIL [   1.250s] demo tests::two
";
    insta::assert_snapshot!(said(Format::Libtest, text), @r"
    2 passed, 1 failed, 4 ignored
    - demo tests::two
      slow: demo tests::two, 1.250 s
      slow: demo tests::one, 0.004 s
    ");
}

#[test]
fn a_harness_that_died_is_counted_line_by_line() {
    let text = "running 3 tests\ntest a ... ok\ntest b ... FAILED\ntest c ... ignored, slow\n";
    insta::assert_snapshot!(said(Format::Libtest, text), @r"
    1 passed, 1 failed, 1 ignored
    - b
    ");
    assert_eq!(said(Format::Libtest, "error: could not compile\n"), "none");
}

#[test]
fn go() {
    let event = |fields: &str| format!("{{\"Time\":\"2026-11-27T10:00:00Z\",{fields}}}\n");
    let text = [
        event(r#""Action":"start","Package":"example.com/a""#),
        event(r#""Action":"run","Package":"example.com/a","Test":"TestAdd""#),
        event(r#""Action":"output","Package":"example.com/a","Test":"TestAdd","Output":"=== RUN   TestAdd\n""#),
        event(r#""Action":"output","Package":"example.com/a","Test":"TestAdd","Output":"    a_test.go:6: got 3\n""#),
        event(r#""Action":"fail","Package":"example.com/a","Test":"TestAdd","Elapsed":0.02"#),
        event(r#""Action":"pass","Package":"example.com/a","Test":"TestSub","Elapsed":1.5"#),
        event(r#""Action":"skip","Package":"example.com/a","Test":"TestNet","Elapsed":0"#),
        event(r#""Action":"fail","Package":"example.com/a","Elapsed":1.6"#),
        event(r#""Action":"output","Package":"example.com/b","Output":"b.go:3:2: undefined: x\n""#),
        event(r#""Action":"fail","Package":"example.com/b","Elapsed":0"#),
    ]
    .concat();
    insta::assert_snapshot!(said(Format::GoTest, &text), @r"
    1 failed, 1 passed, 1 skipped, 1 packages failed
    - example.com/a.TestAdd at a_test.go:6
            a_test.go:6: got 3
    - example.com/b at b.go:3:2
        b.go:3:2: undefined: x
      slow: example.com/a.TestSub, 1.500 s
      slow: example.com/a.TestAdd, 0.020 s
    ");
}

#[test]
fn typescript() {
    let text = "src/a.ts(4,7): error TS2322: Type 'string' is not assignable to type 'number'.\nsrc/b (1).ts(1,1): error TS1005: ';' expected.\nFound 2 errors.\n";
    insta::assert_snapshot!(said(Format::Diagnostics, text), @r"
    2 errors
    - error TS2322: Type 'string' is not assignable to type 'number'. at src/a.ts(4,7)
    - error TS1005: ';' expected. at src/b (1).ts(1,1)
    ");
}

#[test]
fn tap_of_other_producers() {
    let text = "TAP version 14\n1..6\nok 1 - a\nnot ok 2 - b\n  ---\n  message: 'x != y'\n  ...\nok 3 # SKIP no net\nnot ok 4 - c # TODO later\nok\n";
    insta::assert_snapshot!(said(Format::Tap, text), @r"
    2 passed, 1 failed, 1 skipped, 1 failed as expected, 1 missing
    - b
        message: 'x != y'
    ");
    assert!(said(Format::Tap, "Bail out! no database\n").contains("bailed out: no database"));
}

#[test]
fn xml_is_read_no_further_than_needed() {
    let text = r#"<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<testsuites><testsuite name="s" tests="9"><!-- <testcase name="no"/> -->
<testcase classname="a.B" name="one &lt;1&gt;" time="0.5"/>
<testcase name="two"><failure message="x &gt; y &e;">at a.py:3
<![CDATA[more <b>]]></failure></testcase>
<testcase name="three"><skipped/></testcase></testsuite></testsuites>"#;
    insta::assert_snapshot!(said(Format::Junit, text), @r"
    1 passed, 1 failed, 1 skipped
    - two
        x > y &e;
        at a.py:3
        more <b>
      slow: a.B::one <1>, 0.500 s
    ");
}

#[test]
fn documents_have_a_shape() {
    insta::assert_snapshot!(said(Format::Json, r#"{"a":[1,2],"b":{"c":1},"d":"x"}"#), @r#"
    3 keys
      a: a list of 2
      b: an object with c
      d: "x"
    "#);
    assert_eq!(said(Format::Json, "{"), "none");
}

#[test]
fn what_is_told_is_bounded() {
    let text: String = (0..10_000)
        .map(|n| {
            format!(
                "test t{n} ... FAILED\n---- t{n} stdout ----\n{}\n",
                "x".repeat(5000)
            )
        })
        .collect();
    let summary = summary(
        Format::Libtest,
        &format!("{text}\ntest result: FAILED. 0 passed; 10000 failed; 0 ignored\n"),
    )
    .unwrap();
    assert_eq!((summary.failures.len(), summary.more_failures), (20, 9980));
    assert_eq!(summary.count("failed"), 10_000);
    assert!(summary.to_string().len() < 20 * 300 + 100);
}

const ALL: &[Format] = &[
    Format::Libtest,
    Format::Junit,
    Format::Pytest,
    Format::GoTest,
    Format::Tap,
    Format::Cargo,
    Format::Diagnostics,
    Format::Diff,
    Format::Json,
];

proptest! {
    #[test]
    fn any_text_is_survived_in_bounds(parts in proptest::collection::vec(prop_oneof![
        any::<String>(),
        proptest::sample::select(&["test a ... ok\n", "---- a stdout ----\n", "<testcase name=\"", "\"/>", "<failure>", "<![CDATA[", "]]>", "@@ -1,9 +1,9 @@\n", "diff --git a/x b/x\n",
            "not ok 1\n", "1..99999999999999999999\n", "error: x\n", " --> a:1:2\n", "{\"Action\":\"fail\",\"Test\":\"a\"}\n", "FAILED a - b\n", "9 passed in 1s\n", "error[E1]: ", "a(1,2): error TS1: x\n",
            "test result: ok. 18446744073709551615 passed; 18446744073709551615 passed\n"][..]).prop_map(str::to_owned)], 0..30)) {
        let text = parts.concat();
        for format in ALL {
            if let Some(summary) = summary(*format, &text) {
                prop_assert!(summary.failures.len() <= MOST_FAILURES);
                prop_assert!(summary.to_string().len() < 64 * 1024);
            }
        }
    }
}
