//! Sessions of the older era: under which name a client's calls are told from another's.

use rustix::rand::{GetRandomFlags, getrandom};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sessions at a time; the one that rested longest goes for a new one.
const MOST: usize = 256;

struct Session {
    name: String,
    client: u64,
}

/// The open ones, in the order in which they were last used.
#[derive(Default)]
pub(super) struct Sessions {
    open: Mutex<Vec<Session>>,
    last: Mutex<u64>,
}

impl Sessions {
    fn all(&self) -> MutexGuard<'_, Vec<Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other client has.
    pub(super) fn number(&self) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        *last
    }

    /// Opens one. Gives its name, and whose calls end for it.
    pub(super) fn open(&self) -> std::io::Result<(String, Option<u64>)> {
        let mut bytes = [0; 16];
        if getrandom(&mut bytes, GetRandomFlags::empty())? != bytes.len() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let name: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let client = self.number();
        let mut all = self.all();
        let gone = (all.len() >= MOST).then(|| all.remove(0).client);
        all.push(Session {
            name: name.clone(),
            client,
        });
        Ok((name, gone))
    }

    /// Whose it is.
    pub(super) fn client(&self, name: &str) -> Option<u64> {
        let mut all = self.all();
        let at = all.iter().position(|s| s.name == name)?;
        let session = all.remove(at);
        let client = session.client;
        all.push(session);
        Some(client)
    }

    /// Ends it.
    pub(super) fn close(&self, name: &str) -> Option<u64> {
        let mut all = self.all();
        let at = all.iter().position(|s| s.name == name)?;
        Some(all.remove(at).client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_rested_longest_goes() {
        let sessions = Sessions::default();
        let (first, none) = sessions.open().unwrap();
        let (second, _) = sessions.open().unwrap();
        assert_eq!(none, None);
        let two = sessions.client(&second).unwrap();
        assert!(sessions.client(&first).is_some());
        for _ in 2..MOST {
            assert_eq!(sessions.open().unwrap().1, None);
        }
        assert_eq!(sessions.open().unwrap().1, Some(two));
        assert_eq!(sessions.client(&second), None);
        assert!(sessions.close(&first).is_some() && sessions.client(&first).is_none());
    }
}
