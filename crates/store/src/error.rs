use std::path::PathBuf;

/// Why an operation of the store failed.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL answered with an error, or could not be reached.
    #[error("database: {what}")]
    Postgres {
        /// The SQLSTATE; `None` if the error is the connection's.
        code: Option<String>,
        /// Whether the connection was lost.
        gone: bool,
        what: String,
    },
    /// The caller did not want to wait any longer.
    #[error("database: interrupted")]
    Interrupted,
    /// PostgreSQL did not answer before the deadline.
    #[error("database: no answer")]
    NoAnswer,
    /// No connection, or no permit for a list, was free in time.
    #[error("database: {0}")]
    Pool(String),
    /// A commit was sent and its answer was lost: the batch may be committed or not.
    #[error("a commit without an answer: {0}")]
    CommitUnknown(Box<StoreError>),
    /// The Tokio runtime of the driver cannot be started.
    #[error("runtime: {0}")]
    Runtime(std::io::Error),
    /// The database answered in another form than the statement's.
    #[error("an odd answer of the database: {0}")]
    Unexpected(&'static str),
    /// The database file cannot be opened or created.
    #[error("{path}: {error}")]
    Open { path: PathBuf, error: std::io::Error },
    /// The open database file no longer has its name, so whatever is written into it would be lost.
    #[error(
        "{path} was removed, moved or replaced while this process had it open. Nothing is acknowledged until it is back; to go on with \
         another file, start kola again"
    )]
    FileMoved {
        /// The name under which it was opened.
        path: PathBuf,
    },
    /// The schema of the database is newer than this version of kola.
    #[error(
        "the database has schema {found}, this version of kola knows {known}: use the newer kola"
    )]
    Newer {
        /// The version of the database's schema.
        found: i64,
        /// The newest schema version that this kola knows.
        known: i64,
    },
    /// The row that a list is to continue after is not one of the merchant's.
    #[error("there is no such row to continue after")]
    UnknownCursor,
    /// A stored row contradicts its type or another row.
    #[error("the row {id} of {table} is broken: {what}")]
    Inconsistent { table: &'static str, id: i64, what: String },
    /// The market file of a new database, or a change of the market, is invalid.
    #[error("{0}")]
    Market(String),
    /// The operation does not apply to this database or file.
    #[error("{0}")]
    Refused(String),
    /// A statement changed another number of rows than expected, so the transaction is rolled back.
    #[error("a statement changed {count} rows of {table} instead of {expected}")]
    RowsAffected { table: &'static str, count: usize, expected: usize },
    /// A statement of a script failed.
    #[error("{script}, at `{statement}`: {error}")]
    Script {
        /// The name of the script.
        script: String,
        /// The first line of the statement.
        statement: String,
        error: Box<StoreError>,
    },
    /// A thread of kola panicked. The batch that it worked on, if any, was rolled back.
    #[error("a fault in kola: the log has the place")]
    Panicked,
    /// The operating system gave no random numbers.
    #[error("random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// The first line that is no comment.
pub(crate) fn first_line(sql: &str) -> &str {
    let mut lines = sql.lines().map(str::trim);
    lines.find(|line| !line.is_empty() && !line.starts_with("--")).unwrap_or_default()
}

/// What is the matter with a database that cannot be used, as far as it decides what to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// It does not answer: it is not there, is starting or stopping, or has no connection free.
    Away,
    /// There is no database of this name.
    Absent,
    /// What is there is no database, or another program's.
    NoDatabase,
    /// What is stored cannot be read any more.
    Damaged,
    /// This user may not open, read or write it.
    NoRights,
    /// The server does not know the user or takes another password.
    NotLetIn,
    /// Another process has it locked.
    Locked,
    /// There is no room.
    Full,
    /// The disk answers with errors.
    BrokenDisk,
    /// A newer kola has changed its schema.
    Newer,
    /// None of these.
    Other,
}

fn trouble_of_sqlite(error: &rusqlite::Error) -> Trouble {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => Trouble::Damaged,
        Some(ErrorCode::NotADatabase) => Trouble::NoDatabase,
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            Trouble::NoRights
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Locked,
        Some(ErrorCode::DiskFull) => Trouble::Full,
        Some(ErrorCode::SystemIoFailure) => Trouble::BrokenDisk,
        _ => Trouble::Other,
    }
}

/// By the SQLSTATE.
fn trouble_of_postgres(code: &str) -> Trouble {
    match code {
        "3D000" => Trouble::Absent,
        "42501" | "25006" => Trouble::NoRights,
        "53100" => Trouble::Full,
        "55P03" | "57014" => Trouble::Locked,
        "58030" => Trouble::BrokenDisk,
        _ => match code.get(..2).unwrap_or_default() {
            "28" => Trouble::NotLetIn,
            "XX" => Trouble::Damaged,
            "08" | "53" | "57" => Trouble::Away,
            _ => Trouble::Other,
        },
    }
}

impl StoreError {
    /// What is the matter with the database.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Sqlite(error) => trouble_of_sqlite(error),
            Self::Postgres { code: Some(code), .. } => trouble_of_postgres(code),
            Self::Postgres { code: None, .. } | Self::NoAnswer | Self::Pool(_) => Trouble::Away,
            Self::Open { error, .. } => match error.kind() {
                std::io::ErrorKind::NotFound => Trouble::Absent,
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    Trouble::NoRights
                }
                std::io::ErrorKind::StorageFull => Trouble::Full,
                _ => Trouble::BrokenDisk,
            },
            Self::Inconsistent { .. } => Trouble::Damaged,
            // What is refused says what it found instead.
            Self::Refused(_) => Trouble::NoDatabase,
            Self::Newer { .. } => Trouble::Newer,
            Self::Script { error, .. } | Self::CommitUnknown(error) => error.trouble(),
            _ => Trouble::Other,
        }
    }

    /// An error of the statement with which this text begins, in a script of this name.
    pub(crate) fn in_script(script: &str, text: &str, error: impl Into<Self>) -> Self {
        Self::Script {
            script: script.to_owned(),
            statement: first_line(text).to_owned(),
            error: Box::new(error.into()),
        }
    }

    /// Whether a lock of another process was not released within the lock time-out.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Sqlite(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
            }
            Self::Script { error, .. } => error.is_busy(),
            // lock_not_available; query_canceled by the statement time-out.
            Self::Postgres { code: Some(code), .. } => matches!(code.as_str(), "55P03" | "57014"),
            _ => false,
        }
    }

    /// Whether the database is unreachable, is shutting down or starting, or has become read-only:
    /// the next attempt needs a new connection.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::NoAnswer | Self::Pool(_) => true,
            Self::Script { error, .. } => error.is_unavailable(),
            Self::Postgres { code: Some(code), gone, .. } => {
                // 08: connection exceptions. 57P01 to 57P03: shutdown or start-up. 57P05 and 25P03:
                // the session was ended by a time-out. 53300: too many connections. 25006: a
                // standby, which does not accept writes.
                let class = code.get(..2).unwrap_or_default();
                *gone
                    || class == "08"
                    || matches!(
                        code.as_str(),
                        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "53300" | "25006"
                    )
            }
            Self::Postgres { code: None, gone, .. } => *gone,
            _ => false,
        }
    }
}
