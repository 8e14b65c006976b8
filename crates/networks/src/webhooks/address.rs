//! Which IP addresses a webhook may go to.
//!
//! A server inside a network reaches more than its merchants do: its own services, its neighbours,
//! the metadata of its cloud. An endpoint must not lead there, neither by its address nor by what
//! its name means.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far webhooks reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Only what everybody on the internet reaches.
    Public,
    /// This machine and private networks, too, for a merchant's own tests. Never what belongs to a
    /// link or to a cloud.
    PrivateToo,
}

/// Why a webhook does not go to an address. It reads as the end of "the address is".
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressRefused {
    Loopback,
    /// A private network: RFC 1918, and unique local addresses of IPv6.
    Private,
    LinkLocal,
    /// What a cloud tells its machines, outside the link-local addresses.
    Metadata,
    Multicast,
    Broadcast,
    Unspecified,
    /// Between a provider and its customers (RFC 6598).
    Shared,
    Documentation,
    Benchmarking,
    /// Reserved for protocols or for the future; nobody's server is there.
    Reserved,
    /// An IPv6 address that stands for an IPv4 address: a tunnel or a translator decides where it
    /// leads.
    Embedded,
}

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "a loopback address",
            Self::Private => "an address of a private network",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "an address of a cloud's metadata",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Unspecified => "an unspecified address",
            Self::Shared => "an address of a shared network",
            Self::Documentation => "an address for documentation only",
            Self::Benchmarking => "an address for benchmarks only",
            Self::Reserved => "a reserved address",
            Self::Embedded => "an IPv6 address that stands for an IPv4 address",
        })
    }
}

impl std::error::Error for AddressRefused {}

/// Whether a webhook may go to an address.
///
/// # Errors
/// [`AddressRefused`]
pub fn check(address: IpAddr, allowed: Reach) -> Result<(), AddressRefused> {
    let special = match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    };
    match (special, allowed) {
        (None, _)
        | (Some(AddressRefused::Loopback | AddressRefused::Private), Reach::PrivateToo) => Ok(()),
        (Some(refused), _) => Err(refused),
    }
}

/// What is not public, after the registry of special-purpose addresses of IPv4.
const fn special_v4(address: Ipv4Addr) -> Option<AddressRefused> {
    Some(match address.octets() {
        [0, ..] => AddressRefused::Unspecified,
        [127, ..] => AddressRefused::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressRefused::Private,
        [169, 254, ..] => AddressRefused::LinkLocal,
        [100, 64..=127, ..] => AddressRefused::Shared,
        // It looks public, but on a machine of Azure it is the host under it.
        [168, 63, 129, 16] => AddressRefused::Metadata,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => AddressRefused::Documentation,
        [198, 18..=19, ..] => AddressRefused::Benchmarking,
        // Protocols of the IETF, and the former relays of 6to4.
        [192, 0, 0, _] | [192, 88, 99, _] => AddressRefused::Reserved,
        [224..=239, ..] => AddressRefused::Multicast,
        [255, 255, 255, 255] => AddressRefused::Broadcast,
        [240..=255, ..] => AddressRefused::Reserved,
        _ => return None,
    })
}

/// What is not public, after the registry of special-purpose addresses of IPv6.
fn special_v6(address: Ipv6Addr) -> Option<AddressRefused> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressRefused::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressRefused::Loopback,
        // IPv4-mapped and IPv4-compatible: the address inside is judged. A public one has no reason
        // to hide.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] => {
            let [.., a, b, c, d] = address.octets();
            special_v4(Ipv4Addr::new(a, b, c, d)).unwrap_or(AddressRefused::Embedded)
        }
        // NAT64, 6to4 and Teredo.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] | [0x2002, ..] | [0x2001, 0, ..] => {
            AddressRefused::Embedded
        }
        // AWS and Google, inside the unique local addresses.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => {
            AddressRefused::Metadata
        }
        [0xfc00..=0xfdff, ..] => AddressRefused::Private,
        [0xfe80..=0xfebf, ..] => AddressRefused::LinkLocal,
        [0xff00..=0xffff, ..] => AddressRefused::Multicast,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressRefused::Documentation,
        [0x2001, 2, 0, ..] => AddressRefused::Benchmarking,
        // Protocols of the IETF, with ORCHID.
        [0x2001, 0..=0x01ff, ..] => AddressRefused::Reserved,
        // Servers of the internet are here. Elsewhere are site-local addresses, those for
        // discarding, and what nobody has been given.
        [0x2000..=0x3fff, ..] => return None,
        _ => AddressRefused::Reserved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use AddressRefused::{
        Benchmarking, Broadcast, Documentation, Embedded, LinkLocal, Loopback, Metadata, Multicast,
        Private, Reserved, Shared, Unspecified,
    };

    fn public(text: &str) -> Result<(), AddressRefused> {
        check(text.parse().unwrap(), Reach::Public)
    }

    fn private_too(text: &str) -> Result<(), AddressRefused> {
        check(text.parse().unwrap(), Reach::PrivateToo)
    }

    #[test]
    fn public_addresses_are_allowed() {
        // With the neighbours of every range that is refused.
        for text in [
            "1.0.0.0",
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.1.255",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::",
            "2001:200::",
            "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:db9::",
            "2001:ffff::1",
            "2003::1",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "3ffe:ffff::1",
            "3fff:1000::",
            "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ] {
            assert_eq!(public(text), Ok(()), "{text}");
            assert_eq!(private_too(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_private_is_allowed_by_the_operator_only() {
        for (text, refused) in [
            ("127.0.0.0", Loopback),
            ("127.0.0.1", Loopback),
            ("127.255.255.255", Loopback),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("192.168.0.0", Private),
            ("192.168.255.255", Private),
            ("::1", Loopback),
            ("fc00::", Private),
            ("fd00::1", Private),
            ("fd00:ec2::253", Private),
            ("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private),
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:192.168.1.1", Private),
            ("::127.0.0.1", Loopback),
            ("::172.16.0.1", Private),
        ] {
            assert_eq!(public(text), Err(refused), "{text}");
            assert_eq!(private_too(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn the_rest_is_never_allowed() {
        for (text, refused) in [
            ("0.0.0.0", Unspecified),
            ("0.255.255.255", Unspecified),
            ("100.64.0.0", Shared),
            ("100.100.100.200", Shared),
            ("100.127.255.255", Shared),
            ("168.63.129.16", Metadata),
            ("169.254.0.0", LinkLocal),
            ("169.254.169.254", LinkLocal),
            ("169.254.255.255", LinkLocal),
            ("192.0.0.0", Reserved),
            ("192.0.0.192", Reserved),
            ("192.0.0.255", Reserved),
            ("192.0.2.0", Documentation),
            ("192.0.2.255", Documentation),
            ("192.88.99.0", Reserved),
            ("192.88.99.255", Reserved),
            ("198.18.0.0", Benchmarking),
            ("198.19.255.255", Benchmarking),
            ("198.51.100.0", Documentation),
            ("198.51.100.255", Documentation),
            ("203.0.113.0", Documentation),
            ("203.0.113.255", Documentation),
            ("224.0.0.0", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.0", Reserved),
            ("255.255.255.254", Reserved),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("::2", Unspecified),
            ("::8.8.8.8", Embedded),
            ("::169.254.169.254", LinkLocal),
            ("::ffff:8.8.8.8", Embedded),
            ("::ffff:0.0.0.0", Unspecified),
            ("::ffff:100.64.0.1", Shared),
            ("::ffff:168.63.129.16", Metadata),
            ("::ffff:169.254.169.254", LinkLocal),
            ("::ffff:224.0.0.1", Multicast),
            ("::ffff:255.255.255.255", Broadcast),
            ("::ffff:0:8.8.8.8", Reserved),
            ("64:ff9a:ffff::", Reserved),
            ("64:ff9b::", Embedded),
            ("64:ff9b::127.0.0.1", Embedded),
            ("64:ff9b::8.8.8.8", Embedded),
            ("64:ff9b::1:0:0", Reserved),
            ("64:ff9b:1::", Embedded),
            ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Embedded),
            ("64:ff9b:2::", Reserved),
            ("100::", Reserved),
            ("100::ffff:ffff:ffff:ffff", Reserved),
            ("100:0:0:1::", Reserved),
            ("1fff:ffff::", Reserved),
            ("2001::", Embedded),
            ("2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Embedded),
            ("2001:1::1", Reserved),
            ("2001:2::", Benchmarking),
            ("2001:2:0:ffff:ffff:ffff:ffff:ffff", Benchmarking),
            ("2001:2:1::", Reserved),
            ("2001:10::", Reserved),
            ("2001:1f:ffff::", Reserved),
            ("2001:20::", Reserved),
            ("2001:2f:ffff::", Reserved),
            ("2001:1ff:ffff::", Reserved),
            ("2001:db8::", Documentation),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Documentation),
            ("2002::", Embedded),
            ("2002:7f00:1::", Embedded),
            ("2002:808:808::1", Embedded),
            ("2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Embedded),
            ("3fff::", Documentation),
            ("3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Documentation),
            ("4000::", Reserved),
            ("5f00::", Reserved),
            ("fbff::", Reserved),
            ("fd00:ec2::254", Metadata),
            ("fd20:ce::254", Metadata),
            ("fe00::", Reserved),
            ("fe7f:ffff::", Reserved),
            ("fe80::", LinkLocal),
            ("fe80::a9fe:a9fe", LinkLocal),
            ("febf:ffff::", LinkLocal),
            ("fec0::", Reserved),
            ("feff:ffff::", Reserved),
            ("ff00::", Multicast),
            ("ff02::1", Multicast),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast),
        ] {
            assert_eq!(public(text), Err(refused), "{text}");
            assert_eq!(private_too(text), Err(refused), "{text}");
        }
    }

    /// Whatever is refused for its IPv4 address is refused in every form that IPv6 has for it.
    #[test]
    fn no_form_of_an_address_helps() {
        // Not from 0: `::0.0.0.1` is the loopback address of IPv6 itself.
        for first in 1..=255 {
            for rest in [[0, 0, 1], [16, 0, 1], [168, 0, 1], [254, 169, 254], [255, 255, 255]] {
                let [b, c, d] = rest;
                let inner = Ipv4Addr::new(first, b, c, d);
                let [high, low] = [u16::from_be_bytes([first, b]), u16::from_be_bytes([c, d])];
                for outer in [
                    inner.to_ipv6_mapped(),
                    Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
                    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                    Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
                    Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                    Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
                ] {
                    assert!(check(outer.into(), Reach::Public).is_err(), "{outer}");
                    if check(inner.into(), Reach::PrivateToo).is_err() {
                        assert!(check(outer.into(), Reach::PrivateToo).is_err(), "{outer}");
                    }
                }
            }
        }
    }
}
