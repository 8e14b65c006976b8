//! The address of a network's API.

use std::fmt;

use hyper::Uri;

/// Scheme and host of a network's API. Plain HTTP is for this machine alone, where a fake listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BaseUrl {
    is_plain: bool,
    authority: String,
}

impl BaseUrl {
    /// Reads `https://host` or `https://host:port`, with or without a slash at its end.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write it like https://api.pawapay.io";
        let uri: Uri = text.parse().map_err(|error| format!("{error}: {example}"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(format!("no scheme and host: {example}"));
        };
        if authority.as_str().contains('@') {
            return Err(
                "a base URL has no user and password: secrets have their own place".to_owned()
            );
        }
        if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
            return Err(format!("a base URL has no path: {example}"));
        }
        // `host:` would be another host in a signature.
        if authority.as_str().ends_with(':') {
            return Err(format!("no port behind the colon: {example}"));
        }
        let host = authority.host().to_ascii_lowercase();
        let is_plain = match scheme.as_str() {
            "https" => false,
            "http" if is_this_machine(&host) => true,
            "http" => {
                return Err(
                    "http is only for this machine (127.0.0.1, ::1, localhost): write https"
                        .to_owned(),
                );
            }
            _ => return Err(format!("the scheme is not https: {example}")),
        };
        let authority = authority_of(&uri);
        Ok(Self { is_plain, authority })
    }

    /// The host in lower case, with its port where it is not the scheme's own: what the header `Host`
    /// and signatures have.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is plain HTTP, and therefore on this machine.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }

    const fn scheme(&self) -> &'static str {
        if self.is_plain { "http" } else { "https" }
    }

    /// The address of a path, which begins with `/`.
    pub(super) fn with_path(&self, path: &str) -> Result<Uri, String> {
        Uri::builder()
            .scheme(self.scheme())
            .authority(self.authority())
            .path_and_query(path)
            .build()
            .map_err(|error| error.to_string())
    }
}

/// The host of an address in lower case, with its port where it is not the scheme's own.
#[must_use]
pub fn authority_of(uri: &Uri) -> String {
    let own_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    match uri.port_u16() {
        Some(port) if port != own_port => format!("{host}:{port}"),
        _ => host,
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority)
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_an_address() {
        for (text, shown, authority) in [
            ("https://api.pawapay.io", "https://api.pawapay.io", "api.pawapay.io"),
            ("https://api.pawapay.io/", "https://api.pawapay.io", "api.pawapay.io"),
            ("https://API.pawaPay.io:443", "https://api.pawapay.io", "api.pawapay.io"),
            ("https://api.example:8443", "https://api.example:8443", "api.example:8443"),
            ("http://127.0.0.1:4010", "http://127.0.0.1:4010", "127.0.0.1:4010"),
            ("http://127.9.9.9", "http://127.9.9.9", "127.9.9.9"),
            ("http://[::1]:4010", "http://[::1]:4010", "[::1]:4010"),
            ("http://LocalHost:80", "http://localhost", "localhost"),
        ] {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.authority()), (shown, authority));
            let path = url.with_path("/v2/deposits?x=1").unwrap();
            assert_eq!(path.to_string(), format!("{shown}/v2/deposits?x=1"));
        }
    }

    #[test]
    fn what_is_none_says_why() {
        for (text, reason) in [
            ("", "empty string"),
            ("api.pawapay.io", "no scheme and host"),
            ("/v2", "no scheme and host"),
            ("ftp://api.pawapay.io", "the scheme is not https"),
            ("http://api.pawapay.io", "http is only for this machine"),
            ("http://localhost.example", "http is only for this machine"),
            ("http://10.0.0.1", "http is only for this machine"),
            ("https://api.pawapay.io/v2", "a base URL has no path"),
            ("https://api.pawapay.io/?a=b", "a base URL has no path"),
            ("https://api.pawapay.io#a", "a base URL has no path"),
            ("https://user:hunter2@api.pawapay.io", "a base URL has no user and password"),
            ("https://api.pawapay.io:", "no port behind the colon"),
            ("https://api.paw apay.io", "invalid"),
            ("https://api.pawapay.io\n", "invalid"),
        ] {
            let error = BaseUrl::parse(text).unwrap_err();
            assert!(error.starts_with(reason), "{text}: {error}");
            assert!(!error.contains("hunter2"));
        }
    }
}
