//! A difference with both sides' rows, and closing it after a preview of what is booked.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::decision::preview::{Preview, PreviewedEntry};
use domain::directory::principal::Principal;
use domain::directory::roles::Action;
use domain::exceptions::review::{Review, ReviewStatus};
use domain::kernel::ids::{DifferenceId, ExecutionId, MerchantId};
use domain::kernel::money::Money;
use domain::kernel::time::ServerTime;
use domain::payments::execution::Execution;
use domain::reconciliation::close_difference::CloseDifference;
use domain::reconciliation::difference::{
    Difference, DifferenceKind, DifferenceResolution, DifferenceStatus,
};
use domain::reconciliation::line::StatementLine;
use serde_json::json;
use store::reads::scope::InstallationReads;

use super::differences::side;
use super::statement::LineRow;
use super::{Accounts, path_of, path_of_difference, words};
use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::fields::{FromValue, Text};
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::person::{LoggedIn, Posted};
use crate::web::app::typed::wrong_text;
use crate::web::app::{payment, payment_words, reviews};
use crate::web::language::Visitor;

/// The longest evidence.
const EVIDENCE_MAX: usize = 1_000;

#[derive(Template)]
#[template(path = "app/difference.html")]
struct DifferenceTemplate<'a> {
    app: &'a AppFrame,
    path: String,
    kind: &'static str,
    advice: &'static str,
    account: String,
    reason: String,
    evidence: Option<&'a str>,
    is_open: bool,
    state: &'static str,
    found: Moment,
    closed: Option<Moment>,
    ours: String,
    theirs: String,
    between: Option<String>,
    statement: String,
    payment: Option<Ours>,
    lines: Vec<LineRow>,
    /// How it can be closed, for who may.
    ways: Vec<Way>,
    shown: Option<Shown>,
    /// Whether its amounts are fees.
    is_of_fee: bool,
    fault: Fault,
    typed: Typed,
}

/// The payment here.
struct Ours {
    id: i64,
    path: String,
    merchant: String,
    operation: &'static str,
    state: &'static str,
    amount: String,
    fee: String,
    completed: Option<Moment>,
    network_id: Option<String>,
    reviews: Vec<ReviewRow>,
}

struct ReviewRow {
    path: String,
    kind: &'static str,
    state: &'static str,
    amount: String,
}

/// What was typed into a form that was not accepted, and what was chosen.
#[derive(Default)]
struct Typed {
    how: String,
    evidence: String,
}

struct Way {
    name: &'static str,
    words: &'static str,
    is_chosen: bool,
}

/// A preview of what closing it books.
struct Shown {
    how: &'static str,
    words: &'static str,
    entries: Vec<(&'static str, String)>,
    /// The same, for the form that confirms it.
    figures: String,
}

/// How a difference of this kind can be closed.
const fn ways(kind: DifferenceKind) -> &'static [DifferenceResolution] {
    match kind {
        DifferenceKind::FeeDiffers => &[DifferenceResolution::Explained],
        DifferenceKind::MissingHere
        | DifferenceKind::MissingThere
        | DifferenceKind::AmountDiffers
        | DifferenceKind::DuplicateThere => {
            &[DifferenceResolution::Explained, DifferenceResolution::Booked]
        }
    }
}

/// The name of a way in a form.
const fn name_of(how: DifferenceResolution) -> &'static str {
    match how {
        DifferenceResolution::Explained => "explained",
        DifferenceResolution::Booked => "booked",
        DifferenceResolution::Agreed => "agreed",
    }
}

const fn way_words(how: DifferenceResolution) -> &'static str {
    match how {
        DifferenceResolution::Booked => "Book it: the network is right",
        _ => "Explain it: nothing is booked",
    }
}

/// The entries as one text, by which the form that confirms them tells whether they are still those
/// that were shown.
fn figures(preview: &Preview) -> String {
    let entry = |entry: &PreviewedEntry| {
        format!("{:?} {} {}", entry.place, entry.amount.minor, entry.amount.currency)
    };
    preview.entries.iter().map(entry).collect::<Vec<_>>().join("; ")
}

fn shown(how: DifferenceResolution, preview: &Preview) -> Shown {
    let entry = |entry: &PreviewedEntry| {
        (reviews::place_words(entry.place), payment_words::change(entry.amount))
    };
    Shown {
        how: name_of(how),
        words: way_words(how),
        entries: preview.entries.iter().map(entry).collect(),
        figures: figures(preview),
    }
}

impl ReviewRow {
    fn new(review: &Review) -> Self {
        Self {
            path: reviews::path(review),
            kind: reviews::kind_words(review.kind),
            state: match review.status {
                ReviewStatus::Open => "open",
                ReviewStatus::Resolved => "resolved",
            },
            amount: payment_words::amount(review.amount),
        }
    }
}

impl Ours {
    fn new(execution: &Execution, merchant: &str, reviews: &[Review]) -> Self {
        let fee = Money::new(execution.gateway_fee_minor, execution.wallet_currency());
        Self {
            id: execution.id.0,
            path: payment::path(execution.merchant_id.0, execution.id),
            merchant: merchant.to_owned(),
            operation: payment_words::operation(execution.operation()),
            state: payment_words::state(execution),
            amount: payment_words::amount(execution.outside_amount()),
            fee: payment_words::amount(fee),
            completed: execution.completed_at.map(|at| Moment(ServerTime(at.0))),
            network_id: execution.provider_transaction_id.clone(),
            reviews: reviews.iter().map(ReviewRow::new).collect(),
        }
    }
}

/// The payment of a difference, as whoever looks may see it.
async fn payment_of(
    app: &App,
    me: &LoggedIn,
    (merchant, id): (MerchantId, ExecutionId),
) -> Result<Option<Ours>, ApiError> {
    let at = me.at_merchant(app, merchant.0, Action::ReadInstallation).await;
    let at = at.map_err(frame::without_page)?;
    let Some(execution) = at.reads.execution(id).await? else { return Ok(None) };
    let reviews = at.reads.reviews_of_execution(id).await?;
    Ok(Some(Ours::new(&execution, &at.merchant.name, &reviews)))
}

/// The lines of the network about what differs: those of the payment, or else the line alone.
async fn lines_of(
    reads: InstallationReads<'_>,
    difference: &Difference,
) -> Result<Vec<StatementLine>, ApiError> {
    let mut lines = match difference.execution_id {
        Some(execution) => reads.lines_of_payment(execution).await?,
        None => vec![],
    };
    lines.retain(|line| line.network_account_id == difference.network_account_id);
    if let Some(id) = difference.line_id
        && !lines.iter().any(|line| line.id == id)
    {
        lines.extend(reads.statement_line(id).await?);
    }
    Ok(lines)
}

/// What the network has moved beyond what is booked here, where both are in one currency.
fn between(difference: &Difference) -> Option<String> {
    let (ours, theirs) = (difference.ours?, difference.theirs?);
    let minor = theirs.minor.checked_sub(ours.minor)?;
    (ours.currency == theirs.currency)
        .then(|| payment_words::change(Money::new(minor, ours.currency)))
}

/// What a page says beside the difference itself.
#[derive(Default)]
struct Beside {
    shown: Option<Shown>,
    fault: Fault,
    typed: Typed,
}

async fn render(
    status: StatusCode,
    (app, me, visitor): (&App, &LoggedIn, Visitor),
    reads: InstallationReads<'_>,
    difference: Difference,
    Beside { shown, fault, typed }: Beside,
) -> Result<Response, ApiError> {
    let path = path_of_difference(difference.id);
    let accounts = Accounts::of(app).await?;
    let payment = match difference.merchant_id.zip(difference.execution_id) {
        Some(payment) => payment_of(app, me, payment).await?,
        None => None,
    };
    let lines = lines_of(reads, &difference).await?;
    let is_open = difference.status == DifferenceStatus::Open;
    let may_change = me.user.role.is_some_and(|role| role.may(Action::ManageInstallation));
    let way = |how: &DifferenceResolution| Way {
        name: name_of(*how),
        words: way_words(*how),
        is_chosen: typed.how == name_of(*how),
    };
    let can_close = is_open && may_change;
    let frame = me.frame(visitor, &format!("Difference {}", difference.id)).at(&path);
    let template = DifferenceTemplate {
        app: &frame,
        kind: words::kind(difference.kind),
        advice: words::advice(difference.kind),
        account: accounts.name(difference.network_account_id),
        is_open,
        state: words::state(&difference),
        found: Moment(difference.found_at),
        closed: difference.closed_at.map(Moment),
        ours: side(difference.kind, difference.ours),
        theirs: side(difference.kind, difference.theirs),
        between: between(&difference),
        statement: path_of(difference.statement_id),
        payment,
        lines: lines.iter().map(LineRow::new).collect(),
        ways: if can_close { ways(difference.kind).iter().map(way).collect() } else { vec![] },
        shown: shown.filter(|_| can_close),
        is_of_fee: difference.kind == DifferenceKind::FeeDiffers,
        reason: frame::as_sentence(&difference.reason),
        evidence: difference.evidence.as_deref(),
        path,
        fault,
        typed,
    };
    frame::render(status, &frame, &template)
}

async fn find(app: &App, id: i64) -> Result<Difference, ApiError> {
    let found = app.queries.for_system().difference(DifferenceId(id)).await?;
    found.ok_or(ApiError::NotFound)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([id]): Ids<1>,
) -> Result<Response, ApiError> {
    let reads = match me.of_installation(&app, Action::ReadInstallation) {
        Ok(reads) => reads,
        Err(failure) => {
            return me.not_permitted(failure, visitor, &path_of_difference(DifferenceId(id)));
        }
    };
    let difference = find(&app, id).await?;
    render(StatusCode::OK, (&app, &me, visitor), reads, difference, Beside::default()).await
}

/// The page again, with why something was refused.
async fn refused(
    (app, me, visitor): (&App, &LoggedIn, Visitor),
    reads: InstallationReads<'_>,
    difference: Difference,
    failure: Failure,
    typed: Typed,
) -> Result<Response, ApiError> {
    let here = path_of_difference(difference.id);
    let page = async |status, sentence| {
        let beside = Beside { fault: Fault::of_page(sentence), typed, shown: None };
        render(status, (app, me, visitor), reads, difference, beside).await
    };
    frame::refused(failure, &here)?.answer_read(page).await
}

/// Closing a difference in a way, as it was chosen.
fn decision(difference: &Difference, how: DifferenceResolution, evidence: &str) -> CloseDifference {
    CloseDifference {
        difference_id: difference.id,
        book: how == DifferenceResolution::Booked,
        evidence: evidence.to_owned(),
    }
}

/// What closing it so would book now.
async fn previewed(
    app: &App,
    me: &LoggedIn,
    difference: &Difference,
    how: DifferenceResolution,
) -> Result<Preview, Failure> {
    let by = Principal::User(me.person(None));
    app.engine.preview(MerchantId::INSTALLATION, by, decision(difference, how, "")).await
}

fn chosen(difference: &Difference, name: Option<&str>) -> Option<DifferenceResolution> {
    ways(difference.kind).iter().copied().find(|how| Some(name_of(*how)) == name)
}

const CHOOSE: &str = "Choose how it is closed.";

async fn preview(
    Posted { app, visitor, me, ids: [id], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let here = path_of_difference(DifferenceId(id));
    let reads = match me.of_installation(&app, Action::ManageInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, &here),
    };
    let (difference, by) = (find(&app, id).await?, (&app, &me, visitor));
    let name = form.field("how");
    let typed = Typed { how: name.unwrap_or_default().to_owned(), evidence: String::new() };
    let Some(how) = chosen(&difference, name) else {
        let beside = Beside { fault: Fault::of_field("how", CHOOSE), typed, shown: None };
        return render(StatusCode::UNPROCESSABLE_ENTITY, by, reads, difference, beside).await;
    };
    match previewed(&app, &me, &difference, how).await {
        Ok(preview) => {
            let shown = Some(shown(how, &preview));
            let beside = Beside { shown, typed, fault: Fault::default() };
            render(StatusCode::OK, by, reads, difference, beside).await
        }
        Err(failure) => refused(by, reads, difference, failure, typed).await,
    }
}

async fn close(
    Posted { app, visitor, me, ids: [id], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let here = path_of_difference(DifferenceId(id));
    let reads = match me.of_installation(&app, Action::ManageInstallation) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, &here),
    };
    let (difference, by) = (find(&app, id).await?, (&app, &me, visitor));
    let typed = Typed {
        how: form.field("how").unwrap_or_default().to_owned(),
        evidence: form.field("evidence").unwrap_or_default().to_owned(),
    };
    let Some(how) = chosen(&difference, form.field("how")) else {
        let beside = Beside { fault: Fault::of_field("how", CHOOSE), typed, shown: None };
        return render(StatusCode::UNPROCESSABLE_ENTITY, by, reads, difference, beside).await;
    };
    let evidence = Text::<EVIDENCE_MAX>::read(&json!(typed.evidence));
    // The same form may have been sent before, or at the same time: then it leads on.
    let is_done = async || {
        let Ok(Text(evidence)) = &evidence else { return false };
        let now = find(&app, id).await;
        now.is_ok_and(|now| {
            now.resolution == Some(how) && now.evidence.as_deref() == Some(evidence)
        })
    };
    // Found anew, so that nothing is booked that was not shown.
    let preview = match previewed(&app, &me, &difference, how).await {
        Ok(preview) => preview,
        Err(_) if is_done().await => return Ok(frame::lead_to(&here)),
        Err(failure) => return refused(by, reads, difference, failure, typed).await,
    };
    let fault = if form.field("figures").unwrap_or_default() != figures(&preview) {
        Some(Fault::of_page("What it books has changed meanwhile. Look at it again."))
    } else if evidence.is_err() {
        let sentence = "Say what the decision is based on, in one line of at most 1000 characters.";
        let sentence = wrong_text(&typed.evidence, "The evidence", sentence);
        Some(Fault::of_field("evidence", sentence))
    } else {
        None
    };
    let (None, Ok(Text(evidence))) = (&fault, &evidence) else {
        let shown = Some(shown(how, &preview));
        let beside = Beside { shown, typed, fault: fault.unwrap_or_default() };
        return render(StatusCode::UNPROCESSABLE_ENTITY, by, reads, difference, beside).await;
    };
    match me.submit(&app, None, decision(&difference, how, evidence)).await {
        Ok(closed) => {
            // Its line waited for this, if its statement was accepted.
            if let Some(id) = closed.line_id
                && let Some(line) = reads.statement_line(id).await?
            {
                super::post(&app, line.statement_id).await;
            }
            Ok(frame::lead_to(&here))
        }
        Err(_) if is_done().await => Ok(frame::lead_to(&here)),
        Err(failure) => refused(by, reads, difference, failure, typed).await,
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/reconciliation/differences/{id}", show)
        .form("/app/reconciliation/differences/{id}/preview", preview)
        .form("/app/reconciliation/differences/{id}/close", close)
}
