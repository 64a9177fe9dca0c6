//! `[filesystem]`, `[env]`, `[workspace]`, `[git]`, `[limits]`: what one sandbox is made of.

use super::{Fields, Node};
use crate::glob::Glob;
use crate::origin::At;
use crate::value::{
    Apply, ByteSize, Ci, Cpus, EnvName, EnvPattern, HidePattern, PathTemplate, Sign, Span, Word,
};

/// `[filesystem]`: what is visible beside the project and the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filesystem {
    /// Shown read-only. A relative path is below the file's own directory.
    pub ro: Vec<At<PathTemplate>>,
    /// Shown and writable.
    pub rw: Vec<At<PathTemplate>>,
    /// Absent inside, wherever it would be visible.
    pub hide: Vec<At<HidePattern>>,
}

impl Filesystem {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let ro = f.get("ro", |n| n.list(shown_path)).unwrap_or_default();
            let rw = f.get("rw", |n| n.list(shown_path)).unwrap_or_default();
            if let Some(twice) = rw.iter().find(|w| ro.iter().any(|r| r.value == w.value)) {
                f.error(
                    format_args!("`{}` is in `ro` and in `rw`", twice.value),
                    "keep one",
                );
            }
            let hide = f.get("hide", Node::texts).unwrap_or_default();
            Some(Self { ro, rw, hide })
        })
    }
}

/// Trees that no one means to show whole, as they are spelled.
const TOO_WIDE: &[&str] = &["/", "/proc", "/sys", "/dev", "/run", "~", "${HOME}"];

fn shown_path(node: &Node<'_>) -> Option<PathTemplate> {
    let path: PathTemplate = node.parse()?;
    let spelled = path.as_str().trim_end_matches('/');
    let spelled = if spelled.is_empty() { "/" } else { spelled };
    if TOO_WIDE.contains(&spelled) {
        node.error(
            format_args!("`{path}` shows far more than a program needs"),
            "name the directories below it",
        );
        return None;
    }
    Some(path)
}

/// `[env]`: what the sandbox's environment holds beside the few variables that fumehood sets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvSection {
    /// Taken over from the user's environment if set there.
    pub pass: Vec<At<EnvPattern>>,
    /// Set to a value.
    pub set: Vec<(At<EnvName>, String)>,
}

/// Variables that fumehood sets itself: another value would break what rests on them.
const OURS: &[&str] = &["HOME", "PWD", "TMPDIR"];

impl EnvSection {
    pub(crate) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let pass = f.get("pass", Node::texts).unwrap_or_default();
            let set: Vec<(At<EnvName>, _)> = f.get("set", |n| n.entries(env_value)).unwrap_or_default();
            for (name, _) in &set {
                let name = name.value.as_str();
                if OURS.contains(&name) || name.starts_with("FUMEHOOD_") {
                    f.error(format_args!("`{name}` is set by fumehood"), "remove it");
                }
            }
            Some(Self { pass, set })
        })
    }
}

fn env_value(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.contains('\0') {
        node.error("a variable's value has no NUL byte", "remove it");
        return None;
    }
    Some(text.to_owned())
}

/// `[workspace]`: how changes reach the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// The widest way in which changes may land.
    pub apply: Option<At<Apply>>,
    /// Build outputs: never in a diff, never applied.
    pub scratch: Vec<At<Glob>>,
    /// Files whose changes wait for a human.
    pub hold: Vec<At<Glob>>,
    /// Files present inside as placeholders.
    pub mask: Vec<At<Glob>>,
}

impl Workspace {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            Some(Self {
                apply: f.take("apply", Node::parse),
                scratch: globs(f, "scratch"),
                hold: globs(f, "hold"),
                mask: globs(f, "mask"),
            })
        })
    }
}

pub(crate) fn globs(fields: &mut Fields<'_>, name: &'static str) -> Vec<At<Glob>> {
    fields
        .get(name, |n| {
            n.list(|entry| entry.text().and_then(|t| entry.check(Glob::parse(t.as_bytes()))))
        })
        .unwrap_or_default()
}

/// `{ "forge.example/acme/**" = "without-secrets" }`. Servers differ in whether case counts, so it does not here.
fn repositories(node: &Node<'_>) -> Option<Vec<(At<Glob>, Ci)>> {
    let of = |text: &str| {
        let text = text.to_ascii_lowercase();
        Glob::parse(text.strip_suffix(".git").unwrap_or(&text).as_bytes())
    };
    let all = node.entries::<Repository, _>(|n| n.text().and_then(|t| n.check(Ci::from_word(t))))?;
    let glob = |(at, ci): (At<Repository>, Ci)| {
        Some((
            At {
                value: of(&at.value.0).ok()?,
                pos: at.pos,
            },
            ci,
        ))
    };
    all.into_iter().map(glob).collect()
}

/// The key of `git.ci`, a pattern.
struct Repository(String);

impl std::str::FromStr for Repository {
    type Err = crate::value::Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Glob::parse(text.as_bytes()).map(|_| Repository(text.to_owned()))
    }
}

/// How much of a repository's past is visible inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum History {
    /// Every object of the repository.
    All,
    /// What the base commit reaches.
    Reachable,
}

impl Word for History {
    const KIND: &'static str = "a part of the history";
    const ALL: &'static [(&'static str, Self)] = &[("all", Self::All), ("reachable", Self::Reachable)];
}

/// `[git]`: refs, signing and history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Git {
    /// Branches that a session may push without asking, as patterns of branch names.
    pub own: Vec<At<Glob>>,
    /// What a push to these repositories starts: patterns of `host/path`, lower case, without `.git`.
    pub ci: Vec<(At<Glob>, Ci)>,
    /// Who signs.
    pub sign: Option<At<Sign>>,
    /// What of the past is visible.
    pub history: Option<At<History>>,
}

impl Git {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            Some(Self {
                own: globs(f, "own"),
                ci: f.get("ci", repositories).unwrap_or_default(),
                sign: f.take("sign", Node::parse),
                history: f.take("history", |n| {
                    n.text().and_then(|t| n.check(History::from_word(t)))
                }),
            })
        })
    }
}

/// `[limits]`: caps. Over several layers the smallest holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory of all processes together.
    pub memory: Option<At<ByteSize>>,
    /// Processors' time.
    pub cpus: Option<At<Cpus>>,
    /// Processes and threads, 1 to 4,194,304 (the kernel's own bound).
    pub pids: Option<At<u32>>,
    /// Bytes written beside the project.
    pub disk: Option<At<ByteSize>>,
    /// Open files of one process.
    pub open_files: Option<At<u32>>,
    /// Wall time of the run.
    pub timeout: Option<At<Span>>,
}

/// `PID_MAX_LIMIT` of the kernel on 64 bits.
const MOST_PIDS: i64 = 4_194_304;
/// `/proc/sys/fs/nr_open` of an untouched kernel.
const MOST_FILES: i64 = 1_048_576;

impl Limits {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            Some(Self {
                memory: f.take("memory", Node::amount),
                cpus: f.take("cpus", Node::amount),
                pids: f.take("pids", |n| count(n, 1, MOST_PIDS)),
                disk: f.take("disk", Node::amount),
                // Fewer than eight and no program even starts.
                open_files: f.take("open_files", |n| count(n, 8, MOST_FILES)),
                timeout: f.take("timeout", Node::parse),
            })
        })
    }
}

fn count(node: &Node<'_>, least: i64, most: i64) -> Option<u32> {
    node.integer(least..=most).and_then(|n| u32::try_from(n).ok())
}
