//! `fumehood tool pins`: what the servers behind the gateway offer, against what a person has seen of it.

use crate::configuration::Places;
use crate::mcp::gateway::{Upstream, kept};
use crate::policy::places;
use crate::recorded::in_index;
use crate::tool::offered::Offered;
use clap::Args;
use fumehood_audit::{Entry, Kind};
use fumehood_effect::{Digest, EffectKind};
use fumehood_policy::Escaped;
use fumehood_tools::mcp::upstream::{Definition, Pins, PinsError, Standing};
use serde_json::Value;
use std::fmt::Write;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Args)]
pub(crate) struct PinsArguments {
    /// Only this server
    pub(crate) server: Option<String>,
    /// Accept this tool as it is now shown, by the digest beside it
    #[arg(long, value_name = "TOOL=DIGEST", requires = "server")]
    pub(crate) accept: Vec<String>,
}

/// What a server has, and what of it is pinned.
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    pub(crate) found: Vec<Definition>,
    pub(crate) pins: Pins,
}

/// The file of a server's pins: of one that another file of configuration names, it is another.
pub(crate) fn path(places: &Places, name: &str, key: &str) -> PathBuf {
    let of = Digest::of(key.as_bytes()).to_string();
    let of: String = of.chars().take(16).collect();
    places.state().join("mcp/pins").join(format!("{name}-{of}.json"))
}

/// Reads a file of pins; none where there is none yet.
pub(crate) fn read(path: &Path) -> Result<Option<Pins>, String> {
    match std::fs::read(path) {
        Ok(bytes) => {
            let said = |e: PinsError| format!("{}: {e}", Escaped::from(path));
            Pins::parse(&bytes).map(Some).map_err(said)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("{}: {e}", Escaped::from(path))),
    }
}

/// Writes it, whole or not at all.
pub(crate) fn write(path: &Path, pins: &Pins) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", Escaped::from(path));
    if let Some(folder) = path.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&new)
        .map_err(failed)?;
    file.write_all(pins.text().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&new, path))
        .map_err(failed)
}

/// `fumehood tool pins`.
pub(super) fn pins(arguments: &PinsArguments) -> Result<String, String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("servers are looked at outside: this is a sandbox".to_owned());
    }
    let places = Arc::new(places()?);
    let offered = Offered::here(&places)?;
    let wanted = |name: &str| arguments.server.as_deref().is_none_or(|s| s == name);
    let mut out = String::new();
    let mut seen = false;
    for (name, config, key) in offered.upstreams.iter().filter(|(name, ..)| wanted(name)) {
        seen = true;
        let upstream = Arc::new(Upstream::new(
            name.clone(),
            config.clone(),
            key,
            Arc::clone(&places),
        ));
        let kept = kept(&upstream);
        upstream.end();
        let mut kept = kept?;
        accept(&places, name, &mut kept, &arguments.accept)?;
        show(name, &kept, &mut out);
    }
    if !seen {
        let all: Vec<&str> = offered.upstreams.iter().map(|(name, ..)| name.as_str()).collect();
        return Err(format!(
            "there is no such server here; there are: {}",
            all.join(", ")
        ));
    }
    Ok(out)
}

/// Pins what was shown: the digest says which content that was.
fn accept(places: &Places, server: &str, kept: &mut Kept, words: &[String]) -> Result<(), String> {
    for word in words {
        let wrong = || {
            format!(
                "--accept {}: write TOOL=DIGEST as they are shown",
                Escaped::from(word.as_str())
            )
        };
        let (tool, digest) = word.split_once('=').ok_or_else(wrong)?;
        let found = kept.found.iter().find(|d| d.name == tool);
        let found = found.ok_or_else(|| format!("server {server} has no tool {}", Escaped::from(tool)))?;
        if short(found) != digest {
            return Err(format!(
                "{tool} is {} now, not what you saw; look again with fumehood tool pins {server}",
                short(found)
            ));
        }
        kept.pins.pin(found);
        let entry = Entry::new(Kind::Effect)
            .text("decision", "allow")
            .text("kind", EffectKind::ToolDefine)
            .text("system", format!("mcp:{server}"))
            .text("name", tool)
            .digest("definition", Digest::from_bytes(found.digest));
        in_index(&places.state(), entry);
    }
    if words.is_empty() {
        return Ok(());
    }
    write(&kept.path, &kept.pins)
}

/// What a person compares: enough of the digest that nobody makes another tool of the same.
fn short(definition: &Definition) -> String {
    definition
        .digest
        .iter()
        .take(16)
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn show(server: &str, kept: &Kept, out: &mut String) {
    for tool in &kept.found {
        let standing = kept.pins.standing(tool);
        let word = match standing {
            Standing::Pinned => "pinned",
            Standing::New => "new, waits",
            Standing::Changed(_) => "changed, waits",
        };
        let _in_memory = writeln!(out, "{server} {} {} {word}", tool.name, short(tool));
        match &standing {
            Standing::Pinned => {}
            Standing::New => lines("+", &tool.whole, out),
            Standing::Changed(before) => {
                let (old, new) = (pretty(before), pretty(&tool.whole));
                let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
                for line in old.iter().filter(|l| !new.contains(l)) {
                    one("-", line, out);
                }
                for line in new.iter().filter(|l| !old.contains(l)) {
                    one("+", line, out);
                }
            }
        }
        if standing != Standing::Pinned {
            let _in_memory = writeln!(
                out,
                "  accept it: fumehood tool pins {server} --accept {}={}",
                tool.name,
                short(tool)
            );
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn lines(sign: &str, value: &Value, out: &mut String) {
    pretty(value).lines().for_each(|line| one(sign, line, out));
}

/// Whole, whatever is in it: what is cut here is what is hidden here.
fn one(sign: &str, line: &str, out: &mut String) {
    let _in_memory = writeln!(out, "  {sign} {}", Escaped::from(line));
}
