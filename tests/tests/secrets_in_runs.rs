//! Secrets in runs, from a program inside to a server outside: research/egress.md A38–A42, A47, review F15. Test
//! hosts stand around each run (tests/network/hosts.py); one of them sends back what it was sent
//! (tests/network/mirror.py).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use fumehood_tests::{Hosts, Output, Ran, Sandboxed, await_that, children, descendant};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// With characters that each encoding writes differently.
const REAL: &str = "sk_test_4eC39HqLyj/WDarj+tT1zdp7dc=Z";
/// Rules that leave everything to the bindings.
const RULES: &str = "network.allow = [
    { host = \"mirror.example\", methods = [\"GET\", \"POST\", \"HEAD\", \"PUT\"] },
    { host = \"mirror.example\", port = 8443, methods = [\"GET\", \"POST\"] },
    { host = \"mirror.example\", port = 80, methods = [\"GET\", \"POST\"] },
    { host = \"good.example\", methods = [\"GET\", \"POST\"] },
]\n";

/// Hosts, and a user's configuration with these secrets.
fn hosts(secrets: &str) -> Hosts {
    let hosts = Hosts::new();
    let folder = hosts.world.own("config").join("fumehood");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("config.toml"),
        format!("version = 1\n{RULES}{secrets}"),
    )
    .unwrap();
    hosts
}

fn secret(name: &str, rest: &str) -> String {
    format!("[secret.{name}]\nfrom = \"env:{name}\"\nfor = \"mirror.example\"\n{rest}\n")
}

fn run(hosts: &Hosts, real: &[(&str, &str)], command: &[&str]) -> Ran {
    let sandbox = real.iter().fold(hosts.world.sandbox(), |sandbox, (name, value)| {
        sandbox.env(name, value)
    });
    let out = hosts
        .around(sandbox)
        .deadline(Duration::from_secs(90))
        .run(command);
    Ran {
        out,
        log: hosts.log(),
    }
}

fn sh(hosts: &Hosts, real: &[(&str, &str)], script: &str) -> Ran {
    run(hosts, real, &["sh", "-c", script])
}

fn python(hosts: &Hosts, real: &[(&str, &str)], script: &str) -> Ran {
    run(hosts, real, &["python3", "-c", &format!("{PRELUDE}\n{script}")])
}

/// `ask(path)` gives the status and the raw answer.
const PRELUDE: &str = r#"
import base64, http.client, os, sys, urllib.parse
E = os.environ
def ask(path, headers={}, method="GET", body=None, host="mirror.example", port=443, tls=True):
    kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
    c = kind(host, port, timeout=20)
    try:
        c.request(method, path, body=body, headers=headers)
        r = c.getresponse()
        return r.status, "\n".join(f"{k}: {v}" for k, v in r.getheaders()).encode() + b"\n\n" + r.read()
    except Exception as e: return type(e).__name__, b""
"#;

/// The requests that a mirror wrote down.
fn mirrored(ran: &Ran) -> Vec<String> {
    let lines = ran.log.lines().filter(|l| l.contains("\"mirror\""));
    lines.map(str::to_owned).collect()
}

#[track_caller]
fn never_inside(out: &Output, real: &str) {
    for stream in [out.text(), out.errors()] {
        assert!(!stream.contains(real), "{stream}");
    }
}

/// A program finds a placeholder in the variable; the server finds the secret in each place, from each source.
#[test]
fn a39_the_server_sees_the_secret_and_the_program_a_placeholder() {
    let value = |name: &str| format!("sk_test_{name}4eC39HqLyjWDarjtT1zdp7");
    let table = |name: &str, from: &str, place: &str| {
        format!("[secret.{name}]\nfrom = \"{from}\"\nfor = \"mirror.example\"\nplace = \"{place}\"\n")
    };
    let all = [
        table("ONE", "env:OUTSIDE", "header:x-key"),
        table("TWO", "file:~/.two", "bearer"),
        table("THREE", "cmd:cat /proc/self/cwd/../../.three", "basic"),
        table("FOUR", "store:FOUR", "query:key"),
        table("FIVE", "env:FIVE", "json:token"),
        table("SIX", "env:SIX", "form:client_secret"),
    ];
    let mut hosts = hosts(&all.concat());
    for name in [".two", ".three"] {
        let path = hosts.world.home().join(name);
        fs::write(&path, format!("{}\n", value(&name[1..].to_uppercase()))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    hosts.world.remember();
    let program = fumehood_tests::fumehood();
    let add = [
        program.to_str().unwrap(),
        "secret",
        "add",
        "FOUR",
        "--for",
        "mirror.example",
    ];
    let stored = value("FOUR");
    let stored = hosts.world.sandbox().stdin(stored.as_bytes()).start_words(&add);
    stored.wait().ended(0);
    let real = [
        ("OUTSIDE", value("ONE")),
        ("FIVE", value("FIVE")),
        ("SIX", value("SIX")),
    ];
    let real: Vec<(&str, &str)> = real.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let ran = sh(
        &hosts,
        &real,
        r#"set -e
        curl -sS -H "X-Key: $ONE" https://mirror.example/one
        curl -sS -H "Authorization: Bearer $TWO" https://mirror.example/two
        curl -sS -u "user:$THREE" https://mirror.example/three
        curl -sS -G --data-urlencode "key=$FOUR" https://mirror.example/four
        curl -sS -H 'Content-Type: application/json' -d '{"a":["b"],"token":"'$FIVE'"}' https://mirror.example/five
        curl -sS --data-urlencode "client_secret=$SIX" https://mirror.example/six
        for name in ONE TWO THREE FOUR FIVE SIX; do eval "printf '\nvar %s\n' \"\$$name\""; done; echo "[$OUTSIDE]""#,
    );
    let inside = ran.out.ended(0);
    let seen = mirrored(&ran);
    assert_eq!(seen.len(), 6, "{}\n{}", ran.log, ran.out.errors());
    let expected = [
        format!("x-key: {}", value("ONE")),
        format!("authorization: Bearer {}", value("TWO")),
        format!(
            "authorization: Basic {}",
            STANDARD.encode(format!("user:{}", value("THREE")))
        ),
        format!("/four?key={}", value("FOUR")),
        format!("\\\"token\\\":\\\"{}\\\"", value("FIVE")),
        format!("client_secret={}", value("SIX")),
    ];
    for (seen, expected) in seen.iter().zip(&expected) {
        assert!(
            seen.to_lowercase().contains(&expected.to_lowercase())
                && seen.contains(expected.split(' ').next_back().unwrap()),
            "{seen} lacks {expected}"
        );
    }
    for name in ["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX"] {
        never_inside(&ran.out, &value(name));
    }
    never_inside(&ran.out, &STANDARD.encode(format!("user:{}", value("THREE"))));
    let placeholders: Vec<&str> = inside.lines().filter_map(|l| l.strip_prefix("var ")).collect();
    assert_eq!(placeholders.len(), 6, "{inside}");
    for (placeholder, name) in placeholders
        .into_iter()
        .zip(["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX"])
    {
        assert!(placeholder.starts_with("sk_test_"), "{placeholder}");
        assert_eq!(placeholder.len(), value(name).len());
    }
    assert!(inside.ends_with("[]"), "{inside}");
}

/// Where programs look for it: a file of their own form, in a home that is thrown away and in one that is kept.
#[test]
fn a_file_holds_the_placeholder() {
    let secrets = [
        secret(
            "NETRC",
            "file = \"~/.config/test/netrc\"\ntext = \"machine mirror.example login me password {}\\n\"",
        ),
        secret("PLAIN", "file = \"/run/secrets/plain\""),
    ];
    let hosts = hosts(&secrets.concat());
    let real = [("NETRC", REAL), ("PLAIN", "sk_test_plain4eC39HqLyjWDarjtT1")];
    let script = "curl -sS --netrc-file ~/.config/test/netrc https://mirror.example/netrc
        curl -sS -H \"X-Key: $(cat /run/secrets/plain)\" https://mirror.example/plain
        [ \"$(cat /run/secrets/plain)\" = \"$PLAIN\" ] && echo x 2>/dev/null >/run/secrets/plain || echo same, read-only";
    for preset in [&[][..], &["--preset", "codex"]] {
        let sandbox = real
            .iter()
            .fold(hosts.world.sandbox(), |s, (name, value)| s.env(name, value));
        let out = hosts.around(sandbox).flags(preset).run(&["sh", "-c", script]);
        assert!(out.ended(0).ends_with("same, read-only"), "{}", out.errors());
        real.iter().for_each(|(_, value)| never_inside(&out, value));
    }
    let log = hosts.log();
    assert_eq!(
        log.matches(&STANDARD.encode(format!("me:{REAL}"))).count(),
        2,
        "{log}"
    );
    assert_eq!(log.matches("sk_test_plain4eC39HqLyjWDarjtT1").count(), 2, "{log}");
    // Nothing of it is left in the user's own home.
    assert!(!hosts.world.home().join(".config/test").exists());
}

/// A44: a redirect goes back to the client, with the placeholder in it; nobody follows it with the secret.
#[test]
fn a44_a_redirect_is_not_followed_with_the_secret() {
    let hosts = hosts(&secret("KEY", ""));
    let script = r#"
        url=$(curl -sS -o /dev/null -w '%{http_code} %{redirect_url}' https://mirror.example/redirect -H "X-Key: $KEY")
        test "$url" = "302 https://good.example/landed?key=$KEY" && echo same
        curl -sSL --location-trusted -o /dev/null -w '%{http_code} %{url_effective}\n' https://mirror.example/redirect -H "X-Key: $KEY" |
            sed "s#$KEY#PLACEHOLDER#"
    "#;
    let ran = sh(&hosts, &[("KEY", REAL)], script);
    ran.prints("same\n403 https://good.example/landed?key=PLACEHOLDER");
    never_inside(&ran.out, REAL);
    let mirrored = mirrored(&ran);
    assert_eq!(mirrored.len(), 2, "{}", ran.log);
    assert!(
        mirrored.iter().all(|request| request.contains(REAL)),
        "{}",
        ran.log
    );
    assert!(!ran.log.contains("landed"), "{}", ran.log);
}

/// A40, A41: to any other host, port, method, path or place, or without TLS, the request is refused as a whole, and
/// nobody outside hears of it; also where the placeholder is percent-encoded or within Basic.
#[test]
fn a40_a41_elsewhere_the_request_is_refused() {
    let secrets = [
        secret("KEY", ""),
        secret(
            "ONLY",
            "methods = [\"GET\"]\npaths = [\"/v1/**\"]\nplace = \"bearer\"",
        ),
        "[secret.CLEAR]\nfrom = \"env:CLEAR\"\nfor = \"mirror.example:80\"\n".to_owned(),
    ];
    let hosts = hosts(&secrets.concat());
    let real = [
        ("KEY", REAL),
        ("ONLY", "sk_test_only4eC39HqLyjWDarjtT1"),
        ("CLEAR", "sk_test_clear4eC39HqLyjWDarjt"),
    ];
    let ran = python(
        &hosts,
        &real,
        r#"
K, O, C = E["KEY"], E["ONLY"], E["CLEAR"]
bearer = {"Authorization": "Bearer " + O}
coded = "".join("%%%02x" % b for b in K.encode())
basic = "Basic " + base64.b64encode(("u:" + K).encode()).decode()
for what, (status, body) in {
    "host": ask("/", {"X-Key": K}, host="good.example"),
    "host, in part": ask("/", {"X-Key": "a" + K + "b"}, host="good.example"),
    "host, basic": ask("/", {"Authorization": basic}, host="good.example"),
    "host, coded": ask("/?q=" + coded, host="good.example"),
    "host, path": ask("/" + coded, host="good.example"),
    "port": ask("/", {"X-Key": K}, port=8443),
    "method": ask("/v1/x", bearer, method="POST", body="x"),
    "path": ask("/v2/x", bearer),
    "dots": ask("/v1/../v2/x", bearer),
    "place": ask("/v1/x", {"X-Key": O}),
    "query": ask("/?key=" + urllib.parse.quote(K, safe="")),
    "clear": ask("/", {"X-Key": C}, port=80, tls=False),
    "trace": ask("/", {"X-Key": K}, method="TRACE"),
}.items(): print(what, status)
print(*[ask("/v1/ok", bearer)[0], ask("/", {"X-Key": K})[0]])
print(ask("/", {"X-Key": K}, host="good.example")[1].decode())
"#,
    );
    let text = ran.out.ended(0);
    let refused = text.lines().take_while(|l| !l.starts_with("200"));
    for line in refused.clone() {
        // What could be read as two paths is refused for that.
        let status = if line.starts_with("dots") { " 400" } else { " 403" };
        assert!(line.ends_with(status), "{line}\n{text}\n{}", ran.log);
    }
    assert_eq!(refused.count(), 13, "{text}\n{}", ran.log);
    assert!(text.contains("200 200"), "{text}");
    assert!(
        text.contains("secret.KEY") && text.contains("the credential KEY is not for good.example"),
        "{text}"
    );
    ran.says("blocked good.example:443: GET: the credential KEY is not for good.example:443; add \"good.example:443\" to `for` of [secret.KEY]\n")
        .says("blocked mirror.example:443: POST: the credential ONLY is not for the method POST;");
    assert_eq!(mirrored(&ran).len(), 2, "{}", ran.log);
    assert!(!ran.log.contains("\"good\": \"http\""), "{}", ran.log);
    for (_, value) in real {
        never_inside(&ran.out, value);
    }
}

fn audit(hosts: &Hosts, words: &[&str]) -> Output {
    hosts.world.sandbox().verb(&[&["audit"], words].concat())
}

/// The log says which credentials went into which request, by name, and which requests the broker did not send; the receipt
/// names those that were used, and is signed as a whole: who has it and the account's first key needs nothing else.
#[test]
fn used_credentials_and_refused_requests_are_recorded_and_on_a_signed_receipt() {
    let hosts = hosts(&[secret("KEY", ""), secret("SPARE", "")].concat());
    let real = [("KEY", REAL), ("SPARE", "sk_test_spare4eC39HqLyjWDarjt")];
    let ran = python(
        &hosts,
        &real,
        r#"
K = E["KEY"]
print(ask("/one", {"X-Key": K})[0], ask("/two", {"X-Key": K})[0])
print(ask("/three", {"X-Key": K}, host="good.example")[0])
"#,
    );
    assert_eq!(ran.out.ended(0).trim(), "200 200\n403", "{}", ran.log);
    let number = |line: &str, name: &str| -> u64 {
        let rest = line.split(&format!("\"{name}\":")).nth(1).unwrap_or_default();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("{name}: {line}"))
    };
    let effects = audit(&hosts, &["query", "--kind", "effect", "--json"]).ended(0);
    // The record of the request is what led to it.
    let caused = |line: &str, path: &str| {
        let cause = number(line, "cause");
        let effect = effects
            .lines()
            .find(|l| l.contains("\"sequence\"") && number(l, "sequence") == cause);
        assert!(
            effect.is_some_and(|l| l.contains(path)),
            "{path}: {line}: {effects}"
        );
    };
    let used = audit(&hosts, &["query", "--kind", "credential.use", "--json"]).ended(0);
    let used: Vec<&str> = used.lines().filter(|l| l.contains("\"names\":\"KEY\"")).collect();
    assert_eq!(used.len(), 2, "{used:?}");
    caused(used[0], "/one");
    caused(used[1], "/two");
    let failed = audit(&hosts, &["query", "--kind", "effect.failed", "--json"]).ended(0);
    let failed: Vec<&str> = failed.lines().filter(|l| l.contains("\"error\"")).collect();
    assert!(
        failed.len() == 1 && failed[0].contains("the credential KEY is not for good.example:443"),
        "{failed:?}"
    );
    caused(failed[0], "/three");
    let card = audit(&hosts, &["receipt"]).ended(0);
    for words in [
        "credential  KEY: put into 2 requests",
        "credential  not used: SPARE",
        "not sent    1 request that had been allowed",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }

    // Signed, with another key than the account's first one.
    let key = audit(&hosts, &["key"]).ended(0);
    audit(&hosts, &["key", "--rotate"]).ended(0);
    let receipt = format!("{}\n", audit(&hosts, &["receipt", "--signed"]).ended(0));
    let logs = hosts.world.own("state").join("fumehood/audit");
    fs::rename(&logs, logs.with_extension("elsewhere")).unwrap();
    let file = hosts.world.own("state").join("receipt");
    let verify = |text: &str| {
        fs::write(&file, text).unwrap();
        audit(&hosts, &["verify-receipt", file.to_str().unwrap(), "--key", &key])
    };
    let shown = verify(&receipt).ended(0);
    assert!(shown.starts_with("signed by fumehood.local/"), "{shown}");
    assert!(shown.contains("credential  KEY: put into 2 requests"), "{shown}");
    for (from, to) in [("into 2 requests", "into 3 requests"), ("SPARE", "SPORE")] {
        let out = verify(&receipt.replacen(from, to, 1));
        assert!(
            out.code == 125 && out.errors().contains("not signed by"),
            "{out:?}"
        );
    }
    for (_, value) in real {
        never_inside(&ran.out, value);
        assert!(!card.contains(value) && !shown.contains(value));
    }
    let everywhere = fumehood_tests::host_program("grep")
        .args(["-rla", "4eC39HqLyj"])
        .arg(logs.with_extension("elsewhere"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&everywhere.stdout),
        "",
        "a secret is in the log"
    );
}

/// A42: to a host that one of the user's credentials is for, no other account's goes; to others it is the
/// program's own business.
#[test]
fn a42_another_account_is_not_used_where_the_users_is() {
    let hosts = hosts(&secret("KEY", ""));
    let ran = python(
        &hosts,
        &[("KEY", REAL)],
        r#"
theirs = {"Authorization": "Bearer theirs-0123456789abcdef"}
print(ask("/", theirs)[0], ask("/", {"X-Api-Key": "theirs"})[0], ask("/?access_token=theirs")[0], ask("/", {"Cookie": "session=theirs"})[0],
      ask("/", theirs, host="good.example")[0], ask("/")[0])
"#,
    );
    ran.prints("403 403 403 403 200 200");
    assert_eq!(mirrored(&ran).len(), 1, "{}", ran.log);
    assert_eq!(ran.log.matches("theirs").count(), 1, "{}", ran.log);
}

/// A39, A47: whatever a server sends back of a secret, in each encoding, at each offset, compressed, and cut
/// anywhere, arrives as the placeholder.
#[test]
fn a39_a47_what_comes_back_is_the_placeholder() {
    let hosts = hosts(&secret("KEY", "place = [\"header\", \"query:key\"]"));
    let ran = python(
        &hosts,
        &[("KEY", REAL)],
        r#"
K = E["KEY"]
print("placeholder", K)
for form in sys.argv[1:] or "plain hex upper percent twice json unicode html base64-0 base64-1 base64-2 url64-0 url64-1 url64-2 gzip deflate unknown field".split():
    status, raw = ask("/reflect/" + form, {"X-Key": K})
    print(form, status, base64.b64encode(raw).decode())
"#,
    );
    let text = ran.out.ended(0);
    let placeholder = text
        .lines()
        .next()
        .unwrap()
        .strip_prefix("placeholder ")
        .unwrap()
        .to_owned();
    assert_ne!(placeholder, REAL);
    let mut seen = 0;
    for line in text.lines().skip(1) {
        let [form, status, raw] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let raw = STANDARD.decode(raw).unwrap();
        let decoded = decoded(form, &raw);
        assert!(
            !holds(&raw, REAL) && !holds(&decoded, REAL),
            "{form}: {}",
            String::from_utf8_lossy(&decoded)
        );
        if form == "unknown" {
            assert_eq!(status, "502", "{}", String::from_utf8_lossy(&raw));
        } else {
            assert_eq!(status, "200", "{form}");
            // Not its ends, of which a base64 form shares characters with what stands beside, and not where one
            // character was escaped and the others not. What was escaped so is blanked instead.
            let inner = &placeholder[3..15];
            let blank = ["twice", "html"].contains(&form) && holds(&raw, &"*".repeat(5 * REAL.len()));
            assert!(
                blank || holds(&decoded, inner),
                "{form}: {}",
                String::from_utf8_lossy(&raw)
            );
        }
        seen += 1;
    }
    assert_eq!(seen, 18, "{text}\n{}", ran.log);
    // The server had it each time.
    assert_eq!(ran.log.matches(REAL).count(), 18, "{}", ran.log);
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

/// The text that a form stands for.
fn decoded(form: &str, raw: &[u8]) -> Vec<u8> {
    let at = raw.windows(2).position(|w| w == b"\n\n").unwrap();
    let body = String::from_utf8_lossy(&raw[at + 2..]).into_owned();
    match form.split('-').next().unwrap() {
        "hex" | "upper" => hex(&body),
        "percent" => hex(&body.replace('%', "")),
        "twice" => hex(&String::from_utf8_lossy(&hex(&body.replace('%', ""))).replace('%', "")),
        "json" => body.replace("\\/", "/").into_bytes(),
        "unicode" => hex(&body.replace("\\u00", "")),
        "html" => body
            .split("&#")
            .filter_map(|c| c.strip_suffix(';')?.parse().ok())
            .collect(),
        "base64" => STANDARD.decode(body).unwrap(),
        "url64" => URL_SAFE.decode(body).unwrap(),
        _ => raw.to_vec(),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter_map(|b| char::from(b).to_digit(16))
        .map(|d| u8::try_from(d).unwrap())
        .collect();
    digits.chunks(2).map(|d| d[0] * 16 + d[1]).collect()
}

/// Review F15: a token that a server mints for the session's credential is a credential before anything inside
/// has seen it, and works there.
#[test]
fn f15_minted_tokens_stay_outside() {
    const MINTED: &str = "mint-4eC39HqLyjWDarjtT1zdp7dc0123456789";
    let hosts = hosts(&secret("KEY", ""));
    let ran = python(
        &hosts,
        &[("KEY", REAL)],
        r#"
import json
status, raw = ask("/mint", {"X-Key": E["KEY"]}, method="POST", body="")
token = json.loads(raw.split(b"\n\n", 1)[1])["access_token"]
print(token, ask("/use", {"Authorization": "Bearer " + token})[0], ask("/use", {"X-Key": token}, host="good.example")[0])
"#,
    );
    let text = ran.out.ended(0);
    never_inside(&ran.out, MINTED);
    assert!(text.ends_with(" 200 403"), "{text} {}", ran.log);
    assert!(
        mirrored(&ran)[1].contains(&format!("Bearer {MINTED}")),
        "{}",
        ran.log
    );
}

/// A request that a program signed with placeholders (AWS Signature Version 4) is signed again, over what leaves.
/// The secret key itself goes nowhere.
#[test]
fn aws_requests_are_signed_again() {
    let (id, key) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let secrets = [
        secret("AWS_ACCESS_KEY_ID", ""),
        secret("AWS_SECRET_ACCESS_KEY", "place = \"aws:AWS_ACCESS_KEY_ID\""),
    ];
    let hosts = hosts(&secrets.concat());
    let ran = sh(
        &hosts,
        &[("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", key)],
        r#"
        sign() { curl -sS -o /dev/null -w '%{http_code} ' --aws-sigv4 "aws:amz:eu-west-1:$1" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$2" ${3:+-d "$3"}; }
        sign s3 "https://mirror.example/bucket/key?list-type=2&prefix=a" ; sign s3 https://mirror.example/bucket/key body; sign sts https://mirror.example/ "Action=GetCallerIdentity"
        sign s3 https://good.example/; curl -sS -o /dev/null -w '%{http_code} ' -H "X-Key: $AWS_SECRET_ACCESS_KEY" https://mirror.example/
        echo; echo "$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY""#,
    );
    let text = ran.out.ended(0);
    assert!(text.starts_with("200 200 200 403 403"), "{text}\n{}", ran.log);
    assert_eq!(
        ran.log.matches(&format!("\"signed\": \"{id}\"")).count(),
        3,
        "{}",
        ran.log
    );
    assert_eq!(mirrored(&ran).len(), 3, "{}", ran.log);
    never_inside(&ran.out, id);
    never_inside(&ran.out, key);
    assert!(!ran.log.contains(key), "{}", ran.log);
}

/// The keys of agents need no configuration.
#[test]
fn an_agents_key_is_a_secret_by_itself() {
    const KEY: &str = "sk-ant-api03-4eC39HqLyjWDarjtT1zdp7dc4eC39HqLyjWDarjtT1zdp7dc-AA";
    let hosts = Hosts::new();
    let sandbox = hosts
        .world
        .sandbox()
        .env("ANTHROPIC_API_KEY", KEY)
        .flags(["--preset", "claude-code"]);
    let script = r#"curl -sS -H "x-api-key: $ANTHROPIC_API_KEY" https://api.anthropic.com/v1/models"#;
    let out = hosts.around(sandbox).run(&["sh", "-c", script]);
    never_inside(&out, KEY);
    assert!(
        out.ended(0).contains("x-api-key: sk-ant-api03-"),
        "{} {}",
        out.errors(),
        hosts.log()
    );
    assert!(
        hosts.log().contains(&format!("x-api-key: {KEY}")),
        "{}",
        hosts.log()
    );
}

/// Looks for a secret by what it begins with, which its placeholder does too, and its digest: the program that looks
/// does not hold it either.
const SCAN: &str = r#"
import hashlib, re
begins, length, digest = b"sk_" + b"test_", int(sys.argv[1]), sys.argv[2]
def holds(data):
    found = (m.start() for m in re.finditer(begins, data))
    return any(hashlib.sha256(data[at : at + length]).hexdigest() == digest for at in found)
def scan(path):
    try:
        with open(path, "rb") as f: return holds(f.read(1 << 26))
    except OSError: return False
found = []
for top in ("/etc", "/home", "/root", "/run", "/tmp", "/var", "/dev/shm", E["HOME"], os.getcwd()):
    for folder, _, names in os.walk(top):
        found += [p for p in (os.path.join(folder, n) for n in names) if os.path.isfile(p) and scan(p)]
read = 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    found += [p for p in (f"/proc/{pid}/{n}" for n in ("environ", "cmdline", "stat", "status", "maps")) if scan(p)]
    try: maps, mem = open(f"/proc/{pid}/maps").read(), open(f"/proc/{pid}/mem", "rb")
    except OSError: continue
    for line in maps.splitlines():
        a, b = (int(x, 16) for x in line.split()[0].split("-"))
        if line.split()[1][0] != "r" or b - a > 1 << 28: continue
        try: mem.seek(a); data = mem.read(b - a)
        except (OSError, ValueError, OverflowError): continue
        read += 1
        if holds(data): found.append(f"/proc/{pid}/mem {line}")
        del data
print("found", len(found), *found[:5], "of", read > 20)
"#;

/// What [`SCAN`] is told of the secret.
fn clue() -> [String; 2] {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(REAL);
    let digest: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    [REAL.len().to_string(), digest]
}

/// Nothing inside holds it: no file, no variable, no command line, no memory. A scan that is given one in a
/// variable finds it.
#[test]
fn nothing_inside_holds_it() {
    let [length, digest] = clue();
    let hosts = hosts(&secret("KEY", ""));
    let script = format!(
        "{PRELUDE}\nkept = [ask('/reflect/' + f, {{'X-Key': E['KEY']}}) for f in ('plain', 'base64-1', 'gzip')]\n{SCAN}"
    );
    let command = ["python3", "-c", &script, &length, &digest];
    let ran = run(&hosts, &[("KEY", REAL)], &command);
    ran.prints("found 0 of True");
    assert_eq!(mirrored(&ran).len(), 3);

    let control = Hosts::new();
    let script = format!("{PRELUDE}\n{SCAN}");
    let command = ["python3", "-c", &script, &length, &digest];
    let out = control
        .world
        .sandbox()
        .env("KEY", REAL)
        .flags(["--env", "KEY"])
        .run(&command);
    assert!(!out.ended(0).starts_with("found 0"), "{}", out.text());
}

/// Outside it is in the broker's memory and in no other process of fumehood. (The test reads them by what it may do
/// in the namespace that it made for its hosts; otherwise nobody but root can.)
#[test]
fn of_fumehoods_processes_only_the_broker_holds_it() {
    let hosts = hosts(&secret("KEY", ""));
    let script = format!(
        "{PRELUDE}\nprint(ask('/', {{'X-Key': E['KEY']}})[0]); open('ready', 'w').write('x'); sys.stdin.read()"
    );
    let sandbox: Sandboxed<'_> = hosts.around(hosts.world.sandbox().env("KEY", REAL));
    let mut running = sandbox
        .deadline(Duration::from_secs(60))
        .start(&["python3", "-c", &script]);
    running.await_file(&hosts.world.project().join("ready"));
    let supervisor = supervisor(running.pid());
    let mut held = Vec::new();
    let mut read = Vec::new();
    for (name, pid) in family(supervisor) {
        match memory(pid) {
            Some(bytes) if holds(&bytes, REAL) => held.push(name),
            Some(_) => read.push(name),
            None => panic!("{name} cannot be read"),
        }
    }
    assert_eq!(held, ["fumehood-broker"], "of {read:?}");
    assert!(read.contains(&"fumehood-gate".to_owned()), "{read:?}");
    assert!(read.contains(&"fumehood".to_owned()), "{read:?}");
    running.end_input();
    assert_eq!(running.wait().ended(0), "200");
}

fn supervisor(pid: u32) -> u32 {
    await_that("the supervisor", || descendant(pid, "fumehood").is_some());
    u32::try_from(descendant(pid, "fumehood").unwrap()).unwrap()
}

/// A process of fumehood and all of its own that it made; not what runs inside.
fn family(pid: u32) -> Vec<(String, u32)> {
    let own = children(pid)
        .into_iter()
        .filter(|(name, _)| name.starts_with("fumehood"));
    let own = own.map(|(name, pid)| (name, u32::try_from(pid).unwrap()));
    std::iter::once(("fumehood".to_owned(), pid)).chain(own).collect()
}

/// All that can be read of a process's memory and its environment.
fn memory(pid: u32) -> Option<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut all = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let mem = fs::File::open(format!("/proc/{pid}/mem")).ok()?;
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (range, mode) = (words.next()?, words.next()?);
        let (from, to) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (from, to) = (number(from)?, number(to)?);
        if !mode.starts_with('r') || to - from > 1 << 28 {
            continue;
        }
        let mut part = vec![0; usize::try_from(to - from).ok()?];
        if mem.read_exact_at(&mut part, from).is_ok() {
            all.extend(part);
        }
    }
    Some(all)
}

/// A38 and the rest of what cannot be opened: one line with the place and the fix, and the program never starts.
#[test]
fn a38_what_cannot_be_opened() {
    let table = |from: &str, rest: &str| {
        format!("[secret.KEY]\nfrom = \"{from}\"\nfor = \"mirror.example\"\n{rest}\n")
    };
    for (from, rest, value, why) in [
        ("env:KEY", "", "", "it is empty"),
        (
            "env:KEY",
            "",
            "sk_test_1234\r\nx-evil: 1",
            "it holds a line break",
        ),
        ("env:KEY", "", "short", "it has 5 bytes"),
        (
            "env:KEY",
            "require = \"^sk_test_\"",
            "sk_live_4eC39HqLyjWD",
            "it does not match `^sk_test_`",
        ),
        ("env:NOT_SET", "", "x", "the variable NOT_SET is not set"),
        ("file:~/.missing", "", "x", "no such file"),
        ("file:~/.netrc", "", "x", "chmod 600 it"),
        ("cmd:false", "", "x", "false ended with"),
        ("store:KEY", "", "x", "the store has no KEY"),
    ] {
        let hosts = hosts(&table(from, rest));
        let out = hosts.world.sandbox().env("KEY", value).run(&["true"]);
        out.refused(125, &["config.toml:8:9: secret KEY: "]);
        assert!(
            out.errors().to_lowercase().contains(&why.to_lowercase()),
            "{} does not say {why}",
            out.errors()
        );
        assert!(!out.errors().contains("4eC39") && !out.errors().contains("evil"));
    }
}
