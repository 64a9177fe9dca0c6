//! An exchange with a model: its body is read while it passes, and its answer counted.

use super::exchange::{self, Gone, Outcome, Sink, Source, Stop};
use super::inspect::Inspector;
use super::judge::Judge;
use bytes::Bytes;
use fumehood_http::{Denial, Fields, RequestHead, ResponseHead};
use fumehood_lane::Lane;
use fumehood_model::{Counter, Finding, Provider, Scanner, Unreadable};
use fumehood_monitor::FlowId;
use fumehood_policy::value::HostName;

/// Asks a provider for an answer that can be read: the numbers in it are counted. Done before the head is
/// judged, so that what is judged is what is sent.
pub(crate) fn readable_answer(head: &mut RequestHead) {
    if let HostName::Name(name) = &head.destination.host
        && fumehood_model::provider(name).is_some()
    {
        head.fields.remove("accept-encoding");
    }
}

/// Runs an exchange; where it is one with a model, with a reader in each direction.
pub(crate) async fn run<J: Judge>(
    inspector: &Inspector<J>,
    lane: &mut Lane,
    (exchange, model): (FlowId, Option<Provider>),
    shown: Option<Bytes>,
    source: &mut impl Source,
    sink: &mut impl Sink,
) -> Outcome {
    let Some(provider) = model else {
        return exchange::run(lane, exchange, shown, source, sink).await;
    };
    let judge = &*inspector.judge;
    let mut asking = Asking {
        judge,
        exchange,
        scanner: Scanner::new(provider),
        inner: source,
        shown,
        ended: false,
    };
    let mut answer = Answer {
        counter: None,
        inner: sink,
    };
    let outcome = exchange::run(lane, exchange, None, &mut asking, &mut answer).await;
    if let Some(counter) = answer.counter {
        judge.used(exchange, counter.usage()).await;
    }
    outcome
}

struct Asking<'a, J, S> {
    judge: &'a J,
    exchange: FlowId,
    scanner: Scanner,
    inner: &'a mut S,
    /// What was read of the body before it was asked about.
    shown: Option<Bytes>,
    ended: bool,
}

impl<J: Judge, S: Source> Asking<'_, J, S> {
    /// What is found is judged before the bytes in which it was found go on.
    async fn judged(&mut self, found: Result<Vec<Finding>, Unreadable>) -> Result<(), Stop> {
        let unreadable = |why: Unreadable| {
            let denial = Denial::new(
                403,
                format!("model.invoke: {why}, so what it asks for is not known"),
            );
            Stop::Denied(denial.remedy("send it as JSON (RFC 8259)"))
        };
        for finding in found.map_err(unreadable)? {
            self.judge
                .remote(self.exchange, &finding)
                .await
                .map_err(Stop::Denied)?;
        }
        Ok(())
    }
}

impl<J: Judge, S: Source> Source for Asking<'_, J, S> {
    async fn next(&mut self) -> Result<Option<Bytes>, Stop> {
        let data = match self.shown.take() {
            Some(shown) => Some(shown),
            None => self.inner.next().await?,
        };
        match &data {
            Some(data) => {
                let found = self.scanner.feed(data);
                self.judged(found).await?;
            }
            None if !self.ended => {
                self.ended = true;
                let found = self.scanner.end();
                self.judged(found).await?;
            }
            None => {}
        }
        Ok(data)
    }

    async fn trailers(&mut self) -> Fields {
        self.inner.trailers().await
    }

    async fn gone(&mut self) {
        self.inner.gone().await;
    }
}

struct Answer<'a, S> {
    counter: Option<Counter>,
    inner: &'a mut S,
}

impl<S: Sink> Sink for Answer<'_, S> {
    async fn interim(&mut self, head: ResponseHead) -> Result<(), Gone> {
        self.inner.interim(head).await
    }

    async fn head(&mut self, head: ResponseHead) -> Result<(), Gone> {
        let kind = head.fields.values("content-type").next().unwrap_or_default();
        self.counter = Some(Counter::new(kind));
        self.inner.head(head).await
    }

    async fn data(&mut self, data: Bytes) -> Result<(), Gone> {
        if let Some(counter) = &mut self.counter {
            counter.feed(&data);
        }
        self.inner.data(data).await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.inner.flush().await
    }

    async fn end(&mut self, trailers: Option<Fields>) -> Result<(), Gone> {
        self.inner.end(trailers).await
    }

    async fn unwanted(&mut self) {
        self.inner.unwanted().await;
    }

    async fn abort(&mut self) {
        self.inner.abort().await;
    }
}
