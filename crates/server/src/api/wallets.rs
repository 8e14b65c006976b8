//! Wallets: what a merchant and its parties have, and every entry behind it.

use axum::Json;
use axum::extract::State;
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{PartyId, WalletId};
use domain::kernel::money::Money;
use domain::kernel::time::ServerTime;
use domain::ledger::account::{AccountKind, Bucket, Entry};
use domain::ledger::wallet::{OwnerType, Wallet, WalletStatus};
use domain::tariff::Tariff;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::{Ids, Query};
use crate::api::fields::{Code, Id, Name};
use crate::api::listing::Listing;
use crate::api::response::{Amount, JsonResult, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::principal::Tenant;
use crate::payload;
use store::reads::wallets::WalletFilter;

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
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
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
    let found = reads.wallet_entries(&wallet, page).await?;
    // Entries of a wallet name no network.
    let tariff = Tariff::default();
    listing.respond(
        page,
        found,
        |(entry, created_at)| EntryResponse::new(&entry, None, created_at, &tariff),
        |row| row.id,
    )
}

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
}
