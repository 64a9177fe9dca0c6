//! A synthetic address for each name: what is dialled leads back to the name that was asked for.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// How many names are remembered. Beyond it the oldest is forgotten, and its address given again.
const NAMES: u32 = 16_384;
/// The first address: behind those that the sandbox has itself (RFC 2544: 198.18.0.0/15).
const FIRST_V4: u32 = Ipv4Addr::new(198, 18, 1, 0).to_bits();
/// As [`FIRST_V4`] (RFC 4193).
const FIRST_V6: u128 = Ipv6Addr::new(0xfd66, 0x756d, 0x6568, 0, 1, 0, 0, 0).to_bits();

/// Names and their addresses.
#[derive(Debug, Default)]
pub struct Names {
    of_name: HashMap<Arc<str>, u32>,
    in_order: Vec<Arc<str>>,
    next: u32,
}

/// The addresses of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synthetic(u32);

impl Synthetic {
    /// For an A question.
    #[must_use]
    pub fn v4(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(FIRST_V4 + self.0)
    }

    /// For an AAAA question.
    #[must_use]
    pub fn v6(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(FIRST_V6 + u128::from(self.0))
    }
}

impl Names {
    /// The addresses of a name in canonical spelling: the same as long as it is remembered.
    pub fn addresses(&mut self, name: &str) -> Synthetic {
        if let Some(known) = self.of_name.get(name) {
            return Synthetic(*known);
        }
        let slot = self.next % NAMES;
        self.next = (slot + 1) % NAMES;
        let name: Arc<str> = name.into();
        match self.in_order.get_mut(slot as usize) {
            Some(old) => {
                self.of_name.remove(old);
                *old = Arc::clone(&name);
            }
            None => self.in_order.push(Arc::clone(&name)),
        }
        self.of_name.insert(name, slot);
        Synthetic(slot)
    }

    /// The name that an address was given for.
    #[must_use]
    pub fn name(&self, address: IpAddr) -> Option<&str> {
        let slot = match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_bits().checked_sub(FIRST_V4)?,
            IpAddr::V6(v6) => u32::try_from(v6.to_bits().checked_sub(FIRST_V6)?).ok()?,
        };
        self.in_order.get(slot as usize).map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_keeps_its_address_and_an_address_leads_to_its_name() {
        let mut names = Names::default();
        let one = names.addresses("example.com");
        assert_ne!(names.addresses("example.org"), one);
        assert_eq!(names.addresses("example.com"), one);
        for address in [
            IpAddr::V4(one.v4()),
            IpAddr::V6(one.v6()),
            one.v4().to_ipv6_mapped().into(),
        ] {
            assert_eq!(names.name(address), Some("example.com"));
        }
        for other in [
            "198.18.0.1",
            "198.18.1.2",
            "192.0.2.7",
            "::1",
            "fd66:756d:6568::1",
        ] {
            assert_eq!(names.name(other.parse().unwrap()), None, "{other}");
        }
    }

    /// A flood of names (A22) takes bounded memory, and an address never leads to a name that was not the
    /// last to be given it.
    #[test]
    fn a_flood_forgets_the_oldest() {
        let mut names = Names::default();
        let first = names.addresses("first.example");
        for n in 0..NAMES {
            names.addresses(&format!("n{n}.example"));
        }
        assert_eq!(names.of_name.len(), NAMES as usize);
        assert_eq!(names.in_order.len(), NAMES as usize);
        assert_eq!(
            names.name(first.v4().into()),
            Some(format!("n{}.example", NAMES - 1).as_str())
        );
    }

    proptest! {
        #[test]
        fn any_address_is_looked_up(address in any::<IpAddr>()) {
            let names = Names::default();
            prop_assert_eq!(names.name(address), None);
        }
    }
}
