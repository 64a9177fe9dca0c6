//! `[tool.NAME]`: a command that a model may call, with typed parameters and no shell.

use super::Node;
use super::argument::{Argument, check};
use super::parameter::Parameter;
use super::sandbox::{EnvSection, Limits, globs};
use crate::glob::Glob;
use crate::origin::At;
use crate::value::{ByteSize, EnvName, EnvPattern, HostPort, ToolName, Word};

/// A tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// What the model is told.
    pub description: String,
    /// Its parameters.
    pub params: Vec<(At<ToolName>, Parameter)>,
    /// The command, one argument an element.
    pub argv: Vec<At<Argument>>,
    /// The folder of the project in which it runs; the project itself without.
    pub cwd: Option<At<Glob>>,
    /// Variables it gets beside the few that fumehood sets.
    pub env: EnvSection,
    /// What it may reach.
    pub network: ToolNetwork,
    /// What it may do to the project.
    pub workspace: ToolWorkspace,
    /// Build outputs it may write.
    pub scratch: Vec<At<Glob>>,
    /// Secrets whose placeholders it gets.
    pub secrets: Vec<At<EnvName>>,
    /// Its limits.
    pub limits: Limits,
    /// What of its output goes back.
    pub output: Output,
}

/// What a tool may reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolNetwork {
    /// Nothing.
    #[default]
    None,
    /// These hosts.
    Hosts(Vec<At<HostPort>>),
}

/// What a tool may do to the project.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ToolWorkspace {
    /// It does not see it.
    None,
    /// It reads it.
    #[default]
    Read,
    /// It changes it.
    Write,
}

impl Word for ToolWorkspace {
    const KIND: &'static str = "a use of the workspace";
    const ALL: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("read", Self::Read), ("write", Self::Write)];
}

/// A tool that comes with fumehood and is offered only where a file says so: what it can do is more than to look at the
/// project, or to run a command that is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offer {
    /// Any command, in a sandbox without a network.
    Shell,
    /// What the hosts of `[network]` give.
    HttpGet,
    /// What the databases of `[postgres]` hold.
    SqlQuery,
}

impl Word for Offer {
    const KIND: &'static str = "a tool that is offered where it is said";
    const ALL: &'static [(&'static str, Self)] = &[
        ("shell", Self::Shell),
        ("http_get", Self::HttpGet),
        ("sql_query", Self::SqlQuery),
    ];
}

/// What of a tool's output goes back to the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Most bytes.
    pub budget: Option<ByteSize>,
    /// What makes the summary.
    pub parser: Option<Summary>,
}

/// What a tool's output is in, so that it can be summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Summary {
    /// Rust's test harness, also as nextest prints it.
    Libtest,
    /// JUnit's XML.
    Junit,
    /// pytest.
    Pytest,
    /// `go test -json`.
    GoTest,
    /// The Test Anything Protocol.
    Tap,
    /// `cargo --message-format=json`.
    Cargo,
    /// Diagnostics of rustc, gcc, clang and tsc.
    Diagnostics,
    /// A unified diff.
    Diff,
    /// One JSON document.
    Json,
}

impl Word for Summary {
    const KIND: &'static str = "a parser of output";
    const ALL: &'static [(&'static str, Self)] = &[
        ("libtest", Self::Libtest),
        ("junit", Self::Junit),
        ("pytest", Self::Pytest),
        ("go-test", Self::GoTest),
        ("tap", Self::Tap),
        ("cargo", Self::Cargo),
        ("diagnostics", Self::Diagnostics),
        ("diff", Self::Diff),
        ("json", Self::Json),
    ];
}

/// Most bytes of one result that a client is given (research: clients cut at 10,000 tokens).
const MOST_OUTPUT: u64 = 64 * 1024;
/// Below this no marker and no line fits.
const LEAST_OUTPUT: u64 = 1024;

/// Variables by which a program is told to load or run another (LD_PRELOAD, CWE-426).
const RUNS_OTHERS: &[&str] = &[
    "BASH_ENV",
    "CARGO_BUILD_RUSTC",
    "CC",
    "CXX",
    "EDITOR",
    "ENV",
    "GIT_ASKPASS",
    "GIT_CONFIG_COUNT",
    "GIT_EDITOR",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GOFLAGS",
    "JAVA_TOOL_OPTIONS",
    "LD",
    "LESSCLOSE",
    "LESSOPEN",
    "MAKEFLAGS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PAGER",
    "PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PYTEST_ADDOPTS",
    "PYTEST_PLUGINS",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "RIPGREP_CONFIG_PATH",
    "RUBYLIB",
    "RUBYOPT",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "SHELL",
    "SHELLOPTS",
    "SSH_ASKPASS",
    "TAR_OPTIONS",
    "VISUAL",
];

/// As [`RUNS_OTHERS`], all that begin so.
const FAMILIES: &[&str] = &["LD_", "DYLD_", "CARGO_TARGET_", "npm_config_", "NPM_CONFIG_"];

/// Whether programs take this variable as a command to run or a file to load.
pub fn runs_others(name: &str) -> bool {
    RUNS_OTHERS.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Whether one of these is among those that a pattern names.
fn passes_one(pattern: &EnvPattern) -> bool {
    let family = |family: &&str| match pattern {
        EnvPattern::Name(name) => name.as_str().starts_with(*family),
        EnvPattern::Prefix(prefix) => {
            family.starts_with(prefix.as_str()) || prefix.as_str().starts_with(*family)
        }
    };
    RUNS_OTHERS.iter().any(|name| pattern.matches(name.as_bytes())) || FAMILIES.iter().any(family)
}
const DESCRIPTION_HELP: &str = "say in a sentence what it does";

impl Tool {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            let description = f.need("description", DESCRIPTION_HELP, description);
            let params = f
                .get("params", |n| n.entries(Parameter::decode))
                .unwrap_or_default();
            let argv = f.need("argv", "list the command and its arguments", |n| {
                n.list(Argument::decode)
            });
            let network = f.get("network", ToolNetwork::decode).unwrap_or_default();
            let workspace = f.get("workspace", |n| {
                n.text().and_then(|t| n.check(ToolWorkspace::from_word(t)))
            });
            let scratch = globs(f, "scratch");
            let secrets = f.get("secrets", Node::texts).unwrap_or_default();
            let limits = f.get("limits", Limits::decode).unwrap_or_default();
            let output = f.get("output", Output::decode).unwrap_or_default();
            let cwd = f.take("cwd", folder);
            let env = f.get("env", environment).unwrap_or_default();
            let argv = argv?.value;
            check(f, &argv, &params);
            let workspace = workspace.unwrap_or_default();
            Some(Self {
                description: description?.value,
                params,
                argv,
                cwd,
                env,
                network,
                workspace,
                scratch,
                secrets,
                limits,
                output,
            })
        })
    }
}

/// A folder of the project, by its name.
pub(super) fn folder(node: &Node<'_>) -> Option<Glob> {
    let glob = node.text().and_then(|t| node.check(Glob::parse(t.as_bytes())))?;
    if glob.literal().is_none() {
        node.error("a tool runs in one folder", "name it without `*`");
        return None;
    }
    Some(glob)
}

pub(super) fn environment(node: &Node<'_>) -> Option<EnvSection> {
    let env = EnvSection::decode(node)?;
    let set = env.set.iter().map(|(name, _)| name.value.as_str().to_owned());
    let set = set.filter(|name| runs_others(name));
    let passed = env.pass.iter().filter(|pattern| passes_one(&pattern.value));
    for name in set.chain(passed.map(|pattern| pattern.value.to_string())) {
        node.error(
            format_args!("by `{name}` a program is told what else to run"),
            "leave it out; write an option into `argv` instead",
        );
    }
    Some(env)
}

pub(super) fn description(node: &Node<'_>) -> Option<String> {
    let text = node.text()?;
    if text.trim().is_empty() || text.chars().count() > 1000 {
        node.error("a description has 1 to 1000 characters", DESCRIPTION_HELP);
        return None;
    }
    Some(text.to_owned())
}

impl ToolNetwork {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        if node.is_text() {
            let none = node.text() == Some("none");
            if !none {
                node.error(
                    "a tool's network is \"none\" or a list of hosts",
                    "write [\"api.example.com\"]",
                );
            }
            return none.then_some(Self::None);
        }
        node.texts().map(Self::Hosts)
    }
}

impl Output {
    pub(super) fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            Some(Self {
                budget: f.get("budget", budget),
                parser: f.get("parser", |n| {
                    n.text().and_then(|t| n.check(Summary::from_word(t)))
                }),
            })
        })
    }
}

fn budget(node: &Node<'_>) -> Option<ByteSize> {
    let size: ByteSize = node.amount()?;
    if !(LEAST_OUTPUT..=MOST_OUTPUT).contains(&size.bytes()) {
        node.error(
            "a tool gives back 1K to 64K",
            "the rest is kept, and can be paged",
        );
        return None;
    }
    Some(size)
}
