//! The first process of a sandbox: builds the walls around itself, starts the command, and then
//! only reaps, forwards signals and watches that its supervisor lives.
//!
//! It runs on a copy of the supervisor's memory. Until the command runs, nothing here allocates,
//! and no destructor runs. When it ends the kernel ends everything else in its pid namespace.

mod further;

use crate::errno::Errno;
use crate::execute::{self, Built};
use crate::kernel::{Fd, Kernel};
use crate::plan::Plan;
use crate::spec::Socket;
use crate::sys::{self, Linux, Waited};
use crate::wire::{Message, Order, Outcome};
use further::Further;
use std::os::fd::OwnedFd;

/// Descriptors of the first process once it is set up: nothing else is open.
const CONTROL: Fd = Fd(3);
const TERMINAL: Fd = Fd(4);

/// Becomes the first process. `control` leads to the supervisor, `trees` are the prepared ones.
pub(crate) fn run(plan: &Plan, trees: &[Fd], control: Fd) -> ! {
    sys::wipe_environment();
    sys::wipe_words();
    // What is made has the mode it is made with; the command gets the caller's mask back.
    let mask = sys::set_file_mask(0);
    let mut kernel = Linux { control };
    let status = match execute::build(plan, trees, control, &mut kernel) {
        Ok(built) => after_building(plan, built, control, mask),
        Err((step, errno)) => {
            tell(
                control,
                Message::Failed {
                    step: step as i32,
                    errno,
                },
            );
            125
        }
    };
    sys::exit_now(status)
}

fn after_building(plan: &Plan, built: Built, control: Fd, mask: u32) -> i32 {
    let failed = |errno| {
        tell(control, Message::Failed { step: -1, errno });
        125
    };
    if let Err(errno) = sys::keep_only(control, CONTROL, built.terminal, TERMINAL) {
        return failed(errno);
    }
    let children = match sys::Signals::block(&[libc::SIGCHLD, libc::SIGTTOU]) {
        Ok(signals) => signals,
        Err(errno) => return failed(errno),
    };
    if plan.namespaces {
        // Before the command starts: until it has, this process waits and looks at nothing.
        sys::die_with_parent();
        if sys::hung_up(CONTROL) {
            return 1;
        }
    } else if let Err(errno) = sys::become_subreaper() {
        // There is no namespace whose end would end the rest: this process has to live on and do it, and adopts what
        // its children leave. Before there is a command: what that leaves at once would be adopted by another.
        return failed(errno);
    }
    let Some(program) = sys::Program::of(&plan.command) else {
        return failed(Errno(libc::E2BIG));
    };
    match sys::start_command(&mut || command(plan, &program, built.terminal.is_some(), mask)) {
        Err(errno) => failed(errno),
        Ok(pid) => {
            sys::own_process_group(pid);
            watch(pid, plan.namespaces, &children)
        }
    }
}

/// The command's process: its own process group, the terminal's foreground, and the program.
fn command(plan: &Plan, program: &sys::Program<'_>, terminal: bool, mask: u32) -> i32 {
    sys::own_process_group(0);
    if terminal {
        sys::take_foreground(TERMINAL);
        for (n, own) in plan.terminal.iter().enumerate() {
            if *own {
                sys::duplicate(TERMINAL, Fd(n as i32));
            }
        }
    }
    sys::set_file_mask(mask);
    sys::reset_for_child();
    let errno = match program.enter() {
        Ok(()) => program.execute(),
        Err(errno) => errno,
    };
    tell(CONTROL, Message::NotExecuted { errno });
    127
}

/// Reaps and forwards until the command has ended or the supervisor is gone.
fn watch(command: i32, namespaces: bool, children: &sys::Signals) -> i32 {
    sys::close_standard();
    let mut further = Further::default();
    let ended = loop {
        let (from_supervisor, from_children) = sys::wait_for_two(CONTROL, children);
        if from_children && children.next().is_some() && reap(command, &mut further) {
            break 0;
        }
        if from_supervisor {
            match sys::receive(CONTROL, libc::MSG_DONTWAIT) {
                Ok(None) => break 1, // the supervisor is gone
                Ok(Some((packet, fd))) => obey(command, &mut further, Order::decode(&packet), fd),
                Err(_) => {}
            }
        }
    };
    if !namespaces {
        sys::kill_descendants(None);
    }
    ended
}

/// Reaps all there is; says whether the command itself has ended.
fn reap(command: i32, further: &mut Further) -> bool {
    let mut over = false;
    loop {
        match sys::wait_any() {
            Waited::Exited { pid, code } if pid == command => {
                tell(CONTROL, Message::Exited { code });
                over = true;
            }
            Waited::Killed { pid, signal } if pid == command => {
                tell(CONTROL, Message::Killed { signal });
                over = true;
            }
            Waited::Stopped { pid, signal } if pid == command => tell(CONTROL, Message::Stopped { signal }),
            Waited::Exited { pid, code } => further.ended(pid, Outcome::Exited(code)),
            Waited::Killed { pid, signal } => further.ended(pid, Outcome::Killed(signal)),
            Waited::Nothing | Waited::NoChildren => return over,
            Waited::Stopped { .. } => {}
        }
    }
}

fn obey(command: i32, further: &mut Further, order: Option<Order>, fd: Option<OwnedFd>) {
    match order {
        Some(Order::Stream(n)) => further.stream(n, fd),
        Some(Order::Launch(number)) => further.launch(number, fd),
        Some(Order::SignalFurther(number, signal)) => further.signal(number, signal),
        Some(Order::Signal(signal)) => sys::signal_group(command, signal),
        Some(Order::Socket) => hand_out_socket(),
        Some(Order::Release) | None => {}
    }
}

/// A socket with which the outside reaches what listens inside. None left to make is no answer, and
/// whoever waits for one gives up in time.
fn hand_out_socket() {
    let mut kernel = Linux { control: CONTROL };
    if let Ok(fd) = kernel.boundary_socket(Socket::Inside) {
        let _gone = kernel.send_socket(Socket::Inside, fd);
        kernel.close(fd);
    }
}

/// Tells the supervisor; if it is gone there is nobody to tell, and `watch` will notice.
fn tell(control: Fd, message: Message) {
    let _gone: Result<(), Errno> = sys::send(control, &message.encode());
}
