//! One run's life: what the program sees ([`View`]), which program it is ([`Program`]), and the
//! supervisor that starts it, forwards signals, keeps the time and says how it ended.
//!
//! # Invariants
//!
//! * Nothing of the host is visible that was not put into the view by name.
//! * The environment is built from nothing.
//! * When the supervisor returns, no process of the sandbox exists any more.

#![forbid(unsafe_code)]

mod approvals;
mod attach;
mod caches;
mod control;
mod credentials;
mod detached;
mod edits;
mod environment;
mod exec;
mod explain;
mod flows;
mod gone;
mod home;
mod host;
mod janitor;
mod keeper;
mod log;
mod network;
mod ports;
mod prepare;
mod program;
mod reach;
mod recording;
mod scratch;
mod stand_in;
mod state;
mod supervise;
mod terminal;
mod tool_calls;
mod trust;
mod turn;
mod view;
mod watcher;
mod worktree;

pub use approvals::{Asking, AskingError};
pub use attach::{Attached, attach};
pub use caches::Caches;
pub use control::Waiting;
pub use credentials::{Broker, CredentialError};
pub use detached::detached;
pub use edits::{BothSides, Running, StartEdits, Word};
pub use environment::Variables;
pub use exec::{Exec, ExecError, Executed, exec};
pub use explain::{Facts, remedy};
/// What programs print, made safe to be shown on a terminal that others use too.
pub use fumehood_terminal::Stream as Plain;
/// Recordings of terminals.
pub use fumehood_terminal::{Cast, Event as CastEvent};
pub use home::{Home, HomeError, KeptHome, Settings, Slot};
pub use host::{Host, HostError, User, is_root, user_id};
pub use log::Log;
pub use network::{Network, Published};
pub use prepare::{OwnGit, PrepareError, Request, Shown, prepare, project_of};
pub use program::{Changed, PinError, Pinned, Program, ProgramError, Programs};
pub use recording::{BOUND, END_OF_SESSION, Outcome as RecordingOutcome, Recording};
pub use scratch::{Scratch, ScratchError};
pub use state::{StateError, check_state};
pub use supervise::{Detached, End, Outcome, Run, RunError, run};
pub use terminal::{
    Play, PlayError, StreamError, check_streams, let_go_of_all_streams, play, plays_here, terminals,
};
pub use tool_calls::{Called, Leave, Standing, ToolCalls, ToolCallsError};
pub use trust::{Inside, Trust, TrustError, machine_roots};
pub use turn::Turn;
pub use view::{Project, View, ViewError};
pub use worktree::{Worktree, repository as worktree};
