//! What is said about databases: the broker runs their connections, and asks about each statement that does more than read.

use super::{FlowId, MAX_ADDRESSES};
use crate::wire::{Reader, Writer};
use fumehood_destination::Destination;
use fumehood_effect::{Digest, EffectKind};
use fumehood_http::Denial;
use std::net::IpAddr;

/// Numbers of statements begin here: the broker gives them, and those of requests are the gateway's.
pub const STATEMENTS: FlowId = 1 << 63;

/// The most bytes of a statement that travel, and are shown.
pub const MAX_SQL: usize = 8 * 1024;

/// A connection to a database that may be made; one end of a socket pair comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDatabase {
    /// The flow.
    pub flow: FlowId,
    /// Where.
    pub destination: Destination,
    /// As for a dial.
    pub permitted: Vec<IpAddr>,
    /// What the configuration calls it: its password is kept under this name.
    pub name: String,
    /// As whom; anybody, where none is named.
    pub user: Option<String>,
    /// Which database.
    pub database: String,
    /// Whether readings are asked about as well.
    pub ask_reads: bool,
}

/// A statement that does more than read, as the broker decoded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// On which connection.
    pub flow: FlowId,
    /// Its number, from [`STATEMENTS`] on.
    pub request: FlowId,
    /// What it does.
    pub kind: EffectKind,
    /// The same in words.
    pub why: String,
    /// Whether it is ordinary work.
    pub ordinary: bool,
    /// Whether its rows can be counted before it runs.
    pub countable: bool,
    /// Whether the rows that it changes can be bounded.
    pub bounded: bool,
    /// What it acts on.
    pub names: String,
    /// Its text, as much as is shown.
    pub text: String,
    /// As whom it runs.
    pub user: String,
    /// How many rows it changes, where they were counted.
    pub rows: Option<u64>,
    /// Of user, database, text and parameters.
    pub content: Digest,
}

/// What is said to a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It may run, if it changes no more rows than this.
    Go(Option<u64>),
    /// A person is asked: what the client may be told.
    Waiting(String),
    /// How many rows are they? Asked again with the number.
    Count,
    /// It may not run.
    No(Denial),
}

pub(super) fn addresses(out: &mut Writer, all: &[IpAddr]) {
    out.number(all.len() as u64);
    for address in all {
        out.address(*address);
    }
}

pub(super) fn read_addresses(read: &mut Reader<'_>) -> Option<Vec<IpAddr>> {
    let count = usize::try_from(read.number()?)
        .ok()
        .filter(|n| *n <= MAX_ADDRESSES)?;
    (0..count).map(|_| read.address()).collect()
}

fn flag(read: &mut Reader<'_>) -> Option<bool> {
    match read.byte()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn maybe(out: &mut Writer, number: Option<u64>) {
    match number {
        Some(number) => out.byte(1).number(number),
        None => out.byte(0),
    };
}

fn read_maybe(read: &mut Reader<'_>) -> Option<Option<u64>> {
    Some(if flag(read)? { Some(read.number()?) } else { None })
}

impl OpenDatabase {
    pub(super) fn write(&self, out: &mut Writer) {
        out.number(self.flow).destination(&self.destination);
        addresses(out, &self.permitted);
        out.bytes(self.name.as_bytes());
        match &self.user {
            Some(user) => out.byte(1).bytes(user.as_bytes()),
            None => out.byte(0),
        };
        out.bytes(self.database.as_bytes()).byte(u8::from(self.ask_reads));
    }

    pub(super) fn read(read: &mut Reader<'_>) -> Option<OpenDatabase> {
        Some(OpenDatabase {
            flow: read.number()?,
            destination: read.destination()?,
            permitted: read_addresses(read)?,
            name: read.text()?.to_owned(),
            user: if flag(read)? {
                Some(read.text()?.to_owned())
            } else {
                None
            },
            database: read.text()?.to_owned(),
            ask_reads: flag(read)?,
        })
    }
}

impl Statement {
    pub(super) fn write(&self, out: &mut Writer) {
        out.number(self.flow)
            .number(self.request)
            .bytes(self.kind.name().as_bytes());
        for text in [&self.why, &self.names, &self.text, &self.user] {
            out.bytes(text.as_bytes());
        }
        for value in [self.ordinary, self.countable, self.bounded] {
            out.byte(u8::from(value));
        }
        maybe(out, self.rows);
        out.bytes(self.content.as_bytes());
    }

    pub(super) fn read(read: &mut Reader<'_>) -> Option<Statement> {
        let (flow, request, kind) = (read.number()?, read.number()?, read.text()?.parse().ok()?);
        let mut text = || read.text().filter(|t| t.len() <= MAX_SQL).map(str::to_owned);
        let (why, names, sql, user) = (text()?, text()?, text()?, text()?);
        Some(Statement {
            flow,
            request,
            kind,
            why,
            names,
            text: sql,
            user,
            ordinary: flag(read)?,
            countable: flag(read)?,
            bounded: flag(read)?,
            rows: read_maybe(read)?,
            content: Digest::from_bytes(read.bytes()?.try_into().ok()?),
        })
    }
}

impl Said {
    pub(super) fn write(&self, out: &mut Writer) {
        match self {
            Said::Go(most) => maybe(out.byte(b'g'), *most),
            Said::Waiting(words) => {
                out.byte(b'w').bytes(words.as_bytes());
            }
            Said::Count => {
                out.byte(b'c');
            }
            Said::No(denial) => {
                out.byte(b'n').bytes(&denial.encode());
            }
        }
    }

    pub(super) fn read(read: &mut Reader<'_>) -> Option<Said> {
        Some(match read.byte()? {
            b'g' => Said::Go(read_maybe(read)?),
            b'w' => Said::Waiting(read.text()?.to_owned()),
            b'c' => Said::Count,
            b'n' => Said::No(Denial::decode(read.bytes()?).ok()?),
            _ => return None,
        })
    }
}
