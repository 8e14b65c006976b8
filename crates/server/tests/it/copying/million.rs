//! Measures how long it takes to copy a million executions. It takes minutes, so it only runs by
//! name.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

use super::copy;
use crate::support::{Database, Server, on_postgres_only};

const COUNT: i64 = 1_000_000;
/// How many consecutive ids the rows of a transfer have: session, event, execution, event and two
/// entries.
const STEP: i64 = 6;

/// Copies the last transfer again and again, each time with higher ids.
fn fill(file: &Database) {
    let mut sql = format!(
        "CREATE TEMP TABLE n AS WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {COUNT}) SELECT n FROM n;
         BEGIN;"
    );
    let uuid = "unhex(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || 'a' || substr(hex(randomblob(2)), 2) \
                || hex(randomblob(6)))";
    for (table, rows) in [("sessions", 1), ("executions", 1), ("events", 2), ("entries", 2)] {
        let columns = file.rows(&format!("SELECT name FROM pragma_table_info('{table}')")).concat();
        let value = |column: &String| match column.as_str() {
            "id" | "session_id" | "subject_id" | "transaction_id" | "execution_id"
            | "previous_entry_id" => {
                format!("{column} + n * {STEP}")
            }
            "created_at" | "updated_at" => format!("{column} + n * 100"),
            "reference_id" => uuid.to_owned(),
            // The events of session n and its execution.
            "position" => "position + n * 2".to_owned(),
            "balance_minor" => "balance_minor + n * amount_minor".to_owned(),
            other => other.to_owned(),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let last = format!("SELECT id FROM {table} ORDER BY id DESC LIMIT {rows}");
        write!(
            sql,
            "INSERT INTO {table} ({}) SELECT {} FROM n CROSS JOIN {table} WHERE id IN ({last}) ORDER BY n;",
            columns.join(", "),
            values.join(", ")
        )
        .expect("a text");
    }
    write!(
        sql,
        "UPDATE wallets SET last_entry_id = last_entry_id + {COUNT} * {STEP}, available_minor = (SELECT balance_minor FROM entries
             WHERE id = last_entry_id + {COUNT} * {STEP}) WHERE last_entry_id IS NOT NULL;
         UPDATE event_positions SET last = last + {COUNT} * 2;
         UPDATE batch_chain SET older_next_id = (SELECT max(end_id) FROM batches),
             older_end_id = (SELECT next_id FROM installation) + {COUNT} * {STEP};
         UPDATE installation SET next_id = next_id + {COUNT} * {STEP};
         COMMIT;"
    )
    .expect("a text");
    file.sql(&sql);
}

#[test]
#[ignore = "minutes: cargo xtask test --postgres -- --ignored million --nocapture"]
fn a_million_executions_move_to_postgresql_and_back() {
    on_postgres_only!();
    let (file, postgres, back) = (Database::in_a_file(), Database::new(), Database::in_a_file());
    let credentials = file.merchant("Shop");
    let mut server = Server::spawn(file.clone(), &[]);
    let shop = server.sign_in(&credentials);
    server.fund(&shop, "USD", "1000000.00");
    let customer = shop.customer();
    // The first transfer creates the wallet to which the others go.
    for _ in 0..3 {
        shop.transfer(customer, "USD", "0.01");
    }
    assert_eq!(server.terminate(), Some(0));
    fill(&file);
    for (from, to) in [(&file, &postgres), (&postgres, &back)] {
        let start = Instant::now();
        copy(from, to).ok();
        assert_eq!(to.value("SELECT count(*) FROM executions"), (COUNT + 3).to_string());
        writeln!(std::io::stderr(), "from {} in {} s", from.url(), start.elapsed().as_secs())
            .expect("stderr");
    }
}
