//! Names of files (C2SP tlog-tiles; docs/log.md §3).

/// Entries in a bundle and hashes in a tile.
pub(crate) const WIDTH: usize = 256;
/// The frames of a log that is being written, or whose writer died.
pub(crate) const JOURNAL: &str = "journal";
/// The journal that is to take its place.
pub(crate) const NEXT_JOURNAL: &str = "journal.new";
/// The ending of a bundle that is compressed.
pub(crate) const PACKED: &str = ".gz";
/// Every checkpoint, one after the other.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// The last checkpoint of a log that ended.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// Where each bundle begins, and which times and kinds are in it.
pub(crate) const INDEX: &str = "index";

/// `x001/x234/067`
fn number(mut n: u64) -> String {
    let mut name = format!("{:03}", n % 1000);
    while n >= 1000 {
        n /= 1000;
        name = format!("x{:03}/{name}", n % 1000);
    }
    name
}

/// `tile/0/x001/067`, `tile/entries/000.p/12`: the level, or `entries`; which tile; how many it holds.
pub(crate) fn tile(level: &str, index: u64, count: usize) -> String {
    let number = number(index);
    if count == WIDTH {
        format!("tile/{level}/{number}")
    } else {
        format!("tile/{level}/{number}.p/{count}")
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_those_of_the_specification() {
        assert_eq!(super::tile("0", 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(super::tile("entries", 0, 12), "tile/entries/000.p/12");
    }
}
