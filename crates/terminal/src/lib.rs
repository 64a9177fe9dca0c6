#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cast;
mod cell;
mod cursor;
mod departed;
mod glyph;
mod grid;
mod input;
mod keyboard;
mod model;
mod modes;
mod number;
mod options;
mod params;
mod parser;
mod popup;
mod probe;
mod relay;
mod render;
mod row;
mod sgr;
mod size;
mod status;
mod stream;
mod style;
mod subset;
mod tabs;
mod utf8;

pub use cast::{Cast, CastError, Event, Header, MAX_LINE};
pub use options::{Options, Rgb};
pub use popup::{Choice, PopUp};
pub use probe::Probe;
pub use relay::{Output, Relay};
pub use size::Size;
pub use status::Status;
pub use stream::Stream;
pub use subset::{Piece, Subset};
