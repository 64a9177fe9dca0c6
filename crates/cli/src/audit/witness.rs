//! `fumehood audit witness`: the account's head goes to those who were named in `[audit] witness`, and what they
//! countersigned is kept. `verify` asks them too, and whoever saw more than is there, or something else, says so.

use super::{Here, erase, print};
use crate::configuration::{Places, audit_wishes};
use crate::post::{Url, post};
use crate::run::log_root;
use crate::say;
use fumehood_audit::{Clock, Cosigned, Telling, Witness, WitnessError, submission, witness_key};
use fumehood_policy::Escaped;
use fumehood_policy::json::Json;
use std::os::fd::OwnedFd;
use std::path::Path;

/// How often it is told the head again, where it saw another one meanwhile.
const ATTEMPTS: usize = 16;

/// What came of asking one.
pub(super) enum Asked {
    /// It countersigned the head as it is.
    Seen(Cosigned),
    /// It saw another log, or more of this one than there is.
    Denied(String),
    /// It could not be asked, or did not want to.
    Silent(String),
}

/// The witnesses of the machine's and the user's configuration.
pub(super) fn configured(places: &Places) -> Result<Vec<Witness>, String> {
    parsed(&audit_wishes(places)?.witnesses)
}

fn parsed(texts: &[String]) -> Result<Vec<Witness>, String> {
    texts
        .iter()
        .map(|text| {
            let why = || {
                format!(
                    "audit.witness: {}: not a witness's address and key",
                    Escaped::from(text.as_str())
                )
            };
            Witness::parse(text).ok_or_else(why)
        })
        .collect()
}

/// Submits the account's head; learns from the witness what it saw last where it saw more than is kept here.
pub(super) fn ask(root: &Path, witness: &Witness) -> Asked {
    let Some(url) = Url::parse(witness.url()) else {
        return Asked::Silent("its address is not http://HOST or https://HOST".to_owned());
    };
    let mut old = witness.kept(root).map_or(0, |kept| kept.head.size);
    // What it saw may be newer than what is kept, and grow while it is asked: others tell it, too.
    for _ in 0..ATTEMPTS {
        let submitted = match submission(root, old) {
            Ok(submitted) => submitted,
            Err(error @ WitnessError::RolledBack { .. }) => return Asked::Denied(error.to_string()),
            Err(error) => return Asked::Silent(error.to_string()),
        };
        let (status, body) = match post(
            &url,
            "/add-checkpoint",
            "Content-Type: text/plain\r\n",
            &submitted.request,
        ) {
            Ok(answer) => answer,
            Err(why) => return Asked::Silent(why),
        };
        match status {
            200 => {
                return match witness.take(root, &submitted, &body) {
                    Ok(cosigned) => Asked::Seen(cosigned),
                    Err(error) => Asked::Silent(error.to_string()),
                };
            }
            409 => match body.trim().parse() {
                Ok(seen) if seen != old => old = seen,
                _ => return Asked::Silent("its answer contradicts itself".to_owned()),
            },
            422 => {
                return Asked::Denied(format!(
                    "another log: the first {old} records of the account's index are not those that the witness saw"
                ));
            }
            404 | 403 => {
                return Asked::Silent(
                    "it does not know this log; tell it what `fumehood audit witness --key` prints"
                        .to_owned(),
                );
            }
            other => return Asked::Silent(format!("it answered {other}")),
        }
    }
    Asked::Silent("its answers contradict each other".to_owned())
}

/// Asks all that are configured and says what they countersigned; no where one was not reached or denies.
pub(super) fn witness(here: &Here, key: bool, json: bool) -> Result<bool, String> {
    if key {
        let (origin, key) = witness_key(&here.root).map_err(|e| e.to_string())?;
        return print(&format!("{}\n", key.verifier(&origin)));
    }
    let all = configured(&here.places)?;
    if all.is_empty() {
        return Err(
            "no witness is named; write `witness = [\"URL KEY\"]` below [audit] in your configuration"
                .to_owned(),
        );
    }
    let mut good = true;
    let mut list = Vec::new();
    for one in &all {
        let asked = ask(&here.root, one);
        good &= matches!(asked, Asked::Seen(_));
        if json {
            list.push(as_json(one, &asked));
        } else {
            print(&format!("{}: {}\n", Escaped::from(one.name()), words(&asked)))?;
        }
    }
    if json {
        print(&format!("{}\n", Json::List(list)))?;
    }
    Ok(good)
}

pub(super) fn words(asked: &Asked) -> String {
    match asked {
        Asked::Seen(seen) => format!("{} records, witnessed until {}", seen.head.size, time(seen)),
        Asked::Denied(why) => format!("DENIES: {why}"),
        Asked::Silent(why) => format!("not asked: {}", Escaped::from(why.as_str())),
    }
}

pub(super) fn as_json(witness: &Witness, asked: &Asked) -> Json {
    let (state, records, until, why) = match asked {
        Asked::Seen(seen) => (
            "seen",
            Json::Number(seen.head.size),
            Json::text(time(seen)),
            Json::Null,
        ),
        Asked::Denied(why) => ("denied", Json::Null, Json::Null, Json::text(why)),
        Asked::Silent(why) => ("silent", Json::Null, Json::Null, Json::text(why)),
    };
    Json::Object(vec![
        ("witness", Json::text(witness.name())),
        ("state", Json::text(state)),
        ("records", records),
        ("until", until),
        ("why", why),
    ])
}

/// When a witness saw it.
pub(super) fn time(seen: &Cosigned) -> Clock {
    Clock::of_nanos(seen.time.saturating_mul(1_000_000_000))
}

/// After a run: a process that outlives it waits until the run's log has `ended`, submits the head, and erases what is
/// older than it is to be kept. What witnesses answered is kept beside the index, and `verify` tells it.
pub(crate) fn after_run(places: &Places, ended: Option<OwnedFd>) {
    let Ok(wishes) = audit_wishes(places) else { return };
    let all = parsed(&wishes.witnesses).unwrap_or_default();
    if all.is_empty() && wishes.keep.is_none() {
        return;
    }
    let root = log_root(&places.state());
    // The index has the session's end before the writer ends.
    let role = || {
        if let Some(keep) = wishes.keep {
            erase::older_than(&root, &places.state(), keep);
        }
        if let Ok(Some(_turn)) = Telling::turn(&root) {
            for one in &all {
                let _told_by_verify = ask(&root, one);
            }
        }
        0
    };
    if let Err(error) = fumehood_session::detached(c"fumehood-tell", ended, role) {
        say::line(&format!(
            "nobody was told of this run, and nothing was erased: {error:?}"
        ));
    }
}
