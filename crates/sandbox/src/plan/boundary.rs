//! The network boundary inside a sandbox, as bytes: every address is local to its loopback interface,
//! and what is dialled arrives at one listener with its destination.
//!
//! Documentation/networking/tproxy.rst of the kernel; packets that leave over loopback pass the prerouting
//! hook again, which is where they are handed to the listener.

use super::netlink::{LOOPBACK, Message, NESTED, attributes};
use crate::spec::{Boundary, Way};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The gate's port: below 1024, so that nothing inside can bind it. A connection to it on loopback is a
/// client that was told of a proxy (the variables of `fumehood_session`).
pub const GATE_PORT: u16 = 1023;
/// The sandbox's own addresses, so that programs see a machine that has a network (`AI_ADDRCONFIG`); the
/// first of the ranges that names are given addresses from (RFC 2544, RFC 4193).
pub const OWN_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// As [`OWN_V4`].
pub const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd66, 0x756d, 0x6568, 0, 0, 0, 0, 1);

/// What the first process sends, and what it listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Messages {
    /// rtnetlink, IPv4: has to succeed.
    pub(crate) v4: Vec<Vec<u8>>,
    /// rtnetlink, IPv6: a kernel without it has nothing to lead anywhere.
    pub(crate) v6: Vec<Vec<u8>>,
    /// nf_tables: hand every connection to the gate.
    pub(crate) transparent: Vec<u8>,
    /// nf_tables, where the kernel lacks that: rewrite every connection to the gate (`SO_ORIGINAL_DST`).
    pub(crate) redirect: Vec<u8>,
    /// Ports to listen on, one by one, where it has neither.
    pub(crate) ports: Vec<u16>,
    /// Ports of the sandbox's loopback that lead outside.
    pub(crate) host: Vec<u16>,
    /// What not to try.
    pub(crate) best: Way,
}

/// Makes them.
pub(super) fn messages(boundary: &Boundary) -> Messages {
    Messages {
        v4: vec![
            address(libc::AF_INET, 32, &OWN_V4.octets()),
            everywhere(libc::AF_INET, &[0; 4], 254),
        ],
        v6: vec![
            address(libc::AF_INET6, 128, &OWN_V6.octets()),
            everywhere(libc::AF_INET6, &[0; 16], 0),
        ],
        transparent: table(b"filter\0", PREROUTING, -150, &tproxy()),
        redirect: table(b"nat\0", OUTPUT, -100, &redirect()),
        ports: boundary.ports.clone(),
        host: boundary.host.clone(),
        best: boundary.best,
    }
}

/// `ip addr add ADDRESS dev lo`
fn address(family: i32, bits: u8, address: &[u8]) -> Vec<u8> {
    const NEWADDR: u16 = 20;
    const NO_DUPLICATE_DETECTION: u8 = 2;
    let [a, b, c, d] = LOOPBACK.to_ne_bytes();
    let header = [family as u8, bits, NO_DUPLICATE_DETECTION, 0, a, b, c, d];
    Message::make(NEWADDR, &header)
        .put(libc::IFA_LOCAL, address)
        .put(libc::IFA_ADDRESS, address)
        .finish()
}

/// `ip route add local default dev lo`
fn everywhere(family: i32, any: &[u8], scope: u8) -> Vec<u8> {
    const NEWROUTE: u16 = 24;
    let header = [
        family as u8,
        0, // prefix lengths, type of service
        0,
        0,
        libc::RT_TABLE_LOCAL,
        libc::RTPROT_BOOT,
        scope,
        libc::RTN_LOCAL,
        0,
        0,
        0,
        0,
    ];
    Message::make(NEWROUTE, &header)
        .put(libc::RTA_DST, any)
        .put(libc::RTA_OIF, &LOOPBACK.to_ne_bytes())
        .finish()
}

const NEWTABLE: u8 = 0;
const NEWCHAIN: u8 = 3;
const NEWRULE: u8 = 6;
const TABLE: &[u8] = b"fumehood\0";
const CHAIN: &[u8] = b"gate\0";
/// `NF_INET_PRE_ROUTING`, which packets over loopback pass when they come out of it again.
const PREROUTING: u32 = 0;
/// `NF_INET_LOCAL_OUT`: addresses are rewritten with a connection's first packet, where that begins.
const OUTPUT: u32 = 3;

/// A table with one chain: what goes to loopback's own addresses passes, the rest meets `last`.
fn table(kind: &[u8], hook: u32, priority: i32, last: &[u8]) -> Vec<u8> {
    let hook = attributes(&[(1, &hook.to_be_bytes()), (2, &priority.to_be_bytes())]);
    [
        Message::batch(0x10, 0).finish(),
        Message::table(NEWTABLE, 1, false).put(1, TABLE).finish(),
        Message::table(NEWCHAIN, 2, false)
            .put(1, TABLE)
            .put(3, CHAIN)
            .put(7, kind)
            .put(4 | NESTED, &hook)
            .finish(),
        rule(3, false, &own_v4()),
        rule(4, false, &own_v6()),
        rule(5, true, last),
        Message::batch(0x11, 6).finish(),
    ]
    .concat()
}

fn rule(sequence: u32, last: bool, expressions: &[u8]) -> Vec<u8> {
    Message::table(NEWRULE, sequence, last)
        .put(1, TABLE)
        .put(2, CHAIN)
        .put(4 | NESTED, expressions)
        .finish()
}

/// One expression of a rule: its name and attributes.
fn expression(name: &[u8], parts: &[(u16, &[u8])]) -> Vec<u8> {
    let body = attributes(&[(1, name), (2 | NESTED, &attributes(parts))]);
    attributes(&[(1 | NESTED, &body)])
}

/// Register 1, and the verdict's, register 0.
const REGISTER: &[u8] = &1u32.to_be_bytes();
const VERDICT: &[u8] = &0u32.to_be_bytes();
const META_NFPROTO: u32 = 15;
const META_L4PROTO: u32 = 16;

fn meta(key: u32) -> Vec<u8> {
    expression(b"meta\0", &[(2, &key.to_be_bytes()), (1, REGISTER)])
}

/// The field is these bytes.
fn equals(value: &[u8]) -> Vec<u8> {
    const EQUAL: &[u8] = &0u32.to_be_bytes();
    let value = attributes(&[(1, value)]);
    expression(b"cmp\0", &[(1, REGISTER), (2, EQUAL), (3 | NESTED, &value)])
}

/// Loads bytes of the network header.
fn payload(offset: u32, length: u32) -> Vec<u8> {
    expression(
        b"payload\0",
        &[
            (1, REGISTER),
            (2, &1u32.to_be_bytes()), // NFT_PAYLOAD_NETWORK_HEADER
            (3, &offset.to_be_bytes()),
            (4, &length.to_be_bytes()),
        ],
    )
}

fn immediate(register: &[u8], data: &[u8]) -> Vec<u8> {
    expression(b"immediate\0", &[(1, register), (2 | NESTED, data)])
}

fn accept() -> Vec<u8> {
    const ACCEPT: &[u8] = &1u32.to_be_bytes();
    let verdict = attributes(&[(1, ACCEPT)]);
    immediate(VERDICT, &attributes(&[(2 | NESTED, &verdict)]))
}

fn load_port() -> Vec<u8> {
    immediate(REGISTER, &attributes(&[(1, &GATE_PORT.to_be_bytes())]))
}

fn is_tcp() -> Vec<u8> {
    [meta(META_L4PROTO), equals(&[libc::IPPROTO_TCP as u8])].concat()
}

/// `ip daddr 127.0.0.0/8 accept`
fn own_v4() -> Vec<u8> {
    let family = equals(&[libc::NFPROTO_IPV4 as u8]);
    [
        meta(META_NFPROTO),
        family,
        payload(16, 1),
        equals(&[127]),
        accept(),
    ]
    .concat()
}

/// `ip6 daddr ::1 accept`
fn own_v6() -> Vec<u8> {
    let family = equals(&[libc::NFPROTO_IPV6 as u8]);
    let loopback = equals(&Ipv6Addr::LOCALHOST.octets());
    [meta(META_NFPROTO), family, payload(24, 16), loopback, accept()].concat()
}

/// `meta l4proto tcp tproxy to :PORT accept`
fn tproxy() -> Vec<u8> {
    let to = expression(b"tproxy\0", &[(1, &0u32.to_be_bytes()), (3, REGISTER)]);
    [is_tcp(), load_port(), to, accept()].concat()
}

/// `meta l4proto tcp redirect to :PORT`
fn redirect() -> Vec<u8> {
    let to = expression(b"redir\0", &[(1, REGISTER), (2, REGISTER)]);
    [is_tcp(), load_port(), to].concat()
}
