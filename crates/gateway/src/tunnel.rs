//! Bytes in both directions.

use crate::flow::refuse;
use crate::greeting::{Greeting, LONGEST};
use bytes::Bytes;
use fumehood_monitor::Broken;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Bytes that are on their way at a time, in each direction.
const PIECE: usize = 64 * 1024;

/// How a tunnel ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// What was wrong with the greeting; nothing was sent then.
    pub(crate) broken: Option<Broken>,
}

/// Judges the first bytes of who dialled, and how long they may take once they have begun.
pub(crate) type Check<'a> = (&'a (dyn Fn(&[u8]) -> Greeting + Send + Sync), Duration);

/// Passes bytes between the one who dialled and the one who was dialled until both have ended.
/// At most so many bytes leave, and none once it is told that no more may.
pub(crate) async fn run(
    (mut near, first): (TcpStream, Bytes),
    mut far: TcpStream,
    check: Option<Check<'_>>,
    (most, cut): (Option<u64>, Option<&Notify>),
) -> Ended {
    let most = most.unwrap_or(u64::MAX);
    let (out, back) = both((&mut near, first), &mut far, check, (most, cut)).await;
    if !matches!((&out.1, &back.1), (Some(End::Whole), Some(End::Whole))) {
        refuse(&near);
        refuse(&far);
    }
    Ended {
        sent: out.0,
        received: back.0,
        broken: match out.1 {
            Some(End::Broken(why)) => Some(why),
            _ => None,
        },
    }
}

/// Bytes that passed, and how it ended if it did.
type Way = (u64, Option<End>);

/// Until both ways have ended well, or one of them badly.
async fn both(
    (near, first): (&mut TcpStream, Bytes),
    far: &mut TcpStream,
    check: Option<Check<'_>>,
    (most, cut): (u64, Option<&Notify>),
) -> (Way, Way) {
    let (near_read, near_write) = near.split();
    let (far_read, far_write) = far.split();
    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut out = pin!(outward((near_read, first), far_write, check, most, &sent));
    let mut back = pin!(copy(far_read, near_write, Vec::new(), u64::MAX, &received));
    let (mut out_end, mut back_end) = (None, None);
    let mut cut = pin!(async {
        match cut {
            Some(cut) => cut.notified().await,
            None => std::future::pending().await,
        }
    });
    poll_fn(|cx| {
        if cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if out_end.is_none()
            && let Poll::Ready(end) = out.as_mut().poll(cx)
        {
            out_end = Some(end);
        }
        if back_end.is_none()
            && let Poll::Ready(end) = back.as_mut().poll(cx)
        {
            back_end = Some(end);
        }
        match (&out_end, &back_end) {
            (Some(End::Whole) | None, None) | (None, Some(End::Whole)) => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
    .await;
    let passed = |way: &AtomicU64| way.load(Ordering::Relaxed);
    ((passed(&sent), out_end), (passed(&received), back_end))
}

enum End {
    /// The reader saw the end, and it was passed on.
    Whole,
    /// One side failed.
    Cut,
    Broken(Broken),
}

async fn outward(
    (mut from, first): (ReadHalf<'_>, Bytes),
    to: WriteHalf<'_>,
    check: Option<Check<'_>>,
    most: u64,
    passed: &AtomicU64,
) -> End {
    let mut first = first.to_vec();
    if let Some(check) = check
        && let Err(end) = judged(&mut from, &mut first, check).await
    {
        return end;
    }
    copy(from, to, first, most, passed).await
}

/// Reads the first bytes until they may pass.
async fn judged(
    from: &mut ReadHalf<'_>,
    first: &mut Vec<u8>,
    (check, patience): Check<'_>,
) -> Result<(), End> {
    let mut deadline: Option<Instant> = None;
    loop {
        if !first.is_empty() {
            deadline.get_or_insert_with(|| Instant::now() + patience);
            match check(first) {
                Greeting::Other | Greeting::Tls(Ok(())) => return Ok(()),
                Greeting::Tls(Err(why)) => return Err(End::Broken(why)),
                Greeting::Incomplete => {}
            }
        }
        let read = read_more(from, first);
        let got = match deadline {
            None => read.await,
            Some(deadline) => timeout_at(deadline, read)
                .await
                .map_err(|_| End::Broken(Broken::Slow))?,
        };
        match got {
            Err(_) => return Err(End::Cut),
            // The end, in the middle of a greeting: nothing to judge, and nothing to pass.
            Ok(0) if first.is_empty() => return Ok(()),
            Ok(0) => return Err(End::Broken(Broken::Unreadable)),
            Ok(_) => {}
        }
    }
}

async fn read_more(from: &mut ReadHalf<'_>, first: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut piece = [0; 4096];
    let room = (LONGEST + 1).saturating_sub(first.len()).clamp(1, piece.len());
    let got = from.read(piece.get_mut(..room).unwrap_or_default()).await?;
    first.extend_from_slice(piece.get(..got).unwrap_or_default());
    Ok(got)
}

/// Nothing of what would be too much is passed on.
async fn copy(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    first: Vec<u8>,
    most: u64,
    passed: &AtomicU64,
) -> End {
    if first.len() as u64 > most {
        return End::Broken(Broken::Budget);
    }
    if to.write_all(&first).await.is_err() {
        return End::Cut;
    }
    passed.store(first.len() as u64, Ordering::Relaxed);
    let mut left = most - first.len() as u64;
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece).await {
            Ok(0) => break,
            Ok(n) => {
                left = match left.checked_sub(n as u64) {
                    Some(left) => left,
                    None => return End::Broken(Broken::Budget),
                };
                if to.write_all(piece.get(..n).unwrap_or_default()).await.is_err() {
                    return End::Cut;
                }
                passed.fetch_add(n as u64, Ordering::Relaxed);
            }
            Err(_) => return End::Cut,
        }
    }
    to.shutdown().await.map_or(End::Cut, |()| End::Whole)
}
