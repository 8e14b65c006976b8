//! Digests of what is committed: of rows, of batches, and of the links between batches.
//!
//! A batch is what one commit inserted into the tables of [`HASHED`], of the ids of one block. Its
//! digest covers these rows and the digest of its lane's batch before, so that no lane waits for
//! another. The job that puts the batches of all lanes into one order links each to the one before
//! by [`link`].
//!
//! What is hashed is canonical, so that both databases give the same bytes: integers are 8 bytes,
//! the most significant first; a text is its length and its bytes in UTF-8; each value has the place
//! of its column and its type in front; a null is left out. So a column that a later version adds
//! does not change the digests of rows that were written without it. Columns are only appended, and
//! never renumbered: `the_digests_of_rows_and_batches_stay_what_they_are` fails otherwise.

use std::collections::BTreeMap;

use domain::audit::AuditRow;
use domain::decision::event::Event;
use domain::decision::workspace::Workspace;
use domain::kernel::digest::Digest;
use domain::kernel::ids::BatchId;
use domain::kernel::time::ServerTime;
use domain::ledger::account::Entry;
use domain::ledger::batch_chain::Batch;
use domain::mutant;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::StoreError;
use crate::workspace::record::{Column, Record, RowReader, Statements};
use crate::workspace::sql_value::{ResultRow, SqlValue};

/// A table whose rows batches cover. Its rows take their ids from the blocks of lanes, as all rows
/// do, and are only inserted.
#[derive(Clone, Copy)]
pub struct HashedTable {
    pub name: &'static str,
    /// What one of its rows is called.
    pub row: &'static str,
    /// Its columns, of which all are hashed, in the order of the row's type.
    pub statements: fn() -> &'static Statements,
    /// The values of the rows that a batch inserts.
    inserted: for<'a> fn(&'a Workspace) -> Vec<Vec<SqlValue<'a>>>,
}

/// The tables that batches cover.
pub const HASHED: [HashedTable; 3] = [
    hashed::<Event>("event", |work| values(&work.events)),
    hashed::<Entry>("entry", |work| values(&work.entries)),
    hashed::<AuditRow>("row of the audit", |work| values(&work.audit)),
];

/// Most rows have fewer bytes.
const ROW_BYTES: usize = 512;

const fn hashed<R: Record>(
    row: &'static str,
    inserted: for<'a> fn(&'a Workspace) -> Vec<Vec<SqlValue<'a>>>,
) -> HashedTable {
    HashedTable { name: R::TABLE, row, statements: R::statements, inserted }
}

fn values<R: Record>(rows: &[R]) -> Vec<Vec<SqlValue<'_>>> {
    let of_row = |row| {
        let mut values = Vec::with_capacity(R::WIDTH);
        R::write(row, &mut values);
        values
    };
    rows.iter().map(of_row).collect()
}

/// A row as batches cover it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HashedRow {
    /// The place of its table in [`HASHED`].
    pub table: usize,
    pub id: i64,
    /// Its `created_at`, where it has one.
    pub created_at: Option<ServerTime>,
    pub digest: Digest,
}

impl HashedTable {
    /// A row of the table that is at this place in [`HASHED`], by the values of all its columns.
    ///
    /// # Errors
    /// [`StoreError::Unexpected`] for a row without an id.
    pub fn row(self, table: usize, values: &[SqlValue<'_>]) -> Result<HashedRow, StoreError> {
        let Some(SqlValue::Int(id)) = values.first() else {
            return Err(StoreError::Unexpected("a row has no id"));
        };
        let columns = (self.statements)().all.iter().map(|(name, _)| *name);
        let created_at = columns.zip(values).find_map(|column| match column {
            ("created_at", SqlValue::Int(at)) => Some(ServerTime(*at)),
            _ => None,
        });
        Ok(HashedRow { table, id: *id, created_at, digest: self.digest(values) })
    }

    fn digest(self, values: &[SqlValue<'_>]) -> Digest {
        // Hashed in one piece: the many short ones take longer than the hash itself.
        let mut bytes = Vec::with_capacity(ROW_BYTES);
        bytes.extend_from_slice(self.name.as_bytes());
        for (place, value) in (0_u8..).zip(values) {
            let kind = match value {
                SqlValue::Null => continue,
                SqlValue::Int(_) => 1,
                SqlValue::Text(_) => 2,
                SqlValue::Uuid(_) => 3,
            };
            // A table's name has no such byte, so that it cannot run into the first value.
            bytes.extend_from_slice(&[0, place, kind]);
            match value {
                SqlValue::Null => {}
                SqlValue::Int(value) => bytes.extend_from_slice(&value.to_be_bytes()),
                SqlValue::Text(text) => {
                    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
                    bytes.extend_from_slice(&length.to_be_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
                SqlValue::Uuid(uuid) => bytes.extend_from_slice(uuid.as_bytes()),
            }
        }
        Digest(Sha256::digest(&bytes).into())
    }
}

/// The rows that a batch inserts, by table and id.
fn inserted(work: &Workspace) -> Result<Vec<HashedRow>, StoreError> {
    let mut rows = vec![];
    for (place, table) in HASHED.iter().enumerate() {
        for values in (table.inserted)(work) {
            rows.push(table.row(place, &values)?);
        }
    }
    rows.sort_unstable();
    Ok(rows)
}

/// The digest of a batch over its range, its time, the batch before and the rows in it, which are
/// given by table and id.
#[must_use]
pub fn batch_digest(batch: &Batch, previous: Digest, rows: &[HashedRow]) -> Digest {
    let mut hash = Sha256::new_with_prefix("kola batch 1");
    identify(batch, &mut |bytes| hash.update(bytes));
    hash.update(previous.0);
    rows.iter().for_each(|row| hash.update(row.digest.0));
    Digest(hash.finalize().into())
}

/// What a batch is, beside its rows.
fn identify(batch: &Batch, update: &mut impl FnMut(&[u8])) {
    let previous = batch.previous_id.map_or(0, |BatchId(id)| id);
    for value in [batch.id.0, batch.end_id, previous, batch.created_at.0] {
        update(&value.to_be_bytes());
    }
}

/// Four characters for each row, of the first 24 bits of its digest.
#[must_use]
pub fn marks(rows: &[HashedRow]) -> String {
    rows.iter().flat_map(|row| mark(row.digest)).map(char::from).collect()
}

/// How many characters the mark of a row has.
pub const MARK: usize = 4;

/// The mark of a row: six bits a character.
#[must_use]
pub fn mark(Digest([first, second, third, ..]): Digest) -> [u8; MARK] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = u32::from_be_bytes([0, first, second, third]);
    [18, 12, 6, 0].map(|shift| {
        let digit = usize::try_from((bits >> shift) & 63).unwrap_or_default();
        DIGITS.get(digit).copied().unwrap_or_default()
    })
}

/// A key of links.
pub type LinkKey = [u8; 32];

/// Keys of links, by their names.
pub type LinkKeys = BTreeMap<String, LinkKey>;

/// The link of a batch at this position: an HMAC-SHA256 of the link before, the position and the
/// batch with its digest; without a key, the SHA-256 of the same.
#[must_use]
pub fn link(key: Option<&LinkKey>, before: Digest, position: i64, batch: &Batch) -> Digest {
    let mut message = b"kola link 1".to_vec();
    message.extend(before.0);
    message.extend(position.to_be_bytes());
    identify(batch, &mut |bytes| message.extend(bytes));
    message.extend(batch.digest.0);
    match key.and_then(|key| Hmac::<Sha256>::new_from_slice(key).ok()) {
        Some(hmac) => Digest(hmac.chain_update(&message).finalize().into_bytes().into()),
        None => Digest(Sha256::digest(&message).into()),
    }
}

/// A batch and its digest: what the next one follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Followed {
    pub id: BatchId,
    pub digest: Digest,
}

impl Followed {
    /// Reads the row of [`NEWEST`].
    ///
    /// # Errors
    /// [`StoreError`] for a broken row.
    pub fn read(row: &dyn ResultRow) -> Result<Self, StoreError> {
        let mut reader = RowReader::new(row, Batch::TABLE, 0);
        Ok(Self { id: Column::read(&mut reader)?, digest: Column::read(&mut reader)? })
    }
}

/// The chain of one lane. It follows only batches that are known to be committed.
///
/// Whether a commit without an answer was done may stay unknown. The next batch then follows the last
/// one that is known, and so may the other one: that two batches follow the same is no damage, but
/// that the one which is followed is missing or another is.
#[derive(Clone, Debug)]
pub struct LaneChain {
    last: Option<Followed>,
    /// Written and not known to be committed.
    written: Option<Followed>,
}

/// Finds the newest batch, which a new lane follows: its id and digest.
pub const NEWEST: &str = "SELECT id, digest_1, digest_2 FROM batches ORDER BY id DESC LIMIT 1";

impl LaneChain {
    /// The chain of a new lane.
    #[must_use]
    pub const fn after(newest: Option<Followed>) -> Self {
        Self { last: newest, written: None }
    }

    /// The batches that a workspace inserts: none, if it inserts no rows that are hashed.
    ///
    /// # Errors
    /// [`StoreError::Unexpected`] for rows without ids.
    pub fn batches(&mut self, work: &Workspace) -> Result<Vec<Batch>, StoreError> {
        self.written = None;
        let rows = inserted(work)?;
        let mut batches = vec![];
        let mut last = self.last;
        for ids in work.taken_ids() {
            let within = |row: &&HashedRow| (ids.next..ids.end).contains(&row.id);
            let rows: Vec<HashedRow> = rows.iter().filter(within).copied().collect();
            if rows.is_empty() || (mutant!(BatchForgotten) && rows.len().is_multiple_of(4)) {
                continue;
            }
            let batch = batch(ids.next, ids.end, last, &rows, Some(marks(&rows)));
            last = Some(Followed { id: batch.id, digest: batch.digest });
            batches.push(batch);
        }
        self.written = last.filter(|_| !batches.is_empty());
        Ok(batches)
    }

    /// The batches that were written last are committed.
    pub const fn committed(&mut self) {
        if let Some(written) = self.written.take() {
            self.last = Some(written);
        }
    }

    /// They are not, and never will be.
    pub fn undone(&mut self) {
        if mutant!(UndoneBatchFollowed) {
            return self.committed();
        }
        self.written = None;
    }
}

/// A batch that is not chained yet. Its rows are given by table and id.
#[must_use]
pub fn batch(
    first_id: i64,
    end_id: i64,
    previous: Option<Followed>,
    rows: &[HashedRow],
    marks: Option<String>,
) -> Batch {
    let created_at = rows.iter().filter_map(|row| row.created_at).max().unwrap_or(ServerTime(0));
    let batch = Batch {
        id: BatchId(first_id),
        end_id,
        previous_id: previous.map(|previous| previous.id),
        created_at,
        digest: Digest::ZERO,
        marks,
        position: None,
        link: None,
        link_key_id: None,
    };
    let before = previous.map_or(Digest::ZERO, |previous| previous.digest);
    Batch { digest: batch_digest(&batch, before, rows), ..batch }
}

#[cfg(test)]
mod tests {
    use domain::decision::event::{Actor, EventEntity, EventType};
    use domain::decision::workspace::IdBlock;
    use domain::kernel::currency::Currency;
    use domain::kernel::ids::{ApiKeyId, EntryId, EventId, MerchantId};
    use domain::ledger::account::Bucket;

    use super::*;

    fn event(id: i64) -> Event {
        Event {
            id: EventId(id),
            merchant_id: MerchantId(3),
            kind: EventType::SessionCreated,
            entity: EventEntity::Session,
            entity_id: 7,
            note: Some("é".to_owned()),
            position: 4,
            sequence: 1,
            actor: Some(Actor::ApiKey(ApiKeyId(9))),
            created_at: ServerTime(1_000_000),
        }
    }

    fn entry(id: i64) -> Entry {
        Entry {
            id: EntryId(id),
            merchant_id: MerchantId(3),
            transaction_id: EventId(10),
            execution_id: None,
            account_id: 5,
            bucket: Bucket::Available,
            amount_minor: -250,
            currency: Currency::parse("USD").unwrap(),
            balance_minor: 750,
            previous_entry_id: None,
        }
    }

    fn work(first: i64, events: &[i64], entries: &[i64]) -> Workspace {
        let ids = IdBlock { next: first, end: first + 100 };
        let mut work = Workspace::new(std::sync::Arc::default(), [0; 16], ids);
        take_ids(&mut work, 10);
        // Not before: an event is accepted with the row that it is about.
        work.events = events.iter().copied().map(event).collect();
        work.entries = entries.iter().copied().map(entry).collect();
        work
    }

    fn take_ids(work: &mut Workspace, count: usize) {
        for _ in 0..count {
            work.new_id().unwrap();
        }
        work.accept_draft(&|_, _, _| String::new()).unwrap();
    }

    fn new_lane() -> LaneChain {
        LaneChain::after(None)
    }

    /// Rows of databases out there have these digests: another one here means that none of them
    /// would verify any more. They were computed by another program, from the description above.
    #[test]
    fn the_digests_of_rows_and_batches_stay_what_they_are() {
        let batches = new_lane().batches(&work(10, &[10], &[11, 12])).unwrap();
        let [batch] = batches.as_slice() else { panic!("{batches:?}") };
        assert_eq!((batch.id, batch.end_id, batch.previous_id), (BatchId(10), 20, None));
        assert_eq!(batch.created_at, ServerTime(1_000_000));
        assert_eq!(
            batch.digest.to_string(),
            "839ca4e9384ea385f3c33390cf209969e3e9b3ad630741528277ee37021832cc"
        );
        assert_eq!(batch.marks.as_deref(), Some("pYthhkc8OuVn"));
        let with_key = link(Some(&[7; 32]), Digest::ZERO, 1, batch);
        assert_eq!(
            with_key.to_string(),
            "cf2c6c48f51ff45db35ce0f1ce842a5e84db89bd469b34782f727133ea2cfeef"
        );
        assert_eq!(
            link(None, Digest::ZERO, 1, batch).to_string(),
            "366ac0a850baba4f06c625c50d19e3ba5a5eea16be827b206476d49639271227"
        );
    }

    #[test]
    fn every_value_of_a_row_is_in_its_digest() {
        let base = HASHED[0].row(0, &values(&[event(1)])[0]).unwrap();
        let changes: [fn(&mut Event); 9] = [
            |row| row.merchant_id = MerchantId(4),
            |row| row.kind = EventType::SessionExpired,
            |row| row.entity = EventEntity::Source,
            |row| row.entity_id = 8,
            |row| row.note = None,
            |row| row.position = 5,
            |row| row.sequence = 2,
            |row| row.actor = Some(Actor::ApiKey(ApiKeyId(8))),
            |row| row.created_at = ServerTime(1_000_001),
        ];
        for change in changes {
            let mut other = event(1);
            change(&mut other);
            let row = HASHED[0].row(0, &values(std::slice::from_ref(&other))[0]).unwrap();
            assert_ne!(row.digest, base.digest, "{other:?}");
        }
    }

    #[test]
    fn a_column_that_is_null_is_as_if_it_were_not_there() {
        let rows = [entry(1)];
        let mut values = values(&rows).remove(0);
        let base = HASHED[1].row(1, &values).unwrap().digest;
        values.push(SqlValue::Null);
        assert_eq!(HASHED[1].row(1, &values).unwrap().digest, base);
        values.push(SqlValue::Int(0));
        assert_ne!(HASHED[1].row(1, &values).unwrap().digest, base);
    }

    #[test]
    fn a_batch_without_rows_is_none() {
        let mut chain = new_lane();
        assert_eq!(chain.batches(&work(10, &[], &[])).unwrap(), []);
        chain.committed();
        assert_eq!(chain.last, None);
    }

    #[test]
    fn a_lane_follows_only_what_is_committed() {
        let mut chain = new_lane();
        let mut next = |end: Option<bool>, first: i64| {
            let batch = chain.batches(&work(first, &[first], &[])).unwrap().remove(0);
            match end {
                Some(true) => chain.committed(),
                Some(false) => chain.undone(),
                None => {}
            }
            (batch.id.0, batch.previous_id.map(|BatchId(id)| id), batch.digest)
        };
        let (_, previous, _) = next(Some(true), 100);
        assert_eq!(previous, None);
        // Rolled back, and run again with the same ids.
        assert_eq!(next(Some(false), 200).1, Some(100));
        assert_eq!(next(Some(true), 200).1, Some(100));
        // Its commit has no answer: the next one follows the last that is known, and so does it.
        assert_eq!(next(None, 300).1, Some(200));
        assert_eq!(next(Some(true), 400).1, Some(200));
        assert_eq!(next(Some(true), 500).1, Some(400));
        // What is told of a batch that inserted nothing changes nothing.
        chain.batches(&work(600, &[], &[])).unwrap();
        chain.committed();
        assert_eq!(
            chain.batches(&work(700, &[700], &[])).unwrap()[0].previous_id,
            Some(BatchId(500))
        );
    }

    #[test]
    fn a_commit_with_ids_of_two_blocks_has_a_batch_for_each() {
        let mut work = work(10, &[12], &[13]);
        work.refill_ids(IdBlock { next: 500, end: 600 });
        let events = std::mem::take(&mut work.events);
        take_ids(&mut work, 1);
        work.events = events;
        work.events.push(event(500));
        let batches = new_lane().batches(&work).unwrap();
        let ranges: Vec<_> = batches
            .iter()
            .map(|batch| (batch.id.0, batch.end_id, batch.previous_id.map(|BatchId(id)| id)))
            .collect();
        assert_eq!(ranges, [(10, 20, None), (500, 501, Some(10))]);
    }
}
