//! Shipped presets: what a language's tools or an agent need, as data in `presets/*.toml`
//! (format: `presets/README.md`). The index holds what choosing needs, so that only chosen
//! presets are parsed.

mod index;
mod login;
mod model;

pub use index::{Entry, INDEX, find, is_known, names};
pub use login::Login;
pub use model::{Agent, HomePlace, KeptSettings, Key, Preset, RegistryClient, WordPattern};
