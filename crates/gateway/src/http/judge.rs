//! Who says whether a request may be sent. Not this process.

use bytes::Bytes;
use fumehood_http::{Denial, RequestHead};
use fumehood_lane::Lane;
use fumehood_model::{Finding, Provider, Usage};
use fumehood_monitor::FlowId;
use std::io;

/// The longest body that is read before a request is judged. Of a longer one that decides, what it does is
/// not known, and the request is held.
pub const MAX_JUDGED_BODY: usize = 64 * 1024;

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be sent: the broker knows it by this number. A body for a model is read while it passes.
    Released(FlowId, Option<Provider>),
    /// The body decides: show it.
    Body(FlowId),
    /// It may not be sent.
    Denied(Denial),
}

/// The monitor, and lanes to the broker: in production both are messages to the supervisor.
pub trait Judge: Send + Sync + 'static {
    /// What a request holds until it is over.
    type Open: Send;

    /// Begins a request: its number, and what says that it is over when it is dropped.
    fn open(&self) -> (FlowId, Self::Open);

    /// Asks about a request.
    fn judge(&self, request: FlowId, head: &RequestHead) -> impl Future<Output = Verdict> + Send;

    /// Shows the body of a request that was asked about; none is one longer than [`MAX_JUDGED_BODY`].
    fn show(&self, request: FlowId, body: Option<&Bytes>) -> impl Future<Output = Verdict> + Send;

    /// Asks about something that a body for a model would have its provider do.
    fn remote(&self, request: FlowId, finding: &Finding) -> impl Future<Output = Result<(), Denial>> + Send;

    /// Tells what a model's answer says that it cost.
    fn used(&self, request: FlowId, usage: Usage) -> impl Future<Output = ()> + Send;

    /// A new lane to the broker.
    fn lane(&self) -> impl Future<Output = io::Result<Lane>> + Send;
}
