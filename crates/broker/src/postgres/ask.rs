//! Questions to the supervisor about statements.

use fumehood_monitor::{FlowId, FromBroker, Line, STATEMENTS, Said, Statement};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Everybody's questions.
#[derive(Debug)]
pub(crate) struct Asking {
    monitor: Arc<Line>,
    next: AtomicU64,
    waiting: Mutex<HashMap<FlowId, Sender<Said>>>,
}

/// A question that was put. Dropped before its answer it is taken back.
#[derive(Debug)]
pub(crate) struct Question {
    asking: Arc<Asking>,
    request: FlowId,
    answers: Receiver<Said>,
    answered: bool,
}

impl Asking {
    pub(crate) fn new(monitor: Arc<Line>) -> Asking {
        Asking {
            monitor,
            next: AtomicU64::new(STATEMENTS),
            waiting: Mutex::default(),
        }
    }

    /// What the supervisor said to a statement.
    pub(crate) fn said(&self, request: FlowId, said: Said) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(&request) {
            // Two answers fit: that it waits, and the last.
            let _gave_up = sender.try_send(said);
        }
    }

    /// Asks. None if the supervisor is gone.
    pub(crate) async fn ask(self: &Arc<Self>, mut statement: Statement) -> Option<Question> {
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        statement.request = request;
        let (sender, answers) = channel(4);
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(request, sender);
        let question = Question {
            asking: Arc::clone(self),
            request,
            answers,
            answered: false,
        };
        let sent = self
            .monitor
            .send(&FromBroker::Statement(Box::new(statement)), None)
            .await;
        sent.is_ok().then_some(question)
    }
}

impl Question {
    /// The next answer; none if the supervisor is gone.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        let said = self.answers.recv().await?;
        self.answered = !matches!(said, Said::Waiting(_));
        Some(said)
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let mut waiting = self.asking.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&self.request);
        drop(waiting);
        if !self.answered {
            let (asking, request) = (Arc::clone(&self.asking), self.request);
            tokio::spawn(async move {
                let gone = FromBroker::StatementGone(request);
                let _supervisor_gone = asking.monitor.send(&gone, None).await;
            });
        }
    }
}
