//! Whether tools are wise, and whether hostile values get anywhere.

use super::offered::Offered;
use crate::policy::places;
use fumehood_policy::Escaped;
use fumehood_tools::{Manifest, lint, probe};
use std::fmt::Write;

/// Everything unwise, and what would be executed; good where nothing is.
pub(super) fn lint() -> Result<(String, bool), String> {
    let places = places()?;
    let mut offered = Offered::here(&places)?;
    offered.load(&places, |_| true);
    let mut out = String::new();
    let mut good = offered.left_out.is_empty();
    for why in &offered.left_out {
        let _in_memory = writeln!(out, "{why}");
    }
    for tool in &offered.tools {
        for found in lint::lint(tool) {
            good = false;
            let _in_memory = writeln!(out, "{}: {}: {found}", tool.origin(), tool.name());
        }
    }
    // A shipped one without its program is not offered, which is nothing that its author could mend.
    for why in offered.missing(|tool| !tool.is_shipped()) {
        good = false;
        let _in_memory = writeln!(out, "{why}");
    }
    for (path, digest) in offered.files() {
        let _in_memory = writeln!(out, "program {} sha256 {digest}", Escaped::from(path));
    }
    if good {
        let _in_memory = writeln!(out, "{} tools, nothing to say", offered.tools.len());
    }
    Ok((out, good))
}

/// What became of each hostile value.
pub(super) fn test(name: Option<&str>) -> Result<(String, bool), String> {
    let offered = Offered::here(&places()?)?;
    let tools: Vec<&Manifest> = match name {
        Some(name) => vec![offered.find(name)?],
        None => offered.tools.iter().collect(),
    };
    let mut out = String::new();
    let mut good = true;
    for tool in tools {
        let report = probe::probe(tool);
        let _in_memory = writeln!(
            out,
            "{}: {} hostile calls, {} refused, {} taken as data",
            tool.name(),
            report.refused + report.data,
            report.refused,
            report.data
        );
        for broken in &report.broken {
            good = false;
            let _in_memory = writeln!(out, "  {broken}");
        }
    }
    Ok((out, good))
}
