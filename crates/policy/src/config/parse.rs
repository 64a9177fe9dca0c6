use std::rc::Rc;
use std::sync::Arc;

use toml::de::DeTable;

use super::{Config, Document, Fields};
use crate::escape::Escaped;
use crate::finding::{Finding, Findings, Pos, Severity};
use crate::origin::Layer;

/// Bytes of a configuration file; what is longer is refused unread.
pub const MAX_BYTES: usize = 1024 * 1024;

/// Syntax errors reported of one file: after the first few the parser only guesses.
const MAX_SYNTAX_ERRORS: usize = 10;

/// What a configuration file holds.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The configuration; none if a finding is an error.
    pub config: Option<Config>,
    /// All that is wrong, in reading order.
    pub findings: Findings,
}

impl Parsed {
    /// The configuration, or why there is none. Warnings are dropped.
    pub fn into_result(self) -> Result<Config, Findings> {
        self.config.ok_or(self.findings)
    }
}

/// Parses a configuration file of any bytes. `name` is what messages call it. Pure: it reads
/// nothing but `bytes`. Time and memory are linear in them, nesting is bounded to 80 levels.
pub fn parse(layer: Layer, name: &str, bytes: &[u8]) -> Parsed {
    let text = match text_of(name, bytes) {
        Ok(text) => text,
        Err(finding) => {
            return Parsed {
                config: None,
                findings: Findings(vec![finding]),
            };
        }
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let doc = Document::new(name, layer, text);
    if !errors.is_empty() {
        report_syntax(&doc, &errors);
        return Parsed {
            config: None,
            findings: Findings(doc.into_findings()),
        };
    }
    let mut fields = Fields::new(&doc, Rc::from(""), table.get_ref(), 0);
    let config = Config::decode(&mut fields, layer, Arc::from(name));
    fields.finish();
    let findings = Findings(doc.into_findings());
    Parsed {
        config: config.filter(|_| !findings.has_errors()),
        findings,
    }
}

fn text_of<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Finding> {
    let finding = |pos, message: &str, help: &str| Finding {
        severity: Severity::Error,
        file: name.to_owned(),
        pos,
        key: String::new(),
        message: message.to_owned(),
        help: Some(help.to_owned()),
    };
    if bytes.len() > MAX_BYTES {
        return Err(finding(
            Pos::START,
            "the file is larger than 1 MiB",
            "configuration is short; is this the right file?",
        ));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        let pos = super::lines::Lines::new(good).pos(good.len());
        finding(pos, "the file is not UTF-8", "save it as UTF-8")
    })
}

fn report_syntax(doc: &Document<'_>, errors: &[toml::de::Error]) {
    for error in errors.iter().take(MAX_SYNTAX_ERRORS) {
        let offset = error.span().map_or(0, |span| span.start);
        doc.report(Severity::Error, offset, "", Escaped::from(error.message()), "");
    }
}
