//! The calls that are under way, of every client: begun, looked at, cancelled, ended.

use super::gateway::{Gateway, Tool, Under, Upstream};
use super::monitor::{Monitor, another, beside, own};
use super::read_output;
use super::taint::Taint;
use crate::configuration::Places;
use crate::tool::Edits;
use crate::tool::call::{CallError, Prepared, Watch};
use crate::tool::offered::Offered;
use fumehood_output::Store;
use fumehood_session::{Called, Leave, Standing};
use fumehood_tools::mcp::{Asked, Call, Id, Server, busy};
use fumehood_tools::{Effect, Guarded, Reach};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Calls at a time.
const MOST: usize = 8;
/// Between two words of how far a call is.
const PROGRESS: Duration = Duration::from_secs(1);
/// What a tool has to end in, once it is told to.
const GRACE: Duration = Duration::from_secs(2);

/// Where the messages of one call go.
pub(super) trait Out: Send + Sync {
    fn send(&self, message: &Value);
    /// Nothing more comes.
    fn over(&self);
}

/// A call under way: whose it is, what it is known by there, and its process.
struct Running {
    client: u64,
    id: Id,
    process: Option<u32>,
    /// What is asked of the monitor, and not answered.
    asked: Option<u64>,
    /// What another's server was asked, and has not answered.
    under: Option<Under>,
    cancelled: bool,
}

impl Running {
    fn is(&self, client: u64, id: &Id) -> bool {
        self.client == client && self.id == *id
    }
}

pub(super) struct Calls {
    server: Server,
    offered: Offered,
    gateway: Gateway,
    places: Arc<Places>,
    store: Store,
    /// Where files are edited.
    edits: Edits,
    monitor: Monitor,
    taint: Taint,
    running: Mutex<Vec<Running>>,
    changed: Condvar,
}

impl Calls {
    pub(super) fn new(
        server: Server,
        (offered, gateway): (Offered, Gateway),
        places: Arc<Places>,
        store: Store,
        (monitor, taint): (Monitor, Taint),
    ) -> Calls {
        Calls {
            server,
            offered,
            gateway,
            places,
            store,
            edits: Edits::default(),
            monitor,
            taint,
            running: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) const fn server(&self) -> &Server {
        &self.server
    }

    fn all(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call of a client, whose messages go to `out`.
    pub(super) fn begin(self: &Arc<Self>, client: u64, call: Call, out: Arc<dyn Out>) {
        if let Some(refused) = self.register(client, &call) {
            out.send(&refused);
            return out.over();
        }
        let (calls, id, to) = (Arc::clone(self), call.id.clone(), Arc::clone(&out));
        let thread = std::thread::Builder::new().spawn(move || {
            let reply = calls.perform(client, &call, to.as_ref());
            if !calls.finish(client, &call.id) {
                to.send(&reply);
            }
            to.over();
        });
        if thread.is_err() {
            self.finish(client, &id);
            out.over();
        }
    }

    /// Room for it, or what it is answered.
    fn register(&self, client: u64, call: &Call) -> Option<Value> {
        let mut all = self.all();
        if all.len() >= MOST {
            return Some(busy(call, MOST));
        }
        if all.iter().any(|c| c.is(client, &call.id)) {
            return Some(call.reply("a call of this id is under way", None, true));
        }
        all.push(Running {
            client,
            id: call.id.clone(),
            process: None,
            asked: None,
            under: None,
            cancelled: false,
        });
        None
    }

    /// The call is over; whether nobody waits for its answer.
    fn finish(&self, client: u64, id: &Id) -> bool {
        let mut all = self.all();
        let at = all.iter().position(|c| c.is(client, id));
        let cancelled = at.is_some_and(|at| all.swap_remove(at).cancelled);
        drop(all);
        self.changed.notify_all();
        cancelled
    }

    fn perform(&self, client: u64, wanted: &Call, out: &dyn Out) -> Value {
        if wanted.name == read_output::NAME {
            return match read_output::read(&self.store, &wanted.arguments) {
                Ok(text) => wanted.reply(&text, None, false),
                Err(why) => wanted.reply(&why, None, true),
            };
        }
        if let Some(of) = &wanted.asked {
            return self.passed(client, wanted, of, out);
        }
        if let Some(tool) = self.gateway.find(&wanted.name) {
            return self.theirs(client, wanted, tool, out);
        }
        let tool = match self.offered.find(&wanted.name) {
            Ok(tool) => tool,
            Err(why) => return wanted.unknown(&why),
        };
        let refused = |why: &str| wanted.reply(why, None, true);
        let prepared = match Prepared::new(tool, &Guarded::part(wanted.arguments.clone())) {
            Ok(prepared) => prepared,
            Err(CallError::Refused(why) | CallError::Failed(why)) => return refused(&why),
        };
        let outward = tool.effect() == Effect::Outward;
        let program = self.offered.executed(tool).ok().map(|e| e.program);
        let asked = self.taint.two(own(tool, program, &wanted.arguments), outward);
        let leave = match self.allowed(client, wanted, asked, out) {
            Ok(leave) => leave,
            Err(why) => return refused(&why),
        };
        let mut watch = Watching {
            calls: self,
            client,
            call: wanted,
            out,
            last: Instant::now(),
        };
        match prepared.perform(
            (tool, &self.offered),
            &self.places,
            (&self.store, &self.edits),
            &mut watch,
        ) {
            Ok(result) => {
                // What a database holds is not for everybody.
                let private = matches!(tool.reach(), Reach::Database(_));
                if result.is_untrusted() {
                    self.taint.came(&format!("tool:{}", tool.name()), private);
                }
                self.monitor.ended(leave, &result);
                wanted.reply(&result.text(), Some(result.json()), result.is_error())
            }
            Err(CallError::Refused(why) | CallError::Failed(why)) => {
                self.monitor.failed(leave);
                refused(&why)
            }
        }
    }

    /// A call of a tool of another's.
    fn theirs(&self, client: u64, wanted: &Call, tool: &Tool, out: &dyn Out) -> Value {
        let refused = |why: &str| wanted.reply(why, None, true);
        let asked = another(tool, &wanted.arguments);
        let asked = self.taint.look(asked, tool, &wanted.arguments);
        let leave = match self.allowed(client, wanted, asked, out) {
            Ok(leave) => leave,
            Err(why) => return refused(&why),
        };
        let given = tool.call(wanted, &self.store, out, |under| {
            self.set_under(client, &wanted.id, under)
        });
        // Also what it said of its failure.
        self.came(&tool.upstream);
        match given {
            Ok(given) => {
                self.monitor.given(leave, &given);
                wanted.given(given.result)
            }
            Err(why) => {
                self.monitor.failed(leave);
                refused(&why)
            }
        }
    }

    /// What is asked of another's server beside calls.
    fn passed(&self, client: u64, wanted: &Call, asked: &Asked, out: &dyn Out) -> Value {
        let failed = |why: &str| wanted.failed(-32603, why);
        let Some(upstream) = self.gateway.asked(asked) else {
            return failed("nobody here has that");
        };
        let effect = self
            .taint
            .two(beside(upstream, asked), upstream.class() == "outward");
        let leave = match self.allowed(client, wanted, effect, out) {
            Ok(leave) => leave,
            Err(why) => return failed(&why),
        };
        let given = upstream.pass(wanted, asked, &self.store, out, |under| {
            self.set_under(client, &wanted.id, under);
        });
        // Also what it said of its failure.
        self.came(upstream);
        match given {
            Ok(Ok(result)) => {
                self.monitor.passed(leave, &result);
                wanted.given(result)
            }
            Ok(Err(failure)) => {
                self.monitor.failed(leave);
                wanted.failed(failure.code, &failure.message)
            }
            Err(why) => {
                self.monitor.failed(leave);
                failed(&why)
            }
        }
    }

    /// A server's words are in the session.
    fn came(&self, upstream: &Upstream) {
        self.taint
            .came(&format!("mcp:{}", upstream.name), upstream.is_private());
    }

    fn set_under(&self, client: u64, id: &Id, under: Under) {
        let mut all = self.all();
        let Some(found) = all.iter_mut().find(|c| c.is(client, id)) else {
            return;
        };
        if found.cancelled {
            drop(all);
            return under.cancel();
        }
        found.under = Some(under);
    }

    /// Asks the monitor, and waits for a person where one is asked.
    fn allowed(&self, client: u64, call: &Call, called: Called, out: &dyn Out) -> Result<Leave, String> {
        let (number, standing) = self.monitor.ask(called);
        self.asks(client, &call.id, Some(number));
        let answer = loop {
            match standing.recv() {
                Ok(Standing::Waits(words)) => {
                    if let Some(message) = call.told(&words) {
                        out.send(&message);
                    }
                }
                Ok(Standing::Go(leave)) => break Ok(leave),
                Ok(Standing::No(why)) => break Err(why),
                Err(_) => break Err("nobody waits for it any more".to_owned()),
            }
        };
        self.asks(client, &call.id, None);
        answer
    }

    fn asks(&self, client: u64, id: &Id, asked: Option<u64>) {
        let mut all = self.all();
        if let Some(found) = all.iter_mut().find(|c| c.is(client, id)) {
            found.asked = asked;
            if let (true, Some(number)) = (found.cancelled, asked) {
                self.monitor.gone(number); // before it was asked
            }
        }
    }

    /// Ends one call, which is not answered.
    pub(super) fn cancel(&self, client: u64, id: &Id) {
        self.end(|c| c.is(client, id));
    }

    /// A client is gone: so is what it called.
    pub(super) fn end_client(&self, client: u64) {
        self.end(|c| c.client == client);
    }

    /// All clients are.
    pub(super) fn end_all(&self) {
        self.end(|_| true);
        let all = self.all();
        let _ended_or_late = self.changed.wait_timeout_while(all, GRACE, |all| !all.is_empty());
    }

    /// The session is over; nothing is called any more.
    pub(super) fn over(&self) {
        self.gateway.end();
        if let Some(said) = self.edits.over() {
            crate::say::line(&said);
        }
        self.monitor.over();
    }

    /// Asks them to end, and after a while ends them: with its supervisor a sandbox is gone.
    fn end(&self, which: impl Fn(&Running) -> bool) {
        let mut all = self.all();
        for found in all.iter_mut().filter(|c| which(c)) {
            found.cancelled = true;
            signal(found.process, Signal::TERM);
            found
                .asked
                .into_iter()
                .for_each(|number| self.monitor.gone(number));
            found.under.take().iter().for_each(Under::cancel);
        }
        let runs = |all: &mut Vec<Running>| all.iter().any(|c| which(c) && c.process.is_some());
        let waited = self.changed.wait_timeout_while(all, GRACE, runs);
        let (all, _late) = waited.unwrap_or_else(PoisonError::into_inner);
        // Under the lock no number is given to another process: it is let go before it is waited for.
        for left in all.iter().filter(|c| which(c)) {
            signal(left.process, Signal::KILL);
        }
    }
}

fn signal(process: Option<u32>, signal: Signal) {
    let pid = process
        .and_then(|p| i32::try_from(p).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ended_already = kill_process(pid, signal);
    }
}

/// Looks on at one call: for its end, and for a client that wants to know how far it is.
struct Watching<'d> {
    calls: &'d Calls,
    client: u64,
    call: &'d Call,
    out: &'d dyn Out,
    last: Instant,
}

impl Watching<'_> {
    fn set(&self, process: Option<u32>) {
        let mut all = self.calls.all();
        if let Some(found) = all.iter_mut().find(|c| c.is(self.client, &self.call.id)) {
            found.process = process;
            if found.cancelled {
                signal(process, Signal::KILL); // before it began
            }
        }
        drop(all);
        self.calls.changed.notify_all();
    }
}

impl Watch for Watching<'_> {
    fn begun(&mut self, process: u32) {
        self.set(Some(process));
    }

    fn printed(&mut self, bytes: u64) {
        if self.last.elapsed() < PROGRESS {
            return;
        }
        self.last = Instant::now();
        if let Some(message) = self.call.progressed(bytes) {
            self.out.send(&message);
        }
    }

    fn over(&mut self) {
        self.set(None);
    }

    fn is_cancelled(&self) -> bool {
        let all = self.calls.all();
        let found = all.iter().find(|c| c.is(self.client, &self.call.id));
        found.is_some_and(|c| c.cancelled)
    }
}
