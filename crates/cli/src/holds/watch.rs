//! `fumehood holds --watch`: says what begins to wait, here and, as pointers only, on the desktop and to a server. A pointer
//! has the session, the number and how grave it is; what it is about stays with whoever looks (docs/approvals.md).

use super::{Session, running};
use crate::arguments::HoldsArguments;
use crate::post::{Url, post};
use crate::say;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fumehood_audit::Clock;
use fumehood_monitor::desk::Head;
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// How often sessions are looked at.
const EACH: Duration = Duration::from_millis(500);
/// After how many looks that failed one after the other it ends.
const FAILURES: u32 = 20;
/// Pointers that wait to be delivered.
const PENDING: usize = 256;
/// How long after an attempt to deliver the next one is made; then no more.
const AGAIN: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(20)];
/// How long the desktop may take.
const DESKTOP: Duration = Duration::from_secs(5);

/// Something waits.
#[derive(Clone, Debug)]
struct Pointer {
    session: String,
    hold: u64,
    tier: String,
}

/// Where pointers go besides this terminal.
struct Ways {
    desktop: Option<PathBuf>,
    webhook: Option<(Url, Zeroizing<Vec<u8>>)>,
}

/// Until the process ends.
pub(super) fn watch(arguments: &HoldsArguments) -> Result<(), String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("holds are watched outside: this is a sandbox".to_owned());
    }
    File::open("/dev/tty").map_err(|e| format!("holds are watched from a terminal: /dev/tty: {e}"))?;
    let ways = Ways {
        desktop: arguments.desktop.then(notifier).transpose()?,
        webhook: match (&arguments.webhook, &arguments.webhook_key) {
            (Some(url), Some(file)) => Some((
                Url::parse(url).ok_or("--webhook: not http://HOST or https://HOST")?,
                key(file)?,
            )),
            _ => None,
        },
    };
    let (to, from) = sync_channel(PENDING);
    std::thread::Builder::new()
        .spawn(move || deliver(&ways, &from))
        .map_err(|e| format!("a thread: {e}"))?;
    say::line("watching what waits for you; Ctrl-C ends it");
    let mut seen = BTreeSet::new();
    let mut failed = 0;
    loop {
        match running(None) {
            Ok(sessions) => {
                failed = 0;
                for (session, head) in new(&mut seen, &sessions) {
                    super::print(&format!(
                        "{}  {session}  {:>4}  {:<8} {}",
                        Clock::now(),
                        head.id,
                        head.tier,
                        head.line
                    ));
                    tell(&to, &session, head);
                }
            }
            // A session may end while it is asked.
            Err(failure) if failed == FAILURES => return Err(failure.text),
            Err(_) => failed += 1,
        }
        std::thread::sleep(EACH);
    }
}

/// What was not there at the last look. What has gone meanwhile is forgotten: numbers of a session are not used again.
fn new<'s>(seen: &mut BTreeSet<(String, u64)>, sessions: &'s [Session]) -> Vec<(String, &'s Head)> {
    let all = sessions
        .iter()
        .flat_map(|session| session.heads.iter().map(|head| (session.id.to_string(), head)));
    let new: Vec<_> = all
        .clone()
        .filter(|(session, head)| !seen.contains(&(session.clone(), head.id.0)))
        .collect();
    *seen = all.map(|(session, head)| (session, head.id.0)).collect();
    new
}

fn tell(to: &SyncSender<Pointer>, session: &str, head: &Head) {
    let pointer = Pointer {
        session: session.to_owned(),
        hold: head.id.0,
        tier: head.tier.clone(),
    };
    if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = to.try_send(pointer) {
        say::error(&format!(
            "hold {} of {session} is told nobody but you: too many pointers wait",
            head.id
        ));
    }
}

fn deliver(ways: &Ways, from: &Receiver<Pointer>) {
    for pointer in from {
        let Pointer { session, hold, .. } = &pointer;
        let failed = |way: &str, why: &str| {
            say::error(&format!(
                "hold {hold} of {session}: {way}: {}",
                Escaped::from(why)
            ));
        };
        if let Some(program) = &ways.desktop
            && let Err(why) = notify(program, &pointer)
        {
            failed("the desktop was not told", &why);
        }
        if let Some((url, key)) = &ways.webhook {
            let sent = AGAIN.iter().find_map(|pause| {
                std::thread::sleep(*pause);
                match call(url, key, &pointer) {
                    Ok(()) => Some(()),
                    Err(why) => {
                        failed("the webhook was not told", &why);
                        None
                    }
                }
            });
            if sent.is_none() {
                failed("the webhook", "it is not tried again");
            }
        }
    }
}

/// `notify-send` of the caller's PATH.
fn notifier() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("notify-send"))
        .find(|file| file.is_file())
        .ok_or_else(|| "--desktop: notify-send is not on PATH (Debian: libnotify-bin)".to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the user's own program, outside every sandbox; of the sandbox it gets a session's name and a number"
)]
fn notify(program: &Path, pointer: &Pointer) -> Result<(), String> {
    let urgency = match pointer.tier.as_str() {
        "high" | "critical" => "critical",
        _ => "normal",
    };
    let mut child = Command::new(program)
        .args(["--app-name=fumehood", &format!("--urgency={urgency}"), "--"])
        .arg("fumehood: something waits for you")
        .arg(format!(
            "session {}, hold {}: fumehood holds",
            pointer.session, pointer.hold
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let until = Instant::now() + DESKTOP;
    loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(status.to_string()),
            None if Instant::now() >= until => {
                let _ended = child.kill().and_then(|()| child.wait());
                return Err("it does not answer".to_owned());
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// As Standard Webhooks 1.0 has it: `whsec_` and 24 to 64 bytes in base64.
fn key(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let failed = |why: &str| format!("--webhook-key: {}: {why}", Escaped::from(path));
    let text = crate::private::text(path).map_err(|e| failed(&e.to_string()))?;
    let bytes = text
        .strip_prefix("whsec_")
        .and_then(|text| STANDARD.decode(text).ok())
        .map(Zeroizing::new)
        .filter(|bytes| (24..=64).contains(&bytes.len()));
    bytes.ok_or_else(|| failed("not whsec_ and 24 to 64 bytes in base64"))
}

/// One attempt; any 2xx is taken for an answer.
fn call(url: &Url, key: &[u8], pointer: &Pointer) -> Result<(), String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let (fields, body) = message(key, pointer, now, &host());
    match post(url, "", &fields, &body)?.0 {
        200..=299 => Ok(()),
        status => Err(format!("it answered {status}")),
    }
}

/// Fields and body. The signature covers identity, time and body, so that a receiver can refuse what is old or came twice.
fn message(key: &[u8], pointer: &Pointer, now: u64, machine: &str) -> (String, String) {
    let id = format!("{}.{}", pointer.session, pointer.hold);
    let body = Json::Object(vec![
        ("type", Json::text("hold.waiting")),
        (
            "timestamp",
            Json::text(Clock::of_nanos(now.saturating_mul(1_000_000_000))),
        ),
        (
            "data",
            Json::Object(vec![
                ("machine", Json::text(machine)),
                ("session", Json::text(&pointer.session)),
                ("hold", Json::Number(pointer.hold)),
                ("tier", Json::text(&pointer.tier)),
            ]),
        ),
    ])
    .to_string();
    let code = fumehood_broker::hmac_sha256(key, format!("{id}.{now}.{body}").as_bytes());
    let fields = format!(
        "Content-Type: application/json\r\nwebhook-id: {id}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: v1,{}\r\n",
        STANDARD.encode(code)
    );
    (fields, body)
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_its_owners_and_long_enough() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let good = format!("whsec_{}\n", STANDARD.encode([7; 32]));
        write(&good, 0o600);
        assert_eq!(*key(&path).unwrap(), vec![7; 32]);
        write(&good, 0o640);
        assert!(key(&path).unwrap_err().contains("of yours"));
        for wrong in ["", "whsec_", "whsec_AAAA", "secret", &good[6..]] {
            write(wrong, 0o600);
            assert!(key(&path).unwrap_err().contains("whsec_"), "{wrong}");
        }
        assert!(key(folder.path()).unwrap_err().contains("not a file"));
    }
}
