use std::fmt;
use std::str::FromStr;

use super::manager::Item;
use super::{EnvName, Invalid, PathTemplate};

/// Where a secret's value is fetched from, outside the sandbox, when it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// `env:NAME`, a variable of the user's environment.
    Env(EnvName),
    /// `file:PATH`
    File(PathTemplate),
    /// `store:NAME`, what `fumehood secret add` was given.
    Store(EnvName),
    /// `op://VAULT/ITEM/FIELD`, `keyring:SERVICE`, `pass:NAME` and the like.
    Manager(Item),
    /// `cmd:COMMAND LINE`, run on the host; split at blanks, no shell.
    Command(Vec<String>),
}

const HELP: &str =
    "write env:NAME, file:PATH, store:NAME, keyring:SERVICE, op://VAULT/ITEM/FIELD, pass:NAME or cmd:COMMAND";

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
            "store" => rest.parse().map(Self::Store).map_err(|_| bad()),
            "op" if !one_password(rest) => Err(bad()),
            "cmd" => command(rest),
            _ => Item::parse(scheme, rest).map(Self::Manager).ok_or_else(bad),
        }
    }
}

fn one_password(rest: &str) -> bool {
    let parts: Vec<&str> = rest.strip_prefix("//").unwrap_or_default().split('/').collect();
    (3..=4).contains(&parts.len()) && parts.iter().all(|p| !p.is_empty())
}

fn command(rest: &str) -> Result<SecretSource, Invalid> {
    let words: Vec<String> = rest.split_ascii_whitespace().map(str::to_owned).collect();
    let program = words
        .first()
        .ok_or_else(|| Invalid::new("no command is named", HELP))?;
    // A program of the checkout could have been written inside a sandbox.
    if program.contains('/') && !program.starts_with('/') {
        let help = "name it as it is found on PATH, or by its whole path";
        return Err(Invalid::new(
            "a command below the working directory is not run",
            help,
        ));
    }
    Ok(SecretSource::Command(words))
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |text: &str| crate::Escaped::from(text).to_string();
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Store(name) => write!(f, "store:{name}"),
            Self::Manager(item) => write!(f, "{}:{}", item.manager().scheme, escaped(item.name())),
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
            "store:TOKEN",
            "keyring:x y",
            "keyring:gh:github.com#me",
            "op://dev/stripe-test/key",
            "pass:work/stripe",
            "vault:secret/stripe#key",
            "cmd:gpg --decrypt /home/me/x.gpg",
        ] {
            assert_eq!(text.parse::<SecretSource>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_pasted_secret_is_refused_and_not_repeated() {
        for text in [
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "op://x",
            "op:x",
            "env:",
            "env:a b",
            "cmd: ",
            "https://x.example",
            "file:a\nb",
            "pass:--clip",
        ] {
            let error = text.parse::<SecretSource>().unwrap_err();
            assert!(!format!("{error} {}", error.help).contains("sk_live"), "{text}");
        }
    }

    #[test]
    fn a_program_of_the_checkout_is_not_run() {
        for text in ["cmd:./key", "cmd:scripts/key", "cmd:../key"] {
            let error = text.parse::<SecretSource>().unwrap_err();
            assert!(
                error.to_string().contains("below the working directory"),
                "{text}"
            );
        }
        assert!("cmd:/usr/bin/key".parse::<SecretSource>().is_ok());
    }
}
