//! `/app/payments/{merchant}`: all payments of a merchant.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::MerchantId;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::MerchantTime;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::people::saved_filter::{NAME_MAX, SaveFilter};
use domain::tariff::Tariff;
use store::reads::executions::ExecutionFilter;
use store::reads::pages::{Page, PageOfRows};

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::payments::{self, HEAD, Payment, cells};
use crate::api::routes::Routes;
use crate::api::search::typed_amount;
use crate::app::App;
use crate::net::csv::{self, Table};
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::{self, Choice, FromQuery, Query, read};
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::navigation::Screen;
use crate::web::app::payment_words::{self, Until, When};
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::typed::NameField;
use crate::web::language::{Language, Visitor};
use crate::web::methods::Methods;

/// The most filters that one person keeps of a merchant.
const KEPT_MAX: usize = 50;
/// How many rows stand on a page.
const PAGE: u32 = 50;
/// The id of the field with the name of a filter.
const NAME: &str = "filter_name";

#[derive(Template)]
#[template(path = "app/payments.html")]
struct PaymentsTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    rows: Vec<PaymentLine>,
    states: Vec<Choice>,
    operations: Vec<Choice>,
    methods: Vec<Choice>,
    asked: &'a Asked,
    /// The address of the same list as CSV, for whoever may have it.
    csv: Option<String>,
    older: Option<String>,
    /// The filters that the person keeps.
    saved: Vec<Saved>,
    /// The filter of the page, which can be kept.
    keeps: Option<String>,
    name: String,
    /// Whether there is nothing in what was looked at, though there is more.
    goes_on: bool,
    /// What of the filter is not understood.
    fault: Fault,
}

/// A filter that somebody keeps.
struct Saved {
    name: String,
    path: String,
}

/// A payment in a list.
pub struct PaymentLine {
    pub path: String,
    pub operation: &'static str,
    pub amount: String,
    /// Before the name: from whom or to whom.
    pub preposition: &'static str,
    pub name: String,
    pub number: Option<String>,
    pub state: &'static str,
    pub in_review: bool,
    pub created: When,
    pub method: String,
    /// What it changes of the wallet; nothing for what failed.
    pub net: Option<String>,
    pub why: Option<String>,
    pub until: Option<Until>,
}

impl PaymentLine {
    pub fn new(merchant: i64, payment: &Payment, methods: &Methods) -> Self {
        let Payment { execution, attempt, other } = payment;
        let has_failed = execution.status == ExecutionStatus::Failed && !execution.is_settled();
        Self {
            path: format!("{}/{}", path(merchant), execution.id),
            operation: payment_words::operation(execution.operation()),
            amount: payment_words::amount(execution.outside_amount()),
            preposition: match execution.operation() {
                Operation::Collection => "from",
                Operation::Payout | Operation::Transfer | Operation::Refund => "to",
            },
            name: other.name.clone(),
            number: other.number.clone(),
            state: payment_words::state(execution),
            in_review: execution.in_review,
            created: When::new(execution.created_at, execution.method, methods),
            method: methods.name(execution.method, Language::English),
            net: (!has_failed).then(|| payment_words::change(payments::net(execution))),
            why: payment_words::why(execution, attempt.as_ref()),
            until: payment_words::until(execution, attempt.as_ref(), methods),
        }
    }
}

pub fn path(merchant: i64) -> String {
    format!("/app/payments/{merchant}")
}

/// The filter as it was typed, with the place in the list.
#[derive(Default)]
struct Asked {
    state: String,
    operation: String,
    method: String,
    amount: String,
    amount_currency: String,
    fee_currency: String,
    is_final: String,
    from: String,
    until: String,
    after: String,
}

impl FromQuery for Asked {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "state" => &mut self.state,
            "operation" => &mut self.operation,
            "method" => &mut self.method,
            "amount" => &mut self.amount,
            "amount_currency" => &mut self.amount_currency,
            "fee_currency" => &mut self.fee_currency,
            "is_final" => &mut self.is_final,
            "from" => &mut self.from,
            "until" => &mut self.until,
            "after" => &mut self.after,
            _ => return None,
        })
    }
}

impl Asked {
    fn filter(&self) -> Result<ExecutionFilter, Fault> {
        let state = ("state", "There is no such state.");
        let operation = ("operation", "There is nothing of this kind.");
        let method = ("method", "There is no such method.");
        let amount = ("amount", "Give an amount as 1250.50 or 1250.50 USD, with a point.");
        let day = "Give a day as 2026-11-29, or a time as 2026-11-29T18:00:00Z.";
        let code = "Give a currency as USD.";
        let currency = |text: &str| Currency::parse(&text.to_uppercase());
        let amount = read(&self.amount, typed_amount, amount)?;
        let is_final = ("is_final", "Choose one of these.");
        Ok(ExecutionFilter {
            status: read(&self.state, ExecutionStatus::parse, state)?,
            operation: read(&self.operation, Operation::parse, operation)?,
            method: read(&self.method, Method::parse, method)?,
            amount: amount.map(|(number, _)| number),
            currency: amount.and_then(|(_, currency)| currency),
            amount_currency: read(&self.amount_currency, currency, ("amount_currency", code))?,
            fee_currency: read(&self.fee_currency, currency, ("fee_currency", code))?,
            is_final: read(&self.is_final, |text| text.parse().ok(), is_final)?,
            from: read(&self.from, MerchantTime::parse, ("from", day))?,
            until: read(&self.until, MerchantTime::parse, ("until", day))?,
        })
    }

    /// Whether anything narrows the list.
    fn narrows(&self) -> bool {
        !self.query(None).is_empty()
    }

    /// The query with this filter, and perhaps with another place in the list.
    fn query(&self, after: Option<i64>) -> String {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        filter::query(&[
            ("state", &self.state),
            ("operation", &self.operation),
            ("method", &self.method),
            ("amount", &self.amount),
            ("amount_currency", &self.amount_currency),
            ("fee_currency", &self.fee_currency),
            ("is_final", &self.is_final),
            ("from", &self.from),
            ("until", &self.until),
            ("after", &after),
        ])
    }
}

/// The methods that the tariff has or had.
fn method_choices(tariff: &Tariff, methods: &Methods, chosen: &str) -> Vec<Choice> {
    let mut known: Vec<Method> = tariff.markets.iter().map(|market| market.method).collect();
    known.sort_unstable();
    known.dedup();
    let choice = |method: Method| Choice {
        name: method.to_string(),
        words: methods.name(method, Language::English),
        is_chosen: method.as_str() == chosen,
    };
    known.into_iter().map(choice).collect()
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let beside = Beside::default();
    render(&app, (&me, visitor), merchant, asked, beside).await
}

/// What the page says beside the list.
#[derive(Default)]
struct Beside {
    /// Why a filter is not kept.
    fault: Fault,
    /// The name that it was to be kept under.
    name: String,
}

async fn render(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    asked: Asked,
    beside: Beside,
) -> Result<Response, ApiError> {
    let (filter, mut fault) = match asked.filter() {
        Ok(filter) => (filter, beside.fault),
        Err(fault) => (ExecutionFilter::default(), fault),
    };
    let after_id = filter::place(&asked.after, &mut fault);
    let path = path(merchant);
    let at = match me.at_merchant(app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let tariff = app.queries.for_system().tariff().await?;
    let methods = Methods::new(tariff.clone(), me.now);
    let found = payments::read(&at.reads, filter, Page { limit: PAGE, after_id }).await?;
    let older = found.next_after(PAGE, |payment| payment.execution.id.0);
    let rows: Vec<_> =
        found.rows.iter().map(|row| PaymentLine::new(merchant, row, &methods)).collect();
    let may_export = at.rights.role.may(Action::ReadWallets);
    let saved = at.reads.saved_filters(me.user.id).await?.into_iter().map(|saved| Saved {
        path: format!("{path}{}", saved.query.as_deref().unwrap_or_default()),
        name: saved.name,
    });
    let kept = asked.query(None);
    let frame = me.frame(visitor, &format!("Payments of {}", at.merchant.name));
    let frame = frame.at(&path).of(&at, Screen::Payments);
    let template = PaymentsTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        states: state_choices(&asked.state),
        operations: operation_choices(&asked.operation),
        methods: method_choices(&tariff, &methods, &asked.method),
        csv: may_export.then(|| format!("{path}/csv{}", asked.query(None))),
        saved: saved.collect(),
        // What is not understood is not kept.
        keeps: (!kept.is_empty() && fault.field().is_none_or(|field| field == NAME))
            .then_some(kept),
        name: beside.name,
        goes_on: rows.is_empty() && older.is_some(),
        older: older.map(|id| format!("{path}{}", asked.query(Some(id)))),
        rows,
        asked: &asked,
        path,
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

fn operation_choices(chosen: &str) -> Vec<Choice> {
    let choice = |operation: &Operation| Choice {
        name: operation.as_str().to_owned(),
        words: format!("{}s", payment_words::operation(*operation)),
        is_chosen: operation.as_str() == chosen,
    };
    Operation::ALL.iter().map(choice).collect()
}

/// In the words of the list.
fn state_choices(chosen: &str) -> Vec<Choice> {
    let choice = |status: &ExecutionStatus| Choice {
        name: status.as_str().to_owned(),
        words: match status {
            ExecutionStatus::Pending => "not sent yet",
            ExecutionStatus::Processing => "under way",
            ExecutionStatus::Completed => "paid, paid out, transferred or refunded",
            ExecutionStatus::Failed => "failed",
        }
        .to_owned(),
        is_chosen: status.as_str() == chosen,
    };
    ExecutionStatus::ALL.iter().map(choice).collect()
}

/// The payments as somebody reads them as CSV.
struct OfPerson {
    app: App,
    me: LoggedIn,
    merchant: i64,
    filter: ExecutionFilter,
}

impl OfPerson {
    async fn at(&self) -> Result<AtMerchant<'_>, ApiError> {
        let at = self.me.at_merchant(&self.app, self.merchant, Action::ReadWallets).await;
        at.map_err(frame::without_page)
    }
}

impl Table for OfPerson {
    type Row = Execution;
    const HEAD: &'static [&'static str] = HEAD;

    async fn page(&self, page: Page) -> Result<PageOfRows<Execution>, ApiError> {
        Ok(self.at().await?.reads.executions(self.filter, page).await?)
    }

    fn app(&self) -> &App {
        &self.app
    }

    fn id(execution: &Execution) -> i64 {
        execution.id.0
    }

    async fn cells(&self, rows: Vec<Execution>) -> Result<Vec<Vec<String>>, ApiError> {
        let payments = payments::with_others(&self.at().await?.reads, rows).await?;
        Ok(payments.iter().map(cells).collect())
    }
}

async fn export(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    // The list says what is wrong.
    let Ok(filter) = asked.filter() else {
        return render(&app, (&me, visitor), merchant, asked, Beside::default()).await;
    };
    let of = OfPerson { app, me, merchant, filter };
    // Before a permit is taken: who may not read takes none of the merchant's.
    of.page(Page { limit: 1, after_id: None }).await?;
    let permit = of.app.lists.acquire(MerchantId(merchant)).await.ok_or(ApiError::TooManyLists)?;
    Ok(csv::answer(of, "payments.csv", permit).await?.into_response())
}

/// Why no further filter is kept. One that is kept already takes another filter in its place.
async fn too_many(
    at: &AtMerchant<'_>,
    me: &LoggedIn,
    name: &str,
) -> Result<Option<Fault>, ApiError> {
    let kept = at.reads.saved_filters(me.user.id).await?;
    let is_full = kept.len() >= KEPT_MAX && kept.iter().all(|filter| filter.name != name);
    let said = || format!("You keep {KEPT_MAX} filters of this merchant: remove one first.");
    Ok(is_full.then(|| Fault::of_page(said())))
}

/// Keeps a filter under a name, or removes the one of this name.
async fn save(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let at = match me.at_merchant(&app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path(merchant)),
    };
    let asked = Asked::from_query(form.field("query").unwrap_or_default().trim_start_matches('?'));
    let name = form.field(NAME).unwrap_or_default().trim().to_owned();
    let wrong = format!("A name has 1 to {NAME_MAX} characters.");
    let field = NameField { id: NAME, max: NAME_MAX, what: "The name", wrong: &wrong };
    let fault = match asked.filter() {
        Err(_) => Some(Fault::of_page("This filter is not understood.")),
        Ok(_) if !asked.narrows() => Some(Fault::of_page("There is no filter to keep.")),
        Ok(_) => field.read(&name).err(),
    };
    let fault = match fault {
        None => too_many(&at, &me, &name).await?,
        fault => fault,
    };
    if let Some(fault) = fault {
        return render(&app, (&me, visitor), merchant, asked, Beside { fault, name }).await;
    }
    let query = asked.query(None);
    let here = format!("{}{query}", path(merchant));
    let merchant_id = MerchantId(merchant);
    let decision = SaveFilter { merchant_id, name: name.clone(), query: Some(query) };
    let Err(failure) = me.submit(&app, Some(merchant_id), decision).await else {
        return Ok(frame::lead_to(&here));
    };
    let page = async |status, sentence: String| {
        let beside = Beside { fault: Fault::of_page(sentence), name };
        let mut page = render(&app, (&me, visitor), merchant, asked, beside).await?;
        *page.status_mut() = status;
        Ok(page)
    };
    frame::refused(failure, &path(merchant))?.answer_read(page).await
}

async fn remove(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let merchant_id = MerchantId(merchant);
    if let Err(failure) = me.at_merchant(&app, merchant, Action::ReadPayments).await {
        return me.not_permitted(failure, visitor, &path(merchant));
    }
    let name = form.field(NAME).unwrap_or_default().to_owned();
    let decision = SaveFilter { merchant_id, name, query: None };
    let Err(failure) = me.submit(&app, Some(merchant_id), decision).await else {
        return Ok(frame::lead_to(&path(merchant)));
    };
    me.not_permitted(failure, visitor, &path(merchant))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/payments/{merchant}", show)
        .form("/app/payments/{merchant}/filters/save", save)
        .form("/app/payments/{merchant}/filters/remove", remove)
        .page("/app/payments/{merchant}/csv", export)
}
