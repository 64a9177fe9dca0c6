//! The relay between a program in the sandbox and the user's terminal.
#![forbid(unsafe_code)]

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
mod render;
mod row;
mod sgr;
mod size;
mod status;
mod style;
mod tabs;
mod utf8;
