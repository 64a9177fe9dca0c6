//! Caches of the host, for a run that has a network: what is downloaded goes over them, into folders of the
//! run's own. Without a network there is nothing to write, and they are shown read-only.

use crate::configuration::Places;
use crate::say;
use crate::workspace::place;
use fumehood_policy::Escaped;
use fumehood_policy::profile::Profile;
use fumehood_sandbox::Level;
use fumehood_session::{Caches, Host, Request, Shown};
use std::path::PathBuf;

/// Puts layers over those that the request shows. Where the kernel takes none they stay read-only, which is
/// said.
pub(super) fn layer(
    host: &Host,
    request: &mut Request,
    profile: &Profile,
    places: &Places,
) -> Option<Caches> {
    if !request.network || request.level != Level::Namespace {
        return None;
    }
    let of_caches = |shown: &Shown| !shown.writable && profile.caches.iter().any(|c| c.target == shown.at);
    let over: Vec<Shown> = request.shown.iter().filter(|s| of_caches(s)).cloned().collect();
    if over.is_empty() {
        return None;
    }
    match make(host, &over, places) {
        Ok((caches, layered)) => {
            request.shown.retain(|shown| !over.contains(shown));
            request.layered = layered;
            Some(caches)
        }
        Err(why) => {
            let first = over.first().map_or(PathBuf::new(), |s| s.at.clone());
            say::line(&format!(
                "{} and other caches stay read-only: {why}",
                Escaped::from(first.as_path())
            ));
            None
        }
    }
}

type Layered = Vec<(Shown, fumehood_sandbox::Layers)>;

fn make(host: &Host, over: &[Shown], places: &Places) -> Result<(Caches, Layered), String> {
    let place = place(&places.state())?;
    let mut caches = Caches::make(&place).map_err(|e| e.to_string())?;
    let mut layered = Layered::new();
    for shown in over {
        layered.push((shown.clone(), caches.layers(host).map_err(|e| e.to_string())?));
    }
    Ok((caches, layered))
}
