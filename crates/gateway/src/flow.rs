//! One connection: where it wants to go, whether it may, and its bytes.

use crate::http::{Counted, Ended, Inspector, Monitor};
use crate::process::{Answer, Gateway};
use crate::{dns, greeting, tunnel};
use fumehood_destination::Destination;
use fumehood_monitor::{Broken, FlowId, FromGateway, ToGateway};
use fumehood_policy::value::{HostName, Port};
use fumehood_sandbox::{GATE_PORT, Way};
use rustix::net::sockopt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream as StdStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
        return refuse(&stream);
    }
    match gateway.destination(address) {
        // Whoever is asked for names, it is the gateway that answers.
        Some(destination) if is_resolver(&destination) => questions(gateway, stream).await,
        Some(destination) => open(&context, stream, destination).await,
        None => refuse(&stream),
    }
}

fn is_resolver(destination: &Destination) -> bool {
    destination.port.get() == 53 && matches!(destination.host, HostName::Address(_))
}

/// Questions over TCP (RFC 7766), one after the other.
async fn questions(gateway: &Gateway, mut stream: TcpStream) {
    let mut packet = vec![0; dns::MAX_QUESTION];
    let one = async |stream: &mut TcpStream, packet: &mut Vec<u8>| -> Option<()> {
        let length = usize::from(stream.read_u16().await.ok()?);
        let packet = packet.get_mut(..length)?;
        stream.read_exact(packet).await.ok()?;
        let answer = gateway.answer(packet)?;
        let length = u16::try_from(answer.len()).ok()?.to_be_bytes();
        stream.write_all(&[&length[..], &answer].concat()).await.ok()
    };
    while let Ok(Some(())) = timeout(GREETING, one(&mut stream, &mut packet)).await {}
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

async fn open(context: &Context, stream: TcpStream, destination: Destination) {
    let gateway = &context.gateway;
    let (flow, answer) = gateway.begin();
    let wanted = FromGateway::Open {
        flow,
        destination: destination.clone(),
    };
    if gateway.monitor.send(&wanted, None).await.is_err() {
        return refuse(&stream);
    }
    match decided(answer).await {
        Some((ToGateway::Tunnel { most, .. }, Some(upstream))) => {
            pass(gateway, flow, stream, (upstream, most), &destination).await;
        }
        Some((ToGateway::Inspect { .. }, _)) => {
            let (sent, received) = match &context.inspector {
                Some(inspector) => read(inspector, gateway, flow, stream, destination).await,
                None => {
                    refuse(&stream);
                    (0, 0)
                }
            };
            closed(gateway, flow, sent, received).await;
        }
        Some((ToGateway::Refused { .. }, _)) => refuse(&stream),
        _ => {
            refuse(&stream);
            closed(gateway, flow, 0, 0).await;
        }
    }
}

/// Reads requests, and tells the monitor where there are none to be read. How many bytes the program sent and
/// received.
async fn read(
    inspector: &Arc<Inspector<Monitor>>,
    gateway: &Gateway,
    flow: FlowId,
    mut stream: TcpStream,
    destination: Destination,
) -> (u64, u64) {
    let mut counted = Counted::new(&mut stream);
    let cut = gateway.cut_of(flow);
    let ended = tokio::select! {
        ended = inspector.serve(&mut counted, &destination) => Some(ended),
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
    inside: TcpStream,
    (upstream, most): (OwnedFd, Option<u64>),
    destination: &Destination,
) {
    let (sent, received) = match stream_of(upstream) {
        Some(outside) => {
            let check = |bytes: &[u8]| greeting::read(bytes, destination);
            let ended = tunnel::run(
                inside,
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
        None => {
            refuse(&inside);
            (0, 0)
        }
    };
    closed(gateway, flow, sent, received).await;
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
            let ended = tunnel::run(outside, inside, None, (None, None)).await;
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
