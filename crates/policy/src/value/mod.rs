//! The typed values that configuration is made of. Each is parsed once, at the edge, by its
//! own `FromStr`; a value that exists is valid.

mod amount;
mod authority;
mod date;
mod effect;
mod env;
mod host;
mod invalid;
mod manager;
mod name;
mod path;
mod place;
mod publish;
mod secret;
mod version;
mod words;

pub use amount::{ByteSize, Cpus, Rate, Span, Window};
pub use authority::{Party, PartyKind, PostgresAddress, Sink, WitnessKey};
pub use date::Date;
pub use effect::{EFFECTS, EffectPattern};
pub use env::{EnvName, EnvPattern};
pub use host::{HostName, HostPattern, HostPort, Port};
pub use invalid::Invalid;
pub use manager::{Item, MANAGERS, Manager};
pub use name::{Label, ToolName, UpstreamTool};
pub use path::{HidePattern, PathTemplate, Root, Variables};
pub use place::Place;
pub use publish::Publish;
pub use secret::SecretSource;
pub use version::{Version, VersionReq};
pub use words::{Apply, Ci, Decide, Isolation, Mode, Proof, Sign, Verdict, Word};
