//! The supervisor hears of requests that were refused because of a credential: the run says so at its end.

use crate::upstream::{Custody, Guards};
use fumehood_destination::Destination;
use fumehood_http::{Denial, RequestHead};
use fumehood_monitor::{FromBroker, Line, MAX_WHY};
use std::sync::Arc;

/// A custody that tells.
pub(crate) struct Telling<C> {
    pub(crate) custody: C,
    pub(crate) monitor: Arc<Line>,
}

impl<C: Custody> Custody for Telling<C> {
    fn wants_body(&self, head: &RequestHead) -> Option<usize> {
        self.custody.wants_body(head)
    }

    fn admit(&self, head: &mut RequestHead, body: Option<&mut Vec<u8>>) -> Result<Guards, Denial> {
        let (to, method) = (head.destination.clone(), head.method.clone());
        let admitted = self.custody.admit(head, body);
        admitted.inspect_err(|denial| self.tell(to, &method, denial))
    }
}

impl<C> Telling<C> {
    fn tell(&self, destination: Destination, method: &str, denial: &Denial) {
        let message = FromBroker::Withheld {
            destination,
            why: words(method, denial),
        };
        let monitor = Arc::clone(&self.monitor);
        tokio::spawn(async move {
            let _supervisor_gone = monitor.send(&message, None).await;
        });
    }
}

/// What happened, why, and how to ask, in bounds.
fn words(method: &str, denial: &Denial) -> String {
    let mut words = format!("{method}: {}", denial.reason);
    if !denial.remedy.is_empty() {
        words.push_str("; ");
        words.push_str(&denial.remedy);
    }
    within(words)
}

/// As long as words may be.
pub(crate) fn within(mut words: String) -> String {
    while words.len() > MAX_WHY {
        words.pop();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded() {
        let denial = Denial::new(403, "why").remedy("ask");
        assert_eq!(words("GET", &denial), "GET: why; ask");
        assert_eq!(words("GET", &Denial::new(403, "why")), "GET: why");
        assert!(words(&"ä".repeat(MAX_WHY), &denial).len() <= MAX_WHY);
    }
}
