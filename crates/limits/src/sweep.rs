//! Removing what dead supervisors left whose janitor died too.

use crate::error::Error;
use crate::files::{Files, Host};
use crate::hierarchy::Hierarchies;
use crate::kill;
use crate::owner::Owner;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Kills and removes the groups of supervisors that are known to be dead, wherever this process would make its own;
/// returns how many directories went. Groups of the living, of other pid namespaces and of other users are left.
///
/// # Errors
/// When this process's own place cannot be read. A group that cannot be removed is left for the next sweep.
pub fn sweep_stale() -> Result<usize, Error> {
    Ok(sweep_in(
        &Host,
        &Hierarchies::of_this_process()?,
        &Owner::this_process()?,
    ))
}

pub(crate) fn sweep_in(files: &dyn Files, places: &Hierarchies, me: &Owner) -> usize {
    let stale: Vec<PathBuf> = stale(files, places, me);
    let gone = |group: &PathBuf| {
        let one = std::slice::from_ref(group);
        kill::kill(files, one)
            .and_then(|()| kill::remove(files, one))
            .is_ok()
    };
    stale.iter().filter(|group| gone(group)).count()
}

fn stale(files: &dyn Files, places: &Hierarchies, me: &Owner) -> Vec<PathBuf> {
    let v2 = places.v2.iter().flat_map(|own| own.upwards());
    let v1 = places.v1.iter().map(|(_, own)| own.own.as_path());
    let dirs: BTreeSet<_> = v2.chain(v1).collect();
    let within = dirs.into_iter().flat_map(|dir| {
        files
            .dirs(dir)
            .unwrap_or_default()
            .into_iter()
            .map(|name| dir.join(name))
    });
    within
        .filter(|group| owner(group).is_some_and(|owner| owner.is_dead(me)))
        .collect()
}

fn owner(group: &std::path::Path) -> Option<Owner> {
    Owner::of_name(group.file_name()?.to_str()?)
}
