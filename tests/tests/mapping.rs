//! `tests/README.md` says which test covers which case: every number of the catalogue is there. That every
//! test it names exists is for `tests/steps/05-documents.sh`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

const README: &str = include_str!("../README.md");
const SOURCES: [&str; 15] = [
    include_str!("bad_input.rs"),
    include_str!("contract.rs"),
    include_str!("environment.rs"),
    include_str!("exhaustion.rs"),
    include_str!("git.rs"),
    include_str!("ipc.rs"),
    include_str!("isolation_levels.rs"),
    include_str!("kept_back.rs"),
    include_str!("kernel_doors.rs"),
    include_str!("lifecycle.rs"),
    include_str!("limits.rs"),
    include_str!("paths_and_links.rs"),
    include_str!("processes.rs"),
    include_str!("sockets.rs"),
    include_str!("terminal_escapes_from_inside.rs"),
];

/// The rows of one table: its heading to the next.
fn rows(heading: &str) -> Vec<&'static str> {
    let from = README.split(heading).nth(1).unwrap();
    let table = from.split("\n###").next().unwrap();
    table
        .lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| Case"))
        .collect()
}

/// The numbers that a row's first cell stands for: `3`, `3, 4`, `3–5`.
fn numbers(row: &str) -> Vec<u32> {
    let cell = row.split('|').nth(1).unwrap();
    let parts = cell.split(',').filter_map(|part| {
        let mut ends = part.trim().split('–').map(|n| n.parse::<u32>());
        let first = ends.next()?.ok()?;
        Some(first..=ends.next().map_or(Some(first), Result::ok)?)
    });
    parts.flatten().collect()
}

#[test]
fn every_case_is_listed_once() {
    for (heading, last) in [
        ("### Escapes\n", 107),
        ("### Codex\n", 54),
        ("### sandbox-runtime\n", 83),
    ] {
        let mut found: Vec<u32> = rows(heading).into_iter().flat_map(numbers).collect();
        found.sort_unstable();
        assert_eq!(found, (1..=last).collect::<Vec<_>>(), "{heading}");
    }
}

#[test]
fn every_numbered_test_is_named() {
    let numbered = SOURCES
        .iter()
        .flat_map(|s| s.split("\nfn ").skip(1))
        .map(|s| s.split('(').next().unwrap());
    for name in numbered.filter(|n| n.starts_with('e') && n[1..].starts_with(|c: char| c.is_ascii_digit())) {
        assert!(README.contains(name), "{name} is not in tests/README.md");
    }
}
