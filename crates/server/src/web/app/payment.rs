//! `/app/payments/{merchant}/{payment}`: one payment with all that happened to it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::decision::event::{Actor, Event, EventType};
use domain::directory::roles::Action;
use domain::exceptions::review::{Review, ReviewStatus};
use domain::kernel::ids::{EventId, ExecutionId, MerchantId, SessionId, SourceId};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::ledger::account::{AccountKind, Entry};
use domain::network_accounts::exchange::Exchange;
use domain::payments::approval::{Approval, ApprovalStatus};
use domain::payments::attempt::{ProviderAttempt, WithAttempt};
use domain::payments::check_now::CheckNow;
use domain::payments::execution::Execution;
use domain::payments::session::Intent;
use domain::sales::find_source::SourceRef;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::source::Source;
use domain::tariff::Tariff;
use domain::webhooks::delivery::WebhookDelivery;
use store::reads::pages::Page;
use store::reads::webhooks::DeliveryFilter;

use crate::api::error::ApiError;
use crate::api::executions::{first_outcome, run_to_completion};
use crate::api::extract::Ids;
use crate::api::links::{draw_token, receipt_path};
use crate::api::payments::{self, Payment};
use crate::api::routes::Routes;
use crate::api::sources::receipts::refundable;
use crate::api::wallets::account_name;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::approvals::{Names, above, name_of, names_of};
use crate::web::app::filter::{FromQuery, Query, plain};
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::navigation::Screen;
use crate::web::app::payment_words::{self, Asked, When};
use crate::web::app::payments::{PaymentLine, path as list_path};
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::sources::{Words, path_of};
use crate::web::language::Visitor;
use crate::web::methods::Methods;

/// How many deliveries of a payment are shown.
const DELIVERIES: u32 = 50;

#[derive(Template)]
#[template(path = "app/payment.html")]
struct PaymentTemplate<'a> {
    app: &'a AppFrame,
    path: &'a str,
    line: PaymentLine,
    to_tell: String,
    facts: Vec<Fact>,
    /// The payment that a refund is of.
    original: Option<String>,
    refunds: Vec<RefundLine>,
    /// What is left to refund of a payment that arrived.
    room: Option<String>,
    may_refund: bool,
    may_check: bool,
    /// What came of asking the network.
    asked: Option<String>,
    /// What the page looks at by itself while the payment is under way; it differs where the page has to
    /// be shown anew.
    stage: String,
    changes_by_itself: bool,
    next_check: Option<When>,
    /// The link of the receipt, for whoever may pass it on.
    receipt: Receipt,
    reviews: Vec<ReviewLine>,
    steps: Vec<Step>,
    /// Nothing for who may not read deliveries.
    deliveries: Option<Vec<DeliveryLine>>,
    fault: Fault,
}

struct Fact {
    name: &'static str,
    value: String,
    /// The page of what it names.
    path: Option<String>,
}

struct RefundLine {
    path: String,
    amount: String,
    state: &'static str,
    at: When,
    reason: Option<String>,
}

/// What is offered of the receipt of a payment.
enum Receipt {
    /// There is none, or it is not for whoever looks.
    None,
    Link(String),
    /// Nobody has asked for the link yet.
    NotMade,
}

struct ReviewLine {
    kind: String,
    is_open: bool,
    /// What is in question of the money, if any is.
    amount: Option<String>,
    reason: String,
    at: When,
    resolved: Option<When>,
}

/// Something that happened to a payment.
struct Step {
    at: ServerTime,
    when: When,
    what: String,
    by: Option<String>,
    note: Option<String>,
    entries: Vec<EntryLine>,
    said: Option<Said>,
}

struct EntryLine {
    account: String,
    bucket: String,
    amount: String,
    balance: String,
}

/// What was said between kola and a network. Nothing of its text for who may not see contacts.
struct Said {
    request: String,
    answer: String,
}

struct DeliveryLine {
    id: i64,
    kind: &'static str,
    status: String,
    attempts: i64,
    at: When,
}

pub(super) fn path(merchant: i64, id: ExecutionId) -> String {
    format!("{}/{id}", list_path(merchant))
}

/// What happened, in words.
fn event_words(kind: EventType) -> String {
    match kind {
        EventType::SessionCreated => "Declared".to_owned(),
        EventType::SessionExpired => "Its time was over before it was carried out".to_owned(),
        EventType::SessionCanceled => "Canceled before it was carried out".to_owned(),
        EventType::ExecutionPending => "Recorded".to_owned(),
        EventType::ExecutionProcessing => "The network has it, or may have it".to_owned(),
        EventType::ExecutionRequiresAction => "The payer was asked to confirm it".to_owned(),
        EventType::ExecutionCompleted => "Completed".to_owned(),
        EventType::ExecutionFailed => "Failed".to_owned(),
        EventType::ExecutionSettled => "Settled by a review: it was paid after all".to_owned(),
        EventType::PayoutEnqueued => "The network keeps it in its queue".to_owned(),
        other => plain(&other.as_str().replace('.', " ")),
    }
}

/// How a call of or to a network went, in words.
fn exchange_words(exchange: &Exchange) -> String {
    let said = &exchange.said;
    let took = said.duration_us.max(0) / 1_000;
    match (said.is_callback, said.status) {
        (true, _) => "The network called".to_owned(),
        (false, Some(status)) => format!("The network was called: {status} after {took} ms"),
        (false, None) => format!("The network was called: no answer in {took} ms"),
    }
}

/// What a page reads of a payment.
struct Loaded {
    payment: Payment,
    source: Option<Source>,
    refunds: Vec<Execution>,
    reviews: Vec<Review>,
    events: Vec<Event>,
    entries: Vec<(Entry, Option<AccountKind>)>,
    exchanges: Vec<Exchange>,
    deliveries: Option<Vec<WebhookDelivery>>,
    receipt: Receipt,
    /// The request for its approval.
    approval: Option<Approval>,
    /// Why refunds were made, by their sessions.
    reasons: HashMap<SessionId, String>,
    names: Names,
}

async fn load(app: &App, at: &AtMerchant<'_>, id: ExecutionId) -> Result<Loaded, ApiError> {
    let execution = at.reads.execution(id).await?.ok_or(ApiError::NotFound)?;
    let may = |action| at.rights.role.may(action);
    let source = match execution.source_id() {
        Some(source) => at.reads.source_by_id(source).await?,
        None => None,
    };
    let is_paid = execution.operation() == Operation::Collection && execution.is_settled();
    let mut events = at.reads.events_of(execution.session_id.0).await?;
    events.extend(at.reads.events_of(id.0).await?);
    let transactions: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let filter = DeliveryFilter { execution_id: Some(id), ..DeliveryFilter::default() };
    let page = Page { limit: DELIVERIES, after_id: None };
    let approval = at.reads.approvals_of([&execution]).await?.pop();
    let people = approval.iter().flat_map(Approval::people);
    let names = names_of(at, events.iter().filter_map(|event| event.actor).chain(people)).await?;
    let refunds = if is_paid { at.reads.refunds_of(id).await? } else { vec![] };
    let is_refund = execution.operation() == Operation::Refund;
    let of_refunds = refunds.iter().chain(Some(&execution).filter(|_| is_refund));
    let sessions = at.reads.sessions_of(of_refunds).await?.into_iter();
    let reasons = sessions.filter_map(|session| match session.intent {
        Intent::Refund { reason: Some(reason), .. } => Some((session.id, reason)),
        _ => None,
    });
    let receipt = match &source {
        Some(source) if is_paid && may(Action::FollowUp) => receipt(app, at, source.id).await?,
        _ => Receipt::None,
    };
    Ok(Loaded {
        refunds,
        reasons: reasons.collect(),
        reviews: if may(Action::ReadReviews) {
            at.reads.reviews_of_execution(id).await?
        } else {
            vec![]
        },
        entries: if may(Action::ReadWallets) {
            at.reads.entries_of(&transactions).await?
        } else {
            vec![]
        },
        exchanges: at.reads.exchanges(id).await?,
        deliveries: if may(Action::ReadIntegration) {
            Some(at.reads.webhook_deliveries(filter, page).await?.rows)
        } else {
            None
        },
        payment: payments::with_others(&at.reads, vec![execution])
            .await?
            .pop()
            .ok_or(ApiError::NotFound)?,
        names,
        approval,
        source,
        events,
        receipt,
    })
}

async fn receipt(app: &App, at: &AtMerchant<'_>, source: SourceId) -> Result<Receipt, ApiError> {
    let url = |token: &str| format!("{}{}", app.config.public_url, receipt_path(token));
    let page = at.reads.checkout_of(source).await?;
    Ok(page.map_or(Receipt::NotMade, |page| Receipt::Link(url(&page.current_token().0))))
}

/// All that is known of the payment as pairs.
fn facts(app: &App, loaded: &Loaded) -> Vec<Fact> {
    let execution = &loaded.payment.execution;
    let mut facts = vec![];
    let source = loaded.source.as_ref().map(|source| Fact {
        name: Words::of(source.kind).one_capital,
        value: source.number.clone(),
        path: Some(path_of(source)),
    });
    let mut fact = |name, value: String| facts.push(Fact { name, value, path: None });
    let money = payment_words::amount;
    if let Some(reason) = loaded.reasons.get(&execution.session_id) {
        fact("Why", reason.clone());
    }
    let (from, to) = payment_words::sides(execution);
    fact(from, money(execution.paid()));
    fact(to, money(execution.payee));
    let fee = |minor| Money::new(minor, execution.wallet_currency());
    for (name, minor) in [
        ("Platform fee", execution.platform_fee_minor),
        ("Network fee", execution.gateway_fee_minor),
        ("Exchange fee", execution.fx_fee_minor),
    ] {
        if minor != 0 {
            fact(name, money(fee(minor)));
        }
    }
    if let Some(rate) = payment_words::rate(execution) {
        fact("Rate", rate);
    }
    if execution.operation() == Operation::Collection && execution.is_settled() {
        let code = app.receipt_codes.code(execution.id);
        code.into_iter().for_each(|code| fact("Receipt code", code.to_string()));
    }
    if let Some(id) = &execution.provider_transaction_id {
        fact("Number at the network", id.clone());
    }
    fact("Reference", execution.reference_id.to_string());
    fact("Payment number", execution.id.to_string());
    facts.extend(source);
    facts
}

/// What happened to the request for an approval: that it was made, and how it ended.
fn approval_steps(
    loaded: &Loaded,
    when: impl Fn(ServerTime) -> When,
    to_server: impl Fn(MerchantTime) -> ServerTime,
) -> (Option<Step>, Option<Step>) {
    let Some(approval) = &loaded.approval else { return (None, None) };
    let step = |at, what: &str, by: Option<Actor>, note| Step {
        at,
        when: when(at),
        what: what.to_owned(),
        by: by.map(|actor| name_of(actor, &loaded.names)),
        note,
        entries: vec![],
        said: None,
    };
    let asked = to_server(approval.created_at);
    let above = Some(above(approval.above).to_owned());
    let request = step(asked, "Approval requested", Some(approval.requested_by), above);
    let ended = match approval.status {
        ApprovalStatus::Requested => None,
        ApprovalStatus::Approved => Some("Approved"),
        ApprovalStatus::Refused => Some("Refused"),
        ApprovalStatus::Expired => Some("Not approved in time"),
    };
    let decided = approval.decided_at.zip(ended).map(|(at, what)| {
        // A clock that was advanced meanwhile does not put the answer before the request.
        step(to_server(at).max(asked), what, approval.decided_by, approval.note.clone())
    });
    (Some(request), decided)
}

fn steps(
    loaded: &Loaded,
    at: &AtMerchant<'_>,
    (method, methods): (Method, &Methods),
    tariff: &Tariff,
) -> Vec<Step> {
    let when = |ServerTime(at): ServerTime| When::new(MerchantTime(at), method, methods);
    let mut entries: HashMap<EventId, Vec<EntryLine>> = HashMap::new();
    for (entry, kind) in &loaded.entries {
        let account = kind.map_or_else(
            || format!("Wallet {}", entry.account_id),
            |kind| plain(&account_name(kind, tariff)),
        );
        let money = |minor| Money::new(minor, entry.currency);
        entries.entry(entry.transaction_id).or_default().push(EntryLine {
            account,
            bucket: plain(entry.bucket.as_str()),
            amount: payment_words::change(money(entry.amount_minor)),
            balance: payment_words::amount(money(entry.balance_minor)),
        });
    }
    let mut events: Vec<&Event> = loaded.events.iter().collect();
    events.sort_by_key(|event| event.position);
    let events = events.into_iter().map(|event| Step {
        at: event.created_at,
        when: when(event.created_at),
        what: event_words(event.kind),
        by: event.actor.map(|actor| name_of(actor, &loaded.names)),
        note: event.public_note().map(str::to_owned),
        entries: entries.remove(&event.id).unwrap_or_default(),
        said: None,
    });
    let exchanges = loaded.exchanges.iter().map(|exchange| {
        let said = &exchange.said;
        let shows = !said.request.is_empty() || !said.answer.is_empty();
        let text = || Said { request: said.request.clone(), answer: said.answer.clone() };
        Step {
            at: said.begun_at,
            when: when(said.begun_at),
            what: exchange_words(exchange),
            by: None,
            note: None,
            entries: vec![],
            said: shows.then(text),
        }
    });
    let to_server = |MerchantTime(time)| ServerTime(time).plus(-at.merchant.clock_offset_us);
    let (requested, decided) = approval_steps(loaded, when, to_server);
    let mut steps: Vec<Step> =
        decided.into_iter().chain(events).chain(requested).chain(exchanges).collect();
    // What happened at one time stays in its order.
    steps.sort_by_key(|step| step.at);
    steps
}

/// What of a payment has to be shown anew when it changes.
fn stage(execution: &Execution, approval: Option<&Approval>) -> String {
    let review = if execution.in_review { " in review" } else { "" };
    let approval = approval.map_or("", |approval| approval.status.as_str());
    format!("{}{review} {approval}", execution.status).trim_end().to_owned()
}

/// Whether whoever looks may have the network asked about a payment.
pub(super) fn may_check(at: &AtMerchant<'_>, attempt: Option<&ProviderAttempt>) -> bool {
    at.rights.role.may(Action::FollowUp) && attempt.is_some_and(ProviderAttempt::was_sent)
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (merchant, id): (i64, i64),
    (asked, fault): (Option<Asked>, Fault),
) -> Result<Response, ApiError> {
    let id = ExecutionId(id);
    let path = path(merchant, id);
    let at = match me.at_merchant(app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let tariff = app.queries.for_system().tariff().await?;
    let methods = Methods::new(tariff.clone(), me.now);
    let loaded = load(app, &at, id).await?;
    let (execution, attempt) = (&loaded.payment.execution, loaded.payment.attempt.as_ref());
    let method = execution.method;
    let when = |at| When::new(at, method, &methods);
    let is_paid = execution.operation() == Operation::Collection && execution.is_settled();
    let room = is_paid.then(|| refundable(execution));
    let may = |action| at.rights.role.may(action);
    let line = PaymentLine::new(merchant, &loaded.payment, &methods);
    let code = is_paid.then(|| app.receipt_codes.code(id)).flatten().map(|code| code.to_string());
    let frame = me.frame(visitor, &format!("{} of {}", line.operation, line.amount));
    let frame = frame.at(&path).of(&at, Screen::Payments);
    let template = PaymentTemplate {
        app: &frame,
        path: &path,
        to_tell: payment_words::to_tell(execution, attempt, &methods, code.as_deref()),
        facts: facts(app, &loaded),
        original: execution.original_execution_id().map(|id| self::path(merchant, id)),
        refunds: loaded
            .refunds
            .iter()
            .map(|refund| RefundLine {
                path: self::path(merchant, refund.id),
                amount: payment_words::amount(refund.payee),
                state: payment_words::state(refund),
                at: when(refund.created_at),
                reason: loaded.reasons.get(&refund.session_id).cloned(),
            })
            .collect(),
        may_refund: may(Action::RefundWithinLimit) && room.is_some_and(|room| room.minor > 0),
        room: room.map(payment_words::amount),
        may_check: may_check(&at, attempt),
        asked: asked.map(|asked| asked.words(execution)),
        stage: stage(execution, loaded.approval.as_ref()),
        changes_by_itself: !execution.status.is_final(),
        next_check: attempt.and_then(|attempt| attempt.next_check_at).map(when),
        reviews: loaded
            .reviews
            .iter()
            .map(|review| review_line(review, method, &methods))
            .collect(),
        steps: steps(&loaded, &at, (method, &methods), &tariff),
        deliveries: loaded
            .deliveries
            .as_ref()
            .map(|rows| rows.iter().map(|row| delivery_line(row, method, &methods)).collect()),
        receipt: loaded.receipt,
        line,
        fault,
    };
    frame::render(status, &frame, &template)
}

fn review_line(review: &Review, method: Method, methods: &Methods) -> ReviewLine {
    let when = |ServerTime(at): ServerTime| When::new(MerchantTime(at), method, methods);
    ReviewLine {
        kind: plain(review.kind.as_str()),
        is_open: review.status == ReviewStatus::Open,
        amount: (review.amount.minor != 0).then(|| payment_words::change(review.amount)),
        reason: review.reason.clone(),
        at: when(review.created_at),
        resolved: review.resolved_at.map(when),
    }
}

fn delivery_line(row: &WebhookDelivery, method: Method, methods: &Methods) -> DeliveryLine {
    DeliveryLine {
        id: row.id.0,
        kind: row.kind.as_str(),
        status: plain(row.status.as_str()),
        attempts: row.attempts,
        at: When::new(MerchantTime(row.created_at.0), method, methods),
    }
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
    Query(query): Query<Shows>,
) -> Result<Response, ApiError> {
    let asked = Asked::parse(&query.asked);
    let said = (asked, Fault::default());
    render(StatusCode::OK, &app, (&me, visitor), (merchant, id), said).await
}

/// What the address says that was done.
#[derive(Default)]
struct Shows {
    asked: String,
}

impl FromQuery for Shows {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        (name == "asked").then_some(&mut self.asked)
    }
}

/// The page after something was done, or again with why it was refused.
async fn after(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (merchant, id): (i64, i64),
    done: Result<(), Failure>,
) -> Result<Response, ApiError> {
    let path = path(merchant, ExecutionId(id));
    let Err(failure) = done else { return Ok(frame::lead_to(&path)) };
    let page = async |status, sentence| {
        let said = (None, Fault::of_page(sentence));
        render(status, app, (me, visitor), (merchant, id), said).await
    };
    frame::refused(failure, &path)?.answer_read(page).await
}

/// The merchant's payment, for whoever may do something about it.
async fn find<'a>(
    app: &'a App,
    me: &LoggedIn,
    (merchant, id): (i64, i64),
    action: Action,
) -> Result<(AtMerchant<'a>, Execution), Result<Failure, ApiError>> {
    let at = me.at_merchant(app, merchant, action).await.map_err(Ok)?;
    let found = at.reads.execution(ExecutionId(id)).await.map_err(|error| Err(error.into()))?;
    let execution = found.ok_or(Err(ApiError::NotFound))?;
    Ok((at, execution))
}

async fn check(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let (at, execution) = match find(&app, &me, (merchant, id), Action::FollowUp).await {
        Ok(found) => found,
        Err(Ok(failure)) => {
            return me.not_permitted(failure, visitor, &path(merchant, ExecutionId(id)));
        }
        Err(Err(error)) => return Err(error),
    };
    let payment: WithAttempt = at.reads.with_attempt(execution).await?;
    let (merchant_id, execution_id) = (MerchantId(merchant), ExecutionId(id));
    let decision = CheckNow { merchant_id, execution_id, even_if_final: false };
    match me.submit(&app, Some(merchant_id), decision).await {
        Ok(call) => {
            let (own, before) = (app.clone(), payment.clone());
            let is_asked = call.is_some();
            let first = async move { first_outcome(&own, before, call).await };
            let asked = match run_to_completion(first).await? {
                _ if !is_asked => Asked::Recently,
                now if now == payment => Asked::Silent,
                _ => Asked::Answered,
            };
            let path = path(merchant, execution_id);
            Ok(frame::lead_to(&format!("{path}?asked={}", asked.name())))
        }
        Err(failure) => after(&app, (&me, visitor), (merchant, id), Err(failure)).await,
    }
}

async fn make_receipt_link(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let (at, execution) = match find(&app, &me, (merchant, id), Action::FollowUp).await {
        Ok(found) => found,
        Err(Ok(failure)) => {
            return me.not_permitted(failure, visitor, &path(merchant, ExecutionId(id)));
        }
        Err(Err(error)) => return Err(error),
    };
    let source = match execution.source_id().filter(|_| execution.is_settled()) {
        Some(source) => at.reads.source_by_id(source).await?,
        None => None,
    };
    let source = source.ok_or(ApiError::NotFound)?;
    let which = SourceRef { merchant_id: source.merchant_id, kind: source.kind, id: source.id };
    let decision = OpenCheckoutPage { source: which, token: draw_token()? };
    let done = me.submit(&app, Some(MerchantId(merchant)), decision).await.map(drop);
    after(&app, (&me, visitor), (merchant, id), done).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/payments/{merchant}/{id}", show)
        .form("/app/payments/{merchant}/{id}/check", check)
        .form("/app/payments/{merchant}/{id}/receipt", make_receipt_link)
}
