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
#![forbid(unsafe_code)]

mod error;
mod limit;
pub mod rlimits;
pub mod units;

pub use error::Error;
pub use limit::{Backend, InForce, Limit, Limits, Struck};
