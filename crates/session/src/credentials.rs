//! A session's secrets: opened by the process that will be its broker, before anything else of the run is made.
//! What comes back is what stands for each inside.

use crate::recording::{self, Recording};
use crate::trust::machine_roots;
use crate::view::c_string;
use fumehood_authority::Roots;
use fumehood_broker::{
    Keeper, Machine, NoCustody, Opened, Passwords, Screen, Told, ToldLogin, Vault, Wanted, WantedLogin,
    WantedPassword,
};
use fumehood_monitor::{Channel, pair};
use fumehood_policy::value::SecretSource;
use fumehood_sandbox::{
    Errno, Reach, Role, Signals, become_role, confine, forget_environment, forget_variable, fork_role,
    wait_for,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};
use std::ffi::OsStr;
use std::fs::File;
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
    /// Password managers ask at the user's terminal meanwhile, and an interrupt ends both processes. A recording is
    /// the broker's then: nobody else could take secrets out of it.
    ///
    /// # Errors
    /// The session must not begin.
    pub fn open(
        wanted: &[Wanted],
        logins: &[WantedLogin],
        passwords: &[WantedPassword],
        machine: &Machine,
        recording: Option<&mut Recording>,
    ) -> Result<(Broker, Vec<Told>, Vec<ToldLogin>), CredentialError> {
        let start = |e: rustix::io::Errno| CredentialError::Start(Errno(e.raw_os_error()));
        let (ours, theirs) = pair().map_err(start)?;
        let recorder = recording.map(Recording::theirs).transpose().map_err(start)?;
        let with = (theirs, recorder.flatten());
        let process = fork_role(move || be_the_broker(wanted, logins, passwords, machine, with))
            .map_err(CredentialError::Start)?;
        let broker = Broker {
            process: Some(process),
            channel: Some(ours),
        };
        let sources = wanted
            .iter()
            .filter_map(|wanted| wanted.secret.as_ref().map(|s| &s.from));
        for source in sources.chain(passwords.iter().map(|p| &p.from)) {
            if let SecretSource::Env(name) = source {
                forget_variable(OsStr::new(name.as_str()))
                    .map_err(|e| CredentialError::Forget(name.to_string(), e))?;
            }
        }
        let (told, logins) = broker.told()?;
        Ok((broker, told, logins))
    }

    fn told(&self) -> Result<(Vec<Told>, Vec<ToldLogin>), CredentialError> {
        let channel = self.channel.as_ref().ok_or(CredentialError::Gone)?;
        loop {
            let mut one = [PollFd::new(channel, PollFlags::IN)];
            let _interrupted = poll(&mut one, None);
            match channel.receive() {
                Err(rustix::io::Errno::AGAIN) => {}
                Ok(Some(packet)) => {
                    return match Opened::decode(&packet.bytes) {
                        Some(Opened::Told(told, logins)) => Ok((told, logins)),
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
fn be_the_broker(
    wanted: &[Wanted],
    logins: &[WantedLogin],
    passwords: &[WantedPassword],
    machine: &Machine,
    (channel, recorder): (Channel, Option<Recorder>),
) -> i32 {
    // Before anything is opened: who writes logins back has no secret but what it is told to write.
    let keeps = if logins.is_empty() {
        None
    } else {
        let Ok(keeps) = keep_logins(logins) else { return 1 };
        Some(keeps)
    };
    let opened = fumehood_broker::open(wanted, logins, machine, || {
        fumehood_broker::minter(&machine.state)
    });
    let passwords = fumehood_broker::passwords(passwords, machine);
    let (vault, told) = match opened {
        _ if passwords.is_err() => {
            let why = passwords.as_ref().err().cloned().unwrap_or_default();
            (None, Opened::Failed(why))
        }
        Ok(Some((mut vault, told, logins))) => {
            if let Some(keeps) = keeps.filter(|_| logins.iter().any(|login| login.file.is_ok())) {
                vault.kept_by(keeps);
            }
            (Some(vault), Opened::Told(told, logins))
        }
        Ok(None) => (None, Opened::Told(Vec::new(), Vec::new())),
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
        (Ok(()), Opened::Told(..)) => {
            let passwords = passwords.unwrap_or_default();
            let roots = machine_roots().unwrap_or_default();
            serve(channel, vault, &roots, passwords, recorder)
        }
        _ => 1,
    }
}

/// Forks the process that writes renewed logins back; the channel to it.
fn keep_logins(logins: &[WantedLogin]) -> Result<Channel, Errno> {
    let (ours, theirs) = pair().map_err(|e| Errno(e.raw_os_error()))?;
    fork_role(move || be_the_keeper(logins, &theirs))?;
    Ok(ours)
}

/// It may write in the folders of these files and nowhere else, and ends with the broker.
fn be_the_keeper(logins: &[WantedLogin], channel: &Channel) -> i32 {
    forget_environment();
    let files: Vec<_> = logins
        .iter()
        .map(|wanted| (wanted.login.clone(), wanted.path.clone()))
        .collect();
    let folders = files.iter().filter_map(|(_, path)| path.parent());
    let folders: Vec<_> = folders.map(|folder| (c_string(folder), Reach::Keep)).collect();
    let confined = Signals::block(&LEFT_TO_THE_SUPERVISOR).is_ok()
        && become_role(c"fumehood-login", &[channel.as_fd()]).is_ok()
        && confine(Role::Log, &folders).is_ok();
    if confined {
        fumehood_broker::keep(channel, &files);
    }
    i32::from(!confined)
}

/// What a recorder has: where it hears, and the file.
type Recorder = (OwnedFd, File);

/// Serves until the supervisor is gone. Servers are verified by these roots.
pub(crate) fn serve(
    channel: Channel,
    vault: Option<Vault>,
    roots: &Roots,
    passwords: Passwords,
    recorder: Option<Recorder>,
) -> i32 {
    let keeps = vault.as_ref().and_then(Vault::keeper);
    let of_recorder = recorder
        .iter()
        .flat_map(|(socket, file)| [socket.as_fd(), file.as_fd()]);
    let open = std::iter::once(channel.as_fd()).chain(keeps).chain(of_recorder);
    let open: Vec<_> = open.collect();
    if become_role(c"fumehood-broker", &open).is_err() {
        return 1;
    }
    if confine(Role::Broker, &[(c"/".to_owned(), Reach::Read)]).is_err() {
        return 1;
    }
    let keeper = vault.map(Keeper::new);
    if let Some((socket, file)) = recorder {
        let mut screen = Screen::new(keeper.clone(), &passwords);
        // After the walls: they hold for it too. It ends with the broker.
        let record = move || recording::serve(&socket, file, || screen.forbidden());
        if std::thread::Builder::new().spawn(record).is_err() {
            return 1;
        }
    }
    match keeper {
        Some(keeper) => fumehood_broker::run(channel, roots, keeper, passwords),
        None => fumehood_broker::run(channel, roots, NoCustody, passwords),
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
