//! How much may leave in a time (`bytes_out`). Counted before it leaves: what is known at once, and of what has no end yet
//! a share, whose rest comes back. Pure; the time is the caller's.

use fumehood_destination::Destination;
use fumehood_model::provider;
use fumehood_policy::config::OutLimit;
use fumehood_policy::profile::BytesOut;
use fumehood_policy::value::{HostName, HostPattern, Window};
use std::collections::VecDeque;
use std::time::Duration;

/// A window is counted in so many parts.
const PARTS: u64 = 60;
/// What has no end yet gets this much at least, where it is there: less could not be a request.
const LEAST: u64 = 64 << 10;

/// All limits of a session, and what was used of each.
#[derive(Debug, Default)]
pub(crate) struct Budgets {
    limits: Vec<Limit>,
    now: Duration,
}

#[derive(Debug)]
struct Limit {
    of: BytesOut,
    part: u64,
    /// What left, by the part of time in which it did; the oldest first.
    used: VecDeque<(u64, u64)>,
}

/// What was set aside for something without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Bytes.
    pub(crate) bytes: u64,
    limits: Vec<(usize, u64)>,
}

/// No more may leave now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// `bytes_out of FILE:LINE:COLUMN`
    pub(crate) rule: String,
    /// What it says.
    pub(crate) limit: String,
    /// What is left.
    pub(crate) left: u64,
}

impl Spent {
    /// Why, as a fragment.
    pub(crate) fn why(&self) -> String {
        format!(
            "more than {} may not leave, and {} bytes are left of it",
            self.limit, self.left
        )
    }
}

impl Budgets {
    pub(crate) fn new(limits: Vec<BytesOut>) -> Budgets {
        let limit = |of: BytesOut| Limit {
            part: part(of.rate.per),
            of,
            used: VecDeque::new(),
        };
        Budgets {
            limits: limits.into_iter().map(limit).collect(),
            now: Duration::ZERO,
        }
    }

    /// What time it is, on a clock that does not go back.
    pub(crate) fn at(&mut self, now: Duration) {
        self.now = self.now.max(now);
        for limit in &mut self.limits {
            limit.forget(self.now);
        }
    }

    /// Counts bytes that are about to leave.
    ///
    /// # Errors
    /// Not so many may: then none is counted.
    pub(crate) fn take(&mut self, to: &Destination, bytes: u64) -> Result<(), Spent> {
        let named = self.named(to);
        for n in &named {
            let over = self.limits.get(*n).filter(|limit| limit.left() < bytes);
            if let Some(limit) = over {
                return Err(limit.spent());
            }
        }
        self.charge(&named, bytes);
        Ok(())
    }

    /// Sets half of what is left aside, so that others have some too, and no more than is of use. `None` where nothing is
    /// limited.
    ///
    /// # Errors
    /// Nothing is left.
    pub(crate) fn share(&mut self, to: &Destination, most: Option<u64>) -> Result<Option<Share>, Spent> {
        let named = self.named(to);
        let limits = named.iter().filter_map(|n| self.limits.get(*n));
        let Some(least) = limits.min_by_key(|limit| limit.left()) else {
            return Ok(None);
        };
        let left = least.left();
        if left == 0 {
            return Err(least.spent());
        }
        let bytes = (left / 2).max(left.min(LEAST)).min(most.unwrap_or(u64::MAX));
        let limits = self.charge(&named, bytes);
        Ok(Some(Share { bytes, limits }))
    }

    /// Which limit is the narrowest for a destination.
    pub(crate) fn rule(&self, to: &Destination) -> String {
        let named = self.named(to);
        let limits = named.iter().filter_map(|n| self.limits.get(*n));
        let narrowest = limits.min_by_key(|limit| limit.left());
        narrowest.map_or_else(String::new, |limit| limit.spent().rule)
    }

    /// The rest of a share, of which so much left. What left beyond it is counted too.
    pub(crate) fn give_back(&mut self, share: &Share, left: u64) {
        for (n, part) in &share.limits {
            let Some(limit) = self.limits.get_mut(*n) else {
                continue;
            };
            if let Some((_, used)) = limit.used.iter_mut().find(|(at, _)| at == part) {
                *used = used.saturating_sub(share.bytes).saturating_add(left);
            }
        }
    }

    /// The limits that hold for a destination: of each layer the one that names it best.
    fn named(&self, to: &Destination) -> Vec<usize> {
        let mut named: Vec<(usize, usize)> = Vec::new();
        for (n, limit) in self.limits.iter().enumerate() {
            let weight = weight(&limit.of.of, to);
            if weight == 0 {
                continue;
            }
            let layer = |m: usize| self.limits.get(m).map(|l| l.of.layer);
            match named.iter_mut().find(|(m, _)| layer(*m) == Some(limit.of.layer)) {
                Some(best) if best.1 < weight => *best = (n, weight),
                Some(_) => {}
                None => named.push((n, weight)),
            }
        }
        named.into_iter().map(|(n, _)| n).collect()
    }

    /// In which part of the time of each it was counted.
    fn charge(&mut self, named: &[usize], bytes: u64) -> Vec<(usize, u64)> {
        let now = self.now;
        let mut charged = Vec::new();
        for n in named {
            let Some(limit) = self.limits.get_mut(*n) else {
                continue;
            };
            let at = limit.at(now);
            match limit.used.back_mut().filter(|(last, _)| *last == at) {
                Some((_, used)) => *used = used.saturating_add(bytes),
                None => limit.used.push_back((at, bytes)),
            }
            charged.push((*n, at));
        }
        charged
    }
}

impl Limit {
    fn at(&self, now: Duration) -> u64 {
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX) / self.part
    }

    /// What left before the window began counts no more; a part that it cuts counts whole.
    fn forget(&mut self, now: Duration) {
        let at = self.at(now);
        while self.used.front().is_some_and(|(old, _)| old + PARTS < at) {
            self.used.pop_front();
        }
    }

    fn left(&self) -> u64 {
        let used = self.used.iter().fold(0u64, |all, (_, n)| all.saturating_add(*n));
        self.of.rate.size.bytes().saturating_sub(used)
    }

    fn spent(&self) -> Spent {
        Spent {
            rule: format!("bytes_out of {}", self.of.origin),
            limit: self.of.rate.to_string(),
            left: self.left(),
        }
    }
}

/// Milliseconds of one part of a window.
const fn part(window: Window) -> u64 {
    let seconds = match window {
        Window::Second => 1,
        Window::Minute => 60,
        Window::Hour => 3600,
        Window::Day => 86_400,
    };
    // One part more than a window has: so no more than the size leaves in any of that length.
    seconds * 1000 / PARTS + 1
}

/// How well a limit names a destination; 0 if not at all. This machine's own loopback is only what names it.
fn weight(of: &OutLimit, to: &Destination) -> usize {
    const HOST: usize = 1 << 20;
    match of {
        OutLimit::Host(pattern) if pattern.matches(&to.host) => match pattern {
            HostPattern::Exact(_) => usize::MAX,
            HostPattern::Below(suffix) => HOST + suffix.len(),
        },
        OutLimit::Host(_) => 0,
        OutLimit::Model => match &to.host {
            HostName::Name(name) if provider(name).is_some() => 2,
            _ => 0,
        },
        OutLimit::All => usize::from(!crate::monitor::is_loopback(&to.host)),
    }
}

#[cfg(test)]
mod tests;
