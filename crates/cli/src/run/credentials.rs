//! The secrets of a run: opened outside, in the process that keeps them, and placeholders for the inside.

use crate::configuration::Places;
use crate::say;
use fumehood_broker::{Machine, Told, Wanted, WantedLogin, WantedPassword};
use fumehood_destination::{Access, Rule};
use fumehood_policy::Origin;
use fumehood_policy::config::Allow;
use fumehood_policy::origin::Sourced;
use fumehood_policy::preset::Login;
use fumehood_policy::profile::{NoWay, Profile, Refusal, SecretWish, no_way, way};
use fumehood_policy::value::Variables;
use fumehood_session::{Broker, Recording, Request};
use std::path::PathBuf;
use std::time::Duration;

/// What there is of secrets in a run.
#[derive(Default)]
pub(super) struct Credentials {
    /// The process that has them.
    pub(super) broker: Option<Broker>,
    /// What stands for each.
    told: Vec<Told>,
    /// Files with placeholders in them.
    files: Vec<(PathBuf, Vec<u8>)>,
    /// Files of logins, in the home; programs write them anew.
    logins: Vec<(PathBuf, Vec<u8>)>,
}

/// How long a password manager may take, its question to the user included.
const PATIENCE: Duration = Duration::from_secs(120);

/// Opens what the profile wants. The variables that held a value are gone afterwards. What the logins that are there
/// need of the network is allowed.
pub(super) fn open(
    profile: &mut Profile,
    places: &Places,
    recording: Option<&mut Recording>,
) -> Result<Credentials, String> {
    let machine = Machine {
        home: Some(places.home.clone()),
        state: places.state(),
        patience: PATIENCE,
    };
    let logins = logins(profile, &machine);
    let passwords = passwords(profile);
    if profile.secrets.is_empty() && logins.is_empty() && passwords.is_empty() {
        return Ok(Credentials::default());
    }
    let wanted: Vec<Wanted> = profile.secrets.iter().map(wanted).collect();
    let there: Vec<WantedLogin> = logins.iter().map(|(_, _, wanted)| wanted.clone()).collect();
    let (broker, told, opened) =
        Broker::open(&wanted, &there, &passwords, &machine, recording).map_err(|e| e.to_string())?;
    for wish in &profile.secrets {
        check(wish, &told, profile)?;
    }
    let files = profile
        .secrets
        .iter()
        .filter_map(|wish| file(wish, &told, &machine));
    let files = files.collect::<Result<_, _>>()?;
    let mut shown = Vec::new();
    for one in opened {
        let Some((origin, at, wanted)) = logins.get(one.number) else {
            continue;
        };
        match one.file {
            Err(why) => say::line(&format!("the login stays outside: {why}")),
            Ok(file) => {
                allow(profile, origin, &wanted.login)?;
                shown.push((at.clone(), file));
            }
        }
    }
    Ok(Credentials {
        broker: Some(broker),
        files,
        logins: shown,
        told,
    })
}

/// Passwords of databases.
fn passwords(profile: &Profile) -> Vec<WantedPassword> {
    let one = |database: &Sourced<(_, fumehood_policy::config::Postgres)>| {
        let (name, config): &(fumehood_policy::value::Label, _) = &database.value;
        Some(WantedPassword {
            name: name.to_string(),
            from: config.password.clone()?,
            origin: database.origin.to_string(),
        })
    };
    profile.network.databases.iter().filter_map(one).collect()
}

/// The logins whose files are there: who names it, its place inside, what is wanted.
fn logins(profile: &Profile, machine: &Machine) -> Vec<(Origin, PathBuf, WantedLogin)> {
    let one = |login: &Sourced<Login>| {
        let at = login.value.file.resolve(machine).filter(|p| p.is_absolute())?;
        let path = std::fs::canonicalize(&at).ok()?;
        let login = (login.origin.clone(), login.value.clone());
        Some((login.0, at, WantedLogin { login: login.1, path }))
    };
    profile.logins.iter().filter_map(one).collect()
}

/// Lets the run reach what a login's tokens are for. Bytes to none of it may pass unread (review F7).
fn allow(profile: &mut Profile, origin: &Origin, login: &Login) -> Result<(), String> {
    let unread = |allow: &Allow| !Rule::new(allow).is_ok_and(|r| matches!(r.access(), Access::Http(_)));
    let hosts = login.hosts.iter().chain(&login.issuers);
    let hosts: Vec<_> = hosts.cloned().collect();
    if let Err(NoWay::Tunnel(by, host)) = way(&hosts, &profile.network, unread) {
        return Err(format!(
            "{by}: bytes to `{host}` pass unread, and the login {} is for it; let requests to it be read",
            login.file
        ));
    }
    let allows = login.allows().into_iter().map(|value| Sourced {
        value,
        origin: origin.clone(),
    });
    profile.network.allow.extend(allows);
    Ok(())
}

/// The file in which programs inside look for a secret.
fn file(
    wish: &SecretWish,
    told: &[Told],
    variables: &impl Variables,
) -> Option<Result<(PathBuf, Vec<u8>), String>> {
    let file = wish.secret.as_ref()?.file.as_ref()?;
    let placeholder = &told.iter().find(|t| t.name == wish.name)?.placeholder;
    let path = file.path.resolve(variables).filter(|p| p.is_absolute());
    let content = file.content(placeholder).into_bytes();
    Some(path.map(|path| (path, content)).ok_or_else(|| {
        format!(
            "{}: secret {}: file: {} is no whole path here; begin it with `~/` or `/`",
            wish.origin, wish.name, file.path
        )
    }))
}

fn wanted(wish: &SecretWish) -> Wanted {
    Wanted {
        name: wish.name.clone(),
        secret: wish.secret.clone(),
        optional: wish.optional,
        origin: wish.origin.to_string(),
    }
}

/// The hosts of stored secrets are known now, and which rules have requests read is known here.
fn check(wish: &SecretWish, told: &[Told], profile: &Profile) -> Result<(), String> {
    let Some(told) = told.iter().find(|t| t.name == wish.name) else {
        return Ok(());
    };
    let unread = |allow: &Allow| !Rule::new(allow).is_ok_and(|r| matches!(r.access(), Access::Http(_)));
    way(&told.hosts, &profile.network, unread).map_err(|why| {
        let (reason, help) = no_way(&wish.name, &told.hosts, &why);
        let origin = wish.origin.clone();
        Refusal {
            key: "secret",
            origin,
            reason,
            help,
        }
        .to_string()
    })
}

impl Credentials {
    /// Puts placeholders where programs look, over whatever else would stand there.
    pub(super) fn place(&self, request: &mut Request) {
        let variables = self
            .told
            .iter()
            .map(|t| (t.name.as_str().into(), (&t.placeholder).into()));
        request.variables.extend(variables);
        request.files.extend(self.files.iter().cloned());
        request.written.extend(self.logins.iter().cloned());
    }

    /// In the words of the line that a run begins with.
    pub(super) fn words(&self) -> String {
        let one = |t: &Told| {
            let hosts: Vec<String> = t.hosts.iter().map(ToString::to_string).collect();
            format!("{} for {}", t.name, hosts.join(" "))
        };
        let all: Vec<String> = self.told.iter().map(one).collect();
        match all.as_slice() {
            [] => String::new(),
            all => format!("; placeholders of {}", all.join(", ")),
        }
    }

    /// Their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.told.iter().map(|t| t.name.to_string()).collect()
    }
}
