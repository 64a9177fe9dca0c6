//! `fumehood port`: which ports of a session are open on this machine, and further ones.

use super::{Failure, PortArguments, ended, find, print};
use fumehood_policy::json::Json;
use fumehood_policy::value::Publish;

/// Opens what is asked for; says what is open otherwise.
pub(crate) fn port(arguments: &PortArguments) -> u8 {
    ended(attempt(arguments))
}

fn attempt(arguments: &PortArguments) -> Result<u8, Failure> {
    let wanted: Vec<Publish> = arguments
        .publish
        .iter()
        .map(|text| {
            text.parse()
                .map_err(|e: fumehood_policy::value::Invalid| format!("-p {e}; {}", e.help))
        })
        .collect::<Result<_, _>>()?;
    let session = find(arguments.session.as_deref())?;
    for one in &wanted {
        let published = crate::run::publish(one)?;
        let said = session.caller.publish(published.listener(), one.inside.get())?;
        if !arguments.json {
            print(&said);
        }
    }
    if !wanted.is_empty() && !arguments.json {
        return Ok(0);
    }
    let ports = session.caller.ports()?;
    if arguments.json {
        let one = |port: &fumehood_monitor::desk::PublishedPort| {
            Json::Object(vec![
                ("address", Json::text(port.outside.ip())),
                ("port", Json::Number(port.outside.port().into())),
                ("inside", Json::Number(port.inside.into())),
            ])
        };
        print(&Json::List(ports.iter().map(one).collect()).to_string());
    } else if ports.is_empty() {
        print("no port of the session is open on this machine; -p PORT opens one");
    }
    for port in ports.iter().filter(|_| !arguments.json) {
        print(&format!("{} leads to port {} inside", port.outside, port.inside));
    }
    Ok(0)
}
