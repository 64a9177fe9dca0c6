//! The Merkle tree of RFC 6962 §2.1.

use sha2::{Digest, Sha256};

/// A hash of the tree.
pub type Hash = [u8; 32];

/// The hash of a leaf: SHA-256 of 0x00 and the record.
#[must_use]
pub fn leaf(record: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(record)
        .finalize()
        .into()
}

/// The hash of an inner node: SHA-256 of 0x01 and both children.
pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The right edge of a growing tree: one hash for each complete subtree, the largest first. Appending
/// costs one leaf hash and on average one node hash.
#[derive(Clone, Debug, Default)]
pub struct Frontier {
    size: u64,
    complete: Vec<Hash>,
}

impl Frontier {
    /// How many leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf's hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.complete.pop() {
                hash = node(&left, &hash);
            }
        }
        self.complete.push(hash);
        self.size += 1;
    }

    /// Adds a complete subtree of `2^level` leaves by its root. The tree must end where such a one
    /// begins; otherwise nothing is added and the answer is no.
    pub(crate) fn push_subtree(&mut self, level: u32, root: Hash) -> bool {
        if !self.size.is_multiple_of(1 << level) {
            return false;
        }
        let mut hash = root;
        for _ in 0..(self.size >> level).trailing_ones() {
            if let Some(left) = self.complete.pop() {
                hash = node(&left, &hash);
            }
        }
        self.complete.push(hash);
        self.size += 1 << level;
        true
    }

    /// Its hashes, for keeping: [`Frontier::from_parts`].
    pub(crate) fn hashes(&self) -> &[Hash] {
        &self.complete
    }

    /// What [`Frontier::hashes`] gave, if it has as many hashes as a tree of this size.
    pub(crate) fn from_parts(size: u64, complete: Vec<Hash>) -> Option<Self> {
        (complete.len() as u32 == size.count_ones()).then_some(Self { size, complete })
    }

    /// The tree's root; of an empty tree the SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut subtrees = self.complete.iter().rev();
        let Some(last) = subtrees.next() else {
            return Sha256::digest([]).into();
        };
        subtrees.fold(*last, |right, left| node(left, &right))
    }
}

/// The hash of a tree with these leaves.
pub(crate) fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The path that proves the leaf at `index` (RFC 6962 §2.1.1), from the leaf upwards.
pub(crate) fn path(leaves: &[Hash], index: usize) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, other) = if index < left.len() {
        (self::path(left, index), root_of(right))
    } else {
        (self::path(right, index - left.len()), root_of(left))
    };
    path.push(other);
    path
}

/// The proof that the tree of these leaves contains the tree of the first `old` (RFC 6962 §2.1.2); empty for none or all.
pub(crate) fn consistency(leaves: &[Hash], old: usize) -> Vec<Hash> {
    if old == 0 || old >= leaves.len() {
        return Vec::new();
    }
    subproof(leaves, old, true)
}

/// `whole`: the old tree is one subtree of what the verifier knows, whose root needs not be said.
fn subproof(leaves: &[Hash], old: usize, whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root_of(leaves)] };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut proof, other) = if old <= left.len() {
        (subproof(left, old, whole), root_of(right))
    } else {
        (subproof(right, old - left.len(), false), root_of(left))
    };
    proof.push(other);
    proof
}

/// The root that a path leads to (RFC 9162 §2.1.3.2), if it has the right length.
pub(crate) fn climb(mut index: u64, size: u64, leaf: Hash, path: &[Hash]) -> Option<Hash> {
    let mut last = size.checked_sub(1).filter(|last| index <= *last)?;
    let mut hash = leaf;
    for other in path {
        if last == 0 {
            return None;
        }
        if index % 2 == 1 || index == last {
            hash = node(other, &hash);
            while index.is_multiple_of(2) && index != 0 {
                index /= 2;
                last /= 2;
            }
        } else {
            hash = node(&hash, other);
        }
        index /= 2;
        last /= 2;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1 word for word.
    fn defined(records: &[Vec<u8>]) -> Hash {
        match records {
            [] => Sha256::digest([]).into(),
            [one] => leaf(one),
            many => {
                let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
                node(&defined(left), &defined(right))
            }
        }
    }

    #[test]
    fn every_size_has_the_root_that_the_definition_gives_and_every_leaf_its_path() {
        let records: Vec<Vec<u8>> = (0..67u8).map(|n| vec![n; usize::from(n)]).collect();
        let leaves: Vec<Hash> = records.iter().map(|r| leaf(r)).collect();
        for size in 0..=records.len() {
            let root = defined(&records[..size]);
            assert_eq!(root_of(&leaves[..size]), root);
            for index in 0..size {
                let mut path = path(&leaves[..size], index);
                let climbed = climb(index as u64, size as u64, leaves[index], &path);
                assert_eq!(climbed, Some(root), "{index} of {size}");
                path.push(root);
                assert_eq!(climb(index as u64, size as u64, leaves[index], &path), None);
            }
        }
    }

    /// RFC 9162 §2.1.4.2, word for word.
    fn contains(old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> bool {
        if old.0 == new.0 {
            return proof.is_empty() && old.1 == new.1;
        }
        let mut proof = proof.to_vec();
        if old.0.is_power_of_two() {
            proof.insert(0, old.1);
        }
        let (mut fn_, mut sn) = (old.0 - 1, new.0 - 1);
        while fn_ % 2 == 1 {
            fn_ /= 2;
            sn /= 2;
        }
        let Some((first, rest)) = proof.split_first() else {
            return false;
        };
        let (mut fr, mut sr) = (*first, *first);
        for c in rest {
            if sn == 0 {
                return false;
            }
            if fn_ % 2 == 1 || fn_ == sn {
                fr = node(c, &fr);
                sr = node(c, &sr);
                while fn_ % 2 == 0 && fn_ != 0 {
                    fn_ /= 2;
                    sn /= 2;
                }
            } else {
                sr = node(&sr, c);
            }
            fn_ /= 2;
            sn /= 2;
        }
        fr == old.1 && sr == new.1 && sn == 0
    }

    #[test]
    fn every_tree_is_proved_to_contain_every_earlier_one() {
        let leaves: Vec<Hash> = (0..40u8).map(|n| leaf(&[n])).collect();
        for size in 1..=leaves.len() {
            for old in 1..=size {
                let proof = consistency(&leaves[..size], old);
                let (before, now) = (root_of(&leaves[..old]), root_of(&leaves[..size]));
                assert!(
                    contains((old as u64, before), (size as u64, now), &proof),
                    "{old} of {size}"
                );
                assert!(
                    !contains((old as u64, [7; 32]), (size as u64, now), &proof),
                    "{old} of {size}"
                );
            }
        }
    }

    #[test]
    fn subtrees_are_added_as_their_leaves_would_be() {
        let leaves: Vec<Hash> = (0..40u8).map(|n| leaf(&[n])).collect();
        let mut fast = Frontier::default();
        assert!(leaves.chunks(8).all(|eight| fast.push_subtree(3, root_of(eight))));
        assert_eq!(fast.root(), root_of(&leaves));
        fast.push(leaf(b"one"));
        assert!(!fast.push_subtree(3, [0; 32]));
        let again = Frontier::from_parts(fast.size(), fast.hashes().to_vec()).unwrap();
        assert_eq!(again.root(), fast.root());
    }

    #[test]
    fn the_empty_tree_is_that_of_the_rfc() {
        let hex: String = root_of(&[]).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
