//! Working through a statement: its lines are compared with the ledger, some hundred at a time, and what
//! is new is recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::bail;
use domain::decision::command::{Command, Output};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{ExecutionId, NetworkAccountId, StatementId};
use domain::kernel::time::{ServerTime, minutes};
use domain::kernel::uuids::{Fingerprint, Uuid};
use domain::reconciliation::compare::{self, Booked, Found, OtherLines, Verdict};
use domain::reconciliation::difference::DifferenceKind;
use domain::reconciliation::line::{self, LineStanding, identity};
use domain::reconciliation::record_lines::{
    AT_ONCE, JudgedLine, MissingPayment, RecordLines, RecordMissing, Recorded,
};
use domain::reconciliation::reported::ReportedLine;
use domain::reconciliation::run::{BeginStatement, ClaimReconciliation, EndStatement};
use domain::reconciliation::statement::{Counts, Statement, StatementStatus};
use store::clock;
use store::progress::{self, Unit};
use store::reads::reconciliation::{KnownLine, OpenDifference, PaymentLine};

use crate::reconciliation::ledger::{Ledger, LedgerReads as _, submit};

/// How many lines are compared at a time.
pub const CHUNK: usize = 16 * AT_ONCE;
/// How many payments are looked at together for one that a statement has not.
const PAYMENTS: u32 = 500;
/// How often the lease is extended.
const EXTEND: Duration = Duration::from_secs(60);
/// A payment completes at most so long after it was begun, in microseconds: an approval takes up to three
/// days, and a network up to one.
const COMPLETES_WITHIN_US: i64 = minutes(5 * 24 * 60);

/// Another process reads statements of the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("statements of this account are being read already: try again in some minutes")]
pub struct Busy;

/// A statement that is being read.
pub struct Reading<'a, L> {
    ledger: &'a L,
    statement: Statement,
    holder: i64,
    compares_fees: bool,
    read_at: ServerTime,
    counts: Counts,
    /// How often a line of this identity was there: of those that have no id of their own.
    repeated: HashMap<Fingerprint, u32>,
    extended_at: Instant,
}

impl<'a, L: Ledger> Reading<'a, L> {
    /// Begins to read a statement.
    ///
    /// # Errors
    /// [`Busy`], or the ledger does not answer.
    pub async fn begin(ledger: &'a L, begin: BeginStatement) -> anyhow::Result<Self> {
        let holder = i64::from_be_bytes(clock::random_number().to_be_bytes());
        let account_id = begin.account_id;
        let claim = ClaimReconciliation { account_id, holder, not_since: None };
        if !submit(ledger, claim).await? {
            bail!(Busy);
        }
        Self::begin_as(holder, ledger, begin).await
    }

    /// The same for who has the lease of the account.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn begin_as(
        holder: i64,
        ledger: &'a L,
        begin: BeginStatement,
    ) -> anyhow::Result<Self> {
        let statement = submit(ledger, begin).await?;
        Ok(Self {
            ledger,
            statement,
            holder,
            compares_fees: true,
            read_at: ledger.now(),
            counts: Counts::default(),
            repeated: HashMap::new(),
            extended_at: Instant::now(),
        })
    }

    /// The same without comparing fees: for who asks other fees of merchants than the network takes.
    #[must_use]
    pub fn with_fees(self, compares_fees: bool) -> Self {
        Self { compares_fees, ..self }
    }

    #[must_use]
    pub const fn id(&self) -> StatementId {
        self.statement.id
    }

    const fn account(&self) -> NetworkAccountId {
        self.statement.network_account_id
    }

    /// Compares lines and records them, in their order. More than [`CHUNK`] are taken in several steps.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn add(&mut self, lines: Vec<ReportedLine>) -> anyhow::Result<()> {
        let mut lines = lines.into_iter().peekable();
        while lines.peek().is_some() {
            let chunk = lines.by_ref().take(CHUNK).collect();
            self.add_chunk(chunk).await?;
        }
        Ok(())
    }

    async fn add_chunk(&mut self, lines: Vec<ReportedLine>) -> anyhow::Result<()> {
        self.extend_lease().await?;
        progress::add(lines.len());
        let lines: Vec<_> = lines.into_iter().map(|line| (self.identity(&line), line)).collect();
        let known = Known::of(self.ledger, self.account(), &lines).await?;
        let judged = self.judged(lines, known);
        let commands = judged.chunks(AT_ONCE).map(|lines| {
            Command::from(RecordLines {
                account_id: self.account(),
                statement_id: self.id(),
                lines: lines.to_vec(),
            })
        });
        for output in self.ledger.submit_all(commands.collect()).await? {
            if let Output::RecordLines(Recorded { lines, .. }) = output {
                self.counts.new += lines;
            }
        }
        Ok(())
    }

    fn identity(&mut self, line: &ReportedLine) -> Fingerprint {
        let first = identity(line, 0);
        if line.line_id.is_some() {
            return first;
        }
        let nth = self.repeated.entry(first).or_default();
        let identity = if *nth == 0 { first } else { identity(line, *nth) };
        *nth += 1;
        identity
    }

    /// What the comparison says of lines, without those that are settled already.
    fn judged(
        &mut self,
        lines: Vec<(Fingerprint, ReportedLine)>,
        mut known: Known,
    ) -> Vec<JudgedLine> {
        let mut judged = vec![];
        for (identity, line) in lines {
            self.counts.lines += 1;
            let earlier = known.lines_known.get(&identity).copied();
            if let Some(earlier) = earlier.filter(|earlier| !is_compared(earlier, &line)) {
                self.counts.matched += i64::from(earlier.standing == LineStanding::Matched);
                if earlier.status != StatementStatus::Complete && !earlier.is_booked {
                    // Who reads a statement that broke off once more has its lines with this one.
                    let verdict = Verdict { standing: earlier.standing, found: None };
                    judged.push(JudgedLine {
                        line,
                        identity,
                        payment: None,
                        verdict,
                        settles: vec![],
                    });
                }
                continue;
            }
            let payment = known.payment_of(&line).cloned();
            let others = known.others(payment.as_ref(), identity, &line);
            let verdict = compare::compare(&line, payment.as_ref(), others, self.read_at);
            let verdict = if self.compares_fees { verdict } else { verdict.without_fee() };
            self.counts.matched += i64::from(verdict.standing == LineStanding::Matched);
            self.counts.under_way += i64::from(verdict.standing == LineStanding::UnderWay);
            self.counts.differences += i64::from(verdict.found.is_some());
            let mut settles = known.settled_by(payment.as_ref(), identity, &verdict);
            if earlier.is_some_and(|earlier| earlier.standing == LineStanding::Differs) {
                // What it was before may have been found when its payment was not known.
                let own = verdict.found.as_ref().map(|found| found.kind);
                let earlier = DifferenceKind::ALL.iter().filter(|kind| Some(**kind) != own);
                settles.extend(earlier.map(|kind| (*kind, identity)));
            }
            let payment = payment.map(|payment| (payment.merchant_id, payment.execution_id));
            judged.push(JudgedLine { line, identity, payment, verdict, settles });
        }
        judged
    }

    async fn extend_lease(&mut self) -> anyhow::Result<()> {
        if self.extended_at.elapsed() < EXTEND {
            return Ok(());
        }
        self.extended_at = Instant::now();
        let claim = ClaimReconciliation {
            account_id: self.account(),
            holder: self.holder,
            not_since: None,
        };
        if !submit(self.ledger, claim).await? {
            bail!(Busy);
        }
        Ok(())
    }

    /// Looks for payments of the statement's time that no line is about. Only those in `currencies` can
    /// be missing, where it is known which ones the statement is about.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn find_missing(
        &mut self,
        currencies: Option<&BTreeSet<Currency>>,
    ) -> anyhow::Result<()> {
        let time = (self.statement.from_at, self.statement.to_at);
        let begun = (time.0.plus(-COMPLETES_WITHIN_US), time.1);
        for merchant in self.ledger.reads().merchants_at(self.account()).await? {
            let mut after = None;
            loop {
                self.extend_lease().await?;
                let reads = self.ledger.reads();
                let found = reads
                    .booked_without_line(self.account(), merchant, begun, after, PAYMENTS)
                    .await?;
                let Some(last) = found.last() else { break };
                after = Some((last.created_at, last.execution_id));
                let missing = found.iter().filter(|payment| {
                    compare::is_missing_there(payment, time, self.read_at)
                        && currencies.is_none_or(|known| known.contains(&payment.amount.currency))
                });
                let missing: Vec<_> = missing.map(missing_payment).collect();
                self.record_missing(missing).await?;
            }
        }
        Ok(())
    }

    async fn record_missing(&mut self, missing: Vec<MissingPayment>) -> anyhow::Result<()> {
        self.counts.differences += i64::try_from(missing.len())?;
        let commands = missing.chunks(AT_ONCE).map(|payments| {
            Command::from(RecordMissing {
                account_id: self.account(),
                statement_id: self.id(),
                payments: payments.to_vec(),
            })
        });
        self.ledger.submit_all(commands.collect()).await.map(drop)
    }

    /// Ends the reading: complete, or with the reason why not.
    ///
    /// # Errors
    /// The ledger does not answer.
    pub async fn end(self, problem: Option<String>) -> anyhow::Result<Statement> {
        let end = EndStatement {
            statement_id: self.id(),
            account_id: self.account(),
            holder: self.holder,
            counts: self.counts,
            problem,
        };
        submit(self.ledger, end).await
    }
}

fn missing_payment(payment: &Booked) -> MissingPayment {
    MissingPayment {
        request_id: payment.request_id,
        merchant_id: payment.merchant_id,
        execution_id: payment.execution_id,
        found: Found {
            kind: DifferenceKind::MissingThere,
            ours: Some(payment.amount),
            theirs: None,
            reason: "the payment moved money here and is not in the statement of its day"
                .to_owned(),
        },
    }
}

/// Whether a line that is on record is compared when a statement has it again.
fn is_compared(known: &KnownLine, again: &ReportedLine) -> bool {
    let said = (known.amount, known.settled, known.fee);
    !known.is_booked && line::is_compared(known.standing, said, again)
}

/// What is known of some lines and of their payments.
struct Known {
    lines_known: HashMap<Fingerprint, KnownLine>,
    by_request: HashMap<Uuid, Booked>,
    by_reference: HashMap<String, Booked>,
    lines: HashMap<ExecutionId, Vec<PaymentLine>>,
    open: BTreeMap<ExecutionId, Vec<(DifferenceKind, Fingerprint)>>,
}

impl Known {
    async fn of(
        ledger: &impl Ledger,
        account: NetworkAccountId,
        lines: &[(Fingerprint, ReportedLine)],
    ) -> anyhow::Result<Self> {
        let reads = ledger.reads();
        let identities: Vec<_> = lines.iter().map(|(identity, _)| *identity).collect();
        let known = reads.known_lines(account, &identities).await?;
        let lines_known: HashMap<_, _> =
            known.into_iter().map(|line| (line.identity, line)).collect();
        // What is settled is not compared again, so its payment is not looked up.
        let is_open = |(identity, line): &&(Fingerprint, ReportedLine)| {
            lines_known.get(identity).is_none_or(|known| is_compared(known, line))
        };
        let lines = || lines.iter().filter(is_open).map(|(_, line)| line);
        let requests: HashSet<Uuid> = lines().filter_map(|line| line.request_id).collect();
        let requests: Vec<_> = requests.into_iter().collect();
        let booked = reads.booked_by_request(account, &requests).await?;
        let by_request: HashMap<_, _> =
            booked.into_iter().map(|payment| (payment.request_id.0, payment)).collect();
        let mut by_reference = HashMap::new();
        for line in lines() {
            let is_found = line.request_id.is_some_and(|id| by_request.contains_key(&id));
            if let (false, true, Some(text)) =
                (is_found, line.kind.is_of_payment(), &line.reference)
                && !by_reference.contains_key(text)
                && let Some(payment) = reads.booked_by_reference(account, text).await?
            {
                by_reference.insert(text.clone(), payment);
            }
        }
        let executions: BTreeSet<_> = by_request
            .values()
            .chain(by_reference.values())
            .map(|payment| payment.execution_id)
            .collect();
        let executions: Vec<_> = executions.into_iter().collect();
        let mut of_payments: HashMap<_, Vec<PaymentLine>> = HashMap::new();
        for line in reads.lines_of_payments(account, &executions).await? {
            of_payments.entry(line.execution_id).or_default().push(line);
        }
        let mut open: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for OpenDifference { execution_id, kind, subject } in
            reads.open_differences_of(account, &executions).await?
        {
            open.entry(execution_id).or_default().push((kind, subject));
        }
        Ok(Self { lines_known, by_request, by_reference, lines: of_payments, open })
    }

    fn payment_of(&self, line: &ReportedLine) -> Option<&Booked> {
        let by_request = line.request_id.and_then(|id| self.by_request.get(&id));
        by_request.or_else(|| {
            let reference = line.reference.as_ref().filter(|_| line.kind.is_of_payment());
            reference.and_then(|reference| self.by_reference.get(reference))
        })
    }

    /// What the lines of its payment say that were read before it; from now on this line is among them.
    /// So a line that is compared again is compared with the same ones, and of two that are alike it is
    /// always the second that is one too many.
    fn others(
        &mut self,
        payment: Option<&Booked>,
        identity: Fingerprint,
        line: &ReportedLine,
    ) -> OtherLines {
        let Some(payment) = payment else { return OtherLines::default() };
        let lines = self.lines.entry(payment.execution_id).or_default();
        let known = lines.iter().position(|other| other.identity == identity);
        let earlier = lines.get(..known.unwrap_or(lines.len())).unwrap_or_default();
        let is_same = |other: &&PaymentLine| {
            other.amount.currency == line.amount.currency && other.identity != identity
        };
        let moved = |sum: i64, other: &PaymentLine| sum.saturating_add(other.amount.minor);
        let minor = earlier.iter().filter(is_same).fold(0, moved);
        let all_minor = lines.iter().filter(is_same).fold(0, moved);
        let of_kind =
            earlier.iter().filter(is_same).filter(|other| other.kind == line.kind).count();
        let own = PaymentLine {
            execution_id: payment.execution_id,
            identity,
            kind: line.kind,
            amount: line.amount,
        };
        match known.and_then(|at| lines.get_mut(at)) {
            // Its network may have corrected it.
            Some(known) => *known = own,
            None => lines.push(own),
        }
        OtherLines { of_kind: i64::try_from(of_kind).unwrap_or(i64::MAX), minor, all_minor }
    }

    /// The open differences of a payment that are none any more with this line; from now on its own is
    /// among those that are open. It says nothing about lines that were read after it.
    fn settled_by(
        &mut self,
        payment: Option<&Booked>,
        identity: Fingerprint,
        verdict: &Verdict,
    ) -> Vec<(DifferenceKind, Fingerprint)> {
        let Some(payment) = payment else { return vec![] };
        let own = verdict.found.as_ref().map(|found| found.kind);
        // A sum that agrees, or that is told anew, stands for the lines before it.
        let tells_sum = match own {
            None => verdict.standing == LineStanding::Matched,
            Some(kind) => {
                matches!(kind, DifferenceKind::FeeDiffers | DifferenceKind::AmountDiffers)
            }
        };
        let lines = self.lines.get(&payment.execution_id).map_or(&[][..], Vec::as_slice);
        let earlier: HashSet<Fingerprint> = lines
            .iter()
            .map(|line| line.identity)
            .take_while(|earlier| *earlier != identity)
            .collect();
        let open = self.open.entry(payment.execution_id).or_default();
        let is_settled = |(kind, subject): &(DifferenceKind, Fingerprint)| {
            if *subject == identity {
                return Some(*kind) != own;
            }
            // The payment is in the statement after all.
            *kind == DifferenceKind::MissingThere
                || (tells_sum && *kind != DifferenceKind::FeeDiffers && earlier.contains(subject))
        };
        let settled: Vec<_> = open.iter().copied().filter(&is_settled).collect();
        open.retain(|difference| !is_settled(difference));
        if let Some(kind) = own
            && !open.contains(&(kind, identity))
        {
            open.push((kind, identity));
        }
        settled
    }
}

/// Shows how far the reading is, where somebody watches.
pub fn show_progress(lines: Option<u64>) {
    progress::begin("comparing", Unit::Rows, lines);
}
