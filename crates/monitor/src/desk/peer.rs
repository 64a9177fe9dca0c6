//! Who is at the other end of a connection (review-security F20). The account proves no person: what is
//! checked is that it is no program of a session, and that it has a terminal; what is found is recorded.

use std::path::PathBuf;

/// Whoever answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process.
    pub pid: i32,
    /// Its account.
    pub uid: u32,
    /// Its program, where that can be read.
    pub program: Option<PathBuf>,
    /// Its terminal, as a device number.
    pub terminal: i64,
    /// The leader of its session.
    pub leader: i32,
}

impl Peer {
    /// Who answers a hold has to be at a terminal; who asks something of the session need not.
    pub(super) fn at_a_terminal(&self) -> Result<(), PeerError> {
        if self.terminal == 0 {
            return Err(PeerError::NoTerminal);
        }
        Ok(())
    }
}

/// Why somebody is not listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// Another account.
    #[error("this session answers its own account only")]
    Account,
    /// Its process cannot be looked at, is gone, or changed meanwhile.
    #[error("the asking process cannot be looked at")]
    Unknown,
    /// In a container or sandbox.
    #[error("a session is not driven, and holds are not answered, from inside a sandbox or container")]
    Inside,
    /// Started by a program of a session.
    #[error("a session is not driven, and holds are not answered, by a program that a session started")]
    Descendant,
    /// A script, a service, a program in the background.
    #[error("holds are answered at a terminal: this process has none")]
    NoTerminal,
}

/// What `/proc/PID/stat` says (proc_pid_stat(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) name: String,
    pub(super) parent: i32,
    pub(super) leader: i32,
    pub(super) terminal: i64,
    pub(super) started: u64,
}

impl Stat {
    /// Reads the line; a name may hold blanks and brackets, so it ends at the last bracket.
    pub(super) fn parse(line: &str) -> Option<Stat> {
        let (head, rest) = line.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let field = |n: usize| rest.split_whitespace().nth(n);
        Some(Stat {
            name,
            parent: field(1)?.parse().ok()?,
            leader: field(3)?.parse().ok()?,
            terminal: field(4)?.parse().ok()?,
            started: field(19)?.parse().ok()?,
        })
    }
}

/// What the kernel says of processes.
pub(super) trait Processes: std::fmt::Debug {
    /// What it is and whose child.
    fn stat(&self, pid: i32) -> Option<Stat>;
    /// Its program.
    fn program(&self, pid: i32) -> Option<PathBuf>;
    /// Its process namespace.
    fn namespace(&self, pid: i32) -> Option<PathBuf>;
}

/// `/proc`.
#[derive(Debug)]
pub(super) struct Proc;

impl Processes for Proc {
    fn stat(&self, pid: i32) -> Option<Stat> {
        let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&String::from_utf8_lossy(&bytes))
    }

    fn program(&self, pid: i32) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{pid}/exe")).ok()
    }

    fn namespace(&self, pid: i32) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
    }
}

/// The name of our own processes, whose children are a session's.
const OWN: &str = "fumehood";
/// More ancestors than this are none that a terminal has.
const MAX_DEPTH: usize = 256;

/// Looks at a peer that connected to this process.
pub(super) fn examine(
    processes: &dyn Processes,
    own: i32,
    account: u32,
    pid: i32,
    uid: u32,
) -> Result<Peer, PeerError> {
    if uid != account {
        return Err(PeerError::Account);
    }
    let stat = processes
        .stat(pid)
        .filter(|_| pid > 0)
        .ok_or(PeerError::Unknown)?;
    let (ours, its) = (processes.namespace(own), processes.namespace(pid));
    if ours.is_none() || ours != its {
        return Err(PeerError::Inside);
    }
    ancestors(processes, own, &stat)?;
    // The number may have been given to another process meanwhile.
    let again = processes.stat(pid).ok_or(PeerError::Unknown)?;
    if again.started != stat.started {
        return Err(PeerError::Unknown);
    }
    let (program, terminal, leader) = (processes.program(pid), stat.terminal, stat.leader);
    Ok(Peer {
        pid,
        uid,
        program,
        terminal,
        leader,
    })
}

/// Up to the first process: none may be a supervisor, of this session or of another.
fn ancestors(processes: &dyn Processes, own: i32, from: &Stat) -> Result<(), PeerError> {
    let mut parent = from.parent;
    for _ in 0..MAX_DEPTH {
        if parent <= 1 {
            return Ok(());
        }
        let stat = processes.stat(parent).ok_or(PeerError::Unknown)?;
        if parent == own || stat.name.starts_with(OWN) {
            return Err(PeerError::Descendant);
        }
        parent = stat.parent;
    }
    Err(PeerError::Descendant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Default)]
    struct Made(BTreeMap<i32, (Stat, &'static str)>);

    impl Made {
        fn with(mut self, pid: i32, parent: i32, name: &str, terminal: i64, namespace: &'static str) -> Self {
            let stat = Stat {
                name: name.into(),
                parent,
                leader: 5,
                terminal,
                started: 7,
            };
            self.0.insert(pid, (stat, namespace));
            self
        }
    }

    impl Processes for Made {
        fn stat(&self, pid: i32) -> Option<Stat> {
            self.0.get(&pid).map(|p| p.0.clone())
        }
        fn program(&self, _: i32) -> Option<PathBuf> {
            None
        }
        fn namespace(&self, pid: i32) -> Option<PathBuf> {
            self.0.get(&pid).map(|p| PathBuf::from(p.1))
        }
    }

    fn world() -> Made {
        Made::default()
            .with(10, 1, "sshd", 0, "host")
            .with(20, 10, "bash", 34816, "host")
            .with(30, 20, "fumehood", 34816, "host")
            .with(40, 30, "claude", 34816, "host")
            .with(50, 10, "bash", 34817, "host")
    }

    fn at(made: &Made, pid: i32) -> Result<i32, PeerError> {
        examine(made, 30, 1000, pid, 1000).map(|p| p.pid)
    }

    #[test]
    fn a_terminal_beside_the_session_may_and_what_the_session_started_may_not() {
        let made = world()
            .with(60, 50, "fumehood", 34817, "host")
            .with(61, 50, "fumehood", 0, "host")
            .with(62, 50, "fumehood", 34817, "container")
            .with(70, 40, "bash", 34816, "host")
            .with(71, 70, "fumehood", 34816, "host")
            .with(80, 60, "agent", 34817, "host")
            .with(81, 80, "fumehood", 34817, "host");
        assert_eq!(at(&made, 60), Ok(60));
        let script = examine(&made, 30, 1000, 61, 1000).unwrap();
        assert_eq!(script.at_a_terminal(), Err(PeerError::NoTerminal));
        assert_eq!(
            examine(&made, 30, 1000, 60, 1000).unwrap().at_a_terminal(),
            Ok(())
        );
        assert_eq!(at(&made, 62), Err(PeerError::Inside));
        assert_eq!(at(&made, 71), Err(PeerError::Descendant));
        assert_eq!(at(&made, 81), Err(PeerError::Descendant), "another session's");
        assert_eq!(at(&made, 99), Err(PeerError::Unknown));
        assert_eq!(at(&made, 0), Err(PeerError::Unknown));
        assert_eq!(examine(&made, 30, 1000, 60, 0), Err(PeerError::Account));
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let made = world().with(91, 92, "a", 1, "host").with(92, 91, "b", 1, "host");
        assert_eq!(at(&made, 91), Err(PeerError::Descendant));
    }

    #[test]
    fn a_name_with_brackets_is_no_field() {
        let line = "7 (a) S 1 (b) S 3 3 3 34816 3 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            (stat.name.as_str(), stat.parent, stat.terminal, stat.started),
            ("a) S 1 (b", 3, 34816, 99)
        );
        assert_eq!(Stat::parse("7 (a"), None);
    }

    #[test]
    fn this_process_is_found_in_proc() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(Proc.stat(own).is_some_and(|s| s.parent > 0));
        assert_eq!(
            Proc.namespace(own),
            Proc.namespace(Proc.stat(own).unwrap().parent)
        );
    }
}
