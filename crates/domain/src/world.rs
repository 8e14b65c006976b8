//! What a decision knows and what it changes: the rows that were loaded for a batch of commands.
//!
//! Reading a row that is not loaded stops the decision with [`Halt::Missing`]; the engine loads it and decides again from
//! the start. Absence is knowledge too. A command's changes are a draft until it is accepted; a refused one leaves none.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::book::Book;
use crate::event::Event;
use crate::ledger::Entry;
use crate::rejection::Rejection;

/// Why a decision stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Halt {
    /// A row is not loaded.
    Missing(Key),
    /// The command is refused, for all of these reasons.
    Rejected(Vec<Rejection>),
    /// Rows contradict each other, or a sum does not fit where it must: a fault of ours, never of the caller.
    Broken(String),
}

impl From<Rejection> for Halt {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(vec![rejection])
    }
}

impl From<Vec<Rejection>> for Halt {
    fn from(rejections: Vec<Rejection>) -> Self {
        Self::Rejected(rejections)
    }
}

/// A row type that decisions read and change.
pub trait Row: Clone + PartialEq + std::fmt::Debug + Send + Sync + 'static {
    /// The primary key.
    type Id: Copy + Eq + Ord + Hash + std::fmt::Debug + Send + Sync;
    /// The other key; [`NoName`] where there is none.
    type Name: Clone + Eq + Ord + Hash + std::fmt::Debug + Send + Sync;
    /// Whether decisions depend on such rows without changing them, so that they are read again when another process has
    /// interfered with what is changed.
    const READ_AGAIN: bool = false;
    /// Whether such rows permit what is decided: they are looked at once more when all that changes is locked, so that a
    /// permission which was withdrawn while a batch waited for its locks is seen.
    const PERMITS: bool = false;

    /// The primary key of this row.
    fn id(&self) -> Self::Id;
    /// The other key of this row. It never changes.
    fn name(&self) -> Option<Self::Name>;
}

/// The name of rows that have none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NoName {}

/// By which of its keys a row is looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Lookup<I, N> {
    /// By its primary key.
    Id(I),
    /// By its other key.
    Name(N),
}

/// The lookup of a row type.
pub type LookupOf<R> = Lookup<<R as Row>::Id, <R as Row>::Name>;

/// A row, or the id of a name: as it was stored, and as it is after the batch's commands so far.
#[derive(Debug)]
struct Slot<T> {
    stored: Option<T>,
    current: Option<T>,
}

impl<T: Clone> Slot<T> {
    fn loaded(stored: Option<T>) -> Self {
        Self { current: stored.clone(), stored }
    }
}

/// The loaded rows of one type.
#[derive(Debug)]
pub struct Table<R: Row> {
    slots: HashMap<R::Id, Slot<Arc<R>>>,
    names: HashMap<R::Name, Slot<R::Id>>,
    draft: Vec<Arc<R>>,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { slots: HashMap::new(), names: HashMap::new(), draft: Vec::new() }
    }
}

/// What must be written for one row.
#[derive(Debug)]
pub enum Change<'a, R> {
    /// A row that was not there.
    Insert(&'a R),
    /// A row that was there, and differs.
    Update(&'a R),
}

impl<R: Loaded> Table<R> {
    fn get(&self, id: R::Id) -> Result<Option<Arc<R>>, Halt> {
        if let Some(row) = self.draft.iter().find(|row| row.id() == id) {
            return Ok(Some(Arc::clone(row)));
        }
        self.slots.get(&id).map(|slot| slot.current.clone()).ok_or_else(|| Halt::Missing(R::key(Lookup::Id(id))))
    }

    fn find(&self, name: &R::Name) -> Result<Option<Arc<R>>, Halt> {
        if let Some(row) = self.draft.iter().find(|row| row.name().as_ref() == Some(name)) {
            return Ok(Some(Arc::clone(row)));
        }
        let known = self.names.get(name).ok_or_else(|| Halt::Missing(R::key(Lookup::Name(name.clone()))))?;
        known.current.map_or(Ok(None), |id| self.get(id))
    }

    fn put(&mut self, row: R) {
        let row = Arc::new(row);
        match self.draft.iter_mut().find(|other| other.id() == row.id()) {
            Some(other) => *other = row,
            None => self.draft.push(row),
        }
    }

    fn keep(&mut self) {
        for row in self.draft.drain(..) {
            let id = row.id();
            if let Some(name) = row.name() {
                self.names.entry(name).or_insert(Slot::loaded(None)).current = Some(id);
            }
            self.slots.entry(id).or_insert(Slot::loaded(None)).current = Some(row);
        }
    }

    /// Whether the lookup was loaded, be it as absent.
    #[must_use]
    pub fn knows(&self, lookup: &LookupOf<R>) -> bool {
        match lookup {
            Lookup::Id(id) => self.slots.contains_key(id),
            Lookup::Name(name) => self.names.contains_key(name),
        }
    }

    /// Takes in what the store found for a lookup. A row that is known already stays as it is: it may have been changed.
    pub fn load(&mut self, lookup: LookupOf<R>, found: Option<R>) {
        let id = found.as_ref().map(Row::id);
        match lookup {
            Lookup::Name(name) => {
                self.names.insert(name, Slot::loaded(id));
            }
            Lookup::Id(absent) if id.is_none() => {
                self.slots.entry(absent).or_insert(Slot::loaded(None));
            }
            Lookup::Id(_) => {
                if let Some(name) = found.as_ref().and_then(Row::name) {
                    self.names.entry(name).or_insert(Slot::loaded(id));
                }
            }
        }
        if let (Some(id), Some(row)) = (id, found.map(Arc::new)) {
            self.slots.entry(id).or_insert_with(|| Slot::loaded(Some(row)));
        }
    }

    /// The rows that were found in the store.
    pub fn stored(&self) -> impl Iterator<Item = R::Id> + '_ {
        self.slots.iter().filter(|(_, slot)| slot.stored.is_some()).map(|(id, _)| *id)
    }

    /// Takes in a row that was locked, or looked at again. Answers whether it is as it was loaded; if not, what was decided on it must be
    /// decided again, after [`World::restart`].
    pub fn confirm(&mut self, locked: R) -> bool {
        let slot = self.slots.entry(locked.id()).or_insert(Slot::loaded(None));
        let same = slot.stored.as_deref() == Some(&locked);
        if !same {
            *slot = Slot::loaded(Some(Arc::new(locked)));
        }
        same
    }

    /// Forgets all that is read again. Nothing is changed when this is called.
    fn doubt(&mut self) {
        if R::READ_AGAIN {
            self.slots.clear();
            self.names.clear();
        }
    }

    /// Forgets what the commands so far changed; what was loaded stays.
    fn restart(&mut self) {
        self.draft.clear();
        self.slots.values_mut().for_each(|slot| slot.current.clone_from(&slot.stored));
        self.names.values_mut().for_each(|slot| slot.current = slot.stored);
    }

    /// What differs from the store, in the order of the primary key.
    #[must_use]
    pub fn changes(&self) -> Vec<Change<'_, R>> {
        let mut changes: Vec<_> = self
            .slots
            .iter()
            .filter_map(|(id, slot)| match (&slot.stored, &slot.current) {
                (None, Some(row)) => Some((id, Change::Insert(&**row))),
                (Some(old), Some(row)) if !Arc::ptr_eq(old, row) && old != row => Some((id, Change::Update(&**row))),
                _ => None,
            })
            .collect();
        changes.sort_unstable_by_key(|(id, _)| **id);
        changes.into_iter().map(|(_, change)| change).collect()
    }
}

/// The one list of tables: calls a macro with the field of [`Tables`], the variant of [`Key`] and the row type of each. Every
/// transaction locks in this order. What commands are about comes first, since it is locked before anything is read, and has no
/// foreign keys; of the rest a row comes after those it points at.
#[macro_export]
macro_rules! each_table {
    ($macro:ident) => {
        $macro! {
            /// Sessions.
            sessions: Session = $crate::session::Session,
            /// Executions, by merchant and reference too.
            executions: Execution = $crate::execution::Execution,
            /// Keys that sign access tokens.
            signing_keys: SigningKey = $crate::caller::SigningKey,
            /// Merchants, by phone within their mode too.
            merchants: Merchant = $crate::merchant::Merchant,
            /// API keys, by client id too.
            api_keys: ApiKey = $crate::merchant::ApiKey,
            /// Passcodes, by their merchant.
            passcodes: Passcode = $crate::passcode::Passcode,
            /// Parties, by merchant and phone too: the one that is found by it.
            parties: Party = $crate::party::Party,
            /// Counterparties.
            counterparties: Counterparty = $crate::party::Counterparty,
            /// Payment accounts.
            payment_accounts: PaymentAccount = $crate::account::PaymentAccount,
            /// Counters of invoice and order numbers.
            counters: Counter = $crate::source::Counter,
            /// Invoices and orders.
            sources: Source = $crate::source::Source,
            /// Their items.
            items: Item = $crate::source::Item,
            /// Pages of invoices and orders, by those too.
            checkout_configs: CheckoutConfig = $crate::checkout::CheckoutConfig,
            /// Reviews, by execution and kind too.
            reviews: Review = $crate::review::Review,
            /// Wallets, by owner and currency too.
            wallets: Wallet = $crate::wallet::Wallet,
            /// Sandbox money that was given under a key, by that too.
            fundings: Funding = $crate::wallet::Funding,
            /// System accounts, by merchant, kind and currency too.
            accounts: Account = $crate::ledger::Account,
        }
    };
}

macro_rules! rows {
    ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
        /// Where a row is to be found.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Key { $($(#[$doc])* $variant(LookupOf<$row>)),+ }

        /// The tables of a [`World`].
        #[derive(Default, Debug)]
        pub struct Tables { $($(#[$doc])* pub $field: Table<$row>),+ }

        impl Tables {
            fn keep(&mut self) { $(self.$field.keep();)+ }
            fn forget(&mut self) { $(self.$field.draft.clear();)+ }
            fn restart(&mut self) { $(self.$field.restart();)+ }
            fn doubt(&mut self) { $(self.$field.doubt();)+ }

            /// Whether the key was loaded, be it as absent.
            #[must_use]
            pub fn knows(&self, key: &Key) -> bool {
                match key { $(Key::$variant(lookup) => self.$field.knows(lookup)),+ }
            }
        }

        $(impl Loaded for $row {
            fn key(lookup: LookupOf<Self>) -> Key { Key::$variant(lookup) }
            fn table(world: &World) -> &Table<Self> { &world.tables.$field }
            fn table_mut(world: &mut World) -> &mut Table<Self> { &mut world.tables.$field }
        })+
    };
}

each_table!(rows);

/// Where the rows of a type are kept; the list of tables above writes it.
pub trait Loaded: Row {
    /// The key to load by.
    fn key(lookup: LookupOf<Self>) -> Key;
    /// This type's table.
    fn table(world: &World) -> &Table<Self>;
    /// This type's table, to change.
    fn table_mut(world: &mut World) -> &mut Table<Self>;
}

/// Ids that this process has reserved and not used yet: `next..end`.
///
/// The ids that one command takes are contiguous, and fewer than [`IDS_PER_COMMAND`]: the engine reserves a new block when
/// fewer are left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdBlock {
    /// The next id to give.
    pub next: i64,
    /// The first that is not ours.
    pub end: i64,
}

/// The most ids that one command takes.
pub const IDS_PER_COMMAND: i64 = 64;

/// The rows of one batch of commands, and what its commands changed.
#[derive(Debug)]
pub struct World {
    /// The tables.
    pub tables: Tables,
    /// Fees, rates and markets.
    pub book: Arc<Book>,
    /// The UUID drawn when the database was made.
    pub installation: [u8; 16],
    /// Ids for new rows.
    pub ids: IdBlock,
    /// New events.
    pub events: Vec<Event>,
    /// New ledger entries.
    pub entries: Vec<Entry>,
    first_id: i64,
    kept: Mark,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    next_id: i64,
    events: usize,
    entries: usize,
}

impl Mark {
    const fn at(next_id: i64) -> Self {
        Self { next_id, events: 0, entries: 0 }
    }
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(book: Arc<Book>, installation: [u8; 16], ids: IdBlock) -> Self {
        let kept = Mark::at(ids.next);
        Self { first_id: ids.next, tables: Tables::default(), book, installation, ids, events: vec![], entries: vec![], kept }
    }

    /// The row of that id; `None` when there is none.
    ///
    /// # Errors
    /// [`Halt::Missing`] when it is not loaded.
    pub fn get<R: Loaded>(&self, id: R::Id) -> Result<Option<Arc<R>>, Halt> {
        R::table(self).get(id)
    }

    /// The row of that name; `None` when there is none.
    ///
    /// # Errors
    /// [`Halt::Missing`] when it is not loaded.
    pub fn find<R: Loaded>(&self, name: &R::Name) -> Result<Option<Arc<R>>, Halt> {
        R::table(self).find(name)
    }

    /// The row of an id that another row holds: it must be there.
    ///
    /// # Errors
    /// [`Halt::Missing`] when it is not loaded, [`Halt::Broken`] when it is not there.
    pub fn must<R: Loaded>(&self, id: R::Id) -> Result<Arc<R>, Halt> {
        self.get::<R>(id)?.ok_or_else(|| Halt::Broken(format!("{id:?} is referred to and absent")))
    }

    /// Writes a row, new or changed. A new row with a name must have been looked for by it before.
    pub fn put<R: Loaded>(&mut self, row: R) {
        R::table_mut(self).put(row);
    }

    /// An id for a new row.
    ///
    /// # Errors
    /// [`Halt::Broken`] when the block is used up, which the engine prevents.
    pub fn new_id(&mut self) -> Result<i64, Halt> {
        if self.ids.next >= self.ids.end {
            return Err(Halt::Broken("the block of ids is used up".to_owned()));
        }
        self.ids.next += 1;
        Ok(self.ids.next - 1)
    }

    /// Accepts what the last command changed.
    pub fn keep(&mut self) {
        self.tables.keep();
        self.kept = Mark { next_id: self.ids.next, events: self.events.len(), entries: self.entries.len() };
    }

    /// Forgets what the last command changed.
    pub fn forget(&mut self) {
        self.tables.forget();
        self.ids.next = self.kept.next_id;
        self.events.truncate(self.kept.events);
        self.entries.truncate(self.kept.entries);
    }

    /// Forgets what all commands so far changed, so that they can be decided again; what was loaded stays. Only for a world
    /// that was never refilled.
    pub fn restart(&mut self) {
        self.tables.restart();
        self.kept = Mark::at(self.first_id);
        self.forget();
    }

    /// The same after others have changed something meanwhile: what decisions depend on without changing it is read again.
    pub fn restart_in_doubt(&mut self) {
        self.restart();
        self.tables.doubt();
    }

    /// Gives the world a new block of ids.
    pub fn refill(&mut self, ids: IdBlock) {
        self.ids = ids;
        self.kept.next_id = ids.next;
    }
}

/// A checked sum that must fit.
///
/// # Errors
/// [`Halt::Broken`] when it does not.
pub fn sum(a: i64, b: i64) -> Result<i64, Halt> {
    a.checked_add(b).ok_or_else(|| Halt::Broken(format!("{a} + {b} does not fit")))
}

/// A checked difference that must fit.
///
/// # Errors
/// [`Halt::Broken`] when it does not.
pub fn difference(a: i64, b: i64) -> Result<i64, Halt> {
    a.checked_sub(b).ok_or_else(|| Halt::Broken(format!("{a} - {b} does not fit")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MerchantId;
    use crate::ids::{ExecutionId, PartyId};
    use crate::party::Party;
    use crate::review::{Review, ReviewKind};
    use crate::time::Timestamp;

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

    fn name() -> (MerchantId, String) {
        (MerchantId(1), "231770000001".into())
    }

    fn found(table: &Table<Party>) -> Option<i64> {
        table.find(&name()).unwrap().map(|row| row.id.0)
    }

    #[test]
    fn what_decisions_depend_on_unchanged_is_read_again_when_others_were_at_work() {
        let mut reviews = Table::<Review>::default();
        let name = (ExecutionId(1), ReviewKind::DeadlinePassed);
        reviews.load(Lookup::Name(name), None);
        assert!(matches!(reviews.find(&name), Ok(None)));
        reviews.doubt();
        assert!(matches!(reviews.find(&name), Err(Halt::Missing(Key::Review(Lookup::Name(_))))));
    }

    #[test]
    fn whoever_finds_none_and_makes_one_is_found_by_the_next() {
        let mut table = Table::<Party>::default();
        table.load(Lookup::Name(name()), None);
        assert_eq!(found(&table), None);
        table.put(party(5));
        assert_eq!(found(&table), Some(5));
        // A refused command's row is not there.
        table.draft.clear();
        assert_eq!(found(&table), None);
        table.put(party(6));
        table.keep();
        assert_eq!(found(&table), Some(6));
    }
}
