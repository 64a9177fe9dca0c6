//! A session's secrets: opened by the process that will be its broker, before anything else of the run is made.
//! What comes back is what stands for each inside.

use crate::trust::machine_roots;
use fumehood_authority::Roots;
use fumehood_broker::{Keeper, Machine, NoCustody, Opened, Told, Vault, Wanted};
use fumehood_monitor::{Channel, pair};
use fumehood_policy::value::SecretSource;
use fumehood_sandbox::{
    Errno, Reach, Role, Signals, become_role, confine, forget_variable, fork_role, wait_for,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};

/// The broker of a session to come, with its secrets. Dropping it ends it.
#[derive(Debug)]
pub struct Broker {
    process: Option<OwnedFd>,
    channel: Option<Channel>,
}

/// Why a session's secrets could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The process could not be made.
    #[error("start the broker: {0}")]
    Start(#[source] Errno),
    /// One of them cannot be used: the place, why, the fix. Holds no value.
    #[error("{0}")]
    Secret(String),
    /// The process ended first.
    #[error("the broker was ended before it had opened the secrets")]
    Gone,
    /// A value would stay in the supervisor's memory.
    #[error("forget {0}: {1}")]
    Forget(String, #[source] Errno),
}

/// Signals of the terminal and of whoever ends the run: the supervisor decides what they mean.
const LEFT_TO_THE_SUPERVISOR: [i32; 7] = [
    libc::SIGINT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTSTP,
];

impl Broker {
    /// Forks the broker, which opens what is wanted. This process never has a value: it waits, and forgets the
    /// variables that held one. To be called before the environment is copied anywhere.
    ///
    /// Password managers ask at the user's terminal meanwhile, and an interrupt ends both processes.
    ///
    /// # Errors
    /// The session must not begin.
    pub fn open(wanted: &[Wanted], machine: &Machine) -> Result<(Broker, Vec<Told>), CredentialError> {
        let start = |e: rustix::io::Errno| CredentialError::Start(Errno(e.raw_os_error()));
        let (ours, theirs) = pair().map_err(start)?;
        let process =
            fork_role(move || be_the_broker(wanted, machine, theirs)).map_err(CredentialError::Start)?;
        let broker = Broker {
            process: Some(process),
            channel: Some(ours),
        };
        for wanted in wanted {
            if let Some(SecretSource::Env(name)) = wanted.secret.as_ref().map(|s| &s.from) {
                forget_variable(OsStr::new(name.as_str()))
                    .map_err(|e| CredentialError::Forget(name.to_string(), e))?;
            }
        }
        let told = broker.told()?;
        Ok((broker, told))
    }

    fn told(&self) -> Result<Vec<Told>, CredentialError> {
        let channel = self.channel.as_ref().ok_or(CredentialError::Gone)?;
        loop {
            let mut one = [PollFd::new(channel, PollFlags::IN)];
            let _interrupted = poll(&mut one, None);
            match channel.receive() {
                Err(rustix::io::Errno::AGAIN) => {}
                Ok(Some(packet)) => {
                    return match Opened::decode(&packet.bytes) {
                        Some(Opened::Told(told)) => Ok(told),
                        Some(Opened::Failed(why)) => Err(CredentialError::Secret(why)),
                        None => Err(CredentialError::Gone),
                    };
                }
                Ok(None) | Err(_) => return Err(CredentialError::Gone),
            }
        }
    }

    /// Its process and the channel to it, for the session's network.
    pub(crate) fn into_parts(mut self) -> Option<(OwnedFd, Channel)> {
        self.process.take().zip(self.channel.take())
    }
}

/// The broker's life: opens, tells, gives up what it does not need, serves.
fn be_the_broker(wanted: &[Wanted], machine: &Machine, channel: Channel) -> i32 {
    let opened = fumehood_broker::open(wanted, machine, || fumehood_broker::minter(&machine.state));
    let (vault, told) = match opened.map(Option::unzip) {
        Ok((vault, told)) => (vault, Opened::Told(told.unwrap_or_default())),
        Err(why) => (None, Opened::Failed(why.to_string())),
    };
    if Signals::block(&LEFT_TO_THE_SUPERVISOR).is_err() {
        return 1;
    }
    let sent = channel.send(&told.encode(), None).or_else(|_| {
        let many = Opened::Failed("the secrets are too many, or too long together".to_owned());
        channel.send(&many.encode(), None)
    });
    match (sent, told) {
        // Where there are none the supervisor finds that out too, and says it.
        (Ok(()), Opened::Told(_)) => serve(channel, vault, &machine_roots().unwrap_or_default()),
        _ => 1,
    }
}

/// Serves until the supervisor is gone. Servers are verified by these roots.
pub(crate) fn serve(channel: Channel, vault: Option<Vault>, roots: &Roots) -> i32 {
    if become_role(c"fumehood-broker", &[channel.as_fd()]).is_err() {
        return 1;
    }
    if confine(Role::Broker, &[(c"/".to_owned(), Reach::Read)]).is_err() {
        return 1;
    }
    match vault {
        Some(vault) => fumehood_broker::run(channel, roots, Keeper::new(vault)),
        None => fumehood_broker::run(channel, roots, NoCustody),
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            let _gone = pidfd_send_signal(process, Signal::KILL);
            wait_for(process.as_fd());
        }
    }
}
