#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod call;
mod judge;
mod key;
mod lex;
mod login;
mod message;
mod startup;

pub use judge::{Judged, MAX_STATEMENT, Means, judge, split};
pub use login::{LoginError, Scram, md5};
pub use message::{
    Backend, Bind, BrokenMessage, Frontend, HEADER, Header, Kind, MAX_MESSAGE, Out, Target, backend, header,
    rows,
};
pub use startup::{Greeting, MAX_STARTUP, Refused, Startup, greeting};
