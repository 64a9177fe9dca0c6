//! `fumehood trust`: accepting what a project's file asks for.

use crate::FAILED;
use crate::arguments::TrustArguments;
use crate::configuration::{now, real};
use crate::policy::places;
use crate::say;
use fumehood_policy::json::Json;
use fumehood_policy::locate::Loaded;
use fumehood_policy::trust::{Review, Store, review};
use fumehood_policy::{Escaped, Layer};
use std::io::{BufRead, IsTerminal, Write};

/// Shows what is new and, when agreed, accepts exactly this content.
pub(crate) fn trust(arguments: &TrustArguments) -> u8 {
    match attempt(arguments) {
        Ok(accepted) => u8::from(!accepted),
        Err(text) => {
            say::error(&text);
            FAILED
        }
    }
}

fn attempt(arguments: &TrustArguments) -> Result<bool, String> {
    if std::env::var_os("FUMEHOOD").is_some() {
        return Err("trust is given outside: this is a sandbox".to_owned());
    }
    let places = places()?;
    let file = places.files()?.into_iter().find(|f| f.layer == Layer::Project);
    let file = file.ok_or("there is no fumehood.toml here; `fumehood init` writes one")?;
    let config = file.parsed().into_result().map_err(|f| f.to_string())?;
    let store = Store::create(&places.state()).map_err(|e| e.to_string())?;
    let path = real(&file.path);
    let before = store.accepted(&path).map_err(|e| e.to_string())?;
    let review = review(&config, before.as_deref());
    show(&file, &review, arguments.json);
    let accepted = arguments.yes || review.new.is_empty() || agreed();
    if accepted {
        let since = u64::try_from(now()).unwrap_or(0);
        store
            .accept(&path, &file.bytes, since)
            .map_err(|e| e.to_string())?;
    }
    Ok(accepted)
}

fn show(file: &Loaded, review: &Review, json: bool) {
    let asks = review.new.iter();
    let text = if json {
        Json::Object(vec![
            ("file", Json::text(Escaped::from(file.path.as_path()))),
            ("new", Json::List(asks.map(Json::text).collect())),
            ("unchanged", Json::Number(review.unchanged as u64)),
        ])
        .to_string()
    } else if review.new.is_empty() {
        format!(
            "{}: nothing new is asked for ({} accepted before)",
            Escaped::from(file.path.as_path()),
            review.unchanged
        )
    } else {
        let lines: Vec<String> = asks.map(|a| format!("  {a}")).collect();
        format!(
            "{} asks to\n{}",
            Escaped::from(file.path.as_path()),
            lines.join("\n")
        )
    };
    let _closed = writeln!(std::io::stdout(), "{text}");
}

fn agreed() -> bool {
    if !std::io::stdin().is_terminal() {
        say::line("not accepted: say --yes, or answer at a terminal");
        return false;
    }
    let _closed = write!(std::io::stderr(), "fumehood: accept? [y/N] ");
    let mut answer = String::new();
    let _end = std::io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim(), "y" | "Y" | "yes")
}
