//! The address of a merchant's webhook endpoint.
//!
//! It is read by the type that the HTTP client connects by, so that what is checked is what is
//! connected to; whatever another reader might understand otherwise is refused rather than set
//! right.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::Uri;

use super::address::{self, AddressRefused, Reach};

/// The most characters of a URL.
pub const MAX_CHARACTERS: usize = 2_048;
/// The most characters of a host, and of each of the labels between its dots, by the rules of DNS.
const HOST_MAX: usize = 253;
const LABEL_MAX: usize = 63;
/// Mail servers: a request that they take for mail is somebody's spam.
const MAIL_PORT: u16 = 25;

/// A URL that webhooks may be sent to, as far as its text tells. What its name means is checked
/// when a connection is made.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    text: String,
    uri: Uri,
    host: String,
    address: Option<IpAddr>,
    reach: Reach,
}

/// Why webhooks are not sent to a URL, in words for whoever wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UrlRefused {
    TooLong,
    Space,
    Backslash,
    NotHttps,
    NotHttp,
    NoHost,
    UserInfo,
    Fragment,
    Port,
    MailPort,
    NotAsciiHost,
    NotAsciiPath,
    Host,
    Number,
    Localhost,
    Address(AddressRefused),
    Other,
}

impl fmt::Display for UrlRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "The URL has more than 2,048 characters",
            Self::Space => "The URL has a space or a control character",
            Self::Backslash => "The URL has a backslash",
            Self::NotHttps => "The URL must begin with https://",
            Self::NotHttp => "The URL must begin with https:// or http://",
            Self::NoHost => "The URL has no host",
            Self::UserInfo => "The URL must not have a user or a password",
            Self::Fragment => "The URL must not have a fragment (#)",
            Self::Port => "The port of the URL must be a number from 1 to 65535",
            Self::MailPort => "Webhooks are not sent to port 25",
            Self::NotAsciiHost => {
                "The host of the URL has characters outside ASCII: write its punycode form (xn--)"
            }
            Self::NotAsciiPath => {
                "The URL has characters outside ASCII: write them percent-encoded (like %C3%A9)"
            }
            Self::Host => "The host of the URL is neither a name nor an IP address",
            Self::Number => {
                "The host of the URL is a number: write an IPv4 address as four decimal numbers"
            }
            Self::Localhost => "Webhooks are not sent to localhost",
            Self::Address(refused) => return write!(f, "Webhooks are not sent to {refused}"),
            Self::Other => "The URL is not valid",
        })
    }
}

impl std::error::Error for UrlRefused {}

impl EndpointUrl {
    /// Reads a URL. Where private addresses are allowed, plain HTTP is allowed, too.
    ///
    /// What is allowed belongs to the result. It is read again for each delivery rather than kept,
    /// so that an operator who allows less is obeyed at once.
    ///
    /// # Errors
    /// [`UrlRefused`]
    pub fn parse(text: &str, allowed: Reach) -> Result<Self, UrlRefused> {
        if text.chars().count() > MAX_CHARACTERS {
            return Err(UrlRefused::TooLong);
        }
        if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
            return Err(UrlRefused::Space);
        }
        // Browsers take it for a slash, others for a part of the host.
        if text.contains('\\') {
            return Err(UrlRefused::Backslash);
        }
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            Some((scheme, rest))
                if scheme.eq_ignore_ascii_case("http") && allowed == Reach::PrivateToo =>
            {
                ("http", rest)
            }
            _ if allowed == Reach::PrivateToo => return Err(UrlRefused::NotHttp),
            _ => return Err(UrlRefused::NotHttps),
        };
        if rest.contains('#') {
            return Err(UrlRefused::Fragment);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlRefused::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let host = host.to_ascii_lowercase();
        let address = check_host(&host, allowed)?;
        if !path.is_ascii() {
            return Err(UrlRefused::NotAsciiPath);
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let own_port = if scheme == "https" { 443 } else { 80 };
        let authority = match port {
            Some(port) if port != own_port => format!("{host}:{port}"),
            _ => host.clone(),
        };
        let uri: Uri = format!("{scheme}://{authority}{slash}{path}")
            .parse()
            .map_err(|_| UrlRefused::Other)?;
        // The client connects to what it reads, so that it has to read the same.
        if uri.authority().is_none_or(|read| read.as_str() != authority)
            || uri.host() != Some(host.as_str())
            || uri.scheme_str() != Some(scheme)
        {
            return Err(UrlRefused::Other);
        }
        Ok(Self { text: text.to_owned(), uri, host, address, reach: allowed })
    }

    /// The URL as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, in lower case; an IPv6 address stands in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host, and the port if it has one.
    #[must_use]
    pub fn authority(&self) -> String {
        self.uri.port().map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// How far it may reach.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        self.reach
    }

    /// The host, if it is an address and no name.
    pub(super) const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    #[cfg(test)]
    pub(super) fn with_reach(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    /// What is connected to and asked for.
    pub(super) const fn uri(&self) -> &Uri {
        &self.uri
    }
}

// Paths and queries hold tokens of merchants.
impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({}, {:?})", self.host, self.reach)
    }
}

/// The host and the port of an authority without user info.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlRefused> {
    // The colons of an IPv6 address are in its brackets.
    let host_end = if authority.starts_with('[') {
        authority.find(']').ok_or(UrlRefused::Host)? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(host_end);
    if port.is_empty() {
        return Ok((host, None));
    }
    let port = port.strip_prefix(':').ok_or(UrlRefused::Host)?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlRefused::Port);
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(UrlRefused::Port),
        Ok(MAIL_PORT) => Err(UrlRefused::MailPort),
        Ok(port) => Ok((host, Some(port))),
    }
}

/// Checks a host in lower case. Answered is its address, if it is one.
fn check_host(host: &str, allowed: Reach) -> Result<Option<IpAddr>, UrlRefused> {
    if host.is_empty() {
        return Err(UrlRefused::NoHost);
    }
    if !host.is_ascii() {
        return Err(UrlRefused::NotAsciiHost);
    }
    let address = if let Some(bracketed) = host.strip_prefix('[') {
        let address = bracketed.strip_suffix(']').and_then(|text| text.parse::<Ipv6Addr>().ok());
        Some(address.ok_or(UrlRefused::Host)?.into())
    } else {
        host.parse::<Ipv4Addr>().ok().map(IpAddr::from)
    };
    if let Some(address) = address {
        address::check(address, allowed).map_err(UrlRefused::Address)?;
        return Ok(Some(address));
    }
    let is_label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // A name that ends with a dot means the same, but certificates and comparisons do not know it.
    if host.len() > HOST_MAX || !host.split('.').all(is_label) {
        return Err(UrlRefused::Host);
    }
    // Half of the world reads these as IPv4 addresses: 2130706433, 0x7f.1, 127.1, 0177.0.0.1.
    if host.rsplit('.').next().is_some_and(is_number) {
        return Err(UrlRefused::Number);
    }
    if allowed == Reach::Public && (host == "localhost" || host.ends_with(".localhost")) {
        return Err(UrlRefused::Localhost);
    }
    Ok(None)
}

/// Whether the last label of a host makes it an IPv4 address by the rules of browsers.
fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
        || label
            .strip_prefix("0x")
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use UrlRefused::{
        Address, Backslash, Fragment, Host, Localhost, MailPort, NoHost, NotAsciiHost,
        NotAsciiPath, NotHttp, NotHttps, Number, Other, Port, Space, TooLong, UserInfo,
    };

    fn public(text: &str) -> Result<EndpointUrl, UrlRefused> {
        EndpointUrl::parse(text, Reach::Public)
    }

    fn private_too(text: &str) -> Result<EndpointUrl, UrlRefused> {
        EndpointUrl::parse(text, Reach::PrivateToo)
    }

    #[test]
    fn what_is_an_endpoint() {
        for (text, host, uri) in [
            ("https://example.com", "example.com", "https://example.com/"),
            ("HTTPS://Example.COM/Hooks", "example.com", "https://example.com/Hooks"),
            ("https://example.com:443/", "example.com", "https://example.com/"),
            ("https://example.com:8443/a", "example.com", "https://example.com:8443/a"),
            ("https://example.com:65535/", "example.com", "https://example.com:65535/"),
            ("https://example.com:1/", "example.com", "https://example.com:1/"),
            ("https://example.com:0443/", "example.com", "https://example.com/"),
            ("https://example.com?a=b", "example.com", "https://example.com/?a=b"),
            ("https://a.example/x?u=http://b@c/", "a.example", "https://a.example/x?u=http://b@c/"),
            ("https://a.example/%C3%A9/%20", "a.example", "https://a.example/%C3%A9/%20"),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", ""),
            ("https://my_hook.a-b.example/", "my_hook.a-b.example", ""),
            ("https://1a.2b.example/", "1a.2b.example", ""),
            ("https://0x7f.example/", "0x7f.example", ""),
            ("https://localhost.example/", "localhost.example", ""),
            ("https://8.8.8.8/", "8.8.8.8", ""),
            ("https://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]", ""),
            ("https://[2606:4700::1]:8443/", "[2606:4700::1]", "https://[2606:4700::1]:8443/"),
        ] {
            let uri = if uri.is_empty() { text } else { uri };
            for url in [public(text).unwrap(), private_too(text).unwrap()] {
                assert_eq!((url.host(), url.as_str()), (host, text));
                assert_eq!(url.uri().to_string(), uri);
                assert_eq!(url.uri().host(), Some(host));
            }
        }
        let address = "8.8.8.8".parse().ok();
        assert_eq!(public("https://8.8.8.8").unwrap().address(), address);
        assert_eq!(public("https://example.com").unwrap().address(), None);
    }

    #[test]
    fn this_machine_and_plain_http_are_for_those_who_may() {
        for (text, refused) in [
            ("http://example.com/", NotHttps),
            ("https://localhost/", Localhost),
            ("https://LOCALHOST:3000/", Localhost),
            ("https://hooks.localhost/", Localhost),
            ("https://127.0.0.1/", Address(AddressRefused::Loopback)),
            ("https://10.1.2.3:8080/", Address(AddressRefused::Private)),
            ("https://[::1]/", Address(AddressRefused::Loopback)),
            ("https://[fd12::1]/", Address(AddressRefused::Private)),
            ("https://[::ffff:127.0.0.1]/", Address(AddressRefused::Loopback)),
        ] {
            assert_eq!(public(text), Err(refused), "{text}");
            assert!(private_too(text).is_ok(), "{text}");
        }
        assert!(private_too("http://localhost:3000/hooks").is_ok());
        assert!(private_too("http://127.0.0.1:80").is_ok());
    }

    #[test]
    fn what_is_none_says_why() {
        let long_path = format!("https://example.com/{}", "a".repeat(2_029));
        let long_label = format!("https://{}.example/", "a".repeat(64));
        let long_host = format!("https://{}example/", "abcdefgh.".repeat(28));
        for (text, refused) in [
            (long_path.as_str(), TooLong),
            (long_label.as_str(), Host),
            (long_host.as_str(), Host),
            (" https://example.com/", Space),
            ("https://example.com/\n", Space),
            ("https://exam\tple.com/", Space),
            ("https://example.com/a b", Space),
            ("https://example.com/\0", Space),
            ("https://example.com/\u{7f}", Space),
            ("https://example.com/\u{a0}", Space),
            ("https://example.com\\@8.8.8.8/", Backslash),
            ("https:\\\\example.com/", Backslash),
            ("https://user@example.com/", UserInfo),
            ("https://user:hunter2@example.com/", UserInfo),
            ("https://@example.com/", UserInfo),
            ("https://example.com@127.0.0.1/", UserInfo),
            ("https://example.com/#a", Fragment),
            ("https://example.com#", Fragment),
            ("https://8.8.8.8#@example.com/", Fragment),
            ("https://", NoHost),
            ("https:///hooks", NoHost),
            ("https://?a", NoHost),
            ("https://:443/", NoHost),
            ("https://example.com:/", Port),
            ("https://example.com:0/", Port),
            ("https://example.com:00/", Port),
            ("https://example.com:65536/", Port),
            ("https://example.com:+443/", Port),
            ("https://example.com:-1/", Port),
            ("https://example.com:https/", Port),
            ("https://example.com:443:443/", Port),
            ("https://example.com:25/", MailPort),
            ("https://example.com:025/", MailPort),
            ("https://bücher.example/", NotAsciiHost),
            ("https://１２７.0.0.1/", NotAsciiHost),
            ("https://127。0。0。1/", NotAsciiHost),
            ("https://example.com/é", NotAsciiPath),
            ("https://example.com/?é", NotAsciiPath),
            ("https://example.com./", Host),
            ("https://127.0.0.1./", Host),
            ("https://.example.com/", Host),
            ("https://example..com/", Host),
            ("https://./", Host),
            ("https://exa%6dple.com/", Host),
            ("https://127.0.0.1%2e/", Host),
            ("https://exa$mple.com/", Host),
            ("https://a,b.example/", Host),
            ("https://[::1/", Host),
            ("https://[::1]a/", Host),
            ("https://[]/", Host),
            ("https://[127.0.0.1]/", Host),
            ("https://[fe80::1%25eth0]/", Host),
            ("https://[fe80::1%eth0]/", Host),
            ("https://[v1.a]/", Host),
            ("https://::1/", Port),
            ("https://2130706433/", Number),
            ("https://0x7f000001/", Number),
            ("https://0X7F.1/", Number),
            ("https://0x7f.0.0.0x1/", Number),
            ("https://127.1/", Number),
            ("https://127.0.1/", Number),
            ("https://0177.0.0.1/", Number),
            ("https://127.0.0.01/", Number),
            ("https://017700000001/", Number),
            ("https://0/", Number),
            ("https://0x/", Number),
            ("https://256.0.0.1/", Number),
            ("https://1.2.3.4.5/", Number),
            ("https://example.1/", Number),
            ("https://example.0x1f/", Number),
            ("https://0.0.0.0/", Address(AddressRefused::Unspecified)),
            ("https://169.254.169.254/latest/", Address(AddressRefused::LinkLocal)),
            ("https://[::ffff:169.254.169.254]/", Address(AddressRefused::LinkLocal)),
            ("https://[::ffff:a9fe:a9fe]/", Address(AddressRefused::LinkLocal)),
            ("https://[fd00:ec2::254]/", Address(AddressRefused::Metadata)),
            ("https://[64:ff9b::7f00:1]/", Address(AddressRefused::Embedded)),
            ("https://[fe80::1]/", Address(AddressRefused::LinkLocal)),
            ("https://[::]/", Address(AddressRefused::Unspecified)),
        ] {
            assert_eq!(public(text), Err(refused), "{text}");
            assert_eq!(private_too(text), Err(refused), "{text}");
            let message = refused.to_string();
            assert!(!message.contains("hunter2") && message.len() < 100, "{message}");
        }
        for text in ["", "example.com", "//example.com", "/hooks", "ftp://a.example", "https:a.b"] {
            assert_eq!(public(text), Err(NotHttps), "{text}");
            assert_eq!(private_too(text), Err(NotHttp), "{text}");
        }
        assert_eq!(public(&format!("https://example.com/{}", "a".repeat(2_028))).err(), None);
        // What the client's own reader does not take.
        assert_eq!(public("https://example.com/<a>"), Err(Other));
    }

    #[test]
    fn a_reason_reads_as_a_message() {
        assert_eq!(
            public("https://127.0.0.1/").unwrap_err().to_string(),
            "Webhooks are not sent to a loopback address"
        );
    }

    #[test]
    fn paths_and_queries_are_not_shown() {
        let url = public("https://example.com/T0KEN?key=hunter2").unwrap();
        assert_eq!(format!("{url:?}"), "EndpointUrl(example.com, Public)");
    }
}
