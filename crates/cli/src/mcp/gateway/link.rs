//! A server's process: what it is sent, and one thread that hears what it says. Whatever breaks the protocol, or floods,
//! is ended; whoever waits for an answer is told.

use crate::configuration::Places;
use crate::say;
use crate::tool::call::{Ran, sandboxed};
use fumehood_policy::Escaped;
use fumehood_policy::config::Upstream as Config;
use fumehood_tools::mcp::upstream::{self as protocol, Definition, Failure, Heard, MAX_MESSAGE, MAX_TOOLS};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one message may take to be taken.
const TAKEN: Duration = Duration::from_secs(10);
/// What a server has to end in, once it is told to.
const GRACE: Duration = Duration::from_secs(2);
/// Messages between two answers, and their bytes: beyond it a server floods.
const MESSAGES: u64 = 20_000;
const BYTES: u64 = 64 * 1024 * 1024;
/// Words of progress of one call that are passed on.
const PROGRESS: u32 = 1000;
/// Calls that are given up, whose late answers are no offence.
const FORGOTTEN: usize = 1024;
/// Bytes of what it says on its standard error that are kept, to say why it ended.
const SAID: usize = 2048;

/// What comes for a call.
pub(super) enum Came {
    /// How far it is: the parameters of the notification.
    Progress(Map<String, Value>),
    Answer(Result<Value, Failure>),
    /// The server is gone; why.
    Gone(String),
}

pub(super) struct Link {
    name: String,
    to: Mutex<ChildStdin>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    process: Option<i32>,
    next: u64,
    pending: BTreeMap<u64, (Sender<Came>, u32)>,
    forgotten: VecDeque<u64>,
    messages: u64,
    bytes: u64,
    said: Vec<u8>,
    /// It said that its tools are others now.
    stale: bool,
    /// Why it is not spoken to any more.
    broken: Option<String>,
    ended: bool,
}

impl Link {
    /// Begins the process, as the child of a thread that lives as long as it does: with that it ends too.
    pub(super) fn start(name: &str, config: &Config, places: &Arc<Places>) -> Result<Arc<Link>, String> {
        let words: Vec<OsString> = config.command().map(OsString::from).collect();
        let (begun, began) = channel();
        let (name, sandbox, places) = (name.to_owned(), config.sandbox.clone(), Arc::clone(places));
        let thread = std::thread::Builder::new()
            .name("server".to_owned())
            .spawn(move || {
                let ran = Ran {
                    words,
                    reach: None,
                    known: None,
                };
                let made = sandboxed(&name, &sandbox, None, ran, &places, None);
                let spawned = made.map_err(|e| e.to_string()).and_then(|mut command| {
                    command
                        .stdin(Stdio::piped())
                        .stdout(Stdio::piped())
                        .stderr(Stdio::piped());
                    command.spawn().map_err(|e| e.to_string())
                });
                let mut child = match spawned {
                    Ok(child) => child,
                    Err(why) => {
                        let _nobody_waits = begun.send(Err(why));
                        return;
                    }
                };
                let (Some(to), Some(from), Some(said)) =
                    (child.stdin.take(), child.stdout.take(), child.stderr.take())
                else {
                    return;
                };
                let _blocks_then =
                    fcntl_getfl(&to).and_then(|flags| fcntl_setfl(&to, flags | OFlags::NONBLOCK));
                let link = Arc::new(Link {
                    name,
                    to: Mutex::new(to),
                    state: Mutex::new(State {
                        process: i32::try_from(child.id()).ok(),
                        next: 1,
                        ..State::default()
                    }),
                    changed: Condvar::new(),
                });
                let _nobody_waits = begun.send(Ok(Arc::clone(&link)));
                let heard = Arc::clone(&link);
                let said = std::thread::spawn(move || heard.hear_errors(said));
                let why = link.hear(from);
                link.break_off(&why);
                link.kill();
                let _said_all = said.join();
                link.state().process = None; // under the lock: its number is free from here
                let status = child.wait().map(|s| s.to_string()).unwrap_or_default();
                link.over(&why, &status);
            });
        thread.map_err(|e| e.to_string())?;
        began
            .recv()
            .map_err(|_| "its process could not be begun".to_owned())?
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lives(&self) -> bool {
        self.state().broken.is_none()
    }

    /// Why it is gone.
    pub(super) fn why(&self) -> Option<String> {
        self.state().broken.clone()
    }

    /// The first words, and all of its tools.
    pub(super) fn begin(&self, within: Duration) -> Result<Vec<Definition>, String> {
        let until = Instant::now() + within;
        let params = protocol::initialize(env!("CARGO_PKG_VERSION"));
        protocol::initialized(&self.ask("initialize", &params, until)?)?;
        // What is said of changes before is seen with the first list.
        self.send(&protocol::notification("notifications/initialized", &json!({})))?;
        self.tools(until)
    }

    /// Its tools as they are now, where it said that they changed.
    pub(super) fn changed(&self, within: Duration) -> Result<Option<Vec<Definition>>, String> {
        if !std::mem::take(&mut self.state().stale) {
            return Ok(None);
        }
        self.tools(Instant::now() + within).map(Some)
    }

    fn tools(&self, until: Instant) -> Result<Vec<Definition>, String> {
        let mut found: Vec<Definition> = Vec::new();
        let mut params = json!({});
        loop {
            let page = self.ask("tools/list", &params, until)?;
            let none = Vec::new();
            for entry in page.get("tools").and_then(Value::as_array).unwrap_or(&none) {
                let tool = match Definition::read(entry) {
                    Ok(tool) => tool,
                    Err(why) => {
                        say::line(&format!("server {}: not offered: {why}", self.name));
                        continue;
                    }
                };
                if found.iter().any(|t| t.name == tool.name) {
                    return Err(format!("it has two tools of the name {}", tool.name));
                }
                found.push(tool);
            }
            if found.len() > MAX_TOOLS {
                return Err(format!("it has more than {MAX_TOOLS} tools"));
            }
            match page.get("nextCursor").and_then(Value::as_str) {
                Some(next) if !next.is_empty() && next.len() <= 4096 => params = json!({"cursor": next}),
                _ => return Ok(found),
            }
        }
    }

    /// Asks, and waits.
    fn ask(&self, method: &str, params: &Value, until: Instant) -> Result<Value, String> {
        let (number, came) = self.request(|_| (method.to_owned(), params.clone()))?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match came.recv_timeout(left) {
                Ok(Came::Answer(Ok(result))) => return Ok(result),
                Ok(Came::Answer(Err(failure))) => {
                    let words = Escaped::from(failure.message.as_str()).at_most(200).to_string();
                    return Err(format!("{method}: error {}: {words}", failure.code));
                }
                Ok(Came::Gone(why)) => return Err(why),
                Ok(Came::Progress(_)) => {}
                Err(_) => {
                    self.forget(number);
                    return Err(format!("{method} was not answered in time"));
                }
            }
        }
    }

    /// Asks something else.
    pub(super) fn pass(
        &self,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<(u64, Receiver<Came>), String> {
        self.request(|_| (method.to_owned(), Value::Object(params.clone())))
    }

    /// Calls a tool.
    pub(super) fn call(
        &self,
        tool: &str,
        arguments: &Map<String, Value>,
    ) -> Result<(u64, Receiver<Came>), String> {
        self.request(|number| ("tools/call".to_owned(), protocol::call(tool, arguments, number)))
    }

    fn request(&self, what: impl FnOnce(u64) -> (String, Value)) -> Result<(u64, Receiver<Came>), String> {
        let (to, came) = channel();
        let mut state = self.state();
        if let Some(why) = &state.broken {
            return Err(why.clone());
        }
        let number = state.next;
        state.next += 1;
        state.pending.insert(number, (to, 0));
        drop(state);
        let (method, params) = what(number);
        match self.send(&protocol::request(number, &method, &params)) {
            Ok(()) => Ok((number, came)),
            Err(why) => {
                self.break_off(&why);
                self.kill();
                Err(why)
            }
        }
    }

    /// Waits for an answer no more; whether one was waited for.
    pub(super) fn forget(&self, number: u64) -> bool {
        let mut state = self.state();
        if state.pending.remove(&number).is_none() {
            return false;
        }
        state.forgotten.push_back(number);
        if state.forgotten.len() > FORGOTTEN {
            state.forgotten.pop_front();
        }
        true
    }

    pub(super) fn tell_cancelled(&self, number: u64) {
        let params = json!({"requestId": number, "reason": "cancelled"});
        if let Err(why) = self.send(&protocol::notification("notifications/cancelled", &params)) {
            // Half a message may be on its way: nothing can follow it.
            self.break_off(&why);
            self.kill();
        }
    }

    /// One message, whole. Who does not take it in time is not spoken to any more.
    fn send(&self, message: &Value) -> Result<(), String> {
        let text = format!("{message}\n");
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = text.as_bytes();
        let until = Instant::now() + TAKEN;
        while !rest.is_empty() {
            match to.write(rest) {
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    let left = until.saturating_duration_since(Instant::now());
                    let left = Timespec::try_from(left).map_err(|e| e.to_string())?;
                    let mut one = [PollFd::from_borrowed_fd(to.as_fd(), PollFlags::OUT)];
                    if poll(&mut one, Some(&left)) == Ok(0) {
                        return Err("it does not take what it is sent".to_owned());
                    }
                }
                Err(e) => return Err(format!("it is gone: {e}")),
            }
        }
        Ok(())
    }

    /// Hears it until it ends or has to be ended; why.
    fn hear(&self, from: ChildStdout) -> String {
        let mut from = BufReader::with_capacity(64 * 1024, from);
        let mut line = Vec::new();
        loop {
            line.clear();
            let most = u64::try_from(MAX_MESSAGE).unwrap_or(u64::MAX).saturating_add(1);
            match from.by_ref().take(most).read_until(b'\n', &mut line) {
                Ok(0) => return "it ended".to_owned(),
                Ok(_) if !line.ends_with(b"\n") && line.len() > MAX_MESSAGE => {
                    return format!("a message longer than {MAX_MESSAGE} bytes");
                }
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => {
                    if let Err(why) = self.line(&line) {
                        return why;
                    }
                }
                Err(e) => return format!("it cannot be heard: {e}"),
            }
        }
    }

    fn line(&self, line: &[u8]) -> Result<(), String> {
        let heard = protocol::hear(line).map_err(|why| format!("it broke the protocol: {why}"))?;
        let mut state = self.state();
        state.messages += 1;
        state.bytes += line.len() as u64;
        if state.messages > MESSAGES || state.bytes > BYTES {
            return Err("it floods: too much without an answer".to_owned());
        }
        match heard {
            Heard::Answer(number, answer) => {
                if let Some((to, _)) = state.pending.remove(&number) {
                    (state.messages, state.bytes) = (0, 0);
                    let _gave_up = to.send(Came::Answer(answer));
                } else if !state.forgotten.contains(&number) {
                    return Err(format!("it answered {number}, which nobody asked"));
                }
                Ok(())
            }
            Heard::Notification(method, params) => {
                notified(&mut state, &method, params);
                Ok(())
            }
            Heard::Request(id, method, _) => {
                drop(state);
                let answer = match method.as_str() {
                    "ping" => protocol::reply(&id, &json!({})),
                    _ => protocol::refusal(&id),
                };
                self.send(&answer)
            }
        }
    }

    fn hear_errors(&self, mut from: ChildStderr) {
        let mut some = [0; 4096];
        while let Ok(n) = from.read(&mut some) {
            if n == 0 {
                return;
            }
            let mut state = self.state();
            state.said.extend_from_slice(some.get(..n).unwrap_or_default());
            let more = state.said.len().saturating_sub(SAID);
            state.said.drain(..more);
        }
    }

    /// Nothing is sent any more, and nobody waits.
    fn break_off(&self, why: &str) {
        let mut state = self.state();
        state.broken.get_or_insert_with(|| why.to_owned());
        let pending = std::mem::take(&mut state.pending);
        drop(state);
        for (to, _) in pending.into_values() {
            let _gave_up = to.send(Came::Gone(why.to_owned()));
        }
    }

    /// Its last words, for whoever asks why.
    fn over(&self, why: &str, status: &str) {
        let mut state = self.state();
        let said = String::from_utf8_lossy(&state.said).trim().to_owned();
        let last = said.lines().last().unwrap_or_default();
        let last = Escaped::from(last).at_most(200).to_string();
        state.broken = Some(format!("{why} ({status}) {last}").trim_end().to_owned());
        state.ended = true;
        drop(state);
        self.changed.notify_all();
    }

    fn signal(&self, signal: Signal) {
        // The number is the process's own for as long as it stands here.
        let state = self.state();
        if let Some(pid) = state.process.and_then(Pid::from_raw) {
            let _ended_already = kill_process(pid, signal);
        }
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to end, and after a while ends it.
    pub(super) fn end(&self) {
        self.break_off("its server is ended");
        self.signal(Signal::TERM);
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, GRACE, |s| !s.ended);
        drop(waited);
        self.kill();
        let state = self.state();
        let _late = self.changed.wait_timeout_while(state, GRACE, |s| !s.ended);
    }
}

fn notified(state: &mut State, method: &str, params: Option<Map<String, Value>>) {
    match method {
        "notifications/progress" => {
            let Some(params) = params else { return };
            let number = params.get("progressToken").and_then(Value::as_u64);
            let waiting = number.and_then(|n| state.pending.get_mut(&n));
            if let Some((to, told)) = waiting.filter(|(_, told)| *told < PROGRESS) {
                *told += 1;
                let _gave_up = to.send(Came::Progress(params));
            }
        }
        "notifications/tools/list_changed" => state.stale = true,
        _ => {}
    }
}
