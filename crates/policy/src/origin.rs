//! Where a value comes from, so that every message can name it.

use std::fmt;
use std::sync::Arc;

use crate::escape::Escaped;
use crate::finding::Pos;

/// Whose configuration, the widest authority first. A lower layer can only narrow what the
/// ones above restrict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// `/etc/fumehood/policy.toml`, root's.
    Machine,
    /// `$XDG_CONFIG_HOME/fumehood/config.toml`.
    User,
    /// `fumehood.toml` in the project: untrusted.
    Project,
    /// The flags of this run.
    CommandLine,
}

/// The place that a value was written at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A configuration file.
    File {
        /// Whose.
        layer: Layer,
        /// Its name as given to [`crate::config::parse`].
        name: Arc<str>,
        /// Where in it.
        pos: Pos,
    },
    /// A shipped preset.
    Preset(&'static str),
    /// A flag, `--ro`.
    Flag(&'static str),
    /// Built in.
    Default,
}

impl Origin {
    /// Whose word counts where two name the same thing and neither restricts the other: the
    /// person at the keyboard, then their file, the machine's, the project's, a preset.
    pub(crate) fn authority(&self) -> u8 {
        match self {
            Self::Flag(_)
            | Self::File {
                layer: Layer::CommandLine,
                ..
            } => 5,
            Self::File {
                layer: Layer::User, ..
            } => 4,
            Self::File {
                layer: Layer::Machine,
                ..
            } => 3,
            Self::File {
                layer: Layer::Project,
                ..
            } => 2,
            Self::Preset(_) => 1,
            Self::Default => 0,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, pos, .. } => write!(f, "{}:{pos}", Escaped::from(&**name)),
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value and the place in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it begins.
    pub pos: Pos,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub origin: Origin,
}
