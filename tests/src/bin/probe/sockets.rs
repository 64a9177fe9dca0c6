//! Reaching sockets of the host.

use crate::errno::{Errno, check};
use crate::{Probe, Reached, int, word};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

pub(crate) const PROBES: &[(&str, Probe)] = &[
    ("abstract", abstract_stream),
    ("abstract_bind", abstract_bind),
    ("abstract_datagram", abstract_datagram),
    ("datagram_pair", datagram_pair),
    ("fastopen", fastopen),
    ("loopback_works", loopback_works),
    ("mptcp", mptcp),
    ("pair_works", pair_works),
    ("serve", serve),
    ("tcp", tcp),
    ("udp", udp),
    ("unix", unix),
];

const PATIENCE: Duration = Duration::from_secs(3);

fn address(arguments: &[OsString]) -> SocketAddr {
    let text = word(arguments, 0).to_string_lossy();
    let host: IpAddr = text.parse().unwrap_or_else(|_| panic!("no address: {text}"));
    SocketAddr::new(host, u16::try_from(int(arguments, 1)).unwrap_or(0))
}

/// `tcp ADDRESS PORT`
fn tcp(arguments: &[OsString]) -> Reached {
    TcpStream::connect_timeout(&address(arguments), PATIENCE)?.write_all(b"planted\n")?;
    Ok("connected".to_owned())
}

/// `udp ADDRESS PORT`
fn udp(arguments: &[OsString]) -> Reached {
    let to = address(arguments);
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(from)?.send_to(b"planted\n", to)?;
    Ok("sent".to_owned())
}

fn v4(address: SocketAddr) -> libc::sockaddr_in {
    let SocketAddr::V4(address) = address else {
        panic!("an IPv4 address is needed")
    };
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(address.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

const V4_LENGTH: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;

fn stream(protocol: i32) -> Result<i32, Errno> {
    // SAFETY: integers only.
    check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, protocol) })
        .map(|fd| fd as i32)
}

/// `mptcp ADDRESS PORT`: TCP under another protocol number.
fn mptcp(arguments: &[OsString]) -> Reached {
    let to = v4(address(arguments));
    let fd = stream(libc::IPPROTO_MPTCP)?;
    // SAFETY: the address and its length belong together and outlive the call.
    check(unsafe { libc::connect(fd, (&raw const to).cast(), V4_LENGTH) })?;
    Ok("connected".to_owned())
}

/// `fastopen ADDRESS PORT`: connects by sendto, without connect.
fn fastopen(arguments: &[OsString]) -> Reached {
    let to = v4(address(arguments));
    let fd = stream(0)?;
    let text = b"planted\n";
    // SAFETY: both pointers and lengths belong together and outlive the call.
    check(unsafe {
        libc::sendto(
            fd,
            text.as_ptr().cast(),
            text.len(),
            libc::MSG_FASTOPEN,
            (&raw const to).cast(),
            V4_LENGTH,
        )
    } as i64)?;
    Ok("connected".to_owned())
}

/// `unix PATH`: stream, else datagram (a bus and a log listen differently).
fn unix(arguments: &[OsString]) -> Reached {
    match UnixStream::connect(word(arguments, 0)) {
        Err(e) if e.raw_os_error() == Some(libc::EPROTOTYPE) => {
            let socket = UnixDatagram::unbound()?;
            socket.send_to(b"planted\n", word(arguments, 0))?;
        }
        other => other?.write_all(b"planted\n")?,
    }
    Ok("connected".to_owned())
}

fn abstract_name(arguments: &[OsString]) -> std::io::Result<std::os::unix::net::SocketAddr> {
    std::os::unix::net::SocketAddr::from_abstract_name(word(arguments, 0).as_bytes())
}

/// `abstract NAME`
fn abstract_stream(arguments: &[OsString]) -> Reached {
    UnixStream::connect_addr(&abstract_name(arguments)?)?.write_all(b"planted\n")?;
    Ok("connected".to_owned())
}

/// `abstract_datagram NAME`
fn abstract_datagram(arguments: &[OsString]) -> Reached {
    UnixDatagram::unbound()?.send_to_addr(b"planted\n", &abstract_name(arguments)?)?;
    Ok("sent".to_owned())
}

/// `datagram_pair NAME`: one end of a pair, which needs no socket(2), sends to an abstract name. An error is that of
/// making the pair.
fn datagram_pair(arguments: &[OsString]) -> Reached {
    let (one, _other) = UnixDatagram::pair()?;
    Ok(match one.send_to_addr(b"planted\n", &abstract_name(arguments)?) {
        Ok(_) => "sent".to_owned(),
        Err(e) => format!("made a pair, then {}", Errno::from(e)),
    })
}

/// `abstract_bind NAME READY`: listens until standard input ends; READY is then made.
fn abstract_bind(arguments: &[OsString]) -> Reached {
    let listener = UnixListener::bind_addr(&abstract_name(arguments)?)?;
    until_input_ends(arguments)?;
    drop(listener);
    Ok("served".to_owned())
}

/// `serve PORT READY`: listens on all addresses of both families until standard input ends.
fn serve(arguments: &[OsString]) -> Reached {
    let port = int(arguments, 0);
    let any = TcpListener::bind(format!("0.0.0.0:{port}"))?;
    let any6 = TcpListener::bind(format!("[::1]:{port}"))?;
    until_input_ends(arguments)?;
    drop((any, any6));
    Ok("served".to_owned())
}

fn until_input_ends(arguments: &[OsString]) -> std::io::Result<()> {
    std::fs::write(word(arguments, 1), "ready")?;
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

/// `loopback_works`: a server and its client within the sandbox.
fn loopback_works(_: &[OsString]) -> Reached {
    for own in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(own)?;
        TcpStream::connect_timeout(&listener.local_addr()?, PATIENCE)?.write_all(b"hello")?;
        let mut got = String::new();
        listener.accept()?.0.read_to_string(&mut got)?;
        assert_eq!(got, "hello");
    }
    Ok("served itself".to_owned())
}

/// `pair_works`: a socket pair.
fn pair_works(_: &[OsString]) -> Reached {
    let (mut ours, mut theirs) = UnixStream::pair()?;
    ours.write_all(b"hello")?;
    drop(ours);
    let mut got = String::new();
    theirs.read_to_string(&mut got)?;
    Ok(got)
}
