//! What the first process and the supervisor say to each other: packets of twelve bytes.

use crate::errno::Errno;
use crate::spec::{Socket, Way};
use crate::sys::PACKET;

/// From the first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A step of the plan failed; -1 for what comes after the plan.
    Failed { step: i32, errno: Errno },
    /// The terminal's master end comes with this packet.
    Terminal,
    /// A socket of the boundary comes with this packet.
    Socket(Socket),
    /// The listener of the system call filter comes with this packet.
    Listener,
    /// The top of an overlay comes with this packet.
    View,
    /// The program could not be executed.
    NotExecuted { errno: Errno },
    /// The command ended with this status.
    Exited { code: i32 },
    /// A signal ended the command.
    Killed { signal: i32 },
    /// A signal stopped the command.
    Stopped { signal: i32 },
    /// A further program, by its number, is over.
    Further(i32, Outcome),
    /// The master end of a further program's terminal comes with this packet.
    FurtherTerminal(i32),
}

/// How a further program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By itself, with this status.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// It could not be executed.
    NotExecuted(Errno),
    /// The directory where it was to start could not be entered.
    NoDirectory(Errno),
}

/// From the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The id mapping is written; go on.
    Release,
    /// Send this signal to the command's process group.
    Signal(i32),
    /// Make a stream socket and hand it out.
    Socket,
    /// A stream of the next further program comes with this packet: 0, 1 or 2.
    Stream(i32),
    /// Start a further program of this number; its description comes with this packet.
    Launch(i32),
    /// Send a further program's process group a signal: its number, the signal.
    SignalFurther(i32, i32),
}

fn packet(kind: u8, a: i32, b: i32) -> [u8; PACKET] {
    let mut out = [0; PACKET];
    out[0] = kind;
    out[4..8].copy_from_slice(&a.to_ne_bytes());
    out[8..12].copy_from_slice(&b.to_ne_bytes());
    out
}

fn words(packet: &[u8; PACKET]) -> (i32, i32) {
    let word = |n: usize| i32::from_ne_bytes([packet[n], packet[n + 1], packet[n + 2], packet[n + 3]]);
    (word(4), word(8))
}

fn of_socket(socket: Socket) -> (i32, i32) {
    match socket {
        Socket::Gate(Way::Transparent) => (1, 0),
        Socket::Gate(Way::Redirected) => (1, 1),
        Socket::Gate(Way::Ports) => (1, 2),
        Socket::Names => (2, 0),
        Socket::Port(port) => (3, port.into()),
        Socket::Host(port) => (4, port.into()),
        Socket::Inside => (5, 0),
    }
}

fn socket(kind: i32, value: i32) -> Option<Socket> {
    let port = || u16::try_from(value).ok();
    Some(match (kind, value) {
        (1, 0) => Socket::Gate(Way::Transparent),
        (1, 1) => Socket::Gate(Way::Redirected),
        (1, 2) => Socket::Gate(Way::Ports),
        (2, 0) => Socket::Names,
        (3, _) => Socket::Port(port()?),
        (4, _) => Socket::Host(port()?),
        (5, 0) => Socket::Inside,
        _ => return None,
    })
}

impl Message {
    pub(crate) fn encode(self) -> [u8; PACKET] {
        match self {
            Message::Failed { step, errno } => packet(b'f', step, errno.0),
            Message::Terminal => packet(b't', 0, 0),
            Message::Socket(socket) => {
                let (kind, value) = of_socket(socket);
                packet(b'n', kind, value)
            }
            Message::Listener => packet(b'l', 0, 0),
            Message::View => packet(b'v', 0, 0),
            Message::NotExecuted { errno } => packet(b'x', errno.0, 0),
            Message::Exited { code } => packet(b'e', code, 0),
            Message::Killed { signal } => packet(b'k', signal, 0),
            Message::Stopped { signal } => packet(b'z', signal, 0),
            Message::Further(number, Outcome::Exited(code)) => packet(b'E', number, code),
            Message::Further(number, Outcome::Killed(signal)) => packet(b'K', number, signal),
            Message::Further(number, Outcome::NotExecuted(errno)) => packet(b'X', number, errno.0),
            Message::Further(number, Outcome::NoDirectory(errno)) => packet(b'D', number, errno.0),
            Message::FurtherTerminal(number) => packet(b'T', number, 0),
        }
    }

    /// `None` for anything that no first process of this version says.
    pub(crate) fn decode(packet: &[u8; PACKET]) -> Option<Message> {
        let (a, b) = words(packet);
        Some(match packet[0] {
            b'f' => Message::Failed {
                step: a,
                errno: Errno(b),
            },
            b't' => Message::Terminal,
            b'n' => Message::Socket(socket(a, b)?),
            b'l' => Message::Listener,
            b'v' => Message::View,
            b'x' => Message::NotExecuted { errno: Errno(a) },
            b'e' => Message::Exited { code: a & 0xff },
            b'k' => Message::Killed {
                signal: a.clamp(1, 64),
            },
            b'z' => Message::Stopped {
                signal: a.clamp(1, 64),
            },
            b'E' => Message::Further(a, Outcome::Exited(b & 0xff)),
            b'K' => Message::Further(a, Outcome::Killed(b.clamp(1, 64))),
            b'X' => Message::Further(a, Outcome::NotExecuted(Errno(b))),
            b'D' => Message::Further(a, Outcome::NoDirectory(Errno(b))),
            b'T' => Message::FurtherTerminal(a),
            _ => return None,
        })
    }
}

impl Order {
    pub(crate) fn encode(self) -> [u8; PACKET] {
        match self {
            Order::Release => packet(b'r', 0, 0),
            Order::Signal(n) => packet(b's', n, 0),
            Order::Socket => packet(b'n', 0, 0),
            Order::Stream(n) => packet(b'd', n, 0),
            Order::Launch(number) => packet(b'x', number, 0),
            Order::SignalFurther(number, signal) => packet(b'S', number, signal),
        }
    }

    pub(crate) fn decode(packet: &[u8; PACKET]) -> Option<Order> {
        let (a, b) = words(packet);
        match packet[0] {
            b'r' => Some(Order::Release),
            b's' => Some(Order::Signal(a)),
            b'd' => Some(Order::Stream(a)),
            b'x' => Some(Order::Launch(a)),
            b'S' => Some(Order::SignalFurther(a, b)),
            b'n' => Some(Order::Socket),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_packet_decodes_or_is_refused(packet in any::<[u8; PACKET]>()) {
            if let Some(m) = Message::decode(&packet) {
                prop_assert_eq!(Message::decode(&m.encode()), Some(m));
            }
            if let Some(o) = Order::decode(&packet) {
                prop_assert_eq!(Order::decode(&o.encode()), Some(o));
            }
        }
    }
}
