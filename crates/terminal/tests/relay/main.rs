//! The relay as its caller sees it, with independent judges on both sides.

mod filtered;
mod oracle;
mod properties;
mod queries;
mod rendering;
mod scrollback;
mod streams;
