use std::borrow::Cow;

/// Why a text is not the value it should be, and what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Invalid {
    /// What is wrong: a lower-case fragment, untrusted text in it escaped.
    pub what: Cow<'static, str>,
    /// What to write instead.
    pub help: Cow<'static, str>,
}

impl Invalid {
    pub(crate) fn new(what: impl Into<Cow<'static, str>>, help: impl Into<Cow<'static, str>>) -> Self {
        Self {
            what: what.into(),
            help: help.into(),
        }
    }

    /// "`text` is not …".
    pub(crate) fn not(text: &str, a_what: &str, help: impl Into<Cow<'static, str>>) -> Self {
        let text = crate::Escaped::from(text).at_most(60).to_string();
        Self::new(format!("`{text}` is not {a_what}"), help)
    }
}
