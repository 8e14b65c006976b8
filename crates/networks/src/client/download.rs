//! Files that a network offers at addresses of its own. Such an address is as good as a secret, so no
//! message repeats it.

use hyper::body::Bytes;
use hyper::{Request, Uri};

use super::BaseUrl;

/// The request for a file of an account's network. It may be on any host, over TLS; plain HTTP is for
/// an account whose network is on this machine, and for files that are there, too.
///
/// # Errors
/// Why nothing is fetched from there.
pub fn download_request(address: &str, base: &BaseUrl) -> Result<Request<Bytes>, String> {
    let not_usable = |why: &str| format!("the network's address of the file is not used: {why}");
    let uri: Uri = address.parse().map_err(|_| not_usable("it is none"))?;
    let origin = match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => return Err(not_usable("it has no scheme and host")),
    };
    let host = BaseUrl::parse(&origin)
        .map_err(|_| not_usable("it is not https, or has more than a host"))?;
    if host.is_plain() && !base.is_plain() {
        return Err(not_usable("it is not https"));
    }
    let request = Request::get(uri).body(Bytes::new());
    request.map_err(|_| not_usable("it is none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_files_are_fetched_from() {
        let far = BaseUrl::parse("https://api.pawapay.io").unwrap();
        let near = BaseUrl::parse("http://127.0.0.1:4101").unwrap();
        let secret = "s3cr3t";
        for (address, of_far, of_near) in [
            ("https://files.example/a.csv?sig=s3cr3t", true, true),
            ("https://files.example:8443/s3cr3t", true, true),
            ("http://127.0.0.1:4102/s3cr3t", false, true),
            ("http://localhost/s3cr3t", false, true),
            ("http://files.example/s3cr3t", false, false),
            ("https://user:s3cr3t@files.example/", false, false),
            ("ftp://files.example/s3cr3t", false, false),
            ("file:///s3cr3t", false, false),
            ("/files/s3cr3t", false, false),
            ("https://files.example/s3cr3t with space", false, false),
            ("", false, false),
        ] {
            for (base, expected) in [(&far, of_far), (&near, of_near)] {
                let request = download_request(address, base);
                assert_eq!(request.is_ok(), expected, "{address} {base}");
                match request {
                    Ok(request) => {
                        assert_eq!(request.uri().to_string(), address);
                        assert!(request.headers().is_empty());
                    }
                    Err(reason) => assert!(!reason.contains(secret), "{reason}"),
                }
            }
        }
    }
}
