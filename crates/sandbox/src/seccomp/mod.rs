//! The system call filter: a commented table of refusals, assembled into classic BPF.
//!
//! [`Filter::new`] is pure; loading the result is one system call in the sandbox's first process.
//! An interpreter of the instruction subset used here is the tests' oracle: for every call number
//! and for arguments drawn at random, the program answers what the table says.

mod assemble;
#[cfg(test)]
mod interpret;
mod local;
mod role;
mod table;

pub(crate) use assemble::Instruction;
pub use role::Role;
use table::Scope;

/// Which refusals a filter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// The default: no namespaces, no mounts.
    Flat,
    /// Programs may bring a sandbox of their own: namespaces and mounts stay possible.
    Nested,
    /// No namespaces around the program: no sockets at all, besides what `Flat` refuses.
    Landlock,
}

impl Strictness {
    fn holds(self, scope: Scope) -> bool {
        match scope {
            Scope::All => true,
            Scope::Watched => false,
            Scope::Flat => self != Strictness::Nested,
            Scope::LandlockOnly => self == Strictness::Landlock,
        }
    }
}

/// An assembled filter, ready to be loaded.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter {
    pub(crate) program: Vec<Instruction>,
    /// Whether someone has to listen.
    pub(crate) tells: bool,
}

impl Filter {
    /// Assembles the table for one strictness.
    #[must_use]
    pub fn new(strictness: Strictness) -> Filter {
        Filter::assembled(strictness, false)
    }

    /// As [`Filter::new`], and of every program that is executed a listener hears first.
    #[must_use]
    pub fn watching(strictness: Strictness) -> Filter {
        Filter::assembled(strictness, true)
    }

    fn assembled(strictness: Strictness, tells: bool) -> Filter {
        let holds = |r: &&table::Rule| strictness.holds(r.scope) || (tells && r.scope == Scope::Watched);
        let rules = table::RULES.iter().filter(holds);
        Filter {
            program: assemble::program(rules, table::OTHERWISE),
            tells,
        }
    }

    /// How many BPF instructions the filter has (the kernel's limit is 4,096).
    #[must_use]
    pub fn len(&self) -> usize {
        self.program.len()
    }

    /// Whether the filter has no instruction; never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.program.is_empty()
    }
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Filter({} instructions)", self.program.len())
    }
}
