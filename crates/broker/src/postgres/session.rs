//! One client's session with a database.

use super::ask::Asking;
use super::link::{Incoming, Outgoing, link};
use super::relay::{BOUND, CLOSED, Expect, Outcome, PARSED, RUN, SHAPE, Settings, relay};
use super::server::{NoServer, Server, log_in, reach};
use crate::secret::Secret;
use crate::upstream::{Dial, Stream, Tls};
use fumehood_destination::Destination;
use fumehood_effect::EffectKind;
use fumehood_http::Denial;
use fumehood_monitor::{FlowId, MAX_SQL, OpenDatabase, Said, Statement};
use fumehood_policy::Escaped;
use fumehood_postgres::{
    Bind, Frontend, Greeting, Judged, Kind, MAX_MESSAGE, Means, Out, Startup, Target, greeting, judge, split,
};
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Passwords by the name of their database.
pub type Passwords = HashMap<String, Secret>;

/// How long a client may take to begin.
const BEGIN: Duration = Duration::from_secs(30);
/// Bytes of a batch that are kept until it is ended.
const MAX_BATCH: usize = 8 << 20;
/// Prepared statements of one connection.
const MAX_NAMES: usize = 4096;
/// Bytes that a client may say while a person is asked.
const AHEAD: usize = 1 << 20;
/// What the gate's own savepoint and statement are called.
const OURS: &str = "_fumehood";

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Postgres<D> {
    pub(crate) passwords: Passwords,
    pub(crate) asking: Arc<Asking>,
    pub(crate) tls: Option<Tls>,
    pub(crate) dial: D,
    open: Mutex<HashMap<(u32, Vec<u8>), Cancel>>,
}

/// How the statements of a session are cancelled.
#[derive(Clone, Debug)]
struct Cancel {
    key: (u32, Vec<u8>),
    to: Destination,
    permitted: Vec<IpAddr>,
    /// Whoever waits for a person.
    told: Arc<Notify>,
}

impl<D: Dial> Postgres<D> {
    pub(crate) fn new(passwords: Passwords, asking: Arc<Asking>, tls: Option<Tls>, dial: D) -> Postgres<D> {
        Postgres {
            passwords,
            asking,
            tls,
            dial,
            open: Mutex::default(),
        }
    }

    /// Serves one client to its end.
    pub(crate) async fn serve(&self, open: OpenDatabase, end: OwnedFd) {
        let stream = std::os::unix::net::UnixStream::from(end);
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let Ok(stream) = UnixStream::from_std(stream) else {
            return;
        };
        let (incoming, mut outgoing) = link(stream);
        if let Err(why) = self.begin(open, incoming, &mut outgoing).await {
            // Nobody to be told is nobody's fault.
            let mut out = Out::default();
            let words = format!("fumehood: the connection is ended: {why}");
            out.report(b'E', "FATAL", "08P01", &[(b'M', &words)]);
            outgoing.out.extend_from_slice(&out.0);
            let _gone = outgoing.flush().await;
        }
    }

    async fn begin(
        &self,
        open: OpenDatabase,
        mut client: Incoming<UnixStream>,
        back: &mut Outgoing<UnixStream>,
    ) -> io::Result<()> {
        let first = timeout(BEGIN, first(&mut client))
            .await
            .map_err(io::Error::other)??;
        let startup = match first {
            Greeting::Cancel(process, secret) => return self.cancel(process, secret).await,
            Greeting::Startup(startup) => startup,
            Greeting::Tls | Greeting::Gss => return Err(io::Error::other("it asks for encryption twice")),
        };
        if let Err(why) = meant(&startup, &open) {
            return refuse(
                back,
                "28000",
                &why,
                &format!("[postgres.{}] names what may be reached", open.name),
            )
            .await;
        }
        let newer = startup.newer.clone();
        let server = match self.connect(&open, &startup).await {
            Ok(server) => server,
            Err(NoServer::Refused(fields)) => {
                let mut out = Out::default();
                out.message(b'E', &[&fields]);
                back.out.extend_from_slice(&out.0);
                return back.flush().await;
            }
            Err(why) => {
                let why = format!("no connection to {}: {why}", open.destination);
                return refuse(back, "08001", &why, "").await;
            }
        };
        let Server {
            incoming,
            outgoing,
            settings,
            key,
        } = server;
        let told = Arc::new(Notify::new());
        let shown = self.remember(Cancel {
            key,
            to: open.destination.clone(),
            permitted: open.permitted.clone(),
            told: Arc::clone(&told),
        })?;
        let mut out = Out::default();
        if let Some(options) = newer {
            let count = u32::try_from(options.len()).unwrap_or(0).to_be_bytes();
            let names: Vec<u8> = options.iter().flat_map(|o| o.bytes().chain([0])).collect();
            out.message(b'v', &[&[0; 4], &count, &names]);
        }
        out.message(b'R', &[&[0; 4]]);
        out.0.extend_from_slice(&settings);
        out.message(b'K', &[&shown.0.to_be_bytes(), &shown.1]);
        out.message(b'Z', &[b"I"]);
        back.out.extend_from_slice(&out.0);
        back.flush().await?;
        let mut session = Session {
            known: known(&settings),
            client,
            back,
            server: incoming,
            to_server: outgoing,
            status: b'I',
            statements: HashMap::new(),
            portals: HashMap::new(),
            asking: Arc::clone(&self.asking),
            flow: open.flow,
            ask_reads: open.ask_reads,
            user: startup.user,
            database: startup.database,
            told,
        };
        let ended = session.run().await;
        self.lock().remove(&shown);
        match ended {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            ended => ended,
        }
    }

    async fn connect(&self, open: &OpenDatabase, startup: &Startup) -> Result<Server, NoServer> {
        let stream = reach(&open.destination, &open.permitted, self.tls.as_ref(), &self.dial).await?;
        log_in(stream, startup, self.passwords.get(&open.name)).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(u32, Vec<u8>), Cancel>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client has a key of its own: the server's would cancel from anywhere.
    fn remember(&self, cancel: Cancel) -> io::Result<(u32, Vec<u8>)> {
        let mut random = [0u8; 8];
        if getrandom(&mut random, GetRandomFlags::empty()) != Ok(random.len()) {
            return Err(io::Error::other("no random numbers"));
        }
        let (process, secret) = random.split_at(4);
        let process = process.iter().fold(0u32, |all, b| all << 8 | u32::from(*b)) & 0x7fff_ffff;
        let shown = (process, secret.to_vec());
        self.lock().insert(shown.clone(), cancel);
        Ok(shown)
    }

    async fn cancel(&self, process: u32, secret: Vec<u8>) -> io::Result<()> {
        let Some(cancel) = self.lock().get(&(process, secret)).cloned() else {
            return Ok(());
        };
        cancel.told.notify_waiters();
        let (process, secret) = cancel.key;
        let stream = reach(&cancel.to, &cancel.permitted, self.tls.as_ref(), &self.dial).await;
        let Ok(mut stream) = stream else { return Ok(()) };
        let length = u32::try_from(secret.len() + 12).unwrap_or(0).to_be_bytes();
        let packet = [
            &length[..],
            &80_877_102u32.to_be_bytes(),
            &process.to_be_bytes(),
            &secret,
        ]
        .concat();
        stream.write_all(&packet).await?;
        stream.flush().await?;
        let _closed = stream.shutdown().await;
        Ok(())
    }
}

async fn first(client: &mut Incoming<UnixStream>) -> io::Result<Greeting> {
    loop {
        match greeting(&client.buffer).map_err(io::Error::other)? {
            Some((found, length)) => {
                drop(client.buffer.split_to(length));
                return Ok(found);
            }
            None if client.fill().await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}

/// Whether what is asked for is what the configuration names.
fn meant(startup: &Startup, open: &OpenDatabase) -> Result<(), String> {
    let shown = |text: &str| Escaped::from(text).to_string();
    match &open.user {
        Some(user) if *user != startup.user => {
            return Err(format!("user {} is not {user}", shown(&startup.user)));
        }
        _ => {}
    }
    if startup.database != open.database {
        return Err(format!(
            "database {} is not {}",
            shown(&startup.database),
            open.database
        ));
    }
    Ok(())
}

async fn refuse(back: &mut Outgoing<UnixStream>, code: &str, why: &str, hint: &str) -> io::Result<()> {
    let mut out = Out::default();
    out.report(
        b'E',
        "FATAL",
        code,
        &[(b'M', &format!("fumehood: {why}")), (b'H', hint)],
    );
    back.out.extend_from_slice(&out.0);
    back.flush().await
}

/// Settings by name, of the messages of a login.
fn known(messages: &[u8]) -> Settings {
    let mut all = Settings::new();
    let mut rest = messages;
    while let Ok(Some(at)) = fumehood_postgres::header(rest, usize::MAX) {
        let Some((message, behind)) = rest.split_at_checked(at.length) else {
            break;
        };
        rest = behind;
        if let Ok(fumehood_postgres::Backend::Parameter(name, value)) = fumehood_postgres::backend(message) {
            all.insert(name.to_owned(), value.to_owned());
        }
    }
    all
}

/// A prepared statement of the client's.
#[derive(Clone, Debug)]
struct Prepared {
    text: Arc<str>,
    means: Arc<Means>,
}

/// How a batch of ours is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// As it is.
    Bare,
    /// So that it can only read.
    Reading,
    /// So that it can be taken back.
    Change,
}

/// What is sent, and what answers it.
#[derive(Default)]
struct Batch {
    out: Out,
    plan: VecDeque<Expect>,
}

impl Batch {
    /// A command of the gate's own, by names that disturb none of the client's.
    fn own(&mut self, text: &str) -> &mut Self {
        // A named statement for the command; the unnamed portal is gone with each anyway.
        self.out
            .parse(OURS, text)
            .bind(OURS, OURS)
            .execute(OURS)
            .close(OURS);
        self.plan
            .extend([PARSED, BOUND, RUN, CLOSED].map(Expect::Swallow));
        self.out.message(b'C', &[b"P", OURS.as_bytes(), b"\0"]);
        self.plan.push_back(Expect::Swallow(CLOSED));
        self
    }

    /// A statement from a simple query: answers in its form.
    fn simple(&mut self, text: &str) {
        self.out.parse("", text).bind("", "").describe("").execute("");
        self.plan.extend([
            Expect::Swallow(PARSED),
            Expect::Swallow(BOUND),
            Expect::Shape,
            Expect::Until(RUN),
        ]);
    }

    /// A message of the client's own.
    fn message(&mut self, raw: &[u8], expect: &'static [u8]) {
        self.out.0.extend_from_slice(raw);
        self.plan.push_back(Expect::Until(expect));
    }

    fn begin(&mut self, within: Within, status: u8) -> &mut Self {
        match (within, status) {
            (Within::Bare, _) => self,
            (Within::Reading, b'I') => self.own("BEGIN READ ONLY"),
            (Within::Reading, _) => self.own("SAVEPOINT _fumehood").own("SET TRANSACTION READ ONLY"),
            (Within::Change, b'I') => self.own("BEGIN"),
            (Within::Change, _) => self.own("SAVEPOINT _fumehood"),
        }
    }

    fn end(&mut self, within: Within, status: u8) -> &mut Self {
        match (within, status) {
            (Within::Bare, _) => self,
            (_, b'I') => self.own("COMMIT"),
            (_, _) => self.own("RELEASE SAVEPOINT _fumehood"),
        }
    }

    fn undo(&mut self, status: u8) -> &mut Self {
        if status == b'I' {
            self.own("ROLLBACK")
        } else {
            self.own("ROLLBACK TO SAVEPOINT _fumehood")
                .own("RELEASE SAVEPOINT _fumehood")
        }
    }
}

/// What of a client's batch belongs to one statement that changes something.
struct Change<'a> {
    text: &'a str,
    judged: &'a Judged,
    /// Parameters as they came.
    parameters: &'a [u8],
    batch: &'a (dyn Fn(&mut Batch) + Send + Sync),
}

/// Whether the rest of a batch goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    On,
    Stop,
}

struct Session<'a> {
    client: Incoming<UnixStream>,
    back: &'a mut Outgoing<UnixStream>,
    server: Incoming<Stream>,
    to_server: Outgoing<Stream>,
    /// As the server says, when nothing of the gate's is open.
    status: u8,
    known: Settings,
    statements: HashMap<String, Prepared>,
    /// Which statement a portal is of.
    portals: HashMap<String, Prepared>,
    asking: Arc<Asking>,
    flow: FlowId,
    ask_reads: bool,
    user: String,
    database: String,
    told: Arc<Notify>,
}

impl Session<'_> {
    async fn run(&mut self) -> io::Result<()> {
        let (mut batch, mut kept) = (Vec::new(), 0);
        loop {
            self.back.flush().await?;
            let message = self.client.message(MAX_MESSAGE).await?;
            kept += message.len();
            if kept > MAX_BATCH {
                return Err(io::Error::other("a batch is longer than what is read"));
            }
            match Frontend::read(&message).map_err(io::Error::other)? {
                Frontend::Terminate => return Ok(()),
                Frontend::Query(text) => {
                    let _whole = self.query(text).await?;
                    self.ready();
                    (batch, kept) = (Vec::new(), 0);
                }
                Frontend::Sync => {
                    let _whole = self.batch(&std::mem::take(&mut batch)).await?;
                    self.ready();
                    kept = 0;
                }
                Frontend::Flush => {
                    if self.batch(&std::mem::take(&mut batch)).await? == Next::Stop {
                        self.skip_to_sync().await?;
                        self.ready();
                    }
                    kept = 0;
                }
                Frontend::FunctionCall => {
                    self.error(
                        "0A000",
                        "the function call interface hides what runs; use a statement",
                        "",
                        "",
                    );
                    self.ready();
                }
                // After a copy that failed these are on their way still (the manual: "COPY Operations").
                Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail(_) => {}
                Frontend::Password(_) => return Err(io::Error::other("a password that nobody asked for")),
                Frontend::Parse { .. }
                | Frontend::Bind(_)
                | Frontend::Execute { .. }
                | Frontend::Describe(_)
                | Frontend::Close(_) => batch.push(message.freeze()),
            }
        }
    }

    fn ready(&mut self) {
        let mut out = Out::default();
        out.message(b'Z', &[&[self.status]]);
        self.back.out.extend_from_slice(&out.0);
    }

    async fn skip_to_sync(&mut self) -> io::Result<()> {
        self.back.flush().await?;
        loop {
            let message = self.client.message(MAX_MESSAGE).await?;
            match Frontend::read(&message).map_err(io::Error::other)? {
                Frontend::Sync => return Ok(()),
                Frontend::Terminate => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    fn error(&mut self, code: &str, why: &str, detail: &str, hint: &str) {
        let mut out = Out::default();
        let words = format!("fumehood: {why}");
        out.report(
            b'E',
            "ERROR",
            code,
            &[(b'M', &words), (b'D', detail), (b'H', hint)],
        );
        self.back.out.extend_from_slice(&out.0);
    }

    /// An error of ours: in a transaction the server must fail with it.
    async fn refuse(&mut self, denial: &Denial) -> io::Result<Next> {
        let detail = if denial.rule.is_empty() {
            String::new()
        } else {
            format!("rule: {}", denial.rule)
        };
        self.error("42501", &denial.reason, &detail, &denial.remedy);
        if self.status == b'T' {
            let mut batch = Batch::default();
            // No statement: an error that does nothing but end the transaction's work.
            batch.own("SELECT fumehood_refused_this_statement");
            let mut nobody = Vec::new();
            let outcome = self.exchange(batch, Some(&mut nobody)).await?;
            self.status = outcome.status;
        }
        Ok(Next::Stop)
    }

    /// Sends, ends the batch, and passes what answers it.
    async fn exchange(&mut self, mut batch: Batch, kept: Option<&mut Vec<u8>>) -> io::Result<Outcome> {
        batch.out.sync();
        self.send(batch, kept).await
    }

    async fn send(&mut self, batch: Batch, kept: Option<&mut Vec<u8>>) -> io::Result<Outcome> {
        self.to_server.out.extend_from_slice(&batch.out.0);
        self.to_server.flush().await?;
        relay(&mut self.server, self.back, batch.plan, kept, &mut self.known).await
    }

    /// Takes back what a failure left open of the gate's own.
    async fn clean(&mut self, outcome: &Outcome, before: u8) -> io::Result<()> {
        self.status = outcome.status;
        if before == b'I' && outcome.status != b'I' {
            let mut batch = Batch::default();
            batch.own("ROLLBACK");
            let undone = self.exchange(batch, None).await?;
            self.status = undone.status;
        }
        if before == b'I' && self.status != b'I' {
            return Err(io::Error::other(
                "a transaction of the gate's own cannot be ended",
            ));
        }
        Ok(())
    }

    /// A batch that is only the gate's wrapping and the client's reading.
    async fn within(&mut self, within: Within, fill: impl FnOnce(&mut Batch)) -> io::Result<Next> {
        let before = self.status;
        let mut batch = Batch::default();
        batch.begin(within, before);
        fill(&mut batch);
        batch.end(within, before);
        let outcome = self.exchange(batch, None).await?;
        if within == Within::Bare {
            self.status = outcome.status;
        } else {
            self.clean(&outcome, before).await?;
        }
        Ok(if outcome.failed { Next::Stop } else { Next::On })
    }

    /// A simple query: its statements one after the other, as one transaction where they are several.
    async fn query(&mut self, text: &str) -> io::Result<Next> {
        let parts: Vec<(&str, Means)> = match split(text) {
            Ok(parts) => parts
                .into_iter()
                .map(|part| (part, judge(part)))
                .filter(|(_, m)| *m != Means::Nothing)
                .collect(),
            Err(why) => {
                let denial = Denial::new(
                    403,
                    format!("held, not sent: the text cannot be told into statements: {why}"),
                );
                return self.refuse(&denial).await;
            }
        };
        if parts.is_empty() {
            let mut out = Out::default();
            out.message(b'I', &[]);
            self.back.out.extend_from_slice(&out.0);
            return Ok(Next::On);
        }
        let several = parts.len() > 1 && parts.iter().any(|(_, m)| matches!(m, Means::Effect(_)));
        let mut implicit = several
            && self.status == b'I'
            && !parts.iter().any(|(_, m)| matches!(m, Means::Begin | Means::End))
            && parts
                .iter()
                .all(|(_, m)| !matches!(m, Means::Effect(j) if !j.in_transaction));
        if implicit {
            self.within_nobody("BEGIN").await?;
        }
        let mut next = Next::On;
        for (part, means) in &parts {
            next = self.one(part, means).await?;
            if next == Next::Stop {
                break;
            }
        }
        if implicit {
            implicit = next == Next::On && self.status == b'T';
            let ended = self
                .within_nobody(if implicit { "COMMIT" } else { "ROLLBACK" })
                .await?;
            next = if ended == Next::Stop { Next::Stop } else { next };
        }
        Ok(next)
    }

    async fn within_nobody(&mut self, text: &str) -> io::Result<Next> {
        let mut batch = Batch::default();
        batch.own(text);
        let outcome = self.exchange(batch, None).await?;
        self.status = outcome.status;
        Ok(if outcome.failed { Next::Stop } else { Next::On })
    }

    /// One statement of a simple query.
    async fn one(&mut self, text: &str, means: &Means) -> io::Result<Next> {
        match means {
            Means::Nothing => Ok(Next::On),
            // Whatever it is, the server only says that its transaction failed.
            _ if self.status == b'E' => self.within(Within::Bare, |b| b.simple(text)).await,
            Means::Read | Means::CopyOut => {
                if let Next::Stop = self.may_read(text, b"").await? {
                    return Ok(Next::Stop);
                }
                self.within(Within::Reading, |b| b.simple(text)).await
            }
            Means::Begin | Means::End | Means::Savepoint | Means::Setting => {
                self.within(Within::Bare, |b| b.simple(text)).await
            }
            Means::Effect(judged) => {
                let fill = |b: &mut Batch| b.simple(text);
                let change = Change {
                    text,
                    judged,
                    parameters: b"",
                    batch: &fill,
                };
                self.change(&change).await
            }
        }
    }

    /// Where a rule concerns readings they are asked about too.
    async fn may_read(&mut self, text: &str, parameters: &[u8]) -> io::Result<Next> {
        if !self.ask_reads {
            return Ok(Next::On);
        }
        let statement = self.statement(text, parameters, None, |s| {
            s.kind = EffectKind::SqlRead;
            "reads rows".clone_into(&mut s.why);
            s.ordinary = true;
        });
        match self.asked(statement).await? {
            Ok(_) => Ok(Next::On),
            Err(denial) => self.refuse(&denial).await,
        }
    }

    /// What the supervisor is told of a statement.
    fn statement(
        &self,
        text: &str,
        parameters: &[u8],
        rows: Option<u64>,
        fill: impl FnOnce(&mut Statement),
    ) -> Statement {
        let mut hash = Sha256::new();
        for part in [
            self.user.as_bytes(),
            self.database.as_bytes(),
            text.as_bytes(),
            parameters,
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let content: [u8; 32] = hash.finalize().into();
        let mut statement = Statement {
            flow: self.flow,
            request: 0,
            kind: EffectKind::SqlRead,
            why: String::new(),
            ordinary: false,
            countable: false,
            bounded: false,
            names: String::new(),
            text: ends(text.trim()),
            user: self.user.clone(),
            rows,
            content: fumehood_effect::Digest::from_bytes(content),
        };
        fill(&mut statement);
        statement
    }

    /// Asks, tells the client when a person is asked, and waits.
    async fn asked(&mut self, statement: Statement) -> io::Result<Result<Option<Said>, Denial>> {
        let nobody = || Denial::new(503, "nobody said whether it may run, so it did not");
        let asking = Arc::clone(&self.asking);
        let told = Arc::clone(&self.told);
        let cancelled = told.notified();
        tokio::pin!(cancelled);
        cancelled.as_mut().enable();
        let Some(mut question) = asking.ask(statement).await else {
            return Ok(Err(nobody()));
        };
        loop {
            let said = tokio::select! {
                biased;
                said = question.next() => said,
                () = self.client.gone(AHEAD) => return Err(io::ErrorKind::UnexpectedEof.into()),
                () = &mut cancelled => return Ok(Err(Denial::new(403, "cancelled by its client while it was held"))),
            };
            match said {
                None => return Ok(Err(nobody())),
                Some(Said::Waiting(words)) => {
                    let mut out = Out::default();
                    out.report(b'N', "NOTICE", "00000", &[(b'M', &format!("fumehood: {words}"))]);
                    self.back.out.extend_from_slice(&out.0);
                    self.back.flush().await?;
                }
                Some(Said::No(denial)) => return Ok(Err(denial)),
                Some(said) => return Ok(Ok(Some(said))),
            }
        }
    }

    /// A statement that changes something: asked about, run with its bound, taken back where it does more.
    async fn change(&mut self, change: &Change<'_>) -> io::Result<Next> {
        let judged = change.judged;
        let mut rows = None;
        // Counted, asked, run, found to be more, asked with the true number, run: no more than that.
        for _ in 0..4 {
            let statement = self.statement(change.text, change.parameters, rows, |s| {
                s.kind = judged.kind;
                s.why = bounded(&judged.why, 400);
                s.ordinary = judged.ordinary;
                s.countable = rows.is_none() && judged.count.as_ref().is_some_and(|c| !c.contains('$'));
                s.bounded = judged.counted;
                s.names = bounded(&judged.names.join(", "), 400);
            });
            match self.asked(statement).await? {
                Err(denial) => return self.refuse(&denial).await,
                Ok(Some(Said::Count)) => match self.count(judged.count.as_deref().unwrap_or_default()).await?
                {
                    Some(counted) => rows = Some(counted),
                    None => {
                        let why = "held, not sent: its rows cannot be counted in time";
                        return self.refuse(&Denial::new(403, why)).await;
                    }
                },
                Ok(Some(Said::Go(most))) => match self.perform(change, most).await? {
                    Performed::Done(next) => return Ok(next),
                    Performed::More(found) => rows = Some(found),
                },
                Ok(_) => {
                    return self
                        .refuse(&Denial::new(503, "the answer was none, so nothing was sent"))
                        .await;
                }
            }
        }
        self.refuse(&Denial::new(403, "it would change more rows each time it is run"))
            .await
    }

    /// Counts rows as a reading, with little time and no wait for locks.
    async fn count(&mut self, text: &str) -> io::Result<Option<u64>> {
        let before = self.status;
        let mut batch = Batch::default();
        batch.begin(Within::Reading, before);
        batch
            .own("SET LOCAL statement_timeout = 2000")
            .own("SET LOCAL lock_timeout = 200")
            .own(text);
        let mut nobody = Vec::new();
        let outcome = self.exchange(batch, Some(&mut nobody)).await?;
        let mut batch = Batch::default();
        batch.undo(before);
        let undone = self.exchange(batch, Some(&mut nobody)).await?;
        if undone.status != before {
            return Err(io::Error::other(
                "a transaction of the gate's own cannot be ended",
            ));
        }
        let value = outcome.value.filter(|_| !outcome.failed);
        Ok(value.and_then(|v| std::str::from_utf8(&v).ok()?.parse().ok()))
    }

    async fn perform(&mut self, change: &Change<'_>, most: Option<u64>) -> io::Result<Performed> {
        let before = self.status;
        let judged = change.judged;
        if judged.kind == EffectKind::SqlRead {
            // What was asked about was a reading: it is run as one.
            return Ok(Performed::Done(self.within(Within::Reading, change.batch).await?));
        }
        let within = match most {
            Some(_) if judged.in_transaction => Within::Change,
            _ => Within::Bare,
        };
        let mut kept = Vec::new();
        let mut batch = Batch::default();
        batch.begin(within, before);
        (change.batch)(&mut batch);
        let keep = within == Within::Change && !judged.copies_in;
        let outcome = if judged.copies_in {
            self.copy_in(batch, &mut kept).await?
        } else {
            self.exchange(batch, keep.then_some(&mut kept)).await?
        };
        if within == Within::Bare {
            self.status = outcome.status;
            self.back.out.extend_from_slice(&kept);
            return Ok(Performed::Done(if outcome.failed {
                Next::Stop
            } else {
                Next::On
            }));
        }
        if outcome.failed {
            self.back.out.extend_from_slice(&kept);
            self.clean(&outcome, before).await?;
            return Ok(Performed::Done(Next::Stop));
        }
        let more = most.is_some_and(|most| outcome.rows.is_none_or(|rows| rows > most));
        let mut batch = Batch::default();
        if more || outcome.overflow {
            batch.undo(before);
        } else {
            batch.end(within, before);
        }
        let ended = self.exchange(batch, None).await?;
        self.clean(&ended, before).await?;
        if outcome.overflow {
            let why =
                "it was taken back: it returns more rows than are kept until it is known how many it changes";
            return Ok(Performed::Done(self.refuse(&Denial::new(403, why)).await?));
        }
        if !more {
            if !ended.failed {
                self.back.out.extend_from_slice(&kept);
            }
            return Ok(Performed::Done(if ended.failed { Next::Stop } else { Next::On }));
        }
        match outcome.rows {
            // Its rows came from the client, and are gone.
            Some(rows) if judged.copies_in => {
                let why = format!(
                    "it was taken back: it adds {rows} rows, more than {} fly",
                    most.unwrap_or(0)
                );
                let denial = Denial::new(403, why)
                    .remedy("copy fewer at a time, or set `on = { write = \"allow\" }` outside");
                Ok(Performed::Done(self.refuse(&denial).await?))
            }
            Some(rows) => Ok(Performed::More(rows)),
            None => {
                let why = "it was taken back: the server does not say how many rows it changed";
                Ok(Performed::Done(self.refuse(&Denial::new(403, why)).await?))
            }
        }
    }

    /// Rows of the client's, until it ends them.
    async fn copy_in(&mut self, mut batch: Batch, kept: &mut Vec<u8>) -> io::Result<Outcome> {
        batch.out.message(b'H', &[]);
        let begun = self.send(batch, None).await?;
        if !begun.copy_in {
            return Ok(begun);
        }
        loop {
            let message = self.client.message(MAX_MESSAGE).await?;
            let ends = match Frontend::read(&message).map_err(io::Error::other)? {
                Frontend::CopyData(_) => false,
                Frontend::CopyDone | Frontend::CopyFail(_) => true,
                // To be ignored while rows come.
                Frontend::Flush | Frontend::Sync => continue,
                _ => {
                    return Err(io::Error::other(
                        "a message within a copy that has no place there",
                    ));
                }
            };
            self.to_server.out.extend_from_slice(&message);
            if ends {
                break;
            }
            if self.to_server.out.len() > 64 * 1024 {
                self.to_server.flush().await?;
            }
        }
        let mut batch = Batch::default();
        batch.plan.push_back(Expect::Until(RUN));
        self.exchange(batch, Some(kept)).await
    }

    /// Messages of the extended protocol, until a client ended its batch or wants answers.
    async fn batch(&mut self, messages: &[bytes::Bytes]) -> io::Result<Next> {
        let mut at = 0;
        while at < messages.len() {
            let taken = match self.segment(messages.get(at..).unwrap_or_default()).await? {
                Ok(taken) => taken,
                Err(()) => return Ok(Next::Stop),
            };
            at += taken;
        }
        Ok(Next::On)
    }

    /// As many messages as are run in one way.
    async fn segment(&mut self, messages: &[bytes::Bytes]) -> io::Result<Result<usize, ()>> {
        let mut batch = Batch::default();
        let before = self.status;
        let mut taken = 0;
        // In a failed transaction nothing runs but its end, and the server sees to that.
        let within = if before == b'E' {
            Within::Bare
        } else {
            Within::Reading
        };
        batch.begin(within, before);
        for raw in messages {
            let message = Frontend::read(raw).map_err(io::Error::other)?;
            match message {
                Frontend::Parse { name, text, .. } => {
                    if name.starts_with(OURS) || self.statements.len() >= MAX_NAMES {
                        self.error("42602", "this name of a statement is not taken here", "", "");
                        return Ok(Err(()));
                    }
                    let prepared = Prepared {
                        text: text.into(),
                        means: Arc::new(judge(text)),
                    };
                    self.statements.insert(name.to_owned(), prepared);
                    batch.message(raw, PARSED);
                }
                Frontend::Bind(bind) => {
                    let prepared = self.statements.get(bind.statement).cloned();
                    let reads = prepared
                        .as_ref()
                        .is_none_or(|p| matches!(*p.means, Means::Read | Means::CopyOut | Means::Nothing));
                    if bind.portal.starts_with(OURS) || self.portals.len() >= MAX_NAMES {
                        self.error("42602", "this name of a portal is not taken here", "", "");
                        return Ok(Err(()));
                    }
                    if !reads && before != b'E' {
                        if taken > 0 {
                            break;
                        }
                        let Some(prepared) = prepared else { break };
                        return self.single(bind, &prepared, messages).await;
                    }
                    if let Some(prepared) = prepared {
                        if self.ask_reads {
                            if taken > 0 {
                                break;
                            }
                            if let Next::Stop = self.may_read(&prepared.text, bind.rest).await? {
                                return Ok(Err(()));
                            }
                        }
                        self.portals.insert(bind.portal.to_owned(), prepared);
                    }
                    batch.message(raw, BOUND);
                }
                Frontend::Execute { .. } => batch.message(raw, RUN),
                Frontend::Describe(_) => batch.message(raw, SHAPE),
                Frontend::Close(Target { kind, name }) => {
                    match kind {
                        Kind::Statement => drop(self.statements.remove(name)),
                        Kind::Portal => drop(self.portals.remove(name)),
                    }
                    batch.message(raw, CLOSED);
                }
                _ => {
                    return Err(io::Error::other(
                        "a message within a batch that has no place there",
                    ));
                }
            }
            taken += 1;
        }
        batch.end(within, before);
        let outcome = self.exchange(batch, None).await?;
        if within == Within::Bare {
            self.status = outcome.status;
        } else {
            self.clean(&outcome, before).await?;
        }
        if self.status == b'I' {
            self.portals.clear();
        }
        Ok(if outcome.failed { Err(()) } else { Ok(taken) })
    }

    /// A portal of a statement that is no reading, with what follows about it.
    async fn single(
        &mut self,
        bind: Bind<'_>,
        prepared: &Prepared,
        messages: &[bytes::Bytes],
    ) -> io::Result<Result<usize, ()>> {
        let concerns = |raw: &&bytes::Bytes| match Frontend::read(raw) {
            Ok(Frontend::Execute { portal, .. }) => portal == bind.portal,
            Ok(Frontend::Describe(Target {
                kind: Kind::Portal,
                name,
            })) => name == bind.portal,
            _ => false,
        };
        let rest: Vec<bytes::Bytes> = messages.iter().skip(1).take_while(concerns).cloned().collect();
        let taken = 1 + rest.len();
        let first = messages.first().cloned().unwrap_or_default();
        let fill = |batch: &mut Batch| {
            batch.message(&first, BOUND);
            for raw in &rest {
                let run = raw.first() == Some(&b'E');
                batch.message(raw, if run { RUN } else { SHAPE });
            }
        };
        let next = match &*prepared.means {
            Means::Effect(judged) => {
                if !rest.iter().any(|raw| raw.first() == Some(&b'E')) {
                    let why = "a statement that changes something has to be run in the batch that gives its parameters";
                    self.error("0A000", why, "", "");
                    return Ok(Err(()));
                }
                let change = Change {
                    text: &prepared.text,
                    judged,
                    parameters: bind.rest,
                    batch: &fill,
                };
                self.change(&change).await?
            }
            _ => self.within(Within::Bare, fill).await?,
        };
        if self.status == b'I' {
            self.portals.clear();
        }
        Ok(if next == Next::Stop { Err(()) } else { Ok(taken) })
    }
}

enum Performed {
    Done(Next),
    /// It was taken back: it changes so many rows.
    More(u64),
}

fn bounded(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// A long text by its beginning and its end.
fn ends(text: &str) -> String {
    if text.len() <= MAX_SQL {
        return text.to_owned();
    }
    let half = MAX_SQL / 2 - 20;
    let (mut from, mut to) = (half, text.len() - half);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    while !text.is_char_boundary(to) {
        to += 1;
    }
    format!(
        "{} … {}",
        text.get(..from).unwrap_or_default(),
        text.get(to..).unwrap_or_default()
    )
}
