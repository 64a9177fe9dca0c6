//! Right before an effect is performed.

use super::permit::{Permit, Recorded, Release, ReleaseError};
use super::queue::Holds;
use super::time::Time;
use fumehood_effect::{Decision, Digest, Facts};

impl Holds {
    /// Uses a permit up, and says whether the effect with this digest may be performed now.
    ///
    /// `observed` are facts looked at anew (an old ref id, a row count within the transaction); `decision`
    /// is what policy says now; `recorded` is where the log keeps, durably, that this is about to happen.
    ///
    /// # Errors
    /// It may not. The permit is gone; for [`ReleaseError::Moved`] the caller asks again with the new facts.
    pub fn release(
        &mut self,
        permit: Permit,
        digest: Digest,
        observed: &Facts,
        decision: &Decision,
        recorded: Option<Recorded>,
        now: Time,
    ) -> Result<Release, ReleaseError> {
        let now = self.clock(now);
        let issued = self.issued.remove(&permit.number).ok_or(ReleaseError::Spent)?;
        if self.is_frozen() {
            return Err(ReleaseError::Frozen);
        }
        if issued.digest != digest || permit.digest != digest {
            return Err(ReleaseError::Other);
        }
        if now >= issued.until {
            return Err(ReleaseError::Expired);
        }
        match (decision, &issued.bounds) {
            (Decision::Deny(reason), _) => return Err(ReleaseError::Denied(Box::new(reason.clone()))),
            // What flew by rule, and would be held now, was seen by nobody.
            (Decision::Hold(reason), None) => return Err(ReleaseError::Denied(Box::new(reason.clone()))),
            _ => {}
        }
        if let Some(bounds) = &issued.bounds {
            recorded.ok_or(ReleaseError::NotRecorded)?;
            bounds.hold(observed)?;
        }
        Ok(Release {
            digest,
            until: issued.until,
        })
    }
}
