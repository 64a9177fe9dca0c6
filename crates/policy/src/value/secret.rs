use std::fmt;
use std::str::FromStr;

use super::{EnvName, Invalid, PathTemplate};

/// Where a secret's value is fetched from, outside the sandbox, when it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// `env:NAME`, a variable of the user's environment.
    Env(EnvName),
    /// `file:PATH`
    File(PathTemplate),
    /// `keyring:NAME`, the desktop's keyring.
    Keyring(String),
    /// `op://VAULT/ITEM/FIELD`, 1Password.
    OnePassword(String),
    /// `cmd:COMMAND LINE`, run on the host; split at blanks, no shell.
    Command(Vec<String>),
}

const HELP: &str = "write env:NAME, file:PATH, keyring:NAME, op://VAULT/ITEM/FIELD or cmd:COMMAND";

impl FromStr for SecretSource {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // A pasted secret must not be printed: the text is not part of this message.
        let bad = || Invalid::new("a secret is named by where it lies, never written here", HELP);
        let (scheme, rest) = text.split_once(':').ok_or_else(bad)?;
        let plain = !rest.is_empty() && !rest.contains(char::is_control);
        match scheme {
            _ if !plain => Err(bad()),
            "env" => rest.parse().map(Self::Env).map_err(|_| bad()),
            "file" => rest.parse().map(Self::File).map_err(|_| bad()),
            "keyring" => Ok(Self::Keyring(rest.to_owned())),
            "op" => one_password(rest).ok_or_else(bad),
            "cmd" => command(rest).ok_or_else(bad),
            _ => Err(bad()),
        }
    }
}

fn one_password(rest: &str) -> Option<SecretSource> {
    let path = rest.strip_prefix("//")?;
    let parts: Vec<&str> = path.split('/').collect();
    let whole = (3..=4).contains(&parts.len()) && parts.iter().all(|p| !p.is_empty());
    whole.then(|| SecretSource::OnePassword(path.to_owned()))
}

fn command(rest: &str) -> Option<SecretSource> {
    let words: Vec<String> = rest.split_ascii_whitespace().map(str::to_owned).collect();
    (!words.is_empty()).then_some(SecretSource::Command(words))
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |text: &str| crate::Escaped::from(text).to_string();
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Keyring(name) => write!(f, "keyring:{}", escaped(name)),
            Self::OnePassword(path) => write!(f, "op://{}", escaped(path)),
            Self::Command(words) => write!(f, "cmd:{}", escaped(&words.join(" "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_back() {
        for text in [
            "env:TOKEN",
            "file:~/.token",
            "keyring:x y",
            "op://dev/stripe-test/key",
            "cmd:pass show x",
        ] {
            assert_eq!(text.parse::<SecretSource>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_pasted_secret_is_refused_and_not_repeated() {
        for text in [
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "op://x",
            "env:",
            "env:a b",
            "cmd: ",
            "https://x.example",
            "file:a\nb",
        ] {
            let error = text.parse::<SecretSource>().unwrap_err();
            assert!(!format!("{error} {}", error.help).contains("sk_live"), "{text}");
        }
    }
}
