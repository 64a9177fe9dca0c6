//! What a file asks for, in words: the requests that need the user's trust when the file is
//! the project's. Restrictions are not asked for; they hold anyway.

use std::fmt;

use crate::config::{Config, Offer, Secret, Tool, ToolNetwork};
use crate::escape::Escaped;
use crate::finding::Pos;
use crate::origin::At;
use crate::preset;
use crate::value::{Apply, Ci, Isolation, Place, SecretSource, Sign, Word};

/// One request. Two are the same request if key and words are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The key, `filesystem.rw`.
    pub key: &'static str,
    /// In words: "write below ../shared".
    pub words: String,
    /// Where it stands.
    pub pos: Pos,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// Everything that `config` asks for, in the order of the documentation.
pub fn asks(config: &Config) -> Vec<Ask> {
    let mut out = Vec::new();
    of_the_sandbox(config, &mut out);
    of_files_and_variables(config, &mut out);
    of_the_network(config, &mut out);
    of_credentials(config, &mut out);
    of_tools(config, &mut out);
    of_upstreams(config, &mut out);
    out
}

/// What `new` asks for beyond `old`: what a change of an accepted file adds.
pub fn added(new: &Config, old: &Config) -> Vec<Ask> {
    let before = asks(old);
    let same = |a: &Ask, b: &Ask| a.key == b.key && a.words == b.words;
    asks(new)
        .into_iter()
        .filter(|ask| !before.iter().any(|b| same(ask, b)))
        .collect()
}

fn push(out: &mut Vec<Ask>, key: &'static str, pos: Pos, words: String) {
    out.push(Ask { key, words, pos });
}

fn of_the_sandbox(config: &Config, out: &mut Vec<Ask>) {
    for name in &config.presets {
        let harmless = preset::find(name.value.as_str()).is_some_and(|entry| entry.harmless);
        if !harmless {
            push(out, "presets", name.pos, format!("use the preset {}", name.value));
        }
    }
    if let Some(At {
        value: Isolation::Landlock,
        pos,
    }) = config.isolation
    {
        push(
            out,
            "isolation",
            pos,
            "run on the weaker isolation level landlock".to_owned(),
        );
    }
    if let Some(At { value: true, pos }) = config.nested {
        push(
            out,
            "nested",
            pos,
            "let programs make sandboxes of their own (file rules of the second wall off)".to_owned(),
        );
    }
    if let Some(At {
        value: Apply::Live,
        pos,
    }) = config.workspace.apply
    {
        push(
            out,
            "workspace.apply",
            pos,
            "write to your files at once".to_owned(),
        );
    }
    for glob in &config.git.own {
        push(
            out,
            "git.own",
            glob.pos,
            format!("push branches {} without asking", glob.value),
        );
    }
    for (glob, ci) in config.git.ci.iter().filter(|(_, ci)| *ci != Ci::WithSecrets) {
        push(
            out,
            "git.ci",
            glob.pos,
            format!(
                "push own branches to {} without asking, as starting {}",
                glob.value,
                if *ci == Ci::None {
                    "nothing"
                } else {
                    "nothing with secrets"
                }
            ),
        );
    }
    if let Some(At {
        value: Sign::Host,
        pos,
    }) = config.git.sign
    {
        push(
            out,
            "git.sign",
            pos,
            "have commits signed with your key".to_owned(),
        );
    }
}

fn of_files_and_variables(config: &Config, out: &mut Vec<Ask>) {
    for path in &config.filesystem.ro {
        push(
            out,
            "filesystem.ro",
            path.pos,
            format!("read below {}", path.value),
        );
    }
    for path in &config.filesystem.rw {
        push(
            out,
            "filesystem.rw",
            path.pos,
            format!("read and change all below {}", path.value),
        );
    }
    for name in &config.env.pass {
        push(
            out,
            "env.pass",
            name.pos,
            format!("see your variable {}", name.value),
        );
    }
    for (name, value) in &config.env.set {
        let value = Escaped::from(value.as_str()).at_most(80);
        push(
            out,
            "env.set",
            name.pos,
            format!("set the variable {} to `{value}`", name.value),
        );
    }
}

fn of_the_network(config: &Config, out: &mut Vec<Ask>) {
    for allow in &config.network.allow {
        push(out, "network.allow", allow.pos, format!("reach {}", allow.value));
    }
    for port in &config.network.host {
        push(
            out,
            "network.host",
            port.pos,
            format!("reach port {} of this machine", port.value),
        );
    }
    for port in &config.network.control {
        let words = format!(
            "control a program of this machine through its port {}",
            port.value
        );
        push(out, "network.control", port.pos, words);
    }
    for port in &config.network.publish {
        push(
            out,
            "network.publish",
            port.pos,
            format!("offer port {} to your browser", port.value),
        );
    }
}

fn of_credentials(config: &Config, out: &mut Vec<Ask>) {
    for (name, secret) in &config.secrets {
        let hosts: Vec<String> = secret.hosts.iter().map(ToString::to_string).collect();
        let only = secret.require.as_ref().map_or(String::new(), |r| {
            format!(" if it matches {}", Escaped::from(r.as_str()))
        });
        let from = source(&secret.from);
        let narrowed = narrowed(secret);
        let words = format!(
            "use your secret {} from {from}{only} for {}{narrowed}",
            name.value,
            hosts.join(", ")
        );
        push(out, "secret", name.pos, words);
    }
    for (name, database) in &config.postgres {
        let login = database
            .password
            .as_ref()
            .map_or(String::new(), |p| format!(", password from {}", source(p)));
        let on = &database.on;
        let open = verdicts(&[
            ("read", on.read),
            ("write", on.write),
            ("ddl", on.ddl),
            ("destroy", on.destroy),
        ]);
        push(
            out,
            "postgres",
            name.pos,
            format!("use the database {} at {}{login}{open}", name.value, database.at),
        );
    }
    for (name, cluster) in &config.kube {
        let on = &cluster.on;
        let kinds = [
            ("read", on.read),
            ("write", on.write),
            ("delete", on.delete),
            ("exec", on.exec),
            ("secrets", on.secrets),
        ];
        let context = Escaped::from(cluster.context.as_str()).at_most(80);
        push(
            out,
            "kube",
            name.pos,
            format!(
                "use the cluster {} by your context {context}{}",
                name.value,
                verdicts(&kinds)
            ),
        );
    }
}

/// Methods, paths and places, where they are not the usual ones.
fn narrowed(secret: &Secret) -> String {
    let methods: Vec<&str> = secret.methods.iter().map(|m| m.word()).collect();
    let paths: Vec<String> = secret.paths.iter().map(ToString::to_string).collect();
    let places: Vec<String> = secret.places.iter().map(ToString::to_string).collect();
    let usual = secret.places == [Place::Header];
    let file = secret.file.as_ref();
    let words = [
        methods.join(" "),
        paths.join(" "),
        if usual { String::new() } else { places.join(", ") },
        file.map_or_else(String::new, |f| format!("with a placeholder in {}", f.path)),
    ];
    words
        .iter()
        .filter(|w| !w.is_empty())
        .map(|w| format!(", {w}"))
        .collect()
}

/// A command is run on the host: that is more than reading a secret, and said.
fn source(from: &SecretSource) -> String {
    match from {
        SecretSource::Command(_) => format!("a command run on this machine ({from})"),
        other => other.to_string(),
    }
}

fn verdicts(kinds: &[(&str, Option<crate::value::Verdict>)]) -> String {
    let free = kinds
        .iter()
        .filter(|(_, v)| *v == Some(crate::value::Verdict::Allow));
    let names: Vec<&str> = free.map(|(name, _)| *name).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(", {} without asking", names.join(" and "))
    }
}

fn of_upstreams(config: &Config, out: &mut Vec<Ask>) {
    for (name, upstream) in &config.upstreams {
        let words: Vec<&str> = upstream.command().collect();
        let command = Escaped::from(words.join(" ").as_str()).to_string();
        let reach = reach(&upstream.sandbox);
        let secrets: Vec<&str> = upstream
            .sandbox
            .secrets
            .iter()
            .map(|s| s.value.as_str())
            .collect();
        let under = if secrets.is_empty() {
            String::new()
        } else {
            format!(", with {}", secrets.join(" and "))
        };
        push(
            out,
            "mcp",
            name.pos,
            format!(
                "offer the tools of the server {}: {command}{reach}{under}",
                name.value
            ),
        );
    }
}

fn reach(tool: &Tool) -> String {
    let hosts: Vec<String> = match &tool.network {
        ToolNetwork::None => Vec::new(),
        ToolNetwork::Hosts(hosts) => hosts.iter().map(|h| h.value.to_string()).collect(),
    };
    if hosts.is_empty() {
        return String::new();
    }
    format!(", reaching {}", hosts.join(", "))
}

fn of_tools(config: &Config, out: &mut Vec<Ask>) {
    for offer in &config.offer {
        let words = match offer.value {
            Offer::Shell => "offer a shell as a tool, without a network",
            Offer::HttpGet => "offer a tool that reads from the hosts that are allowed",
            Offer::SqlQuery => "offer a tool that reads from the databases that are named",
        };
        push(out, "offer", offer.pos, words.to_owned());
    }
    for (name, tool) in &config.tools {
        let reach = reach(tool);
        let words: Vec<String> = tool.argv.iter().map(|a| a.value.to_string()).collect();
        push(
            out,
            "tool",
            name.pos,
            format!("offer the tool {}: {}{reach}", name.value, words.join(" ")),
        );
    }
}
