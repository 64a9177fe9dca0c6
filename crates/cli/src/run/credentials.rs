//! The secrets of a run: opened outside, in the process that keeps them, and placeholders for the inside.

use crate::configuration::Places;
use fumehood_broker::{Machine, Told, Wanted};
use fumehood_destination::{Access, Rule};
use fumehood_policy::config::Allow;
use fumehood_policy::profile::{Profile, Refusal, SecretWish, no_way, way};
use fumehood_policy::value::Variables;
use fumehood_session::{Broker, Request};
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
}

/// How long a password manager may take, its question to the user included.
const PATIENCE: Duration = Duration::from_secs(120);

/// Opens what the profile wants. The variables that held a value are gone afterwards.
pub(super) fn open(profile: &Profile, places: &Places) -> Result<Credentials, String> {
    if profile.secrets.is_empty() {
        return Ok(Credentials::default());
    }
    let wanted: Vec<Wanted> = profile.secrets.iter().map(wanted).collect();
    let machine = Machine {
        home: Some(places.home.clone()),
        state: places.state(),
        patience: PATIENCE,
    };
    let (broker, told) = Broker::open(&wanted, &machine).map_err(|e| e.to_string())?;
    for wish in &profile.secrets {
        check(wish, &told, profile)?;
    }
    let files = profile
        .secrets
        .iter()
        .filter_map(|wish| file(wish, &told, &machine));
    Ok(Credentials {
        broker: Some(broker),
        files: files.collect::<Result<_, _>>()?,
        told,
    })
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
