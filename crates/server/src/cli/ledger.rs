//! `kola ledger`: verification of the ledger.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use domain::kernel::currency::Currency;
use domain::kernel::digest::Digest;
use domain::kernel::money::{Decimal, Money};
use domain::ledger::installation_check::{CheckKind, RecordCheck};
use serde_json::{Value, json};

use crate::cli::exit::Exit;
use crate::cli::output::{self, NobodyReads};
use crate::cli::{Target, fail};
use crate::credentials::sealing::SealingKey;
use crate::jobs::verification;
use store::clock;
use store::schema::verify::chain::{ChainCheck, ChainReport};
use store::schema::verify::{self, Report};

#[derive(Subcommand)]
pub enum Ledger {
    /// Recompute everything from the ledger entries and list the violations. A server may be
    /// running.
    Verify {
        /// Exit with 3 if the exchange position of a currency is further from zero than this:
        /// USD=1000.00. Separate several limits by commas.
        #[arg(
            long = "position-limit",
            env = "KOLA_POSITION_LIMIT",
            value_name = "CURRENCY=AMOUNT",
            value_delimiter = ',',
            value_parser = limit
        )]
        limits: Vec<Money>,
        /// Prove that nothing before this head of the chain of batches was changed, removed, inserted
        /// or reordered: the hash that an earlier `kola ledger verify` printed, and that was kept
        /// elsewhere. Exit with 4 if it is not in the books.
        #[arg(long, value_name = "HASH", value_parser = head)]
        head: Option<Digest>,
        /// The file of a secrets key that was used before and is not any more. Only for one that was
        /// not replaced by `kola secrets rekey`, which keeps what is needed. May be repeated.
        #[arg(long = "earlier-key-file", value_name = "FILE")]
        earlier_keys: Vec<PathBuf>,
    },
}

/// A head as it was printed.
fn head(text: &str) -> Result<Digest, String> {
    Digest::parse(text.trim()).ok_or_else(|| "use the 64 hexadecimal digits of a head".to_owned())
}

/// A limit, which may be zero.
fn limit(text: &str) -> Result<Money, String> {
    let wrong = || "use a currency and an amount in it: USD=1000.00".to_owned();
    let (code, amount) = text.split_once('=').ok_or_else(wrong)?;
    let currency = Currency::parse(code.trim()).ok_or_else(wrong)?;
    let amount = Decimal::parse(amount).ok_or_else(wrong)?;
    match amount.to_ratio().map(|ratio| ratio.num()) {
        Some(0) => Ok(Money::new(0, currency)),
        _ => amount.to_money(currency).map_err(|_| wrong()),
    }
}

impl Ledger {
    /// It fails if the ledger has violations. Only if it is right the end says whether a position is
    /// beyond its limit, or the given head is not in the books.
    pub fn run(self, target: &Target) -> Exit {
        let Self::Verify { limits, head, earlier_keys } = self;
        match verified(target, head, &earlier_keys) {
            Ok(report) => tell(&report, &limits, head),
            Err(error) => fail(&error),
        }
    }
}

fn verified(
    target: &Target,
    head: Option<Digest>,
    earlier_keys: &[PathBuf],
) -> anyhow::Result<Report> {
    let stored = target.read_existing(async |reads| reads.for_system().chain_keys().await)?;
    let key = target.secrets_key().read_if_there()?;
    let mut keys = key.map(|key| key.link_keys(&stored));
    for file in earlier_keys {
        let key = SealingKey::read(file)?;
        keys.get_or_insert_default().extend(key.link_keys(&[]));
    }
    // Each core takes rules of its own. More than four connections would leave a server on the same
    // machine too little of it.
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let connections = NonZeroUsize::new(cores.min(4)).unwrap_or(NonZeroUsize::MIN);
    let open = || target.open_existing();
    let begun_at = clock::now();
    let report = verify::verify_over(open, connections, &ChainCheck { keys, head })?;
    record(target, verification::verdict(&report, begun_at, None));
    if head.is_some() && report.chain.unchecked > 0 && report.violations.is_empty() {
        bail!(
            "the chain of batches was made with the secrets key, and without it nothing is proven: \
             give its file as --secrets-key-file or KOLA_SECRETS_KEY_FILE"
        );
    }
    Ok(report)
}

/// Puts the end of a check on record. Whoever may only read still gets the answer.
pub(super) fn record(target: &Target, check: RecordCheck) {
    let what = match check.kind {
        CheckKind::Verify => "verification",
        CheckKind::Backup => "backup",
    };
    if let Err(error) = target.run_once(check) {
        output::warn(&format!(
            "this {what} is not on record, because the database takes no writes from here: {error:#}"
        ));
    }
}

fn tell(report: &Report, limits: &[Money], head: Option<Digest>) -> Exit {
    let violations =
        report.violations.iter().map(|(name, place)| json!({ "rule": name, "place": place }));
    let positions = report
        .positions
        .iter()
        .map(|sum| json!({ "currency": sum.currency.code(), "amount": sum.to_string() }));
    let json = json!({
        "entries": report.entries,
        "executions": report.executions,
        "wallets": report.wallets,
        "rules": report.checks,
        "open_reviews": report.open_reviews,
        "positions": positions.collect::<Vec<_>>(),
        "chain": chain_json(report, head),
        "violations": violations.collect::<Vec<_>>(),
    });
    let open = match report.open_reviews {
        0 => String::new(),
        n => format!("; {n} open reviews"),
    };
    let mut lines: Vec<String> =
        report.violations.iter().map(|(name, place)| format!("{name}: {place}")).collect();
    if !report.positions.is_empty() {
        let positions = report.positions.iter().map(|sum| format!("{sum} {}", sum.currency));
        lines.push(format!("exchange positions: {}", positions.collect::<Vec<_>>().join(", ")));
    }
    lines.extend(chain_lines(&report.chain));
    if let Some(head) = head {
        lines.push(head_line(report, head));
    }
    lines.push(format!(
        "{} entries, {} executions, {} wallets; {} rules checked, {} violations{open}",
        report.entries,
        report.executions,
        report.wallets,
        report.checks,
        report.violations.len()
    ));
    let beyond = beyond(report, limits);
    for (position, limit) in &beyond {
        let currency = limit.currency;
        output::warn(&format!(
            "the exchange position is {position} {currency}, beyond its limit of {limit} {currency}"
        ));
    }
    let told = output::tell(&json, &lines.join("\n"));
    if !report.violations.is_empty() {
        return Exit::Failed;
    }
    match told {
        // If nobody reads the answer to its end, the exit code still tells the result.
        Err(error) if !error.is::<NobodyReads>() => fail(&error),
        _ if head.is_some() && report.chain.found_at.is_none() => Exit::UnknownHead,
        _ if !beyond.is_empty() => Exit::BeyondLimit,
        _ => Exit::Done,
    }
}

/// The chain of batches for programs.
fn chain_json(report: &Report, asked: Option<Digest>) -> Value {
    let chain = &report.chain;
    let hash = chain.head.map(|head| head.to_string());
    json!({
        "head": hash.map(|hash| json!({ "position": chain.position, "hash": hash })),
        "key_id": chain.key_id,
        "positions_without_key": chain.without_key,
        "unchecked_links": chain.unchecked,
        "unchained_batches": chain.unchained,
        "older_rows": chain.older_rows,
        "found_at": chain.found_at,
        "asked": asked.map(|head| json!({
            "hash": head.to_string(),
            "found": chain.found_at.is_some(),
            "message": head_line(report, head),
        })),
    })
}

/// The chain of batches for people.
fn chain_lines(chain: &ChainReport) -> Vec<String> {
    let mut lines = vec![];
    if let Some(head) = chain.head {
        let with = chain
            .key_id
            .as_ref()
            .map_or_else(|| "without a key".to_owned(), |id| format!("with the secrets key {id}"));
        lines.push(format!("head of the chain: position {}, {head} ({with})", chain.position));
    }
    if chain.unchecked > 0 {
        lines.push(format!(
            "{} links of the chain were made with a secrets key and are not checked: give its file as \
             --secrets-key-file",
            chain.unchecked
        ));
    }
    if chain.unchained > 0 {
        lines.push(format!(
            "{} batches are not chained yet: the head does not cover them, only the chain of their lane does",
            chain.unchained
        ));
    }
    if chain.older_rows > 0 {
        lines.push(format!(
            "{} rows from before the chain are not in it yet: a running server brings them in",
            chain.older_rows
        ));
    }
    lines
}

/// What there is to say of a head that was kept elsewhere.
fn head_line(report: &Report, head: Digest) -> String {
    match report.chain.found_at {
        None => format!(
            "the head {head} is not in the books: the books are older than it, are another installation's, \
             or were chained anew. That says nothing of where they differ"
        ),
        Some(position) if report.violations.is_empty() => format!(
            "the head {head} is at position {position}: nothing before it was changed, removed, inserted or reordered"
        ),
        Some(position) => format!(
            "the head {head} is at position {position}, and the books are damaged: the violations say where"
        ),
    }
}

/// Positions that are further from zero than their limit.
fn beyond(report: &Report, limits: &[Money]) -> Vec<(Money, Money)> {
    let of = |limit: &Money| {
        let position =
            report.positions.iter().find(|position| position.currency == limit.currency)?;
        (position.minor.unsigned_abs() > limit.minor.unsigned_abs()).then_some((*position, *limit))
    };
    limits.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_an_amount_of_a_currency() {
        let minor = |text| limit(text).map(|money| (money.minor, money.currency.to_string()));
        assert_eq!(minor("USD=1000.00"), Ok((100_000, "USD".to_owned())));
        assert_eq!(
            [minor("RWF=0"), minor("RWF=5e3")],
            [Ok((0, "RWF".to_owned())), Ok((5_000, "RWF".to_owned()))]
        );
        for text in ["USD", "USD=", "USD=-1", "USD=0.001", "XXX=1", "=1"] {
            limit(text).unwrap_err();
        }
    }
}
