//! A statement: what it is, its differences and lines, and accepting it.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::directory::roles::Action;
use domain::kernel::ids::{StatementId, StatementLineId};
use domain::reconciliation::accept::AcceptStatement;
use domain::reconciliation::line::{LineStanding, StatementLine};
use domain::reconciliation::statement::{Statement, StatementStatus};
use store::reads::pages::Page;
use store::reads::reconciliation::{DifferenceFilter, LineCount};
use store::reads::scope::InstallationReads;

use super::booking::{Booking, Part};
use super::differences::DifferenceRow;
use super::{Accounts, DIFFERENCES, PAGE, path_of, words};
use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::figure_words::number;
use crate::web::app::filter::Places;
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::person::{LoggedIn, Posted};
use crate::web::app::{payment, payment_words};
use crate::web::language::Visitor;

#[derive(Template)]
#[template(path = "app/statement.html")]
struct StatementTemplate<'a> {
    app: &'a AppFrame,
    path: String,
    account: String,
    time: String,
    source: String,
    statement: &'a Statement,
    status: &'static str,
    begun: Moment,
    ended: Option<Moment>,
    accepted: Option<Moment>,
    counts: [(&'static str, String); 5],
    booked: Booked,
    /// What accepting it books, where somebody looks at that.
    accepting: Option<Accepting>,
    /// Whether it can be accepted, and by whoever looks.
    can_accept: bool,
    may_change: bool,
    differences: Vec<DifferenceRow>,
    all_differences: Option<String>,
    lines: Vec<LineRow>,
    is_first: bool,
    later: Option<String>,
    fault: Fault,
}

/// How many lines are booked, and what others wait for.
#[derive(Default)]
struct Booked {
    booked: i64,
    due: i64,
    differs: i64,
    under_way: i64,
}

impl Booked {
    fn new(counts: &[LineCount]) -> Self {
        let mut sums = Self::default();
        for LineCount { standing, is_booked, lines } in counts {
            let sum = match (is_booked, standing) {
                (true, _) => &mut sums.booked,
                (false, LineStanding::Differs) => &mut sums.differs,
                (false, LineStanding::UnderWay) => &mut sums.under_way,
                (false, _) => &mut sums.due,
            };
            *sum += lines;
        }
        sums
    }

    /// What became of the lines of a statement that was accepted.
    fn words(&self) -> String {
        let lines = |count| words::counted(count, "line", "lines");
        let is = |count| if count == 1 { "is" } else { "are" };
        let mut said = format!("{} {} booked.", lines(self.booked), is(self.booked));
        if self.due > 0 {
            let (due, is) = (lines(self.due), is(self.due));
            said.push_str(&format!(" {due} {is} being booked: open this page again."));
        }
        if self.differs > 0 {
            let wait = if self.differs == 1 { "waits" } else { "wait" };
            let differs = lines(self.differs);
            said.push_str(&format!(" {differs} {wait} for a difference to be closed."));
        }
        if self.under_way > 0 {
            let under_way = lines(self.under_way);
            said.push_str(&format!(
                " {under_way} may be under way, until the next statement is read."
            ));
        }
        said
    }
}

/// What accepting books.
struct Accepting {
    lines: String,
    sums: Vec<(&'static str, Vec<String>)>,
    total: Vec<String>,
    figures: String,
}

impl Accepting {
    fn new(booking: &Booking) -> Self {
        let sums = Part::ALL.iter().map(|part| (part.words(), booking.sums(*part)));
        Self {
            lines: words::counted(booking.lines, "line", "lines"),
            sums: sums.filter(|(_, sums)| !sums.is_empty()).collect(),
            total: booking.total(),
            figures: booking.figures(),
        }
    }
}

/// A line of a statement, in words.
pub struct LineRow {
    pub kind: &'static str,
    pub amount: String,
    pub settled: Option<String>,
    pub fee: Option<String>,
    pub standing: &'static str,
    pub differs: bool,
    pub at: Moment,
    /// The network's ids of it.
    pub ids: Vec<String>,
    /// The payment that it is about: its number and its page.
    pub payment: Option<(i64, String)>,
    pub is_booked: bool,
}

impl LineRow {
    pub fn new(line: &StatementLine) -> Self {
        let payment = line.merchant_id.zip(line.execution_id);
        let ids = line.line_id.iter().chain(&line.reference).cloned();
        Self {
            kind: words::line(line.kind),
            amount: payment_words::change(line.amount),
            settled: line.settled.map(payment_words::change),
            fee: line.fee.map(payment_words::amount),
            standing: words::standing(line.standing),
            differs: line.standing == LineStanding::Differs,
            at: Moment(line.occurred_at),
            ids: ids.chain(line.request_id.map(|id| id.0.to_string())).collect(),
            payment: payment.map(|(merchant, id)| (id.0, payment::path(merchant.0, id))),
            is_booked: line.event_id.is_some(),
        }
    }
}

/// What a page says beside the statement itself.
#[derive(Default)]
struct Beside {
    booking: Option<Booking>,
    after: Option<i64>,
    fault: Fault,
}

async fn find(reads: &App, id: i64) -> Result<Statement, ApiError> {
    let found = reads.queries.for_system().statement(StatementId(id)).await?;
    found.ok_or(ApiError::NotFound)
}

async fn render(
    status: StatusCode,
    (app, me, visitor): (&App, &LoggedIn, Visitor),
    reads: InstallationReads<'_>,
    statement: Statement,
    Beside { booking, after, fault }: Beside,
) -> Result<Response, ApiError> {
    let (id, path) = (statement.id, path_of(statement.id));
    let accounts = Accounts::of(app).await?;
    let account = accounts.name(statement.network_account_id);
    let filter = DifferenceFilter { statement: Some(id), ..DifferenceFilter::default() };
    let page = Page { limit: PAGE, after_id: None };
    let differences = reads.differences(filter, page).await?;
    let has_more = differences.next_after(PAGE, |difference| difference.id.0).is_some();
    let lines = reads.statement_lines(id, StatementLineId(after.unwrap_or(0)), PAGE).await?;
    let is_full = u32::try_from(lines.len()).is_ok_and(|len| len >= PAGE);
    let last = lines.last().filter(|_| is_full);
    let may_change = me.user.role.is_some_and(|role| role.may(Action::ManageInstallation));
    let is_open = statement.status == StatementStatus::Complete && statement.accepted_at.is_none();
    let counts = statement.counts;
    let frame = me.frame(visitor, &format!("Statement {id}")).at(&path);
    let template = StatementTemplate {
        app: &frame,
        time: words::time(statement.from_at, statement.to_at),
        source: words::source(&statement),
        status: words::status(statement.status),
        begun: Moment(statement.begun_at),
        ended: statement.ended_at.map(Moment),
        accepted: statement.accepted_at.map(Moment),
        counts: [
            ("Lines", number(counts.lines)),
            ("Lines that no earlier statement had", number(counts.new)),
            ("Agree with their payments", number(counts.matched)),
            ("May be under way", number(counts.under_way)),
            ("Differences", number(counts.differences)),
        ],
        booked: Booked::new(&reads.line_counts(id).await?),
        accepting: booking.filter(|_| is_open).as_ref().map(Accepting::new),
        can_accept: is_open,
        may_change,
        differences: differences
            .rows
            .iter()
            .map(|difference| DifferenceRow::new(difference, &accounts))
            .collect(),
        all_differences: has_more.then(|| format!("{DIFFERENCES}?statement={id}")),
        later: last.map(|last| format!("{path}?after={}#lines", last.id)),
        lines: lines.iter().map(LineRow::new).collect(),
        is_first: after.is_none(),
        statement: &statement,
        account,
        path,
        fault,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([id]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let reads = match me.of_installation(&app, Action::ReadInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, &path_of(StatementId(id))),
    };
    let statement = find(&app, id).await?;
    let mut fault = Fault::default();
    let after = Places::of(&uri, &["after"]).get("after", &mut fault);
    let beside = Beside { after, fault, booking: None };
    render(beside.fault.status(), (&app, &me, visitor), reads, statement, beside).await
}

/// The page with what accepting the statement would book.
async fn show_accepting(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([id]): Ids<1>,
) -> Result<Response, ApiError> {
    let path = format!("{}/accepting", path_of(StatementId(id)));
    let reads = match me.of_installation(&app, Action::ReadInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let statement = find(&app, id).await?;
    let booking = Some(Booking::of(reads, statement.id).await?);
    let beside = Beside { booking, ..Beside::default() };
    render(StatusCode::OK, (&app, &me, visitor), reads, statement, beside).await
}

async fn refused(
    (app, me, visitor): (&App, &LoggedIn, Visitor),
    statement: Statement,
    failure: Failure,
) -> Result<Response, ApiError> {
    let here = path_of(statement.id);
    let reads = match me.of_installation(app, Action::ReadInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, &here),
    };
    let page = async |status, sentence| {
        let beside = Beside { fault: Fault::of_page(sentence), ..Beside::default() };
        render(status, (app, me, visitor), reads, statement, beside).await
    };
    frame::refused(failure, &here)?.answer_read(page).await
}

async fn accept(
    Posted { app, visitor, me, ids: [id], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let here = format!("{}/accepting", path_of(StatementId(id)));
    let reads = match me.of_installation(&app, Action::ManageInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, &here),
    };
    let statement = find(&app, id).await?;
    // The same form may have been sent before: then it leads on.
    if statement.accepted_at.is_none() && statement.status == StatementStatus::Complete {
        let booking = Booking::of(reads, statement.id).await?;
        if form.field("figures") != Some(booking.figures().as_str()) {
            let sentence = "What it books is not what was shown. Look at it again.";
            let fault = Fault::of_page(sentence);
            let beside = Beside { booking: Some(booking), fault, after: None };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return render(status, (&app, &me, visitor), reads, statement, beside).await;
        }
    }
    match me.submit(&app, None, AcceptStatement { statement_id: statement.id }).await {
        Ok(accepted) => {
            super::post(&app, accepted.id).await;
            Ok(frame::lead_to(&path_of(accepted.id)))
        }
        Err(failure) => refused((&app, &me, visitor), statement, failure).await,
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/reconciliation/{statement}", show)
        .page("/app/reconciliation/{statement}/accepting", show_accepting)
        .form("/app/reconciliation/{statement}/accept", accept)
}
