//! The broker's process: it does what is released to it.

use crate::dial::dial;
use fumehood_monitor::{Channel, FromBroker, Line, ToBroker, Wire};
use std::os::fd::AsFd;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Flows that are being dialled at a time.
const DIALLING: usize = 256;

/// Runs until the supervisor is gone; returns the status to end with.
#[must_use]
pub fn run(monitor: Channel) -> i32 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(16) // the C library's resolver waits
        .thread_keep_alive(std::time::Duration::from_secs(5))
        .build();
    let Ok(runtime) = runtime else { return 1 };
    runtime.block_on(async { obey(monitor).await.map_or(1, |()| 0) })
}

async fn obey(monitor: Channel) -> std::io::Result<()> {
    let monitor = Arc::new(Line::new(monitor)?);
    let dialling = Arc::new(Semaphore::new(DIALLING));
    while let Some(packet) = monitor.receive().await {
        let Some(release) = ToBroker::decode(&packet.bytes) else {
            continue;
        };
        let Ok(room) = Arc::clone(&dialling).acquire_owned().await else {
            break;
        };
        let monitor = Arc::clone(&monitor);
        tokio::spawn(async move {
            perform(&monitor, release).await;
            drop(room);
        });
    }
    Ok(())
}

async fn perform(monitor: &Line, release: ToBroker) {
    let ToBroker::Dial {
        flow,
        destination,
        permitted,
    } = release;
    let _supervisor_gone = match dial(&destination, &permitted).await {
        Ok((stream, address)) => {
            let message = FromBroker::Connected { flow, address };
            monitor.send(&message, Some(stream.as_fd())).await
        }
        Err(why) => monitor.send(&FromBroker::Failed { flow, why }, None).await,
    };
}
