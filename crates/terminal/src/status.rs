//! What the last row of the terminal tells the user.

/// The content of the status row.
///
/// The text is expected to be escaped already where it comes from inside; the
/// row is safe anyway: characters that are not plainly visible are left out,
/// and it is cut at the width of the terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Name of the session.
    pub session: String,
    /// Holds that wait for a person.
    pub holds: u32,
    /// Changes to files that wait to be applied.
    pub changes: u32,
    /// Anything else, in one line.
    pub message: String,
}

impl Status {
    /// A status with nothing waiting.
    #[must_use]
    pub fn new(session: impl Into<String>) -> Self {
        Self {
            session: session.into(),
            ..Self::default()
        }
    }
}
