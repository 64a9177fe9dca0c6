//! Requests that this version cannot grant yet: less is given than was asked for, which is
//! safe, so it is said and the run goes on.

use super::{Inputs, Notice};
use crate::asks::{Ask, asks};
use crate::config::Config;
use crate::finding::Pos;
use crate::preset::find;
use crate::value::Sign;

/// What the project's file asks for while it is not trusted.
pub(super) fn waiting(inputs: &Inputs<'_>) -> Vec<Ask> {
    inputs
        .project
        .filter(|p| !p.trusted)
        .map_or_else(Vec::new, |p| asks(p.config))
}

/// Services, tools, signing, presets to come.
pub(super) fn unavailable(inputs: &Inputs<'_>, notices: &mut Vec<Notice>) {
    for config in inputs.requesting() {
        let mut say = |key, pos: Option<Pos>, message: &str| {
            if let Some(pos) = pos {
                notices.push(Notice {
                    key,
                    origin: config.origin(pos),
                    message: message.to_owned(),
                });
            }
        };
        if !inputs.support.network {
            say(
                "kube",
                config.kube.first().map(|(at, _)| at.pos),
                "the network is off in this version",
            );
            let host_signs = config
                .git
                .sign
                .filter(|at| at.value == Sign::Host)
                .map(|at| at.pos);
            say(
                "git.sign",
                host_signs,
                "commits inside are unsigned in this version",
            );
        }
        planned_presets(config, notices);
    }
}

fn planned_presets(config: &Config, notices: &mut Vec<Notice>) {
    for name in config
        .presets
        .iter()
        .filter(|name| find(name.value.as_str()).is_none())
    {
        let message = format!("this version has no preset {}", name.value);
        notices.push(Notice {
            key: "presets",
            origin: config.origin(name.pos),
            message,
        });
    }
}
