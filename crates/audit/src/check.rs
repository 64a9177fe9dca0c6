//! The part of verifying that needs no order: bundles are read, unpacked, cut and hashed by several threads.

use crate::index::{ENTRY, Span, bit};
use crate::layout::WIDTH;
use crate::read::{Bundle, Bundles, Part, ReadError, Records};
use crate::record::{Head, Kind, Raw};
use crate::tree::{Hash, leaf, root_of};
use crate::verify::VerifyError;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

/// What a bundle of records turned out to be.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) leaves: Vec<Hash>,
    pub(crate) root: Hash,
    /// Times of the first and the last record.
    pub(crate) times: (u64, u64),
    /// Records within, but for the first, whose clock is behind that of the one before.
    pub(crate) clock_steps: Vec<u64>,
    /// Keys that take over, with the sequence numbers of their records.
    pub(crate) keys: Vec<(u64, [u8; 32])>,
    pub(crate) span: Span,
    pub(crate) bytes: u64,
}

/// Checks every record of a bundle by itself.
pub(crate) fn check(bundle: &Bundle) -> Result<Checked, VerifyError> {
    let begin = bundle.index * WIDTH as u64;
    let mut checked = Checked {
        leaves: Vec::with_capacity(WIDTH),
        root: Hash::default(),
        times: (0, 0),
        clock_steps: Vec::new(),
        keys: Vec::new(),
        span: Span::EMPTY,
        bytes: bundle.frames.len() as u64,
    };
    let mut records = Records::new(&bundle.frames);
    let mut at = begin;
    while let Some(frame) = records.frame() {
        checked.record(at, frame)?;
        at += 1;
    }
    let whole = records.torn() == 0;
    checked.root = root_of(&checked.leaves);
    if let Some((name, tile)) = &bundle.tile {
        let named = tile.chunks_exact(32).eq(checked.leaves.iter());
        if !named || tile.len() != checked.leaves.len() * 32 || !whole {
            return Err(VerifyError::File(name.clone()));
        }
    }
    Ok(checked)
}

impl Checked {
    fn record(&mut self, at: u64, frame: &[u8]) -> Result<(), VerifyError> {
        let mut key = None;
        let read = Head::read(frame, |name, value| {
            if let ("key", Raw::Bytes(bytes)) = (name, value) {
                key = <[u8; 32]>::try_from(bytes).ok();
            }
        });
        let head = read.map_err(|error| ReadError::Record { index: at, error })?;
        if head.sequence != at || head.cause.is_some_and(|cause| cause >= at) {
            return Err(VerifyError::Sequence(at));
        }
        if head.kind == Kind::KeyNext {
            self.keys.push((at, key.ok_or(VerifyError::Sequence(at))?));
        }
        if self.leaves.is_empty() {
            self.times.0 = head.time;
        } else if head.time < self.times.1 {
            self.clock_steps.push(at);
        }
        self.times.1 = head.time;
        self.span.from = self.span.from.min(head.time);
        self.span.to = self.span.to.max(head.time);
        self.span.kinds |= bit(head.kind);
        self.leaves.push(leaf(frame));
        Ok(())
    }

    /// The entry that the index must have for it, if it ends there.
    pub(crate) fn entry(&self, end: u64) -> [u8; ENTRY] {
        Span { end, ..self.span }.encode()
    }
}

/// How many bundles travel together.
const BATCH: usize = 32;

type Batch = Vec<Result<Part, ReadError>>;
type Done = Vec<Result<Checked, VerifyError>>;

/// Bundles of a log, checked by as many threads as there are processors, in order.
#[derive(Debug)]
pub(crate) struct Checking {
    workers: Vec<Receiver<Done>>,
    turn: usize,
    batch: std::vec::IntoIter<Result<Checked, VerifyError>>,
    torn: Receiver<usize>,
}

impl Checking {
    /// Starts the threads.
    pub(crate) fn start<'scope>(scope: &'scope Scope<'scope, '_>, bundles: Bundles) -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let (mut orders, mut workers) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (order, ordered) = sync_channel::<Batch>(1);
            let (done, answers) = sync_channel::<Done>(1);
            let folder = bundles.folder().to_owned();
            scope.spawn(move || work(&folder, &ordered, &done));
            orders.push(order);
            workers.push(answers);
        }
        let (torn, ended) = sync_channel(1);
        scope.spawn(move || deal(bundles, &orders, &torn));
        Self {
            workers,
            turn: 0,
            batch: Vec::new().into_iter(),
            torn: ended,
        }
    }

    /// After the last: how many bytes of a record that is not all there follow.
    pub(crate) fn torn(&self) -> usize {
        self.torn.recv().unwrap_or_default()
    }
}

impl Iterator for Checking {
    type Item = Result<Checked, VerifyError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(checked) = self.batch.next() {
                return Some(checked);
            }
            let worker = self.turn.checked_rem(self.workers.len())?;
            self.batch = self.workers.get(worker)?.recv().ok()?.into_iter();
            self.turn += 1;
        }
    }
}

/// Deals batches to the workers in turn; ends early where nobody takes them any more.
fn deal(mut bundles: Bundles, orders: &[SyncSender<Batch>], torn: &SyncSender<usize>) {
    for order in orders.iter().cycle() {
        let batch: Batch = std::iter::from_fn(|| bundles.next_part()).take(BATCH).collect();
        let failed = batch.iter().any(Result::is_err);
        if batch.is_empty() || order.send(batch).is_err() || failed {
            break;
        }
    }
    let _nobody_asks = torn.send(bundles.torn());
}

fn work(folder: &Path, ordered: &Receiver<Batch>, done: &SyncSender<Done>) {
    for batch in ordered {
        let checked = batch
            .into_iter()
            .map(|part| check(&part?.read(folder)?))
            .collect();
        if done.send(checked).is_err() {
            return;
        }
    }
}
