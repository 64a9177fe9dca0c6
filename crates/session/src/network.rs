//! The network of a run, from the supervisor's side: it keeps the sandbox's sockets unread until something
//! arrives at one, starts gateway and broker then, and asks the monitor about every message of theirs.

use crate::approvals::Answer;
use crate::credentials::{self, Broker};
use crate::flows::Flows;
use crate::log::Log;
use crate::reach::Reach;
use crate::trust::Kept;
use fumehood_authority::Roots;
use fumehood_broker::Passwords;
use fumehood_effect::SessionId;
use fumehood_monitor::desk::PublishedPort;
use fumehood_monitor::{
    Action, Channel, FlowId, FromBroker, FromGateway, Held, Monitor, Packet, Policy, Report, ToGateway, Wire,
    pair,
};
use fumehood_sandbox::{
    Boundary, Errno, Role, Socket, Way, become_role, confine, forget_environment, fork_role, wait_for,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// What a run may reach, and what reaches it.
#[derive(Debug, Default)]
pub struct Network {
    /// What may be reached.
    pub policy: Policy,
    /// Ports inside that the host's loopback leads to.
    pub published: Vec<Published>,
    /// What not to try: see [`Boundary::best`].
    pub best: Way,
    /// The broker, where it has secrets; else it is started when it is needed.
    pub broker: Option<Broker>,
    /// Whose certificates the gateway shows, and whom the broker trusts; none where no rule has requests read.
    pub trust: Option<(Kept, Roots)>,
}

/// A port inside, and where it is open outside.
#[derive(Debug)]
pub struct Published {
    listener: OwnedFd,
    /// What is listened to, and the port inside.
    port: PublishedPort,
}

impl Published {
    /// Opens a port of the host.
    ///
    /// # Errors
    /// It is taken, or the address is not this machine's.
    pub fn open(address: IpAddr, outside: u16, inside: u16) -> std::io::Result<Published> {
        let listener = TcpListener::bind(SocketAddr::new(address, outside))?;
        listener.set_nonblocking(true)?;
        let outside = listener.local_addr()?;
        let listener = listener.into();
        let port = PublishedPort { outside, inside };
        Ok(Published { listener, port })
    }

    /// What listens.
    #[must_use]
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Network {
    /// Whether there is nothing to reach and nothing that reaches in: the sandbox has loopback only.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policy.is_empty() && self.published.is_empty()
    }

    /// What the sandbox has to be built with.
    #[must_use]
    pub fn boundary(&self) -> Option<Boundary> {
        if self.is_empty() {
            return None;
        }
        let mut ports: Vec<u16> = self.policy.rules.ports().map(|p| p.get()).collect();
        let mut host: Vec<u16> = self.policy.host.iter().map(|p| p.get()).collect();
        for database in &self.policy.databases {
            let port = database.destination.port.get();
            if database.is_here() {
                host.push(port);
            } else {
                ports.push(port);
            }
        }
        ports.sort_unstable();
        ports.dedup();
        ports.retain(|p| !host.contains(p) && *p != 53);
        let best = self.best;
        Some(Boundary { ports, host, best })
    }
}

/// Messages that may wait for a process that does not read: beyond it it is ended.
const WAITING: usize = 1024;
/// How long connections may take to end after the sandbox has.
const ENDING: Duration = Duration::from_millis(300);

/// The sandbox's sockets, before anybody reads them.
#[derive(Debug, Default)]
struct Gathered {
    gate: Option<(OwnedFd, Way)>,
    names: Option<OwnedFd>,
    ports: Vec<OwnedFd>,
    published: Vec<(OwnedFd, u16)>,
}

/// A helper process and the channel to it.
#[derive(Debug)]
struct Helper {
    process: OwnedFd,
    channel: Channel,
    waiting: VecDeque<(Vec<u8>, Option<OwnedFd>)>,
}

/// Something about what is held.
#[derive(Debug)]
pub(crate) enum Question {
    /// May this request be sent?
    Hold(FlowId, Box<Held>),
    /// Whoever sent it is gone.
    Gone(FlowId),
}

/// What the supervisor does for the network.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) monitor: Monitor,
    pub(crate) reach: Reach,
    trust: Option<(Kept, Roots)>,
    gathered: Gathered,
    pub(crate) ports: Vec<PublishedPort>,
    /// Ports inside that lead to the host.
    pub(crate) of_host: Vec<u16>,
    broker: Option<Broker>,
    helpers: Option<(Helper, Helper)>,
    /// Flows that wait for a socket of the sandbox, in the order in which those were asked for.
    entering: VecDeque<FlowId>,
    /// For a person, not handed on yet.
    questions: Vec<Question>,
    flows: Flows,
    way: Option<Way>,
    lost: Option<&'static str>,
    over: bool,
}

impl Watch {
    pub(crate) fn new(network: Network, session: Option<SessionId>) -> Watch {
        let of_host = network.boundary().map(|b| b.host).unwrap_or_default();
        let ports = network.published.iter().map(|p| p.port).collect();
        let published = network.published.into_iter().map(|p| (p.listener, p.port.inside));
        Watch {
            of_host,
            ports,
            reach: Reach::new(&network.policy.rules, network.trust.is_some()),
            monitor: Monitor::new(network.policy).of_session(session),
            trust: network.trust,
            gathered: Gathered {
                published: published.collect(),
                ..Gathered::default()
            },
            broker: network.broker,
            helpers: None,
            entering: VecDeque::new(),
            questions: Vec::new(),
            flows: Flows::default(),
            way: None,
            lost: None,
            over: false,
        }
    }

    /// The sandbox hands out a socket.
    pub(crate) fn take(&mut self, socket: Socket, fd: OwnedFd) {
        match socket {
            Socket::Gate(way) => {
                self.way = Some(way);
                self.gathered.gate = Some((fd, way));
            }
            Socket::Names => self.gathered.names = Some(fd),
            Socket::Port(_) | Socket::Host(_) => self.gathered.ports.push(fd),
            Socket::Inside => {
                if let Some(flow) = self.entering.pop_front()
                    && let Some(action) = self.monitor.inside(flow, true)
                {
                    let _asked = self.act(action, Some(fd));
                }
            }
        }
    }

    /// What to wait for: before the start, the sockets; then the two processes and what they say.
    pub(crate) fn watched(&self) -> Vec<PollFd<'_>> {
        let read = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        if let Some((gateway, broker)) = &self.helpers {
            let both = [gateway, broker];
            let channel = |h: &&'_ Helper| -> PollFlags {
                if h.waiting.is_empty() {
                    PollFlags::IN
                } else {
                    PollFlags::IN | PollFlags::OUT
                }
            };
            return both
                .iter()
                .flat_map(|h| {
                    [
                        PollFd::from_borrowed_fd(h.channel.as_fd(), channel(h)),
                        read(h.process.as_fd()),
                    ]
                })
                .collect();
        }
        if self.over {
            return Vec::new();
        }
        let Gathered {
            gate,
            names,
            ports,
            published,
        } = &self.gathered;
        let (Some((gate, _)), Some(names)) = (gate, names) else {
            return Vec::new();
        };
        [gate, names]
            .into_iter()
            .chain(ports)
            .chain(published.iter().map(|(fd, _)| fd))
            .map(|fd| read(fd.as_fd()))
            .collect()
    }

    /// Something of [`Watch::watched`] is ready. Gives how many sockets are to be asked of the sandbox.
    pub(crate) fn ready(&mut self, log: &mut Log) -> usize {
        if self.helpers.is_none() {
            match self.start() {
                Ok(helpers) => self.helpers = Some(helpers),
                Err(_) => self.lose("gateway"),
            }
            return 0;
        }
        let asked = self.hear();
        self.record(log);
        asked
    }

    /// What is to be asked since this was asked last.
    pub(crate) fn questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.questions)
    }

    /// A person is asked about a request: its client may be told.
    pub(crate) fn waiting(&mut self, request: FlowId, words: String) {
        if let Some(action) = self.monitor.waiting(request, words) {
            let _no_socket = self.act(action, None);
        }
    }

    /// What becomes of a request that was asked about.
    pub(crate) fn answer(&mut self, request: FlowId, answer: Answer, log: &mut Log) {
        let action = match answer {
            Answer::Go(by) => {
                by.into_iter().for_each(|by| self.flows.released(request, by));
                self.monitor.allowed(request)
            }
            Answer::No(denial) => self.monitor.refused(request, denial),
        };
        if let Some(action) = action {
            let _no_socket = self.act(action, None);
        }
        self.record(log);
    }

    pub(crate) fn record(&mut self, log: &mut Log) {
        self.flows.record(self.monitor.told(), log);
    }

    fn start(&mut self) -> Result<(Helper, Helper), Errno> {
        let gathered = std::mem::take(&mut self.gathered);
        let (Some((gate, way)), Some(names)) = (gathered.gate, gathered.names) else {
            return Err(Errno(libc::EBADF));
        };
        let sockets = fumehood_gateway::Sockets {
            gate,
            way,
            names,
            ports: gathered.ports,
            published: gathered.published,
        };
        let (kept, roots) = self.trust.take().unzip();
        let gateway = Helper::start(move |channel| {
            let mut keep: Vec<_> = sockets.all().collect();
            keep.push(channel.as_fd());
            keep.extend(kept.as_ref().map(Kept::descriptor));
            if become_role(c"fumehood-gate", &keep).is_err() {
                return 1;
            }
            forget_environment();
            let Ok(authority) = kept.map(Kept::take).transpose() else {
                return 1;
            };
            if confine(Role::Gateway, &[]).is_err() {
                return 1;
            }
            fumehood_gateway::run(sockets, authority, channel)
        })?;
        let roots = roots.unwrap_or_default();
        let broker = match self.broker.take().and_then(Broker::into_parts) {
            Some((process, channel)) => Helper {
                process,
                channel,
                waiting: VecDeque::new(),
            },
            None => {
                Helper::start(|channel| credentials::serve(channel, None, &roots, Passwords::new(), None))?
            }
        };
        Ok((gateway, broker))
    }

    /// Takes what both say, in bounds, and sends what waits.
    fn hear(&mut self) -> usize {
        let mut asked = 0;
        self.monitor.at(since_boot());
        for _ in 0..64 {
            let Some((gateway, broker)) = &mut self.helpers else {
                return asked;
            };
            gateway.flush();
            broker.flush();
            let said = (gateway.said(), broker.said());
            match said {
                (Said::Gone, _) => self.lose("gateway"),
                (_, Said::Gone) => self.lose("broker"),
                (Said::Nothing, Said::Nothing) => return asked,
                (of_gateway, of_broker) => {
                    if let Said::This(packet) = of_gateway {
                        asked += self.of_gateway(packet);
                    }
                    if let Said::This(packet) = of_broker {
                        self.of_broker(packet);
                    }
                }
            }
        }
        asked
    }

    fn of_gateway(&mut self, packet: Packet) -> usize {
        let action = FromGateway::decode(&packet.bytes).and_then(|m| self.monitor.from_gateway(m));
        action.map_or(0, |action| self.act(action, packet.fd))
    }

    fn of_broker(&mut self, packet: Packet) {
        let action = FromBroker::decode(&packet.bytes).and_then(|m| self.monitor.from_broker(&m));
        if let Some(action) = action {
            self.act(action, packet.fd);
        }
    }

    /// A listener leads to a port inside from now on.
    pub(crate) fn lead(&mut self, listener: OwnedFd, inside: u16) {
        match &mut self.helpers {
            Some((gateway, _)) => gateway.send(ToGateway::Publish { port: inside }.encode(), Some(listener)),
            None => self.gathered.published.push((listener, inside)),
        }
    }

    /// Whether the network is gone, for good.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn act(&mut self, action: Action, fd: Option<OwnedFd>) -> usize {
        let Some((gateway, broker)) = &mut self.helpers else {
            return 0;
        };
        match action {
            Action::Gateway(message @ (ToGateway::Tunnel { .. } | ToGateway::Inside { .. })) => {
                gateway.send(message.encode(), fd);
            }
            Action::Gateway(message) => gateway.send(message.encode(), None),
            Action::Broker(message) => broker.send(message.encode(), None),
            Action::Release(to_broker, to_gateway) => {
                broker.send(to_broker.encode(), None);
                gateway.send(to_gateway.encode(), None);
            }
            Action::Lane(message) => broker.send(message.encode(), fd),
            Action::Hold(request, held) => self.questions.push(Question::Hold(request, held)),
            Action::Gone(request) => self.questions.push(Question::Gone(request)),
            Action::Inside(flow) => {
                self.entering.push_back(flow);
                return 1;
            }
        }
        0
    }

    /// One of the two is gone: the network is, and the walls stay.
    fn lose(&mut self, which: &'static str) {
        self.lost.get_or_insert(which);
        self.end();
    }

    fn end(&mut self) {
        self.over = true;
        self.gathered = Gathered::default();
        if let Some((gateway, broker)) = self.helpers.take() {
            gateway.end();
            broker.end();
        }
    }

    /// The sandbox is gone: connections end, both processes too.
    pub(crate) fn finish(mut self, log: &mut Log) -> Report {
        let until = Instant::now() + ENDING;
        while self.helpers.is_some() && self.monitor.flows() > 0 && Instant::now() < until {
            let pause = Timespec {
                tv_sec: 0,
                tv_nsec: 20_000_000,
            };
            let _interrupted = poll(&mut self.watched(), Some(&pause));
            self.hear();
            self.record(log);
        }
        if self.helpers.is_some() {
            self.hear();
        }
        self.end();
        self.monitor.close();
        self.record(log);
        let mut report = self.monitor.report();
        report.lost = self.lost;
        report
    }

    /// How connections reach the boundary, once that is known.
    pub(crate) fn way(&self) -> Option<Way> {
        self.way
    }
}

/// A clock that nobody sets, and that goes on while the machine sleeps.
pub(crate) fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.try_into().unwrap_or_default()
}

enum Said {
    This(Packet),
    Nothing,
    Gone,
}

impl Helper {
    fn start(role: impl FnOnce(Channel) -> i32) -> Result<Helper, Errno> {
        let (ours, theirs) = pair().map_err(|e| Errno(e.raw_os_error()))?;
        let process = fork_role(move || role(theirs))?;
        Ok(Helper {
            process,
            channel: ours,
            waiting: VecDeque::new(),
        })
    }

    fn said(&self) -> Said {
        match self.channel.receive() {
            Ok(Some(packet)) => Said::This(packet),
            Err(rustix::io::Errno::AGAIN) => Said::Nothing,
            Ok(None) | Err(_) => Said::Gone,
        }
    }

    fn send(&mut self, bytes: Vec<u8>, fd: Option<OwnedFd>) {
        self.waiting.push_back((bytes, fd));
        self.flush();
        if self.waiting.len() > WAITING {
            self.kill();
        }
    }

    fn flush(&mut self) {
        while let Some((bytes, fd)) = self.waiting.front() {
            match self.channel.send(bytes, fd.as_ref().map(AsFd::as_fd)) {
                Err(rustix::io::Errno::AGAIN) => return,
                // Gone: that is seen where it is listened to.
                _ => drop(self.waiting.pop_front()),
            }
        }
    }

    fn kill(&self) {
        let _gone = pidfd_send_signal(&self.process, Signal::KILL);
    }

    fn end(self) {
        self.kill();
        wait_for(self.process.as_fd());
    }
}
