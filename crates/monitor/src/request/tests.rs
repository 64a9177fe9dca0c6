use super::*;
use fumehood_destination::{Destination, Rule};
use fumehood_http::Scheme;
use fumehood_http::h1::read_request;
use fumehood_policy::config::Allow;
use fumehood_policy::profile::EffectRule;
use fumehood_policy::value::Word;

fn rules(all: &[(&str, &[&str])]) -> Rules {
    let rule = |(host, methods): &(&str, &[&str])| {
        let all = fumehood_policy::config::Method::ALL;
        let named = |word: &&str| all.iter().find(|(w, _)| w == word).map(|(_, m)| *m).unwrap();
        let allow = Allow {
            host: host.parse().unwrap(),
            methods: methods.iter().map(named).collect(),
            paths: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            tunnel: false,
        };
        Rule::new(&allow).unwrap()
    };
    Rules::new(all.iter().map(rule).collect()).unwrap()
}

fn head(host: &str, line: &str, fields: &str) -> RequestHead {
    let to = Destination::authority(format!("{host}:443").as_bytes(), None).unwrap();
    let text = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
    read_request(text.as_bytes(), Scheme::Https, &to)
        .unwrap()
        .unwrap()
        .head
}

fn says(judgement: &Judgement) -> String {
    match judgement {
        Judgement::Release(_) => "release".into(),
        Judgement::Own(_, effect) => format!("own {} {}", effect.kind, effect.resource.name),
        Judgement::Body(_) => "body".into(),
        Judgement::Hold(held) => {
            let effect = held.effect(&"s".parse().unwrap());
            format!(
                "hold {} {} {}",
                effect.kind, effect.resource.system, effect.resource.name
            )
        }
        Judgement::Deny(denial) => format!("{} {}", denial.status, denial.reason),
    }
}

fn asked(rules: &Rules, head: &RequestHead, body: Body) -> String {
    let session = "k3x-7".parse().unwrap();
    let catalogue = Catalogue::shipped().unwrap();
    let pushes = Pushes::default();
    let standing = Standing {
        session: &session,
        pushes: &pushes,
    };
    says(&judge(
        rules,
        &Effects::default(),
        &catalogue,
        head,
        body,
        Some(standing),
    ))
}

#[test]
fn the_rules_come_first_and_say_how_to_ask() {
    let rules = rules(&[("a.example", &[])]);
    let get = head("a.example", "GET /x", "");
    assert_eq!(asked(&rules, &get, Body::Unread), "release");
    let Judgement::Deny(denial) = judge(
        &rules,
        &Effects::default(),
        &Catalogue::default(),
        &head("a.example", "POST /x", ""),
        Body::Unread,
        None,
    ) else {
        panic!("released")
    };
    assert_eq!(
        denial.reason,
        "POST a.example:443: the rule does not allow this method"
    );
    assert_eq!(denial.rule, "network.allow a.example");
    assert!(denial.remedy.contains("methods = [\"POST\"]"));
    let other = asked(&rules, &head("b.example", "GET /", ""), Body::Unread);
    assert_eq!(other, "403 GET b.example:443: no rule allows this host");
}

/// A35: a method that a field would put in its place counts as well.
#[test]
fn a35_a_method_in_a_field_is_judged_too() {
    let rules = rules(&[("a.example", &[])]);
    for name in OVERRIDES {
        let get = head("a.example", "GET /x", &format!("{name}: DELETE\r\n"));
        assert_eq!(
            asked(&rules, &get, Body::Unread),
            "403 DELETE a.example:443: the rule does not allow this method"
        );
    }
}

/// A34: a path with more than one meaning is judged by nobody.
/// A23: an allowed host is no resolver of names unless its rule names the paths.
#[test]
fn a23_a_resolver_over_https_is_not_reached_by_a_bare_host() {
    let bare = rules(&[("cdn.example", &["GET", "POST"])]);
    let mut named = Allow::host("cdn.example".parse().unwrap());
    named.paths = vec!["/dns-query".parse().unwrap()];
    let named = Rules::new(vec![Rule::new(&named).unwrap()]).unwrap();
    for (line, fields) in [
        (
            "GET /dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB",
            "",
        ),
        ("GET /resolve?name=a.example", "Accept: application/dns-json\r\n"),
        (
            "POST /x",
            "Content-Type: Application/DNS-Message; v=1\r\nContent-Length: 3\r\n",
        ),
        (
            "GET /x",
            "Accept: text/html, application/oblivious-dns-message\r\n",
        ),
        ("GET /a/dns-query?dns=AAAB", ""),
        ("GET /dns-query", ""),
    ] {
        let head = head("cdn.example", line, fields);
        let said = asked(&bare, &head, Body::Absent);
        assert!(
            said.starts_with("403") && said.contains("asks a resolver"),
            "{line}: {said}"
        );
    }
    let question = head(
        "cdn.example",
        "GET /dns-query?dns=AAAB",
        "Accept: application/dns-message\r\n",
    );
    assert_eq!(asked(&named, &question, Body::Absent), "release");
    for page in [
        "GET /docs/dns-query.html",
        "GET /owner/dns-query",
        "GET /owner/dns-query/info/refs?service=git-upload-pack",
    ] {
        let page = head("cdn.example", page, "Accept: */*\r\n");
        assert_eq!(asked(&bare, &page, Body::Absent), "release");
    }
}

#[test]
fn a34_paths_that_lead_upwards_are_refused() {
    let rules = rules(&[("a.example", &[])]);
    let up = head("a.example", "GET /a/%2e%2e/b", "");
    assert!(asked(&rules, &up, Body::Unread).starts_with("400 "));
}

#[test]
fn what_is_hard_to_undo_does_not_fly() {
    let rules = rules(&[("api.github.com", &["GET", "POST", "PUT", "DELETE"])]);
    let merge = head(
        "api.github.com",
        "PUT /repos/o/r/pulls/1/merge",
        "Content-Length: 2\r\n",
    );
    // A person allows bytes: the body is asked for though the path decides.
    assert_eq!(asked(&rules, &merge, Body::Unread), "body");
    let said = asked(&rules, &merge, Body::Bytes(b"{}".to_vec()));
    assert_eq!(
        said,
        "hold forge.pull.merge https://api.github.com:443 /repos/o/r/pulls/1/merge"
    );
    let read = head("api.github.com", "GET /repos/o/r/pulls/1", "");
    assert_eq!(asked(&rules, &read, Body::Unread), "release");
    // In GraphQL the body decides: it is asked for, then judged.
    let graph = head(
        "api.github.com",
        "POST /graphql",
        "Content-Type: application/json\r\nContent-Length: 9\r\n",
    );
    assert_eq!(asked(&rules, &graph, Body::Unread), "body");
    let query = br#"{"query":"query { viewer { login } }"}"#;
    assert_eq!(asked(&rules, &graph, Body::Bytes(query.to_vec())), "release");
    let mutation =
        br#"{"query":"mutation { mergePullRequest(input: {pullRequestId: 1}) { clientMutationId } }"}"#;
    let said = asked(&rules, &graph, Body::Bytes(mutation.to_vec()));
    assert!(said.starts_with("hold forge."), "{said}");
    let said = asked(&rules, &graph, Body::TooLong);
    assert!(
        said.starts_with("403 ") && said.contains("nobody can be shown it whole"),
        "{said}"
    );
}

/// F6: a provider's host is asked for models, and for nothing else.
#[test]
fn f6_a_providers_other_endpoints_are_denied() {
    let rules = rules(&[("api.anthropic.com", &["GET", "POST"])]);
    let on = |line: &str| {
        judge(
            &rules,
            &Effects::default(),
            &Catalogue::default(),
            &head("api.anthropic.com", line, "Content-Length: 2\r\n"),
            Body::Unread,
            None,
        )
    };
    let Judgement::Release(terms) = on("POST /v1/messages?beta=true") else {
        panic!("denied")
    };
    assert_eq!(terms.model, Some(Provider::Anthropic));
    for line in [
        "POST /v1/files",
        "POST /v1/messages/batches",
        "POST /api/event_logging/v2/batch",
        "POST /v1/newest",
    ] {
        assert!(says(&on(line)).starts_with("403 model.remote: "), "{line}");
    }
    let mut socket = head("api.anthropic.com", "GET /v1/models", "");
    socket.upgrade = true;
    let said = says(&judge(
        &rules,
        &Effects::default(),
        &Catalogue::default(),
        &socket,
        Body::Unread,
        None,
    ));
    assert!(
        said.starts_with("426 model.remote: ") && said.contains("WebSocket"),
        "{said}"
    );
    assert!(matches!(
        on("GET /v1/models"),
        Judgement::Release(Terms { model: None, .. })
    ));
}

#[test]
fn what_a_provider_would_fetch_is_judged_by_the_same_rules() {
    let rules = rules(&[("api.anthropic.com", &["POST"]), ("docs.example", &[])]);
    let post = head("api.anthropic.com", "POST /v1/messages", "");
    let to = |text: &str| Destination::authority(text.as_bytes(), None).unwrap();
    assert_eq!(
        judge_remote(
            &rules,
            &Effects::default(),
            &post.destination,
            "fetches a URL",
            Some(&to("docs.example:443"))
        ),
        Ok(())
    );
    for (host, why) in [
        (Some(to("evil.example:443")), "no rule allows this host"),
        (Some(to("docs.example:80")), "another port"),
        (None, "searches"),
    ] {
        let denial = judge_remote(
            &rules,
            &Effects::default(),
            &post.destination,
            "searches",
            host.as_ref(),
        )
        .unwrap_err();
        assert!(denial.reason.contains(why), "{}", denial.reason);
    }
}

#[test]
fn the_most_of_a_body_is_the_rules() {
    let rules = rules(&[("a.example", &[]), ("b.example", &["POST"])]);
    let most = |host: &str, line: &str| match judge(
        &rules,
        &Effects::default(),
        &Catalogue::default(),
        &head(host, line, "Transfer-Encoding: chunked\r\n"),
        Body::Unread,
        None,
    ) {
        Judgement::Release(terms) => terms.most,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (most("a.example", "GET /"), most("b.example", "POST /")),
        (Some(8192), None)
    );
}

#[test]
fn every_row_names_a_kind_of_effect() {
    for row in Catalogue::shipped().unwrap().rows() {
        assert!(
            row.effect.parse::<fumehood_effect::EffectKind>().is_ok(),
            "{}: {}",
            row.id,
            row.effect
        );
    }
}

/// What is allowed is this head and this body: one byte more or less is another effect.
#[test]
fn a_held_request_is_its_head_and_its_body() {
    let rules = rules(&[("api.github.com", &["PUT"])]);
    let digest = |fields: &str, body: &[u8]| {
        let merge = head("api.github.com", "PUT /repos/o/r/pulls/1/merge?x=1", fields);
        let judged = judge(
            &rules,
            &Effects::default(),
            &Catalogue::shipped().unwrap(),
            &merge,
            Body::Bytes(body.to_vec()),
            None,
        );
        let Judgement::Hold(held) = judged else {
            panic!("{judged:?}")
        };
        let effect = held.effect(&"s".parse().unwrap());
        assert!(effect.facts.contains_key("body") && effect.facts.contains_key("query"));
        effect.digest()
    };
    let length = "Content-Length: 2\r\n";
    let one = digest(length, b"{}");
    assert_eq!(one, digest(length, b"{}"));
    assert_ne!(one, digest(length, b"[]"));
    assert_ne!(one, digest("Content-Length: 2\r\nX-Other: 1\r\n", b"{}"));
}

/// The commands of a push that makes a branch; of its pack nothing.
fn push_of(branch: &str) -> Vec<u8> {
    let zeros = "0".repeat(40);
    let line = format!("{zeros} {} refs/heads/{branch}\0report-status\n", "1".repeat(40));
    format!("{:04x}{line}0000", line.len() + 4).into_bytes()
}

/// A fetch reads, though git asks by POST; whatever is sent to the place of pushes is a push, however it is spelled.
#[test]
fn git_fetches_read_and_pushes_are_held() {
    let rules = rules(&[("a.example", &[]), ("b.example", &["GET", "POST", "PUT"])]);
    let fetch = "Content-Type: application/x-git-upload-pack-request\r\nContent-Length: 60000\r\n";
    let asks = |fields: &str, line: &str, host: &str| asked(&rules, &head(host, line, fields), Body::Unread);
    assert_eq!(asks(fetch, "POST /r.git/git-upload-pack", "a.example"), "release");
    let long = fetch.replace("60000", "2000000");
    assert!(asks(&long, "POST /r.git/git-upload-pack", "a.example").starts_with("403 "));
    let other = "Content-Type: text/plain\r\nContent-Length: 6\r\n";
    assert!(asks(other, "POST /r.git/git-upload-pack", "a.example").starts_with("403 "));
    let sends = "Content-Length: 6\r\n";
    for line in [
        "POST /r.git/git-receive-pack",
        "POST /r.git/git%2Dreceive-pack?x",
        "POST /r.git/git-receive-pack/",
        "POST /r.git%2Fgit-receive-pack",
        "PUT /r.git/GIT-receive-pack",
    ] {
        assert!(asks(sends, line, "a.example").starts_with("403 "), "{line}");
        let found = asks(sends, line, "b.example");
        assert!(found == "body" || found.starts_with("400 "), "{line}: {found}");
    }
    let body = push_of("x");
    let push = head("b.example", "POST /a/r.git/git-receive-pack", sends);
    let held = asked(&rules, &push, Body::Bytes(body.clone()));
    assert_eq!(
        held,
        "hold git.ref.create https://b.example:443 a/r.git refs/heads/x"
    );
    let known = Pushes {
        own: vec![fumehood_policy::glob::Glob::parse(b"x").unwrap()],
        ci: vec![(
            fumehood_policy::glob::Glob::parse(b"b.example/a/**").unwrap(),
            fumehood_git::Ci::None,
        )],
        ..Pushes::default()
    };
    let session = "k3x-7".parse().unwrap();
    let standing = Standing {
        session: &session,
        pushes: &known,
    };
    let bytes = Body::Bytes(body);
    let judged = judge(
        &rules,
        &Effects::default(),
        &Catalogue::default(),
        &push,
        bytes,
        Some(standing),
    );
    // Its files are not shown: what runs there is not known, though the branch is its own.
    assert_eq!(
        says(&judged),
        "hold git.ci.start https://b.example:443 a/r.git refs/heads/x"
    );
    // A rule on what any command of it does denies the whole.
    let forbids = EffectRule {
        key: "deny",
        effects: vec!["git.ref.create".parse().unwrap()],
        hosts: None,
        decide: fumehood_policy::value::Decide::Deny,
        by: fumehood_policy::config::Approval::default(),
        because: None,
        observed: false,
        origin: fumehood_policy::Origin::Default,
    };
    let bytes = Body::Bytes(push_of("x"));
    let judged = judge(
        &rules,
        &vec![forbids].into(),
        &Catalogue::default(),
        &push,
        bytes,
        Some(standing),
    );
    assert!(
        says(&judged).contains("git.ref.create is denied"),
        "{}",
        says(&judged)
    );
    assert_eq!(asked(&rules, &push, Body::Bytes(b"0000".to_vec())), "release");
    assert!(asked(&rules, &push, Body::Bytes(b"00zz".to_vec())).starts_with("403 git push to "));
    assert!(asked(&rules, &push, Body::TooLong).contains("longer than 8 MiB"));
}
