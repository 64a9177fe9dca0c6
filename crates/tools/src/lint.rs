//! What is unwise in a manifest.

use crate::manifest::Manifest;
use fumehood_policy::config::{Argument, ParameterKind, ToolNetwork};
use fumehood_policy::finding::Pos;
use fumehood_policy::origin::At;
use std::fmt;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lint {
    /// Where in the file.
    pub pos: Option<Pos>,
    /// The tool is not offered; otherwise it is only said.
    pub refused: bool,
    what: String,
    help: &'static str,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.help)
    }
}

/// Programs whose arguments are programs: what a model writes there would run (GTFOBins).
const RUN_THEIR_ARGUMENTS: &[&str] = &[
    "ash", "awk", "bash", "busybox", "chroot", "dash", "dd", "doas", "ed", "env", "eval", "ex", "expect",
    "fish", "flock", "gawk", "gdb", "ionice", "ksh", "lua", "mawk", "nawk", "nice", "nohup", "nsenter",
    "parallel", "php", "rsync", "runuser", "sed", "setpriv", "setsid", "sh", "ssh", "scp", "sftp", "stdbuf",
    "strace", "su", "sudo", "tclsh", "timeout", "unshare", "vi", "vim", "watch", "xargs", "zsh",
];

/// Interpreters that run a file or a text: a value after `-c`, `-e` or alone is a program.
const INTERPRETERS: &[&str] = &[
    "bun", "deno", "java", "node", "perl", "python", "python2", "python3", "ruby",
];

/// Everything found, what keeps the tool from being offered first.
#[must_use]
pub fn lint(manifest: &Manifest) -> Vec<Lint> {
    if manifest.deed().is_some() {
        return Vec::new(); // nothing runs
    }
    let tool = manifest.tool();
    let mut out = Vec::new();
    programs(&tool.argv, &mut out);
    variables_of_make(manifest, &mut out);
    values_before_the_end_of_options(manifest, &mut out);
    let mut say = |missing: bool, what: &str, help: &'static str| {
        if missing {
            out.push(Lint {
                pos: None,
                refused: false,
                what: what.to_owned(),
                help,
            });
        }
    };
    say(
        tool.limits.timeout.is_none(),
        "it may run for ever",
        "set limits.timeout",
    );
    say(
        tool.limits.memory.is_none(),
        "it may take all memory",
        "set limits.memory",
    );
    let reaches = matches!(&tool.network, ToolNetwork::Hosts(hosts) if !hosts.is_empty());
    say(
        reaches && !tool.secrets.is_empty() && tool.workspace != fumehood_policy::config::ToolWorkspace::None,
        "it reads the project, reaches hosts and acts under a secret",
        "split it in two",
    );
    out.sort_by_key(|l| !l.refused);
    out
}

fn name_of(argument: Option<&At<Argument>>) -> &str {
    match argument.map(|a| &a.value) {
        Some(Argument::Literal(text)) => text.rsplit('/').next().unwrap_or(text),
        _ => "",
    }
}

/// A parameter where a program reads what to run.
fn programs(argv: &[At<Argument>], out: &mut Vec<Lint>) {
    let name = name_of(argv.first());
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let runs = RUN_THEIR_ARGUMENTS.contains(&name);
    // `python3 -m pytest {test}`: what is run is fixed, the rest are its arguments.
    let fixed = matches!(argv.get(1).map(|a| &a.value), Some(Argument::Literal(a)) if is_fixed(a, argv));
    let interprets = INTERPRETERS.iter().any(|i| *i == name || *i == plain) && !fixed;
    if !runs && !interprets {
        return;
    }
    if let Some(at) = argv.iter().find(|a| a.value.parameters().next().is_some()) {
        out.push(Lint {
            pos: Some(at.pos),
            refused: true,
            what: format!(
                "`{name}` runs what stands in its arguments, and `{}` is a model's",
                at.value
            ),
            help: "name the program itself",
        });
    }
}

/// The first argument of an interpreter settles what is run: a file of the manifest's, or a module.
fn is_fixed(first: &str, argv: &[At<Argument>]) -> bool {
    match first {
        "-m" => matches!(argv.get(2).map(|a| &a.value), Some(Argument::Literal(_))),
        other => !other.starts_with('-'),
    }
}

/// make takes every `NAME=value` among its targets as a variable, `SHELL` among them.
fn variables_of_make(manifest: &Manifest, out: &mut Vec<Lint>) {
    let argv = &manifest.tool().argv;
    if !["make", "gmake", "bmake"].contains(&name_of(argv.first())) {
        return;
    }
    let plain = |name| {
        let mut known = manifest.parameters().iter();
        known.any(|(n, p)| {
            let kind = &p.kind;
            n == name
                && matches!(
                    kind,
                    ParameterKind::Ident | ParameterKind::Enum(_) | ParameterKind::Int { .. }
                )
        })
    };
    for at in argv {
        if let Argument::Parameter(name) = &at.value
            && !plain(name)
        {
            out.push(Lint {
                pos: Some(at.pos),
                refused: true,
                what: format!("make takes `NAME=value` as a variable, and `{{{name}}}` can be one"),
                help: "list the targets (Enum), or use Ident",
            });
        }
    }
}

/// A value that stands alone where options are still read, of a type in which `-` is kept out by its place only.
fn values_before_the_end_of_options(manifest: &Manifest, out: &mut Vec<Lint>) {
    let argv = &manifest.tool().argv;
    let end = argv
        .iter()
        .position(|a| a.value == Argument::Literal("--".to_owned()));
    let listed = |name| {
        let mut known = manifest.parameters().iter();
        known.any(|(n, p)| {
            n == name
                && matches!(
                    p.kind,
                    ParameterKind::Enum(_)
                        | ParameterKind::Int { .. }
                        | ParameterKind::Ident
                        | ParameterKind::GitRef
                        | ParameterKind::PkgName
                        | ParameterKind::TestId
                        | ParameterKind::Host
                        | ParameterKind::Url
                )
        })
    };
    for at in argv.iter().take(end.unwrap_or(argv.len())) {
        if let Argument::Parameter(name) = &at.value
            && !listed(name)
        {
            out.push(Lint {
                pos: Some(at.pos),
                refused: false,
                what: format!("`{{{name}}}` stands where options are read"),
                help: "put \"--\" before it, or write `--option={parameter}`",
            });
        }
    }
}
