//! Linux isolation: a [`Spec`] (what the program will see) becomes a [`Plan`] (which system calls,
//! in which order), and a plan becomes a running [`Sandbox`].
//!
//! # Why three
//!
//! A sandbox is only as good as the order in which it is built: a wall that is set before the thing
//! it should have covered holds nothing, and nobody sees it. So the order is not spread over the
//! code that makes the calls. It is a list, made by a pure function, printed by `Display`, held by
//! snapshots, and carried out through a trait whose recording double shows every single call.
//!
//! The first process of the sandbox carries the list out after one `clone3`, on a copy of the
//! supervisor's memory, with raw system calls and without allocating. Each wall is raised while the
//! process still could, and the filter that forbids raising walls comes last.
//!
//! # What this crate does not know
//!
//! Policy, configuration, presets: it is told paths and limits. It prints nothing. It is the only
//! crate of the project with `unsafe` code, and that only below `sys`.

mod confine;
mod errno;
mod execute;
mod first;
mod ids;
mod kernel;
mod landlock;
mod launch;
mod plan;
#[cfg(test)]
mod record;
mod seccomp;
mod spec;
mod start;
mod sys;
mod wire;

pub use confine::{ConfineError, Reach, Walls, confine};
pub use errno::Errno;
pub use ids::{landlock_version, private_ids};
pub use launch::Launch;
pub use plan::{GATE_PORT, OWN_V4, OWN_V6, Plan, PlanError};
pub use seccomp::{Filter, Role, Strictness};
pub use spec::{
    Access, Boundary, Command, Entry, Ids, Kind, Layers, Level, Room, Socket, Spec, Stamp, StampError, Way,
};
pub use start::{Event, Placement, Sandbox, Stage, StartError};
pub use sys::{
    Asker, Became, Execution, Heard, Process, Programs, Signals, become_role, become_subreaper, enter,
    exit_status_of, forget_environment, forget_variable, fork_role, fork_role_with, give_up, in_background,
    kill_descendants, raise_stop, receive_question, send_answer, set_process_name, wait_for,
};
pub use wire::Outcome;
