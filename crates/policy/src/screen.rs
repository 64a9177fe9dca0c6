//! Settings files that a preset shows are looked at first: one that holds something like a
//! credential stays outside. This is a net under mistakes, not a proof: a secret with an
//! innocent key and no known shape passes.

/// A line that looks as if it carried a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Line, from 1.
    pub line: u32,
    /// What it looks like; never the text itself.
    pub looks_like: &'static str,
}

/// The first suspicious line of a file, or nothing. Any bytes, linear time.
pub fn screen(bytes: &[u8]) -> Option<Suspect> {
    let mut section_has_secrets = false;
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let text = String::from_utf8_lossy(line).to_lowercase();
        if text.trim_start().starts_with('[') {
            section_has_secrets = text.contains("http_headers") || text.contains("extraheader");
        }
        let found = known_shape(&String::from_utf8_lossy(line))
            .or_else(|| url_with_password(&text))
            .or_else(|| telling_key(&text))
            .or_else(|| (section_has_secrets && text.contains('=')).then_some("a request header"));
        if let Some(looks_like) = found {
            return Some(Suspect {
                line: u32::try_from(i + 1).unwrap_or(u32::MAX),
                looks_like,
            });
        }
    }
    None
}

/// Beginnings that issuers give their tokens so that they can be found.
#[rustfmt::skip]
const SHAPES: &[(&str, &str)] = &[
    ("-----BEGIN", "a private key"), ("sk-ant-", "a model key"), ("sk-proj-", "a model key"),
    ("sk_live_", "a payment key"), ("sk_test_", "a payment key"), ("rk_live_", "a payment key"),
    ("ghp_", "a forge token"), ("gho_", "a forge token"), ("ghs_", "a forge token"), ("ghu_", "a forge token"),
    ("github_pat_", "a forge token"), ("glpat-", "a forge token"), ("npm_", "a registry token"),
    ("pypi-", "a registry token"), ("cio", "a registry token"), ("xoxb-", "a chat token"), ("xoxp-", "a chat token"),
    ("xapp-", "a chat token"), ("AKIA", "a cloud key"), ("ASIA", "a cloud key"), ("AIza", "a cloud key"),
    ("ya29.", "a cloud token"), ("eyJ", "a signed token"), ("hf_", "a model key"), ("dop_v1_", "a cloud token"),
];

/// Characters that follow such a beginning, at least: `npm_config` is no token.
const TAIL: usize = 16;

fn known_shape(line: &str) -> Option<&'static str> {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/');
    line.split(|c: char| !word(c)).find_map(|token| {
        let (shape, what) = SHAPES.iter().find(|(shape, _)| token.starts_with(shape))?;
        let tail = &token[shape.len()..];
        let random = tail.len() >= TAIL && tail.bytes().any(|b| b.is_ascii_digit());
        (random || *shape == "-----BEGIN").then_some(*what)
    })
}

fn url_with_password(line: &str) -> Option<&'static str> {
    line.match_indices("://").find_map(|(at, _)| {
        let rest = &line[at + 3..];
        let authority = &rest[..rest
            .find(['/', '"', '\'', ' ', '\t', '?', '#'])
            .unwrap_or(rest.len())];
        let user = authority.rsplit_once('@')?.0;
        // `ssh://git@host` is a login name; an https user without a password is a token.
        let secret = user.contains(':')
            || (!user.is_empty() && line[..at].ends_with("http") | line[..at].ends_with("https"));
        secret.then_some("a URL with a password")
    })
}

/// Words that name what must not be shown, as the end of a key without its `-` and `_`:
/// `accessToken`, `smtp_password`, `X-Api-Key`.
#[rustfmt::skip]
const TELLING: &[&str] = &[
    "token", "secret", "password", "passwd", "passphrase", "apikey", "accesskey", "privatekey", "secretkey",
    "authorization", "credentials", "extraheader", "cookie", "smtppass", "imappass",
];

/// Those that are telling only when they are all of it.
const TELLING_ALONE: &[&str] = &["pass", "pwd", "auth"];

/// A key like these with a value of its own. A name of a variable (`env_key = "X"`), a
/// number, a switch or an empty text is none, nor is a comment.
fn telling_key(line: &str) -> Option<&'static str> {
    let body = line.trim();
    if body.starts_with(['#', ';']) {
        return None;
    }
    body.match_indices(['=', ':']).find_map(|(at, _)| {
        let before = body[..at].trim_end().trim_end_matches(['"', '\'']);
        let part = |c: char| !(c.is_alphanumeric() || c == '_' || c == '-');
        let key = before
            .rsplit(part)
            .next()
            .unwrap_or_default()
            .replace(['-', '_'], "");
        let value = &body[at + 1..];
        let value = value[..value.find(',').unwrap_or(value.len())].trim_matches(['"', '\'', '}', ' ', '\t']);
        // `"auth": {` begins settings, each judged by its own key.
        let alone = TELLING_ALONE.contains(&key.as_str()) && !value.starts_with('{');
        let telling = TELLING.iter().any(|t| key.ends_with(t)) || alone;
        (telling && looks_like_a_value(value)).then_some("a key with a secret's name")
    })
}

fn looks_like_a_value(value: &str) -> bool {
    let number = value.bytes().all(|b| b.is_ascii_digit());
    let reference = value.starts_with('$') || value.starts_with('!');
    !number && !reference && !matches!(value, "" | "true" | "false" | "null" | "none" | "[" | "]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn looks_like(text: &str) -> Option<&'static str> {
        screen(text.as_bytes()).map(|s| s.looks_like)
    }

    #[test]
    fn credentials_of_each_kind_are_noticed() {
        for text in [
            "[registry]\ntoken = \"abc\"",
            "[url \"https://ana:pw@git.example/\"]",
            "[url \"https://oauth2tok@git.example/\"]",
            "[http]\n\textraHeader = Authorization: Basic abc",
            r#"{ "env": { "ANTHROPIC_API_KEY": "x" } }"#,
            r#""env": { "A": "1", "GITHUB_TOKEN": "x" }"#,
            "experimental_bearer_token = \"x\"",
            "[model_providers.x.http_headers]\nX-Team = \"y\"",
            "note = \"ghp_0123456789abcdefghij\"",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "//packages.example/:_authToken=abc",
            "[sendemail]\n\tsmtpUser = ana\n\tsmtpPass = hunter2",
            "[imap]\n\tpass = hunter2",
            r#"{ "mcpServers": { "x": { "headers": { "X-Api-Key": "abc" } } } }"#,
            r#"{ "accessToken": "abc" }"#,
            r#"{ "auth": { "password": "abc" } }"#,
            r#"{ "auth": "abc" }"#,
        ] {
            assert!(looks_like(text).is_some(), "{text}");
        }
    }

    #[test]
    fn ordinary_settings_pass() {
        for text in [
            "[user]\n\tname = Ana\n\temail = ana@example.com\n[alias]\n\tst = status",
            "[url \"ssh://git@git.example/\"]\n\tinsteadOf = https://git.example/",
            "[credential]\n\thelper = cache --timeout=3600",
            "env_key = \"CODEX_API_KEY\"\nmodel_max_output_tokens = 4096",
            "[net]\ngit-fetch-with-cli = true\n[source.mirror]\nregistry = \"sparse+https://packages.example/index/\"",
            r#"{ "permissions": { "allow": ["Bash(npm run:*)"] }, "apiKeyHelper": "pass show x" }"#,
            "# token = \"abc\"",
            "{\n\"security\": {\n\"auth\": {\n\"selectedType\": \"oauth-personal\"\n}\n}\n}",
            r#"{ "security": { "auth": { "selectedType": "oauth-personal" } } }"#,
            "[sendemail]\n\tsmtpServer = /usr/bin/msmtp\n\tsmtpEncryption = tls",
            "[color]\n\tui = auto\nbypass = yes",
            "token = \"\"\nmax_tokens = 5\nGITHUB_TOKEN = \"$GITHUB_TOKEN\"",
        ] {
            assert_eq!(looks_like(text), None, "{text}");
        }
    }

    #[test]
    fn the_place_is_told_and_the_text_is_not() {
        assert_eq!(
            screen(b"a\nb\npassword = hunter2"),
            Some(Suspect {
                line: 3,
                looks_like: "a key with a secret's name"
            })
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_screened(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            screen(&bytes);
        }
    }
}
