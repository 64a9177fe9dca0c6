#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod door;
mod form;
mod view;

pub use answer::Answer;
pub use door::{Door, MAX_BODY, Request, Want};
pub use form::{Deed, Form, FormError};
pub use view::{Card, Page, SCRIPT, STYLE, Session, needs_code, page, told};
