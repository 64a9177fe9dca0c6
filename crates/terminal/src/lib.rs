//! The relay between a program in the sandbox and the user's terminal.
#![forbid(unsafe_code)]

mod cell;
mod glyph;
mod number;
mod params;
mod parser;
mod row;
mod sgr;
mod style;
mod utf8;
