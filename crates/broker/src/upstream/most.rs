//! The most of a body that a rule lets through, kept where it leaves.

use super::custody::Outgoing;
use bytes::Bytes;
use fumehood_http::Denial;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whose bound it is.
#[derive(Clone, Debug)]
pub(crate) enum Bound {
    /// A rule's that only lets read.
    Reading,
    /// A share of a budget.
    Budget(Arc<Allotment>),
}

type Tell = Box<dyn FnOnce(u64, bool) + Send + Sync>;

/// A share of a budget. When nobody has it any more, what was used of it is told: also where the request was never sent.
pub struct Allotment {
    rule: String,
    used: AtomicU64,
    over: AtomicBool,
    tell: Option<Tell>,
}

impl Allotment {
    /// Of this rule; whoever listens is told how many bytes left, and whether more wanted to.
    #[must_use]
    pub fn new(rule: String, tell: impl FnOnce(u64, bool) + Send + Sync + 'static) -> Arc<Allotment> {
        Arc::new(Allotment {
            rule,
            used: AtomicU64::new(0),
            over: AtomicBool::new(false),
            tell: Some(Box::new(tell)),
        })
    }
}

impl Drop for Allotment {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(*self.used.get_mut(), *self.over.get_mut());
        }
    }
}

impl fmt::Debug for Allotment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allotment")
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}

/// Counts what leaves before anybody else sees it.
pub(crate) struct Most {
    most: u64,
    left: u64,
    bound: Bound,
    inner: Box<dyn Outgoing>,
}

impl Most {
    /// At most so many bytes of a body.
    pub(crate) fn over(inner: Box<dyn Outgoing>, most: u64, bound: Bound) -> Box<dyn Outgoing> {
        Box::new(Most {
            most,
            left: most,
            bound,
            inner,
        })
    }

    fn denial(&self) -> Denial {
        match &self.bound {
            Bound::Reading => {
                let reason = format!(
                    "the body is longer than {} bytes, which is the most for requests that only read",
                    self.most
                );
                Denial::new(403, reason).remedy(
                    "outside the sandbox, in fumehood.toml: name the methods in this rule of [network] allow",
                )
            }
            Bound::Budget(share) => {
                share.over.store(true, Ordering::Relaxed);
                Denial {
                    status: 429,
                    reason: format!("more than {} bytes, which is what may leave now", self.most),
                    rule: share.rule.clone(),
                    remedy: "send less, wait, or ask outside the sandbox whoever set it".to_owned(),
                }
            }
        }
    }
}

impl Outgoing for Most {
    fn data(&mut self, data: Bytes) -> Result<Bytes, Denial> {
        let left = self.left.checked_sub(data.len() as u64);
        self.left = left.ok_or_else(|| self.denial())?;
        if let Bound::Budget(share) = &self.bound {
            share.used.store(self.most - self.left, Ordering::Relaxed);
        }
        self.inner.data(data)
    }

    fn end(&mut self) -> Result<Bytes, Denial> {
        self.inner.end()
    }
}

#[cfg(test)]
mod tests {
    use super::super::custody::NoCustody;
    use super::*;

    #[test]
    fn the_byte_after_the_last_is_not_sent() {
        let mut most = Most::over(Box::new(NoCustody), 4, Bound::Reading);
        assert!(most.data(Bytes::from_static(b"abc")).is_ok());
        assert!(most.data(Bytes::from_static(b"d")).is_ok());
        assert_eq!(most.data(Bytes::from_static(b"e")).unwrap_err().status, 403);
    }

    #[test]
    fn what_is_used_of_a_share_is_told_and_its_rule_named() {
        let (sender, told) = std::sync::mpsc::channel();
        let share = Allotment::new("bytes_out of f:1:1".to_owned(), move |bytes, over| {
            sender.send((bytes, over)).unwrap();
        });
        let mut most = Most::over(Box::new(NoCustody), 4, Bound::Budget(share));
        assert!(most.data(Bytes::from_static(b"abc")).is_ok());
        let denial = most.data(Bytes::from_static(b"de")).unwrap_err();
        assert_eq!((denial.status, denial.rule.as_str()), (429, "bytes_out of f:1:1"));
        assert!(told.try_recv().is_err(), "not before it is over");
        drop(most);
        assert_eq!(told.recv(), Ok((3, true)));
    }
}
