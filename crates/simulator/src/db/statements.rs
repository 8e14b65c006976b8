//! What the product reads of the ledger while statements are compared: its queries, on the rows in
//! memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;

use domain::exceptions::review::{Resolution, ReviewKind};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    ExecutionId, MerchantId, NetworkAccountId, StatementId, StatementLineId,
};
use domain::kernel::money::Money;
use domain::kernel::names::Operation;
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::{Fingerprint, Uuid};
use domain::ledger::account::AccountKind;
use domain::payments::attempt::ProviderAttempt;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::reconciliation::compare::Booked;
use domain::reconciliation::difference::{DifferenceResolution, DifferenceStatus};
use domain::reconciliation::line::StatementLine;
use domain::reconciliation::reported::LineKind;
use domain::reconciliation::statement::StatementStatus;
use kola::reconciliation::ledger::LedgerReads;
use store::StoreError;
use store::reads::reconciliation::{KnownLine, OpenDifference, PaymentLine};

use super::{Committed, Database};

/// The database, for whoever compares statements.
pub struct StatementReads<'a>(pub &'a RefCell<Database>);

type Read<T> = Result<T, StoreError>;

/// What a payment has moved, with what its reviews and differences have booked in its own currency.
fn booked(rows: &Committed, row: &Execution, attempt: &ProviderAttempt) -> Booked {
    let (moved, wallet) = match row.operation() {
        Operation::Collection => (row.payer, row.payee.currency),
        Operation::Payout | Operation::Transfer | Operation::Refund => {
            (Money::new(-row.payee.minor, row.payee.currency), row.payer.currency)
        }
    };
    let own = rows.reviews.by_id.values().filter(|review| {
        review.execution_id == row.id
            && review.kind != ReviewKind::DeadlinePassed
            && review.amount.currency == moved.currency
    });
    let of_reviews: i64 = own
        .map(|review| {
            let returned = review.resolution.as_deref() == Some(Resolution::ToPayer.as_str());
            let kept = if returned { 0 } else { review.amount.minor };
            review.earlier_minor - review.earlier_returned_minor + kept
        })
        .sum();
    let booked = rows.statement_differences.by_id.values().filter(|difference| {
        difference.execution_id == Some(row.id)
            && difference.network_account_id == attempt.network_account_id
            && difference.resolution == Some(DifferenceResolution::Booked)
    });
    let own = |money: Option<Money>| {
        money.filter(|money| money.currency == moved.currency).map_or(0, |money| money.minor)
    };
    let of_differences: i64 =
        booked.map(|difference| own(difference.theirs) - own(difference.ours)).sum();
    let is_completed = row.status == ExecutionStatus::Completed;
    let minor = if is_completed { moved.minor } else { 0 };
    Booked {
        merchant_id: row.merchant_id,
        execution_id: row.id,
        request_id: attempt.request_id,
        amount: Money::new(minor + of_reviews + of_differences, moved.currency),
        fee: Money::new(row.gateway_fee_minor, wallet),
        is_open: !row.status.is_final(),
        is_settled: is_completed || of_reviews + of_differences != 0,
        created_at: ServerTime(row.created_at.0),
        completed_at: row.completed_at.map(|at| ServerTime(at.0)),
    }
}

/// The payments that were sent through an account, of which `wanted` is true.
fn payments(
    rows: &Committed,
    account: NetworkAccountId,
    wanted: impl Fn(&Execution, &ProviderAttempt) -> bool,
) -> Vec<Booked> {
    let sent = rows.provider_attempts.by_id.values();
    let sent = sent.filter(|row| row.network_account_id == account && row.body.is_some());
    let of = sent.filter_map(|attempt| {
        let row = rows.executions.get(attempt.execution_id)?;
        wanted(row, attempt).then(|| booked(rows, row, attempt))
    });
    let mut found: Vec<Booked> = of.collect();
    found.sort_unstable_by_key(|payment| (payment.created_at, payment.execution_id));
    found
}

fn is_due(rows: &Committed, line: &StatementLine) -> bool {
    let statement = rows.statements.get(line.statement_id);
    line.event_id.is_none()
        && line.standing.is_settled()
        && statement.is_some_and(|row| row.accepted_at.is_some())
}

impl StatementReads<'_> {
    fn lines<T>(&self, read: impl Fn(&StatementLine) -> Option<T>) -> Vec<T> {
        let db = self.0.borrow();
        let mut lines: Vec<_> = db.rows.statement_lines.by_id.values().collect();
        lines.sort_unstable_by_key(|line| line.id);
        lines.into_iter().filter_map(|line| read(line)).collect()
    }
}

impl LedgerReads for StatementReads<'_> {
    fn known_lines(
        &self,
        account: NetworkAccountId,
        identities: &[Fingerprint],
    ) -> impl Future<Output = Read<Vec<KnownLine>>> + Send {
        let db = self.0.borrow();
        let of = |identity: &Fingerprint| {
            let row = db.rows.statement_lines.by_alt_key(&(account, *identity))?;
            let statement = db.rows.statements.get(row.statement_id);
            let status = statement.map_or(StatementStatus::Complete, |row| row.status);
            Some(KnownLine {
                identity: *identity,
                standing: row.standing,
                amount: row.amount,
                settled: row.settled,
                fee: row.fee,
                is_booked: row.event_id.is_some(),
                status,
            })
        };
        ready(Ok(identities.iter().filter_map(of).collect()))
    }

    fn booked_by_request(
        &self,
        account: NetworkAccountId,
        requests: &[Uuid],
    ) -> impl Future<Output = Read<Vec<Booked>>> + Send {
        let wanted: BTreeSet<&Uuid> = requests.iter().collect();
        let is_wanted = |_: &Execution, own: &ProviderAttempt| wanted.contains(&own.request_id.0);
        ready(Ok(payments(&self.0.borrow().rows, account, is_wanted)))
    }

    fn booked_by_reference(
        &self,
        account: NetworkAccountId,
        reference: &str,
    ) -> impl Future<Output = Read<Option<Booked>>> + Send {
        let is_wanted = |row: &Execution, _: &ProviderAttempt| {
            row.provider_transaction_id.as_deref() == Some(reference)
        };
        let found = payments(&self.0.borrow().rows, account, is_wanted);
        ready(Ok(found.into_iter().min_by_key(|payment| payment.execution_id)))
    }

    fn lines_of_payments(
        &self,
        account: NetworkAccountId,
        executions: &[ExecutionId],
    ) -> impl Future<Output = Read<Vec<PaymentLine>>> + Send {
        ready(Ok(self.lines(|line| {
            let execution_id = line.execution_id.filter(|id| executions.contains(id))?;
            let StatementLine { identity, kind, amount, .. } = *line;
            let found = PaymentLine { execution_id, identity, kind, amount };
            (line.network_account_id == account).then_some(found)
        })))
    }

    fn open_differences_of(
        &self,
        account: NetworkAccountId,
        executions: &[ExecutionId],
    ) -> impl Future<Output = Read<Vec<OpenDifference>>> + Send {
        let db = self.0.borrow();
        let mut rows: Vec<_> = db.rows.statement_differences.by_id.values().collect();
        rows.sort_unstable_by_key(|row| row.id);
        let open = rows.into_iter().filter(|row| {
            row.network_account_id == account && row.status == DifferenceStatus::Open
        });
        let found = open.filter_map(|row| {
            let execution_id = row.execution_id.filter(|id| executions.contains(id))?;
            Some(OpenDifference { execution_id, kind: row.kind, subject: row.subject })
        });
        ready(Ok(found.collect()))
    }

    fn booked_without_line(
        &self,
        account: NetworkAccountId,
        merchant: MerchantId,
        (from, to): (ServerTime, ServerTime),
        after: Option<(ServerTime, ExecutionId)>,
        limit: u32,
    ) -> impl Future<Output = Read<Vec<Booked>>> + Send {
        let told =
            self.lines(|line| line.execution_id.filter(|_| line.network_account_id == account));
        let told: BTreeSet<ExecutionId> = told.into_iter().collect();
        let is_wanted = |row: &Execution, _: &ProviderAttempt| {
            let created = ServerTime(row.created_at.0);
            row.merchant_id == merchant
                && !told.contains(&row.id)
                && created < to
                && after.map_or(created >= from, |after| (created, row.id) > after)
        };
        let mut found = payments(&self.0.borrow().rows, account, is_wanted);
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        ready(Ok(found))
    }

    fn merchants_at(
        &self,
        account: NetworkAccountId,
    ) -> impl Future<Output = Read<Vec<MerchantId>>> + Send {
        let db = self.0.borrow();
        let accounts = db.rows.accounts.by_id.values().filter(|row| {
            row.kind == AccountKind::Clearing(account)
                && row.merchant_id != MerchantId::INSTALLATION
        });
        let merchants: BTreeSet<MerchantId> = accounts.map(|row| row.merchant_id).collect();
        ready(Ok(merchants.into_iter().collect()))
    }

    fn lines_to_post(
        &self,
        statement: StatementId,
        after: StatementLineId,
        limit: u32,
    ) -> impl Future<Output = Read<Vec<StatementLineId>>> + Send {
        let db = self.0.borrow();
        let mut lines = self.lines(|line| {
            let is_wanted =
                line.statement_id == statement && line.id > after && is_due(&db.rows, line);
            is_wanted.then_some(line.id)
        });
        lines.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        ready(Ok(lines))
    }

    fn statements_to_post(&self) -> impl Future<Output = Read<Vec<StatementId>>> + Send {
        let db = self.0.borrow();
        let due = self.lines(|line| is_due(&db.rows, line).then_some(line.statement_id));
        let due: BTreeSet<StatementId> = due.into_iter().collect();
        ready(Ok(due.into_iter().collect()))
    }

    fn cleared(
        &self,
        account: NetworkAccountId,
    ) -> impl Future<Output = Read<Vec<(Currency, i128)>>> + Send {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        for row in self.0.borrow().rows.accounts.by_id.values() {
            if row.kind == AccountKind::Clearing(account) {
                *sums.entry(row.currency).or_default() -= row.balance();
            }
        }
        ready(Ok(sums.into_iter().collect()))
    }

    fn unposted(
        &self,
        account: NetworkAccountId,
    ) -> impl Future<Output = Read<Vec<(Currency, i128)>>> + Send {
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        let mut add = |money: Money, sign: i128| {
            *sums.entry(money.currency).or_default() += sign * i128::from(money.minor);
        };
        let lines = self.lines(|line| {
            let is_open = line.network_account_id == account && line.event_id.is_none();
            is_open.then(|| line.clone())
        });
        for line in lines {
            line.fee.into_iter().for_each(|fee| add(fee, -1));
            if let Some(settled) = line.settled {
                add(line.amount, -1);
                add(settled, 1);
            }
            if matches!(line.kind, LineKind::TopUp | LineKind::BankTransfer | LineKind::Fee) {
                add(line.amount, 1);
            }
        }
        ready(Ok(sums.into_iter().collect()))
    }
}
