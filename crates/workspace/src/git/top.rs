//! What a project is at when a session begins: its branch, its commit, and the top of its files.

use super::land::Ground;
use super::name::{Head, RefName};
use super::read;
use super::refs::{Refs, Repository};
use crate::beneath::Tree;
use crate::session::Owner;
use std::path::Path;

/// The longest top of a tree that is read, bytes.
const MAX_TREE: usize = 4 << 20;

/// Where a project stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// The branch, without `refs/heads/`; none where HEAD is detached.
    pub branch: Option<String>,
    /// What the remote `origin` calls its main branch, where the project knows.
    pub main: Option<String>,
    /// The commit, hexadecimal.
    pub commit: String,
    /// Its tree, hexadecimal.
    pub tree: String,
    /// The content of that tree, as git stores it.
    pub content: Vec<u8>,
}

/// Looks, by the host's own git. `None` where there is no commit, or something does not read.
#[must_use]
pub fn top(project: &Path, repository: &Repository, owner: Owner) -> Option<Top> {
    let refs = Refs::read(repository).ok()?;
    let commit = refs.tip()?.as_str().to_owned();
    let ground = Ground {
        project,
        repository,
        owner,
    };
    let asked = format!("{commit}^{{tree}}\n");
    let said = ground.git(&["cat-file", "--batch"], asked.as_bytes()).ok()?;
    let (tree, content) = object(&said)?;
    Some(Top {
        branch: match &refs.head {
            Some(Head::Branch(name)) => Some(name.short().to_owned()),
            _ => None,
        },
        main: main_of_origin(repository),
        commit,
        tree,
        content,
    })
}

/// `ID tree SIZE`, a newline, so many bytes, a newline.
fn object(said: &[u8]) -> Option<(String, Vec<u8>)> {
    let end = said.iter().take(200).position(|b| *b == b'\n')?;
    let head = std::str::from_utf8(said.get(..end)?).ok()?;
    let mut words = head.split(' ');
    let (id, kind, size) = (words.next()?, words.next()?, words.next()?);
    let size: usize = size.parse().ok().filter(|size| *size <= MAX_TREE)?;
    let content = said.get(end + 1..)?.strip_suffix(b"\n")?;
    let whole = kind == "tree" && words.next().is_none() && content.len() == size;
    whole.then(|| (id.to_owned(), content.to_vec()))
}

fn main_of_origin(repository: &Repository) -> Option<String> {
    let tree = Tree::open(&repository.common).ok()?;
    let bytes = read(&tree, Path::new("refs/remotes/origin/HEAD")).ok()??;
    let name = RefName::parse(bytes.strip_prefix(b"ref: ")?.trim_ascii())?;
    let name = name.as_str().strip_prefix("refs/remotes/origin/")?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_whole_or_not_at_all() {
        let read = |said: &str| object(said.as_bytes());
        assert_eq!(read("1f tree 3\nabc\n"), Some(("1f".into(), b"abc".to_vec())));
        for bad in [
            "1f tree 4\nabc\n",
            "1f blob 3\nabc\n",
            "1f missing\n",
            "1f tree 3\nabc",
            "1f tree x\n\n",
            "",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
