//! The balances at networks beside those of the ledger, the differences that are open, and statements.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use domain::directory::roles::Action;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::time::ServerTime;
use domain::reconciliation::balance::NetworkBalance;
use domain::reconciliation::difference::{DifferenceKind, DifferenceStatus};
use domain::reconciliation::statement::Statement;
use store::reads::pages::Page;

use super::booking::signed;
use super::words::counted;
use super::{Accounts, DIFFERENCES, PAGE, PATH, path_of, words};
use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::figure_words::{amount, number};
use crate::web::app::filter::{Places, query};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::person::LoggedIn;
use crate::web::app::reviews::age;
use crate::web::language::Visitor;

#[derive(Template)]
#[template(path = "app/reconciliation.html")]
struct OverviewTemplate<'a> {
    app: &'a AppFrame,
    balances: Vec<BalancesOf>,
    open: Vec<Open>,
    statements: Vec<Row>,
    older: Option<String>,
    fault: Fault,
}

/// The balances of an account.
struct BalancesOf {
    account: String,
    balances: Vec<Balance>,
}

struct Balance {
    currency: String,
    network: String,
    ledger: String,
    unposted: String,
    difference: String,
    agrees: bool,
    read: Moment,
    age: String,
    differs_since: Option<Moment>,
}

/// How many differences of a kind are open at an account.
struct Open {
    path: String,
    account: String,
    kind: &'static str,
    count: String,
}

/// A statement in the list.
pub struct Row {
    path: String,
    id: i64,
    account: String,
    time: String,
    source: String,
    status: &'static str,
    is_complete: bool,
    counts: String,
    begun: Moment,
    accepted: Option<Moment>,
}

impl Balance {
    fn new(balance: &NetworkBalance, now: ServerTime) -> Self {
        let currency = balance.currency;
        Self {
            currency: currency.to_string(),
            network: amount(balance.network_minor.into(), currency),
            ledger: amount(balance.ledger_minor.into(), currency),
            unposted: signed(balance.unposted_minor.into(), currency),
            difference: signed(balance.difference(), currency),
            agrees: balance.difference() == 0,
            read: Moment(balance.read_at),
            age: age(balance.read_at, now),
            differs_since: balance.differs_since.map(Moment),
        }
    }
}

fn balances(found: &[NetworkBalance], accounts: &Accounts, now: ServerTime) -> Vec<BalancesOf> {
    let of_account = |balances: &[NetworkBalance]| {
        let account = balances.first().map(|first| accounts.name(first.network_account_id));
        let balances = balances.iter().map(|balance| Balance::new(balance, now)).collect();
        BalancesOf { account: account.unwrap_or_default(), balances }
    };
    let of_one = found.chunk_by(|one, next| one.network_account_id == next.network_account_id);
    of_one.map(of_account).collect()
}

fn open(
    (account, kind, count): (NetworkAccountId, DifferenceKind, i64),
    accounts: &Accounts,
) -> Open {
    let query = query(&[
        ("account", &account.to_string()),
        ("kind", kind.as_str()),
        ("status", DifferenceStatus::Open.as_str()),
    ]);
    Open {
        path: format!("{DIFFERENCES}{query}"),
        account: accounts.name(account),
        kind: words::kind(kind),
        count: number(count),
    }
}

impl Row {
    fn new(statement: &Statement, accounts: &Accounts) -> Self {
        let counts = statement.counts;
        Self {
            path: path_of(statement.id),
            id: statement.id.0,
            account: accounts.name(statement.network_account_id),
            time: words::time(statement.from_at, statement.to_at),
            source: words::source(statement),
            status: words::status(statement.status),
            is_complete: statement.problem.is_none() && statement.ended_at.is_some(),
            counts: format!(
                "{}: {} agree, {} may be under way; {}",
                counted(counts.lines, "line", "lines"),
                number(counts.matched),
                number(counts.under_way),
                counted(counts.differences, "difference", "differences"),
            ),
            begun: Moment(statement.begun_at),
            accepted: statement.accepted_at.map(Moment),
        }
    }
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    uri: Uri,
) -> Result<Response, ApiError> {
    let reads = match me.of_installation(&app, Action::ReadInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, PATH),
    };
    let accounts = Accounts::of(&app).await?;
    let mut fault = Fault::default();
    let after_id = Places::of(&uri, &["after"]).get("after", &mut fault);
    let found = reads.statements(None, Page { limit: PAGE, after_id }).await?;
    let older = found.next_after(PAGE, |statement| statement.id.0);
    let open_kinds = reads.open_difference_kinds().await?;
    let frame = me.frame(visitor, "Reconciliation").at(PATH);
    let template = OverviewTemplate {
        app: &frame,
        balances: balances(&reads.network_balances().await?, &accounts, me.now),
        open: open_kinds.into_iter().map(|found| open(found, &accounts)).collect(),
        statements: found.rows.iter().map(|found| Row::new(found, &accounts)).collect(),
        older: older.map(|id| format!("{PATH}?after={id}")),
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/reconciliation", show)
}
