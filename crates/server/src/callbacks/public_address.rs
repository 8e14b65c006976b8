//! The address that networks know this server by.

use domain::network_accounts::account::NetworkAccount;
use networks::client::authority_of;

/// The host of `--public-url`, with its port where it is not the scheme's own, in lower case. What a
/// request itself says of its host is not asked: whoever sends it chooses that.
pub fn authority(public_url: &str) -> String {
    authority_of(&public_url.parse().unwrap_or_default())
}

/// Whether a public URL names this machine only.
pub fn is_loopback(public_url: &str) -> bool {
    let authority = authority(public_url);
    let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The address that a network sends what happens to, at a server of this address.
pub fn callback_url(account: &NetworkAccount, base: &str) -> Option<String> {
    let token = account.callback_token.as_deref()?;
    let network = account.network.as_str().to_ascii_lowercase();
    Some(format!("{base}/callbacks/{network}/{}/{token}", account.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_left_out_where_it_is_the_schemes() {
        for (url, expected) in [
            ("https://Pay.Example", "pay.example"),
            ("https://pay.example:443", "pay.example"),
            ("https://pay.example:80", "pay.example:80"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://pay.example:80/below", "pay.example"),
        ] {
            assert_eq!(authority(url), expected);
        }
    }

    #[test]
    fn this_machine_is_named_by_its_addresses_and_by_localhost() {
        for url in
            ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080", "http://127.9.9.9"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "https://pay.example",
            "http://10.0.0.1:8080",
            "http://localhost.example",
            "",
            "http://[::2]",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
