//! Encrypted connections to PostgreSQL. `cargo xtask test` gives the cluster a self-signed
//! certificate for 127.0.0.1.

use crate::support::shop::GOOD;
use crate::support::{Database, Server, on_postgres_only, skipped};

/// The file of the certificate. If the run uses another PostgreSQL, that may have no encryption,
/// and the test is skipped.
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
    // The server's connections for writing and for reading are still open.
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
    // The certificate is not signed by an authority that the machine trusts.
    let said = refused(format!("{}?sslmode=require", database.url()));
    assert!(said.contains("certificate"), "{said}");
    // The certificate is for the address 127.0.0.1, and not for the name `localhost`.
    let port = database.postgres().address().rsplit_once(':').expect("a port").1;
    let url = database.postgres().url_at(&format!("localhost:{port}"));
    let said = refused(format!("{url}?sslmode=verify-full&sslrootcert={certificate}"));
    assert!(said.contains("certificate") && said.contains("localhost"), "{said}");
    // The same server accepts connections without encryption.
    database.merchant("Shop");
    database.kola(&["ledger", "verify"]).ok();
}
