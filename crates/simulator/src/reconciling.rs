//! Whoever reads the networks' statements, accepts them and closes what differs: with the product's own
//! reading, on the database in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use anyhow::bail;
use domain::decision::command::{Command, Output};
use domain::directory::principal::Principal;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{MerchantId, NetworkAccountId, StatementId, StatementLineId};
use domain::kernel::money::Money;
use domain::kernel::time::{ServerTime, minutes};
use domain::ledger::account::AccountKind;
use domain::reconciliation::accept::AcceptStatement;
use domain::reconciliation::close_difference::CloseDifference;
use domain::reconciliation::difference::{
    Difference, DifferenceKind, DifferenceResolution, DifferenceStatus,
};
use domain::reconciliation::line::LineStanding;
use domain::reconciliation::post_lines::{AT_ONCE, PostLines};
use domain::reconciliation::run::{BeginStatement, ClaimReconciliation, LEASE_US};
use domain::reconciliation::statement::{Statement, StatementSource, StatementStatus};
use kola::reconciliation::fetching::record_balances;
use kola::reconciliation::ledger::{Ledger, LedgerReads, submit};
use kola::reconciliation::posting::post_all;
use kola::reconciliation::reading::Reading;

use crate::checks::{CheckResult, Violation, rule};
use crate::contracts::ACCOUNTS;
use crate::db::statements::StatementReads;
use crate::environment::Environment;
use crate::oracle::statements::{Books, Comparison, Expected, balance, books};
use crate::queued_command::{Origin, QueuedCommand};
use crate::rng::Rng;
use crate::sim::{Sim, stream};
use crate::statements::{Lie, Made, Statements, Told};

const DAY: i64 = minutes(24 * 60);
const FOUND: &str = "oracle: differences of statements";
const BOOKED: &str = "oracle: what statements say is booked";

/// The simulated installation's ledger.
struct SimLedger<'a> {
    sim: RefCell<&'a mut Sim>,
    environment: Rc<Environment>,
    now: ServerTime,
    violation: RefCell<Option<Violation>>,
}

impl Ledger for SimLedger<'_> {
    fn reads(&self) -> impl LedgerReads {
        StatementReads(&self.environment.db)
    }

    fn now(&self) -> ServerTime {
        self.now
    }

    async fn submit_all(&self, commands: Vec<Command>) -> anyhow::Result<Vec<Output>> {
        match self.sim.borrow_mut().carry_out(commands) {
            Ok(outputs) => Ok(outputs),
            Err(violation) => {
                self.violation.replace(Some(violation));
                bail!("a rule was broken")
            }
        }
    }
}

/// Waits for what is never waited for in a simulation.
fn at_once<T>(
    ledger: &SimLedger<'_>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> Result<T, Violation> {
    let what = match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(done)) => return Ok(done),
        Poll::Ready(Err(error)) => format!("{error:#}"),
        Poll::Pending => "it waits".to_owned(),
    };
    let violation = ledger.violation.take();
    Err(violation.unwrap_or(Violation { check: "a statement cannot be read", what }))
}

/// A difference of the product's, as the oracle tells them.
fn as_expected(row: &Difference) -> Expected {
    let side = |money: Option<Money>| money.map(|money| (money.currency, money.minor));
    Expected {
        account: row.network_account_id.0,
        kind: row.kind.as_str(),
        execution: row.execution_id.map(|id| id.0),
        ours: side(row.ours),
        theirs: side(row.theirs),
    }
}

/// The lines, differences and balances, to see whether a reading changes any.
type Snapshot = (Vec<(StatementLineId, LineStanding, bool)>, Vec<Difference>, Vec<(i64, i128)>);

impl Sim {
    /// Carries out commands of whoever reads statements, as one batch.
    fn carry_out(&mut self, commands: Vec<Command>) -> Result<Vec<Output>, Violation> {
        let item = |command| {
            let by = matches!(command, Command::AcceptStatement(_) | Command::CloseDifference(_))
                .then_some(Principal::Operator);
            QueuedCommand { by, ..QueuedCommand::untagged(command, Origin::Statement) }
        };
        self.answers.clear();
        self.run(vec![(0, commands.into_iter().map(item).collect())])?;
        let answers = std::mem::take(&mut self.answers);
        let answers = answers.into_iter().collect::<Result<Vec<_>, _>>();
        answers.map_err(|failure| Violation {
            check: "a statement's command fails",
            what: format!("{failure:?}"),
        })
    }

    fn with_ledger<T>(
        &mut self,
        work: impl AsyncFnOnce(&SimLedger<'_>) -> anyhow::Result<T>,
    ) -> Result<T, Violation> {
        self.begin();
        let environment = Rc::clone(&self.environment);
        let now = self.processes.now(0);
        let ledger =
            SimLedger { sim: RefCell::new(self), environment, now, violation: RefCell::default() };
        at_once(&ledger, work(&ledger))
    }

    /// Reads statements while payments are under way.
    pub fn reconcile_early(&mut self) -> CheckResult {
        let statements = Statements::draw(self.seed, self.now);
        self.read_all(&statements, Made::Early)?;
        let mut rng = self.rng_for(&[stream::STATEMENTS, 1]);
        if rng.chance(500) {
            self.accept_and_post()?;
        }
        Ok(())
    }

    /// Reads statements once everything is settled, books them, and closes all differences.
    pub fn reconcile(&mut self) -> CheckResult {
        let mut rng = self.rng_for(&[stream::STATEMENTS, 2]);
        let statements = Statements::draw(self.seed, self.now);
        self.break_off(&statements, &mut rng)?;
        let told = self.read_all(&statements, Made::First)?;
        self.count_lies(&statements);
        self.all_are_found(&told, &BTreeSet::new())?;
        self.accept_and_post()?;
        let mut closed = BTreeSet::new();
        self.close(&statements, &told, Made::First, &mut rng, &mut closed)?;
        self.now += DAY + rng.between(1, DAY);
        let told = self.read_all(&statements, Made::Next)?;
        self.all_are_found(&told, &closed)?;
        self.accept_and_post()?;
        self.close(&statements, &told, Made::Next, &mut rng, &mut closed)?;
        self.accept_and_post()?;
        self.all_is_booked(&told)?;
        let before = self.snapshot();
        self.read_all(&statements, Made::Next)?;
        self.accept_and_post()?;
        rule(before == self.snapshot(), "a statement that is read again adds something", || {
            format!("{before:?}")
        })?;
        self.count_differences();
        Ok(())
    }

    /// Reads the statements of all accounts. What they tell.
    fn read_all(&mut self, statements: &Statements, made: Made) -> Result<Vec<Told>, Violation> {
        let mut all = vec![];
        for (account, network, _) in ACCOUNTS {
            let movements = self.providers.state().movements.clone();
            let mut told = statements.of((account, network), made, &movements, &self.model);
            let mut rng = self.rng_for(&[stream::STATEMENTS, 3, account.0.unsigned_abs()]);
            if rng.chance(300) {
                self.statistics.fault("statement in another order", 1);
                for last in (1..told.len()).rev() {
                    told.swap(last, rng.below(last + 1));
                }
            }
            self.read(account, &told, &mut rng)?;
            all.extend(told);
        }
        self.nothing_young_is_missing()?;
        Ok(all)
    }

    /// Whoever reads a statement does not come to its end: it dies, or the network has no more. What it
    /// has read stays, and the next reading goes on with it.
    fn break_off(&mut self, statements: &Statements, rng: &mut Rng) -> CheckResult {
        let Some((account_id, network, _)) = rng.pick(&ACCOUNTS).filter(|_| rng.chance(500)) else {
            return Ok(());
        };
        let movements = self.providers.state().movements.clone();
        let told = statements.of((account_id, network), Made::First, &movements, &self.model);
        let part = told.iter().take(rng.below(told.len() + 1)).map(|told| told.line.clone());
        let part: Vec<_> = part.collect();
        let dies = rng.chance(500);
        self.statistics.fault("statement broken off", 1);
        let begin = BeginStatement {
            account_id,
            source: StatementSource::Network,
            name: None,
            digest: None,
            from_at: ServerTime(0),
            to_at: ServerTime(self.now),
        };
        let claim = |holder| ClaimReconciliation { account_id, holder, not_since: None };
        let is_kept_away = self.with_ledger(async |ledger| {
            if !submit(ledger, claim(1)).await? {
                bail!("somebody else reads statements of account {account_id}");
            }
            let mut reading = Reading::begin_as(1, ledger, begin).await?;
            reading.add(part).await?;
            if dies {
                return Ok(!submit(ledger, claim(2)).await?);
            }
            reading.end(Some("the network has no more".to_owned())).await?;
            Ok(true)
        })?;
        self.now += LEASE_US;
        rule(is_kept_away, "two processes read statements of an account", || {
            format!("account {account_id}")
        })
    }

    fn read(
        &mut self,
        account: NetworkAccountId,
        told: &[Told],
        rng: &mut Rng,
    ) -> Result<Statement, Violation> {
        let holder = i64::from(u32::try_from(rng.next() >> 40).unwrap_or(0));
        let (from_at, to_at) = (ServerTime(0), ServerTime(self.now + DAY));
        let parts = 1 + rng.below(3);
        let size = told.len().div_ceil(parts).max(1);
        self.statistics.fault("statement read", 1);
        self.statistics.fault("line of a statement", u64::try_from(told.len()).unwrap_or(0));
        self.with_ledger(async |ledger| {
            let claim = ClaimReconciliation { account_id: account, holder, not_since: None };
            if !submit(ledger, claim).await? {
                bail!("somebody else reads statements of account {account}");
            }
            let begin = BeginStatement {
                account_id: account,
                source: StatementSource::Network,
                name: None,
                digest: None,
                from_at,
                to_at,
            };
            let mut reading = Reading::begin_as(holder, ledger, begin).await?;
            for part in told.chunks(size) {
                reading.add(part.iter().map(|told| told.line.clone()).collect()).await?;
            }
            reading.find_missing(None).await?;
            reading.end(None).await
        })
    }

    fn statements_to_accept(&self) -> BTreeSet<StatementId> {
        let db = self.environment.db.borrow();
        let rows = db.rows.statements.by_id.values();
        let open =
            rows.filter(|row| row.accepted_at.is_none() && row.status == StatementStatus::Complete);
        open.map(|row| row.id).collect()
    }

    /// Accepts all statements and books their lines. Another process books the same lines once more.
    fn accept_and_post(&mut self) -> CheckResult {
        let open = self.statements_to_accept();
        let again = self.with_ledger(async |ledger| {
            for statement_id in open {
                submit(ledger, AcceptStatement { statement_id }).await?;
            }
            let mut known = vec![];
            for statement in ledger.reads().statements_to_post().await? {
                let most = u32::try_from(AT_ONCE)?;
                let lines =
                    ledger.reads().lines_to_post(statement, StatementLineId(0), most).await?;
                known.push((statement, lines));
            }
            post_all(ledger).await?;
            let mut again = 0;
            for (statement_id, lines) in known {
                again += submit(ledger, PostLines { statement_id, lines }).await?;
            }
            Ok(again)
        })?;
        rule(again == 0, BOOKED, || format!("{again} lines were booked again"))
    }

    fn differences(&self) -> Vec<Difference> {
        let db = self.environment.db.borrow();
        let mut rows: Vec<Difference> =
            db.rows.statement_differences.by_id.values().map(|row| (**row).clone()).collect();
        rows.sort_unstable_by_key(|row| row.id);
        rows
    }

    /// The payments that statements tell otherwise than they were.
    fn lies(&self, statements: &Statements) -> Vec<(i64, Lie)> {
        let providers = self.providers.state();
        let mut times: BTreeMap<i64, u32> = BTreeMap::new();
        for movement in &providers.movements {
            *times.entry(movement.execution.0).or_default() += 1;
        }
        let is_real = |account: NetworkAccountId| self.model.contracts.contains_key(&account.0);
        let real = providers.movements.iter().filter(|movement| is_real(movement.account));
        let lies = real.filter_map(|movement| {
            let id = movement.execution.0;
            let alone = times.get(&id) == Some(&1);
            Some((id, statements.lie(movement, alone, &self.model)?))
        });
        lies.collect()
    }

    fn count_lies(&mut self, statements: &Statements) {
        for (_, lie) in self.lies(statements) {
            self.statistics.fault(lie.what(), 1);
        }
    }

    /// An operator closes differences: in the end all of them.
    fn close(
        &mut self,
        statements: &Statements,
        told: &[Told],
        made: Made,
        rng: &mut Rng,
        closed: &mut BTreeSet<Expected>,
    ) -> CheckResult {
        let lies = self.lies(statements).into_iter();
        let late = lies.filter(|(_, lie)| *lie == Lie::Late).map(|(id, _)| id).collect();
        let movements = self.providers.state().movements.clone();
        let strange = Comparison::new(&self.model, &movements, told).in_other_currency();
        for row in self.differences() {
            if row.status == DifferenceStatus::Closed || (made < Made::Next && rng.chance(500)) {
                continue;
            }
            let is_about =
                |ids: &BTreeSet<i64>| row.execution_id.is_some_and(|id| ids.contains(&id.0));
            let is_right = row.kind == DifferenceKind::FeeDiffers
                || is_about(&strange)
                || (made < Made::Next && is_about(&late));
            let book = !is_right && rng.chance(500);
            self.carry_out(vec![
                CloseDifference {
                    difference_id: row.id,
                    book,
                    evidence: "a letter of the network".to_owned(),
                }
                .into(),
            ])?;
            closed.insert(as_expected(&row));
            let what = if book { "difference booked" } else { "difference explained" };
            self.statistics.fault(what, 1);
        }
        Ok(())
    }

    /// A line of a day ago at most may be about a payment that is under way.
    fn nothing_young_is_missing(&self) -> CheckResult {
        let db = self.environment.db.borrow();
        for row in db.rows.statement_differences.by_id.values() {
            let line = row.line_id.and_then(|id| db.rows.statement_lines.get(id));
            let Some(line) = line.filter(|_| row.kind == DifferenceKind::MissingHere) else {
                continue;
            };
            let is_young = row.found_at.0 - line.occurred_at.0 < DAY;
            rule(!(is_young && line.kind.is_of_payment()), FOUND, || {
                format!("it may be under way: {row:?} of {line:?}")
            })?;
        }
        Ok(())
    }

    /// All differences are found, each once, and no other; those that were closed before stay.
    fn all_are_found(&self, told: &[Told], closed: &BTreeSet<Expected>) -> CheckResult {
        let movements = self.providers.state().movements.clone();
        let comparison = Comparison::new(&self.model, &movements, told);
        let strange = comparison.in_other_currency();
        let db = self.environment.db.borrow();
        let completed = |id: i64| {
            let row = db.rows.executions.by_id.get(&domain::kernel::ids::ExecutionId(id))?;
            row.completed_at.map(|at| at.0)
        };
        let mut expected = comparison.expected(self.processes.now(0).0, completed);
        let still: BTreeSet<_> = expected.iter().cloned().collect();
        expected.extend(closed.iter().filter(|row| !still.contains(row)).cloned());
        expected.retain(|row| row.execution.is_none_or(|id| !strange.contains(&id)));
        let mut found: Vec<_> = self
            .differences()
            .iter()
            .filter(|row| row.resolution != Some(DifferenceResolution::Agreed))
            .map(as_expected)
            .filter(|row| row.execution.is_none_or(|id| !strange.contains(&id)))
            .collect();
        expected.sort_unstable();
        found.sort_unstable();
        rule(expected == found, FOUND, || {
            let wrong: Vec<_> = found.iter().filter(|row| !expected.contains(row)).collect();
            let missed: Vec<_> = expected.iter().filter(|row| !found.contains(row)).collect();
            format!("not found: {missed:?}; found wrongly or twice: {wrong:?} of {found:?}")
        })
    }

    /// The installation's accounts are what all lines say, with what operators have booked; and what all
    /// clearing accounts say is what the network says, but for what operators have explained.
    fn all_is_booked(&mut self, told: &[Told]) -> CheckResult {
        let movements = self.providers.state().movements.clone();
        let comparison = Comparison::new(&self.model, &movements, told);
        let strange = comparison.in_other_currency();
        let mut wanted: Books = books(told);
        let mut explained: BTreeMap<(i64, Currency), i64> = BTreeMap::new();
        for row in self.differences() {
            let payment = row.execution_id.map_or(0, |id| id.0);
            let is_told_by_now =
                row.kind == DifferenceKind::MissingThere && comparison.is_told(payment);
            if row.kind == DifferenceKind::FeeDiffers
                || strange.contains(&payment)
                || is_told_by_now
            {
                continue;
            }
            let account = row.network_account_id;
            let sides = [(row.theirs, 1), (row.ours, -1)];
            for (money, sign) in
                sides.iter().filter_map(|(side, sign)| Some((*side.as_ref()?, *sign)))
            {
                match row.resolution {
                    Some(DifferenceResolution::Booked) => {
                        let clearing = (AccountKind::Clearing(account), money.currency);
                        *wanted.entry(clearing).or_default() -= sign * money.minor;
                        let difference = (AccountKind::Difference(account), money.currency);
                        *wanted.entry(difference).or_default() += sign * money.minor;
                    }
                    Some(DifferenceResolution::Explained) => {
                        *explained.entry((account.0, money.currency)).or_default() +=
                            sign * money.minor;
                    }
                    Some(DifferenceResolution::Agreed) | None => {}
                }
            }
        }
        let mut booked = Books::new();
        let mut cleared: BTreeMap<(i64, Currency), i64> = BTreeMap::new();
        for row in self.environment.db.borrow().rows.accounts.by_id.values() {
            if row.merchant_id == MerchantId::INSTALLATION {
                *booked.entry((row.kind, row.currency)).or_default() += row.balance_minor;
            }
            if let AccountKind::Clearing(account) = row.kind {
                *cleared.entry((account.0, row.currency)).or_default() -= row.balance_minor;
            }
        }
        wanted.retain(|_, minor| *minor != 0);
        booked.retain(|_, minor| *minor != 0);
        rule(wanted == booked, BOOKED, || format!("{booked:?}, {wanted:?} was expected"))?;
        for (account, _, _) in ACCOUNTS {
            self.balance_is_right(account, balance(told, account.0), &cleared, &explained)?;
        }
        Ok(())
    }

    fn balance_is_right(
        &mut self,
        account: NetworkAccountId,
        own: BTreeMap<Currency, i64>,
        cleared: &BTreeMap<(i64, Currency), i64>,
        explained: &BTreeMap<(i64, Currency), i64>,
    ) -> CheckResult {
        let of = |list: &BTreeMap<(i64, Currency), i64>, currency| {
            list.get(&(account.0, currency)).copied().unwrap_or(0)
        };
        let mut currencies: BTreeSet<Currency> = own.keys().copied().collect();
        currencies.extend(cleared.keys().filter(|key| key.0 == account.0).map(|key| key.1));
        for currency in currencies {
            let there = own.get(&currency).copied().unwrap_or(0);
            let here = of(cleared, currency) + of(explained, currency);
            rule(there == here, "clearing is not what the network's statement says", || {
                format!("account {account} has {there} {currency}, {here} with what is explained")
            })?;
        }
        let own: Vec<Money> =
            own.into_iter().map(|(currency, minor)| Money::new(minor, currency)).collect();
        let kept = self.with_ledger(async |ledger| record_balances(ledger, account, &own).await)?;
        for row in kept {
            let fine = row.difference() == i128::from(of(explained, row.currency))
                && row.differs_since.is_some() == (row.difference() != 0);
            rule(fine, "a balance that was read differs", || {
                format!("{row:?}, explained: {}", of(explained, row.currency))
            })?;
        }
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        let db = self.environment.db.borrow();
        let lines = db.rows.statement_lines.by_id.values();
        let mut lines: Vec<_> =
            lines.map(|row| (row.id, row.standing, row.event_id.is_some())).collect();
        lines.sort_unstable_by_key(|line| line.0);
        let accounts = db.rows.accounts.by_id.values();
        let mut accounts: Vec<_> = accounts.map(|row| (row.id.0, row.balance())).collect();
        accounts.sort_unstable();
        (lines, self.differences(), accounts)
    }

    fn count_differences(&mut self) {
        for row in self.differences() {
            let how = row.resolution.map_or("open", DifferenceResolution::as_str);
            self.statistics.final_state(format!("difference {} {how}", row.kind));
        }
    }
}
