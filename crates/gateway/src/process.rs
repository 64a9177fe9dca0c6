//! The gateway's process: it waits for whatever the sandbox opens.

use crate::dns;
use crate::flow::{Context, Entrance, serve};
use crate::http::{Inspector, Monitor};
use crate::names::Names;
use fumehood_authority::Authority;
use fumehood_monitor::{Channel, FlowId, Line, ToGateway, Wire};
use fumehood_sandbox::{Way, receive_question, send_answer};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener as StdListener, UdpSocket as StdUdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Notify, Semaphore, oneshot};

/// Connections at a time, of one sandbox; further ones wait to be accepted.
const CONNECTIONS: usize = 256;
/// After a failed `accept` (no descriptor left): a pause, not a loop.
const PAUSE: Duration = Duration::from_millis(20);

/// The sockets that the gateway begins with: all it will ever have, but those it is handed.
#[derive(Debug)]
pub struct Sockets {
    /// The listener for everything, and how connections reach it.
    pub gate: OwnedFd,
    /// As above.
    pub way: Way,
    /// Questions for names.
    pub names: OwnedFd,
    /// Listeners for single ports: where the kernel can do no better, and for ports of the host.
    pub ports: Vec<OwnedFd>,
    /// Listeners of the host for ports that are published, and the port inside.
    pub published: Vec<(OwnedFd, u16)>,
}

impl Sockets {
    /// All of them, for [`fumehood_sandbox::become_role`].
    pub fn all(&self) -> impl Iterator<Item = std::os::fd::BorrowedFd<'_>> {
        let published = self.published.iter().map(|(fd, _)| fd);
        [&self.gate, &self.names]
            .into_iter()
            .chain(&self.ports)
            .chain(published)
            .map(AsFd::as_fd)
    }
}

/// What the monitor answered about a flow.
pub(crate) type Answer = (ToGateway, Option<OwnedFd>);

/// Everything the flows share.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) monitor: Line,
    pub(crate) names: Mutex<Names>,
    pub(crate) way: Way,
    waiting: Mutex<HashMap<FlowId, oneshot::Sender<Answer>>>,
    /// Flows that were let through, and who hears that they are no longer.
    cuts: Mutex<HashMap<FlowId, Arc<Notify>>>,
    notices: Mutex<HashMap<FlowId, oneshot::Sender<String>>>,
    next: AtomicU64,
    connections: Arc<Semaphore>,
}

impl Gateway {
    /// A number for a flow, and where its answer will come.
    pub(crate) fn begin(&self) -> (FlowId, oneshot::Receiver<Answer>) {
        let flow = self.number();
        (flow, self.expect(flow))
    }

    /// A number for a request, or a question about one.
    pub(crate) fn number(&self) -> FlowId {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Where the next answer with this number will come.
    pub(crate) fn expect(&self, flow: FlowId) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, sender| !sender.is_closed());
        waiting.insert(flow, sender);
        receiver
    }

    /// Where it will be said that a person is asked about this request, if one is.
    pub(crate) fn notice(&self, request: FlowId) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.retain(|_, sender| !sender.is_closed());
        notices.insert(request, sender);
        receiver
    }

    fn notify(&self, request: FlowId, words: String) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notice) = notices.remove(&request) {
            let _gave_up = notice.send(words);
        }
    }

    /// What tells that a flow which was let through is let through no longer.
    pub(crate) fn cut_of(&self, flow: FlowId) -> Arc<Notify> {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cuts.entry(flow).or_default())
    }

    /// A flow is over.
    pub(crate) fn forget(&self, flow: FlowId) {
        self.cuts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&flow);
    }

    fn take(&self, flow: FlowId) -> Option<oneshot::Sender<Answer>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&flow)
    }
}

/// Runs until the supervisor is gone; returns the status to end with. Without a session's authority no request can be
/// read.
#[must_use]
pub fn run(sockets: Sockets, authority: Option<Authority>, monitor: Channel) -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return 1 };
    runtime.block_on(async { begin(sockets, authority, monitor).await.map_or(1, |()| 0) })
}

async fn begin(sockets: Sockets, authority: Option<Authority>, monitor: Channel) -> std::io::Result<()> {
    let gateway = Arc::new(Gateway {
        monitor: Line::new(monitor)?,
        names: Mutex::default(),
        way: sockets.way,
        waiting: Mutex::default(),
        notices: Mutex::default(),
        cuts: Mutex::default(),
        next: AtomicU64::new(0),
        connections: Arc::new(Semaphore::new(CONNECTIONS)),
    });
    let judge = Arc::new(Monitor(Arc::clone(&gateway)));
    let inspector = authority.map(|authority| Inspector::new(judge, authority));
    let inspector = inspector
        .transpose()
        .map_err(std::io::Error::other)?
        .map(Arc::new);
    let listening = std::iter::once((sockets.gate, Entrance::Gate))
        .chain(sockets.ports.into_iter().map(|fd| (fd, Entrance::Port)))
        .chain(
            sockets
                .published
                .into_iter()
                .map(|(fd, port)| (fd, Entrance::Published(port))),
        );
    for (fd, entrance) in listening {
        let listener = TcpListener::from_std(StdListener::from(fd))?;
        tokio::spawn(accept(
            Arc::clone(&gateway),
            inspector.clone(),
            listener,
            entrance,
        ));
    }
    let questions = UdpSocket::from_std(StdUdpSocket::from(sockets.names))?;
    tokio::spawn(answer_questions(Arc::clone(&gateway), questions));
    hear(&gateway, inspector.as_ref()).await;
    Ok(())
}

/// Answers of the monitor, to whoever waits for them.
async fn hear(gateway: &Arc<Gateway>, inspector: Option<&Arc<Inspector<Monitor>>>) {
    while let Some(packet) = gateway.monitor.receive().await {
        let Some(message) = ToGateway::decode(&packet.bytes) else {
            continue;
        };
        if let ToGateway::Waiting { request, words } = message {
            gateway.notify(request, words);
            continue;
        }
        match message {
            // Before its flow goes on, so that a cut that follows finds it.
            ToGateway::Tunnel { flow, .. }
            | ToGateway::Inspect { flow }
            | ToGateway::Database { flow, .. } => drop(gateway.cut_of(flow)),
            ToGateway::Cut { flow } => {
                let cuts = gateway.cuts.lock().unwrap_or_else(PoisonError::into_inner);
                cuts.get(&flow).iter().for_each(|cut| cut.notify_one());
                continue;
            }
            ToGateway::Publish { port } => {
                let listener = packet.fd.map(|fd| TcpListener::from_std(StdListener::from(fd)));
                if let Some(Ok(listener)) = listener {
                    let (gateway, entrance) = (Arc::clone(gateway), Entrance::Published(port));
                    tokio::spawn(accept(gateway, inspector.cloned(), listener, entrance));
                }
                continue;
            }
            _ => {}
        }
        if let Some(waiting) = gateway.take(message.flow()) {
            let _gave_up = waiting.send((message, packet.fd));
        }
    }
}

async fn accept(
    gateway: Arc<Gateway>,
    inspector: Option<Arc<Inspector<Monitor>>>,
    listener: TcpListener,
    entrance: Entrance,
) {
    loop {
        let Ok(room) = Arc::clone(&gateway.connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, from)) => {
                let context = Context {
                    gateway: Arc::clone(&gateway),
                    inspector: inspector.clone(),
                    entrance,
                    _room: room,
                };
                begin_flow(context, stream, from);
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

fn begin_flow(context: Context, stream: TcpStream, from: SocketAddr) {
    let _slower = stream.set_nodelay(true);
    tokio::spawn(serve(context, stream, from));
}

/// Questions over UDP. An answer that cannot be sent is as if it was lost on the way.
async fn answer_questions(gateway: Arc<Gateway>, socket: UdpSocket) {
    let mut packet = vec![0; dns::MAX_QUESTION + 1];
    loop {
        let receive = || receive_question(socket.as_fd(), &mut packet).map_err(Into::into);
        let Ok((length, asker)) = socket.async_io(Interest::READABLE, receive).await else {
            // An error of an earlier answer that nobody took; or no memory.
            tokio::task::yield_now().await;
            continue;
        };
        let answer = gateway.answer(packet.get(..length).unwrap_or_default());
        if let Some(answer) = answer {
            let _lost = send_answer(socket.as_fd(), &asker, &answer);
        }
    }
}

impl Gateway {
    pub(crate) fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        dns::answer(question, &mut names)
    }
}
