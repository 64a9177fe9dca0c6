//! From a release to a connected socket: the name is resolved once, every address is judged, and the
//! address that is dialled is one that was judged (A20, A21).

use fumehood_destination::{Class, Destination, class};
use fumehood_monitor::DialError;
use fumehood_policy::value::HostName;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long a name may take.
const RESOLVE: Duration = Duration::from_secs(10);
/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(8);
/// How many addresses of one name are tried.
const TRIED: usize = 4;

/// Connects.
///
/// # Errors
/// No address may be dialled, or none answered: the last one's answer.
pub async fn dial(
    destination: &Destination,
    permitted: &[IpAddr],
) -> Result<(TcpStream, SocketAddr), DialError> {
    let addresses = addresses(destination, permitted).await?;
    let mut last = DialError::NoName;
    for address in judge(&addresses, permitted)?.into_iter().take(TRIED) {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _slower = stream.set_nodelay(true);
                return Ok((stream, address));
            }
            Ok(Err(e)) => last = DialError::Connect(e.raw_os_error().unwrap_or(EIO)),
            Err(_) => last = DialError::Connect(ETIMEDOUT),
        }
    }
    Err(last)
}

const EIO: i32 = rustix::io::Errno::IO.raw_os_error();
const ETIMEDOUT: i32 = rustix::io::Errno::TIMEDOUT.raw_os_error();

async fn addresses(destination: &Destination, permitted: &[IpAddr]) -> Result<Vec<SocketAddr>, DialError> {
    let port = destination.port.get();
    match &destination.host {
        // This machine's loopback, under either of its addresses.
        HostName::Address(address) if address.is_loopback() => Ok(loopback(permitted, port)),
        HostName::Name(name) if name == "localhost" => Ok(loopback(permitted, port)),
        HostName::Address(address) => Ok(vec![SocketAddr::new(*address, port)]),
        HostName::Name(name) => timeout(RESOLVE, lookup_host((name.as_str(), port)))
            .await
            .map_err(|_| DialError::NoName)?
            .map(Iterator::collect)
            .map_err(|_| DialError::NoName),
    }
}

fn loopback(permitted: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let addresses = permitted.iter().filter(|a| a.is_loopback());
    addresses.map(|a| SocketAddr::new(*a, port)).collect()
}

/// Those that may be dialled: of the Internet, or permitted by name. Where none is, the first of the
/// others is told.
fn judge(addresses: &[SocketAddr], permitted: &[IpAddr]) -> Result<Vec<SocketAddr>, DialError> {
    let may = |a: &&SocketAddr| {
        let ip = a.ip().to_canonical();
        class(ip) == Class::Global || permitted.contains(&ip)
    };
    let good: Vec<SocketAddr> = addresses.iter().filter(may).copied().collect();
    match (good.is_empty(), addresses.first()) {
        (false, _) => Ok(good),
        (true, Some(first)) => Err(DialError::Address(first.ip().to_canonical())),
        (true, None) => Err(DialError::NoName),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(texts: &[&str]) -> Vec<SocketAddr> {
        texts
            .iter()
            .map(|t| SocketAddr::new(t.parse().unwrap(), 443))
            .collect()
    }

    /// A20, A21: whatever a resolver says, what is not of the Internet is not dialled.
    #[test]
    fn a20_only_judged_addresses_are_dialled() {
        for bad in [
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "198.18.1.0",
            "224.0.0.1",
        ] {
            let address: IpAddr = bad.parse().unwrap();
            let refused = DialError::Address(address.to_canonical());
            assert_eq!(judge(&all(&[bad]), &[]), Err(refused), "{bad}");
            // One good address does not open the door to the other.
            assert_eq!(
                judge(&all(&[bad, "8.8.8.8"]), &[]),
                Ok(all(&["8.8.8.8"])),
                "{bad}"
            );
            assert_eq!(
                judge(&all(&[bad]), &[address.to_canonical()]),
                Ok(all(&[bad])),
                "{bad}"
            );
        }
        assert_eq!(judge(&[], &[]), Err(DialError::NoName));
    }

    #[test]
    fn loopback_is_what_is_permitted() {
        let v4: IpAddr = "127.0.0.1".parse().unwrap();
        assert_eq!(
            loopback(&[v4, "10.0.0.1".parse().unwrap()], 443),
            all(&["127.0.0.1"])
        );
        assert!(loopback(&[], 443).is_empty());
    }
}
