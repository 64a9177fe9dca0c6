//! The process that writes renewed tokens back to the user's file: it hears of nothing else, and may write nowhere else.

use super::Part;
use super::file::{place, set};
use fumehood_monitor::{Channel, Reader, Writer};
use fumehood_policy::preset::Login;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use serde_json::{Map, Value};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// The longest file.
const LONGEST: u64 = 1 << 20;
/// How long the broker waits until it stands in the file; what inside knows of then is outside too.
const PATIENCE: Duration = Duration::from_secs(10);

/// New values of a login's tokens.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Which login, by its place in the session's list.
    pub login: usize,
    /// The values, where there are new ones.
    pub access: Option<Zeroizing<String>>,
    /// Likewise.
    pub refresh: Option<Zeroizing<String>>,
    /// Likewise.
    pub identity: Option<Zeroizing<String>>,
    /// For how many seconds the access token is good.
    pub expires_in: Option<u64>,
}

impl Renewed {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Writer::new(b'r');
        out.number(self.login as u64);
        for text in [&self.access, &self.refresh, &self.identity] {
            match text {
                Some(text) => out.byte(1).bytes(text.as_bytes()),
                None => out.byte(0),
            };
        }
        match self.expires_in {
            Some(seconds) => out.byte(1).number(seconds),
            None => out.byte(0),
        };
        Zeroizing::new(out.finish())
    }

    fn decode(packet: &[u8]) -> Option<Renewed> {
        let mut read = Reader::new(packet.strip_prefix(b"r")?);
        let text = |read: &mut Reader<'_>| match read.byte()? {
            0 => Some(None),
            1 => Some(Some(Zeroizing::new(read.text()?.to_owned()))),
            _ => None,
        };
        let value = Renewed {
            login: usize::try_from(read.number()?).ok()?,
            access: text(&mut read)?,
            refresh: text(&mut read)?,
            identity: text(&mut read)?,
            expires_in: match read.byte()? {
                0 => None,
                1 => Some(read.number()?),
                _ => return None,
            },
        };
        read.end(value)
    }

    /// Has it written, and waits until it is.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn send(&self, to: &Channel) -> Result<(), String> {
        let gone = |_| "the process that writes it is gone".to_owned();
        to.send(&self.encode(), None).map_err(gone)?;
        let answer = wait(to, Some(PATIENCE)).ok_or("it takes too long")?;
        match answer.as_slice() {
            [] => Ok(()),
            why => Err(String::from_utf8_lossy(why).into_owned()),
        }
    }
}

/// A packet without its tag; `None` when the far end is gone, or after so long.
fn wait(from: &Channel, patience: Option<Duration>) -> Option<Vec<u8>> {
    let patience = patience.and_then(|p| Timespec::try_from(p).ok());
    loop {
        let mut one = [PollFd::new(from, PollFlags::IN)];
        if poll(&mut one, patience.as_ref()) == Ok(0) {
            return None;
        }
        // Not by the channel's own receive, which asks for more calls than this process may make.
        let mut room = Zeroizing::new(vec![0u8; 64 * 1024]);
        match rustix::io::read(from, &mut room[..]) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(0) | Err(_) => return None,
            Ok(length) if room[0] == b'a' => return Some(room[1..length].to_vec()),
            Ok(length) => return Some(room[..length].to_vec()),
        }
    }
}

/// Writes what comes, until the broker is gone. Each login with the file that it lies in.
pub fn keep(channel: &Channel, logins: &[(Login, PathBuf)]) {
    while let Some(packet) = wait(channel, None) {
        let packet = Zeroizing::new(packet);
        let written = Renewed::decode(&packet)
            .and_then(|renewed| Some((logins.get(renewed.login)?, renewed)))
            .ok_or_else(|| "it is not understood".to_owned())
            .and_then(|((login, path), renewed)| write_back(login, path, &renewed));
        let mut answer = vec![b'a'];
        answer.extend(written.err().unwrap_or_default().bytes().take(400));
        let _gone = rustix::io::write(channel.as_fd(), &answer);
    }
}

/// Whatever else stands in the file stays, also what another program wrote meanwhile.
fn write_back(login: &Login, path: &Path, renewed: &Renewed) -> Result<(), String> {
    let said = |e: Errno| std::io::Error::from(e).to_string();
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err("it has no folder".to_owned());
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(folder, flags, Mode::empty()).map_err(said)?;
    let mut file = read(&folder, name)?;
    merge(login, renewed, now(), &mut file);
    let text = Zeroizing::new(serde_json::to_vec_pretty(&Value::Object(file)).map_err(|e| e.to_string())?);
    replace(&folder, name, &text).map_err(|e| e.to_string())
}

fn read(folder: &OwnedFd, name: &OsStr) -> Result<Map<String, Value>, String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty()).map_err(|e| std::io::Error::from(e).to_string())?;
    let mut text = Zeroizing::new(Vec::new());
    let read = File::from(file).take(LONGEST).read_to_end(&mut text);
    read.map_err(|e| e.to_string())?;
    serde_json::from_slice(&text).map_err(|_| "it is no JSON any more".to_owned())
}

fn merge(login: &Login, renewed: &Renewed, now: Duration, file: &mut Map<String, Value>) {
    let tokens = [
        (Part::Access, &renewed.access),
        (Part::Refresh, &renewed.refresh),
        (Part::Identity, &renewed.identity),
    ];
    for (part, value) in tokens {
        if let (Some(at), Some(value)) = (place(login, part), value) {
            set(file, at, Value::from(value.as_str()));
        }
    }
    if let (Some(at), Some(seconds)) = (&login.expires, renewed.expires_in) {
        let end = now.saturating_add(Duration::from_secs(seconds));
        set(
            file,
            at,
            Value::from(u64::try_from(end.as_millis()).unwrap_or(u64::MAX)),
        );
    }
    if let Some(at) = &login.renewed {
        set(file, at, Value::from(rfc3339(now.as_secs())));
    }
}

fn replace(folder: &OwnedFd, name: &OsStr, text: &[u8]) -> std::io::Result<()> {
    let mut new = OsString::from(name);
    new.push(".fumehood-new");
    match unlinkat(folder, &new, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(e) => return Err(e.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, &new, flags, Mode::RUSR | Mode::WUSR)?);
    let written = file.write_all(text).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| Ok(renameat(folder, &new, folder, name)?));
    placed.inspect_err(|_| {
        let _gone = unlinkat(folder, &new, AtFlags::empty());
    })
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970 as `2026-11-27T22:00:00Z` (days to a date: Howard Hinnant, "chrono-compatible low-level date algorithms").
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

#[cfg(test)]
mod tests {
    use super::super::tests::login;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn text(value: &str) -> Option<Zeroizing<String>> {
        Some(Zeroizing::new(value.to_owned()))
    }

    fn renewed() -> Renewed {
        Renewed {
            login: 0,
            access: text("new-access"),
            refresh: None,
            identity: text("new-identity"),
            expires_in: Some(60),
        }
    }

    /// What else stands in the file stays, its mode is the owner's alone, and nothing is left beside it.
    #[test]
    fn f15_what_is_renewed_stands_in_the_users_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login.json");
        std::fs::write(
            &path,
            r#"{"in": {"access": "old", "refresh": "old-refresh", "x": [1]}, "more": {"k": "v"}}"#,
        )
        .unwrap();
        write_back(&login(), &path, &renewed()).unwrap();
        let file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(file["in"]["access"], "new-access");
        assert_eq!(file["in"]["refresh"], "old-refresh");
        assert_eq!(
            (&file["in"]["x"][0], &file["more"]["k"]),
            (&Value::from(1), &Value::from("v"))
        );
        let now = u64::try_from(now().as_millis()).unwrap();
        let expires = file["in"]["expires"].as_u64().unwrap();
        assert!((now..=now + 60_000).contains(&expires), "{expires}");
        assert!(file["renewed"].as_str().unwrap().ends_with('Z'));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_none_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login.json");
        assert!(write_back(&login(), &path, &renewed()).is_err());
        std::fs::write(&path, "no JSON").unwrap();
        assert!(write_back(&login(), &path, &renewed()).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"no JSON");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(write_back(&login(), &path, &renewed()).is_err());
    }

    #[test]
    fn what_is_told_comes_back_and_nothing_else_does() {
        let packet = renewed().encode();
        assert_eq!(Renewed::decode(&packet), Some(renewed()));
        assert_eq!(Renewed::decode(&[packet.as_slice(), &[0]].concat()), None);
        assert_eq!(Renewed::decode(b""), None);
    }

    #[test]
    fn times_as_programs_write_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_826_154), "2000-02-29T12:09:14Z");
        assert_eq!(rfc3339(1_795_817_999), "2026-11-27T22:19:59Z");
    }
}
