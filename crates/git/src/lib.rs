#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod ancestry;
mod answer;
mod delta;
mod effects;
mod name;
mod oid;
mod ours;
mod pack;
mod pkt;
mod push;

pub use ancestry::{Ancestry, ancestry};
pub use answer::Answer;
pub use effects::{Ci, Context, Judged, judge};
pub use name::{RefKind, RefName};
pub use oid::{Format, ObjectId};
pub use ours::Ours;
pub use pack::{Bounds, Commit, Commits, PackError, PackScan};
pub use pkt::{Packet, PktError, Pkts};
pub use push::{Command, Push, PushError, Reading};
