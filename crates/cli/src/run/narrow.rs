//! What a call of a tool has less than a session of this project: what it reaches is what its own flags name.

use fumehood_policy::Escaped;
use fumehood_policy::config::{Allow, Method, Postgres};
use fumehood_policy::origin::Origin;
use fumehood_policy::profile::Profile;
use fumehood_policy::value::{Label, Verdict};

/// Of network and secrets a tool has what its own flags name: neither what a file allows this project's sessions, nor
/// what presets bring; of variables not what a file gives them. Nothing of the host is written. `reach` is what a shipped tool has beside that.
pub(super) fn narrow(profile: &mut Profile, reach: Option<&str>) -> Result<(), String> {
    fn named(origin: &Origin) -> bool {
        matches!(origin, Origin::Flag(_))
    }
    let network = &mut profile.network;
    match reach {
        Some(GET) => network.allow.retain_mut(|s| by_get(&s.origin, &mut s.value)),
        _ => network.allow.retain(|s| named(&s.origin)),
    }
    network.publish.retain(|s| named(&s.origin));
    network.host_ports.retain(|s| named(&s.origin));
    let database = reach.and_then(|r| r.strip_prefix(DATABASE));
    network
        .databases
        .retain_mut(|s| read_only(database, &mut s.value));
    match database {
        Some(name) if network.databases.is_empty() => {
            let name = Escaped::from(name).at_most(80);
            return Err(format!(
                "database {name}: [postgres] names none like this any more"
            ));
        }
        None if reach.is_some_and(|r| r != GET) => {
            return Err("--reach: get, or postgres.NAME".to_owned());
        }
        _ => {}
    }
    profile.secrets.retain(|s| named(&s.origin));
    // What programs need (presets) stays; what files give this project's sessions is not a tool's.
    profile
        .env
        .items
        .retain(|item| !matches!(item.origin, Origin::File { .. }));
    // What is written there cannot be taken back, whatever the class of the tool says.
    profile.shown.iter_mut().for_each(|shown| shown.writable = false);
    profile.logins.clear();
    profile.homes.clear();
    // Who asks for what, and what a session would have had, is no concern of a call.
    profile.notices.clear();
    profile.waiting.clear();
    Ok(())
}

/// What a call reaches that may only read by GET.
pub(crate) const GET: &str = "get";
/// Before the name of a database.
pub(crate) const DATABASE: &str = "postgres.";

/// Whether a file's rule lets something be read by GET; then it lets through nothing else.
pub(crate) fn by_get(origin: &Origin, allow: &mut Allow) -> bool {
    let of_a_file = matches!(origin, Origin::File { .. });
    let reads = !allow.tunnel && (allow.methods.is_empty() || allow.methods.contains(&Method::Get));
    allow.methods = vec![Method::Get];
    of_a_file && reads
}

/// Whether it is the database of this name; then whatever changes something in it is denied.
fn read_only(wanted: Option<&str>, (name, database): &mut (Label, Postgres)) -> bool {
    let on = &mut database.on;
    for verdict in [&mut on.write, &mut on.ddl, &mut on.destroy] {
        *verdict = Some(Verdict::Deny);
    }
    wanted == Some(name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use fumehood_policy::config;
    use fumehood_policy::origin::Layer;

    #[test]
    fn only_what_files_let_read_is_left_and_only_by_get() {
        let text = r#"version = 1
[network]
allow = ["a.example", { host = "b.example", methods = ["GET", "POST"], paths = ["/v1/**"] }, { host = "c.example", methods = ["POST"] },
    { host = "d.example", tunnel = true }]
"#;
        let config = config::parse(Layer::User, "x", text.as_bytes())
            .into_result()
            .unwrap();
        let mut left = Vec::new();
        for at in &config.network.allow {
            let mut allow = at.value.clone();
            let origin = config.origin(at.pos);
            assert!(!by_get(&Origin::Preset("rust"), &mut allow.clone()));
            assert!(!by_get(&Origin::Flag("--allow"), &mut allow.clone()));
            if by_get(&origin, &mut allow) {
                assert_eq!(allow.methods, [Method::Get]);
                left.push((allow.host.to_string(), allow.paths.len()));
            }
        }
        assert_eq!(left, [("a.example".to_owned(), 0), ("b.example".to_owned(), 1)]);
    }

    #[test]
    fn a_database_is_only_read() {
        let text = "version = 1\n[postgres.dev]\nat = \"app@localhost:5432/shop\"\non = { write = \"allow\", destroy = \"allow\", read = \"hold\" }\n";
        let config = config::parse(Layer::User, "x", text.as_bytes())
            .into_result()
            .unwrap();
        let (name, database) = config.postgres[0].clone();
        let mut one = (name.value, database);
        assert!(!read_only(None, &mut one.clone()));
        assert!(!read_only(Some("other"), &mut one.clone()));
        assert!(read_only(Some("dev"), &mut one));
        let on = one.1.on;
        assert_eq!([on.write, on.ddl, on.destroy], [Some(Verdict::Deny); 3]);
        assert_eq!(on.read, Some(Verdict::Hold));
    }
}
