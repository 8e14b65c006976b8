//! `/app/reviews`: what waits for the operator's decision, of all merchants; below it the reviews of
//! one merchant, and each of them with both sides' words.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::response::Response;
use domain::decision::event::EventType;
use domain::decision::preview::{Place, Preview, PreviewedEntry};
use domain::directory::principal::Principal;
use domain::directory::roles::Action;
use domain::exceptions::note_evidence::{EVIDENCE_MAX as NOTE_MAX, NoteEvidence};
use domain::exceptions::resolve_review::ResolveReview;
use domain::exceptions::review::{Resolution, Review, ReviewKind, ReviewStatus};
use domain::kernel::ids::{MerchantId, ReviewId};
use domain::kernel::money::Money;
use domain::kernel::time::ServerTime;
use domain::ledger::account::{AccountKind, Bucket, Entry};
use domain::ledger::wallet::Owner;
use domain::network_accounts::exchange::Exchange;
use domain::payments::execution::Execution;
use serde_json::json;
use store::reads::pages::Page;
use store::reads::reviews::{OpenReview, ReviewFilter};

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::fields::{FromValue, Lines, Text};
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::approvals::names_of;
use crate::web::app::disputes::{self, DisputePart};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::payment;
use crate::web::app::payment_words;
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::typed::wrong_text;
use crate::web::language::Visitor;

/// How many rows stand on a page.
const PAGE: u32 = 50;
/// The longest evidence.
const EVIDENCE_MAX: usize = 1_000;

const OF_ALL: &str = "/app/reviews";

#[derive(Template)]
#[template(path = "app/reviews.html")]
struct ReviewsTemplate<'a> {
    app: &'a AppFrame,
    /// The merchant whose reviews they are; `None` for those of all.
    merchant: Option<&'a str>,
    path: String,
    kinds: Vec<Choice>,
    /// For a merchant: whether resolved ones are left out.
    only_open: bool,
    narrows: bool,
    rows: Vec<Row>,
    more: Option<String>,
    fault: Fault,
}

struct Choice {
    name: &'static str,
    words: &'static str,
    is_chosen: bool,
}

struct Row {
    path: String,
    kind: &'static str,
    merchant: Option<String>,
    /// What is known of the payment from the list.
    payment: Option<String>,
    amount: String,
    since: Moment,
    age: String,
    resolution: Option<String>,
}

/// Why there is a review, in words.
pub(super) const fn kind_words(kind: ReviewKind) -> &'static str {
    match kind {
        ReviewKind::SuccessAfterFailure => "Paid after it had failed",
        ReviewKind::FailureAfterSuccess => "Failed after it was paid",
        ReviewKind::AmountMismatch => "Another amount was moved",
        ReviewKind::Dispute => "Disputed by the payer's bank",
        ReviewKind::DeadlinePassed => "No final answer of the network",
    }
}

/// What is in suspense, in words.
fn suspense(review: &Review) -> String {
    match review.amount.minor {
        0 => "nothing".to_owned(),
        _ => payment_words::amount(review.amount),
    }
}

/// How long something waits: whole minutes, hours or days.
pub(super) fn age(since: ServerTime, now: ServerTime) -> String {
    let minutes = now.since(since).max(0) / domain::kernel::time::minutes(1);
    let (count, unit) = match minutes {
        0 => return "less than a minute".to_owned(),
        1..60 => (minutes, "minute"),
        60..2_880 => (minutes / 60, "hour"),
        _ => (minutes / 1_440, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn path_of(merchant: MerchantId) -> String {
    format!("{OF_ALL}/{merchant}")
}

pub(super) fn path(review: &Review) -> String {
    format!("{OF_ALL}/{}/{}", review.merchant_id, review.id)
}

fn row(review: &Review, now: ServerTime) -> Row {
    Row {
        path: path(review),
        kind: kind_words(review.kind),
        merchant: None,
        payment: None,
        amount: suspense(review),
        since: Moment(review.created_at),
        age: age(review.created_at, now),
        resolution: review.resolution.clone(),
    }
}

fn row_of_all(found: &OpenReview, now: ServerTime) -> Row {
    let OpenReview { review, execution, merchant_name } = found;
    Row {
        merchant: Some(merchant_name.clone()),
        payment: Some(payment_words(execution)),
        ..row(review, now)
    }
}

pub(super) fn payment_words(execution: &Execution) -> String {
    let outside = execution.outside_amount();
    let operation = execution.operation().as_str().to_lowercase();
    format!("{operation} of {outside} {}", outside.currency)
}

/// The filter and the place in the list, as they stand in the address.
struct Asked {
    kind: Option<ReviewKind>,
    only_open: bool,
    after: Option<i64>,
    is_understood: bool,
}

impl Asked {
    fn of(uri: &Uri) -> Self {
        let mut asked = Self { kind: None, only_open: false, after: None, is_understood: true };
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            let value = value.trim();
            if value.is_empty() {
                continue;
            }
            let understood = match name.as_ref() {
                "kind" => {
                    asked.kind = ReviewKind::parse(value);
                    asked.kind.is_some()
                }
                "status" => {
                    asked.only_open = value == ReviewStatus::Open.as_str();
                    asked.only_open
                }
                "after" => {
                    asked.after = value.parse().ok();
                    asked.after.is_some()
                }
                _ => true,
            };
            asked.is_understood &= understood;
        }
        asked
    }

    fn query(&self, after: i64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if let Some(kind) = self.kind {
            query.append_pair("kind", kind.as_str());
        }
        if self.only_open {
            query.append_pair("status", ReviewStatus::Open.as_str());
        }
        query.append_pair("after", &after.to_string());
        format!("?{}", query.finish())
    }

    fn kinds(&self) -> Vec<Choice> {
        let choice = |kind: &ReviewKind| Choice {
            name: kind.as_str(),
            words: kind_words(*kind),
            is_chosen: self.kind == Some(*kind),
        };
        ReviewKind::ALL.iter().map(choice).collect()
    }

    const fn narrows(&self) -> bool {
        self.kind.is_some() || self.only_open
    }

    fn fault(&self) -> (StatusCode, Fault) {
        if self.is_understood {
            return (StatusCode::OK, Fault::default());
        }
        let fault = Fault::of_page("There are no such reviews: choose from the filter.");
        (StatusCode::UNPROCESSABLE_ENTITY, fault)
    }
}

async fn list_of_all(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    uri: Uri,
) -> Result<Response, ApiError> {
    let reads = match me.of_installation(&app, Action::ReadReviews) {
        Ok(reads) => reads,
        Err(failure) => return me.not_permitted(failure, visitor, OF_ALL),
    };
    let asked = Asked::of(&uri);
    let after = asked.after.map(ReviewId);
    let found = reads.oldest_open_reviews(asked.kind, after, PAGE).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|len| len >= PAGE);
    let last = found.last().filter(|_| is_full);
    let frame = me.frame(visitor, "Reviews").at(OF_ALL);
    let (status, fault) = asked.fault();
    let template = ReviewsTemplate {
        app: &frame,
        merchant: None,
        path: OF_ALL.to_owned(),
        kinds: asked.kinds(),
        only_open: true,
        narrows: asked.kind.is_some(),
        more: last.map(|last| format!("{OF_ALL}{}", asked.query(last.review.id.0))),
        rows: found.iter().map(|found| row_of_all(found, me.now)).collect(),
        fault,
    };
    frame::render(status, &frame, &template)
}

async fn list(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let path = path_of(MerchantId(merchant));
    let at = match me.at_merchant(&app, merchant, Action::ReadReviews).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let asked = Asked::of(&uri);
    let status = asked.only_open.then_some(ReviewStatus::Open);
    let page = Page { limit: PAGE, after_id: asked.after };
    let found = at.reads.reviews(ReviewFilter { status, kind: asked.kind }, page).await?;
    let more = found.next_after(PAGE, |review| review.id.0);
    let frame = me.frame(visitor, &format!("Reviews of {}", at.merchant.name));
    let frame = frame.at(&path).of(&at, Screen::Reviews);
    let (status, fault) = asked.fault();
    let template = ReviewsTemplate {
        app: &frame,
        merchant: Some(&at.merchant.name),
        kinds: asked.kinds(),
        only_open: asked.only_open,
        narrows: asked.narrows(),
        more: more.map(|id| format!("{path}{}", asked.query(id))),
        rows: found.rows.iter().map(|review| row(review, me.now)).collect(),
        path,
        fault,
    };
    frame::render(status, &frame, &template)
}

#[derive(Template)]
#[template(path = "app/review.html")]
struct ReviewTemplate<'a> {
    app: &'a AppFrame,
    path: String,
    merchant: &'a str,
    merchant_id: i64,
    kind: &'static str,
    what_now: &'static str,
    payment: String,
    /// The page of the payment.
    payment_path: String,
    /// Whether whoever looks may have the network asked about it.
    may_check: bool,
    state: &'static str,
    reference: String,
    amount: String,
    since: Moment,
    reason: &'a str,
    resolution: Option<&'a str>,
    resolved: Option<Moment>,
    /// What the resolution was based on, for people of the installation.
    evidence: Option<&'a str>,
    /// Whether what was said over the wire is shown.
    shows_exchanges: bool,
    exchanges: Vec<Said>,
    /// Entries are for who may read wallets.
    shows_entries: bool,
    bookings: Vec<Booking>,
    /// What is known of the dispute, if it is about one.
    dispute: Option<DisputePart>,
    /// How it can be resolved, for who may.
    ways: Vec<Way>,
    shown: Option<Shown>,
    fault: Fault,
    typed: Typed,
}

/// What was typed into a form that was not accepted, and what was chosen.
#[derive(Default)]
struct Typed {
    how: String,
    evidence: String,
    /// Evidence for the payer's bank.
    note: String,
}

struct Way {
    name: &'static str,
    words: &'static str,
    is_chosen: bool,
}

/// A preview of what a resolution posts.
struct Shown {
    how: &'static str,
    words: &'static str,
    lines: Vec<Line>,
    /// The same, for the form that confirms it.
    figures: String,
}

struct Said {
    at: Moment,
    is_callback: bool,
    request: String,
    status: Option<i64>,
    answer: String,
}

struct Booking {
    at: Moment,
    event: &'static str,
    note: Option<String>,
    lines: Vec<Line>,
}

struct Line {
    place: &'static str,
    amount: String,
}

/// An account of the ledger, in words.
const fn account_words(kind: AccountKind) -> &'static str {
    match kind {
        AccountKind::Clearing(_) => "Clearing: what the network holds",
        AccountKind::FeePlatform => "Platform fees",
        AccountKind::FeeGateway => "Fees of the network",
        AccountKind::FeeFx => "Exchange fees",
        AccountKind::Position => "Exchange position",
        AccountKind::Suspense => "Suspense",
        AccountKind::Funding => "Sandbox funding",
        AccountKind::Settlement(_) => "Settlement: exchanged, or at the bank",
        AccountKind::Difference(_) => "Differences with the network",
    }
}

const fn bucket_words(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Available => "Wallet, available",
        Bucket::Held => "Wallet, held",
        Bucket::System => "Account",
    }
}

pub(super) const fn place_words(place: Place) -> &'static str {
    match place {
        Place::Wallet(Owner::Merchant(_), bucket) => bucket_words(bucket),
        Place::Wallet(Owner::Party(_), Bucket::Held) => "A customer's wallet, held",
        Place::Wallet(Owner::Party(_), _) => "A customer's wallet, available",
        Place::System(_, kind) => account_words(kind),
    }
}

fn line(entry: &Entry, kind: Option<AccountKind>) -> Line {
    Line {
        place: kind.map_or(bucket_words(entry.bucket), account_words),
        amount: payment_words::change(Money::new(entry.amount_minor, entry.currency)),
    }
}

fn said(exchange: Exchange) -> Said {
    let said = exchange.said;
    Said {
        at: Moment(said.begun_at),
        is_callback: said.is_callback,
        request: said.request,
        status: said.status,
        answer: said.answer,
    }
}

/// How a review of this kind can be resolved.
const fn ways(kind: ReviewKind) -> [Resolution; 2] {
    match kind {
        ReviewKind::DeadlinePassed => [Resolution::Completed, Resolution::Failed],
        ReviewKind::SuccessAfterFailure
        | ReviewKind::FailureAfterSuccess
        | ReviewKind::AmountMismatch
        | ReviewKind::Dispute => [Resolution::ToWallet, Resolution::ToPayer],
    }
}

/// The name of a resolution in a form.
const fn name_of(how: Resolution) -> &'static str {
    match how {
        Resolution::Completed => "completed",
        Resolution::Failed => "failed",
        Resolution::ToWallet => "wallet",
        Resolution::ToPayer => "payer",
    }
}

const fn way_words(how: Resolution, is_missing: bool) -> &'static str {
    match (how, is_missing) {
        (Resolution::Completed, _) => "The payment was made: complete it",
        (Resolution::Failed, _) => "No money moved: let it fail",
        (Resolution::ToWallet, false) => "The money is the merchant's: credit the wallet",
        (Resolution::ToWallet, true) => "The merchant bears it: debit the wallet",
        (Resolution::ToPayer, false) => "The network has returned it to the payer",
        (Resolution::ToPayer, true) => "The network has it back from outside",
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

fn shown(how: Resolution, is_missing: bool, preview: &Preview) -> Shown {
    let line = |entry: &PreviewedEntry| Line {
        place: place_words(entry.place),
        amount: payment_words::change(entry.amount),
    };
    Shown {
        how: name_of(how),
        words: way_words(how, is_missing),
        lines: preview.entries.iter().map(line).collect(),
        figures: figures(preview),
    }
}

/// A review with its payment, as somebody sees it.
struct Seen<'a> {
    at: AtMerchant<'a>,
    review: Review,
    execution: Execution,
}

impl Seen<'_> {
    fn resolution(&self, name: Option<&str>) -> Option<Resolution> {
        ways(self.review.kind).into_iter().find(|how| Some(name_of(*how)) == name)
    }

    /// Whether it was resolved in this way, on this evidence.
    fn is_resolved(&self, how: Resolution, evidence: &str) -> bool {
        let review = &self.review;
        review.status == ReviewStatus::Resolved
            && review.resolution.as_deref() == Some(how.as_str())
            && review.evidence.as_deref() == Some(evidence)
    }

    fn decision(&self, how: Resolution, evidence: String) -> ResolveReview {
        ResolveReview { review_id: self.review.id, resolution: how, evidence }
    }
}

/// What a page says beside the review itself.
#[derive(Default)]
struct Beside {
    shown: Option<Shown>,
    fault: Fault,
    typed: Typed,
}

async fn render(
    status: StatusCode,
    (me, visitor): (&LoggedIn, Visitor),
    seen: Seen<'_>,
    Beside { shown, fault, typed }: Beside,
) -> Result<Response, ApiError> {
    let Seen { at, review, execution } = &seen;
    let role = at.rights.role;
    let shows_exchanges = role.may(Action::SeeContacts);
    let shows_entries = role.may(Action::ReadWallets);
    let exchanges = match shows_exchanges {
        true => at.reads.exchanges(execution.id).await?.into_iter().map(said).collect(),
        false => vec![],
    };
    let mut events = at.reads.events_of(execution.id.0).await?;
    events.extend(at.reads.events_of(review.id.0).await?);
    let names = names_of(at, events.iter().filter_map(|event| event.actor)).await?;
    let dispute = DisputePart::of(review, (&events, &names), role, me.now);
    events.sort_by_key(|event| (event.created_at, event.id));
    let ids: Vec<_> = events.iter().map(|event| event.id).collect();
    let entries = at.reads.entries_of(&ids).await?;
    let bookings = events.into_iter().map(|event| {
        let own = entries.iter().filter(|(entry, _)| entry.transaction_id == event.id);
        let own = own.filter(|_| shows_entries);
        let lines = own.map(|(entry, kind)| line(entry, *kind)).collect();
        // The evidence of a resolution stands in the whole note.
        let note = match event.kind {
            // What was noted for the bank has its own part of the page.
            EventType::ReviewEvidenceNoted => None,
            _ if role.is_of_merchant() => event.public_note(),
            _ => event.note.as_deref(),
        };
        let note = note.map(str::to_owned);
        Booking { at: Moment(event.created_at), event: event.kind.as_str(), note, lines }
    });
    let bookings = bookings.collect();
    let is_missing = review.amount.minor < 0;
    let may_resolve = role.may(Action::ResolveReviews) && review.status == ReviewStatus::Open;
    let way = |how: Resolution| Way {
        name: name_of(how),
        words: way_words(how, is_missing),
        is_chosen: typed.how == name_of(how),
    };
    let attempt = at.reads.with_attempt(execution.clone()).await?.attempt;
    let may_check = payment::may_check(at, attempt.as_ref());
    let path = path(review);
    let frame = me.frame(visitor, &format!("Review {}", review.id));
    let screen = match review.kind {
        ReviewKind::Dispute => Screen::Disputes,
        _ => Screen::Reviews,
    };
    let frame = frame.at(&path).of(at, screen);
    let template = ReviewTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        merchant_id: at.merchant.id.0,
        kind: kind_words(review.kind),
        what_now: what_now(review, may_resolve, may_check),
        payment: payment_words(execution),
        payment_path: payment::path(at.merchant.id.0, execution.id),
        may_check,
        state: execution.status.as_str(),
        reference: execution.reference_id.to_string(),
        amount: suspense(review),
        since: Moment(review.created_at),
        reason: &review.reason,
        resolution: review.resolution.as_deref(),
        resolved: review.resolved_at.map(Moment),
        evidence: review.evidence.as_deref().filter(|_| !role.is_of_merchant()),
        shows_exchanges,
        exchanges,
        shows_entries,
        bookings,
        dispute,
        ways: if may_resolve { ways(review.kind).map(way).into() } else { vec![] },
        shown: shown.filter(|_| may_resolve),
        path,
        fault,
        typed,
    };
    frame::render(status, &frame, &template)
}

const fn what_now(review: &Review, may_resolve: bool, may_check: bool) -> &'static str {
    match review.status {
        ReviewStatus::Resolved => "It is resolved.",
        ReviewStatus::Open if matches!(review.kind, ReviewKind::Dispute) => {
            disputes::what_now(review, may_resolve)
        }
        ReviewStatus::Open if may_resolve && may_check => {
            "It waits for you. Ask the network, then resolve it below."
        }
        ReviewStatus::Open if may_resolve => {
            "It waits for you. Find out what happened at the network, then resolve it below."
        }
        ReviewStatus::Open => {
            "It waits for the operator of this server, who asks the network and decides."
        }
    }
}

/// The review, for who may do that with it.
async fn find<'a>(
    app: &'a App,
    me: &LoggedIn,
    (merchant, id): (i64, i64),
    action: Action,
) -> Result<Seen<'a>, Result<Failure, ApiError>> {
    let at = me.at_merchant(app, merchant, action).await.map_err(Ok)?;
    let failed = |error: store::StoreError| Err(ApiError::from(error));
    let review = at.reads.review(ReviewId(id)).await.map_err(failed)?;
    let review = review.ok_or(Err(ApiError::NotFound))?;
    let execution = at.reads.execution(review.execution_id).await.map_err(failed)?;
    let execution = execution.ok_or(Err(ApiError::NotFound))?;
    Ok(Seen { at, review, execution })
}

fn not_found(
    me: &LoggedIn,
    visitor: Visitor,
    (merchant, id): (i64, i64),
    why: Result<Failure, ApiError>,
) -> Result<Response, ApiError> {
    me.not_permitted(why?, visitor, &format!("{OF_ALL}/{merchant}/{id}"))
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
) -> Result<Response, ApiError> {
    match find(&app, &me, (merchant, id), Action::ReadReviews).await {
        Ok(seen) => render(StatusCode::OK, (&me, visitor), seen, Beside::default()).await,
        Err(why) => not_found(&me, visitor, (merchant, id), why),
    }
}

/// The page again, with why something was refused.
async fn refused(
    (me, visitor): (&LoggedIn, Visitor),
    seen: Seen<'_>,
    failure: Failure,
    typed: Typed,
) -> Result<Response, ApiError> {
    let here = path(&seen.review);
    let page = async |status, sentence| {
        let beside = Beside { fault: Fault::of_page(sentence), typed, shown: None };
        render(status, (me, visitor), seen, beside).await
    };
    frame::refused(failure, &here)?.answer_read(page).await
}

/// What a resolution of the review would post now.
async fn previewed(
    app: &App,
    me: &LoggedIn,
    seen: &Seen<'_>,
    how: Resolution,
) -> Result<Preview, Failure> {
    let merchant = seen.at.merchant.id;
    let by = Principal::User(me.person(Some(merchant)));
    app.engine.preview(merchant, by, seen.decision(how, String::new())).await
}

async fn preview(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let seen = match find(&app, &me, (merchant, id), Action::ResolveReviews).await {
        Ok(seen) => seen,
        Err(why) => return not_found(&me, visitor, (merchant, id), why),
    };
    let name = form.field("how");
    let typed = Typed { how: name.unwrap_or_default().to_owned(), ..Typed::default() };
    let Some(how) = seen.resolution(name) else {
        let fault = Fault::of_field("how", "Choose how it is resolved.");
        let beside = Beside { fault, typed, shown: None };
        return render(StatusCode::UNPROCESSABLE_ENTITY, (&me, visitor), seen, beside).await;
    };
    match previewed(&app, &me, &seen, how).await {
        Ok(preview) => {
            let shown = Some(shown(how, seen.review.amount.minor < 0, &preview));
            let beside = Beside { shown, typed, fault: Fault::default() };
            render(StatusCode::OK, (&me, visitor), seen, beside).await
        }
        Err(failure) => refused((&me, visitor), seen, failure, typed).await,
    }
}

async fn resolve(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let seen = match find(&app, &me, (merchant, id), Action::ResolveReviews).await {
        Ok(seen) => seen,
        Err(why) => return not_found(&me, visitor, (merchant, id), why),
    };
    let typed = Typed {
        how: form.field("how").unwrap_or_default().to_owned(),
        evidence: form.field("evidence").unwrap_or_default().to_owned(),
        ..Typed::default()
    };
    let Some(how) = seen.resolution(form.field("how")) else {
        let fault = Fault::of_field("how", "Choose how it is resolved.");
        let beside = Beside { fault, typed, shown: None };
        return render(StatusCode::UNPROCESSABLE_ENTITY, (&me, visitor), seen, beside).await;
    };
    let evidence = Text::<EVIDENCE_MAX>::read(&json!(typed.evidence));
    // The same form may have been sent before, or at the same time: then it leads on.
    let is_done = async || {
        let Ok(Text(evidence)) = &evidence else { return false };
        let now = find(&app, &me, (merchant, id), Action::ResolveReviews).await;
        now.is_ok_and(|now| now.is_resolved(how, evidence))
    };
    // Found anew, so that nothing is posted that was not shown.
    let preview = match previewed(&app, &me, &seen, how).await {
        Ok(preview) => preview,
        Err(_) if is_done().await => return Ok(frame::lead_to(&path(&seen.review))),
        Err(failure) => return refused((&me, visitor), seen, failure, typed).await,
    };
    let fault = if form.field("figures").unwrap_or_default() != figures(&preview) {
        Some(Fault::of_page("What it posts has changed meanwhile. Look at it again."))
    } else if evidence.is_err() {
        let sentence = "Say what the decision is based on, in one line of at most 1000 characters.";
        let sentence = wrong_text(&typed.evidence, "The evidence", sentence);
        Some(Fault::of_field("evidence", sentence))
    } else {
        None
    };
    let evidence = match (fault, &evidence) {
        (None, Ok(Text(evidence))) => evidence.clone(),
        (fault, _) => {
            let shown = Some(shown(how, seen.review.amount.minor < 0, &preview));
            let beside = Beside { shown, typed, fault: fault.unwrap_or_default() };
            return render(StatusCode::UNPROCESSABLE_ENTITY, (&me, visitor), seen, beside).await;
        }
    };
    let decision = seen.decision(how, evidence);
    match me.submit(&app, Some(seen.at.merchant.id), decision).await {
        Ok(review) => Ok(frame::lead_to(&path(&review))),
        Err(_) if is_done().await => Ok(frame::lead_to(&path(&seen.review))),
        Err(failure) => refused((&me, visitor), seen, failure, typed).await,
    }
}

/// Notes evidence for a dispute.
async fn note(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let seen = match find(&app, &me, (merchant, id), Action::FollowUp).await {
        Ok(seen) => seen,
        Err(why) => return not_found(&me, visitor, (merchant, id), why),
    };
    let text = form.field("note").unwrap_or_default().replace("\r\n", "\n");
    let typed = Typed { note: text.clone(), ..Typed::default() };
    let Ok(Lines(text)) = Lines::<NOTE_MAX>::read(&json!(text)) else {
        let sentence =
            "Say what proves that the payment was in order, in at most 4,000 characters.";
        let fault = Fault::of_field("note", wrong_text(&typed.note, "The evidence", sentence));
        let beside = Beside { fault, typed, shown: None };
        return render(StatusCode::UNPROCESSABLE_ENTITY, (&me, visitor), seen, beside).await;
    };
    let here = format!("{}#evidence-noted", path(&seen.review));
    // The same form may have been sent before: then it leads on.
    let shown = form.field("count").and_then(|count| count.parse().ok());
    let since = seen.review.dispute_notes.saturating_sub(shown.unwrap_or(i64::MAX)).max(0);
    if since > 0 {
        let events = seen.at.reads.events_of(seen.review.id.0).await?;
        let noted = disputes::notes_of(&seen.review, &events);
        let latest = noted.iter().rev().take(usize::try_from(since).unwrap_or(0));
        if latest.into_iter().any(|event| event.note.as_deref() == Some(&text)) {
            return Ok(frame::lead_to(&here));
        }
    }
    let decision = NoteEvidence { review_id: seen.review.id, text };
    match me.submit(&app, Some(seen.at.merchant.id), decision).await {
        Ok(_) => Ok(frame::lead_to(&here)),
        Err(failure) => refused((&me, visitor), seen, failure, typed).await,
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page(OF_ALL, list_of_all)
        .page("/app/reviews/{merchant}", list)
        .page("/app/reviews/{merchant}/{id}", show)
        .form("/app/reviews/{merchant}/{id}/evidence", note)
        .form("/app/reviews/{merchant}/{id}/preview", preview)
        .form("/app/reviews/{merchant}/{id}/resolve", resolve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::time::seconds;

    #[test]
    fn an_age_is_told_in_one_unit() {
        let of = |after| age(ServerTime(0), ServerTime(seconds(after)));
        assert_eq!(of(-5), "less than a minute");
        assert_eq!(of(59), "less than a minute");
        assert_eq!(of(60), "1 minute");
        assert_eq!(of(3_599), "59 minutes");
        assert_eq!(of(3_600), "1 hour");
        assert_eq!(of(2 * 86_400 - 1), "47 hours");
        assert_eq!(of(2 * 86_400), "2 days");
    }
}
