//! `/app/invoices/{merchant}` and `/app/orders/{merchant}`: what a merchant asks to be paid, for who
//! reads payments; who may sell makes, publishes and cancels it.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::decision::command::ListedDecision;
use domain::directory::party::Party;
use domain::directory::roles::Action;
use domain::kernel::ids::{CounterpartyId, ItemId, MerchantId, SourceId};
use domain::kernel::money::Money;
use domain::kernel::names::FeeBearer;
use domain::kernel::patch::Patch;
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::payments::execution::Execution;
use domain::sales::cancel_source::CancelSource;
use domain::sales::checkout::CheckoutConfig;
use domain::sales::edit_items::{AddItem, NewItem, RemoveItem, ShownItems};
use domain::sales::find_source::SourceRef;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::publish_source::PublishSource;
use domain::sales::source::{Item, Source, SourceStatus, SourceType};
use domain::sales::update_source::{SourceChanges, UpdateSource};
use serde_json::json;
use store::reads::pages::Page;
use store::reads::scope::MerchantReads;
use store::reads::sources::SourceFilter;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::fields::{FromValue, Note, Text};
use crate::api::links::{draw_token, page_url, pay_path, receipt_path};
use crate::api::payments;
use crate::api::routes::Routes;
use crate::api::sources::kind::{Invoices, Kind, Orders};
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::customers;
use crate::web::app::filter::{self, Choice, FromQuery, Query};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::items::{WRONG_QUANTITY, item_field, price, quantity, wrong_price};
use crate::web::app::links;
use crate::web::app::navigation::Screen;
use crate::web::app::payment_words;
use crate::web::app::payments::{PaymentLine, path as payments_path};
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::typed::wrong_text;
use crate::web::form::Form;
use crate::web::language::Visitor;
use crate::web::methods::Methods;
use crate::web::pdf::PDF;

/// How many rows stand on a page.
const PAGE: u32 = 50;
/// The most items that are shown: more than that only sources of earlier versions have.
const ITEMS_MAX: usize = 200;
/// How much of a typed field is shown again.
const SHOWN_AGAIN: usize = 2_000;

/// What the pages of invoices and those of orders call things.
pub struct Words {
    /// The part of the path before the merchant.
    part: &'static str,
    pub one: &'static str,
    pub many: &'static str,
    /// At the beginning of a sentence.
    pub one_capital: &'static str,
    pub many_capital: &'static str,
    screen: Screen,
}

const INVOICES: Words = Words {
    part: "invoices",
    one: "invoice",
    many: "invoices",
    one_capital: "Invoice",
    many_capital: "Invoices",
    screen: Screen::Invoices,
};
const ORDERS: Words = Words {
    part: "orders",
    one: "order",
    many: "orders",
    one_capital: "Order",
    many_capital: "Orders",
    screen: Screen::Orders,
};

impl Words {
    pub const fn of(kind: SourceType) -> &'static Self {
        match kind {
            SourceType::Invoice => &INVOICES,
            SourceType::Order => &ORDERS,
        }
    }

    pub fn path(&self, merchant: i64) -> String {
        format!("/app/{}/{merchant}", self.part)
    }

    pub const fn screen(&self) -> Screen {
        self.screen
    }
}

/// The page of an invoice or order.
pub fn path_of(source: &Source) -> String {
    format!("{}/{}", Words::of(source.kind).path(source.merchant_id.0), source.id)
}

/// A point in merchant time.
pub fn moment(MerchantTime(at): MerchantTime) -> Moment {
    Moment(ServerTime(at))
}

/// The day of a point in time, as forms take it.
pub fn day(at: MerchantTime) -> String {
    at.day().to_string().chars().take(10).collect()
}

pub const fn state_words(status: SourceStatus) -> &'static str {
    match status {
        SourceStatus::Idle => "draft",
        SourceStatus::Active => "to be paid",
        SourceStatus::Processing => "being paid",
        SourceStatus::Paid => "paid",
        SourceStatus::Canceled => "canceled",
    }
}

/// An invoice or order in a list.
pub struct SourceLine {
    pub path: String,
    pub number: String,
    pub total: String,
    pub state: &'static str,
    /// Nothing where nobody is known.
    pub payer: Option<String>,
    pub phone: Option<String>,
    /// Until when it is to be paid: a day, as it stands there and for programs.
    pub due: Option<String>,
    pub paid: Option<Moment>,
    pub created: Moment,
}

impl SourceLine {
    fn new(source: &Source, payer: Option<&Party>) -> Self {
        Self {
            path: path_of(source),
            number: source.number.clone(),
            total: payment_words::amount(source.total()),
            state: state_words(source.status),
            payer: payer.map(|party| party.fullname.clone()),
            // Whoever gave no name is called by the number.
            phone: payer
                .filter(|party| party.phone != party.fullname)
                .map(|party| party.phone.clone()),
            due: source.due_date.map(day),
            paid: source.paid_at.map(moment),
            created: moment(source.created_at),
        }
    }
}

/// Invoices and orders in their order, each with who is to pay.
pub async fn lines(
    reads: &MerchantReads<'_>,
    sources: &[Source],
) -> Result<Vec<SourceLine>, ApiError> {
    let payers = reads.parties_of(sources.iter().map(|source| source.counterparty_id)).await?;
    let payers: HashMap<CounterpartyId, Party> = payers.into_iter().collect();
    let line = |source: &Source| SourceLine::new(source, payers.get(&source.counterparty_id));
    Ok(sources.iter().map(line).collect())
}

#[derive(Template)]
#[template(path = "app/sources.html")]
struct SourcesTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    words: &'static Words,
    path: String,
    rows: Vec<SourceLine>,
    states: Vec<Choice>,
    asked: &'a Asked,
    may_sell: bool,
    older: Option<String>,
    /// Whether there is nothing in what was looked at, though there is more.
    goes_on: bool,
    fault: Fault,
}

/// The state in the address, and the place in the list.
#[derive(Default)]
struct Asked {
    state: String,
    after: String,
}

impl FromQuery for Asked {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "state" => &mut self.state,
            "after" => &mut self.after,
            _ => return None,
        })
    }
}

async fn list<K: Kind>(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let words = Words::of(K::TYPE);
    let path = words.path(merchant);
    let at = match me.at_merchant(&app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let unknown = ("state", "There is no such state.");
    let (status, mut fault) = match filter::read(&asked.state, SourceStatus::parse, unknown) {
        Ok(status) => (status, Fault::default()),
        Err(fault) => (None, fault),
    };
    let page = Page { limit: PAGE, after_id: filter::place(&asked.after, &mut fault) };
    let by_status = SourceFilter { status, ..SourceFilter::default() };
    let found = at.reads.sources(K::TYPE, by_status, page).await?;
    let older = found.next_after(PAGE, |source| source.id.0);
    let rows = lines(&at.reads, &found.rows).await?;
    let query = |id: i64| filter::query(&[("state", &asked.state), ("after", &id.to_string())]);
    let choice = |status: &SourceStatus| Choice {
        name: status.as_str().to_owned(),
        words: state_words(*status).to_owned(),
        is_chosen: status.as_str() == asked.state,
    };
    let title = format!("{} of {}", words.many_capital, at.merchant.name);
    let frame = me.frame(visitor, &title).of(&at, words.screen);
    let template = SourcesTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        words,
        states: SourceStatus::ALL.iter().map(choice).collect(),
        asked: &asked,
        may_sell: at.rights.role.may(Action::Sell),
        goes_on: rows.is_empty() && older.is_some(),
        older: older.map(|id| format!("{path}{}", query(id))),
        path,
        rows,
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

#[derive(Template)]
#[template(path = "app/source.html")]
struct SourceTemplate<'a> {
    app: &'a AppFrame,
    words: &'static Words,
    path: String,
    line: SourceLine,
    /// The page of who is to pay.
    payer: Option<String>,
    source: Shown,
    items: Vec<ItemLine>,
    /// Whether there are more items than are shown.
    has_more: bool,
    /// What the payer is given, and for whom it is shown.
    link: Link,
    pdf: Option<String>,
    payments: Vec<PaymentLine>,
    /// The page of the payment that paid it.
    paid_by: Option<String>,
    /// How much of that was given back for good, if anything was.
    given_back: Option<String>,
    receipt: Option<String>,
    may_publish: bool,
    may_cancel: bool,
    may_edit: bool,
    is_invoice: bool,
    bearers: Vec<Choice>,
    currency: String,
    /// What the forms that change it carry of what the page shows.
    shown: String,
    typed: Typed,
    fault: Fault,
}

/// The rest of what is known of an invoice or order.
struct Shown {
    note: String,
    reference: Option<String>,
    bearer: &'static str,
    /// From when its page takes no payment.
    ends: Option<Moment>,
    has_ended: bool,
    /// The payment link that it is an order of.
    of_link: Option<String>,
    /// When it is canceled if it is not paid.
    cancels: Option<Moment>,
    in_review: bool,
    is_draft: bool,
    is_paid: bool,
}

struct ItemLine {
    id: i64,
    name: String,
    qty: i64,
    price: String,
    sum: String,
}

/// The link for the payer.
enum Link {
    /// There is none, or it is not for whoever looks.
    None,
    Shown(ToCopy),
    /// Nobody has asked for it yet.
    NotMade,
    /// Links are for merchants that are verified.
    NotVerified,
}

/// A link to pass on, with its QR code.
pub struct ToCopy {
    pub url: String,
    /// The path of its QR code.
    pub qr: String,
}

/// What was typed into a form of the page that was not accepted.
#[derive(Default)]
struct Typed {
    item: String,
    qty: String,
    price: String,
    bearer: Option<String>,
    note: Option<String>,
    reference: Option<String>,
    due: Option<String>,
}

pub const fn bearer_words(bearer: FeeBearer) -> &'static str {
    match bearer {
        FeeBearer::Payer => "the payer, on top",
        FeeBearer::Payee => "the merchant, out of the total",
    }
}

fn item_line(item: Item) -> ItemLine {
    let money = |minor| payment_words::amount(Money::new(minor, item.currency));
    ItemLine {
        id: item.id.0,
        qty: item.qty,
        price: money(item.amount_minor),
        // What is stored is within the limit of a total.
        sum: money(item.qty.saturating_mul(item.amount_minor)),
        name: item.name,
    }
}

/// Which invoice or order, of which merchant, and who looks.
struct Which<'a> {
    app: &'a App,
    me: &'a LoggedIn,
    visitor: Visitor,
    merchant: i64,
    kind: SourceType,
    id: i64,
}

impl Which<'_> {
    fn source(&self) -> SourceRef {
        SourceRef { merchant_id: MerchantId(self.merchant), kind: self.kind, id: SourceId(self.id) }
    }

    fn path(&self) -> String {
        format!("{}/{}", Words::of(self.kind).path(self.merchant), self.id)
    }
}

/// The page that payers get now, if there is one that takes payments, or that tells how it ended.
fn current(page: Option<CheckoutConfig>, source: &Source, time: MerchantTime) -> Option<String> {
    let page = page.filter(|page| source.status.is_final() || !page.is_expired(time))?;
    Some(page.current_token().0.clone())
}

/// How much of a payment was given back for good.
fn given_back(paid: &Execution) -> Option<String> {
    let given_back = Money::new(paid.refunds().given_back_minor, paid.payer.currency);
    (given_back.minor > 0).then(|| payment_words::amount(given_back))
}

async fn render(
    status: StatusCode,
    which: Which<'_>,
    typed: Typed,
    fault: Fault,
) -> Result<Response, ApiError> {
    let (words, path) = (Words::of(which.kind), which.path());
    let Which { app, me, visitor, merchant, kind, id } = which;
    let at = match me.at_merchant(app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let source = at.reads.source(kind, SourceId(id)).await?.ok_or(ApiError::NotFound)?;
    let may = |action| at.rights.role.may(action);
    let may_sell = may(Action::Sell);
    let (_, party) = at.reads.counterparty(source.counterparty_id).await?.unzip();
    let party = party.flatten();
    let items = at.reads.items(source.id, u32::try_from(ITEMS_MAX + 1).ok()).await?;
    let has_more = items.len() > ITEMS_MAX;
    let page = at.reads.checkout_of(source.id).await?;
    let time = at.merchant.time(me.now);
    let ends = page.as_ref().and_then(CheckoutConfig::payable_until);
    let token = current(page, &source, time);
    let link = link(app, &at, &source, token.as_deref());
    let pays = source.status == SourceStatus::Active && matches!(link, Link::Shown(_));
    let methods = Methods::new(app.queries.for_system().tariff().await?, me.now);
    let made = at.reads.executions_of_source(source.id).await?;
    let made = payments::with_others(&at.reads, made).await?;
    let paid = match source.status {
        SourceStatus::Paid => at.reads.collection_of(source.id).await?,
        _ => None,
    };
    let is_draft = source.status == SourceStatus::Idle;
    let bearer = |bearer: &FeeBearer| Choice {
        name: bearer.as_str().to_owned(),
        words: bearer_words(*bearer).to_owned(),
        is_chosen: match &typed.bearer {
            Some(typed) => typed == bearer.as_str(),
            None => *bearer == source.fee_bearer,
        },
    };
    let title = format!("{} {}", words.one_capital, source.number);
    let frame = me.frame(visitor, &title).at(&path).of(&at, words.screen);
    let template = SourceTemplate {
        app: &frame,
        words,
        line: SourceLine::new(&source, party.as_ref()),
        payer: party.map(|party| customers::path_of(merchant, party.id)),
        items: items.into_iter().take(ITEMS_MAX).map(item_line).collect(),
        has_more,
        pdf: token.as_ref().filter(|_| pays).map(|token| format!("{}{PDF}", pay_path(token))),
        payments: made.iter().map(|one| PaymentLine::new(merchant, one, &methods)).collect(),
        receipt: token
            .filter(|_| paid.is_some() && may(Action::FollowUp))
            .map(|token| format!("{}{}", app.config.public_url, receipt_path(&token))),
        given_back: paid.as_ref().and_then(given_back),
        paid_by: paid.map(|paid| format!("{}/{}", payments_path(merchant), paid.id)),
        may_publish: may_sell && is_draft,
        may_cancel: may_sell && matches!(source.status, SourceStatus::Idle | SourceStatus::Active),
        may_edit: may_sell && is_draft,
        is_invoice: kind == SourceType::Invoice,
        bearers: FeeBearer::ALL.iter().map(bearer).collect(),
        currency: source.currency.code().to_owned(),
        shown: shown_text(ShownItems::from(&source)),
        source: Shown {
            bearer: bearer_words(source.fee_bearer),
            ends: ends.filter(|_| !source.status.is_final()).map(moment),
            of_link: source.payment_link_id.map(|id| links::path_of(merchant, id)),
            cancels: source.cancel_at.map(moment),
            has_ended: ends.is_some_and(|end| end <= time),
            in_review: source.open_reviews > 0,
            is_draft,
            is_paid: source.status == SourceStatus::Paid,
            reference: source.reference_id,
            note: source.note,
        },
        link,
        path,
        typed,
        fault,
    };
    frame::render(status, &frame, &template)
}

fn link(app: &App, at: &AtMerchant<'_>, source: &Source, token: Option<&str>) -> Link {
    let is_offered = match source.status {
        SourceStatus::Active | SourceStatus::Processing => true,
        // Its page leads to the receipt, which is told instead.
        SourceStatus::Paid => token.is_none(),
        SourceStatus::Idle | SourceStatus::Canceled => false,
    };
    if !is_offered || !at.rights.role.may(Action::FollowUp) {
        return Link::None;
    }
    if !at.merchant.verified {
        return Link::NotVerified;
    }
    token.map_or(Link::NotMade, |token| {
        Link::Shown(ToCopy {
            url: page_url(&app.config.public_url, token),
            qr: format!("{}/qr.svg", pay_path(token)),
        })
    })
}

async fn show<K: Kind>(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
) -> Result<Response, ApiError> {
    let which = Which { app: &app, me: &me, visitor, merchant, kind: K::TYPE, id };
    render(StatusCode::OK, which, Typed::default(), Fault::default()).await
}

/// The field of the page that a refusal is about.
fn fault_of(failure: &Failure, sentence: String) -> Fault {
    let Failure::Refused(reasons) = failure else { return Fault::of_page(sentence) };
    match reasons.first().map(Refusal::subject) {
        Some(Subject::Amount) => Fault::of_field("price", sentence),
        _ => Fault::of_page(sentence),
    }
}

/// The page after something was done, or again with why it was refused.
async fn after(
    which: Which<'_>,
    done: Result<(), Failure>,
    typed: Typed,
) -> Result<Response, ApiError> {
    let path = which.path();
    let Err(failure) = done else { return Ok(frame::lead_to(&path)) };
    let fault = |sentence| fault_of(&failure, sentence);
    let page = async |status, sentence| render(status, which, typed, fault(sentence)).await;
    frame::refused(failure.clone(), &path)?.answer_read(page).await
}

/// Whether it stands as whoever sent a form wants it: the form was sent twice.
async fn is_already(which: &Which<'_>, wanted: SourceStatus) -> Result<bool, ApiError> {
    let at = which.me.at_merchant(which.app, which.merchant, Action::Sell).await;
    let Ok(at) = at else { return Ok(false) };
    let found = at.reads.source(which.kind, SourceId(which.id)).await?;
    Ok(found.is_some_and(|source| source.status == wanted))
}

/// Submits a change of the state of an invoice or order.
async fn change<D: ListedDecision<Output = Source>>(
    which: &Which<'_>,
    decision: D,
    wanted: SourceStatus,
) -> Result<Result<(), Failure>, ApiError> {
    match which.me.submit(which.app, Some(MerchantId(which.merchant)), decision).await {
        Ok(_) => Ok(Ok(())),
        Err(failure) if is_already(which, wanted).await? => {
            tracing::debug!(%failure, "a form was sent again");
            Ok(Ok(()))
        }
        Err(failure) => Ok(Err(failure)),
    }
}

/// Makes the page for the payer, unless there is one that takes payments.
async fn make_page(which: &Which<'_>) -> Result<Result<(), Failure>, ApiError> {
    let at = which.me.at_merchant(which.app, which.merchant, Action::FollowUp).await;
    let at = match at {
        Ok(at) => at,
        Err(failure) => return Ok(Err(failure)),
    };
    if !at.merchant.verified {
        return Ok(Err(Failure::Refused(vec![Refusal::NotVerified])));
    }
    let source = at.reads.source(which.kind, SourceId(which.id)).await?;
    let source = source.ok_or(ApiError::NotFound)?;
    let page = at.reads.checkout_of(source.id).await?;
    if current(page, &source, at.merchant.time(which.me.now)).is_some() {
        return Ok(Ok(()));
    }
    let decision = OpenCheckoutPage { source: which.source(), token: draw_token()? };
    let made = which.me.submit(which.app, Some(MerchantId(which.merchant)), decision).await;
    Ok(made.map(drop))
}

/// The answer to a form that does not say what its page showed. Whoever may not sell is told that.
async fn incomplete(which: Which<'_>, typed: Typed) -> Result<Response, ApiError> {
    let found = to_edit(&which).await;
    match found {
        Ok(_) => {
            let fault = Fault::of_page(frame::INCOMPLETE);
            render(StatusCode::UNPROCESSABLE_ENTITY, which, typed, fault).await
        }
        Err(Ok(failure)) => which.me.not_permitted(failure, which.visitor.clone(), &which.path()),
        Err(Err(error)) => Err(error),
    }
}

/// What the page showed that a form was sent from.
fn shown_in(form: &Form) -> Option<ShownItems> {
    form.field("shown").and_then(shown_of)
}

async fn publish<K: Kind>(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let which = Which { app: &app, me: &me, visitor, merchant, kind: K::TYPE, id };
    let Some(shown) = shown_in(&form) else { return incomplete(which, Typed::default()).await };
    let decision = PublishSource { source: which.source(), shown: Some(shown) };
    let done = change(&which, decision, SourceStatus::Active).await?;
    if done.is_ok() {
        // Without it the page offers to make it, and says why if nobody may.
        let made = make_page(&which).await?;
        if let Err(failure) = made {
            tracing::debug!(%failure, "what was published has no page yet");
        }
    }
    after(which, done, Typed::default()).await
}

async fn cancel<K: Kind>(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let which = Which { app: &app, me: &me, visitor, merchant, kind: K::TYPE, id };
    let Some(shown) = shown_in(&form) else { return incomplete(which, Typed::default()).await };
    let decision = CancelSource { source: which.source(), shown: Some(shown) };
    let done = change(&which, decision, SourceStatus::Canceled).await?;
    after(which, done, Typed::default()).await
}

async fn make_link<K: Kind>(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let which = Which { app: &app, me: &me, visitor, merchant, kind: K::TYPE, id };
    let done = make_page(&which).await?;
    after(which, done, Typed::default()).await
}

/// The source that may be edited, for whoever may sell.
async fn to_edit(which: &Which<'_>) -> Result<Source, Result<Failure, ApiError>> {
    let at = which.me.at_merchant(which.app, which.merchant, Action::Sell).await.map_err(Ok)?;
    let found = at.reads.source(which.kind, SourceId(which.id)).await;
    found.map_err(|error| Err(error.into()))?.ok_or(Err(ApiError::NotFound))
}

/// What was typed, as far as it is shown again.
fn again(form: &Form, name: &str) -> String {
    form.field(name).unwrap_or_default().chars().take(SHOWN_AGAIN).collect()
}

async fn add_item<K: Kind>(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let which = Which { app: &app, me: &me, visitor, merchant, kind: K::TYPE, id };
    let source = match to_edit(&which).await {
        Ok(source) => source,
        Err(Ok(failure)) => return me.not_permitted(failure, which.visitor.clone(), &which.path()),
        Err(Err(error)) => return Err(error),
    };
    let typed = Typed {
        item: again(&form, "item"),
        qty: again(&form, "qty"),
        price: again(&form, "price"),
        ..Typed::default()
    };
    let item = match new_item(&typed, &source) {
        Ok(item) => item,
        Err(fault) => return render(StatusCode::UNPROCESSABLE_ENTITY, which, typed, fault).await,
    };
    let Some(shown) = shown_in(&form) else { return incomplete(which, typed).await };
    let decision = AddItem { source: which.source(), item: item.clone(), shown: Some(shown) };
    let done = match me.submit(&app, Some(MerchantId(merchant)), decision).await {
        Err(failure) if frame::was_changed(&failure) && is_added(&which, &item, shown).await? => {
            tracing::debug!(%failure, "a form was sent again");
            Ok(())
        }
        done => done.map(drop),
    };
    after(which, done, typed).await
}

/// What was shown, as a form carries it.
fn shown_text(ShownItems { updated_at, item_count, total_minor }: ShownItems) -> String {
    format!("{}-{item_count}-{total_minor}", updated_at.0)
}

fn shown_of(text: &str) -> Option<ShownItems> {
    let numbers = text.split('-').map(|number| number.parse().ok());
    match numbers.collect::<Option<Vec<i64>>>()?.as_slice() {
        [updated_at, item_count, total_minor] => Some(ShownItems {
            updated_at: MerchantTime(*updated_at),
            item_count: *item_count,
            total_minor: *total_minor,
        }),
        _ => None,
    }
}

/// Whether just this item was added since the form was opened: the form was sent twice. Where the clocks
/// of two processes differ, what was added last is known by the number of items and the total.
async fn is_added(which: &Which<'_>, new: &NewItem, shown: ShownItems) -> Result<bool, ApiError> {
    let at = which.me.at_merchant(which.app, which.merchant, Action::Sell).await;
    let Ok(at) = at else { return Ok(false) };
    let Some(source) = at.reads.source(which.kind, SourceId(which.id)).await? else {
        return Ok(false);
    };
    let sum = new.qty.saturating_mul(new.amount.minor);
    let is_last = source.item_count == shown.item_count.saturating_add(1)
        && source.total_minor == shown.total_minor.saturating_add(sum);
    let is_it = |item: &Item| {
        (item.name == new.name && item.qty == new.qty && item.amount_minor == new.amount.minor)
            && (is_last || item.created_at > shown.updated_at)
    };
    Ok(at.reads.items(source.id, None).await?.iter().any(is_it))
}

fn new_item(typed: &Typed, source: &Source) -> Result<NewItem, Fault> {
    let name = item_field("item").read(&typed.item)?;
    let qty = quantity(&typed.qty).ok_or_else(|| Fault::of_field("qty", WRONG_QUANTITY))?;
    let amount = price(&typed.price, source.currency)
        .ok_or_else(|| Fault::of_field("price", wrong_price(&typed.price, source.currency)))?;
    Ok(NewItem { name, currency: source.currency, qty, amount })
}

async fn remove_item<K: Kind>(
    Posted { app, visitor, me, ids: [merchant, id, item], .. }: Posted<3>,
) -> Result<Response, ApiError> {
    let which = Which { app: &app, me: &me, visitor, merchant, kind: K::TYPE, id };
    let decision = RemoveItem { source: which.source(), item_id: ItemId(item) };
    let done = me.submit(&app, Some(MerchantId(merchant)), decision).await;
    after(which, done, Typed::default()).await
}

async fn update<K: Kind>(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let which = Which { app: &app, me: &me, visitor, merchant, kind: K::TYPE, id };
    if let Err(refused) = to_edit(&which).await {
        return match refused {
            Ok(failure) => me.not_permitted(failure, which.visitor.clone(), &which.path()),
            Err(error) => Err(error),
        };
    }
    let typed = Typed {
        bearer: Some(again(&form, "bearer")),
        note: Some(again(&form, "note")),
        reference: Some(again(&form, "reference")),
        due: Some(again(&form, "due")),
        ..Typed::default()
    };
    let changes = match changes(&form, K::TYPE) {
        Ok(changes) => changes,
        Err(fault) => return render(StatusCode::UNPROCESSABLE_ENTITY, which, typed, fault).await,
    };
    let Some(shown) = shown_in(&form) else { return incomplete(which, typed).await };
    let decision =
        UpdateSource { source: which.source(), changes: changes.clone(), shown: Some(shown) };
    let done = match me.submit(&app, Some(MerchantId(merchant)), decision).await {
        Err(failure) if frame::was_changed(&failure) && has_all(&which, &changes).await? => {
            tracing::debug!(%failure, "a form was sent again");
            Ok(())
        }
        done => done.map(drop),
    };
    after(which, done, typed).await
}

/// Whether it has all of what a form changes already: the form was sent twice.
async fn has_all(which: &Which<'_>, changes: &SourceChanges) -> Result<bool, ApiError> {
    let Ok(source) = to_edit(which).await else { return Ok(false) };
    let note = changes.note.clone().apply_to(Some(source.note.clone())).unwrap_or_default();
    Ok(note == source.note
        && changes.fee_bearer.is_none_or(|bearer| bearer == source.fee_bearer)
        && changes.reference_id.clone().apply_to(source.reference_id.clone())
            == source.reference_id
        && changes.due_date.apply_to(source.due_date) == source.due_date)
}

/// What a field is changed to, of which nothing is left where it is empty.
fn set<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Clear, Patch::Set)
}

fn changes(form: &Form, kind: SourceType) -> Result<SourceChanges, Fault> {
    let bearer = form.field("bearer").and_then(FeeBearer::parse);
    let fee_bearer =
        bearer.ok_or_else(|| Fault::of_field("bearer", "Choose who bears the fees."))?;
    Ok(SourceChanges {
        note: set(note(form)?),
        fee_bearer: Some(fee_bearer),
        reference_id: set(reference(form)?),
        // Orders have none.
        due_date: if kind == SourceType::Invoice { set(due(form)?) } else { Patch::Keep },
    })
}

/// The note in a form.
pub fn note(form: &Form) -> Result<Option<String>, Fault> {
    let Some(text) = form.field("note") else { return Ok(None) };
    let read = Note::read(&json!(text.replace("\r\n", "\n")));
    let wrong = || wrong_text(text, "The note", "A note has at most 2,000 characters.");
    let Note(note) = read.map_err(|_| Fault::of_field("note", wrong()))?;
    Ok(Some(note))
}

/// The merchant's own reference in a form.
pub fn reference(form: &Form) -> Result<Option<String>, Fault> {
    let Some(text) = form.field("reference") else { return Ok(None) };
    let wrong = "A reference has at most 255 characters, in one line.";
    let wrong = || wrong_text(text, "The reference", wrong);
    let read = Text::<255>::read(&json!(text));
    let Text(text) = read.map_err(|_| Fault::of_field("reference", wrong()))?;
    Ok(Some(text))
}

/// The day in a form on which an invoice is due.
pub fn due(form: &Form) -> Result<Option<MerchantTime>, Fault> {
    let Some(text) = form.field("due") else { return Ok(None) };
    let day = MerchantTime::parse_day(text);
    day.map(Some).ok_or_else(|| Fault::of_field("due", "Give a day as 2026-12-24."))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/invoices/{merchant}", list::<Invoices>)
        .page("/app/invoices/{merchant}/{id}", show::<Invoices>)
        .form("/app/invoices/{merchant}/{id}/publish", publish::<Invoices>)
        .form("/app/invoices/{merchant}/{id}/cancel", cancel::<Invoices>)
        .form("/app/invoices/{merchant}/{id}/link", make_link::<Invoices>)
        .form("/app/invoices/{merchant}/{id}/update", update::<Invoices>)
        .form("/app/invoices/{merchant}/{id}/items/add", add_item::<Invoices>)
        .form("/app/invoices/{merchant}/{id}/items/{item}/remove", remove_item::<Invoices>)
        .page("/app/orders/{merchant}", list::<Orders>)
        .page("/app/orders/{merchant}/{id}", show::<Orders>)
        .form("/app/orders/{merchant}/{id}/publish", publish::<Orders>)
        .form("/app/orders/{merchant}/{id}/cancel", cancel::<Orders>)
        .form("/app/orders/{merchant}/{id}/link", make_link::<Orders>)
        .form("/app/orders/{merchant}/{id}/update", update::<Orders>)
        .form("/app/orders/{merchant}/{id}/items/add", add_item::<Orders>)
        .form("/app/orders/{merchant}/{id}/items/{item}/remove", remove_item::<Orders>)
}
