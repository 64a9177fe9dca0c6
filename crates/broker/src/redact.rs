//! What must not come back of the secrets that are used here.

use crate::placeholder::Placeholder;
use crate::secret::Secret;
pub(crate) use fumehood_redact::Finder;
pub use fumehood_redact::{Forbidden, Redactor};

/// These secrets, each with what stands for it. Made anew when a credential is added.
pub(crate) fn forbidden<'a>(secrets: impl IntoIterator<Item = (&'a Secret, &'a Placeholder)>) -> Forbidden {
    let texts = secrets.into_iter();
    Forbidden::new(texts.map(|(secret, shown)| (secret.expose(), shown.text().as_bytes())))
}
