//! One request to a server that the user named: `POST`, over TLS or in the clear, and its answer within bounds. It is made
//! by processes of ours that run outside every sandbox.

use fumehood_destination::Destination;
use fumehood_policy::value::{HostName, Port};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a server may take to be reached, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a whole answer may take: who waits for it is not kept by one that drips.
const WHOLE: Duration = Duration::from_secs(30);
/// The longest answer that is read, bytes.
const ANSWER: usize = 64 << 10;

/// `http://host[:port][/path]` or `https://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    secure: bool,
    authority: String,
    to: Destination,
    path: String,
}

impl Url {
    /// None where it is not such an address: with a user, a question, a fragment, or anything but visible ASCII.
    pub(crate) fn parse(text: &str) -> Option<Url> {
        let (rest, secure, port) = match text.split_once("://")? {
            ("https", rest) => (rest, true, 443),
            ("http", rest) => (rest, false, 80),
            _ => return None,
        };
        if !rest
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#')
        {
            return None;
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Some(Url {
            secure,
            to: Destination::authority(authority.as_bytes(), Port::new(port)).ok()?,
            authority: authority.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

/// `POST` of a text to a path below this address, with these fields besides; status and body. Of every address that the
/// name has the next one is tried where one does not answer. Servers are verified by the machine's roots and those that
/// the caller's variables name.
pub(crate) fn post(url: &Url, below: &str, fields: &str, body: &str) -> Result<(u16, String), String> {
    let words = |error: io::Error| error.to_string().to_lowercase();
    let config = url.secure.then(configured).transpose()?;
    let request = format!(
        "POST {}{below} HTTP/1.1\r\nHost: {}\r\n{fields}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        url.path,
        url.authority,
        body.len()
    );
    let mut last = "its name has no address".to_owned();
    for address in addresses(&url.to).map_err(words)? {
        match talk(url, address, config.clone(), &request) {
            Ok(answer) => return response(&answer).ok_or_else(|| "its answer is not HTTP".to_owned()),
            Err(error) => last = words(error),
        }
    }
    Err(last)
}

fn addresses(to: &Destination) -> io::Result<Vec<SocketAddr>> {
    let port = to.port.get();
    Ok(match &to.host {
        HostName::Address(address) => vec![(*address, port).into()],
        HostName::Name(name) => (name.as_str(), port).to_socket_addrs()?.collect(),
    })
}

/// The machine's roots, which every start of a connection has anew: a company's may have come since.
fn configured() -> Result<Arc<ClientConfig>, String> {
    let roots = fumehood_session::machine_roots().map_err(|e| e.to_string())?;
    let (store, _unusable) = roots.store();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn talk(
    url: &Url,
    address: SocketAddr,
    config: Option<Arc<ClientConfig>>,
    request: &str,
) -> io::Result<Vec<u8>> {
    let until = Instant::now() + WHOLE;
    let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let Some(config) = config else {
        let mut socket = socket;
        socket.write_all(request.as_bytes())?;
        return whole(&mut socket, |s| s, until);
    };
    let name = match &url.to.host {
        HostName::Address(address) => ServerName::IpAddress((*address).into()),
        HostName::Name(name) => {
            ServerName::try_from(name.as_str().to_owned()).map_err(|e| io::Error::other(e.to_string()))?
        }
    };
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    // By hand, because a handshake may drip as an answer may.
    while stream.conn.is_handshaking() {
        if stream.conn.wants_write() {
            stream.conn.write_tls(&mut stream.sock)?;
            continue;
        }
        patient(&stream.sock, until)?;
        if stream.conn.read_tls(&mut stream.sock)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Err(error) = stream.conn.process_new_packets() {
            // The server is told why, as far as it listens.
            let _told = stream.conn.write_tls(&mut stream.sock);
            return Err(io::Error::other(error));
        }
    }
    stream.write_all(request.as_bytes())?;
    whole(&mut stream, |s| &s.sock, until)
}

/// No read lasts longer than what is left.
fn patient(socket: &TcpStream, until: Instant) -> io::Result<()> {
    let left = until.saturating_duration_since(Instant::now()).min(PATIENCE);
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    socket.set_read_timeout(Some(left))
}

/// Reads until all that was announced is there, or to the end of the connection, within bounds. What ends without TLS's own
/// end is cut short, unless it is whole by what it said.
fn whole<S: Read>(stream: &mut S, socket: impl Fn(&S) -> &TcpStream, until: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        patient(socket(stream), until)?;
        match stream.read(&mut part) {
            Ok(0) => return Ok(answer),
            Ok(got) => answer.extend_from_slice(part.get(..got).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if answer.len() > ANSWER || is_whole(&answer) {
            return Ok(answer);
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    matches!(parse(answer), Some(Parsed { length: Some(length), body, .. }) if body.len() >= length)
}

/// A response's head, and as much of its body as is there.
struct Parsed<'a> {
    status: u16,
    length: Option<usize>,
    body: &'a [u8],
}

fn parse(bytes: &[u8]) -> Option<Parsed<'_>> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = bytes.split_at_checked(end + 4)?;
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut status = lines.next()?.split(' ');
    if !status.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let status = status.next()?.parse().ok()?;
    let fields = || head.lines().skip(1).filter_map(|line| line.split_once(':'));
    if fields().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding")) {
        return None;
    }
    let length = fields().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = match length {
        Some((_, length)) => Some(length.trim().parse().ok()?),
        None => None,
    };
    Some(Parsed { status, length, body })
}

/// Status and body of an HTTP/1.1 response that ends with its connection (RFC 9112), or says its length.
fn response(bytes: &[u8]) -> Option<(u16, String)> {
    let Parsed { status, length, body } = parse(bytes)?;
    let body = match length {
        Some(length) => body.get(..length)?,
        None => body,
    };
    Some((status, String::from_utf8(body.to_vec()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_a_server_and_nothing_besides() {
        let url = Url::parse("https://log.example:8443/c2sp/").unwrap();
        assert!(url.secure);
        assert_eq!(
            (
                url.to.to_string().as_str(),
                url.authority.as_str(),
                url.path.as_str()
            ),
            ("log.example:8443", "log.example:8443", "/c2sp")
        );
        assert_eq!(Url::parse("http://[::1]").unwrap().to.to_string(), "[::1]:80");
        assert_eq!(Url::parse("https://a.example").unwrap().to.port.get(), 443);
        for wrong in [
            "",
            "log.example",
            "ftp://log.example/",
            "https://",
            "https://user@log.example/",
            "https://log.example/?q",
            "https://log.example/#f",
            "https://log.example/a b",
            "https://log.example/\r\nX: y",
            "https://log.example:0/",
        ] {
            assert_eq!(Url::parse(wrong), None, "{wrong}");
        }
    }

    /// One that drips a byte at a time is left alone when its time is over, one that says too much when it did.
    #[test]
    fn an_answer_has_bounds_of_time_and_length() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let dial = || std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ours = dial();
        let (mut theirs, _) = listener.accept().unwrap();
        let drips = std::thread::spawn(move || {
            while theirs.write_all(b"x").is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
        let until = std::time::Instant::now() + std::time::Duration::from_millis(300);
        assert!(whole(&mut &ours, |s| s, until).is_err());
        drop(ours);
        drips.join().unwrap();
        let ours = dial();
        let (mut theirs, _) = listener.accept().unwrap();
        let floods = std::thread::spawn(move || while theirs.write_all(&[b'x'; 4096]).is_ok() {});
        let long = std::time::Instant::now() + WHOLE;
        let got = whole(&mut &ours, |s| s, long).unwrap().len();
        assert!(got > ANSWER && got < 2 * ANSWER, "{got}");
        drop(ours);
        floods.join().unwrap();
    }

    #[test]
    fn an_answer_is_taken_whole_or_not() {
        let answer = |text: &str| response(text.as_bytes());
        let good = "HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n7\n";
        assert_eq!(answer(good), Some((409, "7\n".to_owned())));
        assert_eq!(answer("HTTP/1.0 200 OK\r\n\r\nx"), Some((200, "x".to_owned())));
        for bad in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n7\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
        ] {
            assert_eq!(answer(bad), None, "{bad}");
        }
    }

    /// Cut or changed anywhere it is an answer or none.
    #[test]
    fn no_answer_is_too_odd() {
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: \xff\r\n\r\nabc".to_vec();
        for at in 0..good.len() {
            let _cut = response(&good[..at]);
            for byte in [0, b'\n', b':', b' ', 0xff] {
                let mut changed = good.clone();
                changed[at] = byte;
                let _any = response(&changed);
            }
        }
    }
}
