//! What may not be in a recording of a terminal: the session's secrets, as a terminal shows them.

use crate::keeper::Keeper;
use crate::postgres::Passwords;
use crate::redact::Forbidden;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What stands in the place of a text that has no placeholder.
const FILL: u8 = b'*';

/// The secrets of a session, those that come later too.
#[derive(Debug)]
pub struct Screen {
    keeper: Option<Keeper>,
    /// Of databases.
    passwords: Vec<Zeroizing<Vec<u8>>>,
    /// What was made of which.
    made: Option<(Arc<Forbidden>, Arc<Forbidden>)>,
}

impl Screen {
    /// Of what a broker holds.
    #[must_use]
    pub fn new(keeper: Option<Keeper>, passwords: &Passwords) -> Screen {
        let passwords = passwords.values().map(|p| Zeroizing::new(p.expose().to_vec()));
        Screen {
            keeper,
            passwords: passwords.collect(),
            made: None,
        }
    }

    /// As they are now; the same one until they change.
    pub fn forbidden(&mut self) -> Arc<Forbidden> {
        let of = match &self.keeper {
            Some(keeper) => keeper.forbidden(),
            None => self.made.as_ref().map_or_else(none, |(of, _)| Arc::clone(of)),
        };
        match &self.made {
            Some((from, made)) if Arc::ptr_eq(from, &of) => Arc::clone(made),
            _ => {
                let made = Arc::new(self.make());
                self.made = Some((of, Arc::clone(&made)));
                made
            }
        }
    }

    /// No secret holds a character that a terminal does not print ([`Secret::new`](crate::Secret::new)), so each is
    /// looked for as it is.
    fn make(&self) -> Forbidden {
        let mut texts = self.keeper.as_ref().map(Keeper::shown).unwrap_or_default();
        texts.extend(self.passwords.iter().map(|password| {
            let fill = vec![FILL; password.len()];
            (password.clone(), fill)
        }));
        Forbidden::new(
            texts
                .iter()
                .map(|(real, shown)| (real.as_slice(), shown.as_slice())),
        )
    }
}

fn none() -> Arc<Forbidden> {
    Arc::new(Forbidden::new(std::iter::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::Binding;
    use crate::placeholder::Minter;
    use crate::secret::Secret;
    use crate::vault::Vault;

    #[test]
    fn what_is_added_to_the_vault_is_looked_for_beside_passwords() {
        let secret = |text: &[u8]| Secret::new(text.to_vec()).unwrap();
        let passwords = Passwords::from([("db".to_owned(), secret(b"pass-word-of-db"))]);
        let mut vault = Vault::new(Minter::new([7; 32]));
        let binding = || Binding::minted(std::iter::empty(), "token");
        vault.add([("API".to_owned(), secret(b"first-token-0123"), binding())]);
        let keeper = Keeper::new(vault);
        let mut screen = Screen::new(Some(keeper.clone()), &passwords);
        let forbidden = screen.forbidden();
        assert!(Arc::ptr_eq(&forbidden, &screen.forbidden()), "it is made once");
        let hides =
            |forbidden: &Arc<Forbidden>, text: &str| *forbidden.clean(text.as_bytes()) != *text.as_bytes();
        assert!(hides(&forbidden, "pass-word-of-db") && hides(&forbidden, "first-token-0123"));
        assert!(!hides(&forbidden, "second-token-456"));
        let renewed = [("API".to_owned(), secret(b"second-token-456"), binding())];
        keeper.vault().add(renewed);
        let forbidden = screen.forbidden();
        assert!(hides(&forbidden, "second-token-456") && hides(&forbidden, "first-token-0123"));
        assert!(hides(&forbidden, "pass-word-of-db"));
    }
}
