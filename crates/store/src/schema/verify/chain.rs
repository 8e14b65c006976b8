//! Checks the chain of batches: that the rows in the database are those that were committed, and
//! that nothing before the end of the chain was removed, inserted or put in another order.
//!
//! The tables that batches cover are read once, by their ids, beside the batches. Then the links are
//! computed again, in the order of the chain.

use std::collections::VecDeque;

use domain::kernel::digest::Digest;
use domain::kernel::ids::BatchId;
use domain::ledger::batch_chain::{Batch, BatchChain};

use crate::StoreError;
use crate::chain::{self, HASHED, HashedRow, LinkKeys, MARK};
use crate::progress;
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql::Sql;
use crate::workspace::sql_value::params;

/// Rows of a batch were changed, removed or added.
pub(crate) const ROWS: &str = "rows differ from the batch that inserted them";
/// A row is in no batch.
pub(crate) const NO_BATCH: &str = "row that no batch inserted";
/// A batch itself was changed, or the one that it follows.
pub(crate) const BATCH: &str = "batch does not follow the one before of its lane";
/// The order of batches, or a link.
pub(crate) const LINK: &str = "chain of batches is broken";

/// How many rows are read at a time.
const PAGE: i64 = 5_000;

/// What a verification knows beside the database. It has keys, and is not printed.
#[derive(Clone, Default)]
pub struct ChainCheck {
    /// The keys of links. With `None`, links that were made with a key are taken as they are.
    pub keys: Option<LinkKeys>,
    /// A link that was kept elsewhere, to be found.
    pub head: Option<Digest>,
}

/// What the chain is like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChainReport {
    /// How many batches are chained: the position of the last one.
    pub position: i64,
    /// The link of the last one: the head. `None` while nothing is chained.
    pub head: Option<Digest>,
    /// The key of the last link.
    pub key_id: Option<String>,
    /// How many batches are not chained yet.
    pub unchained: i64,
    /// How many rows that were there before the chain are not in it yet.
    pub older_rows: i64,
    /// The links up to this position were made without a key.
    pub without_key: i64,
    /// How many links could not be checked, because there are no keys.
    pub unchecked: i64,
    /// The position of the head that was to be found.
    pub found_at: Option<i64>,
}

/// A rule that is broken, and where.
type Violation = (&'static str, String);

/// What was found, with the position in the chain by which findings are sorted.
struct Finding {
    position: i64,
    rule: &'static str,
    place: String,
}

#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
    /// How many there are of each rule.
    counts: [usize; 4],
}

impl Findings {
    /// How many findings of a rule are kept: all that are listed, and one to say that there are more.
    const KEPT: usize = super::LISTED + 1;

    fn add(&mut self, rule: &'static str, position: Option<i64>, place: String) {
        let index = [ROWS, NO_BATCH, BATCH, LINK].iter().position(|known| *known == rule);
        let Some(count) = index.and_then(|index| self.counts.get_mut(index)) else { return };
        *count += 1;
        let position = position.unwrap_or(i64::MAX);
        self.list.push(Finding { position, rule, place });
        if *count > Self::KEPT {
            // Drop the last one of the rule, by its position: the first places matter.
            let of_rule = self.list.iter().enumerate().filter(|(_, other)| other.rule == rule);
            if let Some(last) = of_rule.max_by_key(|(_, other)| other.position).map(|(at, _)| at) {
                self.list.remove(last);
            }
        }
    }

    /// The findings by position. Of a rule at most [`super::LISTED`] are listed.
    fn sorted(mut self) -> Vec<Violation> {
        self.list.sort_by_key(|finding| finding.position);
        let mut listed = vec![];
        let mut more = vec![];
        for (rule, place) in self.list.into_iter().map(|finding| (finding.rule, finding.place)) {
            if listed.iter().filter(|(other, _)| *other == rule).count() < super::LISTED {
                listed.push((rule, place));
            } else {
                more.push((rule, "and more".to_owned()));
            }
        }
        listed.extend(more);
        listed
    }
}

/// The rows of one table, by their ids.
struct Rows {
    place: usize,
    sql: String,
    after: i64,
    page: VecDeque<HashedRow>,
    done: bool,
}

impl Rows {
    fn new(place: usize) -> Self {
        let sql = HASHED.get(place).map_or_else(String::new, |table| {
            let columns = &(table.statements)().columns;
            let name = table.name;
            format!("SELECT {columns} FROM {name} WHERE id > :after ORDER BY id LIMIT :page")
        });
        Self { place, sql, after: i64::MIN, page: VecDeque::new(), done: false }
    }

    fn next_below(&mut self, end: i64, sql: &mut dyn Sql) -> Result<Option<HashedRow>, StoreError> {
        if self.page.is_empty() && !self.done {
            let rows = sql.rows(&self.sql, &params!["after" = self.after, "page" = PAGE])?;
            progress::add(rows.len());
            self.done = rows.is_empty();
            if let Some(table) = HASHED.get(self.place) {
                for row in &rows {
                    self.page.push_back(table.row(self.place, row.values())?);
                }
            }
            self.after = self.page.back().map_or(self.after, |last| last.id);
        }
        Ok(self.page.pop_front_if(|row| row.id < end))
    }
}

/// Checks the chain within the transaction that the caller has opened. The findings are sorted by
/// their position in the chain, so that the first place comes first.
///
/// # Errors
/// [`StoreError`] when the database cannot be read.
pub(crate) fn check(
    sql: &mut dyn Sql,
    with: &ChainCheck,
) -> Result<(ChainReport, Vec<Violation>), StoreError> {
    let mut findings = Findings::default();
    let mut report = ChainReport::default();
    let columns = &BatchChain::statements().columns;
    let ends = sql.rows(&format!("SELECT {columns} FROM batch_chain WHERE id = 1"), &vec![])?;
    let end = match ends.first().map(|row| BatchChain::from_row(row, 0)) {
        Some(Ok(end)) => Some(end),
        Some(Err(StoreError::Inconsistent { .. })) | None => None,
        Some(Err(error)) => return Err(error),
    };
    check_rows(sql, end.as_ref(), &mut report, &mut findings)?;
    check_links(sql, end.as_ref(), with, &mut report, &mut findings)?;
    Ok((report, findings.sorted()))
}

/// Compares the rows of each batch with its digest.
fn check_rows(
    sql: &mut dyn Sql,
    end: Option<&BatchChain>,
    report: &mut ChainReport,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let columns = &Batch::statements().columns;
    let width = Batch::WIDTH;
    let text = format!(
        "SELECT {columns}, p.digest_1, p.digest_2, p.position FROM batches \
         LEFT JOIN batches AS p ON p.id = batches.previous_id \
         WHERE batches.id > :after ORDER BY batches.id LIMIT :page"
    );
    let mut tables: Vec<Rows> = (0..HASHED.len()).map(Rows::new).collect();
    let older = end.map_or(0..0, |end| end.older_next_id..end.older_end_id);
    let (mut after, mut used) = (i64::MIN, i64::MIN);
    loop {
        let page = sql.rows(&text, &params!["after" = after, "page" = PAGE])?;
        progress::add(page.len());
        let Some(last) = page.last() else { break };
        after = last.integer()?;
        for row in &page {
            let batch = match Batch::from_row(row, 0) {
                Ok(batch) => batch,
                Err(StoreError::Inconsistent { id, what, .. }) => {
                    findings.add(BATCH, None, format!("batch {id}: {what}"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut reader = RowReader::new(row, "batches", width);
            let previous: Option<Digest> = Column::read(&mut reader)?;
            let previous_position: Option<i64> = Column::read(&mut reader)?;
            if batch.id.0 < used {
                let what = "its range of ids begins within that of the batch before";
                findings.add(BATCH, batch.position, at(&batch, what));
            }
            for table in &mut tables {
                while let Some(row) = table.next_below(batch.id.0, sql)? {
                    add_orphan(&row, &older, report, findings);
                }
            }
            let mut rows = vec![];
            for table in &mut tables {
                while let Some(row) = table.next_below(batch.end_id, sql)? {
                    rows.push(row);
                }
            }
            check_batch(&batch, previous, &rows, findings);
            report.unchained += i64::from(batch.position.is_none());
            if let (Some(position), Some(_)) = (batch.position, previous)
                && previous_position.is_none_or(|before| before > position)
            {
                let what = "it stands before the batch that it follows";
                findings.add(LINK, batch.position, at(&batch, what));
            }
            used = used.max(batch.end_id);
        }
    }
    for table in &mut tables {
        while let Some(row) = table.next_below(i64::MAX, sql)? {
            add_orphan(&row, &older, report, findings);
        }
    }
    Ok(())
}

/// A row that is in the range of no batch. Those that were there before the chain come into it later.
fn add_orphan(
    row: &HashedRow,
    older: &std::ops::Range<i64>,
    report: &mut ChainReport,
    findings: &mut Findings,
) {
    if older.contains(&row.id) {
        report.older_rows += 1;
        return;
    }
    let time = row.created_at.map_or_else(String::new, |at| format!(" of {at}"));
    findings.add(NO_BATCH, None, format!("{}{time}", name(row)));
}

fn name(row: &HashedRow) -> String {
    let table = HASHED.get(row.table).map_or("row", |table| table.row);
    format!("{table} {}", row.id)
}

/// A batch with its place in the chain, and what is wrong with it.
fn at(batch: &Batch, what: &str) -> String {
    let Batch { id: BatchId(id), created_at, .. } = batch;
    match batch.position {
        Some(position) => format!("position {position}, batch {id} of {created_at}: {what}"),
        None => format!("not chained yet, batch {id} of {created_at}: {what}"),
    }
}

fn check_batch(
    batch: &Batch,
    previous: Option<Digest>,
    rows: &[HashedRow],
    findings: &mut Findings,
) {
    let mut add = |rule, what: &str| findings.add(rule, batch.position, at(batch, what));
    let is_gone = batch.previous_id.is_some() && previous.is_none();
    if is_gone {
        let previous = batch.previous_id.map_or(0, |BatchId(id)| id);
        add(BATCH, &format!("batch {previous}, which it follows, is missing"));
    }
    let digest = chain::batch_digest(batch, previous.unwrap_or(Digest::ZERO), rows);
    let is_right = digest == batch.digest;
    match batch.marks.as_deref().and_then(|marks| difference(rows, marks)) {
        Some(_) if is_right => add(BATCH, "its marks were changed"),
        Some(difference) => add(ROWS, &difference),
        None if is_gone || is_right => {}
        None if batch.marks.is_none() => {
            let (first, last) = (batch.id, batch.end_id.saturating_sub(1));
            add(
                ROWS,
                &format!(
                    "of the rows with the ids {first} to {last}, one or more were changed, removed or added"
                ),
            );
        }
        None => add(BATCH, "the batch itself was changed, or the one that it follows"),
    }
}

/// Which row differs first from the marks of a batch; `None` if all are as they were.
fn difference(rows: &[HashedRow], marks: &str) -> Option<String> {
    let marks = marks.as_bytes();
    let now = chain::marks(rows);
    if now.as_bytes() == marks {
        return None;
    }
    let marks: Vec<&[u8]> = marks.chunks(MARK).collect();
    let same = |(row, mark): &(&HashedRow, &&[u8])| chain::mark(row.digest) == **mark;
    let first = rows.iter().zip(&marks).take_while(same).count();
    let row = rows.get(first);
    let before = first.checked_sub(1).and_then(|before| rows.get(before));
    let (there, were) = (rows.len(), marks.len());
    Some(match (row, before) {
        _ if there == 0 => format!("its {were} rows are missing"),
        (Some(row), _) if there == were => format!("{} was changed", name(row)),
        (Some(row), _) if there > were => format!("{} was inserted", name(row)),
        (Some(row), None) => {
            format!("{} rows are missing, the first before {}", were - there, name(row))
        }
        (Some(row), Some(before)) => {
            let (from, to) = (name(before), name(row));
            format!("{} rows are missing, the first between {from} and {to}", were - there)
        }
        (None, before) => {
            let before = before.map_or_else(String::new, name);
            format!("{} rows are missing, the first after {before}", were.saturating_sub(there))
        }
    })
}

/// Computes the links again, in the order of the chain.
fn check_links(
    sql: &mut dyn Sql,
    end: Option<&BatchChain>,
    with: &ChainCheck,
    report: &mut ChainReport,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let columns = &Batch::statements().columns;
    let text = format!(
        "SELECT batches.position, {columns} FROM batches WHERE position > :after ORDER BY position LIMIT :page"
    );
    // The link before, unless it is missing.
    let mut before = Some(Digest::ZERO);
    let mut last: Option<(i64, Digest, Option<String>)> = None;
    let (mut after, mut has_key, mut key_missing) = (i64::MIN, false, false);
    loop {
        let page = sql.rows(&text, &params!["after" = after, "page" = PAGE])?;
        progress::add(page.len());
        let Some(row) = page.last() else { break };
        after = row.integer()?;
        for row in &page {
            let expected = last.as_ref().map_or(0, |(position, ..)| *position).saturating_add(1);
            let position = row.integer()?;
            if position != expected {
                let gap = match position.saturating_sub(1) {
                    to if to <= expected => format!("the batch at position {expected} is missing"),
                    to => format!("the batches at the positions {expected} to {to} are missing"),
                };
                findings.add(LINK, Some(expected), gap);
                before = None;
            }
            let Ok(batch) = Batch::from_row(row, 1) else {
                // It is a finding of the rows already.
                (before, last) = (None, Some((position, Digest::ZERO, None)));
                continue;
            };
            let mut add = |what: &str| findings.add(LINK, Some(position), at(&batch, what));
            let link = batch.link.unwrap_or(Digest::ZERO);
            let key = match (&batch.link_key_id, &with.keys) {
                (None, _) => {
                    if has_key {
                        add("its link was made without a key, and the one before with one");
                        has_key = false;
                    }
                    report.without_key = position;
                    Some(None)
                }
                (Some(_), None) => {
                    report.unchecked += 1;
                    None
                }
                (Some(id), Some(keys)) => match keys.get(id) {
                    Some(key) => Some(Some(key)),
                    None => {
                        if !key_missing {
                            add(&format!(
                                "its link was made with the key {id}, which is not there"
                            ));
                        }
                        key_missing = true;
                        None
                    }
                },
            };
            has_key |= batch.link_key_id.is_some();
            if let (Some(key), Some(before)) = (key, before)
                && chain::link(key, before, position, &batch) != link
            {
                add("its link is not the one that the batch and the link before give");
            }
            if with.head == Some(link) {
                report.found_at = Some(position);
            }
            before = Some(link);
            last = Some((position, link, batch.link_key_id));
        }
    }
    let (position, head, key_id) = last.unwrap_or((0, Digest::ZERO, None));
    match end {
        None => {
            findings.add(LINK, None, "the row of the chain's end is missing or broken".to_owned())
        }
        Some(end) if (end.position, end.link, &end.link_key_id) != (position, head, &key_id) => {
            let said = end.position;
            let what = format!(
                "the chain ended at position {said} with the link {}, and its last batch is at position {position} with the link {head}",
                end.link
            );
            findings.add(LINK, Some(position.min(said).saturating_add(1)), what);
        }
        Some(_) => {}
    }
    report.position = position;
    report.head = Some(head).filter(|_| position > 0);
    report.key_id = key_id;
    Ok(())
}

/// The names of the rules, in the order in which they are checked.
pub(crate) const RULES: [&str; 4] = [ROWS, NO_BATCH, BATCH, LINK];
