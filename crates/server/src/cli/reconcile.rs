//! `kola reconcile`: what networks say was paid, beside what the ledger says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgGroup, Subcommand};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{DifferenceId, NetworkAccountId, StatementId, StatementLineId};
use domain::kernel::money::Money;
use domain::kernel::time::ServerTime;
use domain::reconciliation::accept::AcceptStatement;
use domain::reconciliation::close_difference::CloseDifference;
use domain::reconciliation::difference::{Difference, DifferenceKind, DifferenceStatus};
use domain::reconciliation::line::StatementLine;
use domain::reconciliation::reported::{LineKind, ReportedLine};
use domain::reconciliation::statement::Statement;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use store::clock;
use store::hex::hex;
use store::reads::pages::Page;
use store::reads::reconciliation::{DifferenceFilter, Moved};
use tokio::time::Instant;

use crate::cli::arguments::{columns, currency};
use crate::cli::merchant::LIST_STEP;
use crate::cli::networks::{account_with_calls, callback_url_of};
use crate::cli::output::{self, moment};
use crate::cli::{Target, is_absent, networks};
use crate::net::csv;
use crate::reconciliation::asking::Asker;
use crate::reconciliation::fetching::{self, About, Asked};
use crate::reconciliation::file::{StatementFile, Summary};
use crate::reconciliation::mapping::{DEFAULT_TEXT, Mapping};
use crate::reconciliation::posting;
use crate::reconciliation::reading::show_progress;

/// How long a network may take for its statements.
const UNTIL: Duration = Duration::from_secs(30 * 60);

#[derive(Subcommand)]
pub enum Reconcile {
    /// Ask a network for the statement of an account, and compare it with the ledger. Running it
    /// again adds nothing that is known.
    Run {
        /// The account's id, from `kola networks list`.
        #[arg(long, value_name = "ID")]
        account: i64,
        /// The first day, in UTC. Without one the day before yesterday.
        #[arg(long, value_name = "DAY", value_parser = day)]
        from: Option<Date>,
        /// The last day. Without one yesterday.
        #[arg(long, value_name = "DAY", value_parser = day)]
        to: Option<Date>,
        /// A mapping of the columns, for a pawaPay whose files have others than the default.
        #[arg(long, value_name = "FILE", value_parser = columns)]
        columns: Option<Mapping>,
        /// Do not compare fees: merchants pay other ones than the network takes.
        #[arg(long)]
        ignore_fees: bool,
    },
    /// Compare a statement in a CSV file, from a network's dashboard, with the ledger.
    Import {
        file: PathBuf,
        /// The account's id, from `kola networks list`.
        #[arg(long, value_name = "ID")]
        account: i64,
        /// A mapping of the columns: see `kola reconcile columns`.
        #[arg(long, value_name = "FILE", value_parser = columns)]
        columns: Option<Mapping>,
        /// The first day that the file is about, in UTC: payments of it that are not in the file are
        /// missing. Without one it is about the time between its lines.
        #[arg(long, value_name = "DAY", value_parser = day)]
        from: Option<Date>,
        /// The last day that the file is about.
        #[arg(long, value_name = "DAY", value_parser = day)]
        to: Option<Date>,
        /// A currency whose payments it has; may be given again. Without one, those that it names.
        #[arg(long, value_name = "CODE", value_parser = currency)]
        currency: Vec<Currency>,
        /// Do not compare fees: merchants pay other ones than the network takes.
        #[arg(long)]
        ignore_fees: bool,
        /// Only show how the file is understood: nothing is compared or recorded.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the default mapping of columns, with what each key means.
    Columns,
    /// List the statements that were read, newest first.
    List {
        /// Only those of this account.
        #[arg(long, value_name = "ID")]
        account: Option<i64>,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_name = "N", conflicts_with = "all")]
        limit: usize,
        /// All of them.
        #[arg(long)]
        all: bool,
    },
    /// Print the lines of a statement that no earlier one had.
    Lines {
        /// The statement's id.
        statement: i64,
        /// As CSV.
        #[arg(long)]
        csv: bool,
    },
    /// List what statements and the ledger do not agree on, newest first.
    Differences {
        /// Only those of this account.
        #[arg(long, value_name = "ID")]
        account: Option<i64>,
        /// Only those that were found in this statement.
        #[arg(long, value_name = "ID")]
        statement: Option<i64>,
        /// Only those of this kind: MISSING_HERE, MISSING_THERE, AMOUNT_DIFFERS, FEE_DIFFERS or
        /// DUPLICATE_THERE.
        #[arg(long, value_parser = kind)]
        kind: Option<DifferenceKind>,
        /// Those that are closed, too.
        #[arg(long)]
        closed: bool,
        /// As CSV.
        #[arg(long)]
        csv: bool,
    },
    /// Accept a statement: what its lines tell of fees, exchange and bank transfers is booked. Lines
    /// that differ are booked when their difference is closed.
    Accept {
        /// The statement's id.
        statement: i64,
    },
    /// Close a difference.
    #[command(group(ArgGroup::new("how").required(true)))]
    Close {
        /// The difference's id.
        difference: i64,
        /// It is right as it is: nothing is booked.
        #[arg(long, group = "how")]
        explained: bool,
        /// The network is right: what differs is booked.
        #[arg(long, group = "how")]
        book: bool,
        /// What the decision is based on: a ticket, a mail, a call.
        #[arg(long)]
        evidence: String,
    },
    /// Print a month for the accounts: the balance at its beginning, what moved by kind, fees, and the
    /// balance at its end, of each account and currency.
    Month {
        /// The month, in UTC: 2026-11.
        month: String,
        /// Only this account.
        #[arg(long, value_name = "ID")]
        account: Option<i64>,
        /// As CSV.
        #[arg(long)]
        csv: bool,
    },
}

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "give a day like 2026-11-30".to_owned())
}

fn kind(text: &str) -> Result<DifferenceKind, String> {
    DifferenceKind::parse(&text.to_uppercase()).ok_or_else(|| {
        let names: Vec<&str> = DifferenceKind::ALL.iter().map(|one| one.as_str()).collect();
        format!("use one of {}", names.join(", "))
    })
}

/// The beginning of a day in UTC.
fn begin_of(day: Date) -> anyhow::Result<ServerTime> {
    let zoned = day.to_zoned(TimeZone::UTC)?;
    Ok(ServerTime(zoned.timestamp().as_microsecond()))
}

fn end_of(day: Date) -> anyhow::Result<ServerTime> {
    begin_of(day.checked_add(1.day())?)
}

fn today() -> anyhow::Result<Date> {
    let now = jiff::Timestamp::from_microsecond(clock::now().0)?;
    Ok(now.to_zoned(TimeZone::UTC).date())
}

impl Reconcile {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::Run { account, from, to, columns, ignore_fees } => {
                run(target, account, (from, to), columns.unwrap_or_default(), !ignore_fees)
            }
            Self::Import { file, account, columns, from, to, currency, ignore_fees, dry_run } => {
                let mut opened = StatementFile::open(&file, columns.unwrap_or_default())?;
                if dry_run {
                    return tell_summary(opened.summary());
                }
                let about = About {
                    name: file.file_name().map(|name| name.to_string_lossy().into_owned()),
                    from: from.map(begin_of).transpose()?,
                    to: to.map(end_of).transpose()?,
                    currencies: currency.into_iter().collect(),
                    ignores_fees: ignore_fees,
                };
                import(target, account, &mut opened, about)
            }
            Self::Columns => output::script(&json!(DEFAULT_TEXT), DEFAULT_TEXT),
            Self::List { account, limit, all } => {
                list(target, account, if all { usize::MAX } else { limit })
            }
            Self::Lines { statement, csv } => lines(target, StatementId(statement), csv),
            Self::Differences { account, statement, kind, closed, csv } => {
                let filter = DifferenceFilter {
                    account: account.map(NetworkAccountId),
                    statement: statement.map(StatementId),
                    kind,
                    status: (!closed).then_some(DifferenceStatus::Open),
                };
                differences(target, filter, csv)
            }
            Self::Accept { statement } => accept(target, StatementId(statement)),
            Self::Close { difference, explained: _, book, evidence } => {
                close(target, DifferenceId(difference), book, evidence.trim())
            }
            Self::Month { month, account, csv } => tell_month(target, &month, account, csv),
        }
    }
}

fn run(
    target: &Target,
    account: i64,
    (from, to): (Option<Date>, Option<Date>),
    mapping: Mapping,
    compares_fees: bool,
) -> anyhow::Result<()> {
    let today = today()?;
    let from = from.map_or_else(|| today.checked_sub(2.days()), Ok)?;
    let to = to.map_or_else(|| today.checked_sub(1.day()), Ok)?;
    if to < from {
        bail!("--to must not be before --from");
    }
    let (runtime, networks, id) = account_with_calls(target, account)?;
    let called = networks.accounts.get(id).context("the network account is closed")?;
    let callback_url = callback_url_of(target, id)?;
    let ledger = target.ledger(&runtime)?;
    let statement = runtime.block_on(async {
        show_progress(None);
        let asker = Asker { networks: &networks, called: &called, until: Instant::now() + UNTIL };
        let asked = Asked {
            from: begin_of(from)?,
            to: end_of(to)?,
            callback_url: &callback_url,
            mapping: &mapping,
            compares_fees,
        };
        fetching::fetch(&ledger, None, &asker, &asked).await
    })?;
    tell_statement(&statement)
}

fn import(
    target: &Target,
    account: i64,
    file: &mut StatementFile,
    about: About,
) -> anyhow::Result<()> {
    let account = networks::find(target, account)?;
    let runtime = runtime()?;
    let ledger = target.ledger(&runtime)?;
    let statement = runtime.block_on(async {
        show_progress(Some(file.summary().lines));
        fetching::import(&ledger, account.id, file, about).await
    })?;
    tell_statement(&statement)
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Books what can be booked of the statements that were accepted: a line of an earlier one may have been
/// under way until now.
fn post(target: &Target) -> anyhow::Result<usize> {
    let runtime = runtime()?;
    let ledger = target.ledger(&runtime)?;
    runtime.block_on(posting::post_all(&ledger))
}

fn tell_statement(statement: &Statement) -> anyhow::Result<()> {
    let counts = statement.counts;
    let mut text = format!(
        "statement {}: {} lines, {} of them new; {} agree, {} may still be under way, {} differ",
        statement.id,
        counts.lines,
        counts.new,
        counts.matched,
        counts.under_way,
        counts.differences
    );
    if counts.differences > 0 {
        text.push_str(&format!(
            "\nsee them by `kola reconcile differences --account {}`",
            statement.network_account_id
        ));
    }
    output::done(&statement_json(statement), &text)
}

fn statement_json(statement: &Statement) -> Value {
    let counts = statement.counts;
    let time = |time: ServerTime| format!("{time:.6}");
    json!({
        "id": statement.id.0,
        "account": statement.network_account_id.0,
        "source": statement.source.as_str(),
        "name": statement.name,
        "sha256": statement.digest,
        "from": time(statement.from_at),
        "to": time(statement.to_at),
        "status": statement.status.as_str(),
        "lines": counts.lines,
        "new": counts.new,
        "matched": counts.matched,
        "under_way": counts.under_way,
        "differences": counts.differences,
        "problem": statement.problem,
        "accepted_at": statement.accepted_at.map(time),
        "begun_at": time(statement.begun_at),
        "ended_at": statement.ended_at.map(time),
    })
}

fn list(target: &Target, account: Option<i64>, most: usize) -> anyhow::Result<()> {
    let account = account.map(NetworkAccountId);
    let found = target.read_existing(async |reads| {
        let mut found: Vec<Statement> = vec![];
        let mut after_id = None;
        loop {
            let left = most.saturating_sub(found.len());
            let limit = u32::try_from(left).unwrap_or(LIST_STEP).min(LIST_STEP);
            if limit == 0 {
                return Ok(found);
            }
            let page = Page { limit, after_id };
            let more = reads.of_installation().statements(account, page).await?;
            after_id = more.next_after(limit, |row| row.id.0);
            found.extend(more.rows);
            if after_id.is_none() {
                return Ok(found);
            }
        }
    })?;
    let rows = found.iter().map(|row| {
        let state = match (row.accepted_at, &row.problem) {
            (Some(_), _) => "accepted".to_owned(),
            (None, Some(problem)) => format!("failed: {problem}"),
            (None, None) => row.status.as_str().to_lowercase(),
        };
        [
            row.id.to_string(),
            row.network_account_id.to_string(),
            row.name.clone().unwrap_or_else(|| "network".to_owned()),
            moment(row.from_at),
            moment(row.to_at),
            row.counts.lines.to_string(),
            row.counts.matched.to_string(),
            row.counts.under_way.to_string(),
            row.counts.differences.to_string(),
            state,
        ]
    });
    let head = [
        "id",
        "account",
        "from where",
        "from",
        "to",
        "lines",
        "agree",
        "under way",
        "differ",
        "state",
    ];
    let text = output::table(head, &rows.collect::<Vec<_>>());
    let text = if found.is_empty() { "no statement was read" } else { &text };
    output::tell(&found.iter().map(statement_json).collect(), text)
}

/// The columns of the lines of statements.
const LINE_HEAD: [&str; 14] = [
    "id",
    "occurred_at",
    "kind",
    "amount",
    "currency",
    "settled_amount",
    "settled_currency",
    "fee",
    "fee_currency",
    "request_id",
    "reference",
    "standing",
    "merchant_id",
    "execution_id",
];

fn line_cells(line: &StatementLine) -> [String; 14] {
    let text = |money: Option<Money>| money.map_or_else(String::new, |money| money.to_string());
    let code = |money: Option<Money>| {
        money.map_or_else(String::new, |money| money.currency.code().to_owned())
    };
    [
        line.id.to_string(),
        format!("{:.6}", line.occurred_at),
        line.kind.as_str().to_owned(),
        line.amount.to_string(),
        line.amount.currency.code().to_owned(),
        text(line.settled),
        code(line.settled),
        text(line.fee),
        code(line.fee),
        line.request_id.map_or_else(String::new, |id| id.to_string()),
        line.reference.clone().unwrap_or_default(),
        line.standing.as_str().to_owned(),
        line.merchant_id.map_or_else(String::new, |id| id.to_string()),
        line.execution_id.map_or_else(String::new, |id| id.to_string()),
    ]
}

fn lines(target: &Target, statement: StatementId, as_csv: bool) -> anyhow::Result<()> {
    let found = target.read_existing(async |reads| {
        let Some(_) = reads.for_system().statement(statement).await? else { return Ok(None) };
        let (mut found, mut after) = (vec![], StatementLineId(0));
        loop {
            let more = reads.of_installation().statement_lines(statement, after, LIST_STEP).await?;
            let Some(last) = more.last() else { return Ok(Some(found)) };
            after = last.id;
            found.extend(more);
        }
    })?;
    let found = found.with_context(|| unknown("statement", "list", statement.0))?;
    let cells: Vec<[String; 14]> = found.iter().map(line_cells).collect();
    if as_csv {
        return output::csv(&csv_text(&LINE_HEAD, &cells));
    }
    let rows = found.iter().map(|line| {
        let money = |money: Option<Money>| {
            money.map_or_else(String::new, |money| format!("{money} {}", money.currency))
        };
        [
            line.id.to_string(),
            moment(line.occurred_at),
            line.kind.as_str().to_owned(),
            money(Some(line.amount)),
            money(line.settled),
            money(line.fee),
            line.standing.as_str().to_owned(),
            line.execution_id.map_or_else(String::new, |id| id.to_string()),
        ]
    });
    let head = ["id", "time", "kind", "amount", "settled", "fee", "standing", "execution"];
    let text = output::table(head, &rows.collect::<Vec<_>>());
    let text = if found.is_empty() { "no line is new in this statement" } else { &text };
    output::tell(&cells.iter().map(|cells| object(&LINE_HEAD, cells)).collect(), text)
}

fn said_of(what: &str, lister: &str, id: i64, error: anyhow::Error) -> anyhow::Error {
    if is_absent(&error) {
        anyhow::anyhow!(unknown(what, lister, id))
    } else {
        error.context(format!("{what} {id}"))
    }
}

fn unknown(what: &str, lister: &str, id: i64) -> String {
    format!("there is no {what} {id}: `kola reconcile {lister}` has their ids")
}

/// An object of texts; an empty one is null.
fn object(head: &[&str], cells: &[String]) -> Value {
    let fields = head.iter().zip(cells).map(|(name, cell)| {
        let is_id =
            matches!(*name, "id" | "account_id" | "merchant_id" | "execution_id" | "statement_id");
        let value = match cell.parse::<i64>() {
            Ok(id) if is_id => json!(id),
            _ if cell.is_empty() => Value::Null,
            _ => json!(cell),
        };
        ((*name).to_owned(), value)
    });
    Value::Object(fields.collect())
}

fn csv_text<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let lines = rows.iter().map(|cells| csv::line(cells.iter().map(String::as_str)));
    std::iter::once(csv::line(head.iter().copied())).chain(lines).collect()
}

/// The columns of differences.
const DIFFERENCE_HEAD: [&str; 15] = [
    "id",
    "found_at",
    "account_id",
    "statement_id",
    "kind",
    "status",
    "ours",
    "ours_currency",
    "theirs",
    "theirs_currency",
    "merchant_id",
    "execution_id",
    "reason",
    "resolution",
    "evidence",
];

fn difference_cells(row: &Difference) -> [String; 15] {
    let text = |money: Option<Money>| money.map_or_else(String::new, |money| money.to_string());
    let code = |money: Option<Money>| {
        money.map_or_else(String::new, |money| money.currency.code().to_owned())
    };
    [
        row.id.to_string(),
        format!("{:.6}", row.found_at),
        row.network_account_id.to_string(),
        row.statement_id.to_string(),
        row.kind.as_str().to_owned(),
        row.status.as_str().to_owned(),
        text(row.ours),
        code(row.ours),
        text(row.theirs),
        code(row.theirs),
        row.merchant_id.map_or_else(String::new, |id| id.to_string()),
        row.execution_id.map_or_else(String::new, |id| id.to_string()),
        row.reason.clone(),
        row.resolution.map_or_else(String::new, |how| how.as_str().to_owned()),
        row.evidence.clone().unwrap_or_default(),
    ]
}

fn differences(target: &Target, filter: DifferenceFilter, as_csv: bool) -> anyhow::Result<()> {
    let found = target.read_existing(async |reads| {
        let (mut found, mut after_id) = (vec![], None);
        loop {
            let page = Page { limit: LIST_STEP, after_id };
            let more = reads.of_installation().differences(filter, page).await?;
            after_id = more.next_after(LIST_STEP, |row| row.id.0);
            found.extend(more.rows);
            if after_id.is_none() {
                return Ok(found);
            }
        }
    })?;
    let cells: Vec<[String; 15]> = found.iter().map(difference_cells).collect();
    if as_csv {
        return output::csv(&csv_text(&DIFFERENCE_HEAD, &cells));
    }
    let rows = found.iter().map(|row: &Difference| {
        let money = |money: Option<Money>| {
            money.map_or_else(|| "-".to_owned(), |money| format!("{money} {}", money.currency))
        };
        [
            row.id.to_string(),
            row.network_account_id.to_string(),
            row.statement_id.to_string(),
            row.kind.as_str().to_owned(),
            money(row.ours),
            money(row.theirs),
            row.execution_id.map_or_else(String::new, |id| id.to_string()),
            row.resolution.map_or("open", |how| how.as_str()).to_owned(),
            row.reason.clone(),
        ]
    });
    let head = ["id", "account", "statement", "kind", "here", "there", "execution", "state", "why"];
    let text = output::table(head, &rows.collect::<Vec<_>>());
    let text = if found.is_empty() { "no difference is open" } else { &text };
    output::tell(&cells.iter().map(|cells| object(&DIFFERENCE_HEAD, cells)).collect(), text)
}

fn accept(target: &Target, id: StatementId) -> anyhow::Result<()> {
    drop(target.open_existing()?);
    let statement = target
        .run_once(AcceptStatement { statement_id: id })
        .map_err(|error| said_of("statement", "list", id.0, error))?;
    let posted = post(target)?;
    let mut json = statement_json(&statement);
    if let Some(fields) = json.as_object_mut() {
        fields.insert("posted".to_owned(), json!(posted));
    }
    output::done(&json, &format!("statement {id} is accepted: {posted} lines were booked now"))
}

fn close(target: &Target, id: DifferenceId, book: bool, evidence: &str) -> anyhow::Result<()> {
    if evidence.is_empty() {
        bail!("--evidence is empty");
    }
    drop(target.open_existing()?);
    let close = CloseDifference { difference_id: id, book, evidence: evidence.to_owned() };
    let closed = target
        .run_once(close)
        .map_err(|error| said_of("difference", "differences", id.0, error))?;
    let how = closed.resolution.map_or("", |how| how.as_str()).to_lowercase();
    // Its line is free now, if its statement was accepted before.
    post(target)?;
    let cells = difference_cells(&closed);
    output::done(&object(&DIFFERENCE_HEAD, &cells), &format!("difference {id} is closed: {how}"))
}

fn tell_summary(summary: &Summary) -> anyhow::Result<()> {
    let time = |time: Option<ServerTime>| time.map(|time| format!("{time:.6}"));
    let kinds: BTreeMap<&str, u64> =
        summary.kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    let faults: Vec<String> = summary.first_faults.iter().map(ToString::to_string).collect();
    let json = json!({
        "sha256": hex(&summary.sha256),
        "lines": summary.lines,
        "faults": summary.faults,
        "first_faults": faults,
        "first": time(summary.first),
        "last": time(summary.last),
        "currencies": summary.currencies,
        "kinds": kinds,
        "unknown_words": summary.unknown_words,
        "unread_columns": summary.unread_columns,
        "warnings": summary.warnings,
        "sample": summary.sample.iter().map(reported_json).collect::<Value>(),
    });
    let moment_of = |time: Option<ServerTime>| time.map_or_else(|| "-".to_owned(), moment);
    let mut text = format!(
        "{} lines can be read, {} cannot\nfrom {} to {}\ncurrencies: {}\n",
        summary.lines,
        summary.faults,
        moment_of(summary.first),
        moment_of(summary.last),
        summary.currencies.iter().cloned().collect::<Vec<_>>().join(", "),
    );
    for (kind, count) in &kinds {
        text.push_str(&format!("{count} of kind {kind}\n"));
    }
    for (word, count) in &summary.unknown_words {
        text.push_str(&format!("{count} of a kind that is not known: {word}\n"));
    }
    if !summary.unread_columns.is_empty() {
        text.push_str(&format!("columns not read: {}\n", summary.unread_columns.join(", ")));
    }
    for line in faults.iter().chain(&summary.warnings) {
        text.push_str(&format!("{line}\n"));
    }
    let rows = summary.sample.iter().map(|line| {
        let money = |money: Option<Money>| {
            money.map_or_else(|| "-".to_owned(), |money| format!("{money} {}", money.currency))
        };
        [
            moment(line.occurred_at),
            line.kind.as_str().to_owned(),
            money(Some(line.amount)),
            money(line.fee),
            line.request_id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
            line.reference.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    text.push_str("the first lines, as they are understood:\n");
    let head = ["time", "kind", "amount", "fee", "request id", "reference"];
    text.push_str(&output::table(head, &rows.collect::<Vec<_>>()));
    output::tell(&json, &text)
}

fn reported_json(line: &ReportedLine) -> Value {
    json!({
        "occurred_at": format!("{:.6}", line.occurred_at),
        "kind": line.kind.as_str(),
        "amount": line.amount.to_string(),
        "currency": line.amount.currency.code(),
        "settled": line.settled.map(|money| money.to_string()),
        "settled_currency": line.settled.map(|money| money.currency.code().to_owned()),
        "fee": line.fee.map(|money| money.to_string()),
        "request_id": line.request_id.map(|id| id.to_string()),
        "reference": line.reference,
    })
}

/// A month of an account in one currency.
struct Month {
    account: NetworkAccountId,
    currency: Currency,
    opening: i128,
    /// By kind; the fees of payments count as [`LineKind::Fee`].
    moved: BTreeMap<LineKind, (i64, i128)>,
}

impl Month {
    fn closing(&self) -> i128 {
        self.opening + self.moved.values().map(|(_, minor)| minor).sum::<i128>()
    }
}

fn month_of(text: &str) -> anyhow::Result<(ServerTime, ServerTime)> {
    let first: Date =
        format!("{text}-01").parse().map_err(|_| anyhow::anyhow!("give a month like 2026-11"))?;
    Ok((begin_of(first)?, begin_of(first.checked_add(1.month())?)?))
}

fn tell_month(
    target: &Target,
    month: &str,
    account: Option<i64>,
    as_csv: bool,
) -> anyhow::Result<()> {
    let (from, to) = month_of(month)?;
    let accounts: Vec<NetworkAccountId> = match account {
        Some(id) => vec![networks::find(target, id)?.id],
        None => {
            let tariff = target.read_existing(async |reads| reads.for_system().tariff().await)?;
            tariff.real_accounts().map(|account| account.id).collect()
        }
    };
    let mut months = vec![];
    for account in accounts {
        let (earlier, moved) = target.read_existing(async |reads| {
            let reads = reads.of_installation();
            let earlier = reads.moved(account, (ServerTime(0), from)).await?;
            Ok((earlier, reads.moved(account, (from, to)).await?))
        })?;
        months.extend(months_of(account, &earlier, &moved));
    }
    let rows: Vec<[String; 5]> = months.iter().flat_map(month_rows).collect();
    let head = ["account", "currency", "what", "lines", "amount"];
    if as_csv {
        return output::csv(&csv_text(&head, &rows));
    }
    let text = output::table(head, &rows);
    let text = if rows.is_empty() { "no statement has lines of this month" } else { &text };
    output::tell(&months.iter().map(month_json).collect(), text)
}

fn months_of(account: NetworkAccountId, earlier: &[Moved], moved: &[Moved]) -> Vec<Month> {
    let currencies: BTreeSet<Currency> =
        earlier.iter().chain(moved).map(|moved| moved.currency).collect();
    let month = |currency: Currency| {
        let of_currency = |all: &[Moved]| -> Vec<Moved> {
            all.iter().filter(|moved| moved.currency == currency).copied().collect()
        };
        let mut by_kind: BTreeMap<LineKind, (i64, i128)> = BTreeMap::new();
        for Moved { kind, lines, minor, .. } in of_currency(moved) {
            let sum = by_kind.entry(kind).or_default();
            *sum = (sum.0 + lines, sum.1 + minor);
        }
        let opening = of_currency(earlier).iter().map(|moved| moved.minor).sum();
        Month { account, currency, opening, moved: by_kind }
    };
    currencies.into_iter().map(month).collect()
}

/// An amount that may be larger than one of a payment.
fn amount(minor: i128, currency: Currency) -> String {
    match i64::try_from(minor) {
        Ok(minor) => Money::new(minor, currency).to_string(),
        Err(_) => format!("{minor} minor units"),
    }
}

fn month_rows(month: &Month) -> Vec<[String; 5]> {
    let row = |what: &str, lines: String, minor: i128| {
        let currency = month.currency;
        let account = month.account.to_string();
        [account, currency.code().to_owned(), what.to_owned(), lines, amount(minor, currency)]
    };
    let mut rows = vec![row("opening balance", String::new(), month.opening)];
    rows.extend(
        month
            .moved
            .iter()
            .map(|(kind, (lines, minor))| row(kind.as_str(), lines.to_string(), *minor)),
    );
    rows.push(row("closing balance", String::new(), month.closing()));
    rows
}

fn month_json(month: &Month) -> Value {
    let currency = month.currency;
    let moved = month.moved.iter().map(|(kind, (lines, minor))| {
        json!({ "kind": kind.as_str(), "lines": lines, "amount": amount(*minor, currency) })
    });
    json!({
        "account": month.account.0,
        "currency": currency.code(),
        "opening": amount(month.opening, currency),
        "moved": moved.collect::<Value>(),
        "closing": amount(month.closing(), currency),
    })
}
