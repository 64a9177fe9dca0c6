//! The relay process: `poll` between the user's terminal and the sandbox's.

use super::{
    ASK, ASKED, FINISH, GIVEN_BACK, HOLDS, MAX_ORDER, NOTICE, RESUME, SUSPEND, UNCONFINED, WAITS, WITHDRAW,
};
use crate::recording::Tap;
use fumehood_sandbox::{Role, Signals, confine, give_up, set_process_name};
use fumehood_terminal::{Choice, PopUp, Probe, Relay, Size, Status, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{read, write};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    LocalModes, OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long an Escape may wait for the rest of a sequence.
const ESCAPE: Duration = Duration::from_millis(25);
/// How long the terminal may take to answer questions at the start.
const ANSWERS: Duration = Duration::from_millis(100);
/// How much is read at a time, and may wait for the sandbox.
const PIECE: usize = 64 * 1024;

/// What it ends with where the person left a terminal that goes on.
pub(super) const LEFT: i32 = 2;
/// Ctrl-\, which leaves it.
const LEAVE: u8 = 0x1c;

/// Runs the relay until the sandbox's terminal has ended or the supervisor is gone.
pub(super) fn run(
    (master, tap): (OwnedFd, Option<Tap>),
    (orders, answers): (OwnedFd, OwnedFd),
    title: &str,
    leaves: bool,
) -> i32 {
    set_process_name(c"fumehood-tty");
    let Ok(signals) = Signals::block(&[
        libc::SIGWINCH,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGHUP,
    ]) else {
        return 1;
    };
    // A program that never reads must not stop the relay in a write.
    let _blocking = rustix::fs::fcntl_setfl(&master, rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK);
    let mut connection = Connection {
        screen: Screen::choose(title),
        master,
        tap,
        orders,
        answers,
        asked: 0,
        signals,
        began: Instant::now(),
        found: None,
        pending: Vec::new(),
        escape_since: None,
        finishing: false,
        keyboard: true,
        hung_up: false,
        leaves,
        left: false,
    };
    // Before the first byte of anybody is read.
    let mut kept = vec![
        connection.master.as_fd(),
        connection.orders.as_fd(),
        connection.answers.as_fd(),
        connection.signals.as_fd(),
    ];
    kept.extend(connection.tap.as_ref().map(AsFd::as_fd));
    if give_up(&kept).is_err() || confine(Role::Relay, &[]).is_err() {
        let _supervisor_gone = write(&connection.orders, &[UNCONFINED]);
        return 1;
    }
    connection.take();
    while connection.step() {}
    connection.give_back();
    let _supervisor_gone = write(&connection.orders, &[GIVEN_BACK]);
    if connection.hung_up && !connection.left {
        connection.hang_up();
        return 0;
    }
    let status = if connection.left { LEFT } else { 0 };
    // The process ends; a build with checks looks at each descriptor it drops, which is no call of a relay.
    std::mem::forget(connection);
    status
}

/// Puts the user's terminal in order for a relay that died: what a program may have switched on goes
/// off, and the cursor to the last row, which holds nothing of the user's. A terminal that is already
/// on its normal screen takes `1049l` as a cursor movement at most.
pub(super) fn restore_for_the_dead() {
    if takes_terminal() {
        show(b"\x1b[?1049l\x1b[m\x1b[?25h\x1b[?1l\x1b>\x1b[?7h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l");
        show(b"\x1b[?1004l\x1b[?2004l\x1b[?2026l\x1b[>4;0m\x1b[<u\x1b[0 q\x1b[r\x1b[9999;1H\x1b[K");
    }
}

/// Whether all of the user's terminal is the sandbox's, in raw mode, from now on.
pub(super) fn takes_terminal() -> bool {
    let plain = std::env::var_os("TERM").is_none_or(|t| t.is_empty() || t == "dumb");
    isatty(stdin()) && isatty(stdout()) && !plain
}

/// Gives the sandbox's terminal its size before its program can ask for it: a program that is told
/// of a new size right after its start paints its first screen twice, and loses what it said there.
pub(super) fn give_size(master: &OwnedFd) {
    let _no_terminal = tcsetwinsize(master, size_inside());
}

/// The size that the sandbox's terminal is to have.
pub(super) fn size_inside() -> Winsize {
    if takes_terminal() {
        winsize(size_of_terminal().inner())
    } else {
        tcgetwinsize(shown()).unwrap_or(DEFAULT_SIZE)
    }
}

fn winsize(size: Size) -> Winsize {
    Winsize {
        ws_row: size.rows(),
        ws_col: size.cols(),
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// What the user's terminal shows.
enum Screen {
    /// All of it is the sandbox's, but the last row.
    Whole(Box<Relay>, Status),
    /// It is shared with others: text passes, made safe. Whether keys are read too.
    Shared(Stream, bool),
}

impl Screen {
    fn choose(title: &str) -> Screen {
        if takes_terminal() {
            return Screen::Whole(
                Box::new(Relay::new(Size::new(24, 80), Default::default())),
                Status::new(title),
            );
        }
        // Where standard output goes to another program, that program has the keyboard.
        let reads = isatty(stdin()) && (isatty(stdout()) || !is_pipe(stdout()));
        Screen::Shared(Stream::default(), reads)
    }
}

fn is_pipe(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd)
        .is_ok_and(|s| rustix::fs::FileType::from_raw_mode(s.st_mode) == rustix::fs::FileType::Fifo)
}

/// The user's terminal for output: the first of the three that is one.
fn shown() -> BorrowedFd<'static> {
    match (isatty(stdout()), isatty(stderr())) {
        (true, _) => stdout(),
        (false, true) => stderr(),
        (false, false) => stdin(),
    }
}

struct Connection {
    screen: Screen,
    master: OwnedFd,
    /// Where what is printed is recorded; what is typed never is.
    tap: Option<Tap>,
    orders: OwnedFd,
    /// Where it is said what a person chose.
    answers: OwnedFd,
    /// The hold that is asked about.
    asked: u64,
    signals: Signals,
    began: Instant,
    /// How the terminal was found, while it is taken.
    found: Option<Termios>,
    /// Bytes for the sandbox's terminal that it did not take yet.
    pending: Vec<u8>,
    escape_since: Option<Instant>,
    finishing: bool,
    /// Whether there is a keyboard to read from.
    keyboard: bool,
    /// Whether the user's terminal is gone.
    hung_up: bool,
    /// Whether a key leaves it, and whether that was typed.
    leaves: bool,
    left: bool,
}

impl Connection {
    /// Takes the terminal for the first time: raw mode, questions, size.
    fn take(&mut self) {
        self.go_raw();
        let Screen::Whole(relay, status) = &mut self.screen else {
            self.share();
            return;
        };
        let (options, typed) = ask();
        **relay = Relay::new(size_of_terminal(), options);
        let mut out = relay.start();
        out.extend(relay.set_status(status.clone()));
        self.pending.extend(relay.input(&typed));
        show(&out);
        self.tell_size();
    }

    /// Takes it again after [`Connection::give_back`].
    fn take_again(&mut self) {
        self.go_raw();
        let Screen::Whole(relay, _) = &mut self.screen else {
            return;
        };
        let mut out = relay.resize(size_of_terminal());
        out.extend(relay.start());
        show(&out);
        self.tell_size();
    }

    fn go_raw(&mut self) {
        if !matches!(self.screen, Screen::Whole(..)) {
            return;
        }
        if let Ok(found) = tcgetattr(stdin()) {
            let mut raw = found.clone();
            raw.make_raw();
            let _not_ours = tcsetattr(stdin(), OptionalActions::Now, &raw);
            self.found = Some(found);
        }
    }

    /// A shared terminal echoes what is typed by itself, so the sandbox's does not.
    fn share(&self) {
        self.share_size();
        if let Ok(mut quiet) = tcgetattr(&self.master) {
            quiet.local_modes.remove(LocalModes::ECHO);
            let _gone = tcsetattr(&self.master, OptionalActions::Now, &quiet);
        }
    }

    fn share_size(&self) {
        self.give_size(tcgetwinsize(shown()).unwrap_or(DEFAULT_SIZE));
    }

    fn tell_size(&self) {
        let Screen::Whole(relay, _) = &self.screen else {
            return;
        };
        self.give_size(winsize(relay.inner_size()));
    }

    fn give_size(&self, size: Winsize) {
        let _gone = tcsetwinsize(&self.master, size);
        self.tap.iter().for_each(|tap| tap.size(size.ws_row, size.ws_col));
    }

    fn give_back(&mut self) {
        let out = match &mut self.screen {
            Screen::Whole(relay, _) => relay.finish(),
            Screen::Shared(stream, _) => stream.finish(),
        };
        show(&out);
        if let Some(found) = self.found.take() {
            let _gone = tcsetattr(stdin(), OptionalActions::Drain, &found);
        }
    }

    /// Waits for something and deals with it; false when it is over.
    fn step(&mut self) -> bool {
        let reads = self.keyboard
            && !self.finishing
            && (self.found.is_some() || matches!(self.screen, Screen::Shared(_, true)));
        let writes = if self.pending.is_empty() {
            PollFlags::IN
        } else {
            PollFlags::IN | PollFlags::OUT
        };
        let mut watched = vec![
            PollFd::from_borrowed_fd(self.master.as_fd(), writes),
            PollFd::from_borrowed_fd(self.orders.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        let keyboard = stdin();
        // What the sandbox does not take is not read, so that its terminal's queue bounds ours.
        if reads && self.pending.len() < PIECE {
            watched.push(PollFd::from_borrowed_fd(keyboard, PollFlags::IN));
        }
        let wait = self.wait().and_then(|d| Timespec::try_from(d).ok());
        let _interrupted = poll(&mut watched, wait.as_ref());
        let got: Vec<PollFlags> = watched.iter().map(PollFd::revents).collect();
        self.on_time();
        let open = got[0].is_empty() || self.on_master(got[0]);
        if !got[2].is_empty() {
            self.on_signal();
        }
        if got.get(3).is_some_and(|g| !g.is_empty()) {
            self.on_keys();
        }
        open && !self.hung_up && !self.left && (got[1].is_empty() || self.on_order())
    }

    /// The user's terminal is gone, so the sandbox's goes too: its programs are told by the kernel,
    /// as on any terminal. Who goes on without one is waited for.
    fn hang_up(self) {
        drop(self.master);
        let mut order = [0u8];
        while let Ok(1) = read(&self.orders, &mut order) {
            match order[0] {
                SUSPEND => drop(write(&self.orders, &[SUSPEND])),
                FINISH => return,
                _ => {}
            }
        }
    }

    fn wait(&self) -> Option<Duration> {
        let escape = self
            .escape_since
            .map(|since| ESCAPE.saturating_sub(since.elapsed()));
        let relay = match &self.screen {
            Screen::Whole(relay, _) => relay.deadline().map(|d| d.saturating_sub(self.began.elapsed())),
            Screen::Shared(..) => None,
        };
        [escape, relay].into_iter().flatten().min()
    }

    fn on_time(&mut self) {
        let now = self.began.elapsed();
        let Screen::Whole(relay, _) = &mut self.screen else {
            return;
        };
        if relay.deadline().is_some_and(|d| d <= now) {
            show(&relay.tick(now));
        }
        if self.escape_since.is_some_and(|since| since.elapsed() >= ESCAPE) {
            self.escape_since = None;
            self.pending.extend(relay.input_timeout());
        }
    }

    /// False when the sandbox's terminal has ended.
    fn on_master(&mut self, got: PollFlags) -> bool {
        if got.contains(PollFlags::OUT) && !self.pending.is_empty() {
            let wrote = write(&self.master, &self.pending[..self.pending.len().min(4096)]).unwrap_or(0);
            self.pending.drain(..wrote);
        }
        if !got.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return true;
        }
        // Small pieces: what the relay writes for one can be many times as much.
        let mut bytes = [0u8; 4096];
        match read(&self.master, &mut bytes) {
            Ok(0) => false,
            Ok(n) => {
                self.print(&bytes[..n]);
                true
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => true,
            Err(_) => false, // EIO: nobody has it open any more
        }
    }

    fn print(&mut self, bytes: &[u8]) {
        self.tap.iter().for_each(|tap| tap.output(bytes));
        match &mut self.screen {
            Screen::Whole(relay, _) => {
                let out = relay.output(bytes, self.began.elapsed());
                show(&out.to_terminal);
                // A program that asks for ever and never reads gets no more answers.
                if self.pending.len() < PIECE {
                    self.pending.extend(out.to_pty);
                }
            }
            Screen::Shared(stream, _) => show(&stream.output(bytes)),
        }
    }

    fn on_keys(&mut self) {
        let mut bytes = [0u8; 4096];
        let n = match read(stdin(), &mut bytes) {
            Ok(0) | Err(rustix::io::Errno::IO) => {
                // The terminal is gone, or (shared) the user ended the input: Ctrl-D.
                self.hung_up = matches!(self.screen, Screen::Whole(..)) || !isatty(stdin());
                self.keyboard = matches!(self.screen, Screen::Shared(..)) && self.pending.len() < PIECE;
                self.pending.push(4);
                return;
            }
            Ok(n) => n,
            Err(_) => return,
        };
        if self.on_answer(&bytes[..n]) {
            return;
        }
        if self.leaves && bytes[..n].contains(&LEAVE) {
            self.left = true;
            return;
        }
        match &mut self.screen {
            Screen::Whole(relay, _) => {
                let typed = relay.input(&bytes[..n]);
                self.pending.extend(typed);
                self.escape_since = relay.input_pending().then(Instant::now);
            }
            Screen::Shared(..) => self.pending.extend_from_slice(&bytes[..n]),
        }
    }

    fn on_signal(&mut self) {
        while let Some(signal) = self.signals.next() {
            if signal != libc::SIGWINCH {
                continue; // the supervisor's to decide on
            }
            match &mut self.screen {
                Screen::Whole(relay, _) => {
                    show(&relay.resize(size_of_terminal()));
                    self.tell_size();
                }
                Screen::Shared(..) => self.share_size(),
            }
        }
    }

    /// False when the supervisor is gone.
    fn show_waiting(&mut self, count: u32) {
        if let Screen::Whole(relay, status) = &mut self.screen {
            status.changes = count;
            let out = relay.set_status(status.clone());
            if self.found.is_some() {
                show(&out);
            }
        }
    }

    /// Keys are a person's answer while something is asked, and the program's otherwise.
    fn on_answer(&mut self, bytes: &[u8]) -> bool {
        let now = self.began.elapsed();
        let Screen::Whole(relay, _) = &mut self.screen else {
            return false;
        };
        if !relay.asks() {
            return false;
        }
        let (choice, out) = relay.answer(bytes, now);
        show(&out);
        if let Some(choice) = choice {
            let letter = match choice {
                Choice::Allow => b'a',
                Choice::Deny => b'd',
                Choice::Later => b'l',
            };
            let mut packet = vec![letter];
            packet.extend(self.asked.to_le_bytes());
            let _supervisor_gone = write(&self.answers, &packet);
        }
        true
    }

    fn ask(&mut self, order: &[u8]) {
        let (Screen::Whole(relay, _), Some(_)) = (&mut self.screen, &self.found) else {
            return;
        };
        let Some((id, rest)) = order.split_first_chunk::<8>() else {
            return;
        };
        let Some((code, lines)) = rest.split_first_chunk::<{ ASKED - 8 }>() else {
            return;
        };
        let code = (*code != [0; 4]).then(|| String::from_utf8_lossy(code).into_owned());
        let lines = String::from_utf8_lossy(lines)
            .lines()
            .map(str::to_owned)
            .collect();
        self.asked = u64::from_le_bytes(*id);
        let popup = PopUp::new(lines, code.as_deref(), self.began.elapsed());
        let mut out = relay.ask(popup);
        out.push(0x07);
        show(&out);
    }

    /// The row says how much is held and how to answer; a bell where there is more than before.
    fn show_holds(&mut self, count: u32, words: String) {
        if let Screen::Whole(relay, status) = &mut self.screen {
            let more = count > status.holds;
            status.holds = count;
            status.message = words;
            let mut out = relay.set_status(status.clone());
            if more {
                out.push(0x07);
            }
            if self.found.is_some() {
                show(&out);
            }
        }
    }

    /// What waits for an answer is shown rather than that.
    fn show_notice(&mut self, words: String) {
        if let Screen::Whole(relay, status) = &mut self.screen
            && status.holds == 0
        {
            status.message = words;
            let out = relay.set_status(status.clone());
            if self.found.is_some() {
                show(&out);
            }
        }
    }

    fn on_order(&mut self) -> bool {
        let mut order = [0u8; MAX_ORDER];
        let length = match read(&self.orders, &mut order) {
            Ok(length @ 1..) => length,
            _ => return self.finishing,
        };
        match order.get(..length).unwrap_or_default() {
            [WAITS, a, b, c, d] => self.show_waiting(u32::from_le_bytes([*a, *b, *c, *d])),
            [HOLDS, a, b, c, d, words @ ..] => {
                let words = String::from_utf8_lossy(words).into_owned();
                self.show_holds(u32::from_le_bytes([*a, *b, *c, *d]), words);
            }
            [NOTICE, words @ ..] => self.show_notice(String::from_utf8_lossy(words).into_owned()),
            [ASK, asked @ ..] => self.ask(asked),
            [WITHDRAW] => {
                if let Screen::Whole(relay, _) = &mut self.screen {
                    show(&relay.withdraw());
                }
            }
            [SUSPEND] => {
                self.give_back();
                let _gone = write(&self.orders, &[SUSPEND]);
            }
            [RESUME] => self.take_again(),
            [FINISH] => self.finishing = true,
            _ => {}
        }
        true
    }
}

const DEFAULT_SIZE: Winsize = Winsize {
    ws_row: 24,
    ws_col: 80,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

pub(super) fn size_of_terminal() -> Size {
    let size = tcgetwinsize(stdout()).unwrap_or(DEFAULT_SIZE);
    Size::new(size.ws_row, size.ws_col)
}

/// Writes all to the user's terminal; one that is gone takes nothing.
pub(super) fn show(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match write(shown(), bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let _waited = poll(&mut [PollFd::from_borrowed_fd(shown(), PollFlags::OUT)], None);
            }
            Err(_) => return,
        }
    }
}

/// One round of questions to the real terminal.
pub(super) fn ask() -> (fumehood_terminal::Options, Vec<u8>) {
    let mut probe = Probe::default();
    show(Probe::QUESTIONS);
    let until = Instant::now() + ANSWERS;
    let mut bytes = [0u8; 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait = Timespec::try_from(left).ok();
        let mut keyboard = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
        let ready = poll(&mut keyboard, wait.as_ref()).is_ok_and(|n| n > 0);
        if !ready {
            return probe.finish();
        }
        match read(stdin(), &mut bytes) {
            Ok(n) if n > 0 && !probe.feed(&bytes[..n]) => {}
            _ => return probe.finish(),
        }
    }
}
