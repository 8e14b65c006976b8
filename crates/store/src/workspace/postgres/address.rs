//! The URL of a PostgreSQL database: hosts, credentials, and whether connections are encrypted.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::workspace::postgres::hosts;

/// How long connecting to one host may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection ends if the host does not acknowledge sent data for so long (`TCP_USER_TIMEOUT`).
/// A machine that lost its power does not close its connections.
const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(6);

/// A database of a PostgreSQL server. There may be several hosts, of which one takes writes.
#[derive(Clone)]
pub struct Address {
    /// Hosts, user, database.
    pub config: Config,
    /// How the server's certificate is checked; `None` for connections without encryption.
    pub tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for Address {
    /// Without the password, like `Display`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for Address {
    /// The database and its hosts, without user and password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        };
        let hosts =
            self.config.get_hosts().iter().enumerate().map(|(index, host)| {
                match hosts::port(&self.config, index) {
                    Some(port) => format!("{}:{port}", name(host)),
                    None => name(host),
                }
            });
        write!(
            f,
            "{} on {}",
            self.config.get_dbname().unwrap_or_default(),
            hosts.collect::<Vec<_>>().join(", ")
        )
    }
}

/// The message for a URL that cannot be parsed. It repeats no part of the URL: if one character is
/// not encoded, any part may belong to the password.
const UNREADABLE: &str = "a URL of PostgreSQL is postgres://USER:PASSWORD@HOST:PORT/DATABASE?OPTION=VALUE, with a port that is a \
     number and options of the driver's";
/// The message for the most common mistake.
const ENCODE: &str = "in user and password what is no letter or digit has to be percent-encoded: @ is %40, / %2F, : %3A, # %23, \
     ? %3F, & %26, % itself %25";

/// Whether it is certain where user and password end, and every percent-encoded character can be
/// decoded. Otherwise the parser might take a part of the password for the host, which is shown.
fn is_unambiguous(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let decodes =
        |part: &str| part.len() >= 2 && part.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    let one_at_most = rest.matches('@').count() <= 1
        && authority.matches('@').count() == rest.matches('@').count();
    one_at_most && !rest.contains('#') && rest.split('%').skip(1).all(decodes)
}

impl Address {
    /// Parses a URL:
    /// `postgres://user:password@host:port,host2:port2/database?target_session_attrs=read-write`.
    /// With `sslmode=require` or `verify-full` connections are encrypted, and the server's
    /// certificate and its host name are checked against the root certificates in the file
    /// `sslrootcert`, or those of the operating system.
    ///
    /// # Errors
    /// A sentence that says what is wrong, without any part of the URL that may be a password.
    pub fn parse(url: &str) -> Result<Self, String> {
        if !is_unambiguous(url) {
            return Err(ENCODE.to_owned());
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut roots, mut rest) = ("disable", None, vec![]);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = value,
                Some(("sslrootcert", value)) => roots = Some(value),
                _ => rest.push(pair),
            }
        }
        let url = if rest.is_empty() {
            address.to_owned()
        } else {
            format!("{address}?{}", rest.join("&"))
        };
        let mut config: Config = url.parse().map_err(|_| format!("{UNREADABLE}; {ENCODE}"))?;
        if config.get_dbname().is_none() {
            return Err("a database is missing at the end: postgres://user@host/kola".to_owned());
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("kola");
        }
        config.tcp_user_timeout(UNACKNOWLEDGED_TIMEOUT);
        hosts::expect_writes(&mut config);
        let tls = match mode {
            "disable" => {
                config.ssl_mode(SslMode::Disable);
                None
            }
            "require" | "verify-full" => {
                config.ssl_mode(SslMode::Require);
                Some(MakeRustlsConnect::new(client_config(roots.map(Path::new))?))
            }
            _ => return Err(format!("sslmode={mode}: use disable, require or verify-full")),
        };
        Ok(Self { config, tls })
    }
}

/// The TLS settings of a client that trusts the certificates in the file, or without a file those
/// that the operating system trusts.
fn client_config(file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            let wrong =
                |what: &dyn std::fmt::Display| format!("sslrootcert={}: {what}", file.display());
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
                let certificate = certificate.map_err(|error| wrong(&error))?;
                roots.add(certificate).map_err(|error| wrong(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(
            "no certificate is believed: name a file of them with sslrootcert=FILE".to_owned()
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_whether_in_secret() {
        let plain = Address::parse(
            "postgres://kola:secret@db1:5433,db2/pay?target_session_attrs=read-write",
        )
        .unwrap();
        assert_eq!(plain.to_string(), "pay on db1:5433, db2:5432");
        assert!(!format!("{plain:?}").contains("secret"));
        assert!(plain.tls.is_none() && plain.config.get_ssl_mode() == SslMode::Disable);
        let file = tempfile::NamedTempFile::new().unwrap();
        let url =
            format!("postgres://kola@db/pay?sslmode=require&sslrootcert={}", file.path().display());
        assert!(Address::parse(&url).unwrap_err().contains("no certificate is believed"));
        for (url, said) in [
            ("postgres://kola@db/pay?sslmode=prefer", "use disable, require or verify-full"),
            ("postgres://kola@db/pay?sslmode=require&sslrootcert=/nowhere", "sslrootcert=/nowhere"),
            ("postgres://kola@db", "a database is missing"),
            ("postgres://kola@db:port/pay", "a port that is a number"),
        ] {
            assert!(Address::parse(url).unwrap_err().contains(said), "{url}");
        }
    }

    #[test]
    fn no_part_of_a_password_is_told() {
        for url in [
            "postgres://kola:se@cret@db/pay",
            "postgres://kola:se/cret@db/pay",
            "postgres://kola:se#cret@db/pay",
            "postgres://kola:se?cret@db/pay",
            "postgres://kola:cret%@db/pay",
            "postgres://kola:cret%zz@db/pay",
            "postgres://kola:cret@",
            "postgres://kola:cret",
            "postgres://kola:cret/pay",
            "postgres://db/pay?password=se&cret",
            "postgres://db/pay?password=cret@x",
            "postgres://kola:se?sslmode=cret@db/pay",
        ] {
            let said = Address::parse(url)
                .map(|address| address.to_string())
                .unwrap_or_else(|error| error);
            assert!(!said.contains("cret"), "{url}: {said}");
            assert!(
                said.contains("percent-encoded") || said.contains("a database is missing"),
                "{url}: {said}"
            );
        }
        let encoded = Address::parse("postgres://kola:se%40%2F%23%25cret@db/pay").unwrap();
        assert_eq!(encoded.config.get_password(), Some(b"se@/#%cret".as_slice()));
    }
}
