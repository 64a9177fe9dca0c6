use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fumehood_http::{Fields, Length, Scheme, Version};
use fumehood_policy::config;
use fumehood_policy::value::Place;
use proptest::prelude::*;

const API: &str = "sk-ant-api03-Real+Value/of=the.Key";
const OTHER: &str = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";

fn binding(hosts: &[&str], methods: &[&str], paths: &[&str], places: &[&str]) -> Binding {
    use fumehood_policy::value::Word;
    Binding::new(&config::Secret {
        file: None,
        from: "store:X".parse().unwrap(),
        hosts: hosts.iter().map(|h| h.parse().unwrap()).collect(),
        methods: methods
            .iter()
            .map(|m| config::Method::from_word(m).unwrap())
            .collect(),
        paths: paths.iter().map(|p| p.parse().unwrap()).collect(),
        places: places.iter().map(|p| p.parse::<Place>().unwrap()).collect(),
        require: None,
    })
}

fn vault(credentials: Vec<(&str, &str, Binding)>) -> (Vault, Vec<String>) {
    let mut vault = Vault::new(Minter::new([3; 32]));
    let secret = |value: &str| Secret::new(value.as_bytes().to_vec()).unwrap();
    let placeholders = vault.add(
        credentials
            .into_iter()
            .map(|(n, v, b)| (n.to_owned(), secret(v), b)),
    );
    (vault, placeholders.iter().map(|p| p.text().to_owned()).collect())
}

/// One key, for one host, in any field.
fn simple() -> (Vault, String) {
    let (vault, mut placeholders) = vault(vec![(
        "API_KEY",
        API,
        binding(&["api.example.com"], &[], &[], &["header"]),
    )]);
    (vault, placeholders.remove(0))
}

fn head(method: &str, to: &str, target: &str, fields: &[(&str, &str)]) -> RequestHead {
    let mut all = Fields::default();
    for (name, value) in fields {
        all.push(Field::new(name.as_bytes(), value.as_bytes()).unwrap())
            .unwrap();
    }
    RequestHead {
        destination: Destination::authority(to.as_bytes(), None).unwrap(),
        scheme: Scheme::Https,
        version: Version::Http1,
        method: method.to_owned(),
        target: target.to_owned(),
        fields: all,
        body: Length::Empty,
        upgrade: false,
        expects_continue: false,
        takes_trailers: false,
    }
}

fn value(head: &RequestHead, name: &str) -> String {
    let values: Vec<&[u8]> = head.fields.values(name).collect();
    String::from_utf8(values.concat()).unwrap()
}

const HERE: &str = "api.example.com:443";

#[test]
fn header_bearer_and_parts_of_a_value() {
    let (vault, p) = simple();
    for (name, before, after) in [
        ("x-api-key", "", ""),
        ("authorization", "Bearer ", ""),
        ("authorization", "token ", ""),
    ] {
        let mut head = head(
            "POST",
            HERE,
            "/v1/messages",
            &[(name, &format!("{before}{p}{after}")), ("accept", "*/*")],
        );
        let used = vault.substitute(&mut head, None).unwrap();
        assert_eq!(used.names, ["API_KEY"]);
        assert_eq!(value(&head, name), format!("{before}{API}{after}"));
        assert_eq!(value(&head, "accept"), "*/*");
    }
}

#[test]
fn basic_as_user_or_password() {
    let (vault, p) = simple();
    for (pair, real) in [
        (format!("git:{p}"), format!("git:{API}")),
        (format!("{p}:"), format!("{API}:")),
    ] {
        let mut head = head(
            "GET",
            HERE,
            "/",
            &[("authorization", &format!("Basic {}", STANDARD.encode(pair)))],
        );
        vault.substitute(&mut head, None).unwrap();
        assert_eq!(
            value(&head, "authorization"),
            format!("Basic {}", STANDARD.encode(real))
        );
    }
}

#[test]
fn query_keeps_what_is_not_the_credential() {
    let (vault, p) = vault(vec![(
        "API_KEY",
        API,
        binding(&["api.example.com"], &[], &[], &["query:key"]),
    )]);
    let mut head = head("GET", HERE, &format!("/v1/x?a=%7e+b&key={}&c", p[0]), &[]);
    vault.substitute(&mut head, None).unwrap();
    assert_eq!(
        head.target,
        "/v1/x?a=%7e+b&key=sk-ant-api03-Real%2BValue%2Fof%3Dthe.Key&c"
    );
}

#[test]
fn json_and_form_bodies() {
    let places = binding(
        &["api.example.com"],
        &[],
        &[],
        &["json:client_secret", "form:client_secret"],
    );
    let (vault, p) = vault(vec![("API_KEY", "a\"b\\c d&e1234", places)]);
    let send = |kind: &str, body: &str| {
        let mut head = head("POST", HERE, "/token", &[("content-type", kind)]);
        head.body = Length::Known(body.len() as u64);
        assert!(vault.wants_body(&head));
        let mut body = body.as_bytes().to_vec();
        let used = vault.substitute(&mut head, Some(&mut body));
        used.map(|_| (String::from_utf8(body).unwrap(), head.body))
    };
    let json = format!(
        "{{ \"client_secret\" :[ \"{}\"], \"n\": 1.0, \"say\": \"it is {}\"}}",
        p[0], p[0]
    );
    let sent = format!(
        "{{ \"client_secret\" :[ \"a\\\"b\\\\c d&e1234\"], \"n\": 1.0, \"say\": \"it is {}\"}}",
        p[0]
    );
    assert_eq!(
        send("application/json; charset=utf-8", &json).unwrap(),
        (sent.clone(), Length::Known(sent.len() as u64))
    );
    let form = format!("grant_type=x+y&client_secret={}&z", p[0]);
    assert_eq!(
        send("application/x-www-form-urlencoded", &form).unwrap().0,
        "grant_type=x+y&client_secret=a%22b%5Cc%20d%26e1234&z"
    );
    // A key that stands there twice: servers differ in which they read.
    let twice = format!(
        "{{\"client_secret\":\"x\",\"client_secret\":\"{0}\",\"other\":\"{0}\"}}",
        p[0]
    );
    assert!(matches!(send("application/json", &twice), Err(Denied::Place(..))));
    let other = format!("other={}", p[0]);
    assert!(matches!(
        send("application/x-www-form-urlencoded", &other),
        Err(Denied::Place(..))
    ));
    // Nothing there to replace: not a byte changes.
    assert_eq!(
        send("application/json", "{\"a\" : 1.00}").unwrap().0,
        "{\"a\" : 1.00}"
    );
}

/// A conversation may speak of a placeholder: bodies that no credential has a place in are not touched.
#[test]
fn bodies_without_a_place_are_not_asked_for() {
    let (vault, _) = simple();
    let mut head = head(
        "POST",
        HERE,
        "/v1/messages",
        &[("content-type", "application/json")],
    );
    head.body = Length::Known(10);
    assert!(!vault.wants_body(&head));
}

/// A40, A41: never substituted but where it is bound to; the request is refused, and says why.
#[test]
fn a40_a41_a_placeholder_where_its_credential_may_not_go() {
    let bound = binding(
        &["api.example.com"],
        &["POST"],
        &["/v1/**"],
        &["header:x-api-key"],
    );
    let (vault, p) = vault(vec![("API_KEY", API, bound)]);
    let key: (&str, &str) = ("x-api-key", &p[0]);
    let mut clear = head("POST", HERE, "/v1/x", &[key]);
    clear.scheme = Scheme::Http;
    let bearer = format!("Bearer {}", p[0]);
    let cases = [
        (
            head("POST", "evil.example:443", "/v1/x", &[key]),
            "is not for evil.example:443",
        ),
        (
            head("POST", "api.example.com:8443", "/v1/x", &[key]),
            "is not for api.example.com:8443",
        ),
        (
            head("POST", "api.example.com.evil.example:443", "/v1/x", &[key]),
            "is not for",
        ),
        (clear, "not sent without TLS"),
        (head("GET", HERE, "/v1/x", &[key]), "not for the method GET"),
        (head("POST", HERE, "/v2/x", &[key]), "not for this path"),
        (head("POST", HERE, "/v1/%2e%2e/v2", &[key]), "not for this path"),
        (head("POST", HERE, "/v1x", &[key]), "not for this path"),
        (
            head("POST", HERE, "/v1/x", &[("x-other", &p[0])]),
            "may not stand in header:x-other",
        ),
        (
            head("POST", HERE, "/v1/x", &[("authorization", &bearer)]),
            "may not stand in header:authorization",
        ),
        (
            head("POST", HERE, &format!("/v1/{}", p[0]), &[]),
            "a place that no credential",
        ),
        (
            head("POST", HERE, &format!("/v1/x?q={}", p[0]), &[]),
            "may not stand in query:q",
        ),
        (
            head("POST", HERE, &format!("/v1/x?{}=1", p[0]), &[]),
            "a place that no credential",
        ),
    ];
    for (mut head, why) in cases {
        let denied = vault.substitute(&mut head, None).unwrap_err();
        assert!(denied.to_string().contains(why), "{denied}");
        assert_eq!(denied.secret(), Some("API_KEY"));
        assert_eq!(denied.denial().rule, "secret.API_KEY");
    }
}

/// Escaped, it is still the placeholder.
#[test]
fn a_placeholder_in_disguise_is_denied_elsewhere() {
    let (vault, p) = simple();
    let escaped: String = p.bytes().map(|b| format!("%{b:02x}")).collect();
    for target in [format!("/{escaped}"), format!("/?q={escaped}")] {
        let mut head = head("GET", "evil.example:443", &target, &[]);
        assert!(
            matches!(vault.substitute(&mut head, None), Err(Denied::Host(..))),
            "{target}"
        );
    }
    let mut basic = head(
        "GET",
        "evil.example:443",
        "/",
        &[(
            "authorization",
            &format!("basic {}", STANDARD.encode(format!("x:{p}"))),
        )],
    );
    assert!(matches!(
        vault.substitute(&mut basic, None),
        Err(Denied::Host(..))
    ));
}

/// A42: an attacker's own account at the bound host is a way out for what the session can read.
#[test]
fn a42_another_credential_to_a_bound_host() {
    let (vault, p) = simple();
    let own = STANDARD.encode("user:attackers-own-key");
    let aws =
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/r/s/aws4_request, SignedHeaders=host, Signature=0";
    for (name, value) in [
        ("authorization", "Bearer attackers-own-key"),
        ("authorization", &format!("Basic {own}")),
        ("Authorization", "attackers-own-key"),
        ("authorization", &format!("Bearer {p}, Bearer attackers-own-key")),
        ("authorization", aws),
        ("X-Api-Key", "attackers-own-key"),
        ("x-api-key", &format!("{p}x")),
        ("cookie", "session=attackers-own"),
        ("cookie", &format!("a={p}; session=attackers-own")),
    ] {
        let mut head = head("POST", HERE, "/", &[(name, value)]);
        let denied = vault.substitute(&mut head, None).unwrap_err();
        assert!(
            matches!(denied, Denied::Foreign(_)),
            "{name}: {value}: {denied:?}"
        );
        assert!(!denied.to_string().contains("attackers-own"));
    }
    for target in ["/?access_token=attackers-own", "/?X-Amz-Signature=00", "/?Key=x"] {
        let mut head = head("GET", HERE, target, &[]);
        assert!(
            matches!(vault.substitute(&mut head, None), Err(Denied::Foreign(_))),
            "{target}"
        );
    }
    // Elsewhere an account is nobody's business here, and a host may tell its visitors apart.
    let mut free = head(
        "GET",
        "other.example:443",
        "/?key=1",
        &[("authorization", "Bearer x"), ("cookie", "s=1")],
    );
    assert_eq!(vault.substitute(&mut free, None), Ok(Used::default()));
    let mut visitor = head("GET", HERE, "/", &[("cookie", "__cf_bm=abc; _cfuvid=x")]);
    assert_eq!(vault.substitute(&mut visitor, None), Ok(Used::default()));
}

/// One of an earlier session would only fail at the far side: it is said here.
#[test]
fn placeholders_that_nothing_stands_behind() {
    let (vault, _) = simple();
    let stale = Minter::new([3; 32]).placeholder("GONE", &Secret::new(OTHER.as_bytes().to_vec()).unwrap());
    for host in [HERE, "other.example:443"] {
        let mut head = head("GET", host, "/", &[("authorization", &format!("token {stale}"))]);
        let denied = vault.substitute(&mut head, None).unwrap_err();
        assert!(matches!(denied, Denied::Stale(_)), "{denied}");
    }
}

#[test]
fn two_credentials_for_two_hosts() {
    let (vault, p) = vault(vec![
        (
            "API_KEY",
            API,
            binding(&["api.example.com"], &[], &[], &["header"]),
        ),
        (
            "GH_TOKEN",
            OTHER,
            binding(&["*.example.net:8443"], &[], &[], &["bearer"]),
        ),
    ]);
    let mut right = head(
        "GET",
        "a.example.net:8443",
        "/",
        &[("authorization", &format!("bearer {}", p[1]))],
    );
    assert_eq!(vault.substitute(&mut right, None).unwrap().names, ["GH_TOKEN"]);
    assert_eq!(value(&right, "authorization"), format!("bearer {OTHER}"));
    let mut wrong = head(
        "GET",
        "a.example.net:8443",
        "/",
        &[("authorization", &format!("bearer {}", p[0]))],
    );
    assert!(matches!(
        vault.substitute(&mut wrong, None),
        Err(Denied::Host(..))
    ));
}

/// By ranges a reflected secret could be fetched in pieces, and compressed it would not be seen.
#[test]
fn answers_come_whole_and_readable() {
    let (vault, p) = simple();
    let fields = [
        ("x-api-key", &*p),
        ("accept-encoding", "br, zstd"),
        ("range", "bytes=0-9"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    let mut head = head("GET", HERE, "/", &fields);
    vault.substitute(&mut head, None).unwrap();
    assert_eq!(value(&head, "accept-encoding"), "identity");
    assert_eq!(value(&head, "range"), "");
    assert_eq!(value(&head, "sec-websocket-extensions"), "");
}

#[test]
fn trace_gives_back_what_it_got() {
    let (vault, _) = simple();
    let mut trace = head("TRACE", HERE, "/", &[]);
    assert_eq!(vault.substitute(&mut trace, None), Err(Denied::Trace));
}

#[test]
fn aws_requests_are_signed_again() {
    let hosts = &["*.amazonaws.example"];
    let (vault, p) = vault(vec![
        (
            "AWS_ACCESS_KEY_ID",
            "AKIAIOSFODNN7EXAMPLE",
            binding(hosts, &[], &[], &["header"]),
        ),
        (
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            binding(hosts, &[], &[], &["aws:AWS_ACCESS_KEY_ID"]),
        ),
        (
            "AWS_SESSION_TOKEN",
            "FwoGZXIvYXdzEXAMPLETOKENEXAMPLE",
            binding(hosts, &[], &[], &["header"]),
        ),
    ]);
    let authorization = |id: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={id}/20150830/us-east-1/sts/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=00"
        )
    };
    let fields = [
        ("authorization", authorization(&p[0])),
        ("x-amz-date", "20150830T123600Z".to_owned()),
        ("x-amz-security-token", p[2].clone()),
    ];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let mut right = head("GET", "sts.amazonaws.example:443", "/", &fields);
    let used = vault.substitute(&mut right, None).unwrap();
    assert_eq!(used.names, ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]);
    assert!(value(&right, "authorization").contains("Credential=AKIAIOSFODNN7EXAMPLE/"));
    assert!(!value(&right, "authorization").contains("Signature=00"));
    assert_eq!(
        value(&right, "x-amz-security-token"),
        "FwoGZXIvYXdzEXAMPLETOKENEXAMPLE"
    );
    // To another host it is neither signed nor sent.
    let mut wrong = head("GET", "sts.evil.example:443", "/", &fields);
    assert!(matches!(
        vault.substitute(&mut wrong, None),
        Err(Denied::Host(..))
    ));
    // The secret key itself is never sent.
    let mut spilled = head("GET", "sts.amazonaws.example:443", "/", &[("x-note", &p[1])]);
    assert!(matches!(
        vault.substitute(&mut spilled, None),
        Err(Denied::Place(..))
    ));
}

proptest! {
    /// Whatever a head holds, no secret is in it unless its binding says so.
    #[test]
    fn no_secret_leaves_to_an_unbound_host(target in "/[!-~]{0,60}", values in proptest::collection::vec("[ -~]{0,40}", 0..5), at in 0usize..5, whole: bool) {
        let (vault, p) = simple();
        let mut values = values;
        if let Some(value) = values.get_mut(at) { *value = if whole { p.clone() } else { format!("{value}{p}") }; }
        let fields: Vec<(&str, &str)> = values.iter().map(|v| ("x-a", v.as_str())).collect();
        let mut one = head("GET", "evil.example:443", &target, &fields);
        let before = one.clone();
        match vault.substitute(&mut one, None) {
            Ok(used) => { prop_assert!(used.names.is_empty()); prop_assert_eq!(one, before); }
            Err(denied) => prop_assert!(matches!(denied, Denied::Host(..) | Denied::Stale(_))),
        }
    }
}

const ACCESS: &str = "sk-ant-oat01-REAL0access0REAL0access";
const REFRESH: &str = "sk-ant-ort01-REAL0refresh0REAL0refr";

/// A vault with a login; the placeholders of its two tokens.
fn logged_in() -> (Vault, String, String) {
    let (mut vault, _) = vault(Vec::new());
    let login = crate::login::tests::login();
    let text = format!(r#"{{"in": {{"access": "{ACCESS}", "refresh": "{REFRESH}"}}}}"#);
    let tokens = crate::login::Tokens::read(&login, text.as_bytes()).unwrap();
    let inside: serde_json::Value =
        serde_json::from_slice(&vault.log_in(login, "/nowhere".into(), tokens)).unwrap();
    let at = |key: &str| inside["in"][key].as_str().unwrap().to_owned();
    let (access, refresh) = (at("access"), at("refresh"));
    (vault, access, refresh)
}

fn renewal(body: &str, fields: &[(&str, &str)]) -> (RequestHead, Vec<u8>) {
    let mut head = head("POST", "issuer.example:443", "/token", fields);
    head.body = Length::Known(body.len() as u64);
    (head, body.as_bytes().to_vec())
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[test]
fn f15_a_login_is_renewed_with_its_own_refresh_token() {
    let (vault, access, refresh) = logged_in();
    assert!(access.starts_with("sk-ant-oat01-") && refresh.starts_with("sk-ant-ort01-"));
    let body = format!(r#"{{"grant_type":"refresh_token","refresh_token":"{refresh}","client_id":"c"}}"#);
    let (mut head, mut body) = renewal(&body, JSON);
    assert!(vault.wants_body(&head));
    let used = vault.substitute(&mut head, Some(&mut body)).unwrap();
    assert_eq!(used.renews, Some(0));
    let sent = String::from_utf8(body.clone()).unwrap();
    assert_eq!(
        sent,
        format!(r#"{{"client_id":"c","grant_type":"refresh_token","refresh_token":"{REFRESH}"}}"#)
    );
    assert_eq!(head.body, Length::Known(body.len() as u64));
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    let (mut head, mut body) = renewal(&form, &[("content-type", "application/x-www-form-urlencoded")]);
    vault.substitute(&mut head, Some(&mut body)).unwrap();
    assert_eq!(
        body,
        format!("grant_type=refresh_token&refresh_token={REFRESH}").as_bytes()
    );
}

/// Login fixation: whoever is inside has no other account's tokens minted, which would come to stand in the user's file.
#[test]
fn f15_a_token_endpoint_is_asked_for_nothing_else() {
    let (vault, access, refresh) = logged_in();
    let ours = format!(r#"{{"grant_type":"refresh_token","refresh_token":"{refresh}"}}"#);
    for (body, fields) in [
        (
            r#"{"grant_type":"authorization_code","code":"theirs"}"#.to_owned(),
            JSON,
        ),
        (
            r#"{"grant_type":"refresh_token","refresh_token":"sk-ant-ort01-theirs"}"#.to_owned(),
            JSON,
        ),
        (
            format!(r#"{{"grant_type":"refresh_token","refresh_token":"{access}"}}"#),
            JSON,
        ),
        (ours.clone(), &[]),
        (ours.clone(), &[("content-type", "text/plain")]),
        (
            ours.clone(),
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
        ),
    ] {
        let (mut head, mut bytes) = renewal(&body, fields);
        let denied = vault.substitute(&mut head, Some(&mut bytes)).unwrap_err();
        assert!(matches!(denied, Denied::Renewal(_)), "{body}: {denied}");
    }
    for (method, target) in [
        ("GET", "/token?refresh_token=x"),
        ("PUT", "/token"),
        ("POST", "/token?x=1"),
        ("POST", "/%74oken"),
    ] {
        let mut head = head(method, "issuer.example:443", target, JSON);
        let body = (method == "PUT").then(|| ours.clone().into_bytes());
        assert!(
            vault.substitute(&mut head, body.clone().as_mut()).is_err(),
            "{method} {target}"
        );
    }
}

/// Each token goes where it belongs, and nowhere else.
#[test]
fn f15_a_logins_tokens_have_their_own_hosts_and_places() {
    let (vault, access, refresh) = logged_in();
    let sent = |to: &str, target: &str, fields: &[(&str, &str)]| {
        let mut head = head("GET", to, target, fields);
        vault.substitute(&mut head, None).map(|_| head)
    };
    let bearer = |token: &str| format!("Bearer {token}");
    let fine = sent("api.example:443", "/v1", &[("authorization", &bearer(&access))]).unwrap();
    assert_eq!(
        fine.fields.values("authorization").next().unwrap(),
        bearer(ACCESS).as_bytes()
    );
    for (to, target, token) in [
        ("api.example:443", "/v1", &refresh),
        ("issuer.example:443", "/other", &refresh),
        ("issuer.example:443", "/other", &access),
        ("evil.example:443", "/v1", &access),
        ("evil.example:443", "/v1", &refresh),
    ] {
        let denied = sent(to, target, &[("authorization", &bearer(token))]).unwrap_err();
        assert!(
            denied
                .secret()
                .is_some_and(|name| name.starts_with("login:~/.login.json:")),
            "{denied}"
        );
        assert_eq!(denied.denial().remedy, "");
    }
    assert!(sent("api.example:443", &format!("/v1?key={access}"), &[]).is_err());
}

/// A request that was on its way with what stood for the old token goes with the new one, also where the two placeholders
/// are the same text.
#[test]
fn an_earlier_placeholder_stands_for_the_new_token() {
    for renewed in [
        "sk-ant-oat01-NEW00access0NEW00access",
        "another-shape-of-a-token-0123456789",
    ] {
        let (mut vault, access, _) = logged_in();
        let secret = Secret::new(renewed.as_bytes().to_vec()).unwrap();
        let from = Destination::authority(b"issuer.example:443", None).unwrap();
        let (_, now) = vault.adopt(&from, "access_token", secret, Some(0));
        for token in [access.as_str(), now.text()] {
            let mut head = head(
                "GET",
                "api.example:443",
                "/v1",
                &[("authorization", &format!("Bearer {token}"))],
            );
            vault.substitute(&mut head, None).unwrap();
            let value = head.fields.values("authorization").next().unwrap();
            assert_eq!(value, format!("Bearer {renewed}").as_bytes());
        }
    }
}
