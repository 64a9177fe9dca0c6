//! Tools for the tests of servers of tools, and whether their calls run.

use crate::remains::await_that;
use crate::world::World;
use std::fs;

const TOOLS: &str = r#"
[tool.say]
description = "says it"
params = { word = { type = "Ident" } }
argv = ["echo", "{word}"]
[tool.long]
description = "many lines"
argv = ["seq", "-f", "line %.0f of it", "1", "50000"]
output = { budget = "2K" }
[tool.wait]
description = "waits"
workspace = "write"
argv = ["sh", "-c", "trap '' TERM; echo begun >begun; while :; do sleep 0.05; done"]
"#;

/// Writes tools into the user's configuration: `say` with `word`, `long` of 50,000 lines, `wait`, which ends only when it
/// is killed.
pub fn offer_tools(world: &World) {
    offer_tools_and(world, "");
}

/// Likewise, with more in that file.
pub(crate) fn offer_tools_and(world: &World, more: &str) {
    let folder = world.own("config").join("fumehood");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("config.toml"),
        format!("version = 1\n{TOOLS}\n{more}\n"),
    )
    .unwrap();
}

/// The request that calls a tool, in the older way.
#[must_use]
pub fn tool_call(id: u32, name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
    )
}

/// Waits until the tool `wait` has begun: its file is in the layer of its session.
pub fn await_call(world: &World) {
    let sessions = world.own("state").join("fumehood/sessions");
    await_that("the tool did not begin", || {
        let found = fs::read_dir(&sessions).into_iter().flatten().flatten();
        let mut found = found.map(|s| s.path().join("upper/begun"));
        found.any(|f| f.exists())
    });
}

/// Supervisors of this world's calls that live.
#[must_use]
pub fn calls_alive(world: &World) -> usize {
    let project = world.project();
    let of = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).unwrap_or_default();
    let all = fs::read_dir("/proc").unwrap().flatten().map(of);
    let ours = project.to_str().unwrap().as_bytes();
    all.filter(|line| line.windows(ours.len()).any(|w| w == ours) && line.windows(6).any(|w| w == b"--tool"))
        .count()
}

/// Waits until none lives.
pub fn await_end_of_calls(world: &World) {
    await_that("a call lives on", || calls_alive(world) == 0);
}
