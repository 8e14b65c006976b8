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
use crate::app::App;
use crate::net::limits::{ClientAddress, CountPageRequest};
use crate::web::form::Form;
use crate::web::page;
use crate::web::receipt::amount::is_amount;
use crate::web::receipt::texts::{self, Texts};
use crate::web::refusal;
use crate::web::text::{date, money};
use store::reads::receipts::ReceiptReads;

/// No code or amount is longer. What is longer is not shown again.
const FIELD_MAX: usize = 64;

/// The page with the form.
#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage<'a> {
    texts: &'static Texts,
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
    /// With a time in words.
    TooManyGuesses(String),
}

/// What a genuine receipt was for.
struct Genuine {
    paid: String,
    seller: String,
    number: String,
    refunded: Option<String>,
    refund_under_way: Option<String>,
    in_review: bool,
    test_money: bool,
}

impl Genuine {
    fn new(receipt: &ReceiptReads, texts: &Texts) -> Self {
        let ReceiptReads { paid, merchant, source } = receipt;
        let refunds = paid.refunds();
        let of = |minor: i64| Money::new(minor, paid.payer.currency);
        let under_way = refunds.refunded_minor.saturating_sub(refunds.given_back_minor);
        let some = |minor: i64| (minor > 0).then(|| money(of(minor)));
        let at = paid.settled_at().map(date).unwrap_or_default();
        Self {
            paid: texts.genuine.with(&money(paid.payer)).replacen("{}", &at, 1),
            seller: merchant.name.clone(),
            number: source.number.clone(),
            refunded: some(refunds.given_back_minor).map(|sum| texts.refunded_since.with(&sum)),
            refund_under_way: some(under_way).map(|sum| texts.refund_open.with(&sum)),
            in_review: paid.in_review,
            test_money: merchant.mode == Mode::Sandbox,
        }
    }
}

fn render(status: StatusCode, view: &VerifyPage<'_>) -> Result<Response, ApiError> {
    let body = view.render().map_err(|error| ApiError::internal(error.to_string()))?;
    page::render(status, view.texts.verify_title, &body, None)
}

/// `GET /verify`: the form. The QR code of a receipt leads here with the code.
pub async fn form(_: CountPageRequest, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let code = pairs.find(|(name, _)| name == "code").map(|(_, value)| value);
    let code = code.filter(|code| code.len() <= FIELD_MAX).unwrap_or_default();
    let texts = &texts::ENGLISH;
    let view = VerifyPage { texts, code: &code, amount: "", outcome: Outcome::NothingSent };
    render(StatusCode::OK, &view)
}

/// `POST /verify`: with the fields `code` and `amount`.
pub async fn check(
    State(app): State<App>,
    _: CountPageRequest,
    ClientAddress(address): ClientAddress,
    form: Form,
) -> Result<Response, ApiError> {
    let texts = &texts::ENGLISH;
    let field = |name| form.field(name).filter(|value| value.len() <= FIELD_MAX);
    let (code, amount) = (field("code"), field("amount"));
    let view = |outcome| VerifyPage {
        texts,
        code: code.unwrap_or_default(),
        amount: amount.unwrap_or_default(),
        outcome,
    };
    let (Some(code), Some(amount)) = (code, amount) else {
        return render(StatusCode::UNPROCESSABLE_ENTITY, &view(Outcome::Incomplete));
    };
    if let Err(seconds) = app.receipt_guesses.take(address) {
        let outcome = Outcome::TooManyGuesses(refusal::wait(seconds));
        let mut refused = render(StatusCode::TOO_MANY_REQUESTS, &view(outcome))?;
        refused.headers_mut().insert(RETRY_AFTER, seconds.into());
        return Ok(refused);
    }
    let outcome = match genuine(&app, code, amount).await? {
        Some(receipt) => {
            app.receipt_guesses.give_back(address);
            Outcome::Genuine(Genuine::new(&receipt, texts))
        }
        None => Outcome::NotGenuine,
    };
    render(StatusCode::OK, &view(outcome))
}

/// The receipt with this code, if the amount is what was paid.
async fn genuine(app: &App, code: &str, amount: &str) -> Result<Option<ReceiptReads>, ApiError> {
    let Some(code) = ReceiptCode::parse(code) else { return Ok(None) };
    let found = app.queries.for_receipt(app.receipt_codes.execution(code)).await?;
    Ok(found.filter(|receipt| is_amount(amount, receipt.paid.payer)))
}
