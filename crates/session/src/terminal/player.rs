//! A recording, played on the user's terminal: through the model that stands before what programs print, by a
//! process that is confined like the one that does that. Whoever can write the file can have written anything.

use super::relay::{ask, restore_for_the_dead, show, size_of_terminal, takes_terminal};
use fumehood_sandbox::{
    Errno, Role, Signals, confine, exit_status_of, fork_role, give_up, set_process_name, wait_for,
};
use fumehood_terminal::{Cast, Event, Relay, Size, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::stdin;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How a recording is to be played.
#[derive(Clone, Debug)]
pub struct Play {
    /// What the status row says, already escaped.
    pub title: String,
    /// So many times as fast as it was.
    pub speed: f64,
    /// A pause in it takes no longer than this.
    pub idle: Duration,
}

/// Why it could not be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// No process for it.
    #[error("start the player: {0}")]
    Start(#[source] Errno),
    /// It is no recording, or not to its end.
    #[error("the recording is damaged: what of it can be read was played")]
    Damaged,
    /// The process could not give up what it does not need, or was ended.
    #[error("the player was ended before the recording was over")]
    Ended,
}

const WHOLE: i32 = 0;
const DAMAGED: i32 = 3;
const LEFT: i32 = 4;

/// The keys that leave: `q`, Ctrl-C, Ctrl-D.
const LEAVES: [u8; 3] = [b'q', 3, 4];
const PAUSES: u8 = b' ';

/// Whether a recording can be played here with all that it draws; else only its text can be shown.
#[must_use]
pub fn plays_here() -> bool {
    takes_terminal()
}

/// Plays it; false where the person left before its end.
///
/// # Errors
/// It could not be played to its end.
pub fn play(recording: &[u8], play: &Play) -> Result<bool, PlayError> {
    let found = tcgetattr(stdin()).ok();
    let process = fork_role(|| be_the_player(recording, play)).map_err(PlayError::Start)?;
    let status = exit_status_of(&process);
    wait_for(process.as_fd());
    if !matches!(status, Some(WHOLE | DAMAGED | LEFT)) {
        restore_for_the_dead();
    }
    if let Some(found) = found {
        let _gone = tcsetattr(stdin(), OptionalActions::Drain, &found);
    }
    match status {
        Some(WHOLE) => Ok(true),
        Some(LEFT) => Ok(false),
        Some(DAMAGED) => Err(PlayError::Damaged),
        _ => Err(PlayError::Ended),
    }
}

fn be_the_player(recording: &[u8], play: &Play) -> i32 {
    set_process_name(c"fumehood-play");
    let signals = [
        libc::SIGWINCH,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGHUP,
    ];
    let Ok(signals) = Signals::block(&signals) else {
        return 1;
    };
    if give_up(&[signals.as_fd()]).is_err() || confine(Role::Relay, &[]).is_err() {
        return 1;
    }
    let Ok(mut raw) = tcgetattr(stdin()) else {
        return 1;
    };
    raw.make_raw();
    let _not_ours = tcsetattr(stdin(), OptionalActions::Now, &raw);
    let (options, _typed) = ask();
    let mut player = Player {
        relay: Relay::new(size_of_terminal(), options),
        status: Status::new(play.title.clone()),
        signals,
        began: Instant::now(),
        left: false,
        paused: None,
    };
    let whole = player.play(recording, play);
    let last = player.relay.finish();
    show(&last);
    let status = match whole {
        _ if player.left => LEFT,
        true => WHOLE,
        false => DAMAGED,
    };
    // The process ends; a build with checks looks at each descriptor it drops, which is no call of this role.
    std::mem::forget(player);
    status
}

struct Player {
    relay: Relay,
    status: Status,
    signals: Signals,
    /// Moved on by each pause.
    began: Instant,
    left: bool,
    paused: Option<Instant>,
}

impl Player {
    /// False where it is damaged.
    fn play(&mut self, recording: &[u8], play: &Play) -> bool {
        let mut out = self.relay.start();
        out.extend(self.relay.set_status(self.status.clone()));
        show(&out);
        let Ok(cast) = Cast::read(recording) else {
            return false;
        };
        self.fits(cast.header().size);
        let (mut before, mut due) = (Duration::ZERO, Duration::ZERO);
        for event in cast {
            let Ok((at, event)) = event else { return false };
            // Time goes on; an event that says otherwise takes none.
            due += at.saturating_sub(before).min(play.idle).div_f64(play.speed);
            before = before.max(at);
            self.wait(due);
            if self.left {
                return true;
            }
            self.show(&event);
        }
        true
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Output(text) => {
                let bytes = text.as_bytes();
                for piece in bytes.chunks(4096) {
                    let out = self.relay.output(piece, self.began.elapsed());
                    show(&out.to_terminal);
                }
            }
            Event::Resize(size) => self.fits(*size),
            Event::Marker(words) => self.say(words.clone()),
            Event::Other => {}
        }
    }

    fn say(&mut self, words: String) {
        self.status.message = words;
        show(&self.relay.set_status(self.status.clone()));
    }

    /// What was drawn on a larger screen looks otherwise here.
    fn fits(&mut self, size: Size) {
        let here = self.relay.inner_size();
        if size.rows() > here.rows() || size.cols() > here.cols() {
            let (columns, rows) = (size.cols(), size.rows());
            self.say(format!("recorded on a larger screen: {columns} x {rows}"));
        }
    }

    /// Until it is due; keys and signals are heard meanwhile.
    fn wait(&mut self, due: Duration) {
        loop {
            let left = due.saturating_sub(self.began.elapsed());
            if self.left || (left.is_zero() && self.paused.is_none()) {
                return;
            }
            let frame = self
                .relay
                .deadline()
                .map(|at| at.saturating_sub(self.began.elapsed()));
            let next = self
                .paused
                .is_none()
                .then_some(left)
                .into_iter()
                .chain(frame)
                .min();
            let next = next.and_then(|next| Timespec::try_from(next).ok());
            let mut watched = [
                PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(stdin(), PollFlags::IN),
            ];
            let _interrupted = poll(&mut watched, next.as_ref());
            let [signals, keys] = watched.map(|fd| !fd.revents().is_empty());
            if signals {
                self.on_signal();
            }
            if keys {
                self.on_keys();
            }
            let now = self.began.elapsed();
            if self.relay.deadline().is_some_and(|at| at <= now) {
                show(&self.relay.tick(now));
            }
        }
    }

    fn on_signal(&mut self) {
        while let Some(signal) = self.signals.next() {
            if signal == libc::SIGWINCH {
                show(&self.relay.resize(size_of_terminal()));
            } else {
                self.left = true;
            }
        }
    }

    fn on_keys(&mut self) {
        let mut bytes = [0_u8; 256];
        match rustix::io::read(stdin(), &mut bytes) {
            Ok(0) => self.left = true,
            Ok(n) => {
                let keys = bytes.get(..n).unwrap_or_default();
                self.left |= keys.iter().any(|key| LEAVES.contains(key));
                if keys.contains(&PAUSES) {
                    self.pause();
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => self.left = true,
        }
    }

    fn pause(&mut self) {
        match self.paused.take() {
            Some(since) => {
                self.began += since.elapsed();
                self.say(String::new());
            }
            None => {
                self.paused = Some(Instant::now());
                self.say("paused: the space bar goes on, q leaves".to_owned());
            }
        }
    }
}
