//! The relay between a program in the sandbox and the user's terminal.
#![forbid(unsafe_code)]

mod params;
mod parser;
mod utf8;
