//! Files and folders as a tar stream (POSIX.1-2017 pax, *ustar Interchange Format*; GNU's long names), and back.
//!
//! The stream that comes back was written inside a sandbox: nothing in it is believed.

#![forbid(unsafe_code)]

mod pack;
mod unpack;

pub use pack::{PackError, Packed, pack};
pub use unpack::{Bounds, UnpackError, Unpacked, unpack};

/// How many things that are left out are named.
const NAMED: usize = 20;

/// What was left out, and why; the first of it by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The first, each as a name and why.
    pub named: Vec<(std::path::PathBuf, &'static str)>,
    /// How many more there were.
    pub more: u64,
}

impl LeftOut {
    fn add(&mut self, name: &std::path::Path, why: &'static str) {
        if self.named.len() < NAMED {
            self.named.push((name.to_owned(), why));
        } else {
            self.more += 1;
        }
    }
}

/// Whether a link at this place, in a tree, leads to something of the tree: by its words, since what they lead to is looked at
/// by nobody here.
fn stays_within(place: &std::path::Path, target: &std::path::Path) -> bool {
    use std::path::Component::{CurDir, Normal, ParentDir};
    // Folders between the top and the link.
    let mut depth = place.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Normal(_) => depth += 1,
            CurDir => {}
            ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::stays_within;
    use std::path::Path;

    #[test]
    fn links_that_stay_and_links_that_leave() {
        for (place, target, stays) in [
            ("a", "b", true),
            ("a", "../b", false),
            ("d/a", "../b", true),
            ("d/a", "../../b", false),
            ("d/a", "x/../../b", true),
            ("d/a", "x/../../../b/c", false),
            ("d/a", "/etc/passwd", false),
            ("d/e/a", "./../b/.", true),
            ("a", "..", false),
        ] {
            assert_eq!(
                stays_within(Path::new(place), Path::new(target)),
                stays,
                "{place} {target}"
            );
        }
    }
}
