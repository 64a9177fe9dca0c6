//! What kind of address a name led to. Only [`Class::Global`] is dialled for a name; every other kind has
//! to be named by a rule, as an address.
//!
//! Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates) and the
//! documents of the clouds for their metadata services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of an address, from the point of view of a host that is about to dial it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Of the public Internet.
    Global,
    /// This host itself: `127.0.0.0/8`, `::1`.
    Loopback,
    /// The unspecified address and its network, which Linux takes for this host: `0.0.0.0/8`, `::`.
    Unspecified,
    /// RFC 1918, RFC 4193, and the withdrawn site-local range (RFC 3879).
    Private,
    /// RFC 3927, RFC 4291.
    LinkLocal,
    /// A cloud's metadata service, which hands out credentials.
    Metadata,
    /// Shared between a carrier and its customers: `100.64.0.0/10` (RFC 6598).
    Shared,
    /// To many at once: multicast and broadcast.
    Multicast,
    /// Documentation, benchmarks, reserved ranges: no host of the Internet has these.
    Reserved,
}

impl Class {
    /// The kind in words, to be read after "is".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Class::Global => "a public address",
            Class::Loopback => "this machine's own address",
            Class::Unspecified => "the unspecified address",
            Class::Private => "a private address",
            Class::LinkLocal => "a link-local address",
            Class::Metadata => "a cloud metadata address",
            Class::Shared => "a carrier's shared address",
            Class::Multicast => "a multicast or broadcast address",
            Class::Reserved => "a reserved address",
        }
    }
}

/// Metadata services outside the link-local range, or of more weight than it: first match counts.
const METADATA: &[IpAddr] = &[
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), // EC2, GCE, Azure, OpenStack, and most others
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),   // ECS task credentials
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),  // EKS pod identity
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),    // Tencent Cloud
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), // Alibaba Cloud
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),   // Azure's wire server
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),     // Oracle Cloud, first generation
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), // EC2
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)), // EKS pod identity
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)), // GCE
];

/// A block of addresses: its first one and how many bits of it count.
struct Block<A>(A, u32, Class);

const fn v4(a: u8, b: u8, c: u8, bits: u32, class: Class) -> Block<Ipv4Addr> {
    Block(Ipv4Addr::new(a, b, c, 0), bits, class)
}

/// The first block that holds an address counts.
const V4: &[Block<Ipv4Addr>] = &[
    v4(0, 0, 0, 8, Class::Unspecified),
    v4(10, 0, 0, 8, Class::Private),
    v4(100, 64, 0, 10, Class::Shared),
    v4(127, 0, 0, 8, Class::Loopback),
    v4(169, 254, 0, 16, Class::LinkLocal),
    v4(172, 16, 0, 12, Class::Private),
    v4(192, 0, 0, 24, Class::Reserved),    // IETF protocol assignments
    v4(192, 0, 2, 24, Class::Reserved),    // documentation
    v4(192, 31, 196, 24, Class::Reserved), // AS112
    v4(192, 52, 193, 24, Class::Reserved), // AMT
    v4(192, 88, 99, 24, Class::Reserved),  // 6to4 relays, withdrawn (RFC 7526)
    v4(192, 168, 0, 16, Class::Private),
    v4(192, 175, 48, 24, Class::Reserved), // AS112
    v4(198, 18, 0, 15, Class::Reserved),   // benchmarks, and our own synthetic addresses
    v4(198, 51, 100, 24, Class::Reserved), // documentation
    v4(203, 0, 113, 24, Class::Reserved),  // documentation
    v4(224, 0, 0, 4, Class::Multicast),
    v4(240, 0, 0, 4, Class::Reserved), // and the broadcast address
];

const fn v6(a: u16, b: u16, bits: u32, class: Class) -> Block<Ipv6Addr> {
    Block(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), bits, class)
}

const V6: &[Block<Ipv6Addr>] = &[
    Block(Ipv6Addr::UNSPECIFIED, 128, Class::Unspecified),
    Block(Ipv6Addr::LOCALHOST, 128, Class::Loopback),
    v6(0xfc00, 0, 7, Class::Private),
    v6(0xfe80, 0, 10, Class::LinkLocal),
    v6(0xfec0, 0, 10, Class::Private),
    v6(0xff00, 0, 8, Class::Multicast),
    v6(0x2001, 0, 23, Class::Reserved), // IETF protocol assignments, ORCHID
    v6(0x2001, 0xdb8, 32, Class::Reserved), // documentation
    v6(0x3fff, 0, 20, Class::Reserved), // documentation (RFC 9637)
    v6(0x2000, 0, 3, Class::Global),
    Block(Ipv6Addr::UNSPECIFIED, 0, Class::Reserved), // what nobody has been given
];

/// The kind of an address. One that carries an IPv4 address within (mapped, compatible, 6to4, Teredo,
/// NAT64) is what that one is, unless it is itself something worse than global.
#[must_use]
pub fn class(address: IpAddr) -> Class {
    let address = address.to_canonical();
    if METADATA.contains(&address) {
        return Class::Metadata;
    }
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

fn of_v4(address: Ipv4Addr) -> Class {
    let inside = |b: &&Block<Ipv4Addr>| address.to_bits() >> (32 - b.1) == b.0.to_bits() >> (32 - b.1);
    if address.is_broadcast() {
        return Class::Multicast;
    }
    V4.iter().find(inside).map_or(Class::Global, |b| b.2)
}

fn of_v6(address: Ipv6Addr) -> Class {
    let shifted = |a: Ipv6Addr, bits: u32| a.to_bits().checked_shr(128 - bits).unwrap_or(0);
    let inside = |b: &&Block<Ipv6Addr>| shifted(address, b.1) == shifted(b.0, b.1);
    let own = V6.iter().find(inside).map_or(Class::Reserved, |b| b.2);
    match (own, embedded(address)) {
        (Class::Unspecified | Class::Loopback, _) | (_, None) => own,
        (_, Some(within)) => class(IpAddr::V4(within)),
    }
}

/// The IPv4 address that a gateway on the way would send to, given this IPv6 address: mapped and
/// compatible (RFC 4291 §2.5.5), translated (RFC 2765), NAT64 (RFC 6052; RFC 8215 has a local range, where
/// the address is taken to be at the end), 6to4 (RFC 3056), Teredo (RFC 4380, the client's, inverted).
#[must_use]
pub fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let low = |a: u16, b: u16| Ipv4Addr::from_bits(u32::from(a) << 16 | u32::from(b));
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, a, b] if (a, b) != (0, 0) && (a, b) != (0, 1) => Some(low(a, b)),
        [0, 0, 0, 0, 0, 0xffff, a, b] | [0, 0, 0, 0, 0xffff, 0, a, b] => Some(low(a, b)),
        [0x64, 0xff9b, 0, 0, 0, 0, a, b] | [0x64, 0xff9b, 1, _, _, _, a, b] => Some(low(a, b)),
        [0x2002, a, b, ..] => Some(low(a, b)),
        [0x2001, 0, .., a, b] => Some(low(!a, !b)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Class {
        class(text.parse().unwrap())
    }

    /// A21: each range of the catalogue, first and last address, and its neighbours.
    #[test]
    fn a21_every_range_that_is_not_the_internet() {
        for (text, expected) in [
            ("0.0.0.0", Class::Unspecified),
            ("0.255.255.255", Class::Unspecified),
            ("1.0.0.0", Class::Global),
            ("9.255.255.255", Class::Global),
            ("10.0.0.0", Class::Private),
            ("10.255.255.255", Class::Private),
            ("11.0.0.0", Class::Global),
            ("100.63.255.255", Class::Global),
            ("100.64.0.0", Class::Shared),
            ("100.127.255.255", Class::Shared),
            ("100.128.0.0", Class::Global),
            ("127.0.0.1", Class::Loopback),
            ("127.255.255.254", Class::Loopback),
            ("169.254.1.1", Class::LinkLocal),
            ("172.15.255.255", Class::Global),
            ("172.16.0.0", Class::Private),
            ("172.31.255.255", Class::Private),
            ("172.32.0.0", Class::Global),
            ("192.168.0.1", Class::Private),
            ("198.18.0.1", Class::Reserved),
            ("198.20.0.0", Class::Global),
            ("224.0.0.1", Class::Multicast),
            ("240.0.0.1", Class::Reserved),
            ("255.255.255.255", Class::Multicast),
            ("8.8.8.8", Class::Global),
            ("::", Class::Unspecified),
            ("::1", Class::Loopback),
            ("fe80::1", Class::LinkLocal),
            ("febf::1", Class::LinkLocal),
            ("fec0::1", Class::Private),
            ("fc00::1", Class::Private),
            ("fdff::1", Class::Private),
            ("ff02::1", Class::Multicast),
            ("2001:db8::1", Class::Reserved),
            ("2001:4860:4860::8888", Class::Global),
            ("2606:4700::1111", Class::Global),
            ("4000::1", Class::Reserved),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn a21_metadata_services() {
        for text in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
        ] {
            assert_eq!(of(text), Class::Metadata, "{text}");
        }
    }

    proptest! {
        /// No way of writing an IPv4 address within an IPv6 one makes it more reachable.
        #[test]
        fn an_address_within_an_address_is_what_it_is(bits in any::<u32>(), local in any::<u16>()) {
            let v4 = Ipv4Addr::from_bits(bits);
            let (a, b) = ((bits >> 16) as u16, bits as u16);
            for v6 in [
                v4.to_ipv6_mapped(),
                Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, a, b),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, a, b),
                Ipv6Addr::new(0x64, 0xff9b, 1, local, 0, 0, a, b),
                Ipv6Addr::new(0x2002, a, b, local, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, local, 0, 0, 0, !a, !b),
            ] {
                prop_assert_eq!(class(v6.into()), class(v4.into()), "{}", v6);
            }
        }

        /// Nothing that the standard library knows to be special is global here.
        #[test]
        fn global_is_never_what_the_library_calls_special(bits in any::<u32>()) {
            let v4 = Ipv4Addr::from_bits(bits);
            if class(v4.into()) == Class::Global {
                prop_assert!(!(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                    || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified()));
            }
        }
    }
}
