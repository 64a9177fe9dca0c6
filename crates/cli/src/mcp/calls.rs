//! The calls that are under way, of every client: begun, looked at, cancelled, ended.

use super::read_output;
use crate::configuration::Places;
use crate::tool::call::{CallError, Watch, call};
use crate::tool::offered::Offered;
use fumehood_output::Store;
use fumehood_tools::Guarded;
use fumehood_tools::mcp::{Call, Id, Server, busy};
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
    places: Places,
    store: Store,
    running: Mutex<Vec<Running>>,
    changed: Condvar,
}

impl Calls {
    pub(super) fn new(server: Server, offered: Offered, places: Places, store: Store) -> Calls {
        Calls {
            server,
            offered,
            places,
            store,
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
        let tool = match self.offered.find(&wanted.name) {
            Ok(tool) => tool,
            Err(why) => return wanted.unknown(&why),
        };
        let arguments = Guarded::part(wanted.arguments.clone());
        let mut watch = Watching {
            calls: self,
            client,
            call: wanted,
            out,
            last: Instant::now(),
        };
        match call(tool, &arguments, &self.places, &self.store, &mut watch) {
            Ok(result) => wanted.reply(&result.text(), Some(result.json()), result.is_error()),
            Err(CallError::Refused(why) | CallError::Failed(why)) => wanted.reply(&why, None, true),
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

    /// Asks them to end, and after a while ends them: with its supervisor a sandbox is gone.
    fn end(&self, which: impl Fn(&Running) -> bool) {
        let mut all = self.all();
        for found in all.iter_mut().filter(|c| which(c)) {
            found.cancelled = true;
            signal(found.process, Signal::TERM);
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
}
