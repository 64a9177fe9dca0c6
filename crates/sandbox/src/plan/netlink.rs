//! Messages to the kernel's network configuration, as bytes (netlink(7), rtnetlink(7),
//! linux/netfilter/nf_tables.h). Made beforehand, so that the first process only sends them.

/// `NLM_F_REQUEST`, `ACK`, `EXCL`, `CREATE`, `APPEND`.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// The only interface there is.
pub(super) const LOOPBACK: u32 = 1;

/// One message being written.
pub(super) struct Message(Vec<u8>);

impl Message {
    fn new(kind: u16, flags: u16, sequence: u32, header: &[u8]) -> Message {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(REQUEST | flags).to_ne_bytes());
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]); // to the kernel
        bytes.extend_from_slice(header);
        Message(bytes)
    }

    /// A configuration request of rtnetlink that makes something new, and is answered.
    pub(super) fn make(kind: u16, header: &[u8]) -> Message {
        Message::new(kind, ACK | CREATE | EXCLUSIVE, 1, header)
    }

    /// Begins or ends a batch of nf_tables (`NFNL_MSG_BATCH_BEGIN`, `END`).
    pub(super) fn batch(kind: u16, sequence: u32) -> Message {
        Message::new(kind, 0, sequence, &[0, 0, 0, 10]) // NFNL_SUBSYS_NFTABLES
    }

    /// Something new in nf_tables, for IPv4 and IPv6 (`NFPROTO_INET`). The last one is answered for all.
    pub(super) fn table(kind: u8, sequence: u32, last: bool) -> Message {
        let flags = CREATE | APPEND | if last { ACK } else { 0 };
        Message::new(10 << 8 | u16::from(kind), flags, sequence, &[1, 0, 0, 0])
    }

    /// An attribute.
    pub(super) fn put(mut self, kind: u16, value: &[u8]) -> Message {
        attribute(&mut self.0, kind, value);
        self
    }

    /// The bytes, their length in front.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

/// `NLA_F_NESTED`: the value is attributes.
pub(super) const NESTED: u16 = 0x8000;

/// Length, kind, value, padding to four bytes.
fn attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&(value.len() as u16 + 4).to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Attributes, one after the other.
pub(super) fn attributes(parts: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, value) in parts {
        attribute(&mut out, *kind, value);
    }
    out
}
