//! Test hosts in a network namespace of their own, around a run: real servers on one address, a canary on
//! every other one (tests/network/hosts.py).

use crate::output::Output;
use crate::programs::{fumehood, is_root};
use crate::sandboxed::{Running, Sandboxed};
use crate::world::World;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Test hosts around a run.
#[derive(Debug)]
pub struct Hosts {
    /// The folders around the run.
    pub world: World,
    log: PathBuf,
}

/// What a run said, and what the hosts saw.
#[derive(Debug)]
pub struct Ran {
    /// What was printed.
    pub out: Output,
    /// What the hosts wrote down, a JSON object a line.
    pub log: String,
}

impl Default for Hosts {
    fn default() -> Hosts {
        Hosts::new()
    }
}

impl Hosts {
    /// Hosts that are not there yet: they come and go with each run.
    #[must_use]
    pub fn new() -> Hosts {
        let world = World::new();
        let log = world.own("state").join("hosts.log");
        fs::write(&log, "").unwrap();
        Hosts { world, log }
    }

    /// Writes the user's configuration.
    pub fn configure(&self, text: &str) {
        let folder = self.world.own("config").join("fumehood");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), format!("version = 1\n{text}\n")).unwrap();
    }

    /// Runs a command, test hosts around it, with these flags of `fumehood run`.
    #[must_use]
    pub fn run(&self, flags: &[&str], command: &[&str]) -> Ran {
        let out = self
            .around(self.world.sandbox().flags(flags))
            .deadline(Duration::from_secs(60))
            .run(command);
        Ran { out, log: self.log() }
    }

    /// Starts a command, hosts around it.
    #[must_use]
    pub fn start(&self, flags: &[&str], command: &[&str]) -> Running {
        self.around(self.world.sandbox().flags(flags)).start(command)
    }

    /// Runs a verb of the human side while a command runs, in a terminal of its own; what it says.
    #[must_use]
    pub fn beside(&self, words: &str) -> String {
        let folder = self.world.own("state").join("beside");
        fs::create_dir_all(&folder).unwrap();
        let name = fs::read_dir(&folder).unwrap().count().to_string();
        fs::write(folder.join("new"), format!("{} {words}", fumehood().display())).unwrap();
        fs::rename(folder.join("new"), folder.join(format!("{name}.cmd"))).unwrap();
        let said = folder.join(format!("{name}.out"));
        for _ in 0..1500 {
            if let Ok(text) = fs::read_to_string(&said) {
                return text.replace('\r', "").trim().to_owned();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("nothing came of {words}");
    }

    /// What the hosts wrote down so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// A sandbox of this world, hosts around it.
    #[must_use]
    pub fn around<'w>(&self, sandbox: Sandboxed<'w>) -> Sandboxed<'w> {
        let script = self.world.own("state").join("hosts.py");
        fs::write(&script, include_str!("../network/hosts.py")).unwrap();
        fs::write(
            script.with_file_name("mirror.py"),
            include_str!("../network/mirror.py"),
        )
        .unwrap();
        let (script, log) = (script.to_str().unwrap(), self.log.to_str().unwrap());
        let mut wrapper = vec!["unshare", "--net", "--mount"];
        if !is_root() {
            wrapper.extend(["--user", "--map-root-user"]);
        }
        wrapper.extend(["python3", script, log]);
        sandbox.under(wrapper)
    }

    /// The same for a shell.
    #[must_use]
    pub fn sh(&self, flags: &[&str], script: &str) -> Ran {
        self.run(flags, &["sh", "-c", script])
    }

    /// The same for Python, with `dial`, `tls` and `ask`.
    #[must_use]
    pub fn python(&self, flags: &[&str], script: &str) -> Ran {
        self.run(flags, &["python3", "-c", &format!("{PRELUDE}\n{script}")])
    }
}

impl Ran {
    /// Nobody came to a canary, and no resolver was asked.
    #[track_caller]
    pub fn nothing_left(&self) -> &Ran {
        assert!(
            !self.log.contains("canary") && !self.log.contains("dns"),
            "{}\n{}",
            self.log,
            self.out.errors()
        );
        self
    }

    /// How often is not asked: a client may or may not try a name's second address.
    #[track_caller]
    pub fn says(&self, words: &str) -> &Ran {
        let said = (2..9).fold(self.out.errors(), |said, n| {
            said.replace(&format!(" ({n} times)"), "")
        });
        assert!(said.contains(words), "{words:?} is not in: {said}\n{}", self.log);
        self
    }

    /// Exactly this on standard output.
    #[track_caller]
    pub fn prints(&self, expected: &str) -> &Ran {
        assert_eq!(
            self.out.text().trim(),
            expected,
            "{}\n{}",
            self.out.errors(),
            self.log
        );
        self
    }
}

/// `dial(host, port)` says what happened: what the far side sent, or the error's name; `get` and `tls` the status that a
/// request was answered with.
const PRELUDE: &str = r#"
import errno, os, socket, ssl, struct, subprocess, sys, time
def name(e):
    if isinstance(e, ssl.SSLError): return e.reason
    return errno.errorcode.get(e.errno, str(e)) if isinstance(e, OSError) and e.errno else type(e).__name__
def dial(host, port, send=b"", family=0):
    try:
        with socket.create_connection((host, port), 5) as s:
            s.settimeout(8)
            if send: s.sendall(send)
            return s.recv(100).decode("latin-1").strip() or "end"
    except OSError as e: return name(e)
def get(host, port=80): return dial(host, port, b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host.encode())[9:12]
def tls(host, port, sni, to=None):
    c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((to or host, port), 5) as s:
            with c.wrap_socket(s, server_hostname=sni) as t:
                t.sendall(b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % host.encode())
                return t.recv(100)[9:12].decode() or "end"
    except OSError as e: return name(e)
def ask(server, question, tcp=False, kind=1):
    q = struct.pack(">HHHHHH", 7, 256, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l for l in question.encode().split(b".")) + b"\0" + struct.pack(">HH", kind, 1)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
        s.settimeout(5); s.connect((server, 53))
        if tcp:
            s.sendall(struct.pack(">H", len(q)) + q); a = s.recv(1000)[2:]
        else:
            s.send(q); a = s.recv(1000)
        return (a[3] & 15, socket.inet_ntop(socket.AF_INET, a[-4:]) if a[7] and kind == 1 else a[7])
"#;
