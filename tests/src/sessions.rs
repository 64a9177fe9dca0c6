//! Sessions that live, and the verbs that drive them from outside.

use crate::output::Output;
use crate::programs::fumehood;
use crate::sandboxed::{Running, Sandboxed};
use crate::world::World;
use std::ffi::{OsStr, OsString};

/// The words of a verb's command line.
pub fn verb_words<W: AsRef<OsStr>>(words: &[W]) -> Vec<OsString> {
    let mut all = vec![fumehood().into_os_string()];
    all.extend(words.iter().map(|w| w.as_ref().to_owned()));
    all
}

impl Sandboxed<'_> {
    /// Starts a verb, outside.
    pub fn start_verb<W: AsRef<OsStr>>(&self, words: &[W]) -> Running {
        let mut all = self.wrapper().to_vec();
        all.extend(verb_words(words));
        self.start_words(&all)
    }

    /// Runs a verb to its end, outside.
    pub fn verb<W: AsRef<OsStr>>(&self, words: &[W]) -> Output {
        self.start_verb(words).wait()
    }
}

/// A session whose command does nothing until it is told to end.
#[derive(Debug)]
pub struct Idle<'w> {
    /// The run.
    pub run: Running,
    /// Its name in the log.
    pub id: String,
    world: &'w World,
}

impl<'w> Idle<'w> {
    /// Starts one in the world's project, which has its changes at once.
    #[track_caller]
    pub fn start(world: &'w World, flags: &[&str]) -> Idle<'w> {
        let script = "trap 'exit 3' TERM; echo here >here; while :; do sleep 0.05; done";
        let mut run = world.sandbox().flags(flags).start(&["sh", "-c", script]);
        run.await_file(&world.project().join("here"));
        let all = world.sandbox().verb(&["ps", "--json"]).ended(0);
        let id = text_of(&all, "session").unwrap_or_else(|| panic!("no session in {all}"));
        Idle { run, id, world }
    }

    /// Runs a program in it.
    pub fn exec<W: AsRef<OsStr>>(&self, command: &[W]) -> Output {
        self.world.sandbox().verb(&self.words(&[], command))
    }

    /// As [`Idle::exec`], with flags.
    pub fn exec_with<W: AsRef<OsStr>>(&self, flags: &[&str], command: &[W]) -> Output {
        self.world.sandbox().verb(&self.words(flags, command))
    }

    /// Runs a shell script in it.
    pub fn exec_sh(&self, script: &str) -> Output {
        self.exec(&["sh", "-c", script])
    }

    /// The words after `fumehood`.
    pub fn words<W: AsRef<OsStr>>(&self, flags: &[&str], command: &[W]) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["exec".into()];
        words.extend(flags.iter().map(OsString::from));
        words.extend([self.id.clone().into(), "--".into()]);
        words.extend(command.iter().map(|w| w.as_ref().to_owned()));
        words
    }

    /// Waits until somebody waits for its end.
    #[track_caller]
    pub fn await_waiter(&self) {
        let begun = std::time::Instant::now();
        let look = || {
            self.world
                .sandbox()
                .verb(&["inspect", &self.id, "--json"])
                .ended(0)
        };
        while !look().contains("\"waiting\":1") {
            assert!(begun.elapsed().as_secs() < 15, "nobody waits for it");
        }
    }

    /// Ends it.
    #[track_caller]
    pub fn end(self) {
        self.run.signal("TERM");
        self.run.wait().ended(3);
    }
}

/// The first text of this name in JSON that has no escapes where it matters.
pub fn text_of(json: &str, name: &str) -> Option<String> {
    let from = json.find(&format!("\"{name}\":\""))? + name.len() + 4;
    let rest = json.get(from..)?;
    rest.split('"').next().map(str::to_owned)
}
