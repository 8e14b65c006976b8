//! Wallets: what a merchant and its parties have, and every entry behind it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{PartyId, WalletId};
use domain::kernel::money::Money;
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::ledger::account::{AccountKind, Bucket, Entry};
use domain::ledger::wallet::{OwnerType, Wallet, WalletStatus};
use domain::tariff::Tariff;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::describe::{DescribeResponse, OperationBuilder, op};
use crate::api::error::ApiError;
use crate::api::extract::{Ids, Query};
use crate::api::fields::{Code, Id, Month, Name, Schemas};
use crate::api::listing::{Exporting, Listing};
use crate::api::response::{Amount, JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::csv::{self, Csv, Table};
use crate::net::principal::Tenant;
use crate::payload;
use crate::web::{self, pdf};
use store::reads::entries::{EntryFilter, WalletEntry};
use store::reads::pages::{Page, PageOfRows};
use store::reads::wallets::WalletFilter;

/// The name of the file with the entries of a wallet.
pub const CSV: &str = "wallet-entries.csv";

payload! {
    /// The filter of wallets.
    pub struct ListWallets {
        /// Only wallets of this party. Without it those of the merchant and of all its parties.
        party_id: Option<Id>,
        /// `MERCHANT` for the merchant's own wallets, `PARTY` for those of its parties.
        owner_type: Option<OwnerType>,
        /// Only those in this currency.
        currency: Option<Currency>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }

    /// The page of entries.
    pub struct ListEntries {
        /// Only from this time on, by the clock of the server.
        from: Option<MerchantTime>,
        /// Only before this time.
        until: Option<MerchantTime>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }

    /// The filter of entries as CSV, which has no pages.
    pub struct ExportEntries {
        /// Only from this time on, by the clock of the server.
        from: Option<MerchantTime>,
        /// Only before this time.
        until: Option<MerchantTime>,
    }

    /// The month of a statement.
    pub struct StatementOf {
        /// A month in UTC that has begun: `2026-11`.
        month: Month,
    }
}

/// The entries from one time on and before another, as they are asked for.
#[must_use]
pub fn between(from: Option<MerchantTime>, until: Option<MerchantTime>) -> EntryFilter {
    let server_time = |MerchantTime(at)| ServerTime(at);
    EntryFilter { from: from.map(server_time), until: until.map(server_time) }
}

/// A wallet.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WalletAnswer")]
pub struct WalletResponse {
    id: i64,
    owner_type: Name<OwnerType>,
    owner_id: i64,
    currency: Code,
    available: Amount,
    held: Amount,
    /// What open collections will add to `available`.
    incoming: Amount,
    status: Name<WalletStatus>,
    created_at: Time,
    updated_at: Time,
}

impl From<Wallet> for WalletResponse {
    fn from(wallet: Wallet) -> Self {
        Self {
            id: wallet.id.0,
            owner_type: Name(wallet.owner_type),
            owner_id: wallet.owner_id,
            currency: Code(wallet.currency),
            available: Amount(wallet.available()),
            held: Amount(Money::new(wallet.held_minor, wallet.currency)),
            incoming: Amount(Money::new(wallet.incoming_minor, wallet.currency)),
            status: Name(wallet.status),
            created_at: Time::from(wallet.created_at),
            updated_at: Time::from(wallet.updated_at),
        }
    }
}

/// A ledger entry. Credits are above zero, debits below.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EntryAnswer")]
pub struct EntryResponse {
    id: i64,
    transaction_id: i64,
    payment_intent_id: Option<i64>,
    account_id: i64,
    /// The kind of the system account, or the wallet: `WALLET 12`.
    account: String,
    bucket: Name<Bucket>,
    amount: Amount,
    currency: Code,
    balance: Amount,
    created_at: Time,
}

impl EntryResponse {
    /// An entry, the kind of its account if that is a system account, and the time of its
    /// transaction.
    #[must_use]
    pub fn new(
        entry: &Entry,
        kind: Option<AccountKind>,
        created_at: ServerTime,
        tariff: &Tariff,
    ) -> Self {
        let wallet = || format!("WALLET {}", entry.account_id);
        let account = kind.map_or_else(wallet, |kind| account_name(kind, tariff));
        Self {
            account,
            id: entry.id.0,
            transaction_id: entry.transaction_id.0,
            payment_intent_id: entry.execution_id.map(|id| id.0),
            account_id: entry.account_id,
            bucket: Name(entry.bucket),
            amount: Amount(Money::new(entry.amount_minor, entry.currency)),
            currency: Code(entry.currency),
            balance: Amount(Money::new(entry.balance_minor, entry.currency)),
            created_at: Time::from(created_at),
        }
    }
}

/// The kind of a system account; clearing has the name of the network.
pub(crate) fn account_name(kind: AccountKind, tariff: &Tariff) -> String {
    match kind {
        AccountKind::Clearing(id) => match tariff.network_of(id) {
            Some(network) => format!("CLEARING_{network}"),
            None => "CLEARING".to_owned(),
        },
        AccountKind::FeePlatform => "FEE_PLATFORM".to_owned(),
        AccountKind::FeeGateway => "FEE_GATEWAY".to_owned(),
        AccountKind::FeeFx => "FEE_FX".to_owned(),
        AccountKind::Position => "POSITION".to_owned(),
        AccountKind::Suspense => "SUSPENSE".to_owned(),
        AccountKind::Funding => "FUNDING".to_owned(),
        AccountKind::Settlement(_) => "SETTLEMENT".to_owned(),
        AccountKind::Difference(_) => "DIFFERENCE".to_owned(),
    }
}

/// The columns of a wallet's entries as CSV.
pub const HEAD: &[&str] = &[
    "id",
    "created_at",
    "transaction_id",
    "payment_intent_id",
    "event_type",
    "operation_type",
    "bucket",
    "credit",
    "debit",
    "balance",
    "currency",
];

/// The cells of an entry. Credits and debits have columns of their own: a number with a sign would be
/// made a text, so that no spreadsheet computes what somebody typed.
#[must_use]
pub fn cells(row: &WalletEntry) -> Vec<String> {
    let WalletEntry { entry, created_at, kind, operation } = row;
    let money = |minor| Money::new(minor, entry.currency).to_string();
    let above_zero = |minor: i64| if minor > 0 { money(minor) } else { String::new() };
    vec![
        entry.id.to_string(),
        format!("{created_at:.6}"),
        entry.transaction_id.to_string(),
        entry.execution_id.map(|id| id.to_string()).unwrap_or_default(),
        kind.to_string(),
        operation.map(|operation| operation.to_string()).unwrap_or_default(),
        entry.bucket.to_string(),
        above_zero(entry.amount_minor),
        above_zero(entry.amount_minor.saturating_neg()),
        money(entry.balance_minor),
        entry.currency.to_string(),
    ]
}

/// The entries of a wallet, as an API key reads them.
struct OfKey {
    app: App,
    tenant: Tenant,
    wallet: Wallet,
    filter: EntryFilter,
}

impl Table for OfKey {
    type Row = WalletEntry;
    const HEAD: &'static [&'static str] = HEAD;

    async fn page(&self, page: Page) -> Result<PageOfRows<WalletEntry>, ApiError> {
        // The answer may take long.
        self.tenant.holds(&self.app).await?;
        let reads = self.tenant.reads(&self.app, Action::ReadWallets)?;
        Ok(reads.wallet_entries(&self.wallet, self.filter, page).await?)
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

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListWallets>,
) -> ListResult<WalletResponse> {
    let page = page(query.limit, query.after_id);
    let filter = WalletFilter {
        party: query.party_id.map(|id| PartyId(id.0)),
        owner: query.owner_type,
        currency: query.currency,
    };
    let found = listing.tenant.reads(&app, Action::ReadWallets)?.wallets(filter, page).await?;
    listing.respond(page, found, WalletResponse::from, |row| row.id)
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<WalletResponse> {
    let wallet = tenant
        .reads(&app, Action::ReadWallets)?
        .wallet(WalletId(id))
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(Json(wallet.into()))
}

async fn entries(
    State(app): State<App>,
    listing: Listing,
    Ids([id]): Ids<1>,
    Query(query): Query<ListEntries>,
) -> ListResult<EntryResponse> {
    let page = page(query.limit, query.after_id);
    let reads = listing.tenant.reads(&app, Action::ReadWallets)?;
    let wallet = reads.wallet(WalletId(id)).await?.ok_or(ApiError::NotFound)?;
    let filter = between(query.from, query.until);
    let found = reads.wallet_entries(&wallet, filter, page).await?;
    // Entries of a wallet name no network.
    let tariff = Tariff::default();
    listing.respond(
        page,
        found,
        |row| EntryResponse::new(&row.entry, None, row.created_at, &tariff),
        |row| row.id,
    )
}

async fn export(
    State(app): State<App>,
    Exporting(tenant, permit): Exporting,
    Ids([id]): Ids<1>,
    Query(query): Query<ExportEntries>,
) -> Result<Csv, ApiError> {
    let found = tenant.reads(&app, Action::ReadWallets)?.wallet(WalletId(id)).await?;
    let wallet = found.ok_or(ApiError::NotFound)?;
    let filter = between(query.from, query.until);
    csv::answer(OfKey { app, tenant, wallet, filter }, CSV, permit).await
}

/// A PDF.
pub struct Pdf(Response);

impl IntoResponse for Pdf {
    fn into_response(self) -> Response {
        self.0
    }
}

impl DescribeResponse for Pdf {
    fn describe(builder: &mut OperationBuilder, _: &mut Schemas) {
        builder.file_answer(pdf::MEDIA_TYPE);
    }
}

async fn statement(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
    Query(query): Query<StatementOf>,
) -> Result<Pdf, ApiError> {
    let reads = tenant.reads(&app, Action::ReadWallets)?;
    let wallet = reads.wallet(WalletId(id)).await?.ok_or(ApiError::NotFound)?;
    let permit = pdf::permit(&app, tenant.id()).await?;
    let of = (&tenant.merchant, &wallet);
    let document = web::statement::read(&reads, of, query.month, tenant.now).await?;
    let name = document.file.clone();
    Ok(Pdf(pdf::respond(permit, &name, move || pdf::statement(&document)).await?))
}

const STATEMENT: &str = "What the wallet had, what moved by kind, each entry by day, and what it has since. Months are in UTC. A month \
    with more than 2,000 entries is summed up without them: they are in the CSV.";

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get("/v1/wallets/list", list_all, op("list_wallets", "List wallets"))
        .get("/v1/wallets/retrieve/{id}", retrieve, op("retrieve_wallet", "Read a wallet"))
        .get(
            "/v1/wallets/{id}/entries",
            entries,
            op("list_wallet_entries", "List the ledger entries of a wallet"),
        )
        .get(
            "/v1/wallets/{id}/entries/export",
            export,
            op("export_wallet_entries", "Download the ledger entries of a wallet as CSV"),
        )
        .get(
            "/v1/wallets/{id}/statement",
            statement,
            op(
                "retrieve_wallet_statement",
                "Download the statement of a wallet for a month as PDF",
            )
            .details(STATEMENT),
        )
}
