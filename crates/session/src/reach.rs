//! Rules that change while the session runs: a host that may be reached from now on, for a time, or no longer. Each change is
//! a new set of rules, put in force as a whole; what no rule of it lets through is cut.

use crate::control::by;
use crate::log::Log;
use crate::network::{Watch, since_boot};
use fumehood_audit::{Entry, Kind};
use fumehood_destination::{Access, Rule, Rules};
use fumehood_monitor::desk::{Peer, Reply};
use fumehood_policy::config::Allow;
use fumehood_policy::value::HostPort;
use fumehood_sandbox::Way;
use std::time::Duration;

/// The most hosts that are allowed or taken away while a session runs.
const MOST: usize = 256;

/// What the rules are made of.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// As the session began.
    first: Vec<Rule>,
    /// Allowed since, and until when on the clock of [`since_boot`].
    given: Vec<(HostPort, Rule, Option<Duration>)>,
    /// Taken away since.
    taken: Vec<HostPort>,
    /// Whether programs inside trust the session's certificates.
    reads: bool,
}

impl Reach {
    pub(crate) fn new(rules: &Rules, reads: bool) -> Reach {
        Reach {
            first: rules.iter().cloned().collect(),
            reads,
            ..Reach::default()
        }
    }

    fn rules(&self) -> Result<Rules, String> {
        let first = self.first.iter();
        let left = first.filter(|rule| !self.taken.iter().any(|taken| rule.is_of(taken)));
        let given = self.given.iter().map(|(_, rule, _)| rule);
        Rules::new(left.chain(given).cloned().collect()).map_err(|e| e.to_string())
    }

    /// A rule more, or the reason why not.
    fn give(&mut self, host: HostPort, until: Option<Duration>, way: Option<Way>) -> Result<(), String> {
        let rule = Rule::new(&Allow::host(host.clone())).map_err(|e| e.to_string())?;
        if matches!(rule.access(), Access::Http(_)) && !self.reads {
            return Err(format!(
                "no rule of this session has requests read, so its programs trust no certificate that could be \
                 shown for {host}; begin it again with --allow {host}"
            ));
        }
        let listens = self.first.iter().any(|first| first.port() == rule.port());
        if way == Some(Way::Ports) && !listens {
            return Err(format!(
                "this kernel lets a session reach only the ports it began with; begin it again with --allow {host}"
            ));
        }
        self.taken.retain(|taken| *taken != host);
        self.given.retain(|(given, ..)| *given != host);
        if self.given.len() >= MOST {
            return Err(format!(
                "{MOST} hosts were allowed since it began, which is the most"
            ));
        }
        self.given.push((host, rule, until));
        Ok(())
    }

    fn take(&mut self, host: &HostPort) -> Result<(), String> {
        let before = self.given.len();
        self.given.retain(|(given, ..)| given != host);
        let first = self.first.iter().any(|rule| rule.is_of(host)) && !self.taken.contains(host);
        if !first && self.given.len() == before {
            return Err(format!("no rule of this session is for {host}, as it is written"));
        }
        if first && self.taken.len() < MOST {
            self.taken.push(host.clone());
        }
        Ok(())
    }

    /// Gives up what was for a time that is over. Whether there was any.
    fn forget(&mut self, now: Duration) -> bool {
        let before = self.given.len();
        self.given
            .retain(|(.., until)| until.is_none_or(|until| now < until));
        self.given.len() != before
    }
}

impl Watch {
    /// Somebody outside allows a host, or takes it away.
    pub(crate) fn reach(
        &mut self,
        (host, allow, span): (&str, bool, Option<u64>),
        peer: &Peer,
        log: &mut Log,
    ) -> Reply {
        let done = self.change(host, allow, span.map(Duration::from_millis));
        let entry = Entry::new(Kind::SessionAsk)
            .text("what", if allow { "allow host" } else { "deny host" })
            .text("host", host)
            .text("decision", if done.is_ok() { "allow" } else { "deny" });
        let entry = match span {
            Some(span) => entry.number("milliseconds", span),
            None => entry,
        };
        // Recorded before it is in force.
        log.record(by(entry, peer));
        match done.and_then(|(host, span)| self.put_in_force(log).map(|()| (host, span))) {
            Ok((host, span)) => Reply::Done(words(&host, allow, span)),
            Err(why) => Reply::Refused(why),
        }
    }

    fn change(
        &mut self,
        host: &str,
        allow: bool,
        span: Option<Duration>,
    ) -> Result<(HostPort, Option<Duration>), String> {
        let host: HostPort = host
            .parse()
            .map_err(|e: fumehood_policy::value::Invalid| format!("{e}; {}", e.help))?;
        if !allow {
            return self.reach.take(&host).map(|()| (host, None));
        }
        self.monitor
            .may_widen()
            .map_err(|why| format!("{} ({})", why.why, why.rule))?;
        let until = span.map(|span| since_boot().saturating_add(span));
        let way = self.way();
        self.reach.give(host.clone(), until, way)?;
        // Two that contradict each other: the newest gives way.
        if let Err(why) = self.reach.rules() {
            self.reach.given.retain(|(given, ..)| *given != host);
            return Err(why);
        }
        Ok((host, span))
    }

    fn put_in_force(&mut self, log: &mut Log) -> Result<(), String> {
        let rules = self.reach.rules()?;
        for action in self.monitor.set_rules(rules) {
            let _no_socket = self.act(action, None);
        }
        self.record(log);
        Ok(())
    }

    /// How long until a rule is over.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let untils = self.reach.given.iter().filter_map(|(.., until)| *until);
        untils.min().map(|until| until.saturating_sub(since_boot()))
    }

    /// Ends rules whose time is over.
    pub(crate) fn expire(&mut self, log: &mut Log) {
        if self.reach.forget(since_boot()) {
            let _those_before = self.put_in_force(log);
        }
    }
}

fn words(host: &HostPort, allow: bool, span: Option<Duration>) -> String {
    match (allow, span) {
        (false, _) => format!("{host} may not be reached any more; what was open is cut"),
        (true, None) => format!("{host} may be reached until the session ends, for reading"),
        (true, Some(span)) => {
            format!(
                "{host} may be reached for {} seconds, for reading",
                span.as_secs()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(hosts: &[&str]) -> Rules {
        let rule = |host: &&str| Rule::new(&Allow::host(host.parse().unwrap())).unwrap();
        Rules::new(hosts.iter().map(rule).collect()).unwrap()
    }

    fn shown(reach: &Reach) -> String {
        let rules = reach.rules().unwrap();
        rules
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn give(reach: &mut Reach, host: &str, until: Option<u64>) -> Result<(), String> {
        let until = until.map(Duration::from_secs);
        reach.give(host.parse().unwrap(), until, Some(Way::Transparent))
    }

    #[test]
    fn what_is_given_is_over_in_time_and_what_is_taken_is_gone() {
        let mut reach = Reach::new(&rules(&["a.example", "b.example:8443"]), true);
        give(&mut reach, "c.example", Some(9)).unwrap();
        give(&mut reach, "d.example", None).unwrap();
        assert_eq!(shown(&reach), "a.example b.example:8443 c.example d.example");
        reach.take(&"b.example:8443".parse().unwrap()).unwrap();
        assert_eq!(shown(&reach), "a.example c.example d.example");
        assert!(reach.take(&"b.example:8443".parse().unwrap()).is_err(), "twice");
        assert!(reach.take(&"x.example".parse().unwrap()).is_err());
        assert!(!reach.forget(Duration::from_secs(8)));
        assert!(reach.forget(Duration::from_secs(9)));
        assert_eq!(shown(&reach), "a.example d.example");
        give(&mut reach, "b.example:8443", None).unwrap();
        assert!(
            reach
                .rules()
                .unwrap()
                .iter()
                .any(|r| r.to_string() == "b.example:8443")
        );
    }

    #[test]
    fn what_could_not_work_is_refused_with_the_way_that_does() {
        let mut unread = Reach::new(&rules(&["a.example:5432"]), false);
        assert!(
            give(&mut unread, "b.example", None)
                .unwrap_err()
                .contains("--allow b.example")
        );
        assert_eq!(give(&mut unread, "b.example:5432", None), Ok(()));
        let host: HostPort = "c.example:22".parse().unwrap();
        assert!(unread.give(host, None, Some(Way::Ports)).is_err());
        assert!(give(&mut unread, "localhost:80", None).is_err());
    }
}
