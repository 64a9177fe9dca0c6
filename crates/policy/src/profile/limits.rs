//! Caps over several layers: the smallest holds.

use super::{Inputs, Notice};
use crate::config::{Config, Limits};
use crate::origin::{At, Origin, Sourced};
use crate::value::{ByteSize, Cpus, Span};

/// The caps of one run, each with the one who set it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// Memory of all processes together.
    pub memory: Option<Sourced<ByteSize>>,
    /// Processors' time.
    pub cpus: Option<Sourced<Cpus>>,
    /// Processes and threads.
    pub pids: Option<Sourced<u32>>,
    /// Bytes written beside the project.
    pub disk: Option<Sourced<ByteSize>>,
    /// Open files of one process.
    pub open_files: Option<Sourced<u32>>,
    /// Wall time.
    pub timeout: Option<Sourced<Span>>,
}

pub(super) fn limits(inputs: &Inputs<'_>, notices: &mut Vec<Notice>) -> RunLimits {
    let flags = inputs.flags;
    let mut cap = Caps { inputs, notices };
    RunLimits {
        memory: cap.least("limits.memory", "--memory", flags.memory, |l| &l.memory),
        cpus: cap.least("limits.cpus", "--cpus", flags.cpus, |l| &l.cpus),
        pids: cap.least("limits.pids", "--pids", flags.pids, |l| &l.pids),
        disk: cap.least("limits.disk", "--disk", flags.disk, |l| &l.disk),
        open_files: cap.least("limits.open_files", "", None, |l| &l.open_files),
        timeout: cap.least("limits.timeout", "--timeout", flags.timeout, |l| &l.timeout),
    }
}

struct Caps<'a, 'b> {
    inputs: &'b Inputs<'a>,
    notices: &'b mut Vec<Notice>,
}

impl Caps<'_, '_> {
    fn least<T: Copy + Ord + std::fmt::Display>(
        &mut self,
        key: &'static str,
        flag: &'static str,
        asked: Option<T>,
        of: impl Fn(&Limits) -> &Option<At<T>>,
    ) -> Option<Sourced<T>> {
        let of_layer = |config: &Config| of(&config.limits).as_ref().map(|at| config.sourced(at));
        let smallest = self.inputs.layers().filter_map(of_layer).min_by_key(|s| s.value);
        let flag = asked.map(|value| Sourced {
            value,
            origin: Origin::Flag(flag),
        });
        match (smallest, flag) {
            (Some(cap), Some(flag)) if flag.value > cap.value => {
                let message = format!("stays at {}, set by {}", cap.value, cap.origin);
                self.notices.push(Notice {
                    key,
                    origin: flag.origin,
                    message,
                });
                Some(cap)
            }
            (cap, flag) => flag.or(cap),
        }
    }
}
