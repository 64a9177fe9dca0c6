//! Over HTTP, on loopback or a Unix socket: who may connect, and one thread for each connection.

mod exchange;
mod sessions;

use super::calls::Calls;
use super::token::token;
use crate::configuration::Places;
use crate::connection::Connection;
use crate::say;
use exchange::Exchange;
use fumehood_destination::Destination;
use fumehood_policy::Escaped;
use fumehood_tools::mcp::web::{Answer, Door, PATH};
use sessions::Sessions;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections at a time.
const MOST: usize = 64;

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A socket that waits for clients, and who may come in.
pub(super) struct Listening {
    socket: Socket,
    door: Door,
}

impl Listening {
    /// Listens, and says where.
    pub(super) fn at(at: &str, places: &Places, file: Option<&Path>) -> Result<Listening, String> {
        let file = file.map_or_else(|| places.state().join("mcp/token"), Path::to_owned);
        let token = token(&file)?;
        let (socket, names, shown) = match at.strip_prefix("unix:") {
            Some(path) => unix(Path::new(path))?,
            None => tcp(at)?,
        };
        let file = Escaped::from(file.as_path());
        say::line(&format!("listening on {shown}; the token is in {file}"));
        let door = Door::new(names, &token);
        Ok(Listening { socket, door })
    }

    /// Serves until the process ends.
    pub(super) fn serve(self, calls: &Arc<Calls>) {
        let open = Arc::new(AtomicUsize::new(0));
        let exchange = Arc::new(Exchange {
            door: self.door,
            calls: Arc::clone(calls),
            sessions: Sessions::default(),
        });
        loop {
            let mut connection = match accept(&self.socket) {
                Ok(connection) => connection,
                // Of one client that went, or of descriptors that others hold: it passes.
                Err(_) => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    continue;
                }
            };
            if open.fetch_add(1, Ordering::Relaxed) >= MOST {
                open.fetch_sub(1, Ordering::Relaxed);
                // Nobody is waited for here: the others are.
                let busy = Answer::refused(503, "too many connections");
                let _gone = connection.write(&busy.bytes(false));
                continue;
            }
            let (exchange, count) = (Arc::clone(&exchange), Arc::clone(&open));
            let thread = std::thread::Builder::new().spawn(move || {
                let _client_gone = exchange.serve(&mut connection);
                count.fetch_sub(1, Ordering::Relaxed);
            });
            if thread.is_err() {
                open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

fn accept(socket: &Socket) -> std::io::Result<Connection> {
    match socket {
        Socket::Tcp(tcp) => Connection::tcp(tcp.accept()?.0),
        Socket::Unix(unix) => Connection::unix(unix.accept()?.0),
    }
}

fn name(text: &str) -> Result<Destination, String> {
    Destination::authority(text.as_bytes(), None).map_err(|e| format!("{text}: {e}"))
}

fn tcp(at: &str) -> Result<(Socket, Vec<Destination>, String), String> {
    let wrong = || format!("--http {at}: write an address of loopback and a port, such as 127.0.0.1:4100");
    let address: SocketAddr = at.parse().map_err(|_| wrong())?;
    if !address.ip().is_loopback() {
        return Err(format!("{}; other machines are not served", wrong()));
    }
    let listener = TcpListener::bind(address).map_err(|e| format!("--http {at}: {e}"))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let names = vec![
        name(&address.to_string())?,
        name(&format!("localhost:{}", address.port()))?,
    ];
    Ok((Socket::Tcp(listener), names, format!("http://{address}{PATH}")))
}

/// A socket that nobody else may open. One that a server left behind is taken over.
fn unix(path: &Path) -> Result<(Socket, Vec<Destination>, String), String> {
    let shown = Escaped::from(path).to_string();
    let failed = |e: std::io::Error| format!("--http unix:{shown}: {e}");
    let listener = match UnixListener::bind(path) {
        Err(e) if e.kind() == ErrorKind::AddrInUse && is_left(path) => {
            std::fs::remove_file(path).map_err(failed)?;
            UnixListener::bind(path)
        }
        other => other,
    };
    let listener = listener.map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok((
        Socket::Unix(listener),
        vec![name("localhost:80")?],
        format!("the socket {shown}, as http://localhost{PATH}"),
    ))
}

fn is_left(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    let refused = || UnixStream::connect(path).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
    is_socket && refused()
}

/// The socket's file, which goes with this value.
pub(super) struct SocketFile(Option<PathBuf>);

impl SocketFile {
    pub(super) fn of(at: Option<&str>) -> SocketFile {
        SocketFile(at.and_then(|a| a.strip_prefix("unix:")).map(PathBuf::from))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _gone = std::fs::remove_file(path);
        }
    }
}
