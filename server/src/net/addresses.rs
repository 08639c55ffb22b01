//! The permits of addresses: one address may have only so many connections.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Counts the connections of each address, and gives at most `max` permits to one. Only addresses with a connection
/// have an entry.
#[derive(Debug, Clone)]
pub(crate) struct Addresses(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

/// A permit of an address for one connection. Dropping it returns the permit.
#[derive(Debug)]
pub(crate) struct AddressPermit {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Inner { max, counts: Mutex::default() }))
    }

    /// Takes a permit of this address, if one is free.
    pub(crate) fn take(&self, address: IpAddr) -> Option<AddressPermit> {
        let address = counted_as(address);
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.get(&address).copied().unwrap_or_default() >= self.0.max {
            return None;
        }
        *counts.entry(address).or_default() += 1;
        Some(AddressPermit { addresses: self.clone(), address })
    }
}

impl AddressPermit {
    /// Returns whether few permits of the address are left.
    pub(crate) fn is_scarce(&self) -> bool {
        let counts = self.addresses.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = counts.get(&self.address).copied().unwrap_or_default();
        is_scarce(taken, self.addresses.0.max)
    }
}

/// Returns whether more than three quarters of the permits are taken.
pub(crate) fn is_scarce(taken: usize, of: usize) -> bool {
    of.saturating_sub(taken) < of.div_ceil(4)
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Returns the address under which a connection is counted. A client usually has a whole /64 of IPv6, which counts as
/// one.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_permits_and_gets_them_back() {
        let addresses = Addresses::new(2);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        let first = addresses.take(one).unwrap();
        let _second = addresses.take("::ffff:192.0.2.1".parse().unwrap()).unwrap();
        assert!(addresses.take(one).is_none());
        let elsewhere = addresses.take(other).unwrap();
        drop(first);
        let again = addresses.take(one).unwrap();
        drop((elsewhere, again));
        assert_eq!(addresses.0.counts.lock().unwrap().len(), 1);
    }

    #[test]
    fn an_address_that_is_refused_leaves_nothing() {
        let addresses = Addresses::new(0);
        assert!(addresses.take("192.0.2.1".parse().unwrap()).is_none());
        assert!(addresses.0.counts.lock().unwrap().is_empty());
    }

    #[test]
    fn a_64_of_ipv6_is_one_address() {
        let addresses = Addresses::new(1);
        let _first = addresses.take("2001:db8:1:2::1".parse().unwrap()).unwrap();
        assert!(addresses.take("2001:db8:1:2:ffff::9".parse().unwrap()).is_none());
        assert!(addresses.take("2001:db8:1:3::1".parse().unwrap()).is_some());
    }
}
