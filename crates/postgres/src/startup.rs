//! The first packet of a connection: what it asks for, by an allow-list.

/// The longest first packet, bytes (the server's own bound).
pub const MAX_STARTUP: usize = 10_000;

/// What a client begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It asks for TLS.
    Tls,
    /// It asks for GSSAPI encryption, which nobody here speaks.
    Gss,
    /// It asks for a statement of another connection to be ended: process and key.
    Cancel(u32, Vec<u8>),
    /// It begins a session.
    Startup(Startup),
}

/// Why a session is not begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No greeting.
    #[error("the first packet is none of PostgreSQL's protocol 3")]
    NoGreeting,
    /// A length that lies.
    #[error("the first packet says that it is {0} bytes long")]
    Length(u32),
    /// A setting that is not among those that may be chosen.
    #[error("the setting `{0}` cannot be chosen by a client here")]
    Setting(String),
    /// A setting with a value that is not taken.
    #[error("the setting `{0}` cannot have this value here")]
    Value(&'static str),
    /// The same setting twice: two readers could take either.
    #[error("the setting `{0}` is given twice")]
    Twice(String),
    /// No user.
    #[error("it names no user")]
    NoUser,
}

/// A session that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// As whom.
    pub user: String,
    /// Which database; the user's name where none was named.
    pub database: String,
    /// Settings of the allow-list.
    pub settings: Vec<(String, String)>,
    /// The protocol's minor version, and options of it: both are answered with what is spoken here.
    pub newer: Option<Vec<String>>,
}

const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;
const MAJOR: u32 = 3 << 16;

/// Settings that only change how values are written, or how long things may take.
const SETTINGS: &[&str] = &[
    "application_name",
    "client_encoding",
    "datestyle",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "lock_timeout",
    "statement_timeout",
    "timezone",
];

/// The first packet, if it is there whole: what it is, and how long.
///
/// # Errors
/// It is none that may begin a session.
pub fn greeting(bytes: &[u8]) -> Result<Option<(Greeting, usize)>, Refused> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let said = u32::from_be_bytes(*length);
    let length = usize::try_from(said).unwrap_or(usize::MAX);
    if !(8..=MAX_STARTUP).contains(&length) {
        return Err(Refused::Length(said));
    }
    let Some((code, _)) = rest.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let code = u32::from_be_bytes(*code);
    let Some(body) = bytes.get(8..length) else {
        return Ok(None);
    };
    let greeting = match (code, body) {
        (TLS, []) => Greeting::Tls,
        (GSS, []) => Greeting::Gss,
        (CANCEL, [a, b, c, d, key @ ..]) if !key.is_empty() && key.len() <= 256 => {
            Greeting::Cancel(u32::from_be_bytes([*a, *b, *c, *d]), key.to_vec())
        }
        (version, body) if version & 0xffff_0000 == MAJOR => startup(body, version & 0xffff)?,
        _ => return Err(Refused::NoGreeting),
    };
    Ok(Some((greeting, length)))
}

fn startup(body: &[u8], minor: u32) -> Result<Greeting, Refused> {
    let text = std::str::from_utf8(body).map_err(|_| Refused::NoGreeting)?;
    let text = text.strip_suffix('\0').ok_or(Refused::NoGreeting)?;
    let mut parts = text.split_terminator('\0');
    let (mut user, mut database, mut settings) = (None, None, Vec::<(String, String)>::new());
    let mut newer = Vec::new();
    while let Some(name) = parts.next() {
        let value = parts.next().ok_or(Refused::NoGreeting)?;
        // A name that is empty would end the list for another reader.
        if name.is_empty() {
            return Err(Refused::NoGreeting);
        }
        let lower = name.to_ascii_lowercase();
        let twice = || Refused::Twice(shown(name));
        match lower.as_str() {
            "user" if user.is_some() => return Err(twice()),
            "database" if database.is_some() => return Err(twice()),
            "user" => user = Some(value.to_owned()),
            "database" => database = Some(value.to_owned()),
            _ if lower.starts_with("_pq_.") => newer.push(name.to_owned()),
            _ if settings.iter().any(|(known, _)| *known == lower) => return Err(twice()),
            _ if SETTINGS.contains(&lower.as_str()) => {
                value_of(&lower, value)?;
                settings.push((lower, value.to_owned()));
            }
            _ => return Err(Refused::Setting(shown(name))),
        }
    }
    // What follows the end of the list must be nothing: split_terminator takes one end.
    let user = user.filter(|u| !u.is_empty()).ok_or(Refused::NoUser)?;
    let database = database.filter(|d| !d.is_empty()).unwrap_or_else(|| user.clone());
    Ok(Greeting::Startup(Startup {
        user,
        database,
        settings,
        newer: (minor > 0 || !newer.is_empty()).then_some(newer),
    }))
}

/// Text that was judged is UTF-8: it must be to the server.
fn value_of(name: &str, value: &str) -> Result<(), Refused> {
    let plain = value.to_ascii_lowercase();
    let plain: String = plain.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    if name == "client_encoding" && !matches!(plain.as_str(), "utf8" | "unicode") {
        return Err(Refused::Value("client_encoding"));
    }
    Ok(())
}

fn shown(name: &str) -> String {
    name.chars().filter(char::is_ascii_graphic).take(40).collect()
}

impl Startup {
    /// The packet that begins it at a server.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = MAJOR.to_be_bytes().to_vec();
        let named = [
            ("user", self.user.as_str()),
            ("database", &self.database),
            ("client_encoding", "UTF8"),
        ];
        let settings = self.settings.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        for (name, value) in named
            .into_iter()
            .chain(settings.filter(|(n, _)| *n != "client_encoding"))
        {
            for text in [name, value] {
                body.extend_from_slice(text.as_bytes());
                body.push(0);
            }
        }
        body.push(0);
        let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
        [&length.to_be_bytes()[..], &body].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(code: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).unwrap();
        [&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
    }

    fn read(body: &[u8]) -> Result<Startup, Refused> {
        match greeting(&packet(MAJOR, body))? {
            Some((Greeting::Startup(startup), _)) => Ok(startup),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_session_begins_with_settings_of_the_list() {
        let startup =
            read(b"user\0app\0database\0shop\0application_name\0psql\0client_encoding\0UTF8\0\0").unwrap();
        assert_eq!(
            (startup.user.as_str(), startup.database.as_str()),
            ("app", "shop")
        );
        let again = greeting(&startup.encode()).unwrap().unwrap().0;
        let Greeting::Startup(again) = again else { panic!() };
        assert_eq!((again.user, again.database), (startup.user, startup.database));
        assert_eq!(read(b"user\0app\0\0").unwrap().database, "app");
    }

    /// F10: what changes how text is read cannot be chosen at the start.
    #[test]
    fn f10_options_replication_and_encodings_are_refused() {
        for (body, why) in [
            (
                &b"user\0a\0options\0-c standard_conforming_strings=off\0\0"[..],
                Refused::Setting("options".into()),
            ),
            (
                b"user\0a\0replication\0database\0\0",
                Refused::Setting("replication".into()),
            ),
            (
                b"user\0a\0search_path\0evil\0\0",
                Refused::Setting("search_path".into()),
            ),
            (
                b"user\0a\0standard_conforming_strings\0off\0\0",
                Refused::Setting("standard_conforming_strings".into()),
            ),
            (
                b"user\0a\0client_encoding\0SJIS\0\0",
                Refused::Value("client_encoding"),
            ),
            (b"user\0a\0USER\0b\0\0", Refused::Twice("USER".into())),
            (
                b"user\0a\0TimeZone\0UTC\0timezone\0UTC\0\0",
                Refused::Twice("timezone".into()),
            ),
            (b"database\0a\0\0", Refused::NoUser),
            (b"user\0a\0\0options\0-c x=y\0\0", Refused::NoGreeting),
            (b"user\0a", Refused::NoGreeting),
            (b"user\0a\0application_name\0\0", Refused::NoGreeting),
        ] {
            assert_eq!(read(body), Err(why), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn other_greetings() {
        assert_eq!(greeting(&packet(TLS, b"")), Ok(Some((Greeting::Tls, 8))));
        assert_eq!(greeting(&packet(GSS, b"")), Ok(Some((Greeting::Gss, 8))));
        let cancel = greeting(&packet(CANCEL, &[0, 0, 0, 7, 1, 2, 3, 4]))
            .unwrap()
            .unwrap()
            .0;
        assert_eq!(cancel, Greeting::Cancel(7, vec![1, 2, 3, 4]));
        assert_eq!(greeting(b"GET / HTTP/1.1\r\n"), Err(Refused::Length(0x4745_5420)));
        assert_eq!(
            greeting(&packet(2 << 16, b"user\0a\0\0")),
            Err(Refused::NoGreeting)
        );
        let Greeting::Startup(newer) = greeting(&packet(MAJOR | 2, b"user\0a\0_pq_.x\0on\0\0"))
            .unwrap()
            .unwrap()
            .0
        else {
            panic!()
        };
        assert_eq!(newer.newer, Some(vec!["_pq_.x".to_owned()]));
    }

    proptest! {
        #[test]
        fn any_bytes_begin_nothing_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = greeting(&bytes);
        }

        /// What is accepted begins the same session when a server reads it.
        #[test]
        fn what_is_encoded_is_what_was_read(user in "[a-z]{1,8}", database in "[a-z]{1,8}", name in "[ -~]{0,20}") {
            let startup = Startup {
                user, database, newer: None,
                settings: vec![("application_name".to_owned(), name)],
            };
            let read = greeting(&startup.encode()).unwrap().unwrap().0;
            let Greeting::Startup(mut read) = read else { panic!() };
            read.settings.retain(|(name, _)| name != "client_encoding");
            prop_assert_eq!(read, startup);
        }
    }
}
