//! A database for one test, in the PostgreSQL that the run was given.

use postgres::{Client, NoTls, SimpleQueryMessage};

use super::key;

/// A database that is dropped with this.
pub(crate) struct PostgresDatabase {
    admin: String,
    name: String,
    pub(crate) url: String,
}

impl PostgresDatabase {
    /// A copy of a database to which nobody is connected: many tests can copy it at once.
    #[track_caller]
    pub(crate) fn create(admin: &str, template: &str) -> Self {
        let name = format!("kola_test_{}", key().replace('-', ""));
        run(admin, &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        let (server, database) =
            admin.rsplit_once('/').unwrap_or_else(|| panic!("no database in {admin}"));
        let parameters = database.find('?').map_or("", |at| &database[at..]);
        Self { admin: admin.to_owned(), url: format!("{server}/{name}{parameters}"), name }
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        connect(&self.url)
    }

    /// Host and port of the PostgreSQL server.
    #[track_caller]
    pub(crate) fn address(&self) -> &str {
        let authority = self.url.split("://").nth(1).and_then(|rest| rest.split('/').next());
        let address = authority.map(|authority| authority.rsplit('@').next().unwrap_or(authority));
        address.unwrap_or_else(|| panic!("no address in {}", self.url))
    }

    /// Gives the database, to which nobody is connected, a name under which it stays.
    #[track_caller]
    pub(super) fn rename(&self, name: &str) {
        run(&self.admin, &format!("ALTER DATABASE {} RENAME TO {name}", self.name));
    }

    /// The URL of the same database at another address, that of a proxy.
    #[track_caller]
    pub(crate) fn url_at(&self, address: &str) -> String {
        self.url.replacen(self.address(), address, 1)
    }

    #[track_caller]
    pub(crate) fn rows(&self, query: &str) -> Vec<Vec<String>> {
        let messages =
            self.connect().simple_query(query).unwrap_or_else(|error| panic!("{error:?}: {query}"));
        let cells = |message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|column| row.get(column).unwrap_or_default().to_owned())
                    .collect(),
            ),
            _ => None,
        };
        messages.into_iter().filter_map(cells).collect()
    }

    /// Ends every connection to this database, as a restart of PostgreSQL would. Open transactions
    /// are rolled back.
    #[track_caller]
    pub(crate) fn end_all_connections(&self) {
        run(
            &self.admin,
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
                self.name
            ),
        );
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // A test that failed may have ended the server, too: its message is printed already.
        if let Ok(mut client) = Client::connect(&self.admin, NoTls) {
            let _dropped = client
                .batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

#[track_caller]
pub(super) fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap_or_else(|error| panic!("{url}: {error:?}"))
}

#[track_caller]
fn run(url: &str, sql: &str) {
    connect(url).batch_execute(sql).unwrap_or_else(|error| panic!("{error:?}: {sql}"));
}
