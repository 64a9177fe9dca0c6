//! The session's credentials beside its upstream leg.

use crate::answer::{Answer, Withheld};
use crate::redact::Forbidden;
use crate::upstream::{Custody, Guards, Incoming, NoCustody};
use crate::vault::{MAX_BODY, Vault};
use bytes::Bytes;
use fumehood_http::{Denial, Fields, RequestHead, ResponseHead};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Holds the vault, and is asked for every exchange.
#[derive(Clone, Debug)]
pub struct Keeper(Arc<Mutex<Vault>>);

impl Keeper {
    /// Of these credentials.
    #[must_use]
    pub fn new(vault: Vault) -> Keeper {
        Keeper(Arc::new(Mutex::new(vault)))
    }

    /// What may not come back, from any host.
    pub(crate) fn forbidden(&self) -> Arc<Forbidden> {
        self.vault().forbidden()
    }

    /// All values, each with what stands for it.
    pub(crate) fn shown(&self) -> Vec<(Zeroizing<Vec<u8>>, Vec<u8>)> {
        self.vault().shown()
    }

    /// Nothing waits while it is held.
    pub(crate) fn vault(&self) -> MutexGuard<'_, Vault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Custody for Keeper {
    fn wants_body(&self, head: &RequestHead) -> Option<usize> {
        self.vault().wants_body(head).then_some(MAX_BODY)
    }

    fn admit(&self, head: &mut RequestHead, body: Option<&mut Vec<u8>>) -> Result<Guards, Denial> {
        // As it was judged: without any credential.
        let asked = head.clone();
        let mut vault = self.vault();
        vault.look_again(head);
        let used = vault.substitute(head, body).map_err(|denied| denied.denial())?;
        drop(vault);
        Ok(Guards {
            outgoing: Box::new(NoCustody),
            incoming: Box::new(Watch {
                keeper: self.clone(),
                asked,
                renews: used.renews,
                answer: None,
            }),
            used: used.names,
        })
    }
}

/// Over one answer.
struct Watch {
    keeper: Keeper,
    asked: RequestHead,
    renews: Option<usize>,
    answer: Option<Answer>,
}

impl Incoming for Watch {
    fn head(&mut self, head: &mut ResponseHead) -> Result<(), Denial> {
        let vault = self.keeper.vault();
        let answer = Answer::new(&vault, &self.asked, head).map_err(|why| withheld(&self.asked, &why))?;
        let renews = self.renews.filter(|_| (200..300).contains(&head.status));
        self.answer = (!head.is_interim()).then(|| answer.renewing(renews));
        Ok(())
    }

    fn data(&mut self, data: Bytes) -> Result<Bytes, Denial> {
        let Some(answer) = &mut self.answer else {
            return Ok(data);
        };
        let mut vault = self.keeper.vault();
        match answer.push(&mut vault, &data) {
            // Most of what comes is as it was, but for an end that is kept back: it is not copied.
            Ok(Cow::Borrowed(passed)) => Ok(data.slice(..passed.len())),
            Ok(Cow::Owned(passed)) => Ok(Bytes::from(passed)),
            Err(why) => Err(withheld(&self.asked, &why)),
        }
    }

    fn end(&mut self) -> Result<Bytes, Denial> {
        let Some(answer) = &mut self.answer else {
            return Ok(Bytes::new());
        };
        let mut vault = self.keeper.vault();
        let rest = answer.finish(&mut vault);
        let rest = rest.map_err(|why| withheld(&self.asked, &why))?;
        // It stands in the user's file before anything inside can have seen the end of the answer.
        let kept = answer.keep(&vault);
        kept.map_err(|why| Denial::new(502, format!("the renewed login is not written back: {why}")))?;
        Ok(Bytes::from(rest))
    }

    fn trailers(&mut self, fields: &mut Fields) {
        if let Some(answer) = &self.answer {
            answer.trailers(fields);
        }
    }
}

impl Drop for Watch {
    /// An answer that broke off may have brought new tokens all the same.
    fn drop(&mut self) {
        if let Some(answer) = &mut self.answer {
            let _nobody_to_tell = answer.keep(&self.keeper.vault());
        }
    }
}

fn withheld(asked: &RequestHead, why: &Withheld) -> Denial {
    Denial::new(502, format!("{}: {why}", asked.destination))
}
