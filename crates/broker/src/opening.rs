//! Before a session: its secrets are fetched, in the process that will keep them, and what stands for each is
//! told to the supervisor, which never sees one.

use crate::binding::Binding;
use crate::login::Tokens;
use crate::placeholder::Minter;
use crate::postgres::Passwords;
use crate::secret::{Secret, Unusable};
use crate::source::{FetchError, FileError, Outside, fetch};
use crate::store::{Store, StoreError};
use crate::vault::Vault;
use fumehood_monitor::{Reader, Writer};
use fumehood_policy::Escaped;
use fumehood_policy::config;
use fumehood_policy::preset::Login;
use fumehood_policy::value::{EnvName, HostPattern, HostPort, Port, SecretSource};
use rustix::rand::{GetRandomFlags, getrandom};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A secret that a session is to have.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The variable under which programs look for it.
    pub name: EnvName,
    /// Where it comes from and where it may go; without, all of that is in the store.
    pub secret: Option<config::Secret>,
    /// Whether the session goes on without it where its source names a variable that is not set, or empty.
    pub optional: bool,
    /// Who wants it, for messages: a place in a file, a flag.
    pub origin: String,
}

/// A login that a session is to have, if it is there.
#[derive(Clone, Debug)]
pub struct WantedLogin {
    /// What it is.
    pub login: Login,
    /// Its file, every link in the path followed.
    pub path: PathBuf,
}

/// What the supervisor is told of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldLogin {
    /// Which of the wanted.
    pub number: usize,
    /// What a program inside finds in place of its file, or why the login is not used.
    pub file: Result<Vec<u8>, String>,
}

/// What the supervisor is told of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The variable under which programs look for it.
    pub name: EnvName,
    /// What stands for it inside.
    pub placeholder: String,
    /// Where it may go: the hosts of the configuration, or those that it was stored for.
    pub hosts: Vec<HostPort>,
}

/// Why a session does not begin: one of its secrets cannot be used. Holds no value.
#[derive(Debug, thiserror::Error)]
#[error("{origin}: secret {name}: {why}")]
pub struct OpenError {
    origin: String,
    name: String,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the store has no {0}; add it with `fumehood secret add {0} --for HOST`")]
    NotStored(EnvName),
    #[error("it is stored for {stored}, and not for {asked}; add it again with --for {asked}")]
    Wider { stored: String, asked: String },
    #[error("{0}")]
    Unusable(#[from] Unusable),
}

/// A database's password that a session is to have.
#[derive(Clone, Debug)]
pub struct WantedPassword {
    /// What the configuration calls the database.
    pub name: String,
    /// Where it lies.
    pub from: SecretSource,
    /// Who wants it.
    pub origin: String,
}

/// Fetches passwords of databases. Nothing stands for them inside.
///
/// # Errors
/// The first that cannot be used: the place, why, the fix. Holds no value.
pub fn passwords(wanted: &[WantedPassword], outside: &impl Outside) -> Result<Passwords, String> {
    let one = |wanted: &WantedPassword| match fetch(&wanted.from, outside) {
        Ok(password) => Ok((wanted.name.clone(), password)),
        Err(why) => Err(format!(
            "{}: password of postgres.{}: {why}",
            wanted.origin, wanted.name
        )),
    };
    wanted.iter().map(one).collect()
}

/// What of a session is open.
pub type Open = (Vault, Vec<Told>, Vec<ToldLogin>);

/// Fetches what is wanted, and tells what stands for each. A login that is not there, or is none, is left out.
///
/// # Errors
/// The first secret that cannot be used.
pub fn open(
    wanted: &[Wanted],
    logins: &[WantedLogin],
    outside: &impl Outside,
    minter: impl FnOnce() -> Result<Minter, StoreError>,
) -> Result<Option<Open>, OpenError> {
    let mut opened = Vec::new();
    for one in wanted {
        let failed = |why| OpenError {
            origin: one.origin.clone(),
            name: one.name.to_string(),
            why,
        };
        match value(one, outside) {
            Err(why) if one.optional && is_not_there(&why) => {}
            Err(why) => return Err(failed(why)),
            Ok(value) => opened.push((one, value)),
        }
    }
    let (found, mut told_logins) = found(logins, outside);
    if opened.is_empty() && found.is_empty() {
        return Ok(
            (!told_logins.is_empty()).then(|| (Vault::new(Minter::new([0; 32])), Vec::new(), told_logins))
        );
    }
    let first = opened
        .first()
        .map(|(one, _)| (one.origin.clone(), one.name.to_string()));
    let mut vault = Vault::new(minter().map_err(|why| OpenError {
        origin: first.as_ref().map_or("presets", |(origin, _)| origin).to_owned(),
        name: first.as_ref().map_or("of a login", |(_, name)| name).to_owned(),
        why: Why::Store(why),
    })?);
    let (mut names, mut added) = (Vec::new(), Vec::new());
    for (one, (secret, binding, hosts)) in opened {
        names.push((one.name.clone(), hosts));
        added.push((one.name.to_string(), secret, binding));
    }
    let placeholders = vault.add(added);
    let told = names.into_iter().zip(&placeholders);
    let told = told.map(|((name, hosts), placeholder)| Told {
        name,
        placeholder: placeholder.text().to_owned(),
        hosts,
    });
    let told = told.collect();
    for (number, tokens) in found {
        let WantedLogin { login, path } = logins[number].clone();
        let file = Ok(vault.log_in(login, path, tokens));
        told_logins.push(ToldLogin { number, file });
    }
    Ok(Some((vault, told, told_logins)))
}

/// The logins that are there, and why others that are there are not used.
fn found(logins: &[WantedLogin], outside: &impl Outside) -> (Vec<(usize, Tokens)>, Vec<ToldLogin>) {
    let (mut found, mut not) = (Vec::new(), Vec::new());
    for (number, wanted) in logins.iter().enumerate() {
        match outside.file(&wanted.path) {
            Ok(text) => found.extend(Tokens::read(&wanted.login, &text).map(|tokens| (number, tokens))),
            Err(FileError::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(why) => not.push(ToldLogin {
                number,
                file: Err(format!("{}: {why}", Escaped::from(wanted.path.as_path()))),
            }),
        }
    }
    (found, not)
}

fn is_not_there(why: &Why) -> bool {
    matches!(
        why,
        Why::Fetch(FetchError::NotSet(_) | FetchError::Unusable(Unusable::Empty))
    )
}

fn value(wanted: &Wanted, outside: &impl Outside) -> Result<(Secret, Binding, Vec<HostPort>), Why> {
    let Some(secret) = &wanted.secret else {
        let stored = stored(&wanted.name, outside)?;
        return Ok((stored.value, Binding::to(&stored.hosts), stored.hosts));
    };
    let value = match &secret.from {
        SecretSource::Store(name) => {
            let stored = stored(name, outside)?;
            if let Some(asked) = secret.hosts.iter().find(|h| !covered(h, &stored.hosts)) {
                let hosts: Vec<String> = stored.hosts.iter().map(ToString::to_string).collect();
                return Err(Why::Wider {
                    stored: hosts.join(", "),
                    asked: asked.to_string(),
                });
            }
            stored.value
        }
        other => fetch(other, outside)?,
    };
    let value = value.require(secret.require.as_ref())?;
    Ok((value, Binding::new(secret), secret.hosts.clone()))
}

fn stored(name: &EnvName, outside: &impl Outside) -> Result<crate::store::Stored, Why> {
    let store = outside.store()?;
    let found = store.map_or(Ok(None), |s| s.get(name))?;
    found.ok_or_else(|| Why::NotStored(name.clone()))
}

/// Whether a host is one of those that a stored secret is for.
fn covered(asked: &HostPort, stored: &[HostPort]) -> bool {
    let port = |h: &HostPort| h.port.map_or(443, Port::get);
    stored.iter().any(|one| {
        port(one) == port(asked)
            && match &asked.host {
                HostPattern::Exact(name) => one.host.matches(name),
                pattern => *pattern == one.host,
            }
    })
}

/// The account's key for placeholders: those that a program kept in a file are good in its next session. It is
/// beside the stored secrets, and protected as they are.
///
/// # Errors
/// The store cannot be used.
pub fn minter(state: &Path) -> Result<Minter, StoreError> {
    let store = Store::create(state)?;
    let mut fresh = Zeroizing::new([0u8; 32]);
    let got = getrandom(&mut *fresh, GetRandomFlags::empty());
    if got != Ok(fresh.len()) {
        return Err(StoreError::Random);
    }
    store.key(&fresh).map(|key| Minter::new(*key))
}

/// What the process that opened tells the supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// What there is of secrets and logins.
    Told(Vec<Told>, Vec<ToldLogin>),
    /// Why there is no session, in words.
    Failed(String),
}

/// How many secrets one session has at most.
pub const MAX_SECRETS: usize = 64;
/// Hosts of one secret: more than a packet holds.
const MAX_HOSTS: usize = 4096;

fn several<T>(
    read: &mut Reader<'_>,
    most: usize,
    one: impl Fn(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = usize::try_from(read.number()?).ok().filter(|n| *n <= most)?;
    (0..count).map(|_| one(read)).collect()
}

impl Opened {
    /// The packet.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Opened::Told(all, logins) => {
                let mut out = Writer::new(b't');
                out.number(all.len() as u64);
                for told in all {
                    out.bytes(told.name.as_str().as_bytes())
                        .bytes(told.placeholder.as_bytes())
                        .number(told.hosts.len() as u64);
                    for host in &told.hosts {
                        out.bytes(host.to_string().as_bytes());
                    }
                }
                out.number(logins.len() as u64);
                for login in logins {
                    out.number(login.number as u64);
                    match &login.file {
                        Ok(file) => out.byte(1).bytes(file),
                        Err(why) => out.byte(0).bytes(why.as_bytes()),
                    };
                }
                out.finish()
            }
            Opened::Failed(why) => {
                let mut out = Writer::new(b'f');
                out.bytes(why.as_bytes());
                out.finish()
            }
        }
    }

    /// Reads one.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<Opened> {
        let (tag, rest) = packet.split_first()?;
        let mut read = Reader::new(rest);
        let value = match tag {
            b'f' => Opened::Failed(read.text()?.to_owned()),
            b't' => {
                let told = several(&mut read, MAX_SECRETS, |read| {
                    Some(Told {
                        name: read.text()?.parse().ok()?,
                        placeholder: read.text()?.to_owned(),
                        hosts: several(read, MAX_HOSTS, |read| read.text()?.parse().ok())?,
                    })
                })?;
                let logins = several(&mut read, MAX_SECRETS, |read| {
                    Some(ToldLogin {
                        number: usize::try_from(read.number()?).ok()?,
                        file: match read.byte()? {
                            1 => Ok(read.bytes()?.to_vec()),
                            0 => Err(read.text()?.to_owned()),
                            _ => return None,
                        },
                    })
                })?;
                Opened::Told(told, logins)
            }
            _ => return None,
        };
        read.end(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Machine;
    use crate::store::Stored;
    use std::time::Duration;

    fn machine(state: &Path) -> Machine {
        Machine {
            home: None,
            state: state.to_owned(),
            patience: Duration::from_secs(5),
        }
    }

    fn wanted(name: &str, table: &str) -> Wanted {
        let text = format!("version = 1\n[secret.{name}]\n{table}\n");
        let parsed = config::parse(fumehood_policy::Layer::User, "t", text.as_bytes());
        let config = parsed.into_result().unwrap();
        Wanted {
            name: name.parse().unwrap(),
            secret: Some(config.secrets[0].1.clone()),
            optional: false,
            origin: "t:2:1".to_owned(),
        }
    }

    fn store(state: &Path) {
        let stored = Stored {
            value: Secret::new(b"sk_test_1234".to_vec()).unwrap(),
            hosts: vec![
                "api.example.com".parse().unwrap(),
                "*.example.net".parse().unwrap(),
            ],
            require: None,
        };
        Store::create(state)
            .unwrap()
            .put(&"KEY".parse().unwrap(), &stored)
            .unwrap();
    }

    fn opened(state: &Path, wanted: &[Wanted]) -> Result<Vec<Told>, String> {
        let opened = open(wanted, &[], &machine(state), || minter(state));
        let told = opened.map(|o| o.map_or_else(Vec::new, |(_, told, _)| told));
        told.map_err(|e| e.to_string())
    }

    #[test]
    fn placeholders_stay_the_same_from_session_to_session() {
        let state = tempfile::tempdir().unwrap();
        store(state.path());
        let by_flag = Wanted {
            name: "KEY".parse().unwrap(),
            secret: None,
            optional: false,
            origin: "--secret".to_owned(),
        };
        let first = opened(state.path(), std::slice::from_ref(&by_flag)).unwrap();
        assert_eq!(first, opened(state.path(), &[by_flag]).unwrap());
        let shown = &first[0].placeholder;
        assert_eq!((shown.len(), shown.starts_with("sk_test_")), (12, true));
        assert_ne!(shown, "sk_test_1234");
        let hosts: Vec<String> = first[0].hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["api.example.com", "*.example.net"]);
        let other = tempfile::tempdir().unwrap();
        store(other.path());
        let named = wanted("KEY", "from = \"store:KEY\"\nfor = \"api.example.com\"");
        assert_ne!(first, opened(other.path(), &[named]).unwrap());
    }

    /// The place, what is wrong, the fix; nothing of a value.
    #[test]
    fn what_cannot_be_used_is_said_in_one_line() {
        let state = tempfile::tempdir().unwrap();
        store(state.path());
        for (table, why) in [
            (
                "from = \"store:NONE\"\nfor = \"x.example\"",
                "the store has no NONE; add it with `fumehood secret add NONE --for HOST`",
            ),
            (
                "from = \"store:KEY\"\nfor = \"evil.example\"",
                "it is stored for api.example.com, *.example.net, and not for evil.example",
            ),
            (
                "from = \"store:KEY\"\nfor = \"api.example.com:8443\"",
                "and not for api.example.com:8443",
            ),
            (
                "from = \"store:KEY\"\nfor = \"*.a.example.net\"",
                "and not for *.a.example.net",
            ),
            (
                "from = \"store:KEY\"\nfor = \"api.example.com\"\nrequire = \"^sk_live\"",
                "it does not match `^sk_live`",
            ),
            (
                "from = \"env:FUMEHOOD_NOT_SET\"\nfor = \"x.example\"",
                "the variable FUMEHOOD_NOT_SET is not set",
            ),
            (
                "from = \"cmd:false\"\nfor = \"x.example\"",
                "false ended with exit status: 1",
            ),
        ] {
            let error = opened(state.path(), &[wanted("X", table)]).unwrap_err();
            assert!(
                error.starts_with("t:2:1: secret X: ") && error.contains(why),
                "{error}"
            );
            assert!(!error.contains('\n') && !error.contains("1234"));
        }
        let narrower = wanted(
            "X",
            "from = \"store:KEY\"\nfor = [\"a.example.net\", \"*.example.net\"]",
        );
        assert!(opened(state.path(), &[narrower]).is_ok());
    }

    /// An agent's key that is not set, or empty, is no reason not to begin; nothing is made for it.
    #[test]
    fn what_is_optional_may_be_missing() {
        let state = tempfile::tempdir().unwrap();
        let mut one = wanted("X", "from = \"env:FUMEHOOD_NOT_SET\"\nfor = \"x.example\"");
        one.optional = true;
        assert_eq!(opened(state.path(), &[one]), Ok(Vec::new()));
        assert!(!state.path().join("secrets").exists());
        let mut other = wanted("X", "from = \"cmd:false\"\nfor = \"x.example\"");
        other.optional = true;
        assert!(opened(state.path(), &[other]).is_err());
    }

    #[test]
    fn what_is_told_comes_back_and_nothing_else_does() {
        let secrets = vec![Told {
            name: "KEY".parse().unwrap(),
            placeholder: "sk_test_x".to_owned(),
            hosts: vec!["a.example:8443".parse().unwrap(), "*.b.example".parse().unwrap()],
        }];
        let login = |number, file| ToldLogin { number, file };
        let logins = vec![login(0, Ok(b"{}".to_vec())), login(3, Err("why".to_owned()))];
        let told = Opened::Told(secrets, logins);
        assert_eq!(Opened::decode(&told.encode()), Some(told.clone()));
        assert_eq!(Opened::decode(&[told.encode(), vec![0]].concat()), None);
        let failed = Opened::Failed("why".to_owned());
        assert_eq!(Opened::decode(&failed.encode()), Some(failed));
        assert_eq!(Opened::decode(b""), None);
    }
}
