//! Isolation level, nesting, and when changes land: the parts with an order of strength.

use super::{Inputs, Refusal};
use crate::config::Config;
use crate::origin::{Layer, Origin, Sourced};
use crate::value::{Apply, Isolation};

/// The level to use: what was chosen, raised to what is required. A flag is not raised
/// silently; it is refused.
pub(super) fn isolation(inputs: &Inputs<'_>, refusals: &mut Vec<Refusal>) -> Sourced<Isolation> {
    let floor = required_isolation(inputs);
    let chosen = chosen_isolation(inputs);
    let from_flag = matches!(chosen.origin, Origin::Flag(_));
    let level = match floor {
        Some(floor) if chosen.value < floor.value => {
            if from_flag {
                refusals.push(Refusal {
                    key: "isolation",
                    origin: chosen.origin.clone(),
                    reason: format!(
                        "`{}` is weaker than `{}`, required by {}",
                        chosen.value, floor.value, floor.origin
                    ),
                    help: format!("use --isolation {}", floor.value),
                });
            }
            floor
        }
        _ => chosen,
    };
    if !inputs.support.isolation.contains(&level.value) {
        refusals.push(Refusal {
            key: "isolation",
            origin: level.origin.clone(),
            reason: format!("this version has no isolation level `{}`", level.value),
            help: "use namespace, or a version that has it".to_owned(),
        });
    }
    level
}

/// The strongest that a layer requires. A project that names a level at least as strong as
/// the default restricts; one that names a weaker level asks, see [`chosen_isolation`].
fn required_isolation(inputs: &Inputs<'_>) -> Option<Sourced<Isolation>> {
    let required = inputs
        .layers()
        .filter_map(|c| c.require.isolation.as_ref().map(|at| c.sourced(at)));
    let of_project = inputs.project.into_iter().filter_map(|p| {
        let at = p.config.isolation.as_ref()?;
        (at.value >= Isolation::Namespace).then(|| p.config.sourced(at))
    });
    required.chain(of_project).max_by_key(|s| s.value)
}

fn chosen_isolation(inputs: &Inputs<'_>) -> Sourced<Isolation> {
    if let Some(value) = inputs.flags.isolation {
        return Sourced {
            value,
            origin: Origin::Flag("--isolation"),
        };
    }
    let of = |config: &Config| config.isolation.as_ref().map(|at| config.sourced(at));
    let files = inputs
        .requesting()
        .filter_map(of)
        .max_by_key(|s| s.origin.authority());
    files.unwrap_or(Sourced {
        value: Isolation::Namespace,
        origin: Origin::Default,
    })
}

/// Whether programs may make sandboxes of their own: nobody forbids it and someone asks.
pub(super) fn nested(inputs: &Inputs<'_>) -> Sourced<bool> {
    let of = |config: &Config| config.nested.as_ref().map(|at| config.sourced(at));
    let forbidden = inputs.layers().filter_map(of).find(|s| !s.value);
    let asked = inputs.requesting().filter_map(of).find(|s| s.value);
    forbidden.or(asked).unwrap_or(Sourced {
        value: false,
        origin: Origin::Default,
    })
}

/// When changes land. Without staging there is only `live`, so every wish or cap below it is
/// refused: a promise to keep changes back that is not kept is the worst of all.
pub(super) fn apply(inputs: &Inputs<'_>, refusals: &mut Vec<Refusal>) -> Apply {
    let caps: Vec<_> = inputs
        .layers()
        .flat_map(|config| caps_of(inputs, config))
        .collect();
    let cap = caps.into_iter().min_by_key(|(_, cap)| cap.value);
    let flag = inputs.flags.apply.map(|value| {
        let name = if value == Apply::Live { "--live" } else { "--apply" };
        (
            "workspace.apply",
            Sourced {
                value,
                origin: Origin::Flag(name),
            },
        )
    });
    if !inputs.support.staging {
        refuse_staging([&cap, &flag], refusals);
        return Apply::Live;
    }
    if let (Some((_, flag)), Some((_, cap))) = (&flag, &cap) {
        refuse_wider(flag, cap, refusals);
    }
    flag.or(cap)
        .map_or_else(|| unasked(inputs), |(_, wanted)| wanted.value)
}

/// Where nobody says: at each quiet point for a person who watches, on request for anybody else. The weaker
/// isolation level cannot keep changes back, and whoever chose it chose that too.
fn unasked(inputs: &Inputs<'_>) -> Apply {
    match (chosen_isolation(inputs).value, inputs.flags.watched) {
        (Isolation::Landlock, _) => Apply::Live,
        (_, true) => Apply::Turn,
        (_, false) => Apply::Never,
    }
}

type Wish = (&'static str, Sourced<Apply>);

fn refuse_wider(flag: &Sourced<Apply>, cap: &Sourced<Apply>, refusals: &mut Vec<Refusal>) {
    if flag.value > cap.value {
        refusals.push(Refusal {
            key: "workspace.apply",
            origin: flag.origin.clone(),
            reason: format!("{} allows `{}` at most", cap.origin, cap.value),
            help: format!("use --apply {}", cap.value),
        });
    }
}

/// `live` restricts nothing; from the project's file it is a request.
fn caps_of(inputs: &Inputs<'_>, config: &Config) -> Vec<Wish> {
    let untrusted = config.layer == Layer::Project && inputs.project.is_some_and(|p| !p.trusted);
    let apply = config
        .workspace
        .apply
        .filter(|at| !(untrusted && at.value == Apply::Live));
    let apply = apply.map(|at| ("workspace.apply", config.sourced(&at)));
    let max = config
        .require
        .apply_max
        .map(|at| ("require.apply_max", config.sourced(&at)));
    apply.into_iter().chain(max).collect()
}

fn refuse_staging(wishes: [&Option<Wish>; 2], refusals: &mut Vec<Refusal>) {
    for (key, wish) in wishes
        .into_iter()
        .flatten()
        .filter(|(_, wish)| wish.value != Apply::Live)
    {
        refusals.push(Refusal {
            key,
            origin: wish.origin.clone(),
            reason: format!(
                "this version cannot keep changes back as `{}` demands; every write lands at once",
                wish.value
            ),
            help: remove(&wish.origin),
        });
    }
}

/// How to go on without the restriction: only who wrote it can drop it.
pub(super) fn remove(origin: &Origin) -> String {
    match origin {
        Origin::Flag(flag) => format!("leave {flag} out, or work on a copy"),
        Origin::File {
            layer: Layer::Machine,
            ..
        } => "ask who keeps the machine's policy".to_owned(),
        _ => "remove the line, or work on a copy".to_owned(),
    }
}
