//! Every raw system call of the project lives below this module, each with the reason why the call
//! is sound. No decision is taken here.

mod command;
mod datagram;
mod entry;
mod environment;
mod fork;
mod further;
mod identity;
mod linux;
mod message;
mod mount;
mod network;
mod overlay;
mod process;
mod programs;
mod role;
mod signals;

pub(crate) use command::{
    Program, close_standard, die_with_parent, duplicate, hung_up, keep_only, own_process_group,
    set_file_mask, signal_group, take_foreground, wait_for_two,
};
pub use command::{become_subreaper, kill_descendants};
pub use datagram::{Asker, receive_question, send_answer};
pub use entry::enter;
pub(crate) use entry::wipe_words;
pub use environment::forget_variable;
pub(crate) use environment::wipe_environment;
pub(crate) use fork::{Cloned, Waited, clone_sandbox, exit_now, start_command, wait_any};
pub use fork::{exit_status_of, fork_role, fork_role_with, set_process_name, wait_for};
pub(crate) use further::{lead_session, out_of_the_way, own, set_size};
pub(crate) use identity::{IdMapping, namespace_with_mapping, pidfd_signal, wait_pidfd, wait_pidfd_status};
pub(crate) use linux::{Linux, landlock_version};
pub(crate) use message::{PACKET, packet_pair, receive, send, send_with_fd};
pub(crate) use mount::prepare_tree;
pub(crate) use overlay::prepare_overlay;
pub use process::{Became, Process};
pub use programs::{Execution, Heard, Programs};
pub(crate) use role::keep_capabilities;
pub use role::{become_role, forget_environment, give_up};
pub(crate) use signals::reset_for_child;
pub use signals::{Signals, in_background, raise_stop};
