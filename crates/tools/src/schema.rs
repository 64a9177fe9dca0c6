//! What a client is told of a tool: JSON Schema 2020-12 of its parameters, and hints derived from its sandbox.

use crate::manifest::{Effect, Manifest};
use fumehood_policy::config::{Parameter, ParameterKind};
use serde_json::{Map, Value, json};

/// The tool as an entry of MCP's `tools/list`.
#[must_use]
pub fn definition(manifest: &Manifest) -> Value {
    let effect = manifest.effect();
    json!({
        "name": manifest.name().as_str(),
        "description": manifest.tool().description,
        "inputSchema": input(manifest),
        "outputSchema": output(),
        "annotations": {
            "readOnlyHint": effect == Effect::Observe,
            "destructiveHint": effect == Effect::Outward,
            "openWorldHint": effect == Effect::Outward,
        },
    })
}

/// The schema of its arguments. It says no less than what is checked, so a call that fits it can still be
/// refused; one that does not fit never passes.
#[must_use]
pub fn input(manifest: &Manifest) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, parameter) in manifest.parameters() {
        properties.insert(name.as_str().to_owned(), property(parameter));
        if !parameter.optional && parameter.default.is_none() {
            required.push(Value::from(name.as_str()));
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The schema of the fields of a result, the same for all tools. A call that was refused has none.
#[must_use]
pub fn output() -> Value {
    let (text, number, flag) = (
        json!({"type": "string"}),
        json!({"type": "integer", "minimum": 0}),
        json!({"type": "boolean"}),
    );
    let or_null = |kind: &str| json!({"type": [kind, "null"]});
    let properties = json!({
        "tool": text, "definition": text,
        "status": {"type": "integer", "minimum": 0, "maximum": 255}, "origin": text, "limit": or_null("string"),
        "timed_out": flag, "output": text, "lines": number, "bytes": number, "left_out": or_null("object"),
        "handle": or_null("string"), "untrusted": flag, "kept_whole": flag, "cleaned": {"type": "object"}, "redacted": number,
        "summary": or_null("object"), "notes": {"type": "array", "items": text},
    });
    let required: Vec<&str> = properties
        .as_object()
        .map_or_else(Vec::new, |all| all.keys().map(String::as_str).collect());
    let required = json!(required);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": required,
    })
}

fn property(parameter: &Parameter) -> Value {
    let one = of_kind(&parameter.kind);
    let mut schema = match parameter.many {
        Some(most) => json!({"type": "array", "items": one, "maxItems": most,
            "minItems": u8::from(!parameter.optional)}),
        None => one,
    };
    if let Value::Object(fields) = &mut schema {
        if let Some(text) = &parameter.description {
            fields.insert("description".to_owned(), text.as_str().into());
        }
        if let Some(default) = &parameter.default {
            fields.insert("default".to_owned(), default.as_str().into());
        }
    }
    schema
}

fn of_kind(kind: &ParameterKind) -> Value {
    let text = |most: u32, pattern: &str| json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": pattern});
    match kind {
        ParameterKind::RelPath { .. } => text(1024, "^[^/~]"),
        ParameterKind::Glob => text(256, "^[^/]"),
        ParameterKind::GitRef => text(255, r"^[A-Za-z0-9_][A-Za-z0-9._/@{}^~-]*$"),
        ParameterKind::PkgName => text(
            430,
            r"^(@[A-Za-z0-9_][A-Za-z0-9._-]*/)?[A-Za-z0-9_][A-Za-z0-9._-]*$",
        ),
        ParameterKind::TestId => text(512, r"^[A-Za-z0-9_][A-Za-z0-9_./:\[\]<>,=+# -]*$"),
        ParameterKind::Ident => text(63, "^[A-Za-z_][A-Za-z0-9_]*$"),
        ParameterKind::Host => text(253, r"^[a-z0-9_.:\[\]-]+$"),
        ParameterKind::Url => text(2048, "^https?://[!-~]+$"),
        ParameterKind::Regex => json!({"type": "string", "minLength": 1, "maxLength": 1024}),
        ParameterKind::Int { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        ParameterKind::Enum(values) => json!({"type": "string", "enum": values}),
        ParameterKind::Text { max, .. } | ParameterKind::Sql { max } => {
            json!({"type": "string", "maxLength": max})
        }
    }
}
