//! What is said at the desk: one packet, one message, version 1, one encoding of each value.

use super::ask::{Answer, Ask};
use crate::hold::HoldId;
use crate::wire::{Reader, Writer};
use fumehood_effect::Digest;

/// The version of these words. Another one is answered with a refusal that names both.
pub const VERSION: u8 = 1;

/// The most cards of a list, and lines of a packet.
const MAX: u64 = 512;

/// A scope that is asked for: a pattern of names, how many, for how many milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scoped {
    /// Names.
    pub names: String,
    /// How many effects more.
    pub uses: u32,
    /// For how long.
    pub span: u64,
}

/// From the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Talk {
    /// What is held?
    List,
    /// The text of one card, from this line on.
    Card {
        /// Which.
        id: HoldId,
        /// From which line.
        from: u64,
    },
    /// Yes, to this content.
    Allow {
        /// Which.
        id: HoldId,
        /// Its content as shown.
        card: Digest,
        /// How often.
        times: u32,
        /// And what is like it.
        scope: Option<Scoped>,
    },
    /// No, to this content.
    Deny {
        /// Which.
        id: HoldId,
        /// Its content as shown.
        card: Digest,
        /// A sentence to the agent.
        words: Option<String>,
    },
    /// Stop the session.
    Freeze,
    /// One of the last three, by a person who looks at the local page. Who says so is known all the same: it is recorded
    /// beside the process.
    AtPage(Box<Talk>),
    /// Of the session itself rather than of what it holds.
    Session(Ask),
}

/// One card of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub id: HoldId,
    /// Its content.
    pub card: Digest,
    /// Four characters that stand for the content.
    pub code: String,
    /// How grave.
    pub tier: String,
    /// What it is, in a line.
    pub line: String,
    /// How many requests wait.
    pub waiting: u64,
}

/// To the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// What is held, the gravest first.
    List(Vec<Head>),
    /// Lines of a card.
    Card {
        /// Its content.
        card: Digest,
        /// How many lines there are.
        total: u64,
        /// Those from the line that was asked for, as many as fit.
        lines: Vec<String>,
    },
    /// Done: in words.
    Done(String),
    /// Not done: why.
    Refused(String),
    /// Of the session itself.
    Session(Answer),
}

impl Talk {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        self.write(&mut out);
        out.finish()
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Talk::List => out.byte(b'l'),
            Talk::Card { id, from } => out.byte(b'c').number(id.0).number(*from),
            Talk::Allow {
                id,
                card,
                times,
                scope,
            } => {
                out.byte(b'a')
                    .number(id.0)
                    .bytes(card.as_bytes())
                    .number((*times).into());
                match scope {
                    None => out.byte(0),
                    Some(Scoped { names, uses, span }) => out
                        .byte(1)
                        .bytes(names.as_bytes())
                        .number((*uses).into())
                        .number(*span),
                }
            }
            Talk::Deny { id, card, words } => {
                out.byte(b'd').number(id.0).bytes(card.as_bytes());
                match words {
                    None => out.byte(0),
                    Some(words) => out.byte(1).bytes(words.as_bytes()),
                }
            }
            Talk::Freeze => out.byte(b'f'),
            Talk::AtPage(talk) => {
                talk.write(out.byte(b'p'));
                out
            }
            Talk::Session(ask) => {
                ask.write(out.byte(b's'));
                out
            }
        };
    }

    /// The message, if the bytes are one of this version.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<Talk> {
        let mut read = opened(packet)?;
        let talk = match read.byte()? {
            b'l' => Talk::List,
            b'c' => Talk::Card {
                id: HoldId(read.number()?),
                from: read.number()?,
            },
            b's' => Talk::Session(Ask::read(&mut read)?),
            b'p' => {
                let kind = read.byte()?;
                Talk::AtPage(Box::new(Talk::of_a_person(kind, &mut read)?))
            }
            kind => Talk::of_a_person(kind, &mut read)?,
        };
        read.end(talk)
    }

    /// What a person decides.
    fn of_a_person(kind: u8, read: &mut Reader<'_>) -> Option<Talk> {
        Some(match kind {
            b'a' => Talk::Allow {
                id: HoldId(read.number()?),
                card: digest(read)?,
                times: u32::try_from(read.number()?).ok()?,
                scope: option(read, scoped)?,
            },
            b'd' => Talk::Deny {
                id: HoldId(read.number()?),
                card: digest(read)?,
                words: option(read, |read| read.text().map(str::to_owned))?,
            },
            b'f' => Talk::Freeze,
            _ => return None,
        })
    }
}

fn opened(packet: &[u8]) -> Option<Reader<'_>> {
    let (version, rest) = packet.split_first()?;
    (*version == VERSION).then(|| Reader::new(rest))
}

fn scoped(read: &mut Reader<'_>) -> Option<Scoped> {
    Some(Scoped {
        names: read.text()?.to_owned(),
        uses: u32::try_from(read.number()?).ok()?,
        span: read.number()?,
    })
}

fn option<T>(read: &mut Reader<'_>, one: impl Fn(&mut Reader<'_>) -> Option<T>) -> Option<Option<T>> {
    match read.byte()? {
        0 => Some(None),
        1 => one(read).map(Some),
        _ => None,
    }
}

fn digest(read: &mut Reader<'_>) -> Option<Digest> {
    Some(Digest::from_bytes(read.bytes()?.try_into().ok()?))
}

fn list<T>(read: &mut Reader<'_>, one: impl Fn(&mut Reader<'_>) -> Option<T>) -> Option<Vec<T>> {
    let count = read.number().filter(|n| *n <= MAX)?;
    (0..count).map(|_| one(read)).collect()
}

impl Reply {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new(VERSION);
        match self {
            Reply::List(heads) => {
                out.byte(b'l').number(heads.len() as u64);
                for head in heads {
                    out.number(head.id.0).bytes(head.card.as_bytes());
                    for text in [&head.code, &head.tier, &head.line] {
                        out.bytes(text.as_bytes());
                    }
                    out.number(head.waiting);
                }
            }
            Reply::Card { card, total, lines } => {
                out.byte(b'c')
                    .bytes(card.as_bytes())
                    .number(*total)
                    .number(lines.len() as u64);
                for line in lines {
                    out.bytes(line.as_bytes());
                }
            }
            Reply::Done(text) => drop(out.byte(b'o').bytes(text.as_bytes())),
            Reply::Refused(text) => drop(out.byte(b'n').bytes(text.as_bytes())),
            Reply::Session(answer) => answer.write(out.byte(b's')),
        }
        out.finish()
    }

    /// The message, if the bytes are one of this version.
    #[must_use]
    pub fn decode(packet: &[u8]) -> Option<Reply> {
        let mut read = opened(packet)?;
        let text = |read: &mut Reader<'_>| read.text().map(str::to_owned);
        let reply = match read.byte()? {
            b'l' => Reply::List(list(&mut read, |read| {
                Some(Head {
                    id: HoldId(read.number()?),
                    card: digest(read)?,
                    code: text(read)?,
                    tier: text(read)?,
                    line: text(read)?,
                    waiting: read.number()?,
                })
            })?),
            b'c' => Reply::Card {
                card: digest(&mut read)?,
                total: read.number()?,
                lines: list(&mut read, text)?,
            },
            b'o' => Reply::Done(text(&mut read)?),
            b'n' => Reply::Refused(text(&mut read)?),
            b's' => Reply::Session(Answer::read(&mut read)?),
            _ => return None,
        };
        read.end(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn talk() -> impl Strategy<Value = Talk> {
        let scoped = (any::<String>(), any::<u32>(), any::<u64>()).prop_map(|(names, uses, span)| Scoped {
            names,
            uses,
            span,
        });
        let card = any::<[u8; 32]>().prop_map(Digest::from_bytes);
        let words = prop::option::of(any::<String>());
        let decided = prop_oneof![
            Just(Talk::Freeze),
            (any::<u64>(), card.clone(), any::<u32>(), prop::option::of(scoped)).prop_map(
                |(id, card, times, scope)| Talk::Allow {
                    id: HoldId(id),
                    card,
                    times,
                    scope
                }
            ),
            (any::<u64>(), card, words).prop_map(|(id, card, words)| Talk::Deny {
                id: HoldId(id),
                card,
                words
            }),
        ];
        prop_oneof![
            Just(Talk::List),
            crate::desk::ask::tests::ask().prop_map(Talk::Session),
            (any::<u64>(), any::<u64>()).prop_map(|(id, from)| Talk::Card { id: HoldId(id), from }),
            decided.clone(),
            decided.prop_map(|talk| Talk::AtPage(Box::new(talk))),
        ]
    }

    /// A page only decides, and one page is not within another.
    #[test]
    fn at_a_page_is_decided_and_nothing_else() {
        for talk in [Talk::List, Talk::AtPage(Box::new(Talk::Freeze))] {
            assert_eq!(Talk::decode(&Talk::AtPage(Box::new(talk)).encode()), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_said_comes_back(talk in talk()) {
            prop_assert_eq!(Talk::decode(&talk.encode()), Some(talk.clone()));
            prop_assert_eq!(Talk::decode(&[talk.encode(), vec![0]].concat()), None);
        }

        #[test]
        fn what_is_answered_comes_back(answer in crate::desk::ask::tests::answer()) {
            let reply = Reply::Session(answer);
            prop_assert_eq!(Reply::decode(&reply.encode()), Some(reply.clone()));
            prop_assert_eq!(Reply::decode(&[reply.encode(), vec![0]].concat()), None);
        }

        #[test]
        fn any_bytes_are_one_value_or_none(mut bytes in proptest::collection::vec(any::<u8>(), 1..200),
            tag in prop::sample::select(&b"lcadfons"[..]), what in prop::sample::select(&b"iwsdxSabterpP"[..])) {
            bytes.splice(0..1, [VERSION, tag, what]);
            prop_assert!(Talk::decode(&bytes).is_none_or(|t| t.encode() == bytes));
            prop_assert!(Reply::decode(&bytes).is_none_or(|t| t.encode() == bytes));
        }
    }

    #[test]
    fn another_version_is_none() {
        let mut bytes = Talk::List.encode();
        bytes[0] = 2;
        assert_eq!(Talk::decode(&bytes), None);
    }
}
