//! The address that networks know this server by.

use networks::client::authority_of;

/// The host of `--public-url`, with its port where it is not the scheme's own, in lower case. What a
/// request itself says of its host is not asked: whoever sends it chooses that.
pub fn authority(public_url: &str) -> String {
    authority_of(&public_url.parse().unwrap_or_default())
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
}
