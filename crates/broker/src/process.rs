//! The broker's process: it does what is released to it.

use crate::dial::dial;
use crate::postgres::{Asking, Passwords, Postgres};
use crate::telling::{Telling, within};
use crate::upstream::{Allotment, Became, BodyDigest, Custody, Dial, Release, Tls, Upstream};
use fumehood_authority::Roots;
use fumehood_destination::Destination;
use fumehood_lane::Lane;
use fumehood_monitor::{Channel, DialError, FlowId, FromBroker, Line, MAX_NAMES, Released, ToBroker, Wire};
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Flows that are being dialled at a time.
const DIALLING: usize = 256;
/// Lanes at a time: of more the gateway has no use.
const LANES: usize = 512;

/// Runs until the supervisor is gone; returns the status to end with. Servers are verified by these roots, and
/// what goes into requests besides what was released is the custody's.
#[must_use]
pub fn run(monitor: Channel, roots: &Roots, custody: impl Custody, passwords: Passwords) -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16) // the C library's resolver waits
        .thread_keep_alive(std::time::Duration::from_secs(5))
        .build();
    let Ok(runtime) = runtime else { return 1 };
    runtime.block_on(async { obey(monitor, roots, custody, passwords).await.map_or(1, |()| 0) })
}

/// Dials for requests, and tells the supervisor where that fails.
#[derive(Debug)]
struct Dialler(Arc<Line>);

impl Dial for Dialler {
    async fn dial(&self, destination: &Destination, permitted: &[IpAddr]) -> Result<TcpStream, DialError> {
        match dial(destination, permitted).await {
            Ok((stream, _)) => Ok(stream),
            Err(why) => {
                let destination = destination.clone();
                let message = FromBroker::Unreached { destination, why };
                let _supervisor_gone = self.0.send(&message, None).await;
                Err(why)
            }
        }
    }

    async fn tell(&self, request: FlowId, what: Became) {
        let message = match what {
            Became::Used(mut names) => {
                names.truncate(MAX_NAMES);
                let names = names.into_iter().map(within).collect();
                FromBroker::Used { request, names }
            }
            Became::Denied(denial) => {
                let why = within(denial.reason);
                FromBroker::Undone { request, why }
            }
            Became::BrokeOff => {
                let why = "it, or its answer, broke off".to_owned();
                FromBroker::Undone { request, why }
            }
        };
        let _supervisor_gone = self.0.send(&message, None).await;
    }
}

async fn obey(
    monitor: Channel,
    roots: &Roots,
    custody: impl Custody,
    passwords: Passwords,
) -> std::io::Result<()> {
    let monitor = Arc::new(Line::new(monitor)?);
    let custody = Telling {
        custody,
        monitor: Arc::clone(&monitor),
    };
    // Without roots nothing is sent: whoever has no rule that reads requests does not need any.
    let upstream = Upstream::new(custody, Dialler(Arc::clone(&monitor)), roots);
    let upstream = upstream.ok().map(Arc::new);
    let asking = Arc::new(Asking::new(Arc::clone(&monitor)));
    let dial = Dialler(Arc::clone(&monitor));
    let databases = Postgres::new(passwords, Arc::clone(&asking), Tls::new(roots).ok(), dial);
    let databases = Arc::new(databases);
    let (dialling, lanes) = (
        Arc::new(Semaphore::new(DIALLING)),
        Arc::new(Semaphore::new(LANES)),
    );
    while let Some(packet) = monitor.receive().await {
        match (ToBroker::decode(&packet.bytes), &upstream) {
            (Some(dial @ ToBroker::Dial { .. }), _) => {
                let Ok(room) = Arc::clone(&dialling).acquire_owned().await else {
                    break;
                };
                let monitor = Arc::clone(&monitor);
                tokio::spawn(async move {
                    perform(&monitor, dial).await;
                    drop(room);
                });
            }
            (Some(ToBroker::Send(released)), Some(upstream)) => {
                let request = released.request;
                upstream.release(request, release(*released, &monitor));
            }
            (Some(ToBroker::Statement(request, said)), _) => asking.said(request, said),
            (Some(ToBroker::Database(open)), _) => {
                let (Some(end), Ok(room)) = (packet.fd, Arc::clone(&lanes).try_acquire_owned()) else {
                    continue;
                };
                let databases = Arc::clone(&databases);
                tokio::spawn(async move {
                    databases.serve(*open, end).await;
                    drop(room);
                });
            }
            (Some(ToBroker::Lane), Some(upstream)) => {
                // One too many is closed, which its other end hears.
                let (Some(end), Ok(room)) = (packet.fd, Arc::clone(&lanes).try_acquire_owned()) else {
                    continue;
                };
                let upstream = Arc::clone(upstream);
                tokio::spawn(async move {
                    serve(&upstream, end).await;
                    drop(room);
                });
            }
            _ => {}
        }
    }
    Ok(())
}

async fn serve<C: Custody>(upstream: &Upstream<C, Dialler>, end: OwnedFd) {
    if let Ok(lane) = Lane::from_fd(end) {
        upstream.serve(lane).await;
    }
}

fn release(released: Released, monitor: &Arc<Line>) -> Release {
    let Released {
        head,
        permitted,
        body,
        most,
        budget,
        request,
    } = released;
    let budget = budget.map(|rule| {
        let monitor = Arc::clone(monitor);
        Allotment::new(rule, move |bytes, over| {
            let message = FromBroker::Passed { request, bytes, over };
            tokio::spawn(async move {
                let _supervisor_gone = monitor.send(&message, None).await;
            });
        })
    });
    let body = body.map(|body| BodyDigest {
        sha256: *body.digest.as_bytes(),
        // Beyond what fits: no body is that long, and so none is sent.
        length: usize::try_from(body.length).unwrap_or(usize::MAX),
    });
    Release {
        head,
        permitted,
        body,
        most,
        budget,
    }
}

async fn perform(monitor: &Line, release: ToBroker) {
    let ToBroker::Dial {
        flow,
        destination,
        permitted,
    } = release
    else {
        return;
    };
    let _supervisor_gone = match dial(&destination, &permitted).await {
        Ok((stream, address)) => {
            let message = FromBroker::Connected { flow, address };
            monitor.send(&message, Some(stream.as_fd())).await
        }
        Err(why) => monitor.send(&FromBroker::Failed { flow, why }, None).await,
    };
}
