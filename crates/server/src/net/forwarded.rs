//! The client that a reverse proxy forwards for: `X-Forwarded-For`, and `Forwarded` of RFC 7239.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{FORWARDED, HOST};
use axum::http::{HeaderMap, HeaderName};

use crate::callbacks::public_address;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address in the fields of the proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ForwardedFor {
    /// There is none.
    Nothing,
    Address(IpAddr),
    /// The two fields differ: the client wrote one of them itself, and the proxy let it through.
    Both,
}

/// Headers that proxies add, beside those that name the client.
const OF_PROXIES: [&str; 5] =
    ["via", "x-real-ip", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

/// Whether a request looks as if it came through a proxy: by a header that proxies add, or by a host
/// that is not this machine.
#[must_use]
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    let has = |name: &str| headers.contains_key(name);
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    headers.contains_key(&FORWARDED_FOR)
        || headers.contains_key(FORWARDED)
        || OF_PROXIES.iter().any(|name| has(name))
        || !public_address::is_loopback(&format!("http://{host}"))
}

/// The client that connected to the proxy: the last address in the fields. Only the proxy's own
/// entry can be trusted; those before it were written by others.
pub fn client(headers: &HeaderMap) -> ForwardedFor {
    let one = last(headers, &FORWARDED_FOR).map(node);
    let other = last(headers, &FORWARDED).map(|element| parameter(element, "for").and_then(node));
    match (one, other) {
        (Some(one), Some(other)) if one != other => ForwardedFor::Both,
        (Some(said), _) | (None, Some(said)) => {
            said.map_or(ForwardedFor::Nothing, ForwardedFor::Address)
        }
        (None, None) => ForwardedFor::Nothing,
    }
}

/// The last element of a list in the last of the fields of this name.
fn last<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let text = headers.get_all(name).iter().next_back()?.to_str().unwrap_or_default();
    // A comma in quotes does not separate elements. No address has one, so that an element that is
    // cut there does not parse as an address.
    Some(text.rsplit(',').next().unwrap_or_default().trim())
}

/// The value of a parameter: `for=192.0.2.1;proto=https`.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let value = pairs
        .find(|(known, _)| known.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())?;
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// Parses an address as proxies write it: with or without a port, IPv6 with or without brackets. An
/// obfuscated name (`_hidden`) is no address.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let alone = text.parse().ok();
    let address = alone
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(bracketed);
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn said(fields: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        match client(&headers) {
            ForwardedFor::Address(address) => address.to_string(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_address_is_understood_as_proxies_write_it() {
        for (text, address) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9:51234", "203.0.113.9"),
            ("2001:db8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:80", "2001:db8::9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("198.51.100.1:1, [2001:db8::9]:80", "2001:db8::9"),
            ("198.51.100.1 ,  203.0.113.9 ", "203.0.113.9"),
        ] {
            assert_eq!(said(&[("x-forwarded-for", text)]), address, "{text}");
        }
        for text in [
            "",
            "nonsense",
            "unknown",
            "203.0.113.9:",
            "203.0.113.9:x",
            "[203.0.113.9]x",
            "203.0.113",
            "198.51.100.1,",
        ] {
            assert_eq!(said(&[("x-forwarded-for", text)]), "Nothing", "{text}");
        }
        assert_eq!(said(&[]), "Nothing");
    }

    #[test]
    fn the_standard_field_is_understood_too() {
        for (text, address) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.43, for=\"198.51.100.17:80\"", "198.51.100.17"),
            ("proto=https; for=192.0.2.60", "192.0.2.60"),
            ("for=_hidden", "Nothing"),
            ("for=192.0.2.43, for=unknown", "Nothing"),
            ("proto=https", "Nothing"),
        ] {
            assert_eq!(said(&[("forwarded", text)]), address, "{text}");
        }
    }

    #[test]
    fn of_two_fields_that_differ_none_is_believed() {
        let of = |one, other| said(&[("x-forwarded-for", one), ("forwarded", other)]);
        assert_eq!(of("192.0.2.60:5", "for=192.0.2.60"), "192.0.2.60");
        assert_eq!(of("192.0.2.60", "for=192.0.2.61"), "Both");
        assert_eq!(of("192.0.2.60", "for=unknown"), "Both");
    }
}
