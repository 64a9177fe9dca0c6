//! `fumehood audit verify`, `prove`, `verify-proof`, `key`.

use super::terminal::{self, Found};
use super::witness::{self, Asked};
use super::{Here, event, find, print};
use fumehood_audit::{
    Account, Clock, Cosigned, InspectError, Known, PublicKey, Remembered, Report, State, identity,
    inspect_index, inspect_session, open_receipt, prove_event, session_folder, sessions, settle,
    verify_event,
};
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Verifies everything, or one session; no when something does not verify.
pub(super) fn verify(
    here: &Here,
    session: Option<&str>,
    against: Option<&Path>,
    json: bool,
) -> Result<bool, String> {
    let remembered = against.map(|path| heads(here, path)).transpose()?;
    let only = session
        .map(|named| find::session(here, Some(named)))
        .transpose()?;
    let there = sessions(&here.root);
    for id in only.as_ref().map_or(&there[..], std::slice::from_ref) {
        settle(&session_folder(&here.root, id));
    }
    let mut remembered = remembered.unwrap_or_default();
    let (seen, said) = witnessed(here)?;
    remembered.extend(seen.iter().map(|(_, seen)| seen.head.clone()));
    remembered.sort_by_key(|head| head.size);
    let (index, known) = match inspect_index(&here.root, &remembered) {
        Err(InspectError::Nothing) if there.is_empty() => {
            print("nothing was recorded yet\n")?;
            return Ok(true);
        }
        inspected => inspected.map_err(|e| e.to_string())?,
    };
    let ids: BTreeSet<&String> = match &only {
        Some(id) => BTreeSet::from([id]),
        None => known.keys().chain(&there).collect(),
    };
    let states: Vec<(&String, State)> = ids
        .into_iter()
        .map(|id| (id, inspect_session(&here.root, id, known.get(id))))
        .collect();
    let recordings = recordings(here, &states);
    let good = states.iter().all(|(_, state)| state.is_good()) && recordings.values().all(|r| r.is_good());
    let text = if json {
        format!(
            "{}\n",
            as_json(&anchor(&index, &seen), &index, (&states, &recordings), good)
        )
    } else {
        as_text(&anchor(&index, &seen), &index, &known, (&states, &recordings))
    };
    said.iter().for_each(|line| crate::say::line(line));
    print(&text)?;
    Ok(good)
}

/// Recordings of terminals, by session; those that run still write theirs.
type Recordings = BTreeMap<String, Found>;

fn recordings(here: &Here, states: &[(&String, State)]) -> Recordings {
    let ended = states
        .iter()
        .filter(|(_, state)| !matches!(state, State::Running(_)));
    let one = |(id, state): &(&String, State)| {
        let found = terminal::of_verified(here, id, report(state)?);
        (found != Found::None).then(|| ((*id).clone(), found))
    };
    ended.filter_map(one).collect()
}

/// What became of verifying one session.
pub(super) struct Verified {
    pub(super) good: bool,
    /// In words.
    pub(super) says: String,
    /// The last head of its log, a signed note.
    pub(super) note: String,
}

/// Verifies one session against the account's index.
pub(super) fn of_session(here: &Here, id: &str) -> Result<Verified, String> {
    let folder = session_folder(&here.root, id);
    settle(&folder);
    let (_, known) = inspect_index(&here.root, &[]).map_err(|e| e.to_string())?;
    let state = inspect_session(&here.root, id, known.get(id));
    let recording = report(&state).map_or(Found::None, |report| terminal::of_verified(here, id, report));
    let wrong = recording.says().filter(|_| !recording.is_good());
    Ok(Verified {
        good: state.is_good() && wrong.is_none(),
        says: wrong.map_or_else(|| words(&state), str::to_owned),
        note: fumehood_audit::last_note(&folder),
    })
}

/// Heads by who countersigned them.
type Seen = Vec<(String, Cosigned)>;

/// What the configured witnesses saw, asked now or as kept here, and what is to be said of those that were not reached.
/// One that saw another log, or more of this one, is an error: nothing here is to be believed then.
fn witnessed(here: &Here) -> Result<(Seen, Vec<String>), String> {
    let (mut seen, mut said) = (Seen::new(), Vec::new());
    for one in witness::configured(&here.places)? {
        let name = Escaped::from(one.name()).to_string();
        match witness::ask(&here.root, &one) {
            Asked::Seen(cosigned) => seen.push((name, cosigned)),
            Asked::Denied(why) => return Err(format!("witness {name}: {why}")),
            asked @ Asked::Silent(_) => {
                said.push(format!("witness {name}: {}", witness::words(&asked)));
                seen.extend(one.kept(&here.root).map(|kept| (name, kept)));
            }
        }
    }
    Ok((seen, said))
}

/// What the verdict rests on: the witness that saw most.
fn anchor(index: &Report, seen: &Seen) -> String {
    let most = seen.iter().max_by_key(|(_, seen)| (seen.head.size, seen.time));
    match most.filter(|(_, seen)| index.remembered.is_none_or(|size| size <= seen.head.size)) {
        Some((name, seen)) => format!(
            "witnessed until {} by {name}; of the {} records after that: self-signed",
            witness::time(seen),
            index.signed.saturating_sub(seen.head.size)
        ),
        None => index.anchor(),
    }
}

/// Runs that are over are recorded to their end.
fn settle_all(here: &Here) {
    for id in sessions(&here.root) {
        settle(&session_folder(&here.root, &id));
    }
}

/// Heads of the index that someone else kept: signed notes, one after the other. Their signatures say
/// nothing that the index does not; that they were elsewhere does.
fn heads(here: &Here, path: &Path) -> Result<Vec<Remembered>, String> {
    let shown = Escaped::from(path);
    let text = std::fs::read_to_string(path).map_err(|e| format!("{shown}: {e}"))?;
    let (origin, _) = identity(&here.root).ok_or("nothing was recorded yet")?;
    let heads = fumehood_audit::heads_in(&text, &origin);
    if heads.is_empty() {
        return Err(format!("{shown}: no head of {origin} is in it"));
    }
    Ok(heads)
}

fn as_text(
    anchor: &str,
    index: &Report,
    known: &BTreeMap<String, Known>,
    (states, recordings): (&[(&String, State)], &Recordings),
) -> String {
    let mut out = format!("{anchor}\n");
    out.push_str(&format!(
        "index: {} records under {} heads, {} sessions\n",
        index.signed,
        index.checkpoints,
        known.len()
    ));
    for (id, state) in states {
        let steps = clock(state);
        if !state.is_good() || matches!(state, State::Unsigned) || !steps.is_empty() || states.len() == 1 {
            out.push_str(&format!("{id}: {}{steps}\n", words(state)));
        }
        let recording = recordings
            .get(*id)
            .filter(|r| **r != Found::Matches || states.len() == 1);
        if let Some(says) = recording.and_then(|recording| recording.says()) {
            out.push_str(&format!("{id}: {says}\n"));
        }
    }
    let count = |is: fn(&State) -> bool| states.iter().filter(|(_, state)| is(state)).count();
    out.push_str(&format!(
        "{} whole, {} running, {} broken off, {} erased, {} not good\n",
        count(|s| matches!(s, State::Whole(_))),
        count(|s| matches!(s, State::Running(_))),
        count(|s| matches!(s, State::Broken(_))),
        count(|s| matches!(s, State::Erased)),
        states
            .iter()
            .filter(|(id, s)| !s.is_good() || recordings.get(*id).is_some_and(|r| !r.is_good()))
            .count(),
    ));
    out
}

fn words(state: &State) -> String {
    match state {
        State::Whole(report) => format!("whole, {} records", report.signed),
        State::Running(report) => format!(
            "running, {} records signed, {} not yet",
            report.signed, report.unsigned
        ),
        State::Broken(report) => format!(
            "broken off, its writer died: {} records signed, {} that nobody vouches for",
            report.signed, report.unsigned
        ),
        State::Erased => "erased".to_owned(),
        State::Unsigned => "its writer died before it signed anything".to_owned(),
        State::Missing => "MISSING: the index knows it, its log is not there".to_owned(),
        State::Unknown => "UNKNOWN: the index does not know it".to_owned(),
        State::Wrong(error) => format!("WRONG: {error}"),
    }
}

fn clock(state: &State) -> String {
    match report(state).map(|r| r.clock_steps.as_slice()) {
        Some([first, ..]) => format!(", the clock went back at record {first}"),
        _ => String::new(),
    }
}

const fn report(state: &State) -> Option<&Report> {
    match state {
        State::Whole(report) | State::Running(report) | State::Broken(report) => Some(report),
        _ => None,
    }
}

fn as_json(
    anchor: &str,
    index: &Report,
    (states, recordings): (&[(&String, State)], &Recordings),
    good: bool,
) -> Json {
    let name = |state: &State| match state {
        State::Whole(_) => "whole",
        State::Running(_) => "running",
        State::Broken(_) => "broken",
        State::Erased => "erased",
        State::Unsigned => "unsigned",
        State::Missing => "missing",
        State::Unknown => "unknown",
        State::Wrong(_) => "wrong",
    };
    let session = |(id, state): &(&String, State)| {
        let report = report(state);
        let number = |of: fn(&Report) -> u64| report.map_or(Json::Null, |r| Json::Number(of(r)));
        Json::Object(vec![
            ("session", Json::text(id)),
            ("state", Json::text(name(state))),
            ("signed", number(|r| r.signed)),
            ("unsigned", number(|r| r.unsigned)),
            ("says", Json::text(words(state))),
            (
                "recording",
                recordings
                    .get(*id)
                    .and_then(|recording| recording.says())
                    .map_or(Json::Null, Json::text),
            ),
        ])
    };
    Json::Object(vec![
        ("good", Json::Bool(good)),
        ("anchor", Json::text(anchor)),
        ("records", Json::Number(index.signed)),
        ("sessions", Json::List(states.iter().map(session).collect())),
    ])
}

/// Prints a proof of one record.
pub(super) fn prove(here: &Here, event: &str) -> Result<bool, String> {
    let (id, sequence) = find::event(here, event)?;
    print(&prove_event(&here.root, &id, sequence).map_err(|e| format!("{id}: {e}"))?)
}

/// The longest proof that is read, bytes.
const PROOF: u64 = 64 << 20;

/// What someone kept: the name of the file, escaped, and its text.
fn kept(file: &Path) -> Result<(String, String), String> {
    use std::io::Read;
    let shown = Escaped::from(file).to_string();
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(PROOF).read_to_string(&mut text))
        .map_err(|e| format!("{shown}: {e}"))?;
    Ok((shown, text))
}

/// Name and first public key of the account that was named, or of this one.
fn whose(key: Option<&str>) -> Result<(String, PublicKey), String> {
    match key {
        Some(key) => PublicKey::from_verifier(key.trim())
            .ok_or_else(|| "--key: not a public key; `fumehood audit key` prints one".to_owned()),
        None => identity(&super::here()?.root)
            .ok_or_else(|| "this account recorded nothing; give --key".to_owned()),
    }
}

/// Verifies a receipt against a public key, and prints what it says.
pub(super) fn receipt(file: &Path, key: Option<&str>) -> Result<bool, String> {
    let (shown, text) = kept(file)?;
    let (origin, key) = whose(key)?;
    let card = open_receipt(&text, &origin, &key).map_err(|e| format!("{shown}: {e}"))?;
    let lines = card.lines().map(|line| format!("{}\n", Escaped::from(line)));
    print(&format!("signed by {origin}\n{}", lines.collect::<String>()))
}

/// Verifies a proof against a public key: the one given, or this account's.
pub(super) fn proof(file: &Path, key: Option<&str>, json: bool) -> Result<bool, String> {
    let (shown, text) = kept(file)?;
    let (origin, key) = whose(key)?;
    let (log, record) = verify_event(&text, &origin, &key).map_err(|e| format!("{shown}: {e}"))?;
    let session = log.rsplit('/').next().unwrap_or_default();
    let text = if json {
        format!("{}\n", event::json(session, &record))
    } else {
        let time = Clock::of_nanos(record.time);
        let sentence = event::sentence(&record);
        format!(
            "proved: record {} of {log}\n{time}  {}  {sentence}\n",
            record.sequence,
            record.kind.name()
        )
    };
    print(&text)
}

/// Prints the account's public key; replaces the one that signs, if asked to.
pub(super) fn key(here: &Here, rotate: bool) -> Result<bool, String> {
    settle_all(here);
    if rotate {
        let mut account = Account::open(&here.root).map_err(|e| e.to_string())?;
        account.replace_key().map_err(|e| e.to_string())?;
    }
    let (origin, key) = identity(&here.root).ok_or("nothing was recorded yet, so there is no key")?;
    print(&format!("{}\n", key.verifier(&origin)))
}
