//! The differences of all statements, with a filter.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::directory::roles::Action;
use domain::kernel::ids::{NetworkAccountId, StatementId};
use domain::kernel::money::Money;
use domain::reconciliation::difference::{Difference, DifferenceKind, DifferenceStatus};
use store::reads::pages::Page;
use store::reads::reconciliation::DifferenceFilter;

use super::{Accounts, DIFFERENCES, PAGE, path_of_difference, words};
use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::{self, Choice, FromQuery, Query, choices, read};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::person::LoggedIn;
use crate::web::app::{payment, payment_words};
use crate::web::language::Visitor;

#[derive(Template)]
#[template(path = "app/differences.html")]
struct DifferencesTemplate<'a> {
    app: &'a AppFrame,
    path: &'static str,
    accounts: Vec<Choice>,
    kinds: Vec<Choice>,
    statuses: Vec<Choice>,
    asked: &'a Asked,
    differences: Vec<DifferenceRow>,
    csv: String,
    json: String,
    older: Option<String>,
    fault: Fault,
}

/// A difference in a list.
pub struct DifferenceRow {
    pub path: String,
    pub id: i64,
    pub kind: &'static str,
    pub account: String,
    pub ours: String,
    pub theirs: String,
    pub is_open: bool,
    pub state: &'static str,
    pub found: Moment,
    /// Whether its amounts are fees.
    pub is_of_fee: bool,
    pub reason: String,
    /// The payment that it is about: its number and its page.
    pub payment: Option<(i64, String)>,
}

/// What a side says, in words: what it moved, or what the fee is.
pub fn side(kind: DifferenceKind, money: Option<Money>) -> String {
    match (kind, money) {
        (_, None) => "nothing".to_owned(),
        (DifferenceKind::FeeDiffers, Some(fee)) => payment_words::amount(fee),
        (_, Some(moved)) => payment_words::change(moved),
    }
}

impl DifferenceRow {
    pub fn new(difference: &Difference, accounts: &Accounts) -> Self {
        let payment = difference.merchant_id.zip(difference.execution_id);
        Self {
            path: path_of_difference(difference.id),
            id: difference.id.0,
            kind: words::kind(difference.kind),
            account: accounts.name(difference.network_account_id),
            ours: side(difference.kind, difference.ours),
            theirs: side(difference.kind, difference.theirs),
            is_open: difference.status == DifferenceStatus::Open,
            state: words::state(difference),
            found: Moment(difference.found_at),
            is_of_fee: difference.kind == DifferenceKind::FeeDiffers,
            reason: frame::as_sentence(&difference.reason),
            payment: payment.map(|(merchant, id)| (id.0, payment::path(merchant.0, id))),
        }
    }
}

/// The filter as it stands in the address, with the place in the list.
#[derive(Default)]
pub struct Asked {
    account: String,
    kind: String,
    status: String,
    statement: String,
    after: String,
}

impl FromQuery for Asked {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "account" => &mut self.account,
            "kind" => &mut self.kind,
            "status" => &mut self.status,
            "statement" => &mut self.statement,
            "after" => &mut self.after,
            _ => return None,
        })
    }
}

impl Asked {
    /// What they ask for.
    ///
    /// # Errors
    /// What of it is not understood.
    pub fn filter(&self) -> Result<DifferenceFilter, Fault> {
        let number = |text: &str| text.parse().ok();
        let account = ("account", "There is no such account.");
        let kind = ("kind", "There are no differences of this kind.");
        let status = ("status", "A difference is open or closed.");
        let statement = ("statement", "A statement's number is digits.");
        Ok(DifferenceFilter {
            account: read(&self.account, number, account)?.map(NetworkAccountId),
            statement: read(&self.statement, number, statement)?.map(StatementId),
            kind: read(&self.kind, DifferenceKind::parse, kind)?,
            status: read(&self.status, DifferenceStatus::parse, status)?,
        })
    }

    /// Whether anything narrows the list.
    fn narrows(&self) -> bool {
        let Self { account, kind, status, statement, after: _ } = self;
        [account, kind, status, statement].iter().any(|text| !text.is_empty())
    }

    /// The query with this filter, and perhaps with another place in the list.
    fn query(&self, after: Option<i64>) -> String {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        filter::query(&[
            ("account", &self.account),
            ("kind", &self.kind),
            ("status", &self.status),
            ("statement", &self.statement),
            ("after", &after),
        ])
    }

    fn accounts(&self, accounts: &Accounts) -> Vec<Choice> {
        let choice = |id: NetworkAccountId, words: &str| Choice {
            name: id.to_string(),
            words: words.to_owned(),
            is_chosen: id.to_string() == self.account,
        };
        accounts.0.iter().map(|account| choice(account.id, &account.name)).collect()
    }

    fn kinds(&self) -> Vec<Choice> {
        let choice = |kind: &DifferenceKind| Choice {
            name: kind.as_str().to_owned(),
            words: words::kind(*kind).to_owned(),
            is_chosen: kind.as_str() == self.kind,
        };
        DifferenceKind::ALL.iter().map(choice).collect()
    }
}

/// The list, also where somebody asked for it in a way that is not understood.
///
/// # Errors
/// The database cannot be read.
pub async fn render(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    asked: &Asked,
) -> Result<Response, ApiError> {
    let reads = match me.of_installation(app, Action::ReadInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, DIFFERENCES),
    };
    let (filter, mut fault) = match asked.filter() {
        Ok(filter) => (filter, Fault::default()),
        Err(fault) => (DifferenceFilter::default(), fault),
    };
    let after_id = filter::place(&asked.after, &mut fault);
    let found = reads.differences(filter, Page { limit: PAGE, after_id }).await?;
    let older = found.next_after(PAGE, |difference| difference.id.0);
    let accounts = Accounts::of(app).await?;
    let frame = me.frame(visitor, "Differences").at(DIFFERENCES);
    let template = DifferencesTemplate {
        app: &frame,
        path: DIFFERENCES,
        accounts: asked.accounts(&accounts),
        kinds: asked.kinds(),
        statuses: choices(DifferenceStatus::ALL, DifferenceStatus::as_str, &asked.status),
        differences: found.rows.iter().map(|row| DifferenceRow::new(row, &accounts)).collect(),
        csv: format!("{DIFFERENCES}/csv{}", asked.query(None)),
        json: format!("{DIFFERENCES}/json{}", asked.query(None)),
        older: older.map(|id| format!("{DIFFERENCES}{}", asked.query(Some(id)))),
        asked,
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    render(&app, (&me, visitor), &asked).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/reconciliation/differences", show)
}
