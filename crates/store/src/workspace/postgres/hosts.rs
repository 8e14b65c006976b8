//! Connects to the one host, of several, that takes writes.
//!
//! The driver tries one host after the other and goes on when a connection is refused. A host that
//! is frozen, or whose machine is gone, refuses nothing: the driver would wait for it at every new
//! connection. So all hosts are tried at once.

use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::workspace::postgres::{Address, describe};

/// A client, and the task that runs its connection.
pub type Connected = (Client, JoinHandle<()>);

/// Connects to the host that takes writes, whatever the others do. Needs a Tokio runtime.
///
/// # Errors
/// The error of one host, if all have failed. It does not return while a host does not answer: the
/// caller needs a time-out.
pub async fn connect(address: &Address) -> Result<Connected, Error> {
    let mut attempts = JoinSet::new();
    for index in 0..address.config.get_hosts().len() {
        attempts.spawn(connect_to(with_host(&address.config, index), address.tls.clone()));
    }
    let mut failed = None;
    // The first success is used. Dropping the set ends the other attempts.
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => failed = Some(error),
            Err(error) => tracing::error!(%error, "connecting panicked"),
        }
    }
    match failed {
        Some(error) => Err(error),
        // Without a host the driver itself says what is wrong.
        None => connect_to(address.config.clone(), address.tls.clone()).await,
    }
}

async fn connect_to(config: Config, tls: Option<MakeRustlsConnect>) -> Result<Connected, Error> {
    match tls {
        None => connect_with(&config, NoTls).await,
        Some(tls) => connect_with(&config, tls).await,
    }
}

async fn connect_with<T>(config: &Config, tls: T) -> Result<Connected, Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    let running = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = describe(&error), "a connection to the database ended");
        }
    });
    Ok((client, running))
}

/// With several hosts, accept only one that takes writes: the others are standbys.
pub fn expect_writes(config: &mut Config) {
    if config.get_hosts().len() > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
}

/// The port of the host at `index`. A single port is that of all hosts.
pub fn port(config: &Config, index: usize) -> Option<u16> {
    let ports = config.get_ports();
    ports.get(index).or(ports.first()).copied()
}

/// The same configuration with only the host at `index`. The driver has no way to remove a host, so
/// every setting is copied.
fn with_host(config: &Config, index: usize) -> Config {
    let mut one = Config::new();
    match config.get_hosts().get(index) {
        Some(Host::Tcp(name)) => one.host(name),
        #[cfg(unix)]
        Some(Host::Unix(path)) => one.host_path(path),
        None => &mut one,
    };
    if let Some(port) = port(config, index) {
        one.port(port);
    }
    if let Some(address) = config.get_hostaddrs().get(index) {
        one.hostaddr(*address);
    }
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    if let Some(limit) = config.get_connect_timeout() {
        one.connect_timeout(*limit);
    }
    if let Some(limit) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*limit);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    one.keepalives(config.get_keepalives()).keepalives_idle(config.get_keepalives_idle());
    one.ssl_mode(config.get_ssl_mode()).ssl_negotiation(config.get_ssl_negotiation());
    one.channel_binding(config.get_channel_binding());
    one.target_session_attrs(config.get_target_session_attrs());
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_keeps_what_all_have_in_common() {
        let url = "postgres://me:secret@one:1,two:2/kola?application_name=x&connect_timeout=7&keepalives_idle=9&sslmode=disable";
        let mut config: Config = url.parse().unwrap();
        expect_writes(&mut config);
        for (index, host) in ["one:1", "two:2"].iter().enumerate() {
            let mut same: Config = url.replace("one:1,two:2", host).parse().unwrap();
            same.target_session_attrs(TargetSessionAttrs::ReadWrite);
            assert_eq!(with_host(&config, index), same);
        }
        let shared: Config = "postgres://me@one,two:5/kola".parse().unwrap();
        assert_eq!(with_host(&shared, 0).get_ports(), shared.get_ports().get(..1).unwrap());
    }
}
