//! Records and their canonical bytes (docs/log.md §2).

use fumehood_effect::Digest;
use std::collections::BTreeMap;

/// The longest record: its length has two bytes in the log (C2SP tlog-tiles).
pub const MAX_RECORD: usize = 65_535;
/// How many bytes blind a record.
pub const BLIND: usize = 16;
/// The most fields of a record.
const MAX_FIELDS: u64 = 256;
const BEGIN: &[u8] = b"fumehood record 1\n";

macro_rules! kinds {
    ($($variant:ident, $name:literal, $what:literal;)*) => {
        /// What is recorded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind { $(#[doc = $what] $variant,)* }

        impl Kind {
            /// `session.start`
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
        }
    };
}

kinds! {
    SessionStart, "session.start", "a run began";
    SessionEnd, "session.end", "a run ended";
    ProgramExec, "program.exec", "a program was executed";
    ProgramExit, "program.exit", "a program ended";
    LimitStruck, "limit.struck", "a limit was reached";
    Flow, "flow", "a connection";
    Effect, "effect", "a decoded effect and what was decided";
    Hold, "hold", "an effect waits for a human";
    Approval, "approval", "a human answered a hold";
    SessionAsk, "session.ask", "another process of the account had the session do something";
    Grant, "grant", "a right was given or taken back";
    Policy, "policy", "the policy in force changed";
    WorkspaceStage, "workspace.stage", "changes were staged";
    WorkspaceApply, "workspace.apply", "changes reached the user's files";
    Terminal, "terminal", "what a terminal showed, if asked for";
    Witness, "witness", "a head was seen by someone else";
    SessionCheckpoint, "session.checkpoint", "a session's head, in the account's index";
    SessionErase, "session.erase", "what a session's records said was forgotten, in the account's index";
    KeyNext, "key.next", "the key that signs from here on";
    // The order is that of the index's bits: new ones go to the end.
    FlowEnd, "flow.end", "a connection is over";
    WorkspaceUndo, "workspace.undo", "an apply was taken back";
    WorkspaceDiscard, "workspace.discard", "changes that waited were forgotten";
    CredentialUse, "credential.use", "credentials were put into a request";
    EffectFailed, "effect.failed", "a request that was allowed was not sent, or has no whole answer";
    WorkspaceBoth, "workspace.both", "host and session both changed a file";
    PolicyObserved, "policy.observed", "a rule that is only observed would have held or denied something";
}

/// The value of a field. No secret is ever one: credentials are named, bodies are digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// UTF-8.
    Text(String),
    /// A count.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// Of something kept elsewhere, or nowhere.
    Digest(Digest),
    /// Any bytes: arguments, paths.
    Bytes(Vec<u8>),
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place in the log, from 0.
    pub sequence: u64,
    /// Nanoseconds since 1970, by the machine's clock, which can be set: order is by `sequence`.
    pub time: u64,
    /// The record of this log that led to this one: command → request → hold → approval.
    pub cause: Option<u64>,
    /// Bytes that nobody can guess, so that the hash that stays of an erased record says nothing about it.
    pub blind: [u8; BLIND],
    /// What it is.
    pub kind: Kind,
    /// Fields by name.
    pub fields: BTreeMap<String, Value>,
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It ends too early, has too much, or is of another version.
    #[error("not a record")]
    Form,
    /// A kind that nobody knows.
    #[error("a record of an unknown kind")]
    Kind,
    /// Fields twice, out of order, or written in another way than the canonical one.
    #[error("not in canonical form")]
    NotCanonical,
    /// Longer than [`MAX_RECORD`], or with too many fields.
    #[error("longer than a record may be")]
    TooLong,
}

impl Record {
    /// The canonical bytes.
    ///
    /// # Errors
    /// They are longer than [`MAX_RECORD`], or fields are too many.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let mut out = BEGIN.to_vec();
        number(&mut out, self.sequence);
        number(&mut out, self.time);
        number(&mut out, self.cause.map_or(0, |cause| cause.saturating_add(1)));
        out.extend_from_slice(&self.blind);
        field(&mut out, self.kind.name().as_bytes());
        number(&mut out, self.fields.len() as u64);
        for (name, value) in &self.fields {
            field(&mut out, name.as_bytes());
            match value {
                Value::Text(text) => tagged(&mut out, b't', text.as_bytes()),
                Value::Number(n) => tagged(&mut out, b'n', &n.to_be_bytes()),
                Value::Flag(flag) => tagged(&mut out, b'f', &[u8::from(*flag)]),
                Value::Digest(digest) => tagged(&mut out, b'd', digest.as_bytes()),
                Value::Bytes(bytes) => tagged(&mut out, b'b', bytes),
            }
        }
        if out.len() > MAX_RECORD || self.fields.len() as u64 > MAX_FIELDS {
            return Err(RecordError::TooLong);
        }
        Ok(out)
    }

    /// Reads canonical bytes, and refuses every other spelling of the same record.
    ///
    /// # Errors
    /// They are not a record in canonical form.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut fields = BTreeMap::new();
        let head = Head::read(bytes, |name, value| {
            fields.insert(name.to_owned(), value.to_value());
        })?;
        Ok(Self {
            sequence: head.sequence,
            time: head.time,
            cause: head.cause,
            blind: head.blind,
            kind: head.kind,
            fields,
        })
    }
}

/// What a record says before its fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    pub(crate) time: u64,
    pub(crate) cause: Option<u64>,
    pub(crate) blind: [u8; BLIND],
    pub(crate) kind: Kind,
}

impl Head {
    /// Reads a whole record without keeping it; `each` gets its fields. Lengths are exact, names
    /// ascend and values have one form each, so there is one spelling.
    pub(crate) fn read<'a>(
        bytes: &'a [u8],
        mut each: impl FnMut(&'a str, Raw<'a>),
    ) -> Result<Self, RecordError> {
        if bytes.len() > MAX_RECORD {
            return Err(RecordError::TooLong);
        }
        let mut input = Input(bytes.strip_prefix(BEGIN).ok_or(RecordError::Form)?);
        let head = Self {
            sequence: input.number()?,
            time: input.number()?,
            cause: input.number()?.checked_sub(1),
            blind: input.blind()?,
            kind: input.kind()?,
        };
        let count = input.number()?;
        if count > MAX_FIELDS {
            return Err(RecordError::TooLong);
        }
        let mut before = None;
        for _ in 0..count {
            let name = text(input.field()?)?;
            if before.is_some_and(|before| before >= name) {
                return Err(RecordError::NotCanonical);
            }
            before = Some(name);
            each(name, input.value()?);
        }
        if input.0.is_empty() {
            Ok(head)
        } else {
            Err(RecordError::NotCanonical)
        }
    }
}

/// A value where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    Text(&'a str),
    Number(u64),
    Flag(bool),
    Digest([u8; 32]),
    Bytes(&'a [u8]),
}

impl Raw<'_> {
    fn to_value(self) -> Value {
        match self {
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Number(number) => Value::Number(number),
            Self::Flag(flag) => Value::Flag(flag),
            Self::Digest(digest) => Value::Digest(Digest::from_bytes(digest)),
            Self::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        }
    }
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    field(out, bytes);
}

fn text(bytes: &[u8]) -> Result<&str, RecordError> {
    std::str::from_utf8(bytes).map_err(|_| RecordError::Form)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(RecordError::Form)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, RecordError> {
        let bytes = self.take(8)?;
        bytes
            .try_into()
            .map(u64::from_be_bytes)
            .map_err(|_| RecordError::Form)
    }

    fn blind(&mut self) -> Result<[u8; BLIND], RecordError> {
        self.take(BLIND)?.try_into().map_err(|_| RecordError::Form)
    }

    fn field(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| RecordError::Form)?)
    }

    fn kind(&mut self) -> Result<Kind, RecordError> {
        let name = self.field()?;
        let kind = Kind::ALL.iter().find(|k| k.name().as_bytes() == name);
        kind.copied().ok_or(RecordError::Kind)
    }

    fn value(&mut self) -> Result<Raw<'a>, RecordError> {
        let tag = self.take(1)?;
        let bytes = self.field()?;
        Ok(match (tag, bytes) {
            (b"t", _) => Raw::Text(text(bytes)?),
            (b"n", _) => Raw::Number(u64::from_be_bytes(
                bytes.try_into().map_err(|_| RecordError::Form)?,
            )),
            (b"f", [flag @ (0 | 1)]) => Raw::Flag(*flag == 1),
            (b"d", _) => Raw::Digest(bytes.try_into().map_err(|_| RecordError::Form)?),
            (b"b", _) => Raw::Bytes(bytes),
            _ => return Err(RecordError::Form),
        })
    }
}
