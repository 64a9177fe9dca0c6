//! The network in the log: every connection with its rule and its bytes, also those that were refused.

use fumehood_tests::{Hosts, Output, World};
use std::time::Duration;

fn audit(world: &World, words: &[&str]) -> Output {
    let mut all = vec![fumehood_tests::fumehood().into_os_string(), "audit".into()];
    all.extend(words.iter().map(|w| (*w).into()));
    world.sandbox().start_words(&all).wait()
}

#[test]
fn every_destination_is_in_the_log_with_its_rule_and_its_bytes() {
    let hosts = Hosts::new();
    // Ports on which nobody speaks HTTP: what passes is not read, and a private address is refused at once.
    let flags = ["--allow", "good.example:5432", "--allow", "private.example:5432"];
    let ran = hosts.python(
        &flags,
        "for n in range(5): dial('9.9.9.9', 443)
dial('evil.example', 443)
print(dial('good.example', 5432, b'eighteen bytes ...'), dial('good.example', 22), dial('private.example', 5432))",
    );
    ran.nothing_left();
    let world = &hosts.world;
    let flows = audit(world, &["query", "--kind", "flow", "--json"]).ended(0);
    let of = |words: &[&str]| {
        let fits = |line: &&str| words.iter().all(|w| line.contains(w));
        flows.lines().filter(fits).count()
    };
    // By its address: of a name a client may or may not try the second one too.
    let denied = ["\"decision\":\"deny\"", "\"host\":\"9.9.9.9\"", "\"port\":443"];
    let rule = "\"rule\":\"no rule allows this host\"";
    // At 1, 2 and 4 of the five, and at the end.
    for times in [1, 2, 4, 5] {
        let times = format!("\"times\":{times}}}");
        assert_eq!(of(&[&denied[..], &[rule, &times]].concat()), 1, "{times} {flows}");
    }
    assert_eq!(of(&denied), 4, "{flows}");
    let rules = [
        ["deny", "evil.example", "no rule allows this host"],
        [
            "deny",
            "good.example",
            "the rule for this host is for another port",
        ],
        [
            "deny",
            "private.example",
            "the name leads to a private address, which no rule names",
        ],
        ["allow", "good.example", "good.example:5432"],
    ];
    for [decision, host, rule] in rules {
        let words =
            [("decision", decision), ("host", host), ("rule", rule)].map(|(n, v)| format!("\"{n}\":\"{v}\""));
        let words = words.each_ref().map(String::as_str);
        assert!(of(&words) > 0, "{words:?}: {flows}");
    }

    // The end of a connection has its bytes, and names its beginning.
    let ends = audit(
        world,
        &["query", "--kind", "flow.end", "--host", "good.example", "--json"],
    )
    .ended(0);
    assert!(
        ends.contains("\"sent\":18}") && ends.contains("\"cause\":"),
        "{ends}"
    );
    let of_host = audit(world, &["query", "--host", "evil.example"]).ended(0);
    assert!(
        of_host.contains("deny evil.example:443: no rule allows this host"),
        "{of_host}"
    );
    let told = audit(world, &["show"]).ended(0);
    for words in [
        "deny 9.9.9.9:443: no rule allows this host (5 times until now)",
        "allow good.example:5432: rule good.example:5432",
        "good.example:5432: 18 bytes out, ",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let page = audit(world, &["report", "--html"]).ended(0);
    assert!(
        page.contains(
            "<tr class=\"deny\"><td>9.9.9.9:443</td><td>deny</td><td>no rule allows this host</td><td>5</td>"
        ),
        "{page}"
    );
    let exported = audit(world, &["export", "--ocsf"]).ended(0);
    assert!(
        exported.contains("\"type_uid\":400105") && exported.contains("\"bytes_out\":18"),
        "{exported}"
    );
    let verified = audit(world, &["verify"]).ended(0);
    assert!(verified.contains("1 whole"), "{verified}");
}

/// One sandbox that opens connections as fast as it can does not keep another from being served.
#[test]
fn a_flood_of_one_sandbox_does_not_starve_another() {
    let (flood, other) = (Hosts::new(), Hosts::new());
    let project = flood.world.project();
    let flooding = std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            flood.python(
                &["--live", "--allow", "good.example:5432"],
                "import time
open('flooding', 'w').close()
n, end = 0, time.monotonic() + 60
while n < 5000000 and time.monotonic() < end and not os.path.exists('stop'):
    s = socket.socket(); s.setblocking(False); s.connect_ex(('198.18.77.77', 80 + n % 7)); s.close(); n += 1
print(os.path.exists('stop'), n > 0)",
            )
        });
        while !project.join("flooding").exists() && !running.is_finished() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let served = other.python(
            &["--allow", "good.example:5432"],
            "print(dial('good.example', 5432))",
        );
        std::fs::write(project.join("stop"), "").unwrap();
        served.prints("ready").nothing_left();
        running.join().unwrap()
    });
    // It flooded until it was told to stop: the other was served meanwhile.
    flooding.prints("True True").nothing_left();
    let flows = audit(&flood.world, &["query", "--kind", "flow"]).ended(0);
    assert!(
        flows.lines().count() < 400,
        "the log is not flooded: {}",
        flows.lines().count()
    );
    audit(&flood.world, &["verify"]).ended(0);
}

/// A request that is read is recorded with what it asks for, before it is sent; its query, where clients put what is
/// nobody's business, as a digest.
#[test]
fn a_request_that_is_sent_is_recorded() {
    let hosts = Hosts::new();
    hosts.configure(
        "[network]\nallow = [{ host = \"good.example\", methods = [\"GET\", \"POST\"], paths = [\"/**\"] }]",
    );
    let script =
        "curl -sS 'https://good.example/a/b?token=not-to-be-kept'; curl -sS -d body https://good.example/c";
    let ran = hosts.sh(&[], script);
    assert_eq!(
        ran.log.matches("\"good\": \"http\"").count(),
        2,
        "{} {}",
        ran.log,
        ran.out.errors()
    );
    let world = &hosts.world;
    let found = audit(world, &["query", "--kind", "effect"]).ended(0);
    for words in [
        "allow http.read GET good.example:443/a/b",
        "allow http.mutate POST good.example:443/c",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
    let all = audit(world, &["export", "--jsonl"]).ended(0);
    let effects = all.lines().filter(|line| line.contains("\"kind\":\"effect\""));
    for line in effects {
        assert!(
            !line.contains("not-to-be-kept") && line.contains("\"target.digest\":"),
            "{line}"
        );
    }
    let mutations = audit(world, &["query", "--effect", "http.mutate"]).ended(0);
    assert_eq!(mutations.lines().count(), 1, "{mutations}");
}
