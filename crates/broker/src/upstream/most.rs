//! The most of a body that a rule lets through, kept where it leaves.

use super::custody::Outgoing;
use bytes::Bytes;
use fumehood_http::Denial;

/// Counts what leaves before anybody else sees it.
pub(crate) struct Most {
    most: u64,
    left: u64,
    inner: Box<dyn Outgoing>,
}

impl Most {
    /// At most so many bytes of a body.
    pub(crate) fn over(inner: Box<dyn Outgoing>, most: u64) -> Box<dyn Outgoing> {
        Box::new(Most {
            most,
            left: most,
            inner,
        })
    }
}

impl Outgoing for Most {
    fn data(&mut self, data: Bytes) -> Result<Bytes, Denial> {
        let left = self.left.checked_sub(data.len() as u64);
        self.left = left.ok_or_else(|| {
            let reason = format!(
                "the body is longer than {} bytes, which is the most for requests that only read",
                self.most
            );
            Denial::new(403, reason).remedy(
                "outside the sandbox, in fumehood.toml: name the methods in this rule of [network] allow",
            )
        })?;
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
        let mut most = Most::over(Box::new(NoCustody), 4);
        assert!(most.data(Bytes::from_static(b"abc")).is_ok());
        assert!(most.data(Bytes::from_static(b"d")).is_ok());
        assert_eq!(most.data(Bytes::from_static(b"e")).unwrap_err().status, 403);
    }
}
