//! Everything outside that an attack could reach: listeners, a victim process.
//!
//! No thread accepts: a connection that was made waits in the kernel's queue, so asking the queue at
//! the end tells all that happened, without a race.

use crate::programs::host_program;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// Listeners and a victim, on the host.
#[derive(Debug)]
pub struct FarSide {
    tcp4: TcpListener,
    tcp6: TcpListener,
    udp4: UdpSocket,
    udp6: UdpSocket,
    paths: Vec<(PathBuf, UnixListener)>,
    abstract_stream: UnixListener,
    abstract_datagram: UnixDatagram,
    name: String,
    victim: Child,
    state: String,
}

impl FarSide {
    /// Opens all. `folder` names this world: it is part of the abstract names.
    pub(crate) fn open(folder: &Path) -> FarSide {
        let name = format!("fumehood-test-{}", folder.file_name().unwrap().to_string_lossy());
        let address = |suffix: &str| {
            std::os::unix::net::SocketAddr::from_abstract_name(format!("{name}{suffix}")).unwrap()
        };
        let victim = host_program("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut far = FarSide {
            tcp4: TcpListener::bind("0.0.0.0:0").unwrap(),
            tcp6: TcpListener::bind("[::1]:0").unwrap(),
            udp4: UdpSocket::bind("0.0.0.0:0").unwrap(),
            udp6: UdpSocket::bind("[::1]:0").unwrap(),
            paths: Vec::new(),
            abstract_stream: UnixListener::bind_addr(&address("")).unwrap(),
            abstract_datagram: UnixDatagram::bind_addr(&address("-datagram")).unwrap(),
            name,
            state: String::new(),
            victim,
        };
        far.do_not_wait();
        far.state = far.victims_state();
        far
    }

    fn do_not_wait(&self) {
        self.tcp4.set_nonblocking(true).unwrap();
        self.tcp6.set_nonblocking(true).unwrap();
        self.udp4.set_nonblocking(true).unwrap();
        self.udp6.set_nonblocking(true).unwrap();
        self.abstract_stream.set_nonblocking(true).unwrap();
        self.abstract_datagram.set_nonblocking(true).unwrap();
    }

    /// Listens on a pathname socket too; its folder must exist.
    pub fn listen_at(&mut self, path: &Path) {
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.paths.push((path.to_owned(), listener));
    }

    /// Port of the TCP listener on all IPv4 addresses.
    #[must_use]
    pub fn tcp4(&self) -> String {
        port(self.tcp4.local_addr())
    }

    /// Port of the TCP listener on `::1`.
    #[must_use]
    pub fn tcp6(&self) -> String {
        port(self.tcp6.local_addr())
    }

    /// Port of the UDP socket on all IPv4 addresses.
    #[must_use]
    pub fn udp4(&self) -> String {
        port(self.udp4.local_addr())
    }

    /// Port of the UDP socket on `::1`.
    #[must_use]
    pub fn udp6(&self) -> String {
        port(self.udp6.local_addr())
    }

    /// Name of the abstract stream listener.
    #[must_use]
    pub fn abstract_stream(&self) -> String {
        self.name.clone()
    }

    /// Name of the abstract datagram socket.
    #[must_use]
    pub fn abstract_datagram(&self) -> String {
        format!("{}-datagram", self.name)
    }

    /// A process of the same user, to be attacked.
    #[must_use]
    pub fn victim(&self) -> String {
        self.victim.id().to_string()
    }

    /// Who came since this was last asked.
    #[must_use]
    pub fn visitors(&self) -> Vec<String> {
        let mut seen = Vec::new();
        let mut note = |what: &str, came: bool| seen.extend(came.then(|| what.to_owned()));
        let mut buffer = [0u8; 64];
        while came(self.tcp4.accept().map(drop)) {
            note("tcp4", true);
        }
        while came(self.tcp6.accept().map(drop)) {
            note("tcp6", true);
        }
        note("udp4", came(self.udp4.recv(&mut buffer).map(drop)));
        note("udp6", came(self.udp6.recv(&mut buffer).map(drop)));
        note("abstract", came(self.abstract_stream.accept().map(drop)));
        note(
            "abstract datagram",
            came(self.abstract_datagram.recv(&mut buffer).map(drop)),
        );
        for (path, listener) in &self.paths {
            note(&path.display().to_string(), came(listener.accept().map(drop)));
        }
        seen
    }

    /// What another process could change about the victim.
    fn victims_state(&self) -> String {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.victim.id())).unwrap_or_default();
        let kept = ["TracerPid", "Cpus_allowed:", "SigBlk", "SigIgn", "SigCgt"];
        let lines = status.lines().filter(|l| kept.iter().any(|k| l.starts_with(k)));
        let limits =
            std::fs::read_to_string(format!("/proc/{}/limits", self.victim.id())).unwrap_or_default();
        let stopped = status
            .lines()
            .any(|l| l.starts_with("State:") && l.contains(['T', 't', 'Z']));
        format!(
            "stopped: {stopped}\n{}\n{limits}",
            lines.collect::<Vec<_>>().join("\n")
        )
    }

    /// Fails when anyone came or the victim is not as it was.
    pub(crate) fn assert_untouched(&mut self) {
        let visitors = self.visitors();
        assert!(visitors.is_empty(), "something outside was reached: {visitors:?}");
        assert!(
            matches!(self.victim.try_wait(), Ok(None)),
            "the victim process has ended"
        );
        assert_eq!(self.victims_state(), self.state, "the victim process was changed");
    }
}

impl Drop for FarSide {
    fn drop(&mut self) {
        let _ended_already = self.victim.kill();
        let _reaped = self.victim.wait();
    }
}

fn port(address: std::io::Result<SocketAddr>) -> String {
    address.unwrap().port().to_string()
}

fn came(answer: std::io::Result<()>) -> bool {
    !matches!(answer, Err(e) if e.kind() == ErrorKind::WouldBlock)
}
