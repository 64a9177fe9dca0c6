//! Password managers, by the command that prints one secret.

/// A way to fetch a secret from a program that keeps it.
#[derive(Debug, PartialEq, Eq)]
pub struct Manager {
    /// What a source begins with, before the colon.
    pub scheme: &'static str,
    /// The command, found on the user's `PATH`. `{0}` and `{1}` are what the source names, split at `#`.
    pub argv: &'static [&'static str],
    /// Whether the secret is the first line of several.
    pub first_line: bool,
    /// How a source is written.
    pub example: &'static str,
}

/// A row for each kind of source. Where one scheme has two, the number of parts tells them apart.
pub const MANAGERS: &[Manager] = &[
    // The desktop's keyring (freedesktop.org Secret Service) by libsecret's own command, which speaks D-Bus
    // and opens the keyring's prompt: with and without an account, as `secret-tool store` and Python's
    // `keyring` name them.
    Manager {
        scheme: "keyring",
        argv: &["secret-tool", "lookup", "service", "{0}"],
        first_line: false,
        example: "keyring:SERVICE",
    },
    Manager {
        scheme: "keyring",
        argv: &["secret-tool", "lookup", "service", "{0}", "username", "{1}"],
        first_line: false,
        example: "keyring:SERVICE#ACCOUNT",
    },
    // 1Password: the reference is the whole source.
    Manager {
        scheme: "op",
        argv: &["op", "read", "--no-newline", "op:{0}"],
        first_line: false,
        example: "op://VAULT/ITEM/FIELD",
    },
    // The password is the first line of an entry; what follows is notes.
    Manager {
        scheme: "pass",
        argv: &["pass", "show", "{0}"],
        first_line: true,
        example: "pass:NAME",
    },
    Manager {
        scheme: "gopass",
        argv: &["gopass", "show", "--password", "{0}"],
        first_line: false,
        example: "gopass:NAME",
    },
    // Bitwarden, its own command and an agent for it.
    Manager {
        scheme: "bw",
        argv: &["bw", "get", "password", "{0}"],
        first_line: false,
        example: "bw:ITEM",
    },
    Manager {
        scheme: "rbw",
        argv: &["rbw", "get", "{0}"],
        first_line: true,
        example: "rbw:ITEM",
    },
    Manager {
        scheme: "lpass",
        argv: &["lpass", "show", "--password", "{0}"],
        first_line: false,
        example: "lpass:ITEM",
    },
    Manager {
        scheme: "vault",
        argv: &["vault", "kv", "get", "-field={1}", "{0}"],
        first_line: false,
        example: "vault:PATH#FIELD",
    },
    Manager {
        scheme: "doppler",
        argv: &["doppler", "secrets", "get", "--plain", "{0}"],
        first_line: false,
        example: "doppler:NAME",
    },
    Manager {
        scheme: "gcloud",
        argv: &[
            "gcloud",
            "secrets",
            "versions",
            "access",
            "latest",
            "--secret={0}",
        ],
        first_line: false,
        example: "gcloud:NAME",
    },
    Manager {
        scheme: "aws",
        argv: &[
            "aws",
            "secretsmanager",
            "get-secret-value",
            "--query=SecretString",
            "--output=text",
            "--secret-id={0}",
        ],
        first_line: false,
        example: "aws:NAME",
    },
];

/// A secret in a password manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    manager: &'static Manager,
    name: String,
}

impl Item {
    /// What follows the scheme; nothing where no row fits, or where a part would be read as an option.
    pub(super) fn parse(scheme: &str, name: &str) -> Option<Item> {
        let parts: Vec<&str> = name.split('#').collect();
        let fits = |m: &&Manager| m.scheme == scheme && m.parts() == parts.len();
        let manager = MANAGERS.iter().find(fits)?;
        let plain = |p: &&str| !p.is_empty() && !p.starts_with('-') && !p.contains(char::is_control);
        parts.iter().all(plain).then(|| Item {
            manager,
            name: name.to_owned(),
        })
    }

    /// The row.
    #[must_use]
    pub fn manager(&self) -> &'static Manager {
        self.manager
    }

    /// What it is called there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The command and its arguments.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let parts: Vec<&str> = self.name.split('#').collect();
        let fill = |word: &&str| {
            let first = word.replace("{0}", parts[0]);
            parts.get(1).map_or(first.clone(), |second| {
                word.replace("{1}", second).replace("{0}", parts[0])
            })
        };
        self.manager.argv.iter().map(fill).collect()
    }
}

impl Manager {
    fn parts(&self) -> usize {
        if self.argv.iter().any(|w| w.contains("{1}")) {
            2
        } else {
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_makes_a_command_of_its_example() {
        for row in MANAGERS {
            let (scheme, name) = row.example.split_once(':').unwrap();
            let item = Item::parse(scheme, name).unwrap();
            assert_eq!(item.manager(), row);
            let argv = item.argv();
            assert!(
                !argv[0].contains('{') && argv.iter().all(|w| !w.contains(['{', '}'])),
                "{argv:?}"
            );
            for part in name.split('#') {
                assert!(argv.iter().any(|w| w.ends_with(part)), "{argv:?}");
            }
        }
    }

    #[test]
    fn no_part_is_read_as_an_option() {
        assert_eq!(Item::parse("pass", "--help"), None);
        assert_eq!(Item::parse("vault", "secret/x#-wrap"), None);
        assert_eq!(Item::parse("pass", "a#b"), None);
        assert_eq!(Item::parse("pass", "a\nb"), None);
    }
}
