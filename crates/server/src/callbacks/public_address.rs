//! The address that networks know this server by.

use axum::http::Uri;

/// The host of `--public-url`, with its port where it is not the scheme's own, in lower case. What a
/// request itself says of its host is not asked: whoever sends it chooses that.
pub fn authority(public_url: &str) -> String {
    let uri: Uri = public_url.parse().unwrap_or_default();
    let own_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    match uri.port_u16() {
        Some(port) if port != own_port => format!("{host}:{port}"),
        _ => host,
    }
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
