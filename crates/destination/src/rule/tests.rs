use super::*;
use fumehood_policy::config::Method;
use proptest::prelude::*;

fn allow(host: &str) -> Allow {
    Allow {
        host: host.parse().unwrap(),
        methods: Vec::new(),
        paths: Vec::new(),
        query: Vec::new(),
        headers: Vec::new(),
        tunnel: false,
    }
}

fn rules(of: impl IntoIterator<Item = Allow>) -> Rules {
    Rules::new(of.into_iter().map(|a| Rule::new(&a).unwrap()).collect()).unwrap()
}

fn to(authority: &str) -> Destination {
    Destination::authority(authority.as_bytes(), Port::new(443)).unwrap()
}

fn ask(rules: &Rules, method: &str, target: &str, headers: &[(&str, &[u8])]) -> Result<(), Denied> {
    let path = RequestPath::parse(target.as_bytes()).unwrap();
    let request = Request {
        method,
        path: &path,
        headers,
        body: None,
    };
    rules.request(&to("api.example.com"), &request).verdict
}

/// A14.
#[test]
fn a14_no_rule_allows_nothing() {
    for rules in [Rules::default(), rules([])] {
        assert!(rules.is_empty());
        assert_eq!(rules.connect(&to("example.com")).verdict, Err(Denied::Host));
        assert_eq!(ask(&rules, "GET", "/", &[]), Err(Denied::Host));
    }
}

/// A11.
#[test]
fn a11_a_suffix_is_whole_labels() {
    let rules = rules([allow("*.example.com"), allow("github.com")]);
    let verdict = |host: &str| rules.connect(&to(host)).verdict;
    assert_eq!(verdict("a.example.com"), Ok(()));
    for host in [
        "example.com",
        "evilexample.com",
        "a.example.com.evil.example",
        "evilgithub.com",
        "github.com.evil.example",
        "x.github.com",
    ] {
        assert_eq!(verdict(host), Err(Denied::Host), "{host}");
    }
}

/// A18.
#[test]
fn a18_another_port_is_another_destination_and_the_rule_is_named() {
    let rules = rules([allow("api.example.com")]);
    let decision = rules.connect(&to("api.example.com:8443"));
    assert_eq!(decision.verdict, Err(Denied::Port));
    assert_eq!(
        decision.rule.map(ToString::to_string).as_deref(),
        Some("api.example.com")
    );
}

#[test]
fn reading_is_what_a_bare_host_allows_and_no_more() {
    let rules = rules([allow("api.example.com")]);
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(ask(&rules, method, "/a?b=c", &[]), Ok(()));
    }
    for method in ["POST", "get", "TRACE", "CONNECT", "", "GET "] {
        assert_eq!(ask(&rules, method, "/", &[]), Err(Denied::Method), "{method:?}");
    }
    let most = format!("/{}", "a".repeat(4095));
    assert_eq!(ask(&rules, "GET", &most, &[]), Ok(()));
    assert_eq!(
        ask(&rules, "GET", &format!("{most}a"), &[]),
        Err(Denied::Target(4096))
    );
    let path = RequestPath::parse(b"/").unwrap();
    let body = |body| {
        let request = Request {
            method: "GET",
            path: &path,
            headers: &[],
            body: Some(body),
        };
        rules.request(&to("api.example.com"), &request).verdict
    };
    assert_eq!((body(8192), body(8193)), (Ok(()), Err(Denied::Body(8192))));
}

/// A34.
#[test]
fn a34_paths_are_whole_segments_in_normal_form() {
    let mut one = allow("api.example.com");
    one.paths = vec!["/repos/me/**".parse().unwrap(), "/user".parse().unwrap()];
    let narrow = rules([one]);
    for target in ["/repos/me/x", "/repos/%6de/x/y", "/user", "/user?a=/../"] {
        assert_eq!(ask(&narrow, "GET", target, &[]), Ok(()), "{target}");
    }
    for target in [
        "/repos/me-evil/x",
        "/repos/ME/x",
        "/repos",
        "/users",
        "/user/keys",
        "/user/",
        "//user",
        "/repos%2Fme/x",
        "/repos/me/a%2Fb",
        "/repos/me;v=1/x",
    ] {
        assert_eq!(ask(&narrow, "GET", target, &[]), Err(Denied::Path), "{target}");
    }
    // npm asks for scoped packages so; a rule for every path has nothing to be confused about.
    assert_eq!(
        ask(&rules([allow("api.example.com")]), "GET", "/@scope%2fname", &[]),
        Ok(())
    );
}

/// A33.
#[test]
fn a33_every_value_must_fit_not_one_of_them() {
    let mut one = allow("api.example.com");
    one.query = vec![("service".into(), vec!["git-upload-pack".into()])];
    one.headers = vec![("x-version".into(), vec!["1".into(), "2".into()])];
    let rules = rules([one]);
    let query = Err(Denied::Query("service".into()));
    let header = Err(Denied::Header("x-version".into()));
    let one: &[(&str, &[u8])] = &[("X-Version", b"1")];
    assert_eq!(ask(&rules, "GET", "/r?service=git-upload-pack", one), Ok(()));
    for target in [
        "/r",
        "/r?service=",
        "/r?Service=git-upload-pack",
        "/r?service=git-upload-pack&service=git-receive-pack",
        "/r?service=git-receive-pack&service=git-upload-pack",
        "/r?service=git-upload-pack&%73ervice=git-receive-pack",
    ] {
        assert_eq!(ask(&rules, "GET", target, one), query, "{target}");
    }
    let good = "/r?service=git-upload-pack";
    assert_eq!(ask(&rules, "GET", good, &[]), header);
    assert_eq!(
        ask(&rules, "GET", good, &[("x-version", b"1"), ("X-VERSION", b"3")]),
        header
    );
    assert_eq!(
        ask(&rules, "GET", good, &[("x-version", b"1"), ("x-version", b"2")]),
        Ok(())
    );
}

#[test]
fn one_of_several_rules_is_enough_and_the_denial_names_one() {
    let mut post = allow("api.example.com");
    post.methods = vec![Method::Post];
    post.paths = vec!["/v1/**".parse().unwrap()];
    let rules = rules([allow("api.example.com"), post]);
    assert_eq!(ask(&rules, "GET", "/x", &[]), Ok(()));
    assert_eq!(ask(&rules, "POST", "/v1/x", &[]), Ok(()));
    assert_eq!(ask(&rules, "POST", "/x", &[]), Err(Denied::Path));
}

#[test]
fn the_most_specific_rule_says_whether_bytes_are_read() {
    let mut tunnel = allow("db.example.com:9000");
    tunnel.tunnel = true;
    let rules = rules([allow("*.example.com:9000"), tunnel.clone()]);
    let access = |host: &str| matches!(rules.connect(&to(host)).rule.unwrap().access(), Access::Tunnel);
    assert!(access("db.example.com:9000") && !access("x.example.com:9000"));
    let both = [Rule::new(&tunnel), Rule::new(&allow("db.example.com:9000"))];
    let both = both.into_iter().map(Result::unwrap).collect();
    assert!(matches!(Rules::new(both), Err(RuleError::Contradiction(..))));
    // A port of another protocol passes unread by itself, unless requests are spoken of.
    let plain = Rule::new(&allow("db.example.com:5432")).unwrap();
    assert!(matches!(plain.access(), Access::Tunnel));
    let mut narrowed = allow("db.example.com:5432");
    narrowed.methods = vec![fumehood_policy::config::Method::ALL[0].1];
    assert!(matches!(Rule::new(&narrowed).unwrap().access(), Access::Http(_)));
}

#[test]
fn rules_that_can_never_match_are_refused() {
    for host in [
        "localhost",
        "a.localhost",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "*.localhost",
    ] {
        assert!(
            matches!(Rule::new(&allow(host)), Err(RuleError::Loopback(_))),
            "{host}"
        );
    }
    for host in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "[ff02::1]"] {
        assert!(
            matches!(Rule::new(&allow(host)), Err(RuleError::NoHost(..))),
            "{host}"
        );
    }
}

/// A20, A21: the address is checked, not the name; only a rule for that address lets it be dialled.
#[test]
fn a21_private_addresses_are_dialled_only_where_a_rule_names_them() {
    let rules = rules([allow("git.example.com"), allow("10.1.2.3")]);
    let dial = |address: &str, port| rules.dial(address.parse().unwrap(), Port::new(port).unwrap());
    assert_eq!(dial("1.1.1.1", 443), Ok(()));
    assert_eq!(dial("10.1.2.3", 443), Ok(()));
    assert_eq!(dial("::ffff:10.1.2.3", 443), Ok(()));
    for (address, port, kind) in [
        ("10.1.2.3", 80, Class::Private),
        ("10.1.2.4", 443, Class::Private),
        ("127.0.0.1", 443, Class::Loopback),
        ("::ffff:127.0.0.1", 443, Class::Loopback),
        ("169.254.169.254", 443, Class::Metadata),
        ("64:ff9b::a9fe:a9fe", 443, Class::Metadata),
        ("fd00::1", 443, Class::Private),
    ] {
        assert_eq!(
            dial(address, port),
            Err(Denied::Address(kind)),
            "{address}:{port}"
        );
    }
}

proptest! {
    /// A11: whatever matches a pattern ends in it, label by label.
    #[test]
    fn a_match_is_label_aligned(host in "[a-c.]{1,12}", suffix in "[a-c]{1,2}\\.(test|example)") {
        let Ok(rule) = Rule::new(&allow(&format!("*.{suffix}"))) else { return Ok(()) };
        let whole = format!("{host}{suffix}");
        if let Ok(destination) = Destination::authority(whole.as_bytes(), Port::new(443)) {
            let labels: Vec<&str> = whole.split('.').collect();
            let wanted: Vec<&str> = suffix.split('.').collect();
            prop_assert_eq!(rule.is_for(&destination), labels.len() > wanted.len() && labels.ends_with(&wanted));
        }
    }
}
