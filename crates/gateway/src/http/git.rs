//! Pushes, in git's own words: `remote: fumehood: waiting for approval …` while a person is asked, and
//! `! [remote rejected] main -> main (fumehood: …)` where it is not sent.

use super::exchange::{Gone, Sink, Source};
use super::judge::{Judge, Verdict};
use bytes::Bytes;
use fumehood_git::{Advertised, Answer, Push, Reading, self_contained};
use fumehood_http::{Denial, Field, Fields, Length, RequestHead, ResponseHead};
use fumehood_monitor::FlowId;
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// How much of a push that is refused is read past: its client listens only when it has said everything.
const READ_PAST: u64 = 512 << 20;
/// And for how long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Reads what is left of a push.
pub(crate) async fn read_past(source: &mut impl Source) {
    let mut left = READ_PAST;
    let past = async {
        while let Ok(Some(data)) = source.next().await {
            left = left.saturating_sub(data.len() as u64);
            if left == 0 {
                return;
            }
        }
    };
    let _late = timeout(PATIENCE, past).await;
}

/// The type of an answer to a push.
const RESULT: &str = "application/x-git-receive-pack-result";

/// What is asked of a server about pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nothing.
    No,
    /// What it has and can: the answer is made to ask for packs that say everything by themselves.
    Refs,
    /// To take a push.
    Push,
}

/// What a request is about.
pub(crate) fn asked(head: &RequestHead) -> Asked {
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    match head.method.as_str() {
        "GET" if path.ends_with("/info/refs") && query == "service=git-receive-pack" => Asked::Refs,
        "POST" if path.ends_with("/git-receive-pack") => Asked::Push,
        _ => Asked::No,
    }
}

/// Asks for an answer that is not coded, where it will be read or others stand before it.
pub(crate) fn readable_answer(head: &mut RequestHead) {
    if asked(head) != Asked::No {
        head.fields.remove("accept-encoding");
    }
}

/// An answer that has begun before it is known: its client listens.
#[derive(Debug)]
pub(crate) struct Begun {
    answer: Answer,
    push: Box<Push>,
}

/// Shows a push, and tells its client meanwhile that a person is asked. None if the client does not want the answer
/// any more.
pub(crate) async fn shown<J: Judge>(
    judge: &J,
    request: FlowId,
    head: &RequestHead,
    (body, whole): (&Bytes, bool),
    sink: &mut impl Sink,
) -> Option<(Verdict, Option<Begun>)> {
    let notice = judge.notice(request);
    let mut answer = pin!(judge.show(request, whole.then_some(body)));
    let words = tokio::select! {
        biased;
        verdict = &mut answer => return Some((verdict, None)),
        () = sink.unwanted() => return None,
        words = notice => words,
    };
    let begun = begin(sink, head, body, &words).await.ok()?;
    tokio::select! {
        biased;
        verdict = &mut answer => Some((verdict, begun)),
        () = sink.unwanted() => None,
    }
}

async fn begin(
    sink: &mut impl Sink,
    head: &RequestHead,
    body: &Bytes,
    words: &str,
) -> Result<Option<Begun>, Gone> {
    let Ok(Reading::Whole(push)) = Push::read(body, true) else {
        return Ok(None);
    };
    let answer = Answer::to(&push);
    let progress = answer.progress(&format!("fumehood: {words}"));
    // Without a report nothing could be said at the end.
    if asked(head) != Asked::Push || progress.is_empty() || answer.refuse(&push, "").is_none() {
        return Ok(None);
    }
    sink.head(accepted(Length::Unknown)).await?;
    sink.data(progress.into()).await?;
    sink.flush().await?;
    Ok(Some(Begun { answer, push }))
}

impl Begun {
    /// The push is not sent.
    pub(crate) async fn refuse(self, sink: &mut impl Sink, denial: &Denial) -> Result<(), Gone> {
        let report = self.answer.refuse(&self.push, &words(denial));
        sink.data(report.unwrap_or_default().into()).await?;
        sink.end(None).await?;
        sink.flush().await
    }

    /// Where the server's answer goes on.
    pub(crate) fn goes_on<S>(self, inner: &mut S) -> GoesOn<'_, S> {
        GoesOn {
            begun: self,
            refused: false,
            inner,
        }
    }
}

fn words(denial: &Denial) -> String {
    let reason = [denial.reason.as_str(), denial.remedy.as_str()];
    let reason: Vec<&str> = reason.into_iter().filter(|r| !r.is_empty()).collect();
    format!("fumehood: {}", reason.join("; "))
}

fn accepted(body: Length) -> ResponseHead {
    let mut fields = Fields::default();
    for (name, value) in [
        ("content-type", RESULT),
        ("cache-control", "no-cache"),
        ("via", "1.1 fumehood"),
    ] {
        fields.set(Field {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
        });
    }
    ResponseHead {
        status: 200,
        fields,
        body,
    }
}

/// The server's answer behind what was said already: its head is not sent again, and one that is no success becomes
/// a refusal of every ref.
pub(crate) struct GoesOn<'a, S> {
    begun: Begun,
    refused: bool,
    inner: &'a mut S,
}

impl<S: Sink> Sink for GoesOn<'_, S> {
    async fn interim(&mut self, _head: ResponseHead) -> Result<(), Gone> {
        Ok(())
    }

    async fn head(&mut self, head: ResponseHead) -> Result<(), Gone> {
        let plain = head.fields.members("content-encoding").is_empty();
        let kind: Vec<&[u8]> = head.fields.values("content-type").collect();
        if head.status == 200 && plain && kind == [RESULT.as_bytes()] {
            return Ok(());
        }
        self.refused = true;
        let why = format!(
            "fumehood: allowed, and the answer to it ({}) was none to a push",
            head.status
        );
        let report = self.begun.answer.refuse(&self.begun.push, &why);
        self.inner.data(report.unwrap_or_default().into()).await
    }

    async fn data(&mut self, data: Bytes) -> Result<(), Gone> {
        if self.refused {
            return Ok(());
        }
        self.inner.data(data).await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.inner.flush().await
    }

    async fn end(&mut self, _trailers: Option<Fields>) -> Result<(), Gone> {
        self.inner.end(None).await
    }

    async fn unwanted(&mut self) {
        self.inner.unwanted().await;
    }

    async fn abort(&mut self) {
        self.inner.abort().await;
    }
}

/// The longest beginning of a server's list of refs that is kept to be changed, bytes.
const MAX_BEGINNING: usize = 128 << 10;

/// A server's list of refs: its beginning is kept until one word is added to it.
pub(crate) struct Refs<'a, S> {
    kept: Option<(ResponseHead, Vec<u8>)>,
    inner: &'a mut S,
}

impl<'a, S: Sink> Refs<'a, S> {
    pub(crate) fn new(inner: &'a mut S) -> Self {
        Refs { kept: None, inner }
    }

    /// Lets go of what was kept, as it came.
    async fn release(&mut self) -> Result<(), Gone> {
        if let Some((head, beginning)) = self.kept.take() {
            self.inner.head(head).await?;
            self.inner.data(beginning.into()).await?;
        }
        Ok(())
    }
}

impl<S: Sink> Sink for Refs<'_, S> {
    async fn interim(&mut self, head: ResponseHead) -> Result<(), Gone> {
        self.inner.interim(head).await
    }

    async fn head(&mut self, head: ResponseHead) -> Result<(), Gone> {
        let kind: Vec<&[u8]> = head.fields.values("content-type").collect();
        let plain = head.fields.members("content-encoding").is_empty();
        if head.status == 200 && plain && kind == [b"application/x-git-receive-pack-advertisement"] {
            self.kept = Some((head, Vec::new()));
            return Ok(());
        }
        self.inner.head(head).await
    }

    async fn data(&mut self, data: Bytes) -> Result<(), Gone> {
        let Some((head, beginning)) = &mut self.kept else {
            return self.inner.data(data).await;
        };
        beginning.extend_from_slice(&data);
        match self_contained(beginning) {
            Advertised::More if beginning.len() <= MAX_BEGINNING => return Ok(()),
            Advertised::Now(now) => {
                if let Length::Known(bytes) = &mut head.body {
                    *bytes += (now.len() - beginning.len()) as u64;
                }
                *beginning = now;
            }
            Advertised::More | Advertised::Other => {}
        }
        self.release().await
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        self.inner.flush().await
    }

    async fn end(&mut self, trailers: Option<Fields>) -> Result<(), Gone> {
        self.release().await?;
        self.inner.end(trailers).await
    }

    async fn unwanted(&mut self) {
        self.inner.unwanted().await;
    }

    async fn abort(&mut self) {
        let _gone = self.release().await;
        self.inner.abort().await;
    }
}

/// The answer to a push of which the body was read. None where it is no push, or its client asked for no report:
/// then only the transport can say it.
pub(crate) fn rejected(
    head: &RequestHead,
    shown: Option<&Bytes>,
    denial: &Denial,
) -> Option<(ResponseHead, Bytes)> {
    if asked(head) != Asked::Push {
        return None;
    }
    let Ok(Reading::Whole(push)) = Push::read(shown?, true) else {
        return None;
    };
    let body = Answer::to(&push).refuse(&push, &words(denial))?;
    Some((accepted(Length::Known(body.len() as u64)), body.into()))
}
