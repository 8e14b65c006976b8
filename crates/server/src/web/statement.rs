//! The statement of a wallet for a month: what it had, what moved, and what it has since, to the last
//! minor unit of the ledger.

use std::collections::BTreeMap;

use domain::directory::merchant::Merchant;
use domain::kernel::money::Money;
use domain::kernel::names::Mode;
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::ledger::account::Bucket;
use domain::ledger::wallet::{OwnerType, Wallet};
use store::reads::entries::{EntryFilter, WalletBalances, WalletEntry};
use store::reads::pages::Page;
use store::reads::scope::MerchantReads;

use crate::api::error::ApiError;
use crate::api::fields::Month;
use crate::web::language::Language;
use crate::web::movements::Movement;
use crate::web::text::{Day, Zone, money};

/// The most entries that a statement lists. They take some megabytes while its PDF is made. What a
/// month with more moved is summed up all the same, and its entries are in the CSV.
pub const ENTRIES_MAX: usize = 2_000;
/// How many entries are read at once.
const ENTRIES_AT_ONCE: u32 = 1_000;
const ENGLISH: Language = Language::English;

/// What moved in one balance of a wallet.
#[derive(Default)]
struct Side {
    opening: i64,
    closing: Option<i64>,
    /// How many entries of each kind, and their sum.
    movements: BTreeMap<Movement, (u64, i64)>,
}

impl Side {
    /// Adds an entry; the newest comes first.
    fn add(&mut self, row: &WalletEntry, owner: OwnerType) {
        self.closing.get_or_insert(row.entry.balance_minor);
        let (count, sum) = self.movements.entry(Movement::of(row, owner)).or_default();
        *count = count.saturating_add(1);
        // One that does not fit is not exact any more, which is noticed below.
        *sum = sum.saturating_add(row.entry.amount_minor);
    }

    fn closing(&self) -> i64 {
        self.closing.unwrap_or(self.opening)
    }

    /// Whether the entries lead from what the balance was to what it is.
    fn is_exact(&self) -> bool {
        let moved: i128 = self.movements.values().map(|(_, sum)| i128::from(*sum)).sum();
        i128::from(self.opening) + moved == i128::from(self.closing())
    }
}

/// A line of a statement.
pub struct Line {
    pub name: String,
    pub detail: Option<String>,
    pub value: String,
    /// Whether it is a balance and no movement.
    pub is_balance: bool,
}

/// Lines under a heading.
pub struct Section {
    pub heading: String,
    pub lines: Vec<Line>,
}

/// What stands in the statement of a wallet.
pub struct StatementDocument {
    pub title: String,
    pub seller: String,
    /// Says that no real money moves, where none does.
    pub test_money: Option<&'static str>,
    /// What it is about, and what to know of it.
    pub notes: Vec<String>,
    /// The balances with what moved by kind.
    pub sums: Vec<Section>,
    /// The entries, day by day, oldest first.
    pub days: Vec<Section>,
    /// Says why there are no entries, where there are none.
    pub no_entries: Option<String>,
    /// The name of its file, without an ending.
    pub file: String,
}

/// Reads the statement of a wallet for a month that has begun.
///
/// # Errors
/// [`ApiError::NotFound`] for a month that has not begun, and what the reads fail with.
pub async fn read(
    reads: &MerchantReads<'_>,
    (merchant, wallet): (&Merchant, &Wallet),
    month: Month,
    now: ServerTime,
) -> Result<StatementDocument, ApiError> {
    if month.begin > now {
        return Err(ApiError::NotFound);
    }
    let WalletBalances { available_minor, held_minor } =
        reads.wallet_balances(wallet, month.begin).await?;
    let mut available = Side { opening: available_minor, ..Side::default() };
    let mut held = Side { opening: held_minor, ..Side::default() };
    let filter = EntryFilter { from: Some(month.begin), until: Some(month.end) };
    let mut page = Page { limit: ENTRIES_AT_ONCE, after_id: None };
    // Newest first; all of them while they are few enough.
    let mut listed: Vec<WalletEntry> = vec![];
    let mut count = 0usize;
    loop {
        let found = reads.wallet_entries(wallet, filter, page).await?;
        page.after_id = found.next_after(page.limit, |row| row.entry.id.0);
        for row in &found.rows {
            let side = match row.entry.bucket {
                Bucket::Held => &mut held,
                Bucket::Available | Bucket::System => &mut available,
            };
            side.add(row, wallet.owner_type);
        }
        count = count.saturating_add(found.rows.len());
        if count <= ENTRIES_MAX {
            listed.extend(found.rows);
        } else {
            listed = vec![];
        }
        if page.after_id.is_none() {
            break;
        }
    }
    if !available.is_exact() || !held.is_exact() {
        let what = format!("the entries of wallet {} do not sum to its balances", wallet.id);
        return Err(ApiError::internal(what));
    }
    listed.reverse();
    let parts = Parts { merchant, wallet, month, now };
    Ok(parts.document([available, held], &listed, count))
}

/// What a statement is made of.
struct Parts<'a> {
    merchant: &'a Merchant,
    wallet: &'a Wallet,
    month: Month,
    now: ServerTime,
}

impl Parts<'_> {
    fn document(
        &self,
        [available, held]: [Side; 2],
        entries: &[WalletEntry],
        count: usize,
    ) -> StatementDocument {
        let Self { merchant, wallet, month, now } = self;
        let title = format!("Statement of wallet {} for {}", wallet.id, month_words(*month));
        let owner = match wallet.owner_type {
            OwnerType::Merchant => format!("The wallet of {}", merchant.seller_name()),
            OwnerType::Party => format!("The wallet of customer {}", wallet.owner_id),
        };
        let mut notes = vec![
            format!("{owner} in {}. Days and times are in UTC.", wallet.currency),
            "What is held waits for payouts, transfers and refunds under way, and is not available."
                .to_owned(),
        ];
        if *now < month.end {
            let at = Zone::Utc.at(MerchantTime(now.0)).in_words(ENGLISH);
            notes.push(format!("The month is not over: this is how things stood on {at}."));
        }
        let day = |row: &WalletEntry| row.created_at.day_number();
        let days = entries.chunk_by(|a, b| day(a) == day(b)).map(|rows| Section {
            heading: rows.first().map(|row| day_words(row.created_at)).unwrap_or_default(),
            lines: rows.iter().map(|row| self.entry(row)).collect(),
        });
        StatementDocument {
            seller: merchant.seller_name(),
            test_money: (merchant.mode != Mode::Live).then_some(ENGLISH.texts().sandbox_band),
            notes,
            sums: vec![self.sums("Available", &available), self.sums("Held", &held)],
            days: days.collect(),
            no_entries: match count {
                0 => Some("Nothing moved in this month.".to_owned()),
                count if count > ENTRIES_MAX => Some(format!(
                    "The {count} entries of this month are too many for this document. They are in \
                     the CSV of the wallet."
                )),
                _ => None,
            },
            file: format!("statement-{}-{}", wallet.id, month_name(*month)),
            title,
        }
    }

    fn words(&self, minor: i64) -> String {
        money(Money::new(minor, self.wallet.currency), ENGLISH)
    }

    /// An amount with its sign. The font of PDFs has no other minus than the hyphen.
    fn change(&self, minor: i64) -> String {
        let sign = if minor > 0 { "+" } else { "" };
        format!("{sign}{}", self.words(minor))
    }

    fn sums(&self, name: &str, side: &Side) -> Section {
        let balance = |name: String, minor| Line {
            name,
            detail: None,
            value: self.words(minor),
            is_balance: true,
        };
        let mut lines = vec![balance("At the beginning".to_owned(), side.opening)];
        lines.extend(side.movements.iter().map(|(movement, (count, sum))| Line {
            name: movement.words_of_many().to_owned(),
            detail: Some(match count {
                1 => "1 entry".to_owned(),
                count => format!("{count} entries"),
            }),
            value: self.change(*sum),
            is_balance: false,
        }));
        let end = if self.now < self.month.end { "Now" } else { "At the end" };
        lines.push(balance(end.to_owned(), side.closing()));
        Section { heading: name.to_owned(), lines }
    }

    fn entry(&self, row: &WalletEntry) -> Line {
        let WalletEntry { entry, created_at, operation, .. } = row;
        let time = Zone::Utc.clock(MerchantTime(created_at.0)).in_words();
        let bucket = match entry.bucket {
            Bucket::Held => "held",
            Bucket::Available | Bucket::System => "available",
        };
        let payment = entry.execution_id.filter(|_| operation.is_some());
        let payment = payment.map(|id| format!(" Payment {id}.")).unwrap_or_default();
        let balance = self.words(entry.balance_minor);
        Line {
            name: Movement::of(row, self.wallet.owner_type).words().to_owned(),
            detail: Some(format!("{time}. Then {balance} {bucket}.{payment} Entry {}.", entry.id)),
            value: format!("{} {bucket}", self.change(entry.amount_minor)),
            is_balance: false,
        }
    }
}

fn day_words(ServerTime(at): ServerTime) -> String {
    Day(MerchantTime(at)).in_words(ENGLISH)
}

/// The month such as `November 2026`.
fn month_words(month: Month) -> String {
    let first = day_words(month.begin);
    first.split_once(' ').map_or_else(String::new, |(_, month)| month.to_owned())
}

/// The month as it is asked for.
fn month_name(month: Month) -> String {
    month.begin.to_string().chars().take(7).collect()
}

#[cfg(test)]
mod tests {
    use domain::decision::event::EventType;
    use domain::kernel::currency::Currency;
    use domain::kernel::ids::{EntryId, EventId, MerchantId, WalletId};
    use domain::kernel::time::seconds;
    use domain::ledger::account::Entry;

    use super::*;

    fn entry(amount: i64, balance: i64) -> WalletEntry {
        let entry = Entry {
            id: EntryId(2),
            merchant_id: MerchantId(1),
            transaction_id: EventId(1),
            execution_id: None,
            account_id: WalletId(1).0,
            bucket: Bucket::Available,
            amount_minor: amount,
            currency: Currency::USD,
            balance_minor: balance,
            previous_entry_id: None,
        };
        let created_at = ServerTime(0);
        WalletEntry { entry, created_at, kind: EventType::WalletFunded, operation: None }
    }

    /// A side with these entries, of which the newest comes first.
    fn side(opening: i64, entries: &[(i64, i64)]) -> Side {
        let mut side = Side { opening, ..Side::default() };
        let rows = entries.iter().map(|(amount, balance)| entry(*amount, *balance));
        rows.for_each(|row| side.add(&row, OwnerType::Merchant));
        side
    }

    #[test]
    fn entries_that_do_not_lead_from_one_balance_to_the_other_are_noticed() {
        let good = side(100, &[(-30, 75), (5, 105)]);
        assert!(good.is_exact());
        assert_eq!(good.closing(), 75);
        assert_eq!(good.movements.get(&Movement::FundsAdded), Some(&(2, -25)));
        assert!(side(100, &[]).is_exact());
        assert_eq!(side(100, &[]).closing(), 100);
        for (opening, entries) in
            [(99, &[(-30, 75), (5, 105)][..]), (100, &[(-30, 75)]), (100, &[(-30, 76), (5, 105)])]
        {
            assert!(!side(opening, entries).is_exact(), "{opening} {entries:?}");
        }
    }

    #[test]
    fn a_month_is_named_and_ends_where_the_next_begins() {
        for (text, words, next) in [
            ("2026-11", "November 2026", "2026-12"),
            ("2026-12", "December 2026", "2027-01"),
            ("2028-02", "February 2028", "2028-03"),
        ] {
            let month = Month::parse(text).unwrap();
            assert_eq!((month_words(month).as_str(), month_name(month).as_str()), (words, text));
            assert_eq!(month.end, Month::parse(next).unwrap().begin);
        }
        // Every month that the document of the API allows.
        for text in ["1970-01", "2999-12"] {
            let month = Month::parse(text).unwrap();
            assert_eq!(month.end.since(month.begin), seconds(31 * 86_400), "{text}");
        }
        for text in ["1969-12", "3000-01", "2026-13", "2026-00", "2026-1", "+026-11", "2026-11-01"]
        {
            assert_eq!(Month::parse(text), None, "{text}");
        }
    }
}
