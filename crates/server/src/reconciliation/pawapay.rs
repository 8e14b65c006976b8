//! Statements of pawaPay: it makes one for each wallet, of at most 31 days, as a file that is fetched.
//!
//! pawaPay says that a statement lags about 20 minutes behind: one that ends later than an hour ago
//! lacks lines.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

use domain::kernel::currency::Currency;
use domain::kernel::time::{ServerTime, seconds};
use domain::kernel::uuids::Uuid;
use domain::reconciliation::reported::ReportedLine;
use networks::client::Opened;
use networks::pawapay::balances::{WalletBalance, read_wallet_balances};
use networks::pawapay::requests::wallet_balances;
use networks::pawapay::statements::{
    NoStatement, Statement, StatementOf, read_statement, read_statement_status, statement,
    statement_status,
};

use super::asking::{Asker, Pauses, SourceFault, said};
use super::file::{FileRefused, LineFault, StatementFile, Summary};
use super::mapping::Mapping;

/// The longest time of one statement.
const LONGEST_US: i64 = seconds(31 * 86_400);
/// The largest file that is fetched.
const FILE_MAX_BYTES: u64 = 1 << 30;
/// So much of a file is kept in memory before it is written.
const WRITTEN_BYTES: usize = 1 << 20;
/// How long the file may bring nothing.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a file is fetched that breaks off.
const FETCHES: u32 = 4;

/// Money that pawaPay keeps for an account.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Wallet {
    /// ISO 3166 in three letters.
    pub country: String,
    /// ISO 4217.
    pub currency: String,
    /// The code of the operator, for a wallet of one operator.
    pub provider: Option<String>,
}

impl fmt::Display for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.country, self.currency)?;
        self.provider.iter().try_for_each(|provider| write!(f, " {provider}"))
    }
}

/// What one statement is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    pub wallet: Wallet,
    pub from: ServerTime,
    /// Exclusive.
    pub to: ServerTime,
}

/// A statement that was fetched, in a file that ends with it.
#[derive(Debug)]
pub struct WalletStatement {
    pub of: Window,
    file: StatementFile,
}

impl WalletStatement {
    /// What is in the file, also outside of the window.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        self.file.summary()
    }

    /// The lines of the window. Reading them is work: not for a thread that serves requests.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn lines(
        &mut self,
    ) -> Result<impl Iterator<Item = Result<ReportedLine, LineFault>>, FileRefused> {
        let (from, to) = (self.of.from, self.of.to);
        // Whether the end of a statement belongs to it is not documented: a line at the border of two
        // windows must come once.
        let is_inside = move |line: &Result<ReportedLine, LineFault>| match line {
            Ok(line) => (from..to).contains(&line.occurred_at),
            Err(_) => true,
        };
        Ok(self.file.lines()?.filter(is_inside))
    }
}

/// Which statements an account has for a time: of each of its wallets, in windows of at most 31 days.
///
/// # Errors
/// [`SourceFault`]
pub async fn windows(
    asker: &Asker<'_>,
    from: ServerTime,
    to: ServerTime,
) -> Result<Vec<Window>, SourceFault> {
    let mut wallets: Vec<Wallet> =
        read_wallets(asker).await?.into_iter().map(|it| wallet(&it)).collect();
    wallets.sort();
    wallets.dedup();
    let times = split(from, to);
    let of_wallet = |wallet: Wallet| {
        let wallet = move |(from, to): &(ServerTime, ServerTime)| Window {
            wallet: wallet.clone(),
            from: *from,
            to: *to,
        };
        times.iter().map(wallet).collect::<Vec<_>>()
    };
    Ok(wallets.into_iter().flat_map(of_wallet).collect())
}

/// The balances of an account by wallet.
pub(super) async fn read_wallets(asker: &Asker<'_>) -> Result<Vec<WalletBalance>, SourceFault> {
    let response = asker.ask(wallet_balances()).await?;
    if response.status != 200 {
        let status = response.status;
        return Err(SourceFault::Refused(format!("pawaPay answered {status} instead of balances")));
    }
    read_wallet_balances(&response.body).map_err(|reason| {
        SourceFault::Incomplete(format!("pawaPay's balances cannot be read: {reason}"))
    })
}

fn wallet(of: &WalletBalance) -> Wallet {
    Wallet {
        country: of.country.clone(),
        currency: of.balance.currency.code().to_owned(),
        provider: of.provider.clone(),
    }
}

/// Whole seconds, which pawaPay takes.
fn split(from: ServerTime, to: ServerTime) -> Vec<(ServerTime, ServerTime)> {
    let begins = ServerTime(from.0 - from.0.rem_euclid(seconds(1)));
    let ends = ServerTime(to.0 + (-to.0).rem_euclid(seconds(1)));
    let mut times = vec![];
    let mut at = begins;
    while at < ends {
        let next = at.plus(LONGEST_US).min(ends);
        times.push((at, next));
        at = next;
    }
    times
}

/// How statements are fetched and read.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// Where pawaPay says that a statement is made. It must be given, and is not needed.
    pub callback_url: &'a str,
    /// pawaPay does not publish the columns: where they are not those of the default, the account needs
    /// a mapping.
    pub mapping: &'a Mapping,
}

/// Fetches all statements of an account for a time.
///
/// # Errors
/// [`SourceFault`]: one that is missing makes all of them incomplete.
pub async fn statements(
    asker: &Asker<'_>,
    from: ServerTime,
    to: ServerTime,
    how: How<'_>,
) -> Result<Vec<WalletStatement>, SourceFault> {
    let mut fetched = vec![];
    for window in windows(asker, from, to).await? {
        fetched.push(fetch(asker, window, how).await?);
    }
    Ok(fetched)
}

/// Has one statement made, waits for it, and fetches it.
///
/// # Errors
/// [`SourceFault`]
pub async fn fetch(
    asker: &Asker<'_>,
    of: Window,
    how: How<'_>,
) -> Result<WalletStatement, SourceFault> {
    let id = have_it_made(asker, &of, how.callback_url).await?;
    let (address, size) = wait_for(asker, id).await?;
    let file = download(asker, &address, size).await?;
    // Whoever knows the address can read the file.
    drop(address);
    let mapping = how.mapping.clone();
    let checked = tokio::task::spawn_blocking(move || StatementFile::check(file, mapping)).await;
    let file = checked.map_err(|error| SourceFault::Refused(error.to_string()))??;
    tracing::info!(
        account = asker.called.account.name,
        wallet = %of.wallet,
        from = %of.from,
        to = %of.to,
        lines = file.summary().lines,
        faults = file.summary().faults,
        "a statement of pawaPay was fetched"
    );
    Ok(WalletStatement { of, file })
}

async fn have_it_made(
    asker: &Asker<'_>,
    of: &Window,
    callback_url: &str,
) -> Result<Uuid, SourceFault> {
    let currency = Currency::parse(&of.wallet.currency).ok_or_else(|| {
        SourceFault::Refused(format!("{} is no currency of ISO 4217", of.wallet.currency))
    })?;
    let request = statement(&StatementOf {
        country: of.wallet.country.clone(),
        currency,
        provider: of.wallet.provider.clone(),
        from: of.from,
        to: of.to,
        callback_url: callback_url.to_owned(),
    });
    let request = request.map_err(|unsendable| SourceFault::Refused(unsendable.reason))?;
    read_statement(&asker.ask(request).await?).map_err(|none| no_statement(&none))
}

/// Asks until it is made: where it is, and how large it is at least.
async fn wait_for(asker: &Asker<'_>, id: Uuid) -> Result<(String, Option<u64>), SourceFault> {
    let mut pauses = Pauses::new();
    loop {
        let response = asker.ask(statement_status(id)).await?;
        let why = match read_statement_status(&response) {
            Ok(Statement::Made { download_url, size_bytes }) => {
                return Ok((download_url, size_bytes));
            }
            Ok(Statement::UnderWay) => "pawaPay is still making the statement",
            // It may not be known everywhere at once.
            Err(NoStatement::NotFound) => "pawaPay does not know the statement",
            Err(none) => return Err(no_statement(&none)),
        };
        asker.pause(&mut pauses, why).await?;
    }
}

fn no_statement(none: &NoStatement) -> SourceFault {
    match none {
        NoStatement::Refused { reason } => SourceFault::Refused(reason.clone()),
        NoStatement::NotFound => {
            SourceFault::Refused("pawaPay does not know the statement".to_owned())
        }
        NoStatement::Other(reading) => SourceFault::Refused(said(reading)),
    }
}

/// Why a file was not fetched.
enum NotFetched {
    /// It may be the next time.
    BrokenOff(String),
    Fault(SourceFault),
}

async fn download(
    asker: &Asker<'_>,
    address: &str,
    size: Option<u64>,
) -> Result<File, SourceFault> {
    let mut pauses = Pauses::new();
    let mut fetches = 1;
    loop {
        let fetching = download_once(asker, address, size);
        let why = match tokio::time::timeout_at(asker.until, fetching).await {
            Err(_) => return Err(SourceFault::Late("the file did not end".to_owned())),
            Ok(Ok(file)) => return Ok(file),
            Ok(Err(NotFetched::Fault(fault))) => return Err(fault),
            Ok(Err(NotFetched::BrokenOff(why))) => why,
        };
        if fetches == FETCHES {
            return Err(SourceFault::Incomplete(format!("{why}, {fetches} times")));
        }
        fetches += 1;
        asker.pause(&mut pauses, &why).await?;
    }
}

async fn download_once(
    asker: &Asker<'_>,
    address: &str,
    size: Option<u64>,
) -> Result<File, NotFetched> {
    let opened = asker.networks.open(asker.called, address).await.map_err(NotFetched::BrokenOff)?;
    let status = opened.status.as_u16();
    tracing::debug!(account = asker.called.account.name, status, "a file was opened");
    match status {
        200 => {}
        429 | 500.. => {
            return Err(NotFetched::BrokenOff(format!("its file was answered with {status}")));
        }
        300..=399 => {
            return Err(refused("the file is somewhere else, and redirects are not followed"));
        }
        _ => return Err(refused(&format!("its file was answered with {status}"))),
    }
    let (file, received) = write_down(opened).await?;
    match size.filter(|size| received < *size) {
        Some(size) => Err(NotFetched::BrokenOff(format!(
            "{received} bytes of its file came, and pawaPay says that it has {size}"
        ))),
        None => Ok(file),
    }
}

fn refused(reason: &str) -> NotFetched {
    NotFetched::Fault(SourceFault::Refused(format!("pawaPay made the statement, but {reason}")))
}

/// Writes what comes into a file without a name: the statement has the numbers of payers.
async fn write_down(mut opened: Opened) -> Result<(File, u64), NotFetched> {
    let on_disk = |error: std::io::Error| {
        refused(&format!("it cannot be kept in the folder for temporary files: {error}"))
    };
    let mut file = tempfile::tempfile().map_err(on_disk)?;
    let (mut waiting, mut received) = (Vec::with_capacity(WRITTEN_BYTES), 0_u64);
    loop {
        let chunk = match tokio::time::timeout(SILENCE, opened.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| NotFetched::BrokenOff(error.to_string()))?,
            Err(_) => {
                let reason = format!("its file brought nothing for {} s", SILENCE.as_secs());
                return Err(NotFetched::BrokenOff(reason));
            }
        };
        let is_end = chunk.is_none();
        let chunk = chunk.unwrap_or_default();
        received = received.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if received > FILE_MAX_BYTES {
            return Err(refused("its file has more than 1 GiB: ask for fewer days"));
        }
        waiting.extend_from_slice(&chunk);
        if is_end || waiting.len() >= WRITTEN_BYTES {
            file = write(file, std::mem::take(&mut waiting)).await.map_err(on_disk)?;
        }
        if is_end {
            return Ok((file, received));
        }
    }
}

async fn write(mut file: File, bytes: Vec<u8>) -> std::io::Result<File> {
    let written = tokio::task::spawn_blocking(move || file.write_all(&bytes).map(|()| file)).await;
    written.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_of_at_most_a_month_and_leave_nothing_out() {
        let day = |n: i64| ServerTime(seconds(1_780_000_000 + n * 86_400));
        assert_eq!(split(day(0), day(2)), [(day(0), day(2))]);
        assert_eq!(split(day(0), day(31)), [(day(0), day(31))]);
        assert_eq!(
            split(day(0), day(63)),
            [(day(0), day(31)), (day(31), day(62)), (day(62), day(63))]
        );
        assert_eq!(split(day(1), day(1)), []);
        assert_eq!(split(day(1), day(0)), []);
        // Whole seconds, with all that was asked for inside.
        let (from, to) = (day(0).plus(999_999), day(1).plus(1));
        assert_eq!(split(from, to), [(day(0), day(1).plus(seconds(1)))]);
        assert_eq!(split(from, from.plus(1)), [(day(0), day(0).plus(seconds(1)))]);
    }
}
