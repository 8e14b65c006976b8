//! What a decision knows and what it changes: the rows that were loaded for a batch of commands.
//!
//! Reading a row that is not loaded stops the decision with [`Stop::NotLoaded`]; the engine loads
//! it and decides again from the start. Absence is knowledge too. A command's changes are a draft
//! until it is accepted; a refused one leaves none.

use crate::decision::event::Event;
use crate::decision::row::{Lookup, LookupOf, Row};
use crate::kernel::checked::Inconsistent;
use crate::kernel::refusal::Refusal;
use crate::ledger::account::Entry;
use crate::tariff::tariff::Tariff;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Why a decision stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// A row is not loaded.
    NotLoaded(RowKey),
    /// The command is refused, for all of these reasons.
    Refused(Vec<Refusal>),
    /// Rows contradict each other, or a sum does not fit where it must: a fault of ours, never of
    /// the caller.
    Inconsistent(String),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

impl From<Inconsistent> for Stop {
    fn from(Inconsistent(what): Inconsistent) -> Self {
        Self::Inconsistent(what)
    }
}

impl From<Vec<Refusal>> for Stop {
    fn from(refusals: Vec<Refusal>) -> Self {
        Self::Refused(refusals)
    }
}

/// A row, or the id of a alt_key: as it was stored, and as it is after the batch's commands so far.
#[derive(Debug)]
struct Versions<T> {
    stored: Option<T>,
    current: Option<T>,
}

impl<T: Clone> Versions<T> {
    fn loaded(stored: Option<T>) -> Self {
        Self { current: stored.clone(), stored }
    }
}

/// The loaded rows of one type.
#[derive(Debug)]
pub struct Table<R: Row> {
    rows: HashMap<R::Id, Versions<Arc<R>>>,
    alt_keys: HashMap<R::AltKey, Versions<R::Id>>,
    draft: Vec<Arc<R>>,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { rows: HashMap::new(), alt_keys: HashMap::new(), draft: Vec::new() }
    }
}

/// What must be written for one row.
#[derive(Debug)]
pub enum RowChange<'a, R> {
    /// A row that was not there.
    Insert(&'a R),
    /// A row that was there, and differs.
    Update(&'a R),
}

impl<R: Loaded> Table<R> {
    fn get(&self, id: R::Id) -> Result<Option<Arc<R>>, Stop> {
        if let Some(row) = self.draft.iter().find(|row| row.id() == id) {
            return Ok(Some(Arc::clone(row)));
        }
        self.rows
            .get(&id)
            .map(|versions| versions.current.clone())
            .ok_or_else(|| Stop::NotLoaded(R::key(Lookup::Id(id))))
    }

    fn find(&self, alt_key: &R::AltKey) -> Result<Option<Arc<R>>, Stop> {
        if let Some(row) = self.draft.iter().find(|row| row.alt_key().as_ref() == Some(alt_key)) {
            return Ok(Some(Arc::clone(row)));
        }
        let known = self
            .alt_keys
            .get(alt_key)
            .ok_or_else(|| Stop::NotLoaded(R::key(Lookup::AltKey(alt_key.clone()))))?;
        known.current.map_or(Ok(None), |id| self.get(id))
    }

    fn put(&mut self, row: R) {
        let row = Arc::new(row);
        match self.draft.iter_mut().find(|other| other.id() == row.id()) {
            Some(other) => *other = row,
            None => self.draft.push(row),
        }
    }

    fn accept_draft(&mut self) {
        for row in self.draft.drain(..) {
            let id = row.id();
            if let Some(alt_key) = row.alt_key() {
                self.alt_keys.entry(alt_key).or_insert(Versions::loaded(None)).current = Some(id);
            }
            self.rows.entry(id).or_insert(Versions::loaded(None)).current = Some(row);
        }
    }

    /// Whether the lookup was loaded, be it as absent.
    #[must_use]
    pub fn is_loaded(&self, lookup: &LookupOf<R>) -> bool {
        match lookup {
            Lookup::Id(id) => self.rows.contains_key(id),
            Lookup::AltKey(alt_key) => self.alt_keys.contains_key(alt_key),
        }
    }

    /// Takes in what the store found for a lookup. A row that is known already stays as it is: it
    /// may have been changed.
    pub fn load(&mut self, lookup: LookupOf<R>, found: Option<R>) {
        let id = found.as_ref().map(Row::id);
        match lookup {
            Lookup::AltKey(alt_key) => {
                self.alt_keys.insert(alt_key, Versions::loaded(id));
            }
            Lookup::Id(absent) if id.is_none() => {
                self.rows.entry(absent).or_insert(Versions::loaded(None));
            }
            Lookup::Id(_) => {
                if let Some(alt_key) = found.as_ref().and_then(Row::alt_key) {
                    self.alt_keys.entry(alt_key).or_insert(Versions::loaded(id));
                }
            }
        }
        if let (Some(id), Some(row)) = (id, found.map(Arc::new)) {
            self.rows.entry(id).or_insert_with(|| Versions::loaded(Some(row)));
        }
    }

    /// The rows that were found in the store.
    pub fn stored_ids(&self) -> impl Iterator<Item = R::Id> + '_ {
        self.rows.iter().filter(|(_, versions)| versions.stored.is_some()).map(|(id, _)| *id)
    }

    /// Takes in a row that was locked, or looked at again. Answers whether it is as it was loaded;
    /// if not, what was decided on it must be decided again, after [`Workspace::restart`].
    pub fn confirm(&mut self, locked: R) -> bool {
        let versions = self.rows.entry(locked.id()).or_insert(Versions::loaded(None));
        let same = versions.stored.as_deref() == Some(&locked);
        if !same {
            *versions = Versions::loaded(Some(Arc::new(locked)));
        }
        same
    }

    /// Forgets all that is read again. Nothing is changed when this is called.
    fn forget_unlocked(&mut self) {
        if R::REREAD_ON_CONFLICT {
            self.rows.clear();
            self.alt_keys.clear();
        }
    }

    /// Forgets what the commands so far changed; what was loaded stays.
    fn reset_to_loaded(&mut self) {
        self.draft.clear();
        self.rows.values_mut().for_each(|versions| versions.current.clone_from(&versions.stored));
        self.alt_keys.values_mut().for_each(|versions| versions.current = versions.stored);
    }

    /// What differs from the store, in the order of the primary key.
    #[must_use]
    pub fn changes(&self) -> Vec<RowChange<'_, R>> {
        let mut changes: Vec<_> = self
            .rows
            .iter()
            .filter_map(|(id, versions)| match (&versions.stored, &versions.current) {
                (None, Some(row)) => Some((id, RowChange::Insert(&**row))),
                (Some(old), Some(row)) if !Arc::ptr_eq(old, row) && old != row => {
                    Some((id, RowChange::Update(&**row)))
                }
                _ => None,
            })
            .collect();
        changes.sort_unstable_by_key(|(id, _)| **id);
        changes.into_iter().map(|(_, change)| change).collect()
    }
}

/// The one list of tables: calls a macro with the field of [`Tables`], the variant of [`RowKey`]
/// and the row type of each. Every transaction locks in this order. What commands are about comes
/// first, since it is locked before anything is read, and has no foreign keys; of the rest a row
/// comes after those it points at.
#[macro_export]
macro_rules! each_table {
    ($macro:ident) => {
        $macro! {
            sessions: Session = $crate::payments::session::Session,
            /// Executions, by merchant and reference too.
            executions: Execution = $crate::payments::execution::Execution,
            /// Keys that sign access tokens.
            signing_keys: SigningKey = $crate::directory::signing_key::SigningKey,
            /// Merchants, by phone within their mode too.
            merchants: Merchant = $crate::directory::merchant::Merchant,
            /// API keys, by client id too.
            api_keys: ApiKey = $crate::directory::merchant::ApiKey,
            /// Passcodes, by their merchant.
            passcodes: Passcode = $crate::directory::passcode::Passcode,
            /// Parties, by merchant and phone too: the one that is found by it.
            parties: Party = $crate::directory::party::Party,
            counterparties: Counterparty = $crate::directory::party::Counterparty,
            payment_accounts: PaymentAccount = $crate::directory::payment_account::PaymentAccount,
            /// Counters of invoice and order numbers.
            counters: Counter = $crate::sales::source::Counter,
            /// Invoices and orders.
            sources: Source = $crate::sales::source::Source,
            items: Item = $crate::sales::source::Item,
            /// Pages of invoices and orders, by those too.
            checkout_configs: CheckoutConfig = $crate::sales::checkout::CheckoutConfig,
            /// Reviews, by execution and kind too.
            reviews: Review = $crate::exceptions::review::Review,
            /// Wallets, by owner and currency too.
            wallets: Wallet = $crate::ledger::wallet::Wallet,
            /// Sandbox money that was given under a key, by that too.
            fundings: Funding = $crate::ledger::funding::Funding,
            /// System accounts, by merchant, kind and currency too.
            accounts: Account = $crate::ledger::account::Account,
        }
    };
}

macro_rules! rows {
    ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
        /// Where a row is to be found.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum RowKey { $($(#[$doc])* $variant(LookupOf<$row>)),+ }

        /// The tables of a [`Workspace`].
        #[derive(Default, Debug)]
        pub struct Tables { $($(#[$doc])* pub $field: Table<$row>),+ }

        impl Tables {
            fn accept_draft(&mut self) { $(self.$field.accept_draft();)+ }
            fn discard_draft(&mut self) { $(self.$field.draft.clear();)+ }
            fn reset_to_loaded(&mut self) { $(self.$field.reset_to_loaded();)+ }
            fn forget_unlocked(&mut self) { $(self.$field.forget_unlocked();)+ }

            /// Whether the key was loaded, be it as absent.
            #[must_use]
            pub fn is_loaded(&self, key: &RowKey) -> bool {
                match key { $(RowKey::$variant(lookup) => self.$field.is_loaded(lookup)),+ }
            }
        }

        $(impl Loaded for $row {
            fn key(lookup: LookupOf<Self>) -> RowKey { RowKey::$variant(lookup) }
            fn table(work: &Workspace) -> &Table<Self> { &work.tables.$field }
            fn table_mut(work: &mut Workspace) -> &mut Table<Self> { &mut work.tables.$field }
        })+
    };
}

each_table!(rows);

/// Where the rows of a type are accepted; the list of tables above writes it.
pub trait Loaded: Row {
    /// The key to load by.
    fn key(lookup: LookupOf<Self>) -> RowKey;
    /// This type's table.
    fn table(work: &Workspace) -> &Table<Self>;
    /// This type's table, to change.
    fn table_mut(work: &mut Workspace) -> &mut Table<Self>;
}

/// Ids that this process has reserved and not used yet: `next..end`.
///
/// The ids that one command takes are contiguous, and fewer than [`IDS_PER_COMMAND`]: the engine
/// reserves a new block when fewer are left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdBlock {
    pub next: i64,
    /// The first that is not ours.
    pub end: i64,
}

/// The most ids that one command takes.
pub const IDS_PER_COMMAND: i64 = 64;

/// The rows of one batch of commands, and what its commands changed.
#[derive(Debug)]
pub struct Workspace {
    pub tables: Tables,
    /// Fees, rates and markets.
    pub tariff: Arc<Tariff>,
    /// The UUID drawn when the database was made.
    pub installation: [u8; 16],
    /// Ids for new rows.
    pub ids: IdBlock,
    /// New events.
    pub events: Vec<Event>,
    /// New ledger entries.
    pub entries: Vec<Entry>,
    first_id: i64,
    accepted: Watermark,
}

#[derive(Clone, Copy, Debug)]
struct Watermark {
    next_id: i64,
    events: usize,
    entries: usize,
}

impl Watermark {
    const fn at(next_id: i64) -> Self {
        Self { next_id, events: 0, entries: 0 }
    }
}

impl Workspace {
    /// An empty workspace.
    #[must_use]
    pub fn new(tariff: Arc<Tariff>, installation: [u8; 16], ids: IdBlock) -> Self {
        let accepted = Watermark::at(ids.next);
        Self {
            first_id: ids.next,
            tables: Tables::default(),
            tariff,
            installation,
            ids,
            events: vec![],
            entries: vec![],
            accepted,
        }
    }

    /// The row of that id; `None` when there is none.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`] when it is not loaded.
    pub fn get<R: Loaded>(&self, id: R::Id) -> Result<Option<Arc<R>>, Stop> {
        R::table(self).get(id)
    }

    /// The row of that alt_key; `None` when there is none.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`] when it is not loaded.
    pub fn find<R: Loaded>(&self, alt_key: &R::AltKey) -> Result<Option<Arc<R>>, Stop> {
        R::table(self).find(alt_key)
    }

    /// The row of an id that another row holds: it must be there.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`] when it is not loaded, [`Stop::Inconsistent`] when it is not there.
    pub fn require<R: Loaded>(&self, id: R::Id) -> Result<Arc<R>, Stop> {
        self.get::<R>(id)?
            .ok_or_else(|| Stop::Inconsistent(format!("{id:?} is referred to and absent")))
    }

    /// Writes a row, new or changed. A new row with a alt_key must have been looked for by it
    /// before.
    pub fn put<R: Loaded>(&mut self, row: R) {
        R::table_mut(self).put(row);
    }

    /// An id for a new row.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] when the block is used up, which the engine prevents.
    pub fn new_id(&mut self) -> Result<i64, Stop> {
        if self.ids.next >= self.ids.end {
            return Err(Stop::Inconsistent("the block of ids is used up".to_owned()));
        }
        self.ids.next += 1;
        Ok(self.ids.next - 1)
    }

    /// Accepts what the last command changed.
    pub fn accept_draft(&mut self) {
        self.tables.accept_draft();
        self.accepted = Watermark {
            next_id: self.ids.next,
            events: self.events.len(),
            entries: self.entries.len(),
        };
    }

    /// Forgets what the last command changed.
    pub fn discard_draft(&mut self) {
        self.tables.discard_draft();
        self.ids.next = self.accepted.next_id;
        self.events.truncate(self.accepted.events);
        self.entries.truncate(self.accepted.entries);
    }

    /// Forgets what all commands so far changed, so that they can be decided again; what was loaded
    /// stays. Only for a workspace that was never refilled.
    pub fn reset_to_loaded(&mut self) {
        self.tables.reset_to_loaded();
        self.accepted = Watermark::at(self.first_id);
        self.discard_draft();
    }

    /// The same after others have changed something meanwhile: what decisions depend on without
    /// changing it is read again.
    pub fn reset_after_conflict(&mut self) {
        self.reset_to_loaded();
        self.tables.forget_unlocked();
    }

    /// Gives the workspace a new block of ids.
    pub fn refill_ids(&mut self, ids: IdBlock) {
        self.ids = ids;
        self.accepted.next_id = ids.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::party::Party;
    use crate::exceptions::review::{Review, ReviewKind};
    use crate::kernel::ids::MerchantId;
    use crate::kernel::ids::{ExecutionId, PartyId};
    use crate::kernel::time::Timestamp;

    fn party(id: i64) -> Party {
        Party {
            id: PartyId(id),
            merchant_id: MerchantId(1),
            fullname: "P".into(),
            phone: "231770000001".into(),
            found_by: Some("231770000001".into()),
            email: None,
            country_code: None,
            recipient_told_at: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    fn alt_key() -> (MerchantId, String) {
        (MerchantId(1), "231770000001".into())
    }

    fn found(table: &Table<Party>) -> Option<i64> {
        table.find(&alt_key()).unwrap().map(|row| row.id.0)
    }

    #[test]
    fn what_decisions_depend_on_unchanged_is_read_again_when_others_were_at_work() {
        let mut reviews = Table::<Review>::default();
        let alt_key = (ExecutionId(1), ReviewKind::DeadlinePassed);
        reviews.load(Lookup::AltKey(alt_key), None);
        assert!(matches!(reviews.find(&alt_key), Ok(None)));
        reviews.forget_unlocked();
        assert!(matches!(
            reviews.find(&alt_key),
            Err(Stop::NotLoaded(RowKey::Review(Lookup::AltKey(_))))
        ));
    }

    #[test]
    fn whoever_finds_none_and_makes_one_is_found_by_the_next() {
        let mut table = Table::<Party>::default();
        table.load(Lookup::AltKey(alt_key()), None);
        assert_eq!(found(&table), None);
        table.put(party(5));
        assert_eq!(found(&table), Some(5));
        // A refused command's row is not there.
        table.draft.clear();
        assert_eq!(found(&table), None);
        table.put(party(6));
        table.accept_draft();
        assert_eq!(found(&table), Some(6));
    }
}
