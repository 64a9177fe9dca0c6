//! What there is, what a call would do, and what an output held.

use super::offered::Offered;
use super::{CallArguments, ReadArguments};
use crate::mcp::in_part;
use crate::policy::places;
use fumehood_effect::Digest;
use fumehood_output::{Page, ReadError};
use fumehood_policy::Escaped;
use fumehood_policy::config::{ToolNetwork, ToolWorkspace};
use fumehood_tools::{Arguments, Manifest, Reach, compile, schema};
use serde_json::json;
use std::fmt::Write;

pub(super) fn list(json: bool) -> Result<String, String> {
    let places = places()?;
    let mut offered = Offered::here(&places)?;
    if json {
        let all: Vec<_> = offered.tools.iter().map(schema::definition).collect();
        return Ok(format!("{}\n", json!({ "tools": all })));
    }
    let mut out = String::new();
    for tool in &offered.tools {
        let description = Escaped::from(tool.tool().description.as_str()).at_most(100);
        let _in_memory = writeln!(
            out,
            "{:16} {:14} {description}",
            tool.name().as_str(),
            tool.effect().to_string()
        );
    }
    offered.load(&places, |_| true);
    for why in offered
        .left_out
        .iter()
        .map(String::as_str)
        .chain(offered.missing(|_| true))
    {
        let _in_memory = writeln!(out, "not offered: {why}");
    }
    Ok(out)
}

/// The command of a call and its sandbox, or why it would be refused.
pub(super) fn explain(arguments: &CallArguments) -> Result<String, String> {
    let places = places()?;
    let mut offered = Offered::here(&places)?;
    offered.load(&places, |t| t.name().as_str() == arguments.name);
    let tool = offered.find(&arguments.name)?;
    let checked = Arguments::parse(tool, arguments.arguments.as_bytes()).map_err(|e| e.to_string())?;
    let words = compile(&tool.tool().argv, &checked).map_err(|e| e.to_string())?;
    let words: Vec<String> = words
        .iter()
        .map(|w| Escaped::from(w.as_os_str()).to_string())
        .collect();
    if arguments.json {
        return Ok(format!(
            "{}\n",
            json!({"argv": words, "effect": tool.effect().to_string(), "sandbox": sandbox(tool),
                "program": programs(&offered, tool)?.iter().map(|(path, digest)| json!({"path": path, "sha256": digest.to_string()}))
                    .collect::<Vec<_>>()})
        ));
    }
    let mut out = String::new();
    for (name, value) in [
        ("tool", format!("{} ({})", tool.name(), tool.origin())),
        ("effect", tool.effect().to_string()),
        ("sandbox", sandbox(tool)),
    ] {
        let _in_memory = writeln!(out, "{name:8} {value}");
    }
    for (path, digest) in programs(&offered, tool)? {
        let _in_memory = writeln!(out, "{:8} {path} sha256 {digest}", "program");
    }
    for word in words {
        let _in_memory = writeln!(out, "{:8} {word}", "argv");
    }
    Ok(out)
}

/// The files that a call executes, and what is in them.
fn programs(offered: &Offered, tool: &Manifest) -> Result<Vec<(String, Digest)>, String> {
    if tool.deed().is_some() {
        return Ok(Vec::new());
    }
    let files = offered.executed(tool)?.program.files();
    Ok(files
        .map(|(path, digest)| (Escaped::from(path).to_string(), digest))
        .collect())
}

fn sandbox(tool: &Manifest) -> String {
    if tool.deed().is_some() {
        let kept = match tool.tool().workspace {
            ToolWorkspace::Write => "; changes are kept back",
            _ => "",
        };
        return format!("none: no program runs; fumehood does it, beneath the project's open folder{kept}");
    }
    let manifest = tool.tool();
    let network = match (&manifest.network, tool.reach()) {
        (_, Reach::Database(name)) => format!("reads the database {name}"),
        (ToolNetwork::Hosts(hosts), Reach::Get) => {
            let all: Vec<String> = hosts.iter().map(|h| h.value.to_string()).collect();
            format!("reads from {} by GET", all.join(", "))
        }
        (ToolNetwork::Hosts(hosts), _) if !hosts.is_empty() => {
            let all: Vec<String> = hosts.iter().map(|h| h.value.to_string()).collect();
            format!("reaches {}", all.join(", "))
        }
        _ => "no network".to_owned(),
    };
    let project = match manifest.workspace {
        ToolWorkspace::None => "no project",
        ToolWorkspace::Read => "changes are thrown away",
        ToolWorkspace::Write => "changes are kept back",
    };
    let timeout = manifest
        .limits
        .timeout
        .map_or_else(|| "10m".to_owned(), |t| t.value.to_string());
    format!("{network}; {project}; at most {timeout}")
}

pub(super) fn read(arguments: &ReadArguments) -> Result<String, String> {
    let store = super::call::store(&places()?, "hand")?;
    let handle = arguments.handle.parse().map_err(|e: ReadError| e.to_string())?;
    let page = Page {
        from_line: arguments.from,
        most: None,
        grep: arguments.grep.clone(),
    };
    let read = store.read(&handle, &page).map_err(|e| e.to_string())?;
    let text = read.text + &in_part(read.searched_in_part);
    Ok(match read.next_line {
        Some(next) => format!("{text}⟦of {} lines; go on with --from {next}⟧\n", read.lines),
        None => text,
    })
}
