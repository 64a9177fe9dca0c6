#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod client_hello;
mod denial;
mod encoding;
mod field;
mod frame;
pub mod h1;
mod head;

pub use client_hello::{ClientHello, HelloError, MAX_CLIENT_HELLO};
pub use denial::Denial;
pub use encoding::Malformed;
pub use field::{BadField, Field, Fields, MAX_FIELDS, MAX_HEAD};
pub use frame::{FRAME_HEADER, Frame, FrameError, FrameKind, MAX_PAYLOAD};
pub use head::{Length, RequestHead, ResponseHead, Scheme, Version};
