//! `/app/developers/{merchant}/sandbox`: the clock of a merchant that moves no real money, and the
//! numbers and cards that decide what happens to a test payment.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::advance_clock::{AdvanceClock, MAX_ADVANCE_SECONDS};
use domain::directory::roles::Action;
use domain::kernel::ids::MerchantId;
use domain::kernel::names::Mode;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::navigation::Screen;
use crate::web::app::person::{LoggedIn, Posted};
use crate::web::language::Visitor;

/// What the last three digits of a number of mobile money decide.
const NUMBERS: &[(&str, &str)] = &[
    ("019", "collections fail: the payer has reached a limit"),
    ("029", "collections fail: there is no such payer"),
    ("039", "collections fail: the payer did not approve"),
    ("049", "collections fail: the payer has not enough money"),
    ("069", "collections fail without a reason"),
    ("089", "payouts and refunds fail: there is no such recipient"),
    ("099", "payouts and refunds fail: the recipient's account cannot take the amount"),
    ("119", "payouts and refunds fail without a reason"),
    ("129", "nothing is heard for 15 minutes of the clock here, then it has completed"),
    ("139", "the network does not answer, and did take the request"),
    ("149", "the network does not answer, and never saw the request: it is sent again"),
    ("159", "the network calls back twice"),
    ("169", "the network calls back before it answers"),
    ("179", "it fails, and a second later it was a success after all: a review is opened"),
];

/// Cards by Stripe's public test names.
const CARDS: &[(&str, &str)] = &[
    ("pm_card_visa", "it completes"),
    ("pm_card_chargeDeclined", "it is declined"),
    ("pm_card_chargeDeclinedInsufficientFunds", "it is declined: not enough money"),
    ("pm_card_authenticationRequired", "the payer has to confirm it first"),
];

/// How far the clock is advanced by a press of a button, in seconds.
const STEPS: &[(i64, &str)] = &[
    (60, "a minute"),
    (900, "15 minutes"),
    (3_600, "an hour"),
    (86_400, "a day"),
    (2_592_000, "30 days"),
];

#[derive(Template)]
#[template(path = "app/sandbox.html")]
struct SandboxTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    home: String,
    now: String,
    now_words: String,
    /// By how many seconds the clock is ahead.
    ahead: i64,
    may_change: bool,
    steps: &'static [(i64, &'static str)],
    numbers: &'static [(&'static str, &'static str)],
    cards: &'static [(&'static str, &'static str)],
    fault: Fault,
}

fn path(merchant: i64) -> String {
    format!("/app/developers/{merchant}/sandbox")
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    fault: Fault,
) -> Result<Response, ApiError> {
    let path = path(merchant);
    let at = match me.at_merchant(app, merchant, Action::ReadIntegration).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    if at.merchant.mode != Mode::Sandbox {
        return Err(ApiError::NotFound);
    }
    let now = at.merchant.time(me.now).to_string();
    let words = match (now.get(..10), now.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => now.clone(),
    };
    let title = format!("Sandbox of {}", at.merchant.name);
    let frame = me.frame(visitor, &title).at(&path).of(&at, Screen::Developers);
    let template = SandboxTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        home: format!("/app/developers/{merchant}"),
        now,
        now_words: words,
        ahead: at.merchant.clock_offset_us / 1_000_000,
        may_change: at.rights.role.may(Action::ChangeIntegration),
        steps: STEPS,
        numbers: NUMBERS,
        cards: CARDS,
        fault,
        path,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
) -> Result<Response, ApiError> {
    render(StatusCode::OK, &app, (&me, visitor), merchant, Fault::default()).await
}

async fn advance(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let at = match me.at_merchant(&app, merchant, Action::ChangeIntegration).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path(merchant)),
    };
    // A form that is sent twice: the clock is no longer where its page showed it.
    let ahead = at.merchant.clock_offset_us / 1_000_000;
    let seen = form.field("ahead").and_then(|text| text.parse::<i64>().ok());
    let seconds = form.field("seconds").and_then(|text| text.parse::<i64>().ok());
    let Some(by_seconds) = seconds.filter(|by| (1..=MAX_ADVANCE_SECONDS).contains(by)) else {
        let fault = Fault::of_field("seconds", "Choose one of these.");
        return render(fault.status(), &app, (&me, visitor), merchant, fault).await;
    };
    if seen != Some(ahead) {
        return Ok(frame::lead_to(&path(merchant)));
    }
    let id = MerchantId(merchant);
    let decision = AdvanceClock { merchant_id: id, by_seconds };
    let Err(failure) = me.submit(&app, Some(id), decision).await else {
        return Ok(frame::lead_to(&path(merchant)));
    };
    let page = async |status, sentence: String| {
        render(status, &app, (&me, visitor), merchant, Fault::of_page(sentence)).await
    };
    frame::refused(failure, &path(merchant))?.answer_read(page).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/developers/{merchant}/sandbox", show)
        .form("/app/developers/{merchant}/sandbox/advance", advance)
}
