//! Who says whether a request may be sent. Not this process.

use bytes::Bytes;
use fumehood_http::{Denial, RequestHead};
use fumehood_lane::Lane;
use fumehood_model::{Finding, Provider, Usage};
use fumehood_monitor::FlowId;
use std::io;

/// What was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be sent: the broker knows it by this number. A body for a model is read while it passes.
    Released(FlowId, Option<Provider>),
    /// The body decides: show it, as far as it is no longer than this.
    Body(FlowId, u64),
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

    /// Shows the body of a request that was asked about; none is one longer than was asked for.
    fn show(&self, request: FlowId, body: Option<&Bytes>) -> impl Future<Output = Verdict> + Send;

    /// What the client may be told while a person is asked about this request; never, where none is.
    fn notice(&self, _request: FlowId) -> impl Future<Output = String> + Send {
        std::future::pending()
    }

    /// Asks about something that a body for a model would have its provider do.
    fn remote(&self, request: FlowId, finding: &Finding) -> impl Future<Output = Result<(), Denial>> + Send;

    /// Tells what a model's answer says that it cost.
    fn used(&self, request: FlowId, usage: Usage) -> impl Future<Output = ()> + Send;

    /// A new lane to the broker.
    fn lane(&self) -> impl Future<Output = io::Result<Lane>> + Send;
}
