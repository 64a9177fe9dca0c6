//! Values that are one of a few words.

use super::Invalid;
use crate::suggest;

/// A closed set of words. `ALL` is the order of the documentation.
pub trait Word: Copy + PartialEq + 'static {
    /// What the words are, "an isolation level".
    const KIND: &'static str;
    /// Every word with its value.
    const ALL: &'static [(&'static str, Self)];

    /// The value of a word; the error lists the words.
    fn from_word(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.iter().find(|(word, _)| *word == text);
        found.map(|&(_, value)| value).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|(word, _)| *word).collect();
            let help = match suggest::nearest(text, words.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of {}", words.join(", ")),
            };
            Invalid::not(text, Self::KIND, help)
        })
    }

    /// The word of a value.
    fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, v)| *v == self)
            .map_or("", |(word, _)| word)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $kind:literal: $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl Word for $name {
            const KIND: &'static str = $kind;
            const ALL: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        }

        impl std::str::FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::from_word(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// How strong the wall is, weakest first.
    Isolation, "an isolation level":
    /// Landlock and seccomp only, no namespaces.
    Landlock = "landlock",
    /// User, mount, pid, net, ipc, uts and cgroup namespaces, then Landlock and seccomp.
    Namespace = "namespace",
    /// A user-space kernel.
    Gvisor = "gvisor",
    /// A small virtual machine.
    Vm = "vm",
    /// A pod on a cluster.
    Cluster = "cluster",
}

words! {
    /// When changes reach the host, the most held back first.
    Apply, "a way to apply changes":
    /// Kept until asked for.
    Never = "never",
    /// Nothing lands without one key or `fumehood apply`.
    Ask = "ask",
    /// What has no finding lands at each quiet point.
    Turn = "turn",
    /// Every write lands at once: a plain bind mount.
    Live = "live",
}

words! {
    /// What happens to an effect.
    Verdict, "a verdict":
    /// Goes through and is recorded.
    Allow = "allow",
    /// Waits for a human.
    Hold = "hold",
    /// Is refused.
    Deny = "deny",
}

words! {
    /// What a rule may do: rules only narrow, so there is no `allow`.
    Decide, "what a rule decides":
    /// Waits for a human.
    Hold = "hold",
    /// Is refused.
    Deny = "deny",
}

words! {
    /// Whether decisions are enforced.
    Mode, "a mode":
    /// Decisions are enforced.
    Enforce = "enforce",
    /// Decisions are recorded only.
    Observe = "observe",
}

words! {
    /// What proves an approver.
    Proof, "a proof":
    /// The account.
    Account = "account",
    /// A touch on a security key.
    Passkey = "passkey",
    /// The team service.
    Team = "team",
}

words! {
    /// What a push to a repository starts there.
    Ci, "what a push starts":
    /// Nothing.
    None = "none",
    /// Pipelines that hold no secret.
    WithoutSecrets = "without-secrets",
    /// Pipelines that do, or nobody knows.
    WithSecrets = "with-secrets",
}

words! {
    /// Who signs commits.
    Sign, "a way to sign":
    /// The host's key, outside the sandbox.
    Host = "host",
    /// Commits stay unsigned.
    Never = "never",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_slips_are_suggested() {
        for &(word, value) in Isolation::ALL {
            assert_eq!(Isolation::from_word(word), Ok(value));
            assert_eq!(value.to_string(), word);
        }
        let error = Isolation::from_word("namespaces").unwrap_err();
        assert_eq!(
            (&*error.what, &*error.help),
            (
                "`namespaces` is not an isolation level",
                "did you mean `namespace`?"
            )
        );
        let error = Apply::from_word("later").unwrap_err();
        assert_eq!(&*error.help, "one of never, ask, turn, live");
    }

    #[test]
    fn the_orders_are_the_ones_that_layers_narrow_by() {
        assert!(Isolation::Landlock < Isolation::Namespace && Isolation::Namespace < Isolation::Vm);
        assert!(Apply::Never < Apply::Ask && Apply::Turn < Apply::Live);
    }
}
