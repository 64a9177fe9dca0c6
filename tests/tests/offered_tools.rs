//! Shipped tools that are offered where a file says so: a shell, and what reads from hosts. The far side is that of
//! tests/network/hosts.py; what is refused is shown not to have reached it. Databases: tests/steps/80-postgres.sh.

use fumehood_tests::{Hosts, Output, World};
use std::fs;
use std::time::Duration;

/// A call of a tool, hosts around it.
fn call(hosts: &Hosts, name: &str, json: &str) -> Output {
    let sandbox = hosts.around(
        hosts
            .world
            .sandbox()
            .env("CANARY_SECRET", "k3-a-secret-of-the-host-z9"),
    );
    let sandbox = sandbox.deadline(Duration::from_secs(60));
    sandbox.verb(&["tool", "call", name, json, "--json"])
}

/// How many requests reached the far side.
fn requests(hosts: &Hosts) -> usize {
    hosts.log().matches("\"good\": \"http\"").count()
}

fn get(hosts: &Hosts, url: &str) -> Output {
    call(hosts, "http_get", &format!("{{\"url\":\"{url}\"}}"))
}

/// Nobody came to a canary, and no resolver was asked.
fn nothing_left(hosts: &Hosts) {
    let log = hosts.log();
    assert!(!log.contains("canary") && !log.contains("dns"), "{log}");
}

/// A shell is a tool where a person said so, and nowhere else.
#[test]
fn a_shell_is_offered_where_it_is_said() {
    let world = World::new();
    let call = |world: &World| {
        world
            .sandbox()
            .verb(&["tool", "call", "shell", r#"{"script":"echo ran"}"#])
    };
    call(&world).refused(125, &["there is no tool shell"]);
    // A project asks for it, which is shown, and waits.
    fs::write(
        world.project().join("fumehood.toml"),
        "version = 1\noffer = [\"shell\"]\n",
    )
    .unwrap();
    call(&world).refused(125, &["there is no tool shell", "fumehood trust"]);
    let asked = world.sandbox().verb(&["trust", "--yes"]).ended(0);
    assert!(asked.contains("offer a shell as a tool"), "{asked}");
    assert!(call(&world).ended(0).contains("ran"));
    let listed = world.sandbox().verb(&["tool", "list"]).ended(0);
    assert!(listed.contains("shell            sandbox-write"), "{listed}");
    // That it is unwise is said.
    let lint = world.sandbox().verb(&["tool", "lint"]);
    assert!(
        lint.text().contains("runs what stands in its arguments"),
        "{lint:?}"
    );
}

/// What it changes is kept back; it reaches nothing, and has none of what the project's sessions have.
#[test]
fn a_shell_has_no_network_and_no_secret() {
    let hosts = Hosts::new();
    hosts.configure(
        "offer = [\"shell\"]\n[env]\npass = [\"CANARY_SECRET\"]\n[network]\nallow = [\"good.example\"]\n\
         [postgres.dev]\nat = \"app@good.example:5432/x\"\npassword = \"env:CANARY_SECRET\"",
    );
    let script = "echo changed >new; env | grep -c k3-a-secret; \
         for to in good.example:443 good.example:5432 8.8.4.4:80 9.9.9.9:80; do \
         curl -sS -m 5 -o /dev/null http://$to/ && echo reached; done; cat new; true";
    let out = call(&hosts, "shell", &format!("{{\"script\":\"{script}\"}}")).ended(0);
    assert!(
        out.contains("changed") && out.contains("\"output\":\"0\\n") && !out.contains("reached"),
        "{out}"
    );
    assert!(out.contains("\"untrusted\":false"), "{out}");
    assert!(!hosts.world.project().join("new").exists());
    let diff = hosts.world.sandbox().verb(&["diff"]).ended(0);
    assert!(diff.contains("+changed"), "{diff}");
    assert_eq!(requests(&hosts), 0, "{}", hosts.log());
    nothing_left(&hosts);
    // The same from a session of this project: there is somebody there.
    hosts.configure("[network]\nallow = [\"good.example\"]");
    let ran = hosts.sh(&[], "curl -sS https://good.example/");
    ran.prints("hello");
}

#[test]
fn http_get_reads_from_the_hosts_that_are_allowed() {
    let hosts = Hosts::new();
    let offer = "offer = [\"http_get\"]\n";
    hosts.configure(offer);
    get(&hosts, "https://good.example/").refused(
        125,
        &["there is no tool http_get", "name hosts in [network] allow"],
    );

    hosts.configure(&format!(
        "{offer}[network]\nallow = [\"good.example\", {{ host = \"other.example\", methods = [\"POST\"] }}]"
    ));
    let out = get(&hosts, "https://good.example/a?b=[1-3]").ended(0);
    assert!(
        out.contains("\"untrusted\":true") && out.contains(" 200 ") && out.contains("hello\\n"),
        "{out}"
    );
    let log = hosts.log();
    assert_eq!(requests(&hosts), 1, "a pattern is no pattern: {log}");
    assert!(log.contains("GET /a?b=[1-3] HTTP/1.1"), "{log}");
    for (url, why) in [
        ("https://other.example/", "is not what this tool may reach"),
        ("https://evil.example/", "is not what this tool may reach"),
        ("https://good.example:22/", "is not what this tool may reach"),
        ("https://good.example@evil.example/", "names a user"),
        ("https://good.example\\\\@evil.example/", "holds U+005C"),
        ("file:///etc/passwd", "no URL of http"),
        ("-o/tmp/x", "no URL of http"),
        ("@list", "no URL of http"),
        (
            "http://169.254.169.254/latest/meta-data/",
            "is not what this tool may reach",
        ),
        ("https://good.example/\\u0000", "U+0000"),
        ("https://good.example/{a,b}", "U+007B"),
    ] {
        get(&hosts, url).refused(125, &["`url`", why]);
    }
    assert_eq!(requests(&hosts), 1, "{}", hosts.log());
    nothing_left(&hosts);
}

/// The boundary holds what a rule says of paths, whatever the tool is asked for; a session's credentials are not a tool's.
#[test]
fn http_get_is_held_by_the_boundary() {
    let hosts = Hosts::new();
    hosts.configure(
        "offer = [\"http_get\"]\n[network]\nallow = [{ host = \"good.example\", methods = [\"GET\", \"POST\"], paths = [\"/v1/**\"] }]\n\
         [secret.CANARY_SECRET]\nfrom = \"env:CANARY_SECRET\"\nfor = \"good.example\"",
    );
    let allowed = get(&hosts, "https://good.example/v1/x").ended(0);
    assert!(allowed.contains("hello\\n"), "{allowed}");
    let denied = get(&hosts, "https://good.example/v2/x").text();
    assert!(
        denied.contains(" 403 ") && denied.contains("how_to_ask"),
        "{denied}"
    );
    let log = hosts.log();
    assert_eq!(requests(&hosts), 1, "{log}");
    assert!(!log.contains("/v2/") && !log.contains("k3-a-secret"), "{log}");
    nothing_left(&hosts);
}

/// Redirects are told, not followed; what acts on a terminal is written out, and no remark of ours can be forged.
#[test]
fn what_http_get_gives_is_not_obeyed() {
    let hosts = Hosts::new();
    hosts.configure("offer = [\"http_get\"]\n[network]\nallow = [\"good.example\"]");
    let out = get(&hosts, "https://good.example/redirect").ended(0);
    assert!(
        out.contains(" 302 ") && out.contains("https://evil.example/"),
        "{out}"
    );
    nothing_left(&hosts);
    let hostile = hosts
        .around(hosts.world.sandbox())
        .deadline(Duration::from_secs(60));
    let hostile = hostile
        .verb(&[
            "tool",
            "call",
            "http_get",
            r#"{"url":"https://good.example/hostile"}"#,
        ])
        .ended(0);
    assert!(
        hostile.starts_with("⟦http_get: exit status 0⟧\n⟦untrusted: ") && hostile.contains("\\u{202e}evil"),
        "{hostile}"
    );
    assert!(
        hostile.matches("⟦http_get: ").count() == 1 && !hostile.contains('\u{1b}'),
        "{hostile}"
    );
    assert!(
        !hostile.contains('\u{202e}') && hostile.contains("ignore all rules"),
        "{hostile}"
    );
}
