//! What would hold each limit here, found by doing it once and taking it back: for `doctor`.

use crate::group::Group;
use crate::limit::{Backend, Limit, Limits};
use crate::units::Millicpus;
use std::time::Duration;

/// What would hold one limit, or why nothing would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The limit.
    pub limit: Limit,
    /// What holds it, or the reason in words.
    pub backend: Result<Backend, String>,
}

/// Tries each limit by itself, with values that no process is put under.
#[must_use]
pub fn probe() -> Vec<Finding> {
    Limit::ALL
        .into_iter()
        .map(|limit| Finding {
            limit,
            backend: try_one(limit),
        })
        .collect()
}

fn try_one(limit: Limit) -> Result<Backend, String> {
    let group = Group::create(&only(limit), "probe").map_err(|e| e.to_string())?;
    group
        .in_force()
        .get(limit)
        .ok_or_else(|| "nothing holds it".into())
}

fn only(limit: Limit) -> Limits {
    let none = Limits::default();
    match limit {
        Limit::Memory => Limits {
            memory: Some(1 << 30),
            ..none
        },
        Limit::Cpus => Limits {
            cpus: Some(Millicpus::LEAST),
            ..none
        },
        Limit::Pids => Limits {
            pids: Some(64),
            ..none
        },
        Limit::Disk => Limits {
            disk: Some(1 << 30),
            ..none
        },
        Limit::Timeout => Limits {
            timeout: Some(Duration::from_secs(1)),
            ..none
        },
        Limit::OpenFiles => Limits {
            open_files: Some(64),
            ..none
        },
    }
}
