//! What answers outside: the public URL of the server, and the networks where that is asked for.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use domain::kernel::time::ServerTime;
use networks::client::{BaseUrl, Client, system_roots, tls_config};
use networks::exchange::HttpRequest;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::cli::Target;
use crate::cli::networks as accounts;

/// How long each step may take.
const WITHIN: Duration = Duration::from_secs(5);

/// What is at the public URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UrlFacts {
    pub url: String,
    /// The status and the beginning of the answer to `/healthz`, or why there is none.
    pub health: Result<(u16, String), String>,
    /// Until when its certificate is good, or what is wrong with it. Nothing where there is no https, or
    /// no connection on which it could be shown.
    pub certificate: Option<Result<ServerTime, String>>,
    pub now: ServerTime,
}

/// What a network says of its account.
pub struct NetworkFacts {
    pub name: String,
    pub said: Result<String, String>,
}

/// Asks for `/healthz`. A redirect is not followed: it would be answered by something else.
pub fn look(url: &str) -> UrlFacts {
    let is_tls = url.starts_with("https:");
    UrlFacts {
        url: url.to_owned(),
        health: health(url),
        certificate: is_tls.then(|| certificate(url)).flatten(),
        now: store::clock::now(),
    }
}

fn health(url: &str) -> Result<(u16, String), String> {
    let base = BaseUrl::parse(url)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let answer = runtime.block_on(async {
        let client = Client::new(None)?;
        let called = client.call(&base, &HttpRequest::get("/healthz"), WITHIN).await;
        called.map_err(|error| error.to_string())
    })?;
    let body = String::from_utf8_lossy(&answer.body).chars().take(100).collect();
    Ok((answer.status, body))
}

fn certificate(url: &str) -> Option<Result<ServerTime, String>> {
    let base = BaseUrl::parse(url).ok()?;
    let authority = base.authority();
    let with_port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    let (host, port) = match with_port {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 443_u16),
    };
    let host = host.trim_matches(['[', ']']);
    let mut addresses = (host, port).to_socket_addrs().ok()?;
    let stream = addresses.find_map(|address| TcpStream::connect_timeout(&address, WITHIN).ok())?;
    Some(of_connection(stream, host))
}

/// Makes the handshake, and reads the end of the server's certificate.
fn of_connection(stream: TcpStream, host: &str) -> Result<ServerTime, String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    for set in [stream.set_read_timeout(Some(WITHIN)), stream.set_write_timeout(Some(WITHIN))] {
        set.map_err(|error| told(&error))?;
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| told(&error))?;
    let config = Arc::new(tls_config(system_roots()?)?);
    let connection = ClientConnection::new(config, name).map_err(|error| told(&error))?;
    let mut tls = StreamOwned::new(connection, stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock).map_err(|error| told(&error))?;
    }
    let certificates = tls.conn.peer_certificates().unwrap_or_default();
    let first = certificates.first().ok_or("it shows no certificate")?;
    let certificate = Certificate::from_der(first).map_err(|error| told(&error))?;
    let end = certificate.tbs_certificate.validity.not_after.to_unix_duration();
    Ok(ServerTime(i64::try_from(end.as_micros()).unwrap_or(i64::MAX)))
}

/// Asks each network whether it takes the token of its account.
pub fn networks(target: &Target) -> Vec<NetworkFacts> {
    let asked = accounts::check_all(target);
    asked.unwrap_or_else(|error| {
        vec![NetworkFacts { name: "accounts".to_owned(), said: Err(format!("{error:#}")) }]
    })
}
