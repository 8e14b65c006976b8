//! Reading statements to their end, wherever they come from: what could be read is compared and
//! recorded, and a statement that broke off says why.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail};
use domain::kernel::currency::Currency;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::money::Money;
use domain::kernel::names::Provider;
use domain::kernel::time::ServerTime;
use domain::reconciliation::balance::{NetworkBalance, ReadBalance, RecordBalances};
use domain::reconciliation::reported::ReportedLine;
use domain::reconciliation::run::BeginStatement;
use domain::reconciliation::statement::{Statement, StatementSource};
use store::hex::hex;

use super::asking::Asker;
use super::balances::own_balance;
use super::file::{LineFault, StatementFile};
use super::ledger::{Ledger, LedgerReads as _, submit};
use super::mapping::Mapping;
use super::pawapay::{self, How};
use super::reading::{CHUNK, Reading};
use super::stripe::StripeLines;

/// What is asked of a network.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub from: ServerTime,
    /// Exclusive.
    pub to: ServerTime,
    /// Where pawaPay says that a statement is made.
    pub callback_url: &'a str,
    /// How pawaPay's files are read.
    pub mapping: &'a Mapping,
    pub compares_fees: bool,
}

/// Asks a network for the statement of an account, and compares it. `holder` is whoever has the lease of
/// the account already.
///
/// # Errors
/// Another process reads statements of the account, the network gives none, or the ledger does not
/// answer. What was read before is recorded, and the statement says why it ends there.
pub async fn fetch<L: Ledger>(
    ledger: &L,
    holder: Option<i64>,
    asker: &Asker<'_>,
    asked: &Asked<'_>,
) -> anyhow::Result<Statement> {
    let begin = BeginStatement {
        account_id: asker.called.account.id,
        source: StatementSource::Network,
        name: None,
        digest: None,
        from_at: asked.from,
        to_at: asked.to,
    };
    let mut reading = match holder {
        Some(holder) => Reading::begin_as(holder, ledger, begin).await?,
        None => Reading::begin(ledger, begin).await?,
    }
    .with_fees(asked.compares_fees);
    let read = match asker.called.account.network {
        Provider::PawaPay => from_pawapay(&mut reading, asker, asked).await,
        Provider::Stripe => from_stripe(&mut reading, asker, asked).await,
        Provider::Platform => bail!("the sandbox gives no statements"),
    };
    ended(reading, read).await
}

async fn from_pawapay<L: Ledger>(
    reading: &mut Reading<'_, L>,
    asker: &Asker<'_>,
    asked: &Asked<'_>,
) -> anyhow::Result<()> {
    let mut currencies = BTreeSet::new();
    for window in pawapay::windows(asker, asked.from, asked.to).await? {
        currencies.extend(Currency::parse(&window.wallet.currency));
        let how = How { callback_url: asked.callback_url, mapping: asked.mapping };
        let mut statement = pawapay::fetch(asker, window, how).await?;
        let lines = statement.lines()?;
        add(reading, lines).await?;
    }
    reading.find_missing(Some(&currencies)).await
}

async fn from_stripe<L: Ledger>(
    reading: &mut Reading<'_, L>,
    asker: &Asker<'_>,
    asked: &Asked<'_>,
) -> anyhow::Result<()> {
    let mut lines = StripeLines::of_days(*asker, asked.from, asked.to);
    while let Some(page) = lines.page().await? {
        reading.add(page).await?;
    }
    reading.find_missing(None).await
}

/// What a file is about, where that does not follow from its lines.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The name of the file.
    pub name: Option<String>,
    pub from: Option<ServerTime>,
    /// Exclusive.
    pub to: Option<ServerTime>,
    /// Whose payments it has. Without one, those that it names.
    pub currencies: BTreeSet<Currency>,
    pub ignores_fees: bool,
}

/// Compares the statement in a file.
///
/// # Errors
/// See [`fetch`].
pub async fn import<L: Ledger>(
    ledger: &L,
    account: NetworkAccountId,
    file: &mut StatementFile,
    about: About,
) -> anyhow::Result<Statement> {
    let summary = file.summary();
    if let (0, Some(fault)) = (summary.lines, summary.first_faults.first()) {
        bail!("{} lines cannot be read: {fault}", summary.faults);
    }
    // Without days of its own a file is about the time between its lines: nothing can be missing there
    // that its author may have left out at either end.
    let from = about.from.or(summary.first);
    let to = about.to.or_else(|| summary.last.map(|last| last.plus(1)));
    let (Some(from), Some(to)) = (from, to) else {
        bail!("the file has no lines: say by --from and --to of which days it is");
    };
    if to <= from {
        bail!("--to must be after --from");
    }
    let currencies = if about.currencies.is_empty() {
        summary.currencies.iter().filter_map(|code| Currency::parse(code)).collect()
    } else {
        about.currencies
    };
    let begin = BeginStatement {
        account_id: account,
        source: StatementSource::File,
        name: about.name,
        digest: Some(hex(&summary.sha256)),
        from_at: from,
        to_at: to,
    };
    let mut reading = Reading::begin(ledger, begin).await?.with_fees(!about.ignores_fees);
    let read = async {
        add(&mut reading, file.lines()?).await?;
        reading.find_missing(Some(&currencies)).await
    };
    let read = read.await;
    ended(reading, read).await
}

/// Adds lines chunk by chunk. A line that cannot be read makes the statement incomplete, and the others
/// are recorded all the same.
async fn add<L: Ledger>(
    reading: &mut Reading<'_, L>,
    lines: impl Iterator<Item = Result<ReportedLine, LineFault>>,
) -> anyhow::Result<()> {
    let (mut chunk, mut first_fault, mut faults) = (vec![], None, 0_u64);
    for line in lines {
        match line {
            Ok(line) => chunk.push(line),
            Err(fault) => {
                faults += 1;
                first_fault.get_or_insert(fault);
            }
        }
        if chunk.len() == CHUNK {
            reading.add(std::mem::take(&mut chunk)).await?;
        }
    }
    reading.add(chunk).await?;
    match first_fault {
        Some(fault) => bail!("{faults} lines cannot be read: {fault}"),
        None => Ok(()),
    }
}

async fn ended<L: Ledger>(
    reading: Reading<'_, L>,
    read: anyhow::Result<()>,
) -> anyhow::Result<Statement> {
    let problem = read.as_ref().err().map(|error| format!("{error:#}"));
    let statement = reading.end(problem).await?;
    read.map(|()| statement)
}

/// Asks a network what it keeps for an account, and keeps it beside what the ledger says.
///
/// # Errors
/// The network or the ledger does not answer.
pub async fn read_balances<L: Ledger>(
    ledger: &L,
    asker: &Asker<'_>,
) -> anyhow::Result<Vec<NetworkBalance>> {
    let own = own_balance(asker).await?;
    record_balances(ledger, asker.called.account.id, &own).await
}

/// Keeps what a network holds of an account beside what the ledger says.
///
/// # Errors
/// The ledger does not answer.
pub async fn record_balances<L: Ledger>(
    ledger: &L,
    account_id: NetworkAccountId,
    own: &[Money],
) -> anyhow::Result<Vec<NetworkBalance>> {
    let cleared = ledger.reads().cleared(account_id).await?;
    let unposted = ledger.reads().unposted(account_id).await?;
    let mut currencies: BTreeSet<Currency> = own.iter().map(|money| money.currency).collect();
    currencies.extend(cleared.iter().chain(&unposted).map(|(currency, _)| *currency));
    let of = |parts: &[(Currency, i128)], wanted: Currency| -> anyhow::Result<i64> {
        let found = parts.iter().find(|(currency, _)| *currency == wanted);
        i64::try_from(found.map_or(0, |(_, minor)| *minor)).context("a balance does not fit")
    };
    let balances = currencies
        .into_iter()
        .map(|currency| {
            let own = own.iter().find(|money| money.currency == currency);
            Ok(ReadBalance {
                currency,
                network_minor: own.map_or(0, |money| money.minor),
                ledger_minor: of(&cleared, currency)?,
                unposted_minor: of(&unposted, currency)?,
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    submit(ledger, RecordBalances { account_id, balances }).await
}
