//! People, databases and log sinks as policy names them.

use std::fmt;
use std::str::FromStr;

use super::{HostName, Invalid, Label, Port};

/// Whether a [`Party`] is one person or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartyKind {
    /// `user:`
    User,
    /// `group:`
    Group,
}

/// `group:platform`, `user:ana`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Party {
    /// One or several.
    pub kind: PartyKind,
    /// Who.
    pub name: Label,
}

impl FromStr for Party {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::not(text, "a person or group", "write group:NAME or user:NAME");
        let (kind, name) = text.split_once(':').ok_or_else(bad)?;
        let kind = match kind {
            "user" => PartyKind::User,
            "group" => PartyKind::Group,
            _ => return Err(bad()),
        };
        Ok(Self {
            kind,
            name: name.parse().map_err(|_| bad())?,
        })
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            PartyKind::User => "user",
            PartyKind::Group => "group",
        };
        write!(f, "{kind}:{}", self.name)
    }
}

/// Where audit records are sent, `otlp:siem`: the way, and the name of a place that the
/// machine's own configuration knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sink {
    /// `otlp`, `syslog` or `webhook`.
    pub way: &'static str,
    /// The place's name.
    pub name: Label,
}

/// A witness of the log: its address and the key that it countersigns with, a space between.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WitnessKey(String);

impl WitnessKey {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WitnessKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parts: Vec<&str> = text.split(' ').collect();
        let good = match parts.as_slice() {
            [url, key] => {
                (url.starts_with("http://") || url.starts_with("https://")) && key.splitn(3, '+').count() == 3
            }
            _ => false,
        };
        let help = "write \"https://HOST:PORT/PREFIX NAME+ID+KEY\", the key as the witness prints it";
        good.then(|| Self(text.to_owned()))
            .ok_or_else(|| Invalid::not(text, "a witness", help))
    }
}

const WAYS: &[&str] = &["otlp", "syslog", "webhook"];

impl FromStr for Sink {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = || Invalid::not(text, "a log sink", "write otlp:NAME, syslog:NAME or webhook:NAME");
        let (way, name) = text.split_once(':').ok_or_else(bad)?;
        let way = WAYS.iter().find(|w| **w == way).ok_or_else(bad)?;
        Ok(Self {
            way,
            name: name.parse().map_err(|_| bad())?,
        })
    }
}

/// `[user@]host:port/database`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PostgresAddress {
    /// The role to log in as; none means the database's own default.
    pub user: Option<Label>,
    /// The server.
    pub host: HostName,
    /// Its port.
    pub port: Port,
    /// The database.
    pub database: Label,
}

impl FromStr for PostgresAddress {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        // No echo: a pasted connection URL would carry a password.
        let bad = || {
            Invalid::new(
                "a database is given as [user@]host:port/name",
                "such as \"localhost:5432/app_dev\"; the password is a key of its own",
            )
        };
        let parse = || {
            let (place, database) = text.split_once('/')?;
            let (user, place) = match place.split_once('@') {
                Some((user, place)) => (Some(user.parse().ok()?), place),
                None => (None, place),
            };
            let (host, port) = place.rsplit_once(':')?;
            let (host, port) = (host.parse().ok()?, port.parse().ok()?);
            Some(Self {
                user,
                host,
                port,
                database: database.parse().ok()?,
            })
        };
        parse().ok_or_else(bad)
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        assert_eq!("group:sre".parse::<Party>().unwrap().to_string(), "group:sre");
        assert!("sre".parse::<Party>().is_err());
        assert!("otlp:siem".parse::<Sink>().is_ok() && "mail:siem".parse::<Sink>().is_err());
        let at: PostgresAddress = "app@localhost:5432/app_dev".parse().unwrap();
        assert_eq!(at.to_string(), "app@localhost:5432/app_dev");
        for wrong in ["postgres://u:pw@h:1/d", "u:pw@h:1/d", "h/d", "h:0/d", "h:1"] {
            let error = wrong.parse::<PostgresAddress>().unwrap_err();
            assert!(!error.to_string().contains("pw"));
        }
    }
}
