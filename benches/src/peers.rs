//! Starting a command in what others ship for agents: Codex's own sandbox and Anthropic's sandbox-runtime,
//! both from npm, where `benches/run` has put them (`FUMEHOOD_BENCH_PEERS`).

use crate::measure::{Case, Table};
use std::path::{Path, PathBuf};

/// Runs of each; the slowest of them takes some half a second.
const RUNS: usize = 40;

pub(crate) fn run(fumehood: &Path, place: &Path) {
    let Some(peers) = std::env::var_os("FUMEHOOD_BENCH_PEERS").map(PathBuf::from) else {
        println!("\n## peers: not measured, FUMEHOOD_BENCH_PEERS names no folder with them; see benches/run");
        return;
    };
    let home = place.join("codex");
    std::fs::create_dir(&home).unwrap();
    let cases = [
        crate::fumehood_true(fumehood, place),
        crate::bwrap_true(place),
        codex(&peers, place, &home),
        sandbox_runtime(&peers, place),
    ];
    let table = Table::measure("peers: wall time of `true`", &cases, RUNS);
    table.print();
    for peer in 1..cases.len() {
        table.ratio(0, peer);
    }
}

/// Its native program, without the npm shim around it, which would add node's own start; project writable.
fn codex(peers: &Path, place: &Path, home: &Path) -> Case {
    let program = peers.join("codex-native");
    let words = ["sandbox", "-P", ":workspace", "--", "true"];
    Case::new("codex sandbox", &program, &words, place).with("CODEX_HOME", home)
}

/// As its users start it, with a network policy that allows nobody.
fn sandbox_runtime(peers: &Path, place: &Path) -> Case {
    let settings = place.join("srt.json");
    std::fs::write(
        &settings,
        r#"{"network":{"allowedDomains":[],"deniedDomains":[]},"filesystem":{"denyRead":[],"allowWrite":["."],"denyWrite":[]}}"#,
    )
    .unwrap();
    let words = ["--settings", settings.to_str().unwrap(), "true"];
    Case::new("srt", &peers.join("node_modules/.bin/srt"), &words, place)
}
