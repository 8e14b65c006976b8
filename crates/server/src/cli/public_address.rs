//! The address at which the server is reached from elsewhere, for links that a command prints.

use crate::cli::output;

/// What is taken where nobody says it: a server with its default settings, on this machine.
pub const OF_THIS_MACHINE: &str = "http://127.0.0.1:8080";

/// The server's address.
#[derive(clap::Args)]
pub struct PublicAddress {
    /// The URL at which people and networks reach the server, as its own --public-url. By default
    /// http://127.0.0.1:8080.
    #[arg(long, env = "KOLA_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,
}

impl PublicAddress {
    /// The address. Where it was not given, standard error says where it comes from and what changes it:
    /// a command does not know at which address the server runs.
    pub fn said(&self) -> &str {
        let (address, note) = self.with_note();
        if let Some(note) = note {
            output::warn(&note);
        }
        address
    }

    fn with_note(&self) -> (&str, Option<String>) {
        match self.public_url.as_deref() {
            Some(given) => (given.trim_end_matches('/'), None),
            None => {
                let note = format!(
                    "{OF_THIS_MACHINE} is the default of the printed address, whatever address the \
                     server has: --public-url or KOLA_PUBLIC_URL gives another one"
                );
                (OF_THIS_MACHINE, Some(note))
            }
        }
    }
}

/// Reads a URL at which a server is reached.
///
/// # Errors
/// What a public URL has to be.
pub fn public_url(text: &str) -> Result<String, String> {
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or_default();
    let odd =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#' | '"' | '<' | '>');
    if host.is_empty() || host.starts_with('/') || text.contains(odd) {
        return Err("use http:// or https:// and a host".to_owned());
    }
    // Links have it, which go to everybody.
    if host.split('/').next().is_some_and(|authority| authority.contains('@')) {
        return Err("a public URL has no user and no password: everybody reads it".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_was_not_given_is_named() {
        let of = |url: Option<&str>| PublicAddress { public_url: url.map(str::to_owned) };
        let (address, note) = (of(None), of(None).with_note().1.unwrap());
        assert_eq!(address.with_note().0, OF_THIS_MACHINE);
        assert!(note.contains(OF_THIS_MACHINE) && note.contains("--public-url"), "{note}");
        for text in ["https://u:s3cret@pay.example", "https://u@pay.example/x", "", "pay.example"] {
            assert!(public_url(text).is_err(), "{text}");
        }
        assert_eq!(public_url("https://pay.example/@x/").as_deref(), Ok("https://pay.example/@x"));
        let given = of(Some("https://pay.example/"));
        assert_eq!(given.with_note(), ("https://pay.example", None));
    }
}
