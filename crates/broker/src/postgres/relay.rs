//! From a batch that was sent to its answers: which are the client's, and which belong to what the gate added.

use super::link::{Incoming, Outgoing};
use super::server::{FIXED, is_expected};
use fumehood_postgres::{Backend, backend, rows};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest message of a server that is understood; those with rows may have any length.
const MAX_PLAIN: usize = 1 << 20;
/// The most bytes of an answer that are kept until it is known whether the statement stands.
const MAX_KEPT: usize = 8 << 20;

/// What answers one message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// It ends with one of these tags.
    Until(&'static [u8]),
    /// It ends with one of these, and none of it is the client's.
    Swallow(&'static [u8]),
    /// The same, but the client is shown rows' shape.
    Shape,
}

pub(crate) const PARSED: &[u8] = b"1";
pub(crate) const BOUND: &[u8] = b"2";
pub(crate) const CLOSED: &[u8] = b"3";
pub(crate) const SHAPE: &[u8] = b"Tn";
pub(crate) const RUN: &[u8] = b"CIs";

/// How a batch ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Idle, in a transaction, in a failed one.
    pub(crate) status: u8,
    /// Whether something failed; the client was told, unless the answer was kept.
    pub(crate) failed: bool,
    /// How many rows the last command tag of the client's says.
    pub(crate) rows: Option<u64>,
    /// The first column of the last row that was swallowed.
    pub(crate) value: Option<Vec<u8>>,
    /// It waits for rows of the client's.
    pub(crate) copy_in: bool,
    /// More came than is kept.
    pub(crate) overflow: bool,
}

/// What a session knows of its server's settings.
pub(crate) type Settings = BTreeMap<String, String>;

/// Reads answers until the server is ready, or wants rows. With `kept`, what is the client's is put there.
pub(crate) async fn relay<S: AsyncRead + AsyncWrite, C: AsyncRead + AsyncWrite>(
    server: &mut Incoming<S>,
    client: &mut Outgoing<C>,
    mut plan: VecDeque<Expect>,
    mut kept: Option<&mut Vec<u8>>,
    settings: &mut Settings,
) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    loop {
        if server.buffer.is_empty() {
            client.flush().await?;
        }
        let at = server.header(usize::MAX).await?;
        let expected = plan.front().copied();
        let (ends, ours) = match expected {
            Some(Expect::Until(tags)) => (tags, false),
            Some(Expect::Swallow(tags)) => (tags, true),
            Some(Expect::Shape) => (SHAPE, at.tag != b'T'),
            None => (&b""[..], false),
        };
        // Rows of the client's pass as they come.
        if matches!(at.tag, b'D' | b'd') && !ours && !outcome.failed {
            match &mut kept {
                None => server.pass(at.length, client).await?,
                Some(kept) if kept.len() + at.length <= MAX_KEPT => {
                    kept.extend_from_slice(&server.message(at.length).await?);
                }
                Some(_) => {
                    outcome.overflow = true;
                    skip(server, at.length).await?;
                }
            }
            continue;
        }
        if at.length > MAX_PLAIN {
            return Err(io::Error::other(
                "a message of the server is longer than what is read",
            ));
        }
        let message = server.message(MAX_PLAIN).await?;
        let read = backend(&message).map_err(io::Error::other)?;
        let mut pass = !ours;
        match read {
            Backend::Ready(status) => {
                if !plan.is_empty() && !outcome.failed {
                    return Err(io::Error::other("the server is ready before it has answered"));
                }
                outcome.status = status;
                return Ok(outcome);
            }
            Backend::Error(_) => {
                outcome.failed = true;
                plan.clear();
                pass = true;
            }
            Backend::Parameter(name, value) => {
                let known = settings.insert(name.to_owned(), value.to_owned());
                let same = known.as_deref() == Some(value);
                if !is_expected(name, value) || (FIXED.contains(&name) && !same) {
                    return Err(io::Error::other(format!("the server's setting {name} changed")));
                }
                pass = true;
            }
            Backend::Complete(tag) if !ours => outcome.rows = rows(tag),
            Backend::CopyIn if !ours => outcome.copy_in = true,
            Backend::CopyIn | Backend::Authentication(..) | Backend::Key(..) => {
                return Err(io::Error::other("the server says what nobody asked for"));
            }
            // Notices and what others notify of.
            Backend::Other(b'N' | b'A') => pass = true,
            Backend::Other(b'D') if ours => outcome.value = first_column(&message),
            _ => {}
        }
        if ends.contains(&at.tag) {
            plan.pop_front();
        } else if expected.is_none() && !outcome.failed && !matches!(at.tag, b'N' | b'A' | b'S') {
            return Err(io::Error::other("the server answers more than was asked"));
        }
        if pass {
            match &mut kept {
                Some(kept) => kept.extend_from_slice(&message),
                None => client.out.extend_from_slice(&message),
            }
        }
        if outcome.copy_in {
            client.flush().await?;
            return Ok(outcome);
        }
    }
}

async fn skip<S: AsyncRead>(server: &mut Incoming<S>, length: usize) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        if server.buffer.is_empty() && server.fill().await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let now = left.min(server.buffer.len());
        drop(server.buffer.split_to(now));
        left -= now;
    }
    Ok(())
}

fn first_column(row: &[u8]) -> Option<Vec<u8>> {
    let body = row.get(7..)?;
    let (length, rest) = body.split_first_chunk::<4>()?;
    rest.get(..usize::try_from(i32::from_be_bytes(*length)).ok()?)
        .map(<[u8]>::to_vec)
}
