//! Reading, for routes that change nothing. A read sees what was committed before it began.

use domain::account::PaymentAccount;
use domain::currency::Currency;
use domain::event::Event;
use domain::execution::Execution;
use domain::ids::{ApiKeyId, CounterpartyId, ExecutionId, MerchantId, PartyId, SessionId, SourceId, WalletId};
use domain::ledger::Entry;
use domain::merchant::{ApiKey, Merchant};
use domain::names::Operation;
use domain::party::{Counterparty, Party, Relationship};
use domain::session::{Session, SessionKind};
use domain::source::{Item, Source, SourceStatus, SourceType};
use domain::wallet::Wallet;

use super::StoreError;

/// Which part of a list: rows are ordered by creation time and id, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// At most so many rows, 1 to 1000.
    pub limit: u32,
    /// Continue after the row of this id.
    pub after_id: Option<i64>,
}

/// Filters of a list of invoices or orders.
#[derive(Clone, Copy, Default, Debug)]
pub struct SourceFilter {
    /// Only in this currency.
    pub currency: Option<Currency>,
    /// Only in this state.
    pub status: Option<SourceStatus>,
}

/// A reader. Cheap to clone.
#[derive(Clone)]
pub struct Queries {}

macro_rules! signatures { ($($(#[$d:meta])* fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
    impl Queries { $($(#[$d])*
        /// # Errors
        /// [`StoreError`].
        pub async fn $name(&self, $($arg: $ty),*) -> Result<$ret, StoreError> { $(let _ = $arg;)* Err(rusqlite::Error::QueryReturnedNoRows.into()) })* }
}}
signatures! {
    /// The API key of that client id.
    fn api_key(client_id: &str) -> Option<ApiKey>;
    /// The API key of that id with its merchant: one read a request.
    fn tenant(id: ApiKeyId) -> Option<(ApiKey, Merchant)>;
    /// A merchant.
    fn merchant(id: MerchantId) -> Option<Merchant>;
    /// This merchant's party.
    fn party(merchant: MerchantId, id: PartyId) -> Option<Party>;
    /// This merchant's parties whose name contains `fullname`, whatever the case.
    fn parties(merchant: MerchantId, fullname: Option<&str>, page: Page) -> Vec<Party>;
    /// This merchant's counterparty with its party.
    fn counterparty(merchant: MerchantId, id: CounterpartyId) -> Option<(Counterparty, Option<Party>)>;
    /// This merchant's counterparties, with their parties.
    fn counterparties(merchant: MerchantId, fullname: Option<&str>, relationship: Option<Relationship>, page: Page) -> Vec<(Counterparty, Option<Party>)>;
    /// This merchant's payment account.
    fn payment_account(merchant: MerchantId, id: i64) -> Option<PaymentAccount>;
    /// This merchant's invoice or order.
    fn source(merchant: MerchantId, kind: SourceType, id: SourceId) -> Option<Source>;
    /// The same by its number.
    fn source_by_number(merchant: MerchantId, kind: SourceType, number: &str) -> Option<Source>;
    /// This merchant's invoices or orders.
    fn sources(merchant: MerchantId, kind: SourceType, filter: SourceFilter, page: Page) -> Vec<Source>;
    /// The items of a source, without those taken out, oldest first.
    fn items(source: SourceId) -> Vec<Item>;
    /// The completed collection of a source.
    fn collection_of(source: SourceId) -> Option<Execution>;
    /// This merchant's session of that kind.
    fn session(merchant: MerchantId, kind: SessionKind, id: SessionId) -> Option<Session>;
    /// This merchant's sessions of that kind.
    fn sessions(merchant: MerchantId, kind: SessionKind, page: Page) -> Vec<Session>;
    /// This merchant's execution of that operation under that reference.
    fn execution_by_reference(merchant: MerchantId, operation: Operation, reference: &str) -> Option<Execution>;
    /// This merchant's execution.
    fn execution(merchant: MerchantId, id: ExecutionId) -> Option<Execution>;
    /// This merchant's executions.
    fn executions(merchant: MerchantId, page: Page) -> Vec<Execution>;
    /// The events of a session, execution or source, oldest first.
    fn events_of(merchant: MerchantId, subject_id: i64) -> Vec<Event>;
    /// The entries of a transaction.
    fn entries_of(merchant: MerchantId, transaction: domain::ids::EventId) -> Vec<Entry>;
    /// This merchant's wallet, its own or a party's.
    fn wallet(merchant: MerchantId, id: WalletId) -> Option<Wallet>;
    /// This merchant's wallets, or those of one of its parties.
    fn wallets(merchant: MerchantId, party: Option<PartyId>, page: Page) -> Vec<Wallet>;
    /// A wallet's entries, newest first.
    fn wallet_entries(wallet: &Wallet, page: Page) -> Vec<Entry>;
}
