//! `/app/payments/{merchant}/{payment}/refund`: giving back a payment, or a part of it.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::principal::Principal;
use domain::directory::roles::Action;
use domain::kernel::ids::{ExecutionId, MerchantId};
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::Operation;
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::{MerchantTime, minutes};
use domain::kernel::uuids::ReferenceId;
use domain::payments::attempt::WithAttempt;
use domain::payments::cancel_session::CancelSession;
use domain::payments::create_session::{CreateSession, NewSession};
use domain::payments::execute::{Execute, Executed, OperationDetails};
use domain::payments::execution::Execution;
use domain::payments::session::SessionKind;
use domain::people::access::Person;
use serde_json::json;

use crate::api::error::ApiError;
use crate::api::executions::{first_outcome, run_to_completion};
use crate::api::extract::Ids;
use crate::api::fields::{FromValue, Reference, Text};
use crate::api::payments;
use crate::api::routes::Routes;
use crate::api::search::typed_amount;
use crate::api::sources::receipts::refundable;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::navigation::Screen;
use crate::web::app::payment_words;
use crate::web::app::payments::path as list_path;
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::typed::{too_large, wrong_text};
use crate::web::checkout::steps::draw_key;
use crate::web::form::Form;
use crate::web::language::Visitor;

#[derive(Template)]
#[template(path = "app/refund.html")]
struct RefundTemplate<'a> {
    app: &'a AppFrame,
    /// The path of the payment.
    path: String,
    paid: String,
    name: String,
    room: String,
    currency: &'a str,
    /// What the form sends as the reference of the refund: sent twice, it gives back once.
    key: String,
    amount: String,
    reason: String,
    fault: Fault,
}

/// What was typed into a form that was not accepted.
#[derive(Default)]
struct Typed {
    key: Option<ReferenceId>,
    amount: Option<String>,
    reason: String,
}

fn payment_path(merchant: i64, id: ExecutionId) -> String {
    format!("{}/{id}", list_path(merchant))
}

fn refund_path(merchant: i64, id: ExecutionId) -> String {
    format!("{}/refund", payment_path(merchant, id))
}

/// The payment with its merchant, for whoever may refund: it arrived, and something is left of it.
async fn find<'a>(
    app: &'a App,
    me: &LoggedIn,
    (merchant, id): (i64, i64),
) -> Result<(AtMerchant<'a>, Execution), Result<Failure, ApiError>> {
    let at = me.at_merchant(app, merchant, Action::RefundWithinLimit).await.map_err(Ok)?;
    let found = at.reads.execution(ExecutionId(id)).await.map_err(|error| Err(error.into()))?;
    let is_paid = |paid: &Execution| paid.operation() == Operation::Collection && paid.is_settled();
    let paid = found.filter(is_paid).ok_or(Err(ApiError::NotFound))?;
    Ok((at, paid))
}

async fn render(
    status: StatusCode,
    (me, visitor): (&LoggedIn, Visitor),
    (at, paid): (&AtMerchant<'_>, &Execution),
    typed: Typed,
    fault: Fault,
) -> Result<Response, ApiError> {
    let merchant = at.merchant.id.0;
    let room = refundable(paid);
    let payment = payments::with_others(&at.reads, vec![paid.clone()]).await?.pop();
    let key = match typed.key {
        Some(ReferenceId(key)) => key,
        None => draw_key()?,
    };
    let frame = me.frame(visitor, "Refund");
    let frame = frame.at(&refund_path(merchant, paid.id)).of(at, Screen::Payments);
    let template = RefundTemplate {
        app: &frame,
        path: payment_path(merchant, paid.id),
        paid: payment_words::amount(paid.payer),
        name: payment.map(|payment| payment.other.name).unwrap_or_default(),
        room: payment_words::amount(room),
        currency: paid.payer.currency.code(),
        key: key.to_string(),
        amount: typed.amount.unwrap_or_else(|| room.to_string()),
        reason: typed.reason,
        fault,
    };
    frame::render(status, &frame, &template)
}

async fn form(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
) -> Result<Response, ApiError> {
    shown(&app, (&me, visitor), (merchant, id), None).await
}

/// The form with an amount in minor units: where somebody comes back to who was asked for a code.
async fn form_of(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id, minor]): Ids<3>,
) -> Result<Response, ApiError> {
    shown(&app, (&me, visitor), (merchant, id), Some(minor)).await
}

async fn shown(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (merchant, id): (i64, i64),
    minor: Option<i64>,
) -> Result<Response, ApiError> {
    match find(app, me, (merchant, id)).await {
        Ok((at, paid)) => {
            let amount = minor.map(|minor| Money::new(minor, paid.payer.currency).to_string());
            let typed = Typed { amount, ..Typed::default() };
            render(StatusCode::OK, (me, visitor), (&at, &paid), typed, Fault::default()).await
        }
        Err(Ok(failure)) => {
            me.not_permitted(failure, visitor, &refund_path(merchant, ExecutionId(id)))
        }
        Err(Err(error)) => Err(error),
    }
}

/// A refund that somebody asks for.
struct Asked {
    reference: ReferenceId,
    amount: Decimal,
    /// The same in minor units.
    minor: i64,
    reason: Option<String>,
}

/// Reads the form.
fn read(form: &Form, paid: &Execution) -> Result<Asked, Fault> {
    let key = form.field("key").map(|key| Reference::read(&json!(key)));
    let Some(Ok(Reference(reference))) = key else {
        return Err(Fault::of_page(frame::INCOMPLETE));
    };
    let currency = paid.payer.currency;
    let example = payment_words::example(currency);
    let text = form.field("amount").unwrap_or_default();
    let wrong = || {
        let none = || format!("Give an amount of {currency}, {example}.");
        Fault::of_field("amount", too_large(text, currency).unwrap_or_else(none))
    };
    let (number, named) = typed_amount(text).ok_or_else(wrong)?;
    let minor = number.to_money(currency).map_err(|_| wrong())?.minor;
    if named.is_some_and(|named| named != currency) {
        return Err(wrong());
    }
    let reason = match form.field("reason").map(|reason| Text::<255>::read(&json!(reason))) {
        None => None,
        Some(Ok(Text(reason))) => Some(reason),
        Some(Err(_)) => {
            let typed = form.field("reason").unwrap_or_default();
            let fault = "A reason has at most 255 characters, in one line.";
            let fault = wrong_text(typed, "The reason", fault);
            return Err(Fault::of_field("reason", fault));
        }
    };
    Ok(Asked { reference, amount: number, minor, reason })
}

/// What came of a request for a refund.
enum Done {
    /// The refund, made now or by the same form before.
    Refund(ExecutionId),
    /// The form has made a refund of another amount before.
    Other(ExecutionId),
    Refused(Failure),
}

/// Declares and carries out a refund. A declaration that cannot be carried out is canceled.
async fn refund(
    app: &App,
    by: Person,
    paid: &Execution,
    expires_at: MerchantTime,
    asked: Asked,
) -> Result<Execution, Failure> {
    let merchant_id = paid.merchant_id;
    let by = Principal::User(by);
    let session = NewSession::Refund {
        original_id: paid.id,
        amount: asked.amount,
        expires_at,
        reason: asked.reason,
    };
    let declare = CreateSession { merchant_id, session };
    let session = app.engine.submit_for(merchant_id, by, declare).await?;
    let execute = Execute {
        merchant_id,
        reference_id: asked.reference,
        session_id: session.id,
        details: OperationDetails::Refund,
        // A refund has no fees, and the rate of its payment: no price is shown that could change.
        shown: None,
    };
    match app.engine.submit_for(merchant_id, by, execute).await {
        Ok(Executed { execution, attempt, call, .. }) => {
            Ok(first_outcome(app, WithAttempt { execution, attempt }, call).await.execution)
        }
        Err(failure) => {
            let cancel =
                CancelSession { merchant_id, kind: SessionKind::Refund, session_id: session.id };
            // It would expire in any case.
            if let Err(error) = app.engine.submit_for(merchant_id, by, cancel).await {
                tracing::debug!(%error, "a refund that was refused stays declared");
            }
            Err(failure)
        }
    }
}

/// What a form with this key has made before.
async fn made_before(
    at: &AtMerchant<'_>,
    paid: &Execution,
    (reference, minor): (ReferenceId, i64),
) -> Result<Option<Done>, ApiError> {
    let found = at.reads.execution_by_reference(Operation::Refund, reference).await?;
    Ok(found.map(|found| {
        let amount = Money::new(minor, paid.payer.currency);
        let is_same = found.original_execution_id() == Some(paid.id) && found.payee == amount;
        if is_same { Done::Refund(found.id) } else { Done::Other(found.id) }
    }))
}

async fn give_back(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let here = refund_path(merchant, ExecutionId(id));
    let (at, paid) = match find(&app, &me, (merchant, id)).await {
        Ok(found) => found,
        Err(Ok(failure)) => return me.not_permitted(failure, visitor, &here),
        Err(Err(error)) => return Err(error),
    };
    let typed = |key| Typed {
        key,
        amount: form.field("amount").map(|text| text.chars().take(40).collect()),
        reason: form.field("reason").unwrap_or_default().chars().take(255).collect(),
    };
    let asked = match read(&form, &paid) {
        Ok(asked) => asked,
        Err(fault) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return render(status, (&me, visitor), (&at, &paid), typed(None), fault).await;
        }
    };
    let (reference, minor) = (asked.reference, asked.minor);
    let done = match made_before(&at, &paid, (reference, minor)).await? {
        Some(before) => before,
        None => {
            let by = me.person(Some(MerchantId(merchant)));
            let expires_at = at.merchant.time(me.now).plus(minutes(15));
            let (own, of) = (app.clone(), paid.clone());
            // A browser that goes away does not keep the refund from being sent.
            let work = async move { refund(&own, by, &of, expires_at, asked).await };
            match run_to_completion(work).await? {
                Ok(made) => Done::Refund(made.id),
                // The same form may have been sent at the same time.
                Err(failure) => match made_before(&at, &paid, (reference, minor)).await? {
                    Some(before) => before,
                    None => Done::Refused(failure),
                },
            }
        }
    };
    let failure = match done {
        Done::Refund(id) => return Ok(frame::lead_to(&payment_path(merchant, id))),
        Done::Other(id) => {
            let (status, fault) =
                (StatusCode::UNPROCESSABLE_ENTITY, Fault::sent_before(payment_path(merchant, id)));
            return render(status, (&me, visitor), (&at, &paid), typed(None), fault).await;
        }
        Done::Refused(failure) => failure,
    };
    // What is refused was not carried out, so the form may be sent again with its key; one that is
    // used for something else is drawn anew.
    let is_used = matches!(&failure, Failure::Refused(reasons)
        if reasons.contains(&Refusal::DuplicateReference));
    let is_of_amount = matches!(&failure, Failure::Refused(reasons)
        if reasons.first().is_some_and(|reason| reason.subject() == Subject::Amount));
    let typed = typed(Some(reference).filter(|_| !is_used));
    let page = async |status, sentence| {
        let fault = if is_of_amount {
            Fault::of_field("amount", sentence)
        } else {
            Fault::of_page(sentence)
        };
        render(status, (&me, visitor), (&at, &paid), typed, fault).await
    };
    frame::refused(failure, &format!("{here}/{minor}"))?.answer_read(page).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/payments/{merchant}/{id}/refund", form)
        .page("/app/payments/{merchant}/{id}/refund/{minor}", form_of)
        .form("/app/payments/{merchant}/{id}/refund", give_back)
}
