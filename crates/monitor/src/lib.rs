#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod budget;
mod channel;
mod described;
pub mod desk;
mod effects;
mod exchanges;
pub mod hold;
mod line;
mod message;
mod monitor;
mod preview;
mod pushes;
mod report;
mod request;
mod statements;
mod told;
mod wire;

pub use channel::{Channel, MAX_PACKET, Packet, pair};
pub use described::{Answer, Described, known_services};
pub use effects::{Effects, Would};
pub use fumehood_git::{Base, Ci, ObjectId, Pipelines};
pub use line::Line;
pub use message::{
    BodyOf, Broken, DialError, FlowId, FromBroker, FromGateway, MAX_ADDRESSES, MAX_NAMES, MAX_SQL, MAX_WHY,
    OpenDatabase, Released, STATEMENTS, Said, Statement, ToBroker, ToGateway, Wire,
};
pub use monitor::{Action, Monitor, Policy};
pub use pushes::Pushes;
pub use report::{Blocked, Report, Tunnel};
pub use request::{Held, Judgement, MAX_BODY, Standing, Terms, judge, judge_remote};
pub use statements::{Database, ORDINARY, ORDINARY_ADDED};
pub use told::{Ending, Sent, Told};
pub use wire::{Reader, Writer};
