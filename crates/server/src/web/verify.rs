//! `/verify`: whether a receipt is genuine, for anybody who has its code and the amount that was
//! paid.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::Response;
use domain::kernel::money::Money;
use domain::kernel::names::Mode;
use domain::payments::receipt_code::ReceiptCode;

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::{ClientAddress, CountPageRequest};
use crate::web::amount::is_amount;
use crate::web::form::Form;
use crate::web::language::texts::{Html, Texts};
use crate::web::language::{Language, Visitor};
use crate::web::methods::Methods;
use crate::web::page::{self, Frame};
use crate::web::text::money;
use store::clock;
use store::reads::receipts::ReceiptReads;

/// No code or amount is longer. What is longer is not shown again.
const FIELD_MAX: usize = 64;

/// The page with the form.
#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyTemplate<'a> {
    frame: &'a Frame,
    t: &'static Texts,
    /// What stands in the fields.
    code: &'a str,
    amount: &'a str,
    outcome: Outcome,
}

/// What came of the form.
enum Outcome {
    NothingSent,
    Incomplete,
    /// There is no such receipt, or it is of another amount. Nobody is told which, so that codes
    /// cannot be found by trying.
    NotGenuine,
    Genuine(Genuine),
    TooManyGuesses(Html),
}

/// What a genuine receipt was for.
struct Genuine {
    paid: String,
    seller: String,
    number: String,
    taken_back: Option<String>,
    refunded: Option<String>,
    refund_under_way: Option<String>,
    in_review: bool,
    test_money: bool,
}

impl Genuine {
    fn new(receipt: &ReceiptReads, methods: &Methods, language: Language) -> Self {
        let ReceiptReads { paid, merchant, source, taken_back } = receipt;
        let texts = language.texts();
        let refunds = paid.refunds();
        // What a bank took back takes from what can be refunded, and is none.
        let taken_minor = taken_back.map_or(0, |amount| amount.minor);
        let given_minor = refunds.given_back_minor.saturating_add(taken_minor);
        let under_way = refunds.refunded_minor.saturating_sub(given_minor);
        let some = |minor: i64| {
            (minor > 0).then(|| money(Money::new(minor, paid.payer.currency), language))
        };
        let zone = methods.zone(paid.method);
        let at = paid.settled_at().map(|at| zone.at(at).in_words(language)).unwrap_or_default();
        Self {
            paid: texts.genuine(&money(paid.payer, language), &at),
            seller: merchant.seller_name(),
            number: source.number.clone(),
            taken_back: taken_back.map(|amount| texts.taken_back_since(&money(amount, language))),
            refunded: some(refunds.given_back_minor).map(|sum| texts.refunded_since(&sum)),
            refund_under_way: some(under_way).map(|sum| texts.refund_under_way(&sum)),
            in_review: paid.in_review,
            test_money: merchant.mode != Mode::Live,
        }
    }
}

fn render(
    status: StatusCode,
    visitor: Visitor,
    (code, amount): (&str, &str),
    outcome: Outcome,
) -> Result<Response, ApiError> {
    let title = visitor.language.texts().verify_title;
    let frame = Frame::new(visitor, title);
    let template = VerifyTemplate { frame: &frame, t: frame.texts(), code, amount, outcome };
    page::render(status, &frame, &template, None)
}

/// `GET /verify`: the form. The QR code of a receipt leads here with the code.
async fn form(
    _: CountPageRequest,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let code = pairs.find(|(name, _)| name == "code").map(|(_, value)| value);
    let code = code.filter(|code| code.len() <= FIELD_MAX).unwrap_or_default();
    render(StatusCode::OK, visitor, (&code, ""), Outcome::NothingSent)
}

/// `POST /verify`: with the fields `code` and `amount`.
async fn check(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    ClientAddress(address): ClientAddress,
    form: Form,
) -> Result<Response, ApiError> {
    let field = |name| form.field(name).filter(|value| value.len() <= FIELD_MAX);
    let (code, amount) = (field("code"), field("amount"));
    let fields = (code.unwrap_or_default(), amount.unwrap_or_default());
    let (Some(code), Some(amount)) = (code, amount) else {
        return render(StatusCode::UNPROCESSABLE_ENTITY, visitor, fields, Outcome::Incomplete);
    };
    if let Err(seconds) = app.receipt_guesses.take(address) {
        let outcome = Outcome::TooManyGuesses(visitor.language.texts().wait(seconds));
        let mut refused = render(StatusCode::TOO_MANY_REQUESTS, visitor, fields, outcome)?;
        refused.headers_mut().insert(RETRY_AFTER, seconds.into());
        return Ok(refused);
    }
    let outcome = match genuine(&app, code, amount).await? {
        Some(receipt) => {
            app.receipt_guesses.give_back(address);
            let methods = Methods::new(app.queries.for_system().tariff().await?, clock::now());
            Outcome::Genuine(Genuine::new(&receipt, &methods, visitor.language))
        }
        None => Outcome::NotGenuine,
    };
    render(StatusCode::OK, visitor, fields, outcome)
}

/// The receipt with this code, if the amount is what was paid.
async fn genuine(app: &App, code: &str, amount: &str) -> Result<Option<ReceiptReads>, ApiError> {
    let Some(code) = ReceiptCode::parse(code) else { return Ok(None) };
    let found = app.queries.for_receipt(app.receipt_codes.execution(code)).await?;
    Ok(found.filter(|receipt| is_amount(amount, receipt.paid.payer)))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/verify", form).form("/verify", check)
}
