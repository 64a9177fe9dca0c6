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
        // Another user's, which only root can clear away.
        .filter(|group| files.may_write(&group.join("cgroup.procs")).is_ok())
        .collect()
}

fn owner(group: &std::path::Path) -> Option<Owner> {
    Owner::of_name(group.file_name()?.to_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;
    use crate::hierarchy::Hierarchy;
    use std::path::Path;

    #[test]
    fn only_the_groups_of_the_dead_go() {
        let me = Owner::this_process().unwrap();
        let mine = me.name("x");
        let mut parts: Vec<String> = mine.split('-').map(Into::into).collect();
        let mut other = |at: usize, text: &str| std::mem::replace(&mut parts[at], text.into());
        let start = other(4, "1");
        let dead = parts.join("-");
        parts[1] = "1".into();
        let elsewhere = parts.join("-");
        assert!(mine.contains(&start));

        let fake = Fake::v2("pids");
        fake.cgroup("/cg/job", "pids");
        for name in [&mine, &dead, &elsewhere, "system.slice", "fumehood-1-2-3-4-5-"] {
            fake.cgroup(&format!("/cg/job/{name}"), "");
        }
        fake.cgroup(&format!("/cg/{dead}"), "");
        fake.cgroup(&format!("/cg/job/{dead}/inner"), "")
            .with_process(&format!("/cg/job/{dead}/inner"), 42);
        let foreign = dead.replace("-x", "-foreign");
        fake.cgroup(&format!("/cg/job/{foreign}"), "")
            .foreign(&format!("/cg/job/{foreign}"));
        let v2 = Some(Hierarchy {
            mount: "/cg".into(),
            own: "/cg/job".into(),
        });
        assert_eq!(sweep_in(&fake, &Hierarchies { v2, v1: Vec::new() }, &me), 2);
        assert!(fake.named(&dead).is_empty());
        assert_eq!(fake.dirs(Path::new("/cg/job")).unwrap().len(), 5);
    }
}
