//! Receipts: texts that the account signs as a whole, as signed notes (C2SP signed-note), for others to keep. Whoever has the
//! account's first public key checks one; where another key has taken over since, the proofs of that come with it.

use crate::account::{ACCOUNT, Account, identity};
use crate::chain::{BETWEEN, ChainError, MakeError, key, prove_event, verify_chain};
use crate::inspect::index_records;
use crate::key::PublicKey;
use crate::note::{open_text, sign_text};
use crate::record::Kind;
use std::path::Path;

/// How the text begins: no head of a log does, so that neither is ever taken for the other.
const BEGIN: &str = "fumehood receipt 1\n";

/// Signs a text of whole lines with the account's key, and adds what proves that key.
///
/// # Errors
/// There is no index, it cannot be written, or it does not verify.
pub fn sign_receipt(root: &Path, text: &str) -> Result<String, MakeError> {
    let (origin, first) = identity(root).ok_or(MakeError::Unknown)?;
    let (note, signer) = {
        let account = Account::open(root)?;
        let note = sign_text(&format!("{BEGIN}{text}"), &origin, account.key());
        (note, account.key().public())
    };
    if signer == first {
        return Ok(note);
    }
    let named = index_records(root)?
        .into_iter()
        .rev()
        .find(|record| record.kind == Kind::KeyNext && key(record) == Some(signer));
    let named = named.ok_or(MakeError::Unknown)?;
    let proofs = prove_event(root, ACCOUNT, named.sequence)?;
    Ok(format!("{note}{BETWEEN}{proofs}"))
}

/// The text of a receipt, given the account's name and first key.
///
/// # Errors
/// It is not signed by the account.
pub fn open_receipt(receipt: &str, origin: &str, first: &PublicKey) -> Result<String, ChainError> {
    let (note, proofs) = match receipt.split_once(BETWEEN) {
        Some((note, proofs)) => (note, Some(proofs)),
        None => (receipt, None),
    };
    let key = match proofs {
        Some(proofs) => verify_chain(proofs, origin, first)?.0.get(origin).copied(),
        None => Some(*first),
    };
    let key = key.ok_or(ChainError::Empty)?;
    let text = open_text(note, origin, &key).map_err(ChainError::Receipt)?;
    let text = text.strip_prefix(BEGIN).ok_or(ChainError::Empty)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Value;
    use std::collections::BTreeMap;

    #[test]
    fn a_receipt_needs_the_first_key_alone_also_after_keys_were_replaced_and_no_byte_of_it_is_idle() {
        let top = tempfile::tempdir().unwrap();
        let root = top.path();
        let record = |n| {
            let fields = BTreeMap::from([("n".to_owned(), Value::Number(n))]);
            Account::open(root)
                .unwrap()
                .record(Kind::SessionEnd, fields)
                .unwrap();
        };
        record(0);
        let (origin, first) = identity(root).unwrap();
        let text = "session one\n\n  end         status 0\n";
        for round in 0..3 {
            let receipt = sign_receipt(root, text).unwrap();
            assert_eq!(receipt.contains("---"), round > 0);
            assert_eq!(open_receipt(&receipt, &origin, &first).unwrap(), text);
            assert!(open_receipt(&receipt, "another.log", &first).is_err());
            let step = if round == 0 { 1 } else { 7 };
            for at in (0..receipt.len()).step_by(step) {
                let mut bad = receipt.clone().into_bytes();
                bad[at] ^= 1;
                let Ok(bad) = String::from_utf8(bad) else { continue };
                assert!(open_receipt(&bad, &origin, &first).is_err(), "{round}: byte {at}");
                assert!(
                    open_receipt(receipt.get(..at).unwrap_or_default(), &origin, &first).is_err(),
                    "{round}: cut at {at}"
                );
            }
            // A key of its own signs no receipt of this account, and a head is none.
            let other = crate::key::Key::generate().unwrap();
            assert!(
                open_receipt(
                    &sign_text(&format!("{BEGIN}{text}"), &origin, &other),
                    &origin,
                    &first
                )
                .is_err()
            );
            let head = Account::open(root).unwrap().note().to_owned();
            assert!(open_receipt(&head, &origin, &first).is_err());
            // Where the new key has signed nothing yet, and where it has.
            Account::open(root).unwrap().replace_key().unwrap();
            if round == 1 {
                record(round);
            }
        }
    }
}
