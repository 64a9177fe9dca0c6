use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

fn minter() -> Minter {
    Minter::new([7; 32])
}

fn of(text: &str) -> String {
    let secret = Secret::new(text.as_bytes().to_vec()).unwrap();
    minter().placeholder("TOKEN", &secret).text().to_owned()
}

/// Longest text that both have at the same place.
fn longest_agreement(one: &str, two: &str) -> usize {
    let same: Vec<bool> = one.bytes().zip(two.bytes()).map(|(a, b)| a == b).collect();
    same.split(|s| !s).map(<[bool]>::len).max().unwrap_or_default()
}

#[test]
fn shape_is_kept_and_nothing_else() {
    for (secret, kept, alphabet) in [
        (
            "sk-ant-api03-Zm9vYmFyYmF6cXV4-Zm9vYmFyYmF6AA",
            "sk-ant-api03-",
            ANY,
        ),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_", ANY),
        ("0123456789abcdef0123456789abcdef", "", ALPHABETS[1]),
        ("4929123412341234", "", ALPHABETS[0]),
        ("AKIAIOSFODNN7EXAMPLE", "AKIA", ALPHABETS[5]),
        ("correct horse battery staple", "", ANY),
        ("pässwörter sind lang", "", ANY),
    ] {
        let placeholder = of(secret);
        assert_eq!(placeholder.len(), secret.len(), "{secret}");
        let free = placeholder.strip_prefix(kept).unwrap();
        assert!(free.bytes().all(|b| alphabet.contains(&b)), "{placeholder}");
        assert!(longest_agreement(free, &secret[kept.len()..]) < 5);
    }
}

#[test]
fn it_is_the_same_each_time_and_another_for_another_name_or_key() {
    let secret = Secret::new(b"ghp_16C7e42F292c6912E7710c838347Ae178B4a".to_vec()).unwrap();
    let first = minter().placeholder("TOKEN", &secret);
    assert_eq!(first, minter().placeholder("TOKEN", &secret));
    assert_ne!(first, minter().placeholder("OTHER", &secret));
    assert_ne!(first, Minter::new([8; 32]).placeholder("TOKEN", &secret));
}

#[test]
fn only_its_maker_knows_it() {
    for secret in [
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "0123456789abcdef0123456789abcdef",
    ] {
        assert!(minter().made(&of(secret)));
        assert!(!minter().made(secret));
        assert!(!Minter::new([8; 32]).made(&of(secret)));
        let mut changed = of(secret).into_bytes();
        let middle = changed.len() / 2;
        changed[middle] = if changed[middle] == b'1' { b'2' } else { b'1' };
        assert!(!minter().made(std::str::from_utf8(&changed).unwrap()));
    }
}

fn token(claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = part(r#"{"alg":"RS256","typ":"JWT"}"#);
    format!("{header}.{}.{}", part(claims), part(&"s".repeat(256)))
}

#[test]
fn a_web_token_keeps_its_times_and_loses_its_signature() {
    let secret = token(r#"{"exp":1999999999,"sub":"auth0|5f7c8ec7c33c6c004bbafe82","scope":"all:write"}"#);
    let placeholder = of(&secret);
    assert_eq!(placeholder.len(), secret.len());
    let parts: Vec<&str> = placeholder.split('.').collect();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert!(claims.contains(r#""exp":1999999999"#), "{claims}");
    assert!(
        !claims.contains("5f7c8e") && !claims.contains("write"),
        "{claims}"
    );
    assert!(longest_agreement(parts[2], secret.rsplit('.').next().unwrap()) < 6);
    assert!(minter().made(&placeholder));
    assert!(!minter().made(&secret));
}

proptest! {
    #[test]
    fn every_secret_has_one_as_long(text in "[!-~]{8,200}", key: [u8; 32]) {
        let secret = Secret::new(text.clone().into_bytes()).unwrap();
        let minter = Minter::new(key);
        let placeholder = minter.placeholder("X", &secret);
        prop_assert_eq!(placeholder.text().len(), text.len());
        prop_assert!(text.len() - prefix(&text).len() < FEWEST_FREE || minter.made(placeholder.text()));
    }

    #[test]
    fn web_tokens_keep_their_length(n in 0usize..400, exp: u32) {
        let secret = token(&format!(r#"{{"exp":{exp},"pad":"{}"}}"#, "x".repeat(n)));
        let placeholder = of(&secret);
        prop_assert_eq!(placeholder.len(), secret.len());
        prop_assert!(minter().made(&placeholder));
    }

    #[test]
    fn no_text_of_others_is_taken_for_one(text in "\\PC{0,80}") {
        prop_assert!(!minter().made(&text));
    }
}
