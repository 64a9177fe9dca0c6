#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod channel;
pub mod desk;
pub mod hold;
mod message;
mod wire;

pub use channel::{Channel, MAX_PACKET, Packet, pair};
pub use message::{DialError, FlowId, FromBroker, FromGateway, MAX_ADDRESSES, ToBroker, ToGateway, Wire};
pub use wire::{Reader, Writer};
