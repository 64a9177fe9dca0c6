//! One connection: where it wants to go, whether it may, and its bytes.

use crate::http::{Counted, Ended, Inspector, Monitor, Rewind};
use crate::process::{Answer, Gateway};
use crate::proxy::{self, Client, Manner};
use crate::{dns, greeting, postgres, tunnel};
use bytes::Bytes;
use fumehood_destination::Destination;
use fumehood_http::Denial;
use fumehood_monitor::{Broken, FlowId, FromGateway, ToGateway};
use fumehood_policy::value::{HostName, Port};
use fumehood_sandbox::{GATE_PORT, Way};
use rustix::net::sockopt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream as StdStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::oneshot::Receiver;
use tokio::time::timeout;

/// How long the monitor and the broker may take: names, dialling, an approver.
const DECISION: Duration = Duration::from_secs(120);
/// How long a greeting may take (A7).
const GREETING: Duration = Duration::from_secs(10);

/// Where a connection came in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entrance {
    /// The gate.
    Gate,
    /// A listener for its port.
    Port,
    /// From outside, to this port inside.
    Published(u16),
}

/// What a flow holds while it lasts.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) gateway: Arc<Gateway>,
    /// Who reads requests; none where no rule has any read.
    pub(crate) inspector: Option<Arc<Inspector<Monitor>>>,
    pub(crate) entrance: Entrance,
    pub(crate) _room: OwnedSemaphorePermit,
}

/// Serves one connection to its end.
pub(crate) async fn serve(context: Context, stream: TcpStream, _from: SocketAddr) {
    let gateway = &context.gateway;
    if let Entrance::Published(port) = context.entrance {
        return enter(gateway, stream, port).await;
    }
    let Some(address) = original(gateway.way, context.entrance, &stream) else {
        return refuse(&stream);
    };
    if address.ip().is_loopback() && address.port() == GATE_PORT {
        return proxied(&context, stream).await;
    }
    match gateway.destination(address) {
        // Whoever is asked for names, it is the gateway that answers.
        Some(destination) if is_resolver(&destination) => questions(gateway, stream).await,
        Some(destination) => open(&context, Client::dialled(stream), destination).await,
        None => refuse(&stream),
    }
}

/// From a client that was told of a proxy. What it names is judged as what it would have dialled.
async fn proxied(context: &Context, stream: TcpStream) {
    let Some((named, mut client)) = proxy::asked(stream).await else {
        return;
    };
    let gateway = &context.gateway;
    let destination = match named.host {
        HostName::Address(ip) => gateway.destination(SocketAddr::new(ip, named.port.get())),
        HostName::Name(_) => Some(named),
    };
    match destination {
        Some(to) if is_loopback(&to.host) => client.refuse(&directly()).await,
        Some(to) if is_resolver(&to) => {
            if client.admit().await.is_some() {
                questions(gateway, Rewind::new(client.first, client.stream)).await;
            }
        }
        Some(to) => open(context, client, to).await,
        None => client.refuse(&Denial::new(400, "no port")).await,
    }
}

/// Programs inside reach each other, and what is the host's on loopback, without a gate.
fn is_loopback(host: &HostName) -> bool {
    match host {
        HostName::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        HostName::Address(address) => address.is_loopback(),
    }
}

fn directly() -> Denial {
    Denial::new(
        403,
        "loopback is the sandbox's own, and is not reached by a proxy",
    )
    .remedy("dial it without a proxy; NO_PROXY names it")
}

fn is_resolver(destination: &Destination) -> bool {
    destination.port.get() == 53 && matches!(destination.host, HostName::Address(_))
}

/// Questions over TCP (RFC 7766), one after the other.
async fn questions(gateway: &Gateway, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut packet = vec![0; dns::MAX_QUESTION];
    let mut one = async || -> Option<()> {
        let length = usize::from(stream.read_u16().await.ok()?);
        let packet = packet.get_mut(..length)?;
        stream.read_exact(packet).await.ok()?;
        let answer = gateway.answer(packet)?;
        let length = u16::try_from(answer.len()).ok()?.to_be_bytes();
        stream.write_all(&[&length[..], &answer].concat()).await.ok()
    };
    while let Ok(Some(())) = timeout(GREETING, one()).await {}
}

/// Where the program meant to go.
fn original(way: Way, entrance: Entrance, stream: &TcpStream) -> Option<SocketAddr> {
    let rewritten = match (way, entrance) {
        (Way::Redirected, Entrance::Gate) => before_rewriting(stream),
        _ => None,
    };
    let address = rewritten.or_else(|| stream.local_addr().ok())?;
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

fn before_rewriting(stream: &TcpStream) -> Option<SocketAddr> {
    let local = stream.local_addr().ok()?;
    let v4 = local.ip().to_canonical().is_ipv4();
    let socket = stream.as_fd();
    if v4 {
        sockopt::ip_original_dst(socket).ok().map(SocketAddr::V4)
    } else {
        sockopt::ipv6_original_dst(socket).ok().map(SocketAddr::V6)
    }
}

impl Gateway {
    /// An address in the one spelling of a destination: by name where it was given for one.
    fn destination(&self, address: SocketAddr) -> Option<Destination> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let port = Port::new(address.port())?;
        match names.name(address.ip()) {
            Some(name) => Some(Destination {
                host: HostName::Name(name.to_owned()),
                port,
            }),
            None => Destination::try_from(address).ok(),
        }
    }
}

async fn open(context: &Context, mut client: Client, destination: Destination) {
    let gateway = &context.gateway;
    let (flow, answer) = gateway.begin();
    let wanted = FromGateway::Open {
        flow,
        destination: destination.clone(),
    };
    if gateway.monitor.send(&wanted, None).await.is_err() {
        return client.refuse(&nobody()).await;
    }
    let (sent, received) = match decided(answer).await {
        Some((ToGateway::Refused { denial, .. }, _)) => return client.refuse(&denial).await,
        Some((ToGateway::Tunnel { .. } | ToGateway::Database { .. }, _)) if client.manner == Manner::Url => {
            client.refuse(&unread(&destination)).await;
            (0, 0)
        }
        Some((ToGateway::Tunnel { most, .. }, Some(upstream))) => match client.admit().await {
            Some(()) => pass(gateway, flow, client, (upstream, most), &destination).await,
            None => (0, 0),
        },
        Some((ToGateway::Database { most, .. }, _)) => match client.admit().await {
            Some(()) => {
                let inspector = context.inspector.as_ref();
                postgres::serve(inspector, gateway, flow, client, (&destination, most)).await
            }
            None => (0, 0),
        },
        Some((ToGateway::Inspect { .. }, _)) => match (&context.inspector, client.admit().await) {
            (Some(inspector), Some(())) => read(inspector, gateway, flow, client, destination).await,
            _ => {
                refuse(&client.stream);
                (0, 0)
            }
        },
        _ => {
            client.refuse(&nobody()).await;
            (0, 0)
        }
    };
    closed(gateway, flow, sent, received).await;
}

fn nobody() -> Denial {
    Denial::new(503, "nobody said in time whether it may be reached")
}

/// A request that is one of several hosts' on its connection cannot be passed on unread.
fn unread(destination: &Destination) -> Denial {
    let why =
        format!("{destination}: bytes for this host pass unread, and a request to a proxy has to be read");
    Denial::new(403, why).remedy("ask the proxy by CONNECT, or dial the host without one")
}

/// Reads requests, and tells the monitor where there are none to be read. How many bytes the program sent and
/// received.
async fn read(
    inspector: &Arc<Inspector<Monitor>>,
    gateway: &Gateway,
    flow: FlowId,
    client: Client,
    destination: Destination,
) -> (u64, u64) {
    let Client {
        mut stream,
        first,
        manner,
    } = client;
    let mut counted = Counted::new(Rewind::new(first, &mut stream));
    let cut = gateway.cut_of(flow);
    let ended = tokio::select! {
        ended = serve_requests(inspector, &mut counted, &destination, manner) => Some(ended),
        // Requests that are on their way end with it.
        () = cut.notified() => None,
    };
    let bytes = (counted.sent, counted.received);
    let Some(ended) = ended else {
        refuse(&stream);
        return bytes;
    };
    let why = match ended {
        Ended::Served | Ended::Unfinished => return bytes,
        Ended::Silent => Broken::Silent,
        Ended::NotHttp => Broken::NotHttp,
        Ended::Hello(_) => Broken::Unreadable,
        Ended::OtherName => Broken::OtherName,
        Ended::Untrusted => Broken::Untrusted,
        Ended::NoCertificate => Broken::NoCertificate,
    };
    if !matches!(why, Broken::NotHttp | Broken::OtherName) {
        // These were answered, and an answer is lost by a reset.
        refuse(&stream);
    }
    let message = FromGateway::Broken { destination, why };
    let _supervisor_gone = gateway.monitor.send(&message, None).await;
    bytes
}

async fn serve_requests(
    inspector: &Arc<Inspector<Monitor>>,
    stream: &mut (impl AsyncRead + AsyncWrite + Send + Unpin),
    destination: &Destination,
    manner: Manner,
) -> Ended {
    match manner {
        Manner::Url => inspector.serve_one(stream, destination).await,
        _ => inspector.serve(stream, destination).await,
    }
}

async fn decided(answer: Receiver<Answer>) -> Option<Answer> {
    timeout(DECISION, answer).await.ok()?.ok()
}

async fn closed(gateway: &Gateway, flow: FlowId, sent: u64, received: u64) {
    gateway.forget(flow);
    let message = FromGateway::Closed { flow, sent, received };
    let _supervisor_gone = gateway.monitor.send(&message, None).await;
}

/// Passes bytes, unread but for the name in a greeting.
async fn pass(
    gateway: &Gateway,
    flow: FlowId,
    client: Client,
    (upstream, most): (OwnedFd, Option<u64>),
    destination: &Destination,
) -> (u64, u64) {
    let Some(outside) = stream_of(upstream) else {
        refuse(&client.stream);
        return (0, 0);
    };
    let check = |bytes: &[u8]| greeting::read(bytes, destination);
    let ended = tunnel::run(
        (client.stream, client.first),
        outside,
        Some((&check, GREETING)),
        (most, Some(&gateway.cut_of(flow))),
    )
    .await;
    if let Some(why) = ended.broken {
        let destination = destination.clone();
        let message = FromGateway::Broken { destination, why };
        let _supervisor_gone = gateway.monitor.send(&message, None).await;
    }
    (ended.sent, ended.received)
}

fn stream_of(fd: OwnedFd) -> Option<TcpStream> {
    let stream = StdStream::from(fd);
    stream.set_nonblocking(true).ok()?;
    TcpStream::from_std(stream).ok()
}

/// From outside to a port inside: loopback there, over IPv4 or IPv6.
async fn enter(gateway: &Gateway, outside: TcpStream, port: u16) {
    for address in [
        std::net::Ipv4Addr::LOCALHOST.to_ipv6_mapped(),
        Ipv6Addr::LOCALHOST,
    ] {
        let (flow, answer) = gateway.begin();
        let wanted = FromGateway::Enter { flow };
        if gateway.monitor.send(&wanted, None).await.is_err() {
            return;
        }
        let Some((ToGateway::Inside { .. }, Some(socket))) = decided(answer).await else {
            return refuse(&outside);
        };
        let socket = TcpSocket::from_std_stream(StdStream::from(socket));
        let connected = socket.connect(SocketAddr::new(IpAddr::V6(address), port)).await;
        if let Ok(inside) = connected {
            let _slower = inside.set_nodelay(true);
            let ended = tunnel::run((outside, Bytes::new()), inside, None, (None, None)).await;
            return closed(gateway, flow, ended.sent, ended.received).await;
        }
        closed(gateway, flow, 0, 0).await;
    }
    refuse(&outside);
}

/// Looks refused: the connection is reset.
pub(crate) fn refuse(stream: &impl AsFd) {
    let _plain_end = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
