//! Running `fumehood run` in a world.

use crate::output::Output;
use crate::programs::{fumehood, host_program, probe};
use crate::world::World;
use crate::{patience, slower};
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A run to be set up.
#[derive(Clone, Debug)]
pub struct Sandboxed<'w> {
    world: &'w World,
    flags: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    directory: PathBuf,
    deadline: Duration,
    wrapper: Vec<OsString>,
}

/// The search path that the tests give to fumehood.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl<'w> Sandboxed<'w> {
    pub(crate) fn new(world: &'w World) -> Sandboxed<'w> {
        Sandboxed {
            world,
            flags: Vec::new(),
            variables: Vec::new(),
            stdin: Vec::new(),
            directory: world.project(),
            deadline: patience(),
            wrapper: Vec::new(),
        }
    }

    /// Adds flags of `fumehood run`.
    #[must_use]
    pub fn flags<W: AsRef<OsStr>>(mut self, flags: impl IntoIterator<Item = W>) -> Self {
        self.flags
            .extend(flags.into_iter().map(|f| f.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the caller's environment, which otherwise holds HOME, PATH, LANG, TERM and
    /// the XDG folders of the world.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// What comes on standard input; nothing otherwise.
    #[must_use]
    pub fn stdin(mut self, bytes: &[u8]) -> Self {
        bytes.clone_into(&mut self.stdin);
        self
    }

    /// Where the caller stands; the project otherwise.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// How long it may take; 20 seconds otherwise.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline * slower();
        self
    }

    /// Puts these words before `fumehood`: another program that starts it.
    #[must_use]
    pub fn under<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.wrapper = words.into_iter().map(|w| w.as_ref().to_owned()).collect();
        self
    }

    /// The words of the command line: fumehood, its flags, `--`, the command.
    pub fn words<W: AsRef<OsStr>>(&self, command: &[W]) -> Vec<OsString> {
        let mut words = self.wrapper.clone();
        words.push(fumehood().into_os_string());
        words.push("run".into());
        words.extend(self.flags.iter().cloned());
        words.push("--".into());
        words.extend(command.iter().map(|w| w.as_ref().to_owned()));
        words
    }

    /// Runs a command to its end.
    pub fn run<W: AsRef<OsStr>>(&self, command: &[W]) -> Output {
        self.start(command).wait()
    }

    /// Runs a shell script. `$probe` in it is the probe.
    pub fn sh(&self, script: impl AsRef<OsStr>) -> Output {
        let shown = self.clone().flags([OsStr::new("--ro"), probe().as_os_str()]);
        let mut assigned = OsString::from(format!("probe='{}'\n", probe().display()));
        assigned.push(script.as_ref());
        shown.run(&[OsStr::new("sh"), OsStr::new("-c"), &assigned])
    }

    /// Runs a probe; its line.
    #[track_caller]
    pub fn probe<W: AsRef<OsStr>>(&self, words: &[W]) -> String {
        let mut command = vec![probe().into_os_string()];
        command.extend(words.iter().map(|w| w.as_ref().to_owned()));
        self.run(&command).ended(0)
    }

    /// Starts a command.
    pub fn start<W: AsRef<OsStr>>(&self, command: &[W]) -> Running {
        self.start_words(&self.words(command))
    }

    /// Starts exactly these words, in this world's environment: for command lines that are wrong.
    pub fn start_words<W: AsRef<OsStr>>(&self, words: &[W]) -> Running {
        let mut command = host_program(words[0].as_ref());
        command
            .args(&words[1..])
            .current_dir(&self.directory)
            .env_clear()
            .envs(self.environment());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running::new(command.spawn().unwrap(), self.stdin.clone(), self.deadline)
    }

    /// What stands before `fumehood`.
    pub(crate) fn wrapper(&self) -> &[OsString] {
        &self.wrapper
    }

    /// Where the caller stands.
    pub(crate) fn directory_of_caller(&self) -> &std::path::Path {
        &self.directory
    }

    /// The caller's environment.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let own = |which: &str| self.world.own(which).into_os_string();
        let mut all: Vec<(OsString, OsString)> = vec![
            ("HOME".into(), self.world.home().into_os_string()),
            ("PATH".into(), PATH.into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("TERM".into(), "xterm".into()),
            ("XDG_STATE_HOME".into(), own("state")),
            ("XDG_CONFIG_HOME".into(), own("config")),
            ("XDG_RUNTIME_DIR".into(), own("runtime")),
        ];
        all.extend(self.variables.iter().cloned());
        all
    }
}

/// A file of a world's project in the layer of one of its sessions.
fn kept_back(path: &std::path::Path) -> std::io::Result<String> {
    let none = || std::io::Error::from(std::io::ErrorKind::NotFound);
    let work = std::path::Path::new("home/work/project");
    let root = path
        .ancestors()
        .find(|a| path.starts_with(a.join(work)))
        .ok_or_else(none)?;
    let name = path.strip_prefix(root.join(work)).map_err(|_| none())?;
    let sessions = std::fs::read_dir(root.join("state/fumehood/sessions"))?;
    let found = sessions
        .flatten()
        .find_map(|s| std::fs::read_to_string(s.path().join("upper").join(name)).ok());
    found.ok_or_else(none)
}

/// A run that goes on. Dropping it ends the supervisor.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    begun: Instant,
    deadline: Duration,
    input: Option<std::process::ChildStdin>,
}

impl Running {
    fn new(mut child: Child, stdin: Vec<u8>, deadline: Duration) -> Running {
        let stdout = collect(child.stdout.take());
        let stderr = collect(child.stderr.take());
        let mut input = child.stdin.take();
        if !stdin.is_empty() {
            let mut pipe = input.take().unwrap();
            std::thread::spawn(move || drop(pipe.write_all(&stdin)));
        }
        Running {
            child,
            stdout,
            stderr,
            begun: Instant::now(),
            deadline,
            input,
        }
    }

    /// The supervisor's pid (that of the wrapper, if there is one).
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the supervisor alone.
    pub fn signal(&self, name: &str) {
        let sent = host_program("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "the supervisor has ended already");
    }

    /// Waits until a file of this run is there, in the project or kept back from it; what it holds.
    #[track_caller]
    pub fn await_file(&mut self, path: &std::path::Path) -> String {
        while self.begun.elapsed() < self.deadline {
            match std::fs::read_to_string(path).or_else(|_| kept_back(path)) {
                Ok(text) if !text.is_empty() => return text,
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                let stderr = self
                    .stderr
                    .recv_timeout(Duration::from_secs(1))
                    .unwrap_or_default();
                panic!(
                    "ended ({status}) before {} was there: {}",
                    path.display(),
                    String::from_utf8_lossy(&stderr)
                );
            }
        }
        panic!("{} did not appear", path.display());
    }

    /// Its standard input ends.
    pub fn end_input(&mut self) {
        drop(self.input.take());
    }

    /// Waits for its end, and for the end of its output.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        drop(self.input.take());
        let status = self.wait_for_end();
        // Whoever holds a stream open after the supervisor has ended is a survivor; what is being ended
        // has the time that a machine under load takes for it.
        let patience = patience();
        let stdout = self
            .stdout
            .recv_timeout(patience)
            .expect("something still holds standard output");
        let stderr = self
            .stderr
            .recv_timeout(patience)
            .expect("something still holds standard error");
        Output {
            code: code(status),
            stdout,
            stderr,
            took: self.begun.elapsed(),
            pid: self.pid(),
        }
    }

    fn wait_for_end(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if self.begun.elapsed() > self.deadline {
                self.child.kill().unwrap();
                let text = |r: &Receiver<Vec<u8>>| {
                    String::from_utf8_lossy(&r.recv_timeout(Duration::from_secs(1)).unwrap_or_default())
                        .into_owned()
                };
                panic!(
                    "not ended in {:?}: {} {}",
                    self.deadline,
                    text(&self.stdout),
                    text(&self.stderr)
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|s| 128 + s))
        .unwrap_or(-1)
}

fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _cut_short = stream.map(|mut s| s.read_to_end(&mut bytes));
        let _test_is_over = sender.send(bytes);
    });
    receiver
}
