//! A push that is not sent, told in git's own words: `! [remote rejected] main -> main (fumehood: …)`.

use super::exchange::Source;
use bytes::Bytes;
use fumehood_git::{Answer, Push, Reading};
use fumehood_http::{Denial, Field, Fields, Length, RequestHead, ResponseHead};
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

/// The answer to a push of which the body was read. None where it is no push, or its client asked for no report:
/// then only the transport can say it.
pub(crate) fn rejected(
    head: &RequestHead,
    shown: Option<&Bytes>,
    denial: &Denial,
) -> Option<(ResponseHead, Bytes)> {
    let path = head.target.split('?').next().unwrap_or_default();
    if head.method != "POST" || !path.ends_with("/git-receive-pack") {
        return None;
    }
    let Ok(Reading::Whole(push)) = Push::read(shown?, true) else {
        return None;
    };
    let reason = [denial.reason.as_str(), denial.remedy.as_str()];
    let reason: Vec<&str> = reason.into_iter().filter(|r| !r.is_empty()).collect();
    let body = Answer::to(&push).refuse(&push, &format!("fumehood: {}", reason.join("; ")))?;
    let mut fields = Fields::default();
    for (name, value) in [
        ("content-type", "application/x-git-receive-pack-result"),
        ("cache-control", "no-cache"),
        ("via", "1.1 fumehood"),
    ] {
        fields.set(Field {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
        });
    }
    let head = ResponseHead {
        status: 200,
        fields,
        body: Length::Known(body.len() as u64),
    };
    Some((head, body.into()))
}
