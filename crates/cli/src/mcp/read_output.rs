//! The tool that reads on in what others left out.

use fumehood_output::{Page, ReadError, Store};
use serde_json::{Map, Value, json};

pub(super) const NAME: &str = "read_output";

pub(super) fn definition() -> Value {
    json!({
        "name": NAME,
        "description": "Read on in an output that a result left out, by lines, or only lines that match a regular expression",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "handle": {"type": "string", "pattern": "^out_[0-9a-f]{32}$"},
                "from_line": {"type": "integer", "minimum": 1},
                "grep": {"type": "string", "minLength": 1, "maxLength": 1024},
            },
            "required": ["handle"],
            "additionalProperties": false,
        },
        "annotations": {"readOnlyHint": true, "destructiveHint": false, "openWorldHint": false},
    })
}

pub(super) fn read(store: &Store, arguments: &Map<String, Value>) -> Result<String, String> {
    let known = ["handle", "from_line", "grep"];
    if let Some(other) = arguments.keys().find(|k| !known.contains(&k.as_str())) {
        let shown = fumehood_policy::Escaped::from(other.as_str()).at_most(60);
        return Err(format!(
            "there is no parameter `{shown}`; it takes {}",
            known.join(", ")
        ));
    }
    let text = |name: &str| match arguments.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}`: a text is wanted; send a string")),
    };
    let from_line = match arguments.get("from_line") {
        None => 1,
        Some(value) => value
            .as_u64()
            .ok_or("`from_line`: send a whole number from 1 on")?,
    };
    let handle = text("handle")?.ok_or("`handle`: it is missing; a result names it")?;
    let handle = handle.parse().map_err(|e: ReadError| e.to_string())?;
    let page = Page {
        from_line,
        most: None,
        grep: text("grep")?,
    };
    let read = store.read(&handle, &page).map_err(|e| e.to_string())?;
    let part = in_part(read.searched_in_part);
    let more = read.next_line.map_or_else(
        || format!("⟦the end, of {} lines⟧\n", read.lines),
        |next| format!("⟦of {} lines; go on with from_line {next}⟧\n", read.lines),
    );
    Ok(read.text + &part + &more)
}

/// A remark where a line was too long to be searched to its end; else nothing.
pub(crate) fn in_part(lines: u64) -> String {
    match lines {
        0 => String::new(),
        n => {
            format!("⟦{n} lines without a match are longer than 1 MiB: only their first MiB was searched⟧\n")
        }
    }
}
