//! Several hosts, of which one takes writes.
//!
//! The driver asks one host after the other and goes on when a connection is refused. A host that
//! is frozen, or whose machine is gone, refuses nothing: it would be waited for, each time anew.
//! Here all are asked at once.

use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::workspace::postgres::{Address, describe};

/// A client, and the task that runs its connection.
pub type Reached = (Client, JoinHandle<()>);

/// Connects to the host that takes writes, whatever the others do. Within a runtime.
///
/// # Errors
/// What one of them said, when none can be had. Where nobody says anything there is no end: the
/// caller has to give up.
pub async fn reach(address: &Address) -> Result<Reached, Error> {
    let mut asked = JoinSet::new();
    for place in 0..address.config.get_hosts().len() {
        asked.spawn(ask(only(&address.config, place), address.tls.clone()));
    }
    let mut refused = None;
    // The first that answers well is taken, and the others are not waited for.
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(reached)) => return Ok(reached),
            Ok(Err(error)) => refused = Some(error),
            Err(error) => tracing::error!(%error, "connecting panicked"),
        }
    }
    match refused {
        Some(error) => Err(error),
        None => ask(address.config.clone(), address.tls.clone()).await,
    }
}

async fn ask(config: Config, tls: Option<MakeRustlsConnect>) -> Result<Reached, Error> {
    match tls {
        None => ask_with(&config, NoTls).await,
        Some(tls) => ask_with(&config, tls).await,
    }
}

async fn ask_with<T>(config: &Config, tls: T) -> Result<Reached, Error>
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

/// Of several hosts at most one takes writes, and a server that does not is of no use.
pub fn expect_writes(config: &mut Config) {
    if config.get_hosts().len() > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
}

/// The port of one of its hosts; if there is one port only, it is everybody's.
pub fn port(config: &Config, place: usize) -> Option<u16> {
    let ports = config.get_ports();
    ports.get(place).or(ports.first()).copied()
}

/// The same, with one of its hosts.
fn only(config: &Config, place: usize) -> Config {
    let mut one = Config::new();
    match config.get_hosts().get(place) {
        Some(Host::Tcp(name)) => one.host(name),
        #[cfg(unix)]
        Some(Host::Unix(path)) => one.host_path(path),
        None => &mut one,
    };
    if let Some(port) = port(config, place) {
        one.port(port);
    }
    if let Some(address) = config.get_hostaddrs().get(place) {
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
        for (place, host) in ["one:1", "two:2"].iter().enumerate() {
            let mut same: Config = url.replace("one:1,two:2", host).parse().unwrap();
            same.target_session_attrs(TargetSessionAttrs::ReadWrite);
            assert_eq!(only(&config, place), same);
        }
        let shared: Config = "postgres://me@one,two:5/kola".parse().unwrap();
        assert_eq!(only(&shared, 0).get_ports(), shared.get_ports().get(..1).unwrap());
    }
}
