//! The catalogue of hostile inputs: each as it would act on the real program, and what a tool makes of it.
//!
//! An attack that does nothing when it is made by hand would prove nothing, so each is made first, as a tool
//! without types would (`raw`), and must leave its mark; then through a tool, which must leave none.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod arguments;
mod bench;
mod json;
mod values;

/// Where each row of the catalogue is tested; no row without a place.
const PLACES: &[(u8, &str)] = &[
    (1, "arguments::paths"),
    (2, "arguments::paths"),
    (3, "arguments::paths"),
    (
        4,
        "crates/files: links_and_paths_lead_nowhere; end to end: file_tools, tools",
    ),
    (
        5,
        "crates/files: a_folder_that_is_swapped_leads_nowhere; end to end: file_tools: row_5_…",
    ),
    (
        6,
        "end to end: file_tools: row_6_…; kept_back: e010_planted_hard_link",
    ),
    (7, "values::magic_links_are_not_below_the_project"),
    (8, "values::what_cannot_be_seen"),
    (9, "values::what_cannot_be_seen"),
    (10, "arguments::what_runs_later"),
    (11, "end to end: git of a hostile repository"),
    (12, "arguments::git"),
    (13, "tests/real/rust.sh: tools_on_a_hostile_project"),
    (14, "end to end: shipped_tools, row_14_npm… and row_14_pytest…"),
    (15, "values::protected_paths"),
    (16, "arguments::options"),
    (17, "arguments::git"),
    (18, "arguments::git"),
    (19, "arguments::git"),
    (20, "arguments::git"),
    (21, "arguments::options"),
    (22, "arguments::search"),
    (23, "arguments::search"),
    (24, "arguments::archives"),
    (25, "arguments::options"),
    (26, "arguments::programs_as_arguments"),
    (27, "arguments::programs_as_arguments"),
    (28, "arguments::builds"),
    (29, "arguments::builds"),
    (30, "arguments::builds"),
    (31, "values::options_of_programs_that_are_not_here"),
    (32, "arguments::builds"),
    (33, "arguments::builds"),
    (34, "arguments::programs_as_arguments"),
    (35, "arguments::variables"),
    (36, "arguments::shell"),
    (37, "arguments::shell"),
    (38, "values::look_alikes"),
    (39, "values::what_cannot_be_seen"),
    (40, "values::what_cannot_be_seen"),
    (41, "values::look_alikes"),
    (42, "json::encodings"),
    (43, "json::sizes"),
    (44, "json::sizes"),
    (45, "json::two_readings"),
    (46, "json::numbers"),
    (47, "json::keys"),
    (48, "arguments::sql"),
    (
        49,
        "tests/steps/80-postgres.sh: what the tool sql_query is refused",
    ),
    (50, "values::hosts"),
    (51, "values::hosts"),
    (52, "values::hosts"),
    (
        53,
        "the network's boundary asks again for each connection (crates/monitor)",
    ),
    (
        54,
        "the network's boundary (crates/destination: methods, paths, query)",
    ),
    (55, "values::patterns"),
    (56, "values::patterns"),
    (57, "values::patterns"),
    (58, "arguments::archives"),
    (59, "json::numbers"),
    (
        60,
        "crates/files: what_is_no_file_is_told_and_not_opened; end to end: file_tools",
    ),
    (61, "values::protected_paths"),
    (62, "values::names_of_tools"),
    (63, "handles of stored outputs (crates/output)"),
    (64, "no state travels through a client"),
    (
        65,
        "crates/tools, upstream: a_changed_tool_is_another; end to end: gateway: a_changed_tool_waits_for_a_person",
    ),
    (
        66,
        "crates/tools, upstream: what_hides_in_a_definition_is_written_out_or_refused",
    ),
];

#[test]
fn every_row_has_its_place() {
    let rows: Vec<u8> = PLACES.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, (1..=66).collect::<Vec<u8>>());
    let sources = [
        include_str!("arguments.rs"),
        include_str!("json.rs"),
        include_str!("values.rs"),
    ];
    for (row, place) in PLACES.iter().filter(|(_, place)| place.contains("::")) {
        let name = place.rsplit("::").next().unwrap_or_default();
        let found = sources.iter().any(|s| s.contains(&format!("fn {name}()")));
        assert!(found, "row {row}: there is no test {place}");
    }
}
