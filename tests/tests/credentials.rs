//! Credentials: kept outside, given out by nobody.

use fumehood_tests::{Output, World, fumehood};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

const KEY: &str = "sk_test_4eC39HqLyjWDarjtT1zdp7dc";

fn secret(world: &World, words: &[&str], stdin: &str) -> Output {
    let program = fumehood();
    let mut line: Vec<&OsStr> = vec![program.as_os_str(), OsStr::new("secret")];
    line.extend(words.iter().map(OsStr::new));
    world.sandbox().stdin(stdin.as_bytes()).start_words(&line).wait()
}

fn says(out: &Output, code: i32, words: &[&str]) {
    assert_eq!(out.code, code, "{}", out.errors());
    for word in words {
        assert!(
            out.errors().contains(word),
            "{} does not say {word}",
            out.errors()
        );
    }
    assert!(!out.errors().contains(KEY) && !out.text().contains(KEY));
}

/// Added, listed, removed; its value is in no output, and its file is the user's alone.
#[test]
fn store() {
    let world = World::new();
    assert_eq!(secret(&world, &["list"], "").ended(0), "");
    let added = secret(
        &world,
        &[
            "add",
            "STRIPE_KEY",
            "--for",
            "api.stripe.com",
            "--require",
            "^sk_test_",
        ],
        KEY,
    );
    says(&added, 0, &["STRIPE_KEY is stored, for api.stripe.com"]);
    let listed = secret(&world, &["list"], "");
    says(&listed, 0, &[]);
    assert_eq!(listed.text(), "STRIPE_KEY\tapi.stripe.com");
    let json = secret(&world, &["list", "--json"], "");
    assert_eq!(
        json.ended(0),
        r#"[{"name":"STRIPE_KEY","for":["api.stripe.com"]}]"#
    );
    let file = world.root().join("state/fumehood/secrets/STRIPE_KEY");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    says(
        &secret(&world, &["rm", "STRIPE_KEY"], ""),
        0,
        &["STRIPE_KEY is removed"],
    );
    says(
        &secret(&world, &["rm", "STRIPE_KEY"], ""),
        1,
        &["the store has no STRIPE_KEY"],
    );
    assert!(!file.exists());
}

/// A38, and each other value that is no secret: one line with the place and the fix, nothing stored.
#[test]
fn a38_values_that_are_refused() {
    let world = World::new();
    let add = ["add", "KEY", "--for", "api.example.com"];
    for (value, why) in [
        ("", "it is empty"),
        ("\n", "it is empty"),
        ("sk_test_1234\r\nx-evil: 1", "it holds a line break"),
        ("sk_test\u{0}1234", "it holds a control character"),
        ("short", "it has 5 bytes"),
    ] {
        secret(&world, &add, value).refused(125, &["KEY is not stored", why]);
    }
    let live = secret(
        &world,
        &[&add[..], &["--require", "^sk_test_"]].concat(),
        "sk_live_4eC39HqLyjWDarjt",
    );
    live.refused(125, &["KEY is not stored: it does not match `^sk_test_`"]);
    assert!(!live.errors().contains("4eC39"));
    secret(&world, &["add", "KEY", "--for", "https://x.example"], KEY).refused(125, &["--for"]);
    secret(&world, &["add", "KEY", "--for", "*.com"], KEY).refused(125, &["--for"]);
    secret(&world, &["add", "a b", "--for", "x.example"], KEY).refused(125, &["variable's name"]);
    secret(&world, &["add", "KEY"], KEY).refused(125, &["--for"]);
    assert_eq!(secret(&world, &["list"], "").ended(0), "");
}

/// A store that others can read or have put something into is not used, and says how to mend it.
#[test]
fn a_store_that_is_not_the_users_alone() {
    let world = World::new();
    secret(&world, &["add", "KEY", "--for", "x.example"], KEY).ended(0);
    let folder = world.root().join("state/fumehood/secrets");
    let chmod =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chmod(&folder.join("KEY"), 0o644);
    says(&secret(&world, &["list"], ""), 1, &["chmod 600 it"]);
    chmod(&folder.join("KEY"), 0o600);
    chmod(&folder, 0o755);
    says(&secret(&world, &["list"], ""), 125, &["chmod 700 it"]);
    chmod(&folder, 0o700);
    symlink("/etc/passwd", folder.join("LINK")).unwrap();
    let listed = secret(&world, &["list"], "");
    says(&listed, 1, &["LINK"]);
    assert_eq!(listed.text(), "KEY\tx.example");
}

/// From inside nothing is added, read or removed, and the store is not there.
#[test]
fn the_store_is_not_reachable_from_inside() {
    let world = World::new();
    secret(&world, &["add", "KEY", "--for", "x.example"], KEY).ended(0);
    let state = world.root().join("state");
    let script = format!(
        "cat {0}/fumehood/secrets/KEY; ls {0}; grep -rs {KEY} /proc/self/environ; true",
        state.display()
    );
    let out = world.sandbox().sh(script);
    assert_eq!(out.ended(0), "");
    assert!(!out.errors().contains(KEY));
}

/// Review F7: where requests are not read nobody would keep a secret from coming back, so a run with one for such a
/// host does not begin; nor does one that asks for a secret it could not use.
#[test]
fn f7_no_secret_where_requests_are_not_read() {
    let world = World::new();
    let hosts = [
        "--for",
        "x.example",
        "--for",
        "x.example:5432",
        "--for",
        "localhost:8080",
    ];
    secret(&world, &[&["add", "KEY"][..], &hosts].concat(), KEY).ended(0);
    let config = world.root().join("config/fumehood");
    fs::create_dir_all(&config).unwrap();
    let tunnel = "version = 1\nnetwork.allow = [{ host = \"x.example\", tunnel = true }]\n";
    fs::write(config.join("config.toml"), tunnel).unwrap();
    let named = world.sandbox().flags(["--secret", "KEY"]);
    named.run(&["true"]).refused(
        125,
        &["--secret: secret: KEY is for `x.example`, to which bytes pass unread"],
    );
    fs::remove_file(config.join("config.toml")).unwrap();
    for (allow, why) in [
        (
            "x.example:5432",
            "KEY is for `x.example:5432`, to which bytes pass unread (--allow)",
        ),
        (
            "localhost:8080",
            "KEY is for `localhost:8080`, to which bytes pass unread (--allow)",
        ),
        (
            "y.example",
            "KEY is for x.example, x.example:5432, localhost:8080, which no rule allows; add --allow x.example",
        ),
    ] {
        named
            .clone()
            .flags(["--allow", allow])
            .run(&["true"])
            .refused(125, &[why]);
    }
    named.run(&["true"]).refused(125, &["KEY can go nowhere"]);
    named
        .clone()
        .flags(["--allow", "x.example"])
        .run(&["true"])
        .ended(0);
    let odd = world.sandbox().flags(["--secret", "a b"]);
    odd.run(&["true"]).refused(125, &["--secret: "]);
}
