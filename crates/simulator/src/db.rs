//! A transactional database in memory: commits are visible to everybody at once (read committed),
//! rows stay locked until the end of a transaction, keys are unique, and a transaction is atomic.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use domain::audit::AuditRow;
use domain::decision::event::Event;
use domain::decision::row::{Lookup, LookupOf, Row};
use domain::decision::workspace::{Loaded, RowChange, RowKey, Table, Tables, Workspace};
use domain::directory::signing_key::SigningKey;
use domain::each_table;
use domain::kernel::digest::Digest;
use domain::kernel::ids::{
    ApprovalId, BatchId, ExecutionId, MerchantId, SessionId, SigningKeyId, SourceId,
};
use domain::kernel::time::ServerTime;
use domain::ledger::account::Entry;
use domain::ledger::batch_chain::{Batch, BatchChain};
use domain::payments::approval::ApprovalStatus;
use domain::payments::attempt::{NetworkPayment, ProviderAttempt, UNAPPROVED_US};
use domain::payments::execution::Execution;
use domain::payments::session::{Session, SessionStatus};
use domain::sales::source::SourceStatus;
use domain::tariff::{Tariff, TariffVersion};
use store::StoreError;
use store::chain::Followed;

use self::webhooks::WebhookIndexes;
use crate::oracle::people::{RETIRED_SIGNING_KEY, SIGNING_KEY};

pub mod statements;
mod webhooks;

/// A map with the same order of iteration in every run.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// The rows of one table.
pub struct Rows<R: Loaded> {
    pub by_id: Map<R::Id, Arc<R>>,
    by_alt_key: Map<R::AltKey, R::Id>,
}

impl<R: Loaded> Default for Rows<R> {
    fn default() -> Self {
        Self { by_id: Map::default(), by_alt_key: Map::default() }
    }
}

impl<R: Loaded> Rows<R> {
    pub fn get(&self, id: R::Id) -> Option<&Arc<R>> {
        self.by_id.get(&id)
    }

    pub fn by_alt_key(&self, key: &R::AltKey) -> Option<&Arc<R>> {
        self.by_alt_key.get(key).and_then(|id| self.by_id.get(id))
    }

    /// All rows by ascending ids.
    fn all(&self) -> Vec<R> {
        let mut rows: Vec<R> = self.by_id.values().map(|row| (**row).clone()).collect();
        rows.sort_unstable_by_key(Row::id);
        rows
    }

    fn find(&self, lookup: &LookupOf<R>) -> Option<&Arc<R>> {
        match lookup {
            Lookup::Id(id) => self.get(*id),
            Lookup::AltKey(key) => self.by_alt_key(key),
        }
    }

    /// Whether the id or the alternative key of a new row belongs to another row.
    fn is_taken(&self, row: &R) -> bool {
        self.by_id.contains_key(&row.id())
            || row
                .alt_key()
                .is_some_and(|key| self.by_alt_key.get(&key).is_some_and(|id| *id != row.id()))
    }

    fn put(&mut self, row: Arc<R>) -> Option<Arc<R>> {
        if let Some(key) = row.alt_key() {
            self.by_alt_key.insert(key, row.id());
        }
        self.by_id.insert(row.id(), row)
    }
}

/// The uncommitted rows of one table, each with whether it is new.
pub struct Written<R> {
    rows: Vec<(bool, Arc<R>)>,
}

impl<R> Default for Written<R> {
    fn default() -> Self {
        Self { rows: vec![] }
    }
}

/// A row before and after a commit.
pub type Changed<R> = Vec<(Option<Arc<R>>, Arc<R>)>;

macro_rules! database {
    ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
        /// All tables, as committed.
        #[derive(Default)]
        pub struct Committed { $(pub $field: Rows<$row>),+ }

        /// The uncommitted rows of a transaction.
        #[derive(Default)]
        struct Draft { $($field: Written<$row>),+ }

        /// What a commit changed.
        #[derive(Default)]
        pub struct Changes { $(pub $field: Changed<$row>),+ }

        impl Committed {
            /// Reads a row for a workspace.
            pub fn load(&self, key: &RowKey, tables: &mut Tables) {
                match key {
                    $(RowKey::$variant(lookup) => tables.$field.load(lookup.clone(), self.$field.find(lookup).map(|row| (**row).clone()))),+
                }
            }

            fn has_clash(&self, draft: &Draft) -> bool {
                false $(|| draft.$field.rows.iter().any(|(new, row)| *new && self.$field.is_taken(row)))+
            }

            fn apply(&mut self, draft: Draft) -> Changes {
                let mut changes = Changes::default();
                $(for (_, row) in draft.$field.rows {
                    let before = self.$field.put(Arc::clone(&row));
                    changes.$field.push((before, row));
                })+
                changes
            }
        }

        impl Database {
            /// Locks the rows that the tables change and loads their present state. Returns whether
            /// all are as they were read.
            pub fn confirm(&mut self, by: usize, tables: &mut Tables) -> Result<bool, StoreError> {
                let mut same = true;
                $(same &= self.confirm_table(by, &mut tables.$field, |all| &all.$field)?;)+
                Ok(same)
            }

            fn write(&mut self, by: usize, tables: &Tables) -> Result<(), StoreError> {
                let mut draft = Draft::default();
                $(for change in tables.$field.changes() {
                    match change {
                        RowChange::Insert(row) => draft.$field.rows.push((true, Arc::new(row.clone()))),
                        RowChange::Update(row) => {
                            self.lock(by, &<$row as Loaded>::key(Lookup::Id(Row::id(row))))?;
                            draft.$field.rows.push((false, Arc::new(row.clone())));
                        }
                    }
                })+
                self.open.entry(by).or_default().draft = draft;
                Ok(())
            }
        }
    };
}
each_table!(database);

impl Committed {
    /// The version of the tariff.
    pub fn tariff_version(&self) -> i64 {
        self.tariff.get(TariffVersion::ID).map_or(0, |row| row.version)
    }

    /// The tariff as it is stored; its tiers, which nobody changes, are those of `known`.
    pub fn read_tariff(&self, known: &Tariff) -> Tariff {
        Tariff {
            version: self.tariff_version(),
            tiers: known.tiers.clone(),
            platform_fees: self.platform_fees.all(),
            gateway_fees: self.gateway_fees.all(),
            rates: self.rates.all(),
            markets: self.markets.all(),
            phone_prefixes: self.phone_prefixes.all(),
            network_accounts: self.network_accounts.all(),
            operator_terms: self.operator_terms.all(),
            payouts_stop: self.tariff.get(TariffVersion::ID).and_then(|row| row.payouts_stop()),
        }
    }

    /// Whether a row that commands lock first belongs to this merchant.
    pub fn is_of(&self, key: &RowKey, owner: MerchantId) -> bool {
        match key {
            RowKey::Session(lookup) => {
                self.sessions.find(lookup).is_some_and(|row| row.merchant_id == owner)
            }
            RowKey::Execution(lookup) => {
                self.executions.find(lookup).is_some_and(|row| row.merchant_id == owner)
            }
            RowKey::PaymentLink(lookup) => {
                self.payment_links.find(lookup).is_some_and(|row| row.merchant_id == owner)
            }
            _ => false,
        }
    }
}

/// An open transaction.
#[derive(Default)]
struct Open {
    locks: Vec<RowKey>,
    draft: Draft,
    events: Vec<Event>,
    entries: Vec<Entry>,
    audit: Vec<AuditRow>,
}

pub struct Commit {
    pub by: usize,
    pub changes: Changes,
    pub events: Vec<Event>,
    pub entries: Vec<Entry>,
    pub audit: Vec<AuditRow>,
}

/// Payments by their next check (merchant time).
type Waiting = BTreeMap<(i64, ExecutionId), NetworkPayment>;

#[derive(Default)]
pub struct Database {
    pub rows: Committed,
    next_id: i64,
    locks: Map<RowKey, usize>,
    open: Map<usize, Open>,
    /// The payments at networks that are not final.
    waiting: BTreeMap<MerchantId, Waiting>,
    executed: Map<SessionId, ExecutionId>,
    pub active_sessions: BTreeSet<(i64, SessionId)>,
    /// The orders of payment links that are not paid or canceled, by when they are canceled.
    unpaid_orders: BTreeSet<(i64, SourceId)>,
    /// The requests for approval that nobody answered, by when they were made.
    approvals: BTreeSet<(i64, ApprovalId)>,
    webhooks: WebhookIndexes,
    /// The batches that are not chained.
    pub unchained: BTreeSet<BatchId>,
    last_batch: Option<BatchId>,
    pub commits: Vec<Commit>,
}

/// The error when another transaction holds a row for longer than this one waits.
pub fn busy() -> StoreError {
    postgres("55P03", "canceling statement due to lock timeout")
}

/// The error after which the transaction has to be run again.
pub fn conflict() -> StoreError {
    postgres("40P01", "deadlock detected")
}

fn postgres(code: &str, what: &str) -> StoreError {
    StoreError::Postgres { code: Some(code.to_owned()), gone: false, what: what.to_owned() }
}

impl Database {
    /// A new installation with this tariff.
    pub fn new(tariff: &Tariff) -> Self {
        let mut rows = Committed::default();
        rows.tariff.put(Arc::new(TariffVersion::new(tariff.version)));
        let Tariff { platform_fees, gateway_fees, rates, markets, phone_prefixes, .. } =
            tariff.clone();
        let Tariff { network_accounts, operator_terms, .. } = tariff.clone();
        network_accounts.into_iter().for_each(|row| drop(rows.network_accounts.put(Arc::new(row))));
        operator_terms.into_iter().for_each(|row| drop(rows.operator_terms.put(Arc::new(row))));
        platform_fees.into_iter().for_each(|row| drop(rows.platform_fees.put(Arc::new(row))));
        gateway_fees.into_iter().for_each(|row| drop(rows.gateway_fees.put(Arc::new(row))));
        rates.into_iter().for_each(|row| drop(rows.rates.put(Arc::new(row))));
        markets.into_iter().for_each(|row| drop(rows.markets.put(Arc::new(row))));
        phone_prefixes.into_iter().for_each(|row| drop(rows.phone_prefixes.put(Arc::new(row))));
        let signing_keys = [(SIGNING_KEY, None), (RETIRED_SIGNING_KEY, Some(ServerTime(0)))];
        for (id, retired_at) in signing_keys {
            rows.signing_keys.put(Arc::new(SigningKey { id: SigningKeyId(id), retired_at }));
        }
        rows.batch_chain.put(Arc::new(BatchChain {
            id: BatchChain::ID,
            position: 0,
            link: Digest::ZERO,
            link_key_id: None,
            older_next_id: 1,
            older_end_id: 1,
            holder: 0,
            leased_until: ServerTime(0),
        }));
        // Above the ids of the tariff.
        Self { rows, next_id: 1_000, ..Self::default() }
    }

    /// The batch that a new lane follows.
    pub fn newest_batch(&self) -> Option<Followed> {
        let batch = self.rows.batches.get(self.last_batch?)?;
        Some(Followed { id: batch.id, digest: batch.digest })
    }

    pub const fn reserve(&mut self, count: i64) -> i64 {
        self.next_id += count;
        self.next_id
    }

    /// Locks a row until the end of the transaction.
    pub fn lock(&mut self, by: usize, key: &RowKey) -> Result<(), StoreError> {
        match self.locks.get(key) {
            Some(holder) if *holder == by => Ok(()),
            Some(_) => Err(busy()),
            None => {
                self.locks.insert(key.clone(), by);
                self.open.entry(by).or_default().locks.push(key.clone());
                Ok(())
            }
        }
    }

    fn confirm_table<R: Loaded>(
        &mut self,
        by: usize,
        table: &mut Table<R>,
        rows: impl Fn(&Committed) -> &Rows<R>,
    ) -> Result<bool, StoreError> {
        let changed = table.changes().into_iter().filter_map(|change| match change {
            RowChange::Update(row) => Some(row.id()),
            RowChange::Insert(_) => None,
        });
        let mut same = true;
        for id in changed.collect::<Vec<_>>() {
            let key = R::key(Lookup::Id(id));
            if self.locks.get(&key) == Some(&by) {
                continue;
            }
            self.lock(by, &key)?;
            let row =
                rows(&self.rows).get(id).ok_or(StoreError::Unexpected("a row to lock is gone"))?;
            same &= table.confirm((**row).clone());
        }
        Ok(same)
    }

    /// Writes the changes of a workspace in this transaction.
    pub fn persist(
        &mut self,
        by: usize,
        work: &Workspace,
        batches: Vec<Batch>,
    ) -> Result<(), StoreError> {
        self.write(by, &work.tables)?;
        let batches = batches.into_iter().map(|batch| (true, Arc::new(batch)));
        self.open.entry(by).or_default().draft.batches.rows.extend(batches);
        if self.clashes(by) {
            return Err(postgres("23505", "duplicate key value violates unique constraint"));
        }
        let open = self.open.entry(by).or_default();
        open.events.clone_from(&work.events);
        open.entries.clone_from(&work.entries);
        open.audit.clone_from(&work.audit);
        Ok(())
    }

    /// Whether a unique key would exist twice.
    fn clashes(&self, by: usize) -> bool {
        let Some(open) = self.open.get(&by) else { return false };
        let second = |(new, row): &(bool, Arc<Execution>)| {
            let other = self.executed.get(&row.session_id);
            *new && other.is_some_and(|id| *id != row.id)
        };
        self.rows.has_clash(&open.draft) || open.draft.executions.rows.iter().any(second)
    }

    pub fn commit(&mut self, by: usize) -> Result<(), StoreError> {
        if self.clashes(by) {
            self.rollback(by);
            return Err(postgres("23505", "duplicate key value violates unique constraint"));
        }
        let Some(open) = self.open.remove(&by) else { return Ok(()) };
        for key in &open.locks {
            self.locks.remove(key);
        }
        let changes = self.rows.apply(open.draft);
        for (_, after) in &changes.executions {
            self.executed.insert(after.session_id, after.id);
            // Its attempt may be as it was.
            if let Some(attempt) = self.rows.provider_attempts.get(after.id).cloned() {
                self.index(None, &attempt);
            }
        }
        for (before, after) in &changes.provider_attempts {
            self.index(before.as_deref(), after);
        }
        for (before, after) in &changes.sessions {
            self.index_session(before.as_deref(), after);
        }
        for (before, after) in &changes.sources {
            if let Some(at) = before.as_ref().and_then(|row| row.cancel_at) {
                self.unpaid_orders.remove(&(at.0, after.id));
            }
            if let Some(at) = after.cancel_at {
                self.unpaid_orders.insert((at.0, after.id));
            }
        }
        for (_, after) in &changes.approvals {
            let key = (after.created_at.0, after.id);
            if after.status == ApprovalStatus::Requested {
                self.approvals.insert(key);
            } else {
                self.approvals.remove(&key);
            }
        }
        self.webhooks.apply(&changes);
        for (_, batch) in &changes.batches {
            if batch.position.is_none() {
                self.unchained.insert(batch.id);
            } else {
                self.unchained.remove(&batch.id);
            }
            self.last_batch = self.last_batch.max(Some(batch.id));
        }
        let Open { events, entries, audit, .. } = open;
        self.commits.push(Commit { by, changes, events, entries, audit });
        Ok(())
    }

    fn index(&mut self, before: Option<&ProviderAttempt>, after: &ProviderAttempt) {
        let id = after.execution_id;
        let waiting = self.waiting.entry(after.merchant_id).or_default();
        if let Some(at) = before.and_then(|row| row.next_check_at) {
            waiting.remove(&(at.0, id));
        }
        if let (Some(at), Some(execution)) = (after.next_check_at, self.rows.executions.get(id)) {
            let execution = (**execution).clone();
            waiting.insert((at.0, id), NetworkPayment { execution, attempt: after.clone() });
        }
    }

    fn index_session(&mut self, before: Option<&Session>, after: &Session) {
        if let Some(row) = before {
            self.active_sessions.remove(&(row.expires_at.0, row.id));
        }
        if after.status == SessionStatus::Active {
            self.active_sessions.insert((after.expires_at.0, after.id));
        }
    }

    pub fn rollback(&mut self, by: usize) {
        for key in self.open.remove(&by).into_iter().flat_map(|open| open.locks) {
            self.locks.remove(&key);
        }
    }

    /// The executions that the product's job finds due: an equal share for each merchant.
    pub fn due_executions(&self, now: i64, limit: usize) -> Vec<(ExecutionId, MerchantId)> {
        let now = ServerTime(now);
        let mut due: Vec<Vec<(ExecutionId, MerchantId)>> = vec![];
        for (merchant, waiting) in &self.waiting {
            let Some(merchant) = self.rows.merchants.get(*merchant) else { continue };
            let of_this = waiting
                .values()
                .filter(|payment| payment.is_due(merchant.mode, merchant.time(now), now));
            due.push(of_this.take(limit).map(|row| (row.execution.id, merchant.id)).collect());
        }
        due.retain(|of_one| !of_one.is_empty());
        let share = limit.div_ceil(due.len().max(1));
        due.into_iter().flat_map(|of_one| of_one.into_iter().take(share)).take(limit).collect()
    }

    /// When the next execution falls due, in server time.
    pub fn next_due(&self) -> Option<i64> {
        let first = |(merchant, waiting): (&MerchantId, &Waiting)| {
            let ((at, _), _) = waiting.first_key_value()?;
            Some(at - self.rows.merchants.get(*merchant)?.clock_offset_us)
        };
        self.waiting.iter().filter_map(first).min()
    }

    /// The sessions that the product's query finds due.
    pub fn due_sessions(&self, now: i64, limit: usize) -> Vec<(SessionId, MerchantId)> {
        let furthest =
            self.rows.merchants.by_id.values().map(|row| row.clock_offset_us).max().unwrap_or(0);
        let sessions = self.active_sessions.iter().take_while(|(at, _)| *at <= now + furthest);
        let rows = sessions.filter_map(|(_, id)| self.rows.sessions.get(*id));
        let over = |row: &&Arc<Session>| {
            let merchant = self.rows.merchants.get(row.merchant_id);
            merchant.is_some_and(|merchant| row.expires_at.0 <= now + merchant.clock_offset_us)
        };
        rows.filter(over).take(limit).map(|row| (row.id, row.merchant_id)).collect()
    }

    /// The requests for approval that the product's query finds due.
    pub fn due_approvals(&self, now: i64, limit: usize) -> Vec<ApprovalId> {
        let over = |(at, id): &&(i64, ApprovalId)| {
            let row = self.rows.approvals.get(*id);
            let merchant = row.and_then(|row| self.rows.merchants.get(row.merchant_id));
            merchant.is_some_and(|merchant| *at <= now + merchant.clock_offset_us - UNAPPROVED_US)
        };
        self.approvals.iter().filter(over).take(limit).map(|(_, id)| *id).collect()
    }

    /// When the next request for approval is over, in server time.
    pub fn next_approval(&self) -> Option<i64> {
        let over = |(at, id): &(i64, ApprovalId)| {
            let row = self.rows.approvals.get(*id)?;
            let merchant = self.rows.merchants.get(row.merchant_id)?;
            Some(at + UNAPPROVED_US - merchant.clock_offset_us)
        };
        self.approvals.iter().filter_map(over).min()
    }

    /// The orders of payment links that the product's query finds due.
    pub fn due_unpaid_orders(&self, now: i64, limit: usize) -> Vec<SourceId> {
        let over = |(at, id): &&(i64, SourceId)| {
            let Some(row) = self.rows.sources.get(*id) else { return false };
            let waits = row.status == SourceStatus::Active && row.open_reviews == 0;
            let merchant = self.rows.merchants.get(row.merchant_id);
            waits && merchant.is_some_and(|merchant| *at <= now + merchant.clock_offset_us)
        };
        self.unpaid_orders.iter().filter(over).take(limit).map(|(_, id)| *id).collect()
    }
}
