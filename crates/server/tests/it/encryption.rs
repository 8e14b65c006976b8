//! A PostgreSQL that is spoken to in secret. `cargo xtask test` gives the cluster a certificate for
//! 127.0.0.1, signed by itself.

use crate::support::shop::GOOD;
use crate::support::{Database, Server, on_postgres_only, skipped};

/// The file of the certificate. A PostgreSQL that somebody else gave to the run may speak in the
/// open only.
macro_rules! certificate {
    () => {{
        on_postgres_only!();
        match std::env::var("KOLA_TEST_POSTGRES_CERTIFICATE") {
            Ok(file) if !file.is_empty() => file,
            _ => return skipped(module_path!(), "a PostgreSQL with a certificate"),
        }
    }};
}

#[test]
fn every_connection_is_encrypted_where_the_url_says_so() {
    let certificate = certificate!();
    let database = Database::new();
    let credentials = database.merchant("Shop");
    let url = format!("{}?sslmode=verify-full&sslrootcert={certificate}", database.url());
    let server = Server::spawn_at(database, url.clone(), &[]);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "100.00");
    let paid = shop.send(shop.momo("PAYOUT", GOOD), "USD", "10.00");
    assert_eq!(shop.settled("payout", &paid)["status"], "COMPLETED");
    // The server is still connected, to write and to read.
    let connections = server.database.rows(
        "SELECT ssl, count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'kola' AND datname = current_database() GROUP BY ssl",
    );
    assert_eq!(connections.len(), 1, "{connections:?}");
    assert_eq!(connections[0][0], "t", "{connections:?}");
    server.database.kola_at(&url, &["ledger", "verify"]).ok();
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_believed() {
    let certificate = certificate!();
    let database = Database::new();
    let refused = |url: String| database.kola_at(&url, &["ledger", "verify"]).refused();
    // The machine's own authorities know nothing of it.
    let said = refused(format!("{}?sslmode=require", database.url()));
    assert!(said.contains("certificate"), "{said}");
    // It is another's: this one is for an address, and not for a name.
    let port = database.postgres().address().rsplit_once(':').expect("a port").1;
    let url = database.postgres().url_at(&format!("localhost:{port}"));
    let said = refused(format!("{url}?sslmode=verify-full&sslrootcert={certificate}"));
    assert!(said.contains("certificate") && said.contains("localhost"), "{said}");
    // In the open, the same server may be spoken to.
    database.merchant("Shop");
    database.kola(&["ledger", "verify"]).ok();
}
