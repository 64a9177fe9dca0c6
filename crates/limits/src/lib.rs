//! Resource limits for one sandbox.
//!
//! A run says what it may use ([`Limits`]); a [`Group`] makes the kernel hold it, by the strongest means that works
//! here, found by doing and never by reading a version:
//!
//! 1. **cgroup v2**, in the process's own cgroup or the nearest ancestor that lets us make a leaf with the controllers
//!    (Documentation/admin-guide/cgroup-v2.rst, "Delegation" and "No Internal Process Constraint");
//! 2. **cgroup v1**, in a child of the process's own group in each hierarchy (Documentation/admin-guide/cgroup-v1/);
//! 3. **rlimits and a watchdog**: [`rlimits`] says what the child sets on itself, [`Watchdog`] watches the rest.
//!
//! The choice is made for each limit by itself and reported in [`InForce`]. A limit that nothing can hold is an error.
//!
//! ```no_run
//! use fumehood_limits::{Group, Limits, units};
//! # fn main() -> Result<(), fumehood_limits::Error> {
//! let limits = Limits { memory: Some(units::bytes("2G")?), pids: Some(512), ..Limits::default() };
//! let group = Group::create(&limits, "demo")?;
//! // clone3 with CLONE_INTO_CGROUP where group.cgroup2_fd() is some; then, before the child is released:
//! # let child = 1;
//! group.add(child)?;
//! // … when it ended:
//! let struck = group.struck();
//! group.remove()?;
//! # let _ = struck; Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod ceiling;
mod error;
mod files;
mod group;
mod hierarchy;
mod janitor;
mod kill;
mod limit;
mod making;
mod owner;
mod probe;
mod readings;
pub mod rlimits;
mod sweep;
pub mod units;
mod v1;
mod v2;
mod watchdog;

#[cfg(test)]
mod fake;

pub use ceiling::Ceilings;
pub use error::Error;
pub use group::Group;
pub use janitor::{JanitorPaths, clean};
pub use limit::{Backend, InForce, Limit, Limits, Struck};
pub use probe::{Finding, probe};
pub use readings::Usage;
pub use sweep::sweep_stale;
pub use watchdog::{Watchdog, Watched};
