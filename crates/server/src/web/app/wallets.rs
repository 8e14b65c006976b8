//! `/app/wallets/{merchant}`: the wallets of a merchant, and below it the entries of each.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::directory::roles::Action;
use domain::kernel::ids::{ExecutionId, MerchantId, PartyId, WalletId};
use domain::kernel::money::Money;
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::ledger::account::Bucket;
use domain::ledger::wallet::{Owner, OwnerType, Wallet, WalletStatus};
use store::reads::entries::{EntryFilter, WalletEntry};
use store::reads::pages::{Page, PageOfRows};
use store::reads::wallets::WalletFilter;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::fields::Month;
use crate::api::routes::Routes;
use crate::api::wallets::{CSV, HEAD, between, cells};
use crate::app::App;
use crate::engine::Failure;
use crate::net::csv::{self, Table};
use crate::net::limits::CountPageRequest;
use crate::web::app::customers;
use crate::web::app::filter::{self, FromQuery, Query, read};
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::navigation::Screen;
use crate::web::app::payment_words;
use crate::web::app::payments::path as payments_path;
use crate::web::app::payouts;
use crate::web::app::person::{AtMerchant, LoggedIn};
use crate::web::language::{Language, Visitor};
use crate::web::movements::Movement;
use crate::web::pdf;
use crate::web::statement;
use crate::web::text::{Day, Zone};

/// How many rows stand on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "app/wallets.html")]
struct WalletsTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    own: Vec<WalletLine>,
    of_customers: Vec<WalletLine>,
    older: Option<String>,
    fault: Fault,
}

/// A wallet, as pages show it.
pub struct WalletLine {
    pub path: String,
    pub id: i64,
    /// Nothing for a wallet of the merchant's own.
    pub customer: Option<WalletOwner>,
    pub available: String,
    pub held: String,
    /// What payments under way will add; nothing where there are none.
    pub incoming: Option<String>,
    pub state: &'static str,
    pub is_active: bool,
}

/// The customer who has a wallet.
pub struct WalletOwner {
    pub path: String,
    pub name: String,
}

/// Who has the wallets that are no merchant's own, by the names that whoever looks may see.
pub struct Owners {
    merchant: i64,
    parties: HashMap<PartyId, String>,
}

impl Owners {
    pub async fn read(at: &AtMerchant<'_>, wallets: &[Wallet]) -> Result<Self, ApiError> {
        let parties = at.reads.parties_of_ids(wallets.iter().filter_map(party_of)).await?;
        let parties = parties.into_iter().map(|party| (party.id, party.fullname)).collect();
        Ok(Self { merchant: at.merchant.id.0, parties })
    }

    pub fn of(&self, wallet: &Wallet) -> Option<WalletOwner> {
        let id = party_of(wallet)?;
        let name = self.parties.get(&id).cloned();
        Some(WalletOwner {
            path: customers::path_of(self.merchant, id),
            name: name.unwrap_or_else(|| format!("customer {id}")),
        })
    }
}

const fn party_of(wallet: &Wallet) -> Option<PartyId> {
    match wallet.owner() {
        Owner::Party(id) => Some(id),
        Owner::Merchant(_) => None,
    }
}

impl WalletLine {
    fn new(merchant: i64, wallet: &Wallet, owners: &Owners) -> Self {
        let money = |minor| payment_words::amount(Money::new(minor, wallet.currency));
        Self {
            path: wallet_path(merchant, wallet.id),
            id: wallet.id.0,
            customer: owners.of(wallet),
            available: money(wallet.available_minor),
            held: money(wallet.held_minor),
            incoming: (wallet.incoming_minor > 0).then(|| money(wallet.incoming_minor)),
            state: state(wallet.status),
            is_active: wallet.status.allows_debit(),
        }
    }
}

/// The state of a wallet, with what it means.
const fn state(status: WalletStatus) -> &'static str {
    match status {
        WalletStatus::Active => "active",
        WalletStatus::Restricted => "restricted: money comes in only",
        WalletStatus::Frozen => "frozen: nothing new moves",
        WalletStatus::Closed => "closed",
    }
}

pub fn path(merchant: i64) -> String {
    format!("/app/wallets/{merchant}")
}

pub fn wallet_path(merchant: i64, id: WalletId) -> String {
    format!("{}/{id}", path(merchant))
}

async fn list(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let at = match me.at_merchant(&app, merchant, Action::ReadWallets).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path(merchant)),
    };
    let mut fault = Fault::default();
    let after_id = filter::place(&asked.after, &mut fault);
    let of = |owner| WalletFilter { owner: Some(owner), ..WalletFilter::default() };
    // One for each currency.
    let all = Page { limit: 1_000, after_id: None };
    let mut own = at.reads.wallets(of(OwnerType::Merchant), all).await?.rows;
    own.sort_by(|a, b| a.currency.code().cmp(b.currency.code()));
    let page = Page { limit: PAGE, after_id };
    let found = at.reads.wallets(of(OwnerType::Party), page).await?;
    let older = found.next_after(PAGE, |wallet| wallet.id.0);
    let owners = Owners::read(&at, &found.rows).await?;
    let line = |wallet: &Wallet| WalletLine::new(merchant, wallet, &owners);
    let frame = me.frame(visitor, &format!("Wallets of {}", at.merchant.name));
    let frame = frame.of(&at, Screen::Wallets);
    let template = WalletsTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        own: own.iter().map(line).collect(),
        of_customers: found.rows.iter().map(line).collect(),
        older: older.map(|id| format!("{}?after={id}", path(merchant))),
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

#[derive(Template)]
#[template(path = "app/wallet.html")]
struct WalletTemplate<'a> {
    app: &'a AppFrame,
    wallet: WalletLine,
    days: Vec<DayOfEntries>,
    asked: &'a Asked,
    csv: String,
    /// Where a payout begins, for whoever may make one.
    pay: Option<String>,
    older: Option<String>,
    /// The month of a statement: the one that was typed, or this one.
    month: String,
    fault: Fault,
}

/// The entries of a day.
struct DayOfEntries {
    /// The day in UTC.
    words: String,
    entries: Vec<EntryLine>,
}

struct EntryLine {
    id: i64,
    words: &'static str,
    /// The page of the payment, if it is the merchant's own.
    payment: Option<String>,
    number: i64,
    bucket: &'static str,
    amount: String,
    balance: String,
    time: String,
    machine: String,
}

impl EntryLine {
    fn new(merchant: i64, owner: OwnerType, row: &WalletEntry) -> Self {
        let WalletEntry { entry, created_at: ServerTime(at), operation, .. } = row;
        let money = |minor| Money::new(minor, entry.currency);
        let payment = entry.execution_id.filter(|_| operation.is_some());
        Self {
            id: entry.id.0,
            words: Movement::of(row, owner).words(),
            payment: payment.map(|id| payment_path(merchant, id)),
            number: payment.map_or(0, |id| id.0),
            bucket: match entry.bucket {
                Bucket::Held => "held",
                Bucket::Available | Bucket::System => "available",
            },
            amount: payment_words::change(money(entry.amount_minor)),
            balance: payment_words::amount(money(entry.balance_minor)),
            time: Zone::Utc.clock(MerchantTime(*at)).in_words(),
            machine: ServerTime(*at).to_string(),
        }
    }
}

fn payment_path(merchant: i64, id: ExecutionId) -> String {
    format!("{}/{id}", payments_path(merchant))
}

/// Entries by the day of their transactions. Where clocks differ a day may come twice: the order of the
/// entries is that of their balances.
fn by_day(merchant: i64, owner: OwnerType, rows: &[WalletEntry]) -> Vec<DayOfEntries> {
    let day = |row: &WalletEntry| row.created_at.day_number();
    let days = rows.chunk_by(|a, b| day(a) == day(b)).map(|rows| DayOfEntries {
        words: rows.first().map(|row| day_words(row.created_at)).unwrap_or_default(),
        entries: rows.iter().map(|row| EntryLine::new(merchant, owner, row)).collect(),
    });
    days.collect()
}

fn day_words(ServerTime(at): ServerTime) -> String {
    Day(MerchantTime(at)).in_words(Language::English)
}

/// The filter as it was typed, with the place in the list.
#[derive(Default)]
struct Asked {
    from: String,
    until: String,
    after: String,
    month: String,
}

impl FromQuery for Asked {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "from" => &mut self.from,
            "until" => &mut self.until,
            "after" => &mut self.after,
            "month" => &mut self.month,
            _ => return None,
        })
    }
}

impl Asked {
    fn filter(&self) -> Result<EntryFilter, Fault> {
        let day = "Give a day as 2026-11-29, or a time as 2026-11-29T18:00:00Z.";
        let from = read(&self.from, MerchantTime::parse, ("from", day))?;
        let until = read(&self.until, MerchantTime::parse, ("until", day))?;
        Ok(between(from, until))
    }

    /// Whether anything narrows the list.
    fn narrows(&self) -> bool {
        !self.from.is_empty() || !self.until.is_empty()
    }

    /// The query with this filter, and perhaps with another place in the list.
    fn query(&self, after: Option<i64>) -> String {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        filter::query(&[("from", &self.from), ("until", &self.until), ("after", &after)])
    }
}

/// A wallet of the merchant, for whoever may read wallets.
async fn find<'a>(
    app: &'a App,
    me: &LoggedIn,
    (merchant, id): (i64, i64),
) -> Result<(AtMerchant<'a>, Wallet), Result<Failure, ApiError>> {
    let at = me.at_merchant(app, merchant, Action::ReadWallets).await.map_err(Ok)?;
    let found = at.reads.wallet(WalletId(id)).await.map_err(|error| Err(error.into()))?;
    Ok((at, found.ok_or(Err(ApiError::NotFound))?))
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let (filter, mut fault) = match asked.filter() {
        Ok(filter) => (filter, Fault::default()),
        Err(fault) => (EntryFilter::default(), fault),
    };
    let after_id = filter::place(&asked.after, &mut fault);
    let path = wallet_path(merchant, WalletId(id));
    let (at, wallet) = match find(&app, &me, (merchant, id)).await {
        Ok(found) => found,
        Err(why) => return me.not_permitted(why?, visitor, &path),
    };
    let page = Page { limit: PAGE, after_id };
    render(&at, (&me, visitor), &wallet, &asked, (filter, page), fault).await
}

async fn render(
    at: &AtMerchant<'_>,
    (me, visitor): (&LoggedIn, Visitor),
    wallet: &Wallet,
    asked: &Asked,
    (filter, page): (EntryFilter, Page),
    fault: Fault,
) -> Result<Response, ApiError> {
    let merchant = at.merchant.id.0;
    let path = wallet_path(merchant, wallet.id);
    let found = at.reads.wallet_entries(wallet, filter, page).await?;
    let older = found.next_after(PAGE, |row| row.entry.id.0);
    let owners = Owners::read(at, std::slice::from_ref(wallet)).await?;
    let frame = me.frame(visitor, &format!("Wallet {}", wallet.id));
    let frame = frame.at(&path).of(at, Screen::Wallets);
    let template = WalletTemplate {
        app: &frame,
        wallet: WalletLine::new(merchant, wallet, &owners),
        days: by_day(merchant, wallet.owner_type, &found.rows),
        csv: format!("{path}/csv{}", asked.query(None)),
        pay: (at.rights.role.may(Action::PayOut))
            .then(|| format!("{}/new", payouts::path(merchant))),
        older: older.map(|id| format!("{path}{}", asked.query(Some(id)))),
        month: match asked.month.as_str() {
            "" => me.now.to_string().chars().take(7).collect(),
            typed => typed.to_owned(),
        },
        asked,
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

/// The entries of a wallet as somebody reads them as CSV.
struct OfPerson {
    app: App,
    me: LoggedIn,
    merchant: i64,
    wallet: Wallet,
    filter: EntryFilter,
}

impl Table for OfPerson {
    type Row = WalletEntry;
    const HEAD: &'static [&'static str] = HEAD;

    async fn page(&self, page: Page) -> Result<PageOfRows<WalletEntry>, ApiError> {
        let at = self.me.at_merchant(&self.app, self.merchant, Action::ReadWallets).await;
        let at = at.map_err(frame::without_page)?;
        Ok(at.reads.wallet_entries(&self.wallet, self.filter, page).await?)
    }

    fn app(&self) -> &App {
        &self.app
    }

    fn id(row: &WalletEntry) -> i64 {
        row.entry.id.0
    }

    async fn cells(&self, rows: Vec<WalletEntry>) -> Result<Vec<Vec<String>>, ApiError> {
        Ok(rows.iter().map(cells).collect())
    }
}

/// The statement of a wallet for a month as PDF.
async fn monthly(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let (at, wallet) = match find(&app, &me, (merchant, id)).await {
        Ok(found) => found,
        Err(why) => {
            return me.not_permitted(why?, visitor, &wallet_path(merchant, WalletId(id)));
        }
    };
    let month = Month::parse(&asked.month).filter(|month| month.begin <= me.now);
    let Some(month) = month else {
        let fault = Fault::of_field("month", "Give a month that has begun, such as 2026-11.");
        let all = (EntryFilter::default(), Page { limit: PAGE, after_id: None });
        return render(&at, (&me, visitor), &wallet, &asked, all, fault).await;
    };
    let permit = pdf::permit(&app, MerchantId(merchant)).await?;
    let document = statement::read(&at.reads, (&at.merchant, &wallet), month, me.now).await?;
    let name = document.file.clone();
    pdf::respond(permit, &name, move || pdf::statement(&document)).await
}

async fn export(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    // Before a permit is taken: who may not read takes none of the merchant's.
    let (at, wallet) = match find(&app, &me, (merchant, id)).await {
        Ok(found) => found,
        Err(why) => return Err(why.map_or_else(|error| error, frame::without_page)),
    };
    let filter = match asked.filter() {
        Ok(filter) => filter,
        // The list says what is wrong.
        Err(fault) => {
            let all = (EntryFilter::default(), Page { limit: PAGE, after_id: None });
            return render(&at, (&me, visitor), &wallet, &asked, all, fault).await;
        }
    };
    drop(at);
    let permit = app.lists.acquire(MerchantId(merchant)).await.ok_or(ApiError::TooManyLists)?;
    let of = OfPerson { app, me, merchant, wallet, filter };
    Ok(csv::answer(of, CSV, permit).await?.into_response())
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/wallets/{merchant}", list)
        .page("/app/wallets/{merchant}/{id}", show)
        .page("/app/wallets/{merchant}/{id}/csv", export)
        .page("/app/wallets/{merchant}/{id}/statement", monthly)
}
