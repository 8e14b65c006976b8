//! `cargo xtask reconcile-speed`: how long `kola reconcile import` takes for a large statement beside
//! `kola ledger verify`, and how much memory.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::bench::database::Database;
use crate::bench::machine::peak_memory_mb;
use crate::bench::server::Kola;
use crate::bench::{self, ScratchDir};
use crate::copies::{self, Turns};

/// The payments in the rows that are copied: such as statements have.
const TURNS: Turns = Turns { collections: 2_500, transfers: 0, payouts: 2_500, refunds: 0 };
/// Lines a second, of the executions that `ledger verify` reads in a second.
const MIN_PERCENT: i64 = 20;
const MAX_MEMORY_MB: f64 = 200.0;
/// How often the memory of the process is looked at.
const LOOK: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub struct Options {
    /// So many lines, about
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(i64).range(1..))]
    lines: i64,
    /// The program; a release build is made if it is not given
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if cfg!(debug_assertions) && options.binary.is_none() {
        return bench::as_release();
    }
    let binary = bench::program(options.binary.as_deref(), "kola")?;
    let dir = ScratchDir::create(crate::target_dir()?.join("reconcile-speed"))?;
    let database = Database::Sqlite(dir.0.join("large.db"));
    let kola = Kola { binary };
    copies::create(&kola, &database, async |client, shop| {
        copies::trade(client, shop, TURNS).await
    })?;
    copies::fill(&database, options.lines)?;
    database.vacuum()?;
    copies::chain(&kola, &database)?;
    let executions = database.executions()?;
    let begun = Instant::now();
    kola.ledger_verify(&database)?;
    let verified = rate(executions, begun.elapsed())?;
    println!("ledger verify: {verified} executions/s of {executions}");

    let account = at_a_network(&kola, &database, &dir.0)?;
    let file = dir.0.join("statement.csv");
    let lines = write_statement(&database, &file)?;
    println!("statement: {lines} lines, {} MB", std::fs::metadata(&file)?.len() / 1_000_000);
    let (first, peak) = import(&kola, &database, &file, &account)?;
    let compared = rate(lines, first)?;
    println!("reconcile import: {compared} lines/s, {peak:.0} MB at most");
    let matched = "SELECT count(*) FROM statement_lines WHERE standing = {line_standing MATCHED}";
    let matched = database.number(matched)?;
    ensure!(matched == lines, "{matched} of {lines} lines agree");
    let (again, _) = import(&kola, &database, &file, &account)?;
    println!("the same again: {} lines/s", rate(lines, again)?);
    let part = compared * 100 / verified.max(1);
    println!("{part} % of the rate of ledger verify; {MIN_PERCENT} % or more is wanted");
    let good = part >= MIN_PERCENT && peak <= MAX_MEMORY_MB;
    println!("{}", if good { "PASSED" } else { "FAILED" });
    Ok(crate::common::exit_code(good))
}

/// So many a second.
fn rate(count: i64, took: Duration) -> anyhow::Result<i64> {
    Ok(count * 1_000 / i64::try_from(took.as_millis())?.max(1))
}

/// Turns the payments of the sandbox into those of an account at a network. The ledger is not in order
/// afterwards; nobody verifies it again.
fn at_a_network(kola: &Kola, database: &Database, dir: &Path) -> anyhow::Result<String> {
    let key = dir.join("secrets.key");
    kola.secrets_init_key(&key)?;
    let added = kola.networks_add(database, &key, "http://127.0.0.1:1", "a-token-of-nobody", 1)?;
    let account = added["id"].to_string();
    database.sql(&format!(
        "UPDATE provider_attempts SET network_account_id = {account}, body = coalesce(body, '')"
    ))?;
    Ok(account)
}

/// Writes a line for each payment, the oldest first.
fn write_statement(database: &Database, file: &Path) -> anyhow::Result<i64> {
    let rows = database.lines(
        "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', e.created_at / 1000000, 'unixepoch') || ',' || hex(a.request_id) \
         || CASE e.operation WHEN {operation COLLECTION} THEN ',DEPOSIT,' || printf('%d.%02d', e.payer_minor / 100, e.payer_minor % 100) \
         ELSE ',PAYOUT,-' || printf('%d.%02d', e.payee_minor / 100, e.payee_minor % 100) END \
         || ',' || e.payer_currency || printf(',%d.%02d', e.gateway_fee_minor / 100, e.gateway_fee_minor % 100) \
         FROM executions AS e JOIN provider_attempts AS a ON a.execution_id = e.id ORDER BY e.created_at",
    )?;
    let mut text = BufWriter::new(File::create(file)?);
    writeln!(text, "Creation Date,Transaction ID,Type,Amount,Currency,Fee")?;
    for row in &rows {
        writeln!(text, "{row}")?;
    }
    text.flush()?;
    Ok(i64::try_from(rows.len())?)
}

/// Reads a statement: how long it took and how much memory at most.
fn import(
    kola: &Kola,
    database: &Database,
    file: &Path,
    account: &str,
) -> anyhow::Result<(Duration, f64)> {
    let path = file.to_str().context("a path that is no text")?;
    let begun = Instant::now();
    let arguments = ["reconcile", "import", path, "--account", account];
    let mut child = kola.command(database, &arguments).spawn()?;
    let mut peak: f64 = 0.0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // It may have ended since.
        peak = peak.max(peak_memory_mb(child.id()).unwrap_or(0.0));
        std::thread::sleep(LOOK);
    };
    ensure!(status.success(), "kola reconcile import: {status}");
    Ok((begun.elapsed(), peak))
}
