//! A terminal outside, of which the tests are the emulator.

use crate::patience::slower;
use crate::programs::{host_program, probe};
use crate::sandboxed::Sandboxed;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcgetwinsize, tcsetwinsize};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROWS: NonZeroU16 = NonZeroU16::new(24).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(80).unwrap();

/// A terminal with a run on it.
#[derive(Debug)]
pub struct OuterTerminal {
    master: File,
    slave: PathBuf,
    // Kept open, so that the terminal outlives the run and its modes can be compared.
    held: File,
    seen: Arc<Mutex<Vec<u8>>>,
    child: Child,
    before: Termios,
}

impl OuterTerminal {
    /// Runs a command in a sandbox on a new terminal of 24 rows and 80 columns.
    pub fn run<W: AsRef<OsStr>>(sandbox: &Sandboxed<'_>, command: &[W]) -> OuterTerminal {
        OuterTerminal::start(sandbox, &sandbox.words(command))
    }

    /// Runs exactly these words on one.
    pub fn start<W: AsRef<OsStr>>(sandbox: &Sandboxed<'_>, words: &[W]) -> OuterTerminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = PathBuf::from(OsStr::from_bytes(name.as_bytes()));
        let held = rustix::fs::open(
            &slave,
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
        tcsetwinsize(
            &held,
            Winsize {
                ws_row: 24,
                ws_col: 80,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )
        .unwrap();
        let before = tcgetattr(&held).unwrap();
        let mut starter = host_program(probe());
        starter.arg("on_terminal").arg(&slave).args(words);
        starter
            .env_clear()
            .envs(sandbox.environment())
            .current_dir(sandbox.directory_of_caller());
        starter
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = starter.spawn().unwrap();
        let master = File::from(master);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, sink) = (master.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut bytes = [0u8; 4096];
            while let Ok(got @ 1..) = reader.read(&mut bytes) {
                sink.lock().unwrap().extend_from_slice(&bytes[..got]);
            }
        });
        OuterTerminal {
            master,
            slave,
            held: File::from(held),
            seen,
            child,
            before,
        }
    }

    /// The path of this terminal on the host.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.slave
    }

    /// Types.
    pub fn type_keys(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// Changes the size of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(
            &self.held,
            Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )
        .unwrap();
    }

    /// Rows and columns of the user's terminal.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        let size = tcgetwinsize(&self.held).unwrap();
        (size.ws_row, size.ws_col)
    }

    /// Whether the run was stopped by a signal within this time.
    #[must_use]
    pub fn await_stop(&self, patience: Duration) -> bool {
        let patience = patience * slower();
        let begun = Instant::now();
        let stat = format!("/proc/{}/stat", self.child.id());
        while begun.elapsed() < patience {
            if std::fs::read_to_string(&stat)
                .unwrap_or_default()
                .contains(") T ")
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Continues a stopped run, as `fg` does.
    pub fn continue_it(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }

    /// The run's pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes the terminal, as an emulator that is closed does.
    pub fn hang_up(mut self) {
        // The kernel's part of it: the session's leader is told, as when the line is dropped.
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
        let _status = self.wait();
    }

    /// All bytes that reached the user's terminal so far.
    #[must_use]
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }

    /// What the user reads: the bytes so far as an emulator of 24 rows and 80 columns shows them.
    #[must_use]
    pub fn screen(&self) -> String {
        let mut emulator = vt100::Parser::new(ROWS, COLUMNS, 0);
        emulator.process(&self.seen());
        emulator.screen().contents()
    }

    /// Waits until the user can read this text.
    #[track_caller]
    pub fn await_text(&self, text: &str) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) * slower() {
            if self.screen().contains(text) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{text:?} did not appear:\n{}", self.screen());
    }

    /// Whether the modes of the user's terminal are what they were before the run.
    #[must_use]
    pub fn modes_restored(&self) -> bool {
        let now = tcgetattr(&self.held).unwrap();
        let key = |t: &Termios| (t.input_modes, t.output_modes, t.local_modes, t.control_modes);
        key(&now) == key(&self.before)
    }

    /// Waits for the end; exit status as a shell shows it.
    #[track_caller]
    pub fn wait(&mut self) -> i32 {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(15) * slower() {
            if let Some(status) = self.child.try_wait().unwrap() {
                std::thread::sleep(Duration::from_millis(50)); // the reader gets the last bytes
                return status
                    .code()
                    .or_else(|| status.signal().map(|s| 128 + s))
                    .unwrap_or(-1);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().unwrap();
        panic!("not ended; seen: {:?}", String::from_utf8_lossy(&self.seen()));
    }
}

impl Drop for OuterTerminal {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
