//! What is asked of a session that lives, and what it answers: version 1, one encoding of each value
//! (docs/sessions.md).

use crate::wire::{Reader, Writer};
use std::net::SocketAddr;

/// The most labels, and bytes of a command line that is shown.
const MAX_LABELS: u64 = 64;
/// The longest host with its port, bytes.
const MAX_HOST: usize = 260;
/// The most ports of a session that are reachable outside.
pub const MAX_PORTS: usize = 256;

/// From another process of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// What are you?
    About,
    /// Say when you have ended, and how.
    Wait,
    /// Send the session's command this signal.
    Signal(u8),
    /// A stream of the program that is asked for next comes with this packet: 0, 1 or 2.
    Stream(u8),
    /// Start the program whose description comes with this packet, as sealed memory.
    Exec,
    /// Send the program that this connection started a signal.
    ExecSignal(u8),
    /// From now on a host may be reached, or may not.
    Reach {
        /// `HOST` or `HOST:PORT`.
        host: String,
        /// Whether it may.
        allow: bool,
        /// For how many milliseconds; none for as long as the session runs.
        span: Option<u64>,
    },
    /// Which ports of yours are reachable outside?
    Ports,
    /// The listener that comes with this packet leads to this port inside, until you end.
    Publish(u16),
    /// Give me your terminal until I go, and say when you have ended, and how.
    Attach,
}

/// A port of the sandbox that is reachable outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// Where.
    pub outside: SocketAddr,
    /// The port inside.
    pub inside: u16,
}

/// From the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What it is.
    About(Box<About>),
    /// Ports that are reachable outside.
    Ports(Vec<PublishedPort>),
    /// The program was started.
    Started,
    /// The program's terminal, or the session's, comes with this packet.
    Terminal,
    /// What was waited for is over.
    Over(Over),
}

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// A program, with this status.
    Exited(u8),
    /// A signal ended a program.
    Killed(u8),
    /// A program could not be executed: the kernel's error number.
    NotExecuted(u32),
    /// The directory where a program was to start could not be entered: the kernel's error number.
    NoDirectory(u32),
    /// The session: the exit status of its `fumehood run`, and what decided it.
    Session(u8, String),
}

/// What a living session is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name in the log.
    pub id: String,
    /// The name it was given.
    pub name: Option<String>,
    /// Labels it was given.
    pub labels: Vec<(String, String)>,
    /// The project.
    pub project: Vec<u8>,
    /// Where its command started.
    pub directory: Vec<u8>,
    /// The command, each word ending with a NUL byte; long ones are cut.
    pub command: Vec<u8>,
    /// `namespace`, `landlock`, with ` nested`.
    pub isolation: String,
    /// When changes land: `turn`, `ask`, `never`, `live`.
    pub apply: String,
    /// Where its changes are kept, if they are.
    pub workspace: Option<String>,
    /// The supervisor.
    pub pid: u64,
    /// Milliseconds since 1970.
    pub since: u64,
    /// Milliseconds since 1970 at which it ends by itself.
    pub until: Option<u64>,
    /// Whether it was started without a terminal to return to.
    pub detached: bool,
    /// How much is held.
    pub holds: u64,
    /// How many programs `fumehood exec` started and that run.
    pub programs: u64,
    /// How many wait for its end.
    pub waiting: u64,
}

fn optional(out: &mut Writer, value: Option<&[u8]>) {
    match value {
        None => out.byte(0),
        Some(value) => out.byte(1).bytes(value),
    };
}

fn option<T>(read: &mut Reader<'_>, one: impl Fn(&mut Reader<'_>) -> Option<T>) -> Option<Option<T>> {
    match read.byte()? {
        0 => Some(None),
        1 => one(read).map(Some),
        _ => None,
    }
}

fn port(read: &mut Reader<'_>) -> Option<u16> {
    u16::try_from(read.number()?).ok()
}

fn text(read: &mut Reader<'_>) -> Option<String> {
    read.text().map(str::to_owned)
}

fn flag(read: &mut Reader<'_>) -> Option<bool> {
    match read.byte()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

impl Ask {
    pub(super) fn write(&self, out: &mut Writer) {
        match self {
            Ask::About => out.byte(b'i'),
            Ask::Wait => out.byte(b'w'),
            Ask::Signal(n) => out.byte(b's').byte(*n),
            Ask::Stream(n) => out.byte(b'd').byte(*n),
            Ask::Exec => out.byte(b'x'),
            Ask::ExecSignal(n) => out.byte(b'S').byte(*n),
            Ask::Attach => out.byte(b'a'),
            Ask::Ports => out.byte(b'p'),
            Ask::Publish(port) => out.byte(b'P').number((*port).into()),
            Ask::Reach { host, allow, span } => {
                out.byte(b'r').bytes(host.as_bytes()).byte((*allow).into());
                match span {
                    None => out.byte(0),
                    Some(span) => out.byte(1).number(*span),
                }
            }
        };
    }

    pub(super) fn read(read: &mut Reader<'_>) -> Option<Ask> {
        let signal = |n: u8| (1..=64).contains(&n).then_some(n);
        Some(match read.byte()? {
            b'i' => Ask::About,
            b'w' => Ask::Wait,
            b's' => Ask::Signal(signal(read.byte()?)?),
            b'd' => Ask::Stream(read.byte().filter(|n| *n < 3)?),
            b'x' => Ask::Exec,
            b'S' => Ask::ExecSignal(signal(read.byte()?)?),
            b'a' => Ask::Attach,
            b'p' => Ask::Ports,
            b'P' => Ask::Publish(port(read)?),
            b'r' => Ask::Reach {
                host: text(read).filter(|host| host.len() <= MAX_HOST)?,
                allow: flag(read)?,
                span: option(read, |read| read.number())?,
            },
            _ => return None,
        })
    }

    /// Whether only who is at a terminal may ask it: it widens what the session may do.
    pub(super) fn needs_a_terminal(&self) -> bool {
        matches!(self, Ask::Reach { .. })
    }
}

impl Answer {
    pub(super) fn write(&self, out: &mut Writer) {
        match self {
            Answer::About(about) => about.write(out.byte(b'i')),
            Answer::Ports(ports) => {
                out.byte(b'p').number(ports.len() as u64);
                for PublishedPort { outside, inside } in ports {
                    out.address(outside.ip()).number(outside.port().into());
                    out.number((*inside).into());
                }
            }
            Answer::Started => drop(out.byte(b'b')),
            Answer::Terminal => drop(out.byte(b't')),
            Answer::Over(over) => over.write(out.byte(b'e')),
        }
    }

    pub(super) fn read(read: &mut Reader<'_>) -> Option<Answer> {
        Some(match read.byte()? {
            b'i' => Answer::About(Box::new(About::read(read)?)),
            b'p' => {
                let count = read.number().filter(|n| *n <= MAX_PORTS as u64)?;
                let one = |_| {
                    let outside = SocketAddr::new(read.address()?, port(read)?);
                    let inside = port(read)?;
                    Some(PublishedPort { outside, inside })
                };
                Answer::Ports((0..count).map(one).collect::<Option<_>>()?)
            }
            b'b' => Answer::Started,
            b't' => Answer::Terminal,
            b'e' => Answer::Over(Over::read(read)?),
            _ => return None,
        })
    }
}

impl Over {
    fn write(&self, out: &mut Writer) {
        match self {
            Over::Exited(code) => out.byte(b'e').byte(*code),
            Over::Killed(signal) => out.byte(b'k').byte(*signal),
            Over::NotExecuted(errno) => out.byte(b'x').number((*errno).into()),
            Over::NoDirectory(errno) => out.byte(b'd').number((*errno).into()),
            Over::Session(code, origin) => out.byte(b's').byte(*code).bytes(origin.as_bytes()),
        };
    }

    fn read(read: &mut Reader<'_>) -> Option<Over> {
        Some(match read.byte()? {
            b'e' => Over::Exited(read.byte()?),
            b'k' => Over::Killed(read.byte()?),
            b'x' => Over::NotExecuted(u32::try_from(read.number()?).ok()?),
            b'd' => Over::NoDirectory(u32::try_from(read.number()?).ok()?),
            b's' => Over::Session(read.byte()?, text(read)?),
            _ => return None,
        })
    }
}

impl About {
    fn write(&self, out: &mut Writer) {
        out.bytes(self.id.as_bytes());
        optional(out, self.name.as_deref().map(str::as_bytes));
        out.number(self.labels.len() as u64);
        for (key, value) in &self.labels {
            out.bytes(key.as_bytes()).bytes(value.as_bytes());
        }
        for bytes in [&self.project, &self.directory, &self.command] {
            out.bytes(bytes);
        }
        for words in [&self.isolation, &self.apply] {
            out.bytes(words.as_bytes());
        }
        optional(out, self.workspace.as_deref().map(str::as_bytes));
        out.number(self.pid).number(self.since);
        match self.until {
            None => out.byte(0),
            Some(until) => out.byte(1).number(until),
        };
        out.byte(self.detached.into())
            .number(self.holds)
            .number(self.programs)
            .number(self.waiting);
    }

    fn read(read: &mut Reader<'_>) -> Option<About> {
        let id = text(read)?;
        let name = option(read, text)?;
        let count = read.number().filter(|n| *n <= MAX_LABELS)?;
        let labels: Option<Vec<_>> = (0..count).map(|_| Some((text(read)?, text(read)?))).collect();
        let bytes = |read: &mut Reader<'_>| read.bytes().map(<[u8]>::to_vec);
        Some(About {
            id,
            name,
            labels: labels?,
            project: bytes(read)?,
            directory: bytes(read)?,
            command: bytes(read)?,
            isolation: text(read)?,
            apply: text(read)?,
            workspace: option(read, text)?,
            pid: read.number()?,
            since: read.number()?,
            until: option(read, |read| read.number())?,
            detached: flag(read)?,
            holds: read.number()?,
            programs: read.number()?,
            waiting: read.number()?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::desk) fn ask() -> impl Strategy<Value = Ask> {
        prop_oneof![
            Just(Ask::About),
            Just(Ask::Wait),
            Just(Ask::Exec),
            Just(Ask::Attach),
            Just(Ask::Ports),
            any::<u16>().prop_map(Ask::Publish),
            ("[a-z.:0-9]{0,40}", any::<bool>(), any::<Option<u64>>())
                .prop_map(|(host, allow, span)| Ask::Reach { host, allow, span }),
            (1u8..=64).prop_map(Ask::Signal),
            (1u8..=64).prop_map(Ask::ExecSignal),
            (0u8..3).prop_map(Ask::Stream),
        ]
    }

    pub(in crate::desk) fn answer() -> impl Strategy<Value = Answer> {
        let about = (
            any::<(String, Option<String>, Vec<u8>, Option<u64>, bool, u64)>(),
            prop::collection::vec(any::<(String, String)>(), 0..4),
        )
            .prop_map(|((id, name, project, until, detached, n), labels)| About {
                apply: id.clone(),
                workspace: name.clone(),
                command: project.clone(),
                pid: n,
                id,
                name,
                labels,
                project,
                until,
                detached,
                ..About::default()
            });
        prop_oneof![
            about.prop_map(|about| Answer::About(Box::new(about))),
            Just(Answer::Started),
            prop::collection::vec(any::<(std::net::IpAddr, u16, u16)>(), 0..4).prop_map(|all| {
                let port = |(address, outside, inside)| PublishedPort {
                    outside: SocketAddr::new(address, outside),
                    inside,
                };
                Answer::Ports(all.into_iter().map(port).collect())
            }),
            Just(Answer::Terminal),
            any::<u8>().prop_map(|n| Answer::Over(Over::Exited(n))),
            any::<u8>().prop_map(|n| Answer::Over(Over::Killed(n))),
            any::<u32>().prop_map(|n| Answer::Over(Over::NotExecuted(n))),
            any::<u32>().prop_map(|n| Answer::Over(Over::NoDirectory(n))),
            any::<(u8, String)>().prop_map(|(n, origin)| Answer::Over(Over::Session(n, origin))),
        ]
    }
}
