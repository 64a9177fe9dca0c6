//! `fumehood secret`: the store of secrets. Values go in; none ever comes out here.

use crate::FAILED;
use crate::arguments::{SecretAddArguments, SecretVerb};
use crate::policy::places;
use crate::say;
use fumehood_broker::{Secret, Store, Stored};
use fumehood_policy::json::Json;
use fumehood_policy::value::{EnvName, HostPort, Invalid};
use regex_lite::Regex;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{IsTerminal, Read, Write};
use zeroize::Zeroizing;

/// Adds, lists or removes; 1 where there is nothing to remove.
pub(crate) fn secret(verb: &SecretVerb) -> u8 {
    let done = match verb {
        SecretVerb::Add(arguments) => add(arguments),
        SecretVerb::List { json } => list(*json),
        SecretVerb::Rm { name } => remove(name),
    };
    done.unwrap_or_else(|text| {
        say::error(&text);
        FAILED
    })
}

fn outside() -> Result<(), String> {
    match std::env::var_os("FUMEHOOD") {
        Some(_) => Err("secrets are kept outside: this is a sandbox".to_owned()),
        None => Ok(()),
    }
}

fn named(text: &str) -> Result<EnvName, String> {
    text.parse().map_err(|e: Invalid| format!("{e}; {}", e.help))
}

fn add(arguments: &SecretAddArguments) -> Result<u8, String> {
    outside()?;
    let name = named(&arguments.name)?;
    let hosts = arguments.hosts.iter().map(|host| {
        let parsed = host.parse::<HostPort>();
        parsed.map_err(|e| format!("--for: {e}; {}", e.help))
    });
    let hosts = hosts.collect::<Result<Vec<_>, _>>()?;
    let require = arguments.require.as_deref().map(pattern).transpose()?;
    let store = Store::create(&places()?.state()).map_err(|e| e.to_string())?;
    let unusable = |e| format!("{name} is not stored: {e}");
    let value = Secret::new(ask(&name)?).map_err(unusable)?;
    let value = value.require(require.as_ref()).map_err(unusable)?;
    let shown: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let stored = Stored {
        value,
        hosts,
        require,
    };
    store.put(&name, &stored).map_err(|e| e.to_string())?;
    say::line(&format!("{name} is stored, for {}", shown.join(", ")));
    Ok(0)
}

fn pattern(text: &str) -> Result<Regex, String> {
    let good = (!text.contains('\n')).then(|| Regex::new(text).ok()).flatten();
    good.ok_or_else(|| {
        "--require: not a regular expression that is understood here, such as ^sk_test_".to_owned()
    })
}

/// More than any secret; a longer input is refused as such.
const MOST: u64 = 64 * 1024;

/// From standard input; at a terminal after a question, and unseen.
fn ask(name: &EnvName) -> Result<Zeroizing<Vec<u8>>, String> {
    let stdin = std::io::stdin();
    let failed = |e: std::io::Error| format!("{name}: the value cannot be read: {e}");
    // Not through the buffer of `Stdin`, which would keep a copy.
    let mut input = std::fs::File::from(rustix::io::dup(&stdin).map_err(|e| failed(e.into()))?);
    if !stdin.is_terminal() {
        let mut value = Zeroizing::new(Vec::with_capacity(MOST as usize + 1));
        (&mut input).take(MOST).read_to_end(&mut value).map_err(failed)?;
        return Ok(value);
    }
    let before = tcgetattr(&stdin).map_err(|e| failed(e.into()))?;
    let mut silent = before.clone();
    silent.local_modes -= LocalModes::ECHO;
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(|e| failed(e.into()))?;
    let _closed = write!(std::io::stderr(), "fumehood: value of {name} (not shown): ");
    let value = line(&mut input);
    let _restored = tcsetattr(&stdin, OptionalActions::Flush, &before);
    let _closed = writeln!(std::io::stderr());
    value.map_err(failed)
}

fn line(input: &mut impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut value = Zeroizing::new(vec![0; MOST as usize]);
    // A terminal in line mode gives a whole line at once.
    let count = input.read(&mut value)?;
    value.truncate(count);
    Ok(value)
}

fn list(json: bool) -> Result<u8, String> {
    outside()?;
    let store = Store::open(&places()?.state()).map_err(|e| e.to_string())?;
    let names = store.as_ref().map_or(Ok(Vec::new()), Store::names);
    let mut shown = Vec::new();
    let mut status = 0;
    for name in names.map_err(|e| e.to_string())? {
        match store.as_ref().map(|s| s.get(&name)) {
            Some(Ok(Some(stored))) => shown.push((name, stored)),
            Some(Err(e)) => {
                say::error(&e.to_string());
                status = 1;
            }
            _ => {}
        }
    }
    let text = if json { as_json(&shown) } else { as_lines(&shown) };
    let _closed = std::io::stdout().write_all(text.as_bytes());
    Ok(status)
}

fn hosts(stored: &Stored) -> impl Iterator<Item = String> {
    stored.hosts.iter().map(ToString::to_string)
}

fn as_lines(shown: &[(EnvName, Stored)]) -> String {
    let line = |(name, stored): &(EnvName, Stored)| {
        let hosts: Vec<String> = hosts(stored).collect();
        format!("{name}\t{}\n", hosts.join(" "))
    };
    shown.iter().map(line).collect()
}

fn as_json(shown: &[(EnvName, Stored)]) -> String {
    let entry = |(name, stored): &(EnvName, Stored)| {
        Json::Object(vec![
            ("name", Json::text(name)),
            ("for", Json::List(hosts(stored).map(Json::text).collect())),
        ])
    };
    format!("{}\n", Json::List(shown.iter().map(entry).collect()))
}

fn remove(name: &str) -> Result<u8, String> {
    outside()?;
    let name = named(name)?;
    let store = Store::open(&places()?.state()).map_err(|e| e.to_string())?;
    let removed = store.map_or(Ok(false), |s| s.remove(&name));
    if removed.map_err(|e| e.to_string())? {
        say::line(&format!("{name} is removed"));
        return Ok(0);
    }
    say::error(&format!("the store has no {name}"));
    Ok(1)
}
