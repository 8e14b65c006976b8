//! A database in memory that behaves as a transactional one does: what is committed is seen at once by everybody (read
//! committed), rows are locked until the end of a transaction, keys are unique, and a transaction takes place as a whole or
//! not at all.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use domain::each_table;
use domain::event::Event;
use domain::execution::Execution;
use domain::ids::{ExecutionId, MerchantId, SessionId};
use domain::ledger::Entry;
use domain::session::{Session, SessionStatus};
use domain::world::{Bulk, Change, Key, Loaded, Lookup, LookupOf, Row, Table, Tables, World};
use kola::store::StoreError;

/// A map that is iterated in the same order in every run.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// The rows of one table.
pub struct Rows<R: Loaded> {
    pub by_id: Map<R::Id, Arc<R>>,
    by_name: Map<R::Name, R::Id>,
}

impl<R: Loaded> Default for Rows<R> {
    fn default() -> Self {
        Self { by_id: Map::default(), by_name: Map::default() }
    }
}

impl<R: Loaded> Rows<R> {
    pub fn get(&self, id: R::Id) -> Option<&Arc<R>> {
        self.by_id.get(&id)
    }

    pub fn named(&self, name: &R::Name) -> Option<&Arc<R>> {
        self.by_name.get(name).and_then(|id| self.by_id.get(id))
    }

    fn find(&self, lookup: &LookupOf<R>) -> Option<&Arc<R>> {
        match lookup {
            Lookup::Id(id) => self.get(*id),
            Lookup::Name(name) => self.named(name),
        }
    }

    /// Whether a new row has the id of another, or its name.
    fn is_taken(&self, row: &R) -> bool {
        self.by_id.contains_key(&row.id())
            || row.name().is_some_and(|name| self.by_name.get(&name).is_some_and(|id| *id != row.id()))
    }

    fn put(&mut self, row: Arc<R>) -> Option<Arc<R>> {
        if let Some(name) = row.name() {
            self.by_name.insert(name, row.id());
        }
        self.by_id.insert(row.id(), row)
    }
}

/// What a transaction has written of one table and not committed.
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

        /// What a transaction has written and not committed.
        #[derive(Default)]
        struct Draft { $($field: Written<$row>),+ }

        /// What a commit changed.
        #[derive(Default)]
        pub struct Changes { $(pub $field: Changed<$row>),+ }

        impl Committed {
            /// Reads a row for a world.
            pub fn load(&self, key: &Key, tables: &mut Tables) {
                match key {
                    $(Key::$variant(lookup) => tables.$field.load(lookup.clone(), self.$field.find(lookup).map(|row| (**row).clone()))),+
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
            /// Locks the rows that the tables change and takes in what they are now; whether all are as they were read.
            pub fn confirm(&mut self, by: usize, tables: &mut Tables) -> Result<bool, StoreError> {
                let mut same = true;
                $(same &= self.confirm_table(by, &mut tables.$field, |all| &all.$field)?;)+
                Ok(same)
            }

            fn write(&mut self, by: usize, tables: &Tables) -> Result<(), StoreError> {
                let mut draft = Draft::default();
                $(for change in tables.$field.changes() {
                    match change {
                        Change::Insert(row) => draft.$field.rows.push((true, Arc::new(row.clone()))),
                        Change::Update(row) => {
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

/// A transaction under way.
#[derive(Default)]
struct Open {
    locks: Vec<Key>,
    draft: Draft,
    events: Vec<Event>,
    entries: Vec<Entry>,
    pulls: Vec<(ExecutionId, i64)>,
}

/// A commit that took place.
pub struct Commit {
    pub by: usize,
    pub changes: Changes,
    pub events: Vec<Event>,
    pub entries: Vec<Entry>,
}

/// The database.
#[derive(Default)]
pub struct Database {
    pub rows: Committed,
    next_id: i64,
    locks: Map<Key, usize>,
    open: Map<usize, Open>,
    /// Executions that are not final, by when they are looked at.
    due: BTreeSet<(i64, ExecutionId)>,
    /// Executions that are not final, by merchant: what an advance of the clock touches.
    pending: Map<MerchantId, BTreeSet<ExecutionId>>,
    executed: Map<SessionId, ExecutionId>,
    pub active_sessions: BTreeSet<(i64, SessionId)>,
    pub commits: Vec<Commit>,
}

/// Another transaction holds a row for longer than this one waits.
pub fn busy() -> StoreError {
    postgres("55P03", "canceling statement due to lock timeout")
}

/// The transaction has to be run again.
pub fn conflict() -> StoreError {
    postgres("40P01", "deadlock detected")
}

fn postgres(code: &str, what: &str) -> StoreError {
    StoreError::Postgres { code: Some(code.to_owned()), gone: false, what: what.to_owned() }
}

impl Database {
    pub fn new() -> Self {
        Self { next_id: 1, ..Self::default() }
    }

    pub const fn reserve(&mut self, count: i64) -> i64 {
        self.next_id += count;
        self.next_id
    }

    /// Locks a row until the end of the transaction.
    pub fn lock(&mut self, by: usize, key: &Key) -> Result<(), StoreError> {
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
            Change::Update(row) => Some(row.id()),
            Change::Insert(_) => None,
        });
        let mut same = true;
        for id in changed.collect::<Vec<_>>() {
            let key = R::key(Lookup::Id(id));
            if self.locks.get(&key) == Some(&by) {
                continue;
            }
            self.lock(by, &key)?;
            let row = rows(&self.rows).get(id).ok_or(StoreError::Odd("a row to lock is gone"))?;
            same &= table.confirm((**row).clone());
        }
        Ok(same)
    }

    /// Writes what a world changed, in this transaction.
    pub fn persist(&mut self, by: usize, world: &World) -> Result<(), StoreError> {
        self.write(by, &world.tables)?;
        if self.clashes(by) {
            return Err(postgres("23505", "duplicate key value violates unique constraint"));
        }
        let mut pulls = vec![];
        for Bulk::PullChecks { merchant, by_us } in &world.bulk {
            for id in self.pending.get(merchant).cloned().unwrap_or_default() {
                self.lock(by, &Key::Execution(Lookup::Id(id)))?;
                pulls.push((id, *by_us));
            }
            // What the batch itself made is pulled too: the statement comes after the rows.
            let draft = self.open.get(&by).map(|open| &open.draft.executions.rows);
            for (new, row) in draft.into_iter().flatten() {
                if *new && row.merchant_id == *merchant && row.next_check_at.is_some() {
                    pulls.push((row.id, *by_us));
                }
            }
        }
        let open = self.open.entry(by).or_default();
        open.pulls = pulls;
        open.events.clone_from(&world.events);
        open.entries.clone_from(&world.entries);
        Ok(())
    }

    /// Whether a unique key would be there twice.
    fn clashes(&self, by: usize) -> bool {
        let Some(open) = self.open.get(&by) else { return false };
        let second = |(new, row): &(bool, Arc<Execution>)| {
            let other = self.executed.get(&row.session_id);
            *new && other.is_some_and(|id| *id != row.id)
        };
        self.rows.has_clash(&open.draft) || open.draft.executions.rows.iter().any(second)
    }

    /// Makes what was written last for ever.
    pub fn commit(&mut self, by: usize) -> Result<(), StoreError> {
        if self.clashes(by) {
            self.rollback(by);
            return Err(postgres("23505", "duplicate key value violates unique constraint"));
        }
        let Some(open) = self.open.remove(&by) else { return Ok(()) };
        for key in &open.locks {
            self.locks.remove(key);
        }
        let mut changes = self.rows.apply(open.draft);
        for (id, by_us) in open.pulls {
            self.pull(id, by_us, &mut changes);
        }
        for (before, after) in &changes.executions {
            self.index(before.as_deref(), after);
        }
        for (before, after) in &changes.sessions {
            self.index_session(before.as_deref(), after);
        }
        self.commits.push(Commit { by, changes, events: open.events, entries: open.entries });
        Ok(())
    }

    fn pull(&mut self, id: ExecutionId, by_us: i64, changes: &mut Changes) {
        let Some(row) = self.rows.executions.get(id).map(|row| (**row).clone()) else { return };
        let Some(at) = row.next_check_at else { return };
        let row = Arc::new(Execution { next_check_at: Some(at.plus(-by_us)), ..row });
        let before = self.rows.executions.put(Arc::clone(&row));
        match changes.executions.iter_mut().find(|(_, after)| after.id == id) {
            Some((_, after)) => *after = row,
            None => changes.executions.push((before, row)),
        }
    }

    fn index(&mut self, before: Option<&Execution>, after: &Execution) {
        if let Some(at) = before.and_then(|row| row.next_check_at) {
            self.due.remove(&(at.0, after.id));
        }
        self.executed.insert(after.session_id, after.id);
        let pending = self.pending.entry(after.merchant_id).or_default();
        match after.next_check_at {
            Some(at) => {
                self.due.insert((at.0, after.id));
                pending.insert(after.id);
            }
            None => {
                pending.remove(&after.id);
            }
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

    /// Undoes what was not committed.
    pub fn rollback(&mut self, by: usize) {
        for key in self.open.remove(&by).into_iter().flat_map(|open| open.locks) {
            self.locks.remove(&key);
        }
    }

    /// The executions that the product's query finds due.
    pub fn due_executions(&self, now: i64, limit: usize) -> Vec<(ExecutionId, MerchantId)> {
        let rows = self.due.iter().take_while(|(at, _)| *at <= now).filter_map(|(_, id)| self.rows.executions.get(*id));
        let free = rows.filter(|row| row.lease_until.is_none_or(|until| until.0 <= now));
        free.take(limit).map(|row| (row.id, row.merchant_id)).collect()
    }

    /// When the next execution falls due.
    pub fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The sessions that the product's query finds due.
    pub fn due_sessions(&self, now: i64, limit: usize) -> Vec<(SessionId, MerchantId)> {
        let furthest = self.rows.merchants.by_id.values().map(|row| row.clock_offset_us).max().unwrap_or(0);
        let sessions = self.active_sessions.iter().take_while(|(at, _)| *at <= now + furthest);
        let rows = sessions.filter_map(|(_, id)| self.rows.sessions.get(*id));
        let over = |row: &&Arc<Session>| {
            let merchant = self.rows.merchants.get(row.merchant_id);
            merchant.is_some_and(|merchant| row.expires_at.0 <= now + merchant.clock_offset_us)
        };
        rows.filter(over).take(limit).map(|row| (row.id, row.merchant_id)).collect()
    }
}
