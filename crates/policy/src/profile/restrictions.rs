//! Restrictions that this version keeps by other means, or cannot keep and therefore refuses
//! to run under. Which is which: the table of keys in this crate's README.

use super::walls::remove;
use super::{Inputs, Notice, Refusal};
use crate::config::{Config, History};
use crate::finding::Pos;
use crate::value::{EffectPattern, Mode};

/// Refuses what cannot be kept.
pub(super) fn check(inputs: &Inputs<'_>, refusals: &mut Vec<Refusal>, notices: &mut Vec<Notice>) {
    for config in inputs.layers() {
        let mut check = Check {
            inputs,
            config,
            refusals,
            notices,
        };
        check.workspace();
        check.effects();
        check.version();
        check.policy_lifetime();
        check.audit();
        check.mode();
    }
}

struct Check<'a, 'b> {
    inputs: &'b Inputs<'a>,
    config: &'b Config,
    refusals: &'b mut Vec<Refusal>,
    notices: &'b mut Vec<Notice>,
}

impl Check<'_, '_> {
    fn refuse(&mut self, key: &'static str, pos: Pos, reason: impl Into<String>) {
        let origin = self.config.origin(pos);
        let help = remove(&origin);
        self.refusals.push(Refusal {
            key,
            origin,
            reason: reason.into(),
            help,
        });
    }

    /// Holding needs changes that are judged file by file.
    fn workspace(&mut self) {
        if self.inputs.support.judging {
            return;
        }
        let workspace = &self.config.workspace;
        let hold = workspace.hold.first().map(|at| at.pos);
        let history = self
            .config
            .git
            .history
            .filter(|at| at.value == History::Reachable)
            .map(|at| at.pos);
        if let Some(pos) = hold {
            self.refuse(
                "workspace.hold",
                pos,
                "this version cannot hold changes to single files; `--apply ask` holds them all",
            );
        }
        if let Some(pos) = history {
            self.refuse(
                "git.history",
                pos,
                "this version shows the whole repository, past included",
            );
        }
    }

    /// `deny` and `rule` are about effects. What leaves by the network is judged by whoever reads the wire; a rule
    /// for one environment is about its hosts and credentials, which a write to the project has none of. What is
    /// left is what nobody asks the rules about.
    fn effects(&mut self) {
        let denied = self
            .config
            .deny
            .iter()
            .map(|at| ("deny", at.pos, &at.value.effects, &at.value.env));
        let ruled = self
            .config
            .rules
            .iter()
            .map(|at| ("rule", at.pos, &at.value.effects, &at.value.env));
        let rules: Vec<_> = denied.chain(ruled).filter(|(.., env)| env.is_none()).collect();
        for (key, pos, effects, _) in rules {
            if let Some(kind) = self.first_possible(effects) {
                self.refuse(key, pos, format!("this version cannot stop `{kind}`"));
            }
        }
    }

    fn first_possible(&self, patterns: &[EffectPattern]) -> Option<&'static str> {
        let possible =
            |kind: &&&str| self.inputs.support.can_happen(kind) && patterns.iter().any(|p| p.matches(kind));
        crate::value::EFFECTS.iter().find(possible).copied()
    }

    fn version(&mut self) {
        if let Some(required) = &self.config.require.fumehood
            && !required.value.accepts(self.inputs.support.version)
        {
            let reason = format!(
                "this is fumehood {}, required is {}",
                self.inputs.support.version, required.value
            );
            let origin = self.config.origin(required.pos);
            self.refusals.push(Refusal {
                key: "require.fumehood",
                origin,
                reason,
                help: "update fumehood".to_owned(),
            });
        }
    }

    /// A policy that has expired or was rolled back is no policy.
    fn policy_lifetime(&mut self) {
        if let Some(expires) = &self.config.expires {
            let grace = self
                .config
                .grace
                .as_ref()
                .map_or(0, |g| g.value.duration().as_secs());
            let end = expires.value.end_in_unix_seconds();
            let last = end.saturating_add(i64::try_from(grace).unwrap_or(i64::MAX));
            if self.inputs.now >= last {
                self.refuse(
                    "expires",
                    expires.pos,
                    format!("the policy ended on {}", expires.value),
                );
            } else if self.inputs.now >= end {
                let message = format!(
                    "the policy ended on {}; it holds until its grace is over",
                    expires.value
                );
                self.notices.push(Notice {
                    key: "expires",
                    origin: self.config.origin(expires.pos),
                    message,
                });
            }
        }
        if let (Some(serial), Some(last)) = (&self.config.serial, self.inputs.last_serial)
            && serial.value < last
        {
            self.refuse(
                "serial",
                serial.pos,
                format!("the policy was rolled back: {} after {last}", serial.value),
            );
        }
    }

    fn audit(&mut self) {
        let sink = self
            .config
            .audit
            .as_ref()
            .and_then(|audit| audit.value.sinks.first());
        if let Some(sink) = sink
            && !self.inputs.support.audit
        {
            self.refuse("audit.sinks", sink.pos, "this version sends records nowhere");
        }
    }

    /// Weaker, so it is said each time.
    fn mode(&mut self) {
        let rules = self.config.deny.len() + self.config.rules.len();
        if let Some(mode) = self.config.mode.filter(|m| m.value == Mode::Observe) {
            let message = format!(
                "{rules} rules on effects are observed, not in force: what they would hold or deny happens, and is recorded \
                 (fumehood audit query --kind policy.observed)"
            );
            self.notices.push(Notice {
                key: "mode",
                origin: self.config.origin(mode.pos),
                message,
            });
        }
    }
}
