use std::path::PathBuf;
use std::rc::Rc;
use std::str::FromStr;

use toml::de::DeTable;

use super::Login;
use crate::config::{Document, EnvSection, Fields, Node};
use crate::escape::Escaped;
use crate::finding::{Findings, Severity};
use crate::glob::Glob;
use crate::origin::{At, Layer};
use crate::value::{EnvName, EnvPattern, HostPort, Invalid, Label, PathTemplate, Word};

/// One preset: what it shows, keeps and sets. Every path is dropped where it does not exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Its name.
    pub name: Label,
    /// A fragment for a list of presets.
    pub about: String,
    /// Whether a project's file may name it without being trusted.
    pub harmless: bool,
    /// Chosen for these commands.
    pub commands: Vec<String>,
    /// Chosen for these files in the project's root.
    pub files: Vec<String>,
    /// Presets that it brings along.
    pub also: Vec<String>,
    /// Shown read-only.
    pub read: Vec<PathTemplate>,
    /// Files shown read-only unless they hold something that looks like a credential.
    pub screened: Vec<PathTemplate>,
    /// Writable and the sandbox's own, empty at first.
    pub private: Vec<PathTemplate>,
    /// The host's content below, writes kept apart.
    pub layered: Vec<PathTemplate>,
    /// Variables passed.
    pub pass: Vec<EnvPattern>,
    /// Variables passed word by word: only those words that are listed.
    pub words: Vec<(EnvName, Vec<WordPattern>)>,
    /// Variables set.
    pub set: Vec<(EnvName, String)>,
    /// Variables set while the network is off.
    pub offline: Vec<(EnvName, String)>,
    /// Build outputs.
    pub scratch: Vec<Glob>,
    /// Hosts that its programs cannot do without, for the gateway.
    pub hosts: Vec<HostPort>,
    /// The client whose configuration on this machine names the package registry.
    pub registry_from: Option<RegistryClient>,
    /// If it is an agent.
    pub agent: Option<Agent>,
}

/// What an agent's preset says of its home.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agent {
    /// Whether it gets a private home, kept for each project.
    pub home: bool,
    /// Kept from one run to the next.
    pub state: Vec<HomePlace>,
    /// The user's own, shown read-only inside the private home.
    pub show: Vec<PathTemplate>,
    /// Likewise, unless something in it looks like a credential.
    pub screened: Vec<PathTemplate>,
    /// What a session writes here is not carried over to the next: instructions, hooks,
    /// plugins, servers.
    pub guarded: Vec<HomePlace>,
    /// JSON files of which only some keys go on to the next session.
    pub settings: Vec<KeptSettings>,
    /// Keys that the broker will hold.
    pub keys: Vec<Key>,
    /// Files of logins whose tokens the broker will hold.
    pub logins: Vec<Login>,
    /// Arguments with which it does not ask by itself, put before its own.
    pub unprompted: Vec<String>,
}

/// A place in a private home: a path, or what it means below one where a part holds `*`.
#[derive(Clone, Debug, PartialEq)]
pub struct HomePlace {
    /// The path.
    pub base: PathTemplate,
    /// Parts below it, some with one `*` each; empty for the path itself.
    pub below: PathBuf,
}

impl FromStr for HomePlace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let slash = text.find('*').and_then(|star| text[..star].rfind('/'));
        let (base, below) = slash.map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
        let plain = |part: &str| !matches!(part, "" | "." | "..") && part.matches('*').count() <= 1;
        if !below.is_empty() && !below.split('/').all(plain) {
            return Err(Invalid::new(
                "not parts of a path with one `*` each",
                "write `~/.agent/sessions/*/memory`",
            ));
        }
        Ok(Self {
            base: base.parse()?,
            below: PathBuf::from(below),
        })
    }
}

/// A JSON file in a private home, in which an agent keeps what it counts beside what it obeys. A
/// key is named by its path, parts joined by `.`; `*` in a part stands for anything.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptSettings {
    /// The file.
    pub file: PathTemplate,
    /// Keys that are carried over.
    pub keep: Vec<String>,
    /// Keys that are dropped without a word; all others are named when they are dropped.
    pub forget: Vec<String>,
    /// Keys of the user's own file outside that count inside too: switches, numbers, plain words.
    pub seed: Vec<String>,
}

/// A key of an agent and the hosts it is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The variable that carries it.
    pub env: EnvName,
    /// Its hosts.
    pub hosts: Vec<HostPort>,
}

/// A package manager whose configuration names its registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names of the clients")]
pub enum RegistryClient {
    Cargo,
    Npm,
    Pip,
    Go,
    Maven,
}

impl Word for RegistryClient {
    const KIND: &'static str = "a client with a registry";
    const ALL: &'static [(&'static str, Self)] = &[
        ("cargo", Self::Cargo),
        ("npm", Self::Npm),
        ("pip", Self::Pip),
        ("go", Self::Go),
        ("maven", Self::Maven),
    ];
}

/// A word of a variable that holds options: exact, or all that begin alike where it ends in `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordPattern(String);

impl WordPattern {
    /// Whether the word is meant.
    #[must_use]
    pub fn matches(&self, word: &[u8]) -> bool {
        match self.0.strip_suffix('*') {
            Some(head) => word.starts_with(head.as_bytes()),
            None => word == self.0.as_bytes(),
        }
    }
}

impl Preset {
    /// Parses a preset's text.
    pub fn parse(name: &str, text: &str) -> Result<Self, Findings> {
        let file = format!("presets/{name}.toml");
        let (table, errors) = DeTable::parse_recoverable(text);
        let doc = Document::new(&file, Layer::Machine, text);
        for error in &errors {
            let offset = error.span().map_or(0, |span| span.start);
            doc.report(Severity::Error, offset, "", Escaped::from(error.message()), "");
        }
        let mut fields = Fields::new(&doc, Rc::from(""), table.get_ref(), 0);
        let preset = Self::decode(&mut fields);
        fields.finish();
        let findings = Findings(doc.into_findings());
        preset.filter(|_| findings.0.is_empty()).ok_or(findings)
    }

    fn decode(f: &mut Fields<'_>) -> Option<Self> {
        f.need("version", "begin the file with `version = 1`", |n| {
            n.integer(1..=1)
        });
        let name = f.need("name", "the file's name", Node::parse);
        let about = f.need("about", "a fragment", |n| n.text().map(str::to_owned));
        let trust = f.need("trust", "\"harmless\" or \"asks\"", trust);
        let (commands, files, also) = f.get("when", when).unwrap_or_default();
        let (read, screened) = f.get("show", show).unwrap_or_default();
        let (private, layered) = f.get("cache", cache).unwrap_or_default();
        let (env, offline, words) = f.get("env", env).unwrap_or_default();
        let scratch = f.get("workspace", scratch).unwrap_or_default();
        let (hosts, registry_from) = f.get("network", network).unwrap_or_default();
        let agent = f.get("agent", Agent::decode);
        Some(Self {
            name: name?.value,
            about: about?.value,
            harmless: trust?.value,
            commands,
            files,
            also,
            read,
            screened,
            private,
            layered,
            pass: values(env.pass),
            words,
            set: env
                .set
                .into_iter()
                .map(|(name, value)| (name.value, value))
                .collect(),
            offline,
            scratch,
            hosts,
            registry_from,
            agent,
        })
    }
}

fn values<T>(list: Vec<At<T>>) -> Vec<T> {
    list.into_iter().map(|at| at.value).collect()
}

fn trust(node: &Node<'_>) -> Option<bool> {
    match node.text()? {
        "harmless" => Some(true),
        "asks" => Some(false),
        _ => {
            node.error("not a degree of trust", "\"harmless\" or \"asks\"");
            None
        }
    }
}

pub(super) fn words(f: &mut Fields<'_>, name: &'static str) -> Vec<String> {
    values(
        f.get(name, |n| n.list(|e| e.text().map(str::to_owned)))
            .unwrap_or_default(),
    )
}

fn paths(f: &mut Fields<'_>, name: &'static str) -> Vec<PathTemplate> {
    values(f.get(name, Node::texts).unwrap_or_default())
}

fn when(node: &Node<'_>) -> Option<(Vec<String>, Vec<String>, Vec<String>)> {
    node.table(|f| Some((words(f, "commands"), words(f, "files"), words(f, "also"))))
}

fn show(node: &Node<'_>) -> Option<(Vec<PathTemplate>, Vec<PathTemplate>)> {
    node.table(|f| Some((paths(f, "read"), paths(f, "screened"))))
}

fn cache(node: &Node<'_>) -> Option<(Vec<PathTemplate>, Vec<PathTemplate>)> {
    node.table(|f| Some((paths(f, "private"), paths(f, "layered"))))
}

type Env = (
    EnvSection,
    Vec<(EnvName, String)>,
    Vec<(EnvName, Vec<WordPattern>)>,
);

fn env(node: &Node<'_>) -> Option<Env> {
    node.table(|f| {
        let pass = f.get("pass", Node::texts).unwrap_or_default();
        let set = f.get("set", variables).unwrap_or_default();
        let offline = f.get("offline", variables).unwrap_or_default();
        let offline = offline
            .into_iter()
            .map(|(name, value)| (name.value, value))
            .collect();
        let listed = |n: &Node<'_>| n.list(|e| e.text().map(|t| WordPattern(t.to_owned())));
        let words = f.get("words", |n| n.entries(listed)).unwrap_or_default();
        let words = words
            .into_iter()
            .map(|(name, list)| (name.value, values(list)))
            .collect();
        Some((EnvSection { pass, set }, offline, words))
    })
}

fn variables(node: &Node<'_>) -> Option<Vec<(At<EnvName>, String)>> {
    node.entries(|n| n.text().map(str::to_owned))
}

fn scratch(node: &Node<'_>) -> Option<Vec<Glob>> {
    node.table(|f| Some(values(f.get("scratch", Node::texts).unwrap_or_default())))
}

fn network(node: &Node<'_>) -> Option<(Vec<HostPort>, Option<RegistryClient>)> {
    node.table(|f| {
        let hosts = values(f.get("hosts", Node::texts).unwrap_or_default());
        let client = |n: &Node<'_>| n.text().and_then(|t| n.check(RegistryClient::from_word(t)));
        Some((hosts, f.get("registry_from", client)))
    })
}

impl Agent {
    fn decode(node: &Node<'_>) -> Option<Self> {
        node.table(|f| {
            Some(Self {
                home: f.get("home", Node::flag).unwrap_or(false),
                state: values(f.get("state", Node::texts).unwrap_or_default()),
                show: paths(f, "show"),
                screened: paths(f, "screened"),
                guarded: values(f.get("guarded", Node::texts).unwrap_or_default()),
                settings: values(f.get("settings", |n| n.list(settings)).unwrap_or_default()),
                keys: values(f.get("keys", |n| n.list(key)).unwrap_or_default()),
                logins: values(f.get("login", |n| n.list(Login::decode)).unwrap_or_default()),
                unprompted: words(f, "unprompted"),
            })
        })
    }
}

fn key(node: &Node<'_>) -> Option<Key> {
    node.table(|f| {
        let env = f.need("env", "the variable's name", Node::parse);
        let hosts = f.need("hosts", "the hosts it is for", Node::texts);
        Some(Key {
            env: env?.value,
            hosts: values(hosts?.value),
        })
    })
}

fn settings(node: &Node<'_>) -> Option<KeptSettings> {
    node.table(|f| {
        let file = f.need("file", "a path in the home", Node::parse);
        let (keep, forget, seed) = (words(f, "keep"), words(f, "forget"), words(f, "seed"));
        Some(KeptSettings {
            file: file?.value,
            keep,
            forget,
            seed,
        })
    })
}
