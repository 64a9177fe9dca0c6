#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod advertised;
mod ancestry;
mod answer;
mod delta;
mod effects;
mod name;
mod oid;
mod ours;
mod pack;
mod pipelines;
mod pkt;
mod push;

pub use advertised::{Advertised, self_contained};
pub use ancestry::{Ancestry, ancestry};
pub use answer::Answer;
pub use effects::{Ci, Context, Judged, judge};
pub use name::{RefKind, RefName};
pub use oid::{Format, ObjectId};
pub use ours::Ours;
pub use pack::{Bounds, Commit, Commits, Objects, PackError, PackScan};
pub use pipelines::{Base, Pipelines};
pub use pkt::{Packet, PktError, Pkts};
pub use push::{Command, Push, PushError, Reading};
