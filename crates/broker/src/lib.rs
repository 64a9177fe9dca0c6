#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod adopt;
mod answer;
mod binding;
mod denied;
mod dial;
mod keeper;
mod login;
mod mac;
mod opening;
mod placeholder;
mod postgres;
mod process;
mod redact;
mod screen;
mod secret;
mod sigv4;
mod source;
mod store;
mod telling;
mod upstream;
mod vault;
mod websocket;

pub use adopt::TooLong;
pub use answer::{Adopted, Answer, Withheld};
pub use binding::Binding;
pub use denied::Denied;
pub use dial::dial;
pub use keeper::Keeper;
pub use login::{Renewed, keep};
pub use mac::hmac_sha256;
pub use opening::{
    MAX_SECRETS, Open, OpenError, Opened, Told, ToldLogin, Wanted, WantedLogin, WantedPassword, minter, open,
    passwords,
};
pub use placeholder::{Minter, Placeholder};
pub use postgres::Passwords;
pub use process::run;
pub use redact::{Forbidden, Redactor};
pub use screen::Screen;
pub use secret::{Secret, Unusable};
pub use source::{FetchError, FileError, Machine, Outside, RunError, fetch};
pub use store::{Store, StoreError, Stored};
pub use upstream::{
    Allotment, Became, BodyDigest, Custody, Dial, Guards, Incoming, NoCustody, Outgoing, Release, TlsError,
    Upstream,
};
pub use vault::{Credential, MAX_BODY, Used, Vault};
pub use websocket::FrameError;
