//! Tools that read and edit files: done by fumehood itself, beneath the project's open folder, as a call's sandbox would show it.

use super::call::{CallError, budget, prune};
use super::edits::Edits;
use super::result::CallResult;
use crate::configuration::{Places, profile, real};
use fumehood_files::list::{Listing, Wanted, list, pattern, shown};
use fumehood_files::read::{Reading, read};
use fumehood_files::search::{Found, search};
use fumehood_files::{Bound, Bounds, FileError, Unseen, View, edit};
use fumehood_output::window::{LEAST_BUDGET, Shown};
use fumehood_output::{Counts, Finished, Page, Store};
use fumehood_policy::glob::GlobSet;
use fumehood_policy::profile::{CommandLine, Profile};
use fumehood_tools::{Arguments, Deed, Manifest};
use fumehood_workspace::{Session, changes};
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

/// Folders that are entered where a pattern says what is wanted, or all of a folder is searched.
const ALL: usize = 64;
/// Lines before a change that are shown.
const AROUND: u64 = 3;

/// Does what such a tool is called for.
pub(super) fn perform(
    tool: &Manifest,
    deed: Deed,
    arguments: &Arguments,
    places: &Places,
    (store, edits): (&Store, &Edits),
    is_cancelled: &dyn Fn() -> bool,
) -> Result<CallResult, CallError> {
    let (view, profile) = view(places, edits.session().as_ref())?;
    let given = Given(arguments);
    let path = Path::new(given.text("path").unwrap_or("."));
    let bounds = Bounds::new(is_cancelled);
    match deed {
        Deed::ReadFile => {
            let page = read(&view, path, given.number("from_line").unwrap_or(1), budget(tool))?;
            Ok(a_page(tool, path, page))
        }
        Deed::ListFiles => {
            let only = given.text("only").map(pattern).transpose()?;
            let depth = given.number("depth").and_then(|n| usize::try_from(n).ok());
            let wanted = Wanted {
                depth: depth.unwrap_or(if only.is_some() { ALL } else { 1 }),
                only,
                skip: scratch(&profile),
            };
            let found = list(&view, path, &wanted, &bounds)?;
            let said = names_told(&found);
            kept(tool, store, &found.text, said, found.bound)
        }
        Deed::SearchFiles => {
            let wanted = Wanted {
                depth: ALL,
                only: given.text("only").map(pattern).transpose()?,
                skip: scratch(&profile),
            };
            let found = search(
                &view,
                path,
                given.text("pattern").unwrap_or_default(),
                &wanted,
                &bounds,
            )?;
            let said = matches_told(&found);
            kept(tool, store, &found.text, said, found.bound)
        }
        Deed::EditFile => {
            let wanted = edit::Wanted {
                old: given.text("old").unwrap_or_default(),
                new: given.text("new").unwrap_or_default(),
                count: given.number("count").unwrap_or(1),
            };
            let (edited, id) = edits.edit(places, path, &wanted)?;
            an_edit(tool, places, edits, (path, &wanted), &edited, &id)
        }
    }
}

impl From<FileError> for CallError {
    fn from(e: FileError) -> CallError {
        CallError::Refused(e.to_string())
    }
}

/// What was given for parameters that have one value.
struct Given<'a>(&'a Arguments);

impl<'a> Given<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        let (_, values) = self.0.iter().find(|(n, _)| *n == name)?;
        values.first().map(|value| value.as_str())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

/// The project as a call's sandbox would show it: without what the configuration hides or masks, and without fumehood's own state; with
/// the edits that wait.
pub(super) fn view(places: &Places, session: Option<&Session>) -> Result<(View, Profile), CallError> {
    let flags = CommandLine {
        cwd: places.project.clone(),
        ..CommandLine::default()
    };
    let (profile, _) =
        profile(places, &flags, OsStr::new(""), &places.folders()).map_err(CallError::Failed)?;
    let project = real(&places.project);
    // The home as it is called, and as it is reached, which may be through links.
    let homes = [places.home.clone(), real(&places.home)];
    let absolute = homes.iter().flat_map(|home| {
        let patterns = profile.hide.iter().chain(&profile.mask);
        patterns.map(|pattern| pattern.value.absolute(&project, Some(home)))
    });
    let hidden = absolute
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| CallError::Failed(e.to_string()))?;
    let mut paths = profile.covered.clone();
    paths.extend([real(&places.state()), places.state()]);
    let view = View::open(&project, Unseen::new(&project, hidden, paths))?;
    let Some(session) = session else {
        return Ok((view, profile));
    };
    let waiting = changes::read(session)?
        .list
        .into_iter()
        .filter(|c| c.after.is_some());
    let waiting = waiting.map(|change| change.path).collect();
    Ok((view.over(&session.upper(), waiting)?, profile))
}

/// Folders of build outputs.
fn scratch(profile: &Profile) -> GlobSet {
    GlobSet::new(profile.scratch.iter().map(|s| s.value.clone()))
}

fn a_page(tool: &Manifest, path: &Path, page: Reading) -> CallResult {
    let last = page.next.map_or(page.lines, |next| next - 1);
    let mut said = match (page.lines, last < page.first) {
        (0, _) => format!("{} is empty", shown(path)),
        (lines, true) => format!("{} has {lines} lines", shown(path)),
        (lines, false) => format!("{}: lines {} to {last} of {lines}", shown(path), page.first),
    };
    let mut say = |is_so: bool, text: std::fmt::Arguments<'_>| {
        if is_so {
            let _in_memory = said.write_fmt(text);
        }
    };
    say(
        !page.is_whole,
        format_args!(" in the first 64 MiB of {} bytes", page.size),
    );
    say(
        page.dos > 0,
        format_args!("; {} line breaks of DOS (CRLF)", page.dos),
    );
    say(
        page.written_out > 0,
        format_args!(
            "; {} characters are written out (\\x1b, \\u{{202e}})",
            page.written_out
        ),
    );
    if let Some(next) = page.next {
        say(true, format_args!("; go on with from_line {next}"));
    }
    let finished = Finished {
        shown: Shown {
            bytes: page.text.len() as u64,
            text: page.text,
            lines: page.lines,
            left_out: page.next.map(|next| (next, page.lines)),
            left_out_lines: page.next.map_or(0, |next| page.lines - next + 1),
            left_out_bytes: 0,
        },
        counts: Counts::default(),
        redacted: 0,
        handle: None,
        is_kept_whole: false,
        summary: None,
    };
    CallResult::of_deed(tool, said, (!page.is_whole).then_some("size"), finished)
}

/// What was edited, as it is now.
fn an_edit(
    tool: &Manifest,
    places: &Places,
    edits: &Edits,
    (path, wanted): (&Path, &edit::Wanted<'_>),
    edited: &edit::Edited,
    id: &str,
) -> Result<CallResult, CallError> {
    let (view, _) = view(places, edits.session().as_ref())?;
    let page = read(&view, path, edited.line.saturating_sub(AROUND), LEAST_BUDGET)?;
    let what = match (edited.is_new, wanted.count) {
        (true, _) => "made".to_owned(),
        (false, 1) => format!("changed at line {}", edited.line),
        (false, n) => format!("changed at {n} places, the first in line {}", edited.line),
    };
    let said = format!(
        "{} is {what}; kept back in session {id} until a person applies it. It is now:",
        shown(path)
    );
    let mut result = a_page(tool, path, page);
    result.say(said);
    Ok(result)
}

/// The first page of a text, all of which can be read on in.
fn kept(
    tool: &Manifest,
    store: &Store,
    text: &str,
    said: String,
    bound: Option<Bound>,
) -> Result<CallResult, CallError> {
    let mut writing = store.begin()?;
    writing.push(text.as_bytes())?;
    let handle = store.keep(writing)?;
    prune(store);
    let page = Page {
        from_line: 1,
        most: Some(budget(tool)),
        grep: None,
    };
    let read = store
        .read(&handle, &page)
        .map_err(|e| CallError::Failed(e.to_string()))?;
    let left = read.next_line.map(|next| (next, read.lines));
    let finished = Finished {
        shown: Shown {
            lines: read.lines,
            bytes: text.len() as u64,
            left_out_lines: left.map_or(0, |(first, last)| last - first + 1),
            left_out_bytes: (text.len() - read.text.len().min(text.len())) as u64,
            left_out: left,
            text: read.text,
        },
        counts: Counts::default(),
        redacted: 0,
        handle: Some(handle),
        is_kept_whole: true,
        summary: None,
    };
    Ok(CallResult::of_deed(tool, said, bound.map(limit), finished))
}

/// The bound's word, as limits have one.
fn limit(bound: Bound) -> &'static str {
    match bound {
        Bound::Time => "timeout",
        Bound::Cancelled => "cancelled",
        Bound::Names => "names",
        Bound::Text => "output",
        Bound::Bytes => "bytes",
    }
}

fn ended(bound: Option<Bound>) -> String {
    bound.map_or_else(String::new, |b| {
        format!("; not looked at to the end: {b}; name a folder or a pattern")
    })
}

fn names_told(found: &Listing) -> String {
    let closed = match found.closed {
        0 => String::new(),
        n => format!("; {n} folders cannot be opened"),
    };
    format!("{} names{closed}{}", found.names, ended(found.bound))
}

fn matches_told(found: &Found) -> String {
    let mut out = format!(
        "{} lines in {} of {} files",
        found.matches, found.in_files, found.files
    );
    for (count, what) in [
        (found.binary, "binary files were left out"),
        (found.closed, "cannot be opened"),
        (found.in_part, "files were searched in part, being too long"),
    ] {
        if count > 0 {
            let _in_memory = write!(out, "; {count} {what}");
        }
    }
    out + &ended(found.bound)
}
