//! `/app/approvals/{merchant}`: payouts and transfers that a second person has to approve.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::decision::event::Actor;
use domain::directory::principal::Principal;
use domain::directory::roles::Action;
use domain::kernel::ids::{ApprovalId, MerchantId, UserId};
use domain::kernel::names::Operation;
use domain::kernel::time::{MerchantTime, ServerTime};
use domain::payments::approval::{Approval, ApprovalLimit, ApprovalStatus};
use domain::payments::decide_approval::{Approve, Refuse};
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::session::Intent;
use serde_json::json;
use store::reads::pages::Page;
use store::reads::people::{Belongs, Doer};

use crate::api::approvals::sent;
use crate::api::error::ApiError;
use crate::api::executions::run_to_completion;
use crate::api::extract::Ids;
use crate::api::fields::{FromValue, Text};
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::payment_words;
use crate::web::app::person::{AtMerchant, LoggedIn, Posted};
use crate::web::app::typed::wrong_text;
use crate::web::language::Visitor;

/// How many that wait, and how many that were answered, the page shows.
pub(super) const SHOWN: u32 = 50;

#[derive(Template)]
#[template(path = "app/approvals.html")]
struct ApprovalsTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    id: i64,
    waiting: Vec<Request>,
    answered: Vec<Request>,
    /// Whether there are more than the page shows.
    has_more: bool,
    may_approve: bool,
    fault: Fault,
    typed: Typed,
}

struct Request {
    id: i64,
    what: &'static str,
    amount: String,
    /// With all fees: what leaves the wallet.
    total: String,
    recipient: Recipient,
    above: &'static str,
    requested_by: String,
    is_mine: bool,
    created: Moment,
    until: Moment,
    outcome: &'static str,
    decided_by: Option<String>,
    decided: Option<Moment>,
    note: Option<String>,
    /// Why the payment failed, if it did.
    message: Option<String>,
    reference: String,
}

/// Whom a payment is for. Name and number are shown apart, so that a name does not change how the
/// number reads.
#[derive(Default)]
pub(super) struct Recipient {
    pub name: String,
    pub number: Option<String>,
}

fn path(merchant: i64) -> String {
    format!("/app/approvals/{merchant}")
}

/// What people are called who did something for a merchant.
pub(super) type Names = HashMap<UserId, String>;

/// What these people are called, for whoever looks.
pub(super) async fn names_of(
    at: &AtMerchant<'_>,
    actors: impl IntoIterator<Item = Actor>,
) -> Result<Names, ApiError> {
    let mut ids: Vec<UserId> = actors
        .into_iter()
        .filter_map(|actor| match actor {
            Actor::User(id) => Some(id),
            _ => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let doers = at.reads.doers(&ids).await?;
    Ok(doers.into_iter().map(|doer| (doer.id, doer_words(doer))).collect())
}

fn doer_words(Doer { name, belongs, .. }: Doer) -> String {
    match (belongs, name) {
        (Belongs::Installation, None) => "the operator".to_owned(),
        (Belongs::Installation, Some(name)) => format!("{name} (operator)"),
        (Belongs::Left, Some(name)) => format!("{name} (has left)"),
        (Belongs::Member, Some(name)) => name,
        (Belongs::Left | Belongs::Member, None) => "somebody".to_owned(),
    }
}

pub(super) fn name_of(actor: Actor, names: &Names) -> String {
    match actor {
        // Who never had a role in the merchant was of the installation.
        Actor::User(id) => names.get(&id).cloned().unwrap_or_else(|| "the operator".to_owned()),
        Actor::ApiKey(id) => format!("API key {id}"),
        Actor::Operator => "the operator".to_owned(),
        Actor::Network | Actor::System | Actor::Payer => "kola".to_owned(),
    }
}

/// What was typed into the form of a request that was not accepted.
#[derive(Default)]
struct Typed {
    id: i64,
    note: String,
}

impl Typed {
    fn note_of(&self, request: &Request) -> &str {
        if self.id == request.id { &self.note } else { "" }
    }
}

impl Request {
    /// The id of the field for a reason.
    fn note_field(&self) -> String {
        note_field(self.id)
    }
}

fn note_field(id: i64) -> String {
    format!("note-{id}")
}

/// Why a payment waits for a second person, in words.
pub(super) const fn above(limit: ApprovalLimit) -> &'static str {
    match limit {
        ApprovalLimit::Payment => "above the limit of one payment",
        ApprovalLimit::Day => "above the limit of its wallet for the day",
    }
}

/// What became of a request, in words.
const fn outcome(approval: &Approval, execution: &Execution) -> &'static str {
    match (approval.status, execution.status) {
        (ApprovalStatus::Requested, _) => "waiting",
        (ApprovalStatus::Approved, ExecutionStatus::Completed) => "approved and paid",
        (ApprovalStatus::Approved, ExecutionStatus::Failed) => "approved, but it failed",
        (ApprovalStatus::Approved, _) => "approved and under way",
        (ApprovalStatus::Refused, _) => "refused",
        (ApprovalStatus::Expired, _) => "expired",
    }
}

/// Whom a payment that waits is for.
pub(super) async fn recipient(
    execution: &Execution,
    at: &AtMerchant<'_>,
) -> Result<Recipient, ApiError> {
    if let Some(id) = execution.payment_account_id() {
        let account = at.reads.payment_account(id.0).await?;
        return Ok(account.map_or_else(Recipient::default, |account| Recipient {
            name: account.account_name,
            number: account.account_number,
        }));
    }
    let session = at.reads.session_by_id(execution.session_id).await?;
    Ok(match session.map(|session| session.intent) {
        Some(Intent::Transfer { recipient: Some(recipient), .. }) => {
            Recipient { name: recipient.name, number: None }
        }
        _ => Recipient::default(),
    })
}

async fn request(
    (approval, execution): (Approval, Execution),
    at: &AtMerchant<'_>,
    names: &Names,
    me: UserId,
) -> Result<Request, ApiError> {
    // The clock of the merchant, as all times of payments are.
    let moment = |time: MerchantTime| Moment(ServerTime(time.0));
    Ok(Request {
        id: approval.id.0,
        what: if execution.operation() == Operation::Payout { "Payout" } else { "Transfer" },
        amount: payment_words::amount(execution.payee),
        total: payment_words::amount(execution.payer),
        recipient: recipient(&execution, at).await?,
        above: above(approval.above),
        requested_by: name_of(approval.requested_by, names),
        is_mine: approval.requested_by == Actor::User(me),
        created: moment(approval.created_at),
        until: moment(approval.expires_at()),
        outcome: outcome(&approval, &execution),
        decided_by: approval.decided_by.map(|actor| name_of(actor, names)),
        decided: approval.decided_at.map(moment),
        note: approval.note,
        message: execution.gateway_message.filter(|_| {
            approval.status == ApprovalStatus::Approved
                && execution.status == ExecutionStatus::Failed
        }),
        reference: execution.reference_id.to_string(),
    })
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    (fault, typed): (Fault, Typed),
) -> Result<Response, ApiError> {
    // Paying out asks for the code again after a while, looking at what waits does not. So the login is
    // checked for reading, and the role alone for paying out.
    let at = match me.at_merchant(app, merchant, Action::ReadPayments).await {
        Ok(at) if at.rights.role.may(Action::PayOut) => at,
        Ok(at) => {
            let refused = at.rights.check(Action::PayOut).err().into_iter().collect();
            return me.not_permitted(Failure::Refused(refused), visitor, &path(merchant));
        }
        Err(failure) => return me.not_permitted(failure, visitor, &path(merchant)),
    };
    let page = Page { limit: SHOWN, after_id: None };
    let requested = at.reads.approvals(Some(ApprovalStatus::Requested), page).await?.rows;
    let mut has_more = requested.len() >= usize::try_from(SHOWN).unwrap_or(usize::MAX);
    let all = at.reads.approvals(None, page).await?.rows;
    let rows = requested.iter().chain(&all).map(|(row, _)| row);
    let names = names_of(&at, rows.flat_map(Approval::people)).await?;
    let mut waiting = Vec::with_capacity(requested.len());
    for found in requested {
        waiting.push(request(found, &at, &names, me.user.id).await?);
    }
    has_more |= all.len() >= usize::try_from(SHOWN).unwrap_or(usize::MAX);
    let mut answered = vec![];
    for found in all.into_iter().filter(|(row, _)| row.status != ApprovalStatus::Requested) {
        answered.push(request(found, &at, &names, me.user.id).await?);
    }
    let frame = me.frame(visitor, &format!("Approvals of {}", at.merchant.name));
    let frame = frame.at(&path(merchant)).of(&at, Screen::Approvals);
    let template = ApprovalsTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        id: merchant,
        waiting,
        answered,
        has_more,
        may_approve: at.rights.role.may(Action::ApprovePayouts),
        fault,
        typed,
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
    render(StatusCode::OK, &app, (&me, visitor), merchant, Default::default()).await
}

/// The page after an answer, or again with why it was refused.
async fn after(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    done: Result<(), Failure>,
) -> Result<Response, ApiError> {
    let Err(failure) = done else { return Ok(frame::lead_to(&path(merchant))) };
    let page = async |status, sentence| {
        let said = (Fault::of_page(sentence), Typed::default());
        render(status, app, (me, visitor), merchant, said).await
    };
    frame::refused(failure, &path(merchant))?.answer_read(page).await
}

async fn approve(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let merchant_id = MerchantId(merchant);
    let decision = Approve { merchant_id, approval_id: ApprovalId(id) };
    // A browser that goes away does not keep the payment from being sent.
    let (own, by) = (app.clone(), me.person(Some(merchant_id)));
    let done = run_to_completion(async move {
        let decided = own.engine.submit_for(merchant_id, Principal::User(by), decision).await?;
        sent(&own, decided).await;
        Ok(())
    });
    after(&app, (&me, visitor), merchant, done.await?).await
}

async fn refuse(
    Posted { app, visitor, me, ids: [merchant, id], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let note = match form.field("note").map(|note| Text::<255>::read(&json!(note))) {
        None => None,
        Some(Ok(Text(note))) => Some(note),
        Some(Err(_)) => {
            let typed = Typed { id, note: form.field("note").unwrap_or_default().to_owned() };
            let fault = "A reason has at most 255 characters, in one line.";
            let fault = wrong_text(&typed.note, "The reason", fault);
            let fault = Fault::of_field(note_field(id), fault);
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return render(status, &app, (&me, visitor), merchant, (fault, typed)).await;
        }
    };
    let merchant_id = MerchantId(merchant);
    let decision = Refuse { merchant_id, approval_id: ApprovalId(id), note };
    let done = me.submit(&app, Some(merchant_id), decision).await.map(drop);
    after(&app, (&me, visitor), merchant, done).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/approvals/{merchant}", show)
        .form("/app/approvals/{merchant}/{id}/approve", approve)
        .form("/app/approvals/{merchant}/{id}/refuse", refuse)
}
