//! Servers of tools that others wrote, each in a sandbox of its own: what of them is offered, and how they are called.

mod link;
mod shown;

use super::calls::Out;
use crate::configuration::Places;
use crate::say;
use crate::tool::offered::Offered;
use crate::tool::pins::{Kept, read, write};
use fumehood_output::Store;
use fumehood_policy::Escaped;
use fumehood_policy::config::{Pass, Upstream as Config};
use fumehood_tools::mcp::upstream::{Definition, Failure, Pins, Standing};
use fumehood_tools::mcp::{Asked, Call, Passes};
use link::{Came, Link};
use serde_json::Value;
use shown::{passed_on, shown};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a server has to begin in, and to say what it has.
const START: Duration = Duration::from_secs(60);
/// How long a call takes where the configuration does not say.
const CALL: Duration = Duration::from_secs(120);
/// A server that ended this often in [`AGAIN`] is not begun again.
const STARTS: usize = 4;
const AGAIN: Duration = Duration::from_secs(60);

/// A server of the configuration.
pub(crate) struct Upstream {
    pub(crate) name: String,
    config: Config,
    places: Arc<Places>,
    /// Where what a person has seen of its tools is kept.
    pins: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    starts: Vec<Instant>,
    /// What it said last of its tools.
    found: Vec<Definition>,
}

/// One of its tools, as it is offered.
#[derive(Clone)]
pub(crate) struct Tool {
    pub(crate) upstream: Arc<Upstream>,
    /// What a client calls it.
    pub(crate) name: String,
    pub(crate) definition: Definition,
}

impl Upstream {
    pub(crate) fn new(name: String, config: Config, key: &str, places: Arc<Places>) -> Upstream {
        let pins = crate::tool::pins::path(&places, &name, key);
        Upstream {
            name,
            config,
            places,
            pins,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its process; begun where there is none.
    fn link(self: &Arc<Self>) -> Result<Arc<Link>, String> {
        let mut state = self.state();
        if let Some(link) = state.link.as_ref().filter(|l| l.lives()) {
            let link = Arc::clone(link);
            if let Some(found) = link
                .changed(START)
                .map_err(|why| format!("server {}: {why}", self.name))?
            {
                state.found = found;
            }
            return Ok(link);
        }
        let ended = state.link.take().map(|link| {
            link.end();
            link.why().unwrap_or_default()
        });
        let ended = ended.unwrap_or_default();
        let now = Instant::now();
        state.starts.retain(|at| now.duration_since(*at) < AGAIN);
        if state.starts.len() >= STARTS {
            return Err(format!(
                "server {} ended {STARTS} times in a minute: {ended}",
                self.name
            ));
        }
        state.starts.push(now);
        let link = Link::start(&self.name, &self.config, &self.places)?;
        let found = link.begin(START).map_err(|why| {
            link.end();
            // What it said last, where it is gone.
            let last = link.why().filter(|last| last.starts_with(&why)).unwrap_or(why);
            format!("server {}: {last}", self.name)
        })?;
        state.found = found;
        state.link = Some(Arc::clone(&link));
        Ok(link)
    }

    /// What it has, the first time pinned as it is.
    pub(crate) fn look(self: &Arc<Self>) -> Result<(Vec<Definition>, Pins), String> {
        self.link()?;
        let found = self.state().found.clone();
        match read(&self.pins)? {
            Some(pins) => Ok((found, pins)),
            None => {
                let pins = Pins::first(&found);
                write(&self.pins, &pins)?;
                say::line(&format!(
                    "server {}: {} tools, pinned as they are; see fumehood tool pins",
                    self.name,
                    found.len()
                ));
                Ok((found, pins))
            }
        }
    }

    /// What a client calls its tool; none where that one is not to be offered.
    fn offered_as(&self, tool: &str) -> Option<String> {
        let listed = self.config.tools.as_ref();
        if listed.is_some_and(|tools| !tools.iter().any(|t| t.value.as_str() == tool)) {
            return None;
        }
        let renamed = self
            .config
            .rename
            .iter()
            .find(|(from, _)| from.value.as_str() == tool);
        let own = || match &self.config.prefix {
            Some(prefix) => format!("{prefix}{tool}"),
            None => format!("{}_{tool}", self.name),
        };
        Some(renamed.map_or_else(own, |(_, to)| to.to_string()))
    }

    /// Parameters of its tool by which something leaves.
    pub(crate) fn sinks(&self, tool: &str) -> impl Iterator<Item = &str> {
        let of = self
            .config
            .sinks
            .iter()
            .filter(move |(name, _)| name.value.as_str() == tool);
        of.flat_map(|(_, names)| names.iter().map(|n| n.value.as_str()))
    }

    /// Whether what it gives is not for everybody.
    pub(crate) const fn is_private(&self) -> bool {
        self.config.private
    }

    /// Whether its calls wait for a person.
    pub(crate) fn holds(&self, tool: &str) -> bool {
        self.config.hold.iter().any(|t| t.value.as_str() == tool)
    }

    /// What it may do beside answering, in a word: from its sandbox.
    pub(crate) fn class(&self) -> &'static str {
        crate::tool::class(&self.config.sandbox)
    }

    /// Ends its process.
    pub(crate) fn end(&self) {
        let link = self.state().link.take();
        if let Some(link) = link {
            link.end();
        }
    }
}

/// All servers, begun at the same time, and those of their tools that are offered.
#[derive(Default)]
pub(crate) struct Gateway {
    upstreams: Vec<Arc<Upstream>>,
    pub(crate) tools: Vec<Tool>,
    /// What is not offered, and why.
    pub(crate) left_out: Vec<String>,
}

impl Gateway {
    /// Begins them. Names that are taken already stay whose they are.
    pub(crate) fn start(upstreams: Vec<Arc<Upstream>>, own: &Offered) -> Gateway {
        let looks: Vec<_> = upstreams
            .iter()
            .map(|upstream| {
                let upstream = Arc::clone(upstream);
                std::thread::spawn(move || upstream.look())
            })
            .collect();
        let mut gateway = Gateway::default();
        for (upstream, look) in upstreams.iter().zip(looks) {
            match look.join() {
                Ok(Ok((found, pins))) => gateway.add(upstream, &found, &pins, own),
                Ok(Err(why)) => gateway.left_out.push(why),
                Err(_) => gateway
                    .left_out
                    .push(format!("server {} could not be begun", upstream.name)),
            }
        }
        gateway.upstreams = upstreams;
        gateway
    }

    fn add(&mut self, upstream: &Arc<Upstream>, found: &[Definition], pins: &Pins, own: &Offered) {
        for definition in found {
            let Some(name) = upstream.offered_as(&definition.name) else {
                continue;
            };
            let standing = pins.standing(definition);
            if standing != Standing::Pinned {
                self.left_out
                    .push(quarantined(&upstream.name, &definition.name, &standing));
                continue;
            }
            let taken = own.find(&name).is_ok()
                || name == super::read_output::NAME
                || self.tools.iter().any(|t| t.name == name);
            if taken || name.len() > 128 {
                self.left_out.push(format!(
                    "server {}: {name} is another tool's name already",
                    upstream.name
                ));
                continue;
            }
            self.tools.push(Tool {
                upstream: Arc::clone(upstream),
                name,
                definition: definition.clone(),
            });
        }
    }

    /// Whose resources, prompts, completions are passed on: the first's that has them.
    fn passing(&self, pass: Pass) -> Option<&Arc<Upstream>> {
        let has = |u: &&Arc<Upstream>| u.config.pass.iter().any(|p| p.value == pass);
        self.upstreams.iter().find(has)
    }

    pub(crate) fn passes(&self) -> Passes {
        let has = |pass| self.passing(pass).is_some();
        Passes {
            resources: has(Pass::Resources),
            prompts: has(Pass::Prompts),
            completion: has(Pass::Completion),
        }
    }

    /// Who is asked this.
    pub(crate) fn asked(&self, asked: &Asked) -> Option<&Arc<Upstream>> {
        self.passing(match asked.method.split('/').next() {
            Some("resources") => Pass::Resources,
            Some("prompts") => Pass::Prompts,
            _ => Pass::Completion,
        })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|t| t.name == name)
    }

    /// Only these, where there are names; the names of ours that are left.
    pub(crate) fn only(&mut self, names: &[String]) -> Vec<String> {
        let (theirs, ours): (Vec<String>, Vec<String>) =
            names.iter().cloned().partition(|n| self.find(n).is_some());
        if !names.is_empty() {
            self.tools.retain(|t| theirs.contains(&t.name));
        }
        ours
    }

    pub(crate) fn end(&self) {
        self.upstreams.iter().for_each(|u| u.end());
    }
}

fn quarantined(upstream: &str, tool: &str, standing: &Standing) -> String {
    let what = match standing {
        Standing::Changed(_) => "is another than the one that was seen",
        _ => "is new",
    };
    format!("server {upstream}: tool {tool} {what}, and waits: look at it with fumehood tool pins {upstream}")
}

/// A call under way, for whoever cancels it.
pub(crate) struct Under(Arc<Link>, u64);

impl Under {
    /// Nobody waits from here on; a server that does not listen keeps nobody else waiting.
    pub(crate) fn cancel(&self) {
        let (link, number) = (Arc::clone(&self.0), self.1);
        if link.forget(number) {
            let _without_a_word = std::thread::Builder::new().spawn(move || link.tell_cancelled(number));
        }
    }
}

/// What a call gave.
pub(crate) struct Given {
    /// The result, as a client gets it.
    pub(crate) result: Value,
    pub(crate) failed: bool,
    pub(crate) bytes: u64,
    pub(crate) digest: fumehood_effect::Digest,
}

impl Tool {
    /// Whether it still is what a person has seen; why not.
    fn is_pinned(&self) -> Result<(), String> {
        let pins = read(&self.upstream.pins)?.unwrap_or_default();
        let found = self.upstream.state().found.clone();
        let now = found.iter().find(|d| d.name == self.definition.name);
        let Some(now) = now else {
            return Err(format!("server {} has no such tool any more", self.upstream.name));
        };
        let standing = pins.standing(now);
        if standing != Standing::Pinned || now.digest != self.definition.digest {
            return Err(quarantined(&self.upstream.name, &now.name, &standing));
        }
        Ok(())
    }

    /// Calls it. `begun` is given what cancels it.
    pub(in crate::mcp) fn call(
        &self,
        call: &Call,
        store: &Store,
        out: &dyn Out,
        begun: impl FnOnce(Under),
    ) -> Result<Given, String> {
        let upstream = &self.upstream;
        let link = upstream.link()?;
        self.is_pinned()?;
        let asked = link.call(&self.definition.name, &call.arguments)?;
        match upstream.answer(&link, asked, call, out, begun)? {
            Ok(result) => {
                let budget = upstream.config.sandbox.output.budget;
                shown(&upstream.name, &result, budget, store).map_err(|e| e.to_string())
            }
            Err(failure) => Err(upstream.words(&failure)),
        }
    }
}

impl Upstream {
    /// Asks it something else than a call: its answer as a client gets it, or its error.
    pub(in crate::mcp) fn pass(
        self: &Arc<Self>,
        call: &Call,
        asked: &Asked,
        store: &Store,
        out: &dyn Out,
        begun: impl FnOnce(Under),
    ) -> Result<Result<Value, Failure>, String> {
        let link = self.link()?;
        let number = link.pass(&asked.method, &asked.params)?;
        match self.answer(&link, number, call, out, begun)? {
            Ok(result) => {
                let budget = self.config.sandbox.output.budget;
                let passed = passed_on(&asked.method, &result, budget, store).map_err(|e| e.to_string())?;
                passed.map(Ok)
            }
            Err(failure) => Ok(Err(Failure {
                message: self.words(&failure),
                ..failure
            })),
        }
    }

    fn words(&self, failure: &Failure) -> String {
        let words = Escaped::from(failure.message.as_str()).at_most(400).to_string();
        format!("⟦{}⟧ error {}: {words}", self.name, failure.code)
    }

    /// Waits for an answer, and no longer than a call may take.
    fn answer(
        &self,
        link: &Arc<Link>,
        (number, came): (u64, Receiver<Came>),
        call: &Call,
        out: &dyn Out,
        begun: impl FnOnce(Under),
    ) -> Result<Result<Value, Failure>, String> {
        begun(Under(Arc::clone(link), number));
        let most = self.config.timeout.map_or(CALL, |t| t.duration());
        let until = Instant::now() + most;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match came.recv_timeout(left) {
                Ok(Came::Progress(message)) => {
                    if let Some(message) = call.passed_on(&message) {
                        out.send(&message);
                    }
                }
                Ok(Came::Answer(answer)) => return Ok(answer),
                Ok(Came::Gone(why)) => return Err(format!("server {}: {why}", self.name)),
                Err(RecvTimeoutError::Timeout) => {
                    if link.forget(number) {
                        link.tell_cancelled(number);
                    }
                    return Err(format!(
                        "server {}: no answer within {} s; `timeout` sets another time",
                        self.name,
                        most.as_secs()
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("nobody waits for it any more".to_owned());
                }
            }
        }
    }
}

/// For the verb that looks at pins.
pub(crate) fn kept(upstream: &Arc<Upstream>) -> Result<Kept, String> {
    let (found, pins) = upstream.look()?;
    Ok(Kept {
        path: upstream.pins.clone(),
        found,
        pins,
    })
}
