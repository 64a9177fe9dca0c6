//! The token of HTTP's clients: 256 random bits in a file that only this account reads.

use fumehood_policy::Escaped;
use rustix::rand::{GetRandomFlags, getrandom};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Reads the token, or makes one where the file is not there.
pub(super) fn token(path: &Path) -> Result<String, String> {
    let shown = Escaped::from(path);
    made(path)
        .and_then(|made| made.map_or_else(|| read(path), Ok))
        .map_err(|e| format!("the token file {shown}: {e}"))
}

/// A new one, unless there is a file already.
fn made(path: &Path) -> std::io::Result<Option<String>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(None),
        Err(e) => return Err(e),
    };
    let text = random()?;
    writeln!(file, "{text}")?;
    Ok(Some(text))
}

/// 256 random bits, as 64 hexadecimal digits.
pub(crate) fn random() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    let got = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if got != bytes.len() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// One that somebody else could read or write is no token.
fn read(path: &Path) -> std::io::Result<String> {
    let token = crate::private::text(path)?;
    if token.len() < 32 || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(std::io::Error::other(
            "it holds no token of at least 32 visible characters",
        ));
    }
    Ok(token.as_str().to_owned())
}
