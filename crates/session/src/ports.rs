//! Ports of the sandbox that are made reachable while it runs. Whoever asks opens the port and hands the listener over: the
//! supervisor opens nothing.

use crate::control::by;
use crate::log::Log;
use crate::network::Watch;
use fumehood_audit::{Entry, Kind};
use fumehood_monitor::desk::{Answer, MAX_PORTS, Peer, PublishedPort, Reply};
use rustix::fs::OFlags;
use rustix::net::{SocketType, ipproto, sockopt};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

impl Watch {
    /// Which ports are reachable outside.
    pub(crate) fn ports(&self) -> Reply {
        Reply::Session(Answer::Ports(self.ports.clone()))
    }

    /// What came leads to this port inside until the session ends.
    pub(crate) fn publish(&mut self, inside: u16, fd: Option<OwnedFd>, peer: &Peer, log: &mut Log) -> Reply {
        let outside = fd.as_ref().map(AsFd::as_fd).and_then(listens_at);
        let done = self.may_lead(outside, inside);
        let mut entry = Entry::new(Kind::SessionAsk)
            .text("what", "publish port")
            .number("inside", inside.into())
            .text("decision", if done.is_ok() { "allow" } else { "deny" });
        if let Some(outside) = outside {
            entry = entry.text("outside", outside);
        }
        // Recorded before anybody can connect to it.
        log.record(by(entry, peer));
        match (done, fd) {
            (Ok(port), Some(fd)) => {
                self.ports.push(port);
                self.lead(fd, inside);
                Reply::Done(format!(
                    "{} leads to port {inside} inside until the session ends",
                    port.outside
                ))
            }
            (Err(why), _) => Reply::Refused(why),
            (Ok(_), None) => Reply::Refused(NO_LISTENER.to_owned()),
        }
    }

    fn may_lead(&self, outside: Option<SocketAddr>, inside: u16) -> Result<PublishedPort, String> {
        let outside = outside.ok_or(NO_LISTENER)?;
        if inside == 0 {
            return Err("port 0 is none".to_owned());
        }
        if self.of_host.contains(&inside) {
            return Err(format!("port {inside} inside is the host's in this session"));
        }
        if self.is_over() {
            return Err("the network of this session is gone".to_owned());
        }
        if self.ports.len() >= MAX_PORTS {
            return Err(format!("{MAX_PORTS} ports are published, which is the most"));
        }
        let may = self.monitor.may_publish();
        may.map_err(|why| format!("{} ({})", why.why, why.rule))?;
        Ok(PublishedPort { outside, inside })
    }
}

const NO_LISTENER: &str = "what came is not a TCP socket that listens and that nobody waits at";

/// Where a TCP socket listens, which does not make who accepts from it wait.
fn listens_at(fd: BorrowedFd<'_>) -> Option<SocketAddr> {
    let tcp = sockopt::socket_type(fd) == Ok(SocketType::STREAM)
        && sockopt::socket_protocol(fd) == Ok(Some(ipproto::TCP))
        && sockopt::socket_acceptconn(fd) == Ok(true);
    let patient = rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK));
    let address = rustix::net::getsockname(fd).ok()?;
    SocketAddr::try_from(address).ok().filter(|_| tcp && patient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn only_what_listens_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(listens_at(listener.as_fd()), None, "it would wait");
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listens_at(listener.as_fd()), listener.local_addr().ok());
        let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        connected.set_nonblocking(true).unwrap();
        assert_eq!(listens_at(connected.as_fd()), None);
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        assert_eq!(listens_at(one.as_fd()), None);
        assert_eq!(
            listens_at(std::fs::File::open("/dev/null").unwrap().as_fd()),
            None
        );
    }
}
