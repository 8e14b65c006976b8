//! A server whose account at the sandbox's network has a statement, made by the decisions that read
//! one.

use std::sync::Arc;

use domain::decision::command::{ListedDecision, Request};
use domain::decision::settings::Settings;
use domain::directory::principal::Principal;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{ExecutionId, MerchantId, NetworkAccountId, StatementId};
use domain::kernel::money::Money;
use domain::kernel::time::{ServerTime, seconds};
use domain::kernel::uuids::{NetworkRequestId, Uuid};
use domain::reconciliation::balance::{ReadBalance, RecordBalances};
use domain::reconciliation::compare::{Found, Verdict};
use domain::reconciliation::difference::DifferenceKind;
use domain::reconciliation::line::{LineStanding, identity};
use domain::reconciliation::record_lines::{
    AT_ONCE, JudgedLine, MissingPayment, RecordLines, RecordMissing,
};
use domain::reconciliation::reported::{LineKind, ReportedLine};
use domain::reconciliation::run::{BeginStatement, EndStatement};
use domain::reconciliation::statement::{Counts, StatementSource};
use kola::engine::Lane;
use serde_json::Value;
use store::{Store, clock};

use crate::people::person::Person;
use crate::people::reviews::of_installation;
use crate::support::{Merchant, Server, spawn};

/// A lane on the database of a server, which is another process.
struct Ledger(Lane<Box<dyn Store + Send>>);

impl Ledger {
    fn of(server: &Server) -> Self {
        let database: store::Database =
            server.database.url().parse().unwrap_or_else(|error| panic!("{error}"));
        let store = database.store().unwrap_or_else(|error| panic!("{error}"));
        let no_message = Arc::new(|_: &_, _: &_, _: _| String::new());
        Self(Lane::new(store, Settings::default(), Arc::new(clock::now), no_message))
    }

    #[track_caller]
    fn submit<D: ListedDecision>(&mut self, decision: D) -> D::Output {
        let outcome = self.0.run(&[Request::new(Principal::System, decision)]).pop();
        let output = outcome.expect("an answer").unwrap_or_else(|failure| panic!("{failure}"));
        D::output(output).expect("its output")
    }
}

pub(crate) fn money(minor: i64, currency: &str) -> Money {
    Money::new(minor, Currency::parse(currency).expect("a currency"))
}

/// The day of the statement.
fn day() -> ServerTime {
    ServerTime::parse("2026-11-27").expect("a day")
}

/// A server, a merchant, and who reads statements beside the server.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) shop: Merchant,
    pub(crate) operator: Person,
    pub(crate) reader: Reader,
}

impl Stage {
    #[track_caller]
    pub(crate) fn open() -> Self {
        let (server, shop) = spawn();
        let operator = of_installation(&server, "operator");
        let reader = Reader::of(&server);
        Self { server, shop, operator, reader }
    }

    /// See [`Reader::full`].
    #[track_caller]
    pub(crate) fn full(&mut self) -> StatementId {
        self.reader.full(&self.shop)
    }

    /// The id of the difference of this kind.
    #[track_caller]
    pub(crate) fn difference(&self, kind: DifferenceKind) -> String {
        let sql = format!("SELECT id FROM statement_differences WHERE kind = '{}'", kind.as_str());
        self.server.database.value(&sql)
    }

    /// What the accounts of the installation have: kind, currency and balance.
    pub(crate) fn books(&self) -> Vec<Vec<String>> {
        self.server.database.rows(
            "SELECT kind, currency, balance_minor FROM accounts WHERE merchant_id = 0 \
             ORDER BY kind, currency",
        )
    }
}

/// Reads statements of an account by the decisions that do.
pub(crate) struct Reader {
    ledger: Ledger,
    pub(crate) account: NetworkAccountId,
    lines: u128,
}

impl Reader {
    #[track_caller]
    pub(crate) fn of(server: &Server) -> Self {
        let account =
            server.database.value("SELECT id FROM network_accounts WHERE name = 'pawapay-sandbox'");
        let account = NetworkAccountId(account.parse().expect("an id"));
        Self { ledger: Ledger::of(server), account, lines: 0 }
    }

    /// Begins a statement that is a file.
    pub(crate) fn begin(&mut self, name: &str) -> StatementId {
        let begin = BeginStatement {
            account_id: self.account,
            source: StatementSource::File,
            name: Some(name.to_owned()),
            digest: Some("ab".repeat(32)),
            from_at: day(),
            to_at: day().plus(seconds(86_400)),
        };
        self.ledger.submit(begin).id
    }

    /// A line of this kind that agrees, or is about no payment.
    pub(crate) fn line(&mut self, kind: LineKind, amount: Money) -> JudgedLine {
        self.lines += 1;
        let line = ReportedLine {
            kind,
            line_id: Some(format!("txn_{}", self.lines)),
            request_id: None,
            reference: None,
            amount,
            settled: None,
            fee: None,
            occurred_at: day().plus(seconds(3_600)),
        };
        let standing = match kind.is_of_payment() {
            true => LineStanding::Matched,
            false => LineStanding::NoPayment,
        };
        JudgedLine {
            identity: identity(&line, 0),
            line,
            payment: None,
            verdict: Verdict { standing, found: None },
            settles: vec![],
        }
    }

    pub(crate) fn record(&mut self, statement: StatementId, lines: &[JudgedLine]) {
        for lines in lines.chunks(AT_ONCE) {
            self.ledger.submit(RecordLines {
                account_id: self.account,
                statement_id: statement,
                lines: lines.to_vec(),
            });
        }
    }

    pub(crate) fn end(&mut self, statement: StatementId, counts: Counts, problem: Option<&str>) {
        self.ledger.submit(EndStatement {
            statement_id: statement,
            account_id: self.account,
            holder: 1,
            counts,
            problem: problem.map(str::to_owned),
        });
    }

    /// A statement with lines of every standing, and with four differences.
    #[track_caller]
    pub(crate) fn full(&mut self, shop: &Merchant) -> StatementId {
        let paid: Vec<Value> = (0..4).map(|_| shop.paid_hundred()).collect();
        // A payment, as lines name it.
        let payment = |execution: &Value| {
            let id = execution["payment_intent_id"].as_i64().expect("an id");
            (MerchantId(shop.credentials.merchant_id), ExecutionId(id))
        };
        let statement = self.begin("november.csv");
        let taken = |reader: &mut Self, execution: Option<&Value>, minor, fee| {
            let mut line = reader.line(LineKind::Collection, money(minor, "USD"));
            line.line.fee = Some(money(fee, "USD"));
            line.payment = execution.map(payment);
            line
        };
        let agrees = taken(self, Some(&paid[0]), 10_300, 100);
        let mut top_up = self.line(LineKind::TopUp, money(10_000, "EUR"));
        top_up.line.settled = Some(money(10_800, "USD"));
        let to_bank = self.line(LineKind::BankTransfer, money(-50_000, "USD"));
        let fee = self.line(LineKind::Fee, money(-200, "USD"));
        let mut unknown = taken(self, None, 5_000, 50);
        // A text of somebody's own: it is no formula in a spreadsheet, and no markup on a page.
        unknown.line.reference = Some("=1+1<b>".to_owned());
        let theirs = money(5_000, "USD");
        differs(&mut unknown, DifferenceKind::MissingHere, None, theirs, "no payment has this");
        let mut other = taken(self, Some(&paid[1]), 9_000, 100);
        let ours = Some(money(10_300, "USD"));
        let theirs = money(9_000, "USD");
        differs(&mut other, DifferenceKind::AmountDiffers, ours, theirs, "another amount");
        let mut dear = taken(self, Some(&paid[2]), 10_300, 200);
        let (expected, took) = (Some(money(100, "USD")), money(200, "USD"));
        differs(&mut dear, DifferenceKind::FeeDiffers, expected, took, "another fee");
        let mut young = taken(self, None, 700, 10);
        young.verdict.standing = LineStanding::UnderWay;
        let lines = [agrees, top_up, to_bank, fee, unknown, other, dear, young];
        self.record(statement, &lines);
        let (merchant_id, execution_id) = payment(&paid[3]);
        let found = Found {
            kind: DifferenceKind::MissingThere,
            ours: Some(money(10_300, "USD")),
            theirs: None,
            reason: "not in the statement of its day".to_owned(),
        };
        let request_id = NetworkRequestId(Uuid::from_u128(77));
        let missing = MissingPayment { request_id, merchant_id, execution_id, found };
        self.ledger.submit(RecordMissing {
            account_id: self.account,
            statement_id: statement,
            payments: vec![missing],
        });
        let counts = Counts { lines: 8, new: 8, matched: 1, under_way: 1, differences: 4 };
        self.end(statement, counts, None);
        statement
    }

    /// Balances as they were read: one that agrees, and one that does not.
    pub(crate) fn read_balances(&mut self) {
        let read = |currency, network_minor, ledger_minor, unposted_minor| ReadBalance {
            currency: Currency::parse(currency).expect("a currency"),
            network_minor,
            ledger_minor,
            unposted_minor,
        };
        self.ledger.submit(RecordBalances {
            account_id: self.account,
            balances: vec![
                read("USD", 1_234_567, 1_274_067, -39_500),
                read("EUR", 10_000, 10_100, 0),
            ],
        });
    }
}

fn differs(
    line: &mut JudgedLine,
    kind: DifferenceKind,
    ours: Option<Money>,
    theirs: Money,
    reason: &str,
) {
    let found = Found { kind, ours, theirs: Some(theirs), reason: reason.to_owned() };
    line.verdict = Verdict { standing: LineStanding::Differs, found: Some(found) };
}
