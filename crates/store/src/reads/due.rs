//! Rows that fall due: executions to be polled, sessions to be expired and unpaid orders to be
//! canceled.
//!
//! All times are microseconds since 1970 (`_us` columns and constants are durations in
//! microseconds). A merchant's clock may differ from the server's by `clock_offset_us`.

use domain::kernel::ids::{
    ApprovalId, ExecutionId, MerchantId, NetworkAccountId, SessionId, SourceId,
};
use domain::kernel::time::ServerTime;
use domain::payments::attempt::{
    LEASE_US, MAX_CLOCK_SKEW_US, MAX_POLL_INTERVAL_SANDBOX_US, MAX_POLL_INTERVAL_US,
    MIN_POLL_INTERVAL_US, UNAPPROVED_US,
};

use crate::StoreError;
use crate::reads::scope::SystemReads;
use crate::workspace::record::{Column, RowReader};
use crate::workspace::sql::integer;
use crate::workspace::sql_value::{Params, params};

/// Conditions that select rows which fall due.
#[derive(Clone, Copy)]
struct DueRows<'a> {
    table: &'static str,
    id: &'static str,
    /// Further tables that `due` reads.
    joins: &'static str,
    /// Selects the rows that are not final: the condition of the partial index that has them.
    open: &'static str,
    /// Selects the rows that are due at their merchant's clock, `{clock_offset}` ahead of the server's.
    due: &'a str,
    order: &'static str,
}

const EXECUTIONS: DueRows<'_> = DueRows {
    table: "provider_attempts",
    id: "execution_id",
    joins: "",
    open: "next_check_at IS NOT NULL",
    // Nobody holds the lease. A lease that ends after `:latest_lease_end` was given by a process
    // whose clock was
    // ahead, and is ignored.
    due: "next_check_at <= :now + {clock_offset} \
          AND (lease_until IS NULL OR lease_until <= :now OR lease_until > :latest_lease_end)",
    order: "next_check_at",
};

/// Executions whose next check lies further ahead than any that is scheduled now: it was scheduled
/// while a clock was ahead. The intervals are those of [`NetworkPayment::is_due`].
const POSTPONED_EXECUTIONS: DueRows<'_> = DueRows {
    joins: "JOIN merchants ON merchants.id = provider_attempts.merchant_id \
            JOIN executions ON executions.id = provider_attempts.execution_id",
    due: "next_check_at > :now + clock_offset_us AND CASE WHEN lease_until > :now THEN lease_until > :latest_lease_end \
          ELSE next_check_at - :now - clock_offset_us > :apart \
          + CASE WHEN :now + clock_offset_us - executions.created_at < 2 * :shortest THEN :shortest \
          WHEN mode = 'SANDBOX' AND :now + clock_offset_us - executions.created_at > 2 * :sandbox THEN :sandbox \
          WHEN :now + clock_offset_us - executions.created_at > 2 * :longest THEN :longest \
          ELSE (:now + clock_offset_us - executions.created_at) / 2 END END",
    ..EXECUTIONS
};

const SESSIONS: DueRows<'_> = DueRows {
    table: "sessions",
    id: "id",
    joins: "",
    // The code of ACTIVE, as the condition of the index spells it.
    open: "status = 0",
    due: "expires_at <= :now + {clock_offset}",
    order: "expires_at",
};

const UNPAID_ORDERS: DueRows<'_> = DueRows {
    table: "sources",
    id: "id",
    joins: "",
    open: "cancel_at IS NOT NULL",
    // The same as `cancel_unpaid_order::is_due`.
    due: "cancel_at <= :now + {clock_offset} AND status = 'ACTIVE' AND open_reviews = 0",
    order: "cancel_at",
};

const APPROVALS: DueRows<'_> = DueRows {
    table: "approvals",
    id: "id",
    joins: "",
    open: "status = 'REQUESTED'",
    due: "approvals.created_at <= :now + {clock_offset} - :unapproved",
    order: "approvals.created_at",
};

/// The kinds of rows that fall due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DueKind {
    Executions,
    Sessions,
    UnpaidOrders,
    Approvals,
}

impl DueKind {
    pub const ALL: [Self; 4] =
        [Self::Executions, Self::Sessions, Self::UnpaidOrders, Self::Approvals];

    /// The rows, and how long after the time that orders them they fall due.
    const fn rows(self) -> (DueRows<'static>, i64) {
        match self {
            Self::Executions => (EXECUTIONS, 0),
            Self::Sessions => (SESSIONS, 0),
            Self::UnpaidOrders => (UNPAID_ORDERS, 0),
            Self::Approvals => (APPROVALS, UNAPPROVED_US),
        }
    }
}

/// Of how many merchants the oldest due row is looked for.
const WATCHED_MERCHANTS_MAX: u32 = 20_000;

/// The end of a lease, as a time of the server, that no lease given now exceeds.
fn latest_lease_end(now: ServerTime) -> i64 {
    now.plus(LEASE_US + MAX_CLOCK_SKEW_US).0
}

/// The condition `due` of executions, for those that do not go through `busy` network accounts.
fn not_through(busy: &[NetworkAccountId], due: &str) -> String {
    if busy.is_empty() {
        return due.to_owned();
    }
    let ids: Vec<String> = busy.iter().map(|account| account.0.to_string()).collect();
    format!("{due} AND provider_attempts.network_account_id NOT IN ({})", ids.join(", "))
}

/// What every look for due executions is about.
fn execution_params(now: ServerTime, limit: u32) -> Params<'static> {
    params!["now" = now.0, "latest_lease_end" = latest_lease_end(now), "limit" = limit]
}

/// A recursive table expression `found` with the merchants above `:after` that have open rows. It
/// skips from one merchant to the next in an index that begins with the merchant, so the number of
/// rows of each merchant does not matter.
fn merchants_expression(rows: &DueRows<'_>) -> String {
    let DueRows { table, open, .. } = rows;
    let next = |after: &str| {
        format!(
            "(SELECT merchant_id FROM {table} WHERE {open} AND merchant_id > {after} ORDER BY merchant_id LIMIT 1)"
        )
    };
    format!(
        "found(id, nth) AS (SELECT {}, 1 UNION ALL SELECT {}, nth + 1 FROM found WHERE found.id IS NOT NULL AND nth < :limit)",
        next(":after"),
        next("found.id")
    )
}

impl DueRows<'_> {
    /// Selects those rows of a merchant that are open and due. Its clock is a value that is read before:
    /// in a join, PostgreSQL may read all open rows and compare the time of each.
    fn select(&self, merchant: &str, limit: &str) -> String {
        let DueRows { table, id, joins, open, due, order } = *self;
        let clock = format!("(SELECT clock_offset_us FROM merchants WHERE id = {merchant})");
        let due = due.replace("{clock_offset}", &clock);
        format!(
            "SELECT {table}.{id} FROM {table} {joins} \
             WHERE {table}.merchant_id = {merchant} AND {open} AND {due} ORDER BY {order} LIMIT {limit}"
        )
    }
}

impl SystemReads<'_> {
    /// At most `limit` merchants that have executions which are not final, in the order of their
    /// ids from above `after`. Each comes with one execution that is due, if there is one. Those
    /// that go through `busy` network accounts are not looked at.
    pub async fn merchants_with_executions(
        &self,
        after: MerchantId,
        now: ServerTime,
        limit: u32,
        busy: &[NetworkAccountId],
    ) -> Result<Vec<(MerchantId, Option<ExecutionId>)>, StoreError> {
        let mut params = execution_params(now, limit);
        params.extend(params!["after" = after.0]);
        let due = not_through(busy, EXECUTIONS.due);
        self.merchants_with(&DueRows { due: &due, ..EXECUTIONS }, &params).await
    }

    /// At most `limit` executions of a merchant that are due, those with the earliest due time
    /// first. Those that go through `busy` network accounts are left out.
    pub async fn due_executions(
        &self,
        merchant: MerchantId,
        now: ServerTime,
        limit: u32,
        busy: &[NetworkAccountId],
    ) -> Result<Vec<ExecutionId>, StoreError> {
        let mut params = execution_params(now, limit);
        params.extend(params!["merchant" = merchant.0]);
        let due = not_through(busy, EXECUTIONS.due);
        self.due(&DueRows { due: &due, ..EXECUTIONS }, &params).await
    }

    /// At most `limit` executions of a merchant whose next check was scheduled too far ahead by a
    /// process whose clock was ahead: see [`NetworkPayment::is_due`]. Reads all open executions of the
    /// merchant, without those that go through `busy` network accounts.
    pub async fn postponed_executions(
        &self,
        merchant: MerchantId,
        now: ServerTime,
        limit: u32,
        busy: &[NetworkAccountId],
    ) -> Result<Vec<ExecutionId>, StoreError> {
        let mut params = execution_params(now, limit);
        params.extend(params![
            "merchant" = merchant.0,
            "apart" = MAX_CLOCK_SKEW_US,
            "shortest" = MIN_POLL_INTERVAL_US,
            "sandbox" = MAX_POLL_INTERVAL_SANDBOX_US,
            "longest" = MAX_POLL_INTERVAL_US
        ]);
        let due = not_through(busy, POSTPONED_EXECUTIONS.due);
        self.due(&DueRows { due: &due, ..POSTPONED_EXECUTIONS }, &params).await
    }

    /// At most `limit` merchants that have active sessions, in the order of their ids from above
    /// `after`. Each comes with one session that has expired at the merchant's clock, if there is
    /// one.
    pub async fn merchants_with_sessions(
        &self,
        after: MerchantId,
        now: ServerTime,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Option<SessionId>)>, StoreError> {
        let params = params!["after" = after.0, "now" = now.0, "limit" = limit];
        self.merchants_with(&SESSIONS, &params).await
    }

    /// At most `limit` active sessions of a merchant that have expired at its clock, those that
    /// expired first first.
    pub async fn due_sessions(
        &self,
        merchant: MerchantId,
        now: ServerTime,
        limit: u32,
    ) -> Result<Vec<SessionId>, StoreError> {
        let params = params!["merchant" = merchant.0, "now" = now.0, "limit" = limit];
        self.due(&SESSIONS, &params).await
    }

    /// At most `limit` merchants that have unpaid orders of payment links, in the order of their ids
    /// from above `after`. Each comes with one order that is to be canceled at the merchant's clock,
    /// if there is one.
    pub async fn merchants_with_unpaid_orders(
        &self,
        after: MerchantId,
        now: ServerTime,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Option<SourceId>)>, StoreError> {
        let params = params!["after" = after.0, "now" = now.0, "limit" = limit];
        self.merchants_with(&UNPAID_ORDERS, &params).await
    }

    /// At most `limit` orders of a merchant's payment links that are to be canceled at its clock, the
    /// oldest first.
    pub async fn due_unpaid_orders(
        &self,
        merchant: MerchantId,
        now: ServerTime,
        limit: u32,
    ) -> Result<Vec<SourceId>, StoreError> {
        let params = params!["merchant" = merchant.0, "now" = now.0, "limit" = limit];
        self.due(&UNPAID_ORDERS, &params).await
    }

    /// Merchants with open rows, each with the id of one row that is due.
    async fn merchants_with<Id: Column>(
        &self,
        rows: &DueRows<'_>,
        params: &Params<'_>,
    ) -> Result<Vec<(MerchantId, Option<Id>)>, StoreError> {
        let sql = format!(
            "WITH RECURSIVE {} SELECT found.id, ({}) FROM found WHERE found.id IS NOT NULL ORDER BY found.nth",
            merchants_expression(rows),
            rows.select("found.id", "1")
        );
        self.0
            .rows(&sql, params, |row| {
                <(MerchantId, Option<Id>) as Column>::read(&mut RowReader::new(row, rows.table, 0))
            })
            .await
    }

    /// At most `limit` merchants that have requests for approval which nobody answered, in the order of
    /// their ids from above `after`. Each comes with one that has expired at the merchant's clock, if
    /// there is one.
    pub async fn merchants_with_approvals(
        &self,
        after: MerchantId,
        now: ServerTime,
        limit: u32,
    ) -> Result<Vec<(MerchantId, Option<ApprovalId>)>, StoreError> {
        let params = params![
            "after" = after.0,
            "now" = now.0,
            "limit" = limit,
            "unapproved" = UNAPPROVED_US
        ];
        self.merchants_with(&APPROVALS, &params).await
    }

    /// At most `limit` requests for approval of a merchant that have expired at its clock, the oldest
    /// first.
    pub async fn due_approvals(
        &self,
        merchant: MerchantId,
        now: ServerTime,
        limit: u32,
    ) -> Result<Vec<ApprovalId>, StoreError> {
        let params = params![
            "merchant" = merchant.0,
            "now" = now.0,
            "limit" = limit,
            "unapproved" = UNAPPROVED_US
        ];
        self.due(&APPROVALS, &params).await
    }

    /// When the row fell due that has been due for longest, at the server's clock. `None` where none is
    /// due.
    pub async fn oldest_due(
        &self,
        kind: DueKind,
        now: ServerTime,
    ) -> Result<Option<ServerTime>, StoreError> {
        let (rows, later) = kind.rows();
        let clock = "(SELECT clock_offset_us FROM merchants WHERE id = found.id)";
        let first = DueRows { id: rows.order.trim_start_matches("approvals."), ..rows };
        let sql = format!(
            "WITH RECURSIVE {} SELECT coalesce(min(({}) - {clock}), 0) FROM found WHERE found.id IS NOT NULL",
            merchants_expression(&rows),
            first.select("found.id", "1")
        );
        let mut params = params!["after" = 0_i64, "limit" = WATCHED_MERCHANTS_MAX, "now" = now.0];
        match kind {
            DueKind::Executions => {
                params.extend(params!["latest_lease_end" = latest_lease_end(now)]);
            }
            DueKind::Approvals => params.extend(params!["unapproved" = UNAPPROVED_US]),
            DueKind::Sessions | DueKind::UnpaidOrders => {}
        }
        let _permit = self.0.list_permit().await?;
        let oldest = self.0.list_rows(sql, params, integer).await?.pop();
        Ok(oldest.filter(|at| *at != 0).map(|at| ServerTime(at).plus(later)))
    }

    /// Ids of a merchant's rows that are open and due.
    async fn due<Id: Column>(
        &self,
        rows: &DueRows<'_>,
        params: &Params<'_>,
    ) -> Result<Vec<Id>, StoreError> {
        let sql = rows.select(":merchant", ":limit");
        self.0.rows(&sql, params, |row| Id::read(&mut RowReader::new(row, rows.table, 0))).await
    }
}
