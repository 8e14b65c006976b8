//! `/app/payouts/{merchant}`: payouts and transfers of a merchant, and whom a new one is for.

use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::decision::event::Actor;
use domain::directory::counterparties::CreateCounterparty;
use domain::directory::party::{Party, Relationship};
use domain::directory::payment_account::PaymentAccount;
use domain::directory::roles::Action;
use domain::kernel::ids::{CounterpartyId, ExecutionId, MerchantId, PartyId, SessionId};
use domain::kernel::money::Money;
use domain::kernel::names::{Operation, Provider};
use domain::payments::approval::{Approval, ApprovalStatus};
use domain::payments::attempt::{Gate, ProviderAttempt};
use domain::payments::cancel_enqueued::CancelEnqueued;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::outcome::ENQUEUED;
use domain::payments::session::SessionKind;
use domain::tariff::Tariff;
use store::reads::pages::Page;
use store::reads::payment_accounts::PaymentAccountFilter;
use store::reads::scope::MerchantReads;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::payments::{self, Payment};
use crate::api::routes::Routes;
use crate::api::search::people;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::approvals::{Names, name_of, names_of};
use crate::web::app::filter::{self, FromQuery, Query};
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::navigation::Screen;
use crate::web::app::payment_words;
use crate::web::app::payments::PaymentLine;
use crate::web::app::payout::Target;
use crate::web::app::person::{LoggedIn, Posted};
use crate::web::language::{Language, Visitor};
use crate::web::methods::Methods;

/// How many rows stand on a page.
const PAGE: u32 = 50;
/// The list of transfers in the address.
const TRANSFERS: &str = "transfers";
/// How many accounts and customers are found at most.
const FOUND_MAX: u32 = 20;

#[derive(Template)]
#[template(path = "app/payouts.html")]
struct PayoutsTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    id: i64,
    path: String,
    is_of_transfers: bool,
    rows: Vec<PayoutLine>,
    may_pay_out: bool,
    older: Option<String>,
    fault: Fault,
}

/// A payout or transfer in the list.
struct PayoutLine {
    line: PaymentLine,
    /// What it takes from the wallet, fees included, and whether that is held only.
    total: String,
    is_held: bool,
    fees: String,
    approval: Option<ApprovalLine>,
    id: i64,
    /// Whether it waits here or in the queue of the network, so that it can be taken back.
    may_cancel: bool,
}

/// The request for its approval.
struct ApprovalLine {
    id: i64,
    /// Who requested it.
    asked: String,
    /// What became of it, and by whom; nothing while it waits.
    outcome: Option<&'static str>,
    by: Option<String>,
    /// Whether whoever looks may take it back.
    is_mine: bool,
}

impl PayoutLine {
    fn new(
        merchant: i64,
        payment: &Payment,
        approval: Option<ApprovalLine>,
        methods: &Methods,
    ) -> Self {
        let execution = &payment.execution;
        let fees = execution.platform_fee_minor.saturating_add(execution.gateway_fee_minor);
        let is_open =
            matches!(execution.status, ExecutionStatus::Pending | ExecutionStatus::Processing);
        Self {
            line: PaymentLine::new(merchant, payment, methods),
            total: payment_words::amount(execution.payer),
            is_held: is_open,
            fees: payment_words::amount(Money::new(fees, execution.wallet_currency())),
            approval,
            id: execution.id.0,
            may_cancel: payment.attempt.as_ref().is_some_and(|attempt| waits(execution, attempt)),
        }
    }
}

/// Whether a payout waits, but not for an approval, which has an answer of its own.
fn waits(execution: &Execution, attempt: &ProviderAttempt) -> bool {
    let is_queued = execution.waiting_for.as_deref() == Some(ENQUEUED);
    execution.operation() == Operation::Payout
        && execution.provider == Provider::PawaPay
        && attempt.gate != Some(Gate::Approval)
        && !attempt.cancel_asked
        && (is_queued || !attempt.was_sent())
}

impl ApprovalLine {
    fn new(approval: &Approval, names: &Names, me: &LoggedIn) -> Self {
        let is_open = approval.status == ApprovalStatus::Requested;
        Self {
            id: approval.id.0,
            asked: name_of(approval.requested_by, names),
            outcome: match approval.status {
                ApprovalStatus::Requested => None,
                ApprovalStatus::Approved => Some("approved"),
                ApprovalStatus::Refused => Some("refused"),
                ApprovalStatus::Expired => Some("not approved in time"),
            },
            by: approval
                .decided_by
                .filter(|_| approval.status != ApprovalStatus::Expired)
                .map(|actor| name_of(actor, names)),
            is_mine: is_open && approval.requested_by == Actor::User(me.user.id),
        }
    }
}

pub fn path(merchant: i64) -> String {
    format!("/app/payouts/{merchant}")
}

/// What the address asks for.
#[derive(Default)]
struct Asked {
    kind: String,
    after: String,
    q: String,
}

impl FromQuery for Asked {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "kind" => &mut self.kind,
            "after" => &mut self.after,
            "q" => &mut self.q,
            _ => return None,
        })
    }
}

async fn list(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let mut fault = Fault::default();
    let after_id = filter::place(&asked.after, &mut fault);
    if !["", TRANSFERS].contains(&asked.kind.as_str()) {
        fault = Fault::of_page("There is no such list.");
    }
    let status = fault.status();
    render(status, &app, (&me, visitor), merchant, (&asked.kind, after_id), fault).await
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    (kind, after_id): (&str, Option<i64>),
    fault: Fault,
) -> Result<Response, ApiError> {
    let path = path(merchant);
    let at = match me.at_merchant(app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let is_of_transfers = kind == TRANSFERS;
    let session_kind = if is_of_transfers { SessionKind::Transfer } else { SessionKind::Payout };
    // By their sessions, which an index has by their kind: those of a merchant with many payments
    // and few payouts are found as fast.
    let found = at.reads.sessions(session_kind, Page { limit: PAGE, after_id }).await?;
    let older = found.next_after(PAGE, |session| session.id.0);
    let sessions: Vec<SessionId> = found.rows.iter().map(|session| session.id).collect();
    let mut executions = at.reads.executions_of_sessions(&sessions).await?;
    let place = |id| sessions.iter().position(|session| *session == id);
    executions.sort_by_key(|execution| place(execution.session_id));
    let approvals = at.reads.approvals_of(&executions).await?;
    let names = names_of(&at, approvals.iter().flat_map(Approval::people)).await?;
    let mut approvals: HashMap<ExecutionId, ApprovalLine> = approvals
        .iter()
        .map(|approval| (approval.execution_id, ApprovalLine::new(approval, &names, me)))
        .collect();
    let tariff = app.queries.for_system().tariff().await?;
    let methods = Methods::new(tariff, me.now);
    let payments = payments::with_others(&at.reads, executions).await?;
    let may_pay_out = at.rights.role.may(Action::PayOut);
    let rows = payments.iter().map(|payment| {
        let approval = approvals.remove(&payment.execution.id);
        let mut line = PayoutLine::new(merchant, payment, approval, &methods);
        line.may_cancel &= may_pay_out;
        line
    });
    let rows: Vec<PayoutLine> = rows.collect();
    let frame = me.frame(visitor, &format!("Payouts of {}", at.merchant.name));
    let frame = frame.at(&path).of(&at, Screen::Payouts);
    let shown_kind = if is_of_transfers { TRANSFERS } else { "" };
    let query = |id: i64| filter::query(&[("kind", shown_kind), ("after", &id.to_string())]);
    let template = PayoutsTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        id: merchant,
        is_of_transfers,
        rows,
        may_pay_out,
        older: older.map(|id| format!("{path}{}", query(id))),
        path,
        fault,
    };
    frame::render(status, &frame, &template)
}

/// Takes a payout back that was not sent, or asks the network to take it out of its queue.
async fn cancel(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let path = path(merchant);
    let at = match me.at_merchant(&app, merchant, Action::PayOut).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let found = at.reads.execution(ExecutionId(id)).await?;
    let payout = found.filter(|found| found.operation() == Operation::Payout);
    let reference_id = payout.ok_or(ApiError::NotFound)?.reference_id;
    let decision = CancelEnqueued { merchant_id: at.merchant.id, reference_id };
    let Err(failure) = me.submit(&app, Some(at.merchant.id), decision).await else {
        return Ok(frame::lead_to(&path));
    };
    let page = async |status, sentence| {
        let fault = Fault::of_page(sentence);
        render(status, &app, (&me, visitor), merchant, ("", None), fault).await
    };
    frame::refused(failure, &path)?.answer_read(page).await
}

#[derive(Template)]
#[template(path = "app/payout_to.html")]
struct RecipientsTemplate<'a> {
    app: &'a AppFrame,
    path: String,
    /// The list of customers, where new ones are made.
    customers_path: String,
    asked: &'a str,
    accounts: Vec<RecipientLine>,
    customers: Vec<RecipientLine>,
    fault: Fault,
}

struct RecipientLine {
    path: String,
    /// Whether a form leads there: whoever was never paid or sold to has no counterparty yet.
    is_new: bool,
    name: String,
    number: Option<String>,
    /// How they are paid.
    method: String,
}

/// Who can be paid.
struct Recipients {
    /// Accounts that can be paid out to.
    accounts: Vec<PaymentAccount>,
    /// Customers who can be transferred to, with the counterparty of those who have one.
    customers: Vec<(Option<CounterpartyId>, Party)>,
}

/// The newest of them.
async fn newest(reads: &MerchantReads<'_>) -> Result<Recipients, ApiError> {
    let filter = PaymentAccountFilter {
        operation: Some(Operation::Payout),
        is_active: Some(true),
        ..PaymentAccountFilter::default()
    };
    let page = Page { limit: FOUND_MAX, after_id: None };
    let accounts = reads.payment_accounts(filter, page).await?.rows;
    let mut seen = HashSet::new();
    let customers = reads.counterparties(None, None, page).await?.rows.into_iter();
    // A customer who came back has several.
    let mut customers: Vec<(Option<CounterpartyId>, Party)> = customers
        .filter_map(|(counterparty, party)| Some((Some(counterparty.id), party?)))
        .filter(|(_, party)| seen.insert(party.id))
        .collect();
    let parties = reads.parties(None, page).await?.rows;
    let others = with_counterparties(reads, parties).await?.into_iter();
    customers.splice(0..0, others.filter(|(counterparty, _)| counterparty.is_none()));
    customers.truncate(usize::try_from(FOUND_MAX).unwrap_or(usize::MAX));
    Ok(Recipients { accounts, customers })
}

/// Each party with its counterparty, if it has one.
async fn with_counterparties(
    reads: &MerchantReads<'_>,
    parties: Vec<Party>,
) -> Result<Vec<(Option<CounterpartyId>, Party)>, ApiError> {
    let found = reads.first_counterparties(parties.iter().map(|party| party.id)).await?;
    let found: HashMap<Option<PartyId>, CounterpartyId> =
        found.into_iter().map(|counterparty| (counterparty.party_id, counterparty.id)).collect();
    let customer = |party: Party| (found.get(&Some(party.id)).copied(), party);
    Ok(parties.into_iter().map(customer).collect())
}

/// Those whom a text names.
async fn named(
    reads: &MerchantReads<'_>,
    tariff: &Tariff,
    text: &str,
) -> Result<Recipients, ApiError> {
    let can_be_paid =
        |account: &PaymentAccount| account.is_active && account.operation == Operation::Payout;
    let people = people(reads, tariff, text).await?;
    let accounts = people.accounts(reads, can_be_paid).await?;
    let customers = with_counterparties(reads, people.parties).await?;
    Ok(Recipients { accounts, customers })
}

async fn recipients(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Query(mut asked): Query<Asked>,
) -> Result<Response, ApiError> {
    asked.q.retain(|c| !c.is_control());
    let (who, fault) = ((&me, visitor), Fault::default());
    render_recipients(StatusCode::OK, &app, who, merchant, &asked.q, fault).await
}

async fn render_recipients(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    asked: &str,
    fault: Fault,
) -> Result<Response, ApiError> {
    let path = format!("{}/new", path(merchant));
    let at = match me.at_merchant(app, merchant, Action::PayOut).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let permit = app.lists.acquire(MerchantId(merchant)).await;
    let _permit = permit.ok_or(ApiError::TooManyLists)?;
    let tariff = app.queries.for_system().tariff().await?;
    let Recipients { accounts, customers } = match asked.trim() {
        "" => newest(&at.reads).await?,
        text => named(&at.reads, &tariff, text).await?,
    };
    let methods = Methods::new(tariff, me.now);
    let accounts = accounts.into_iter().map(|account| RecipientLine {
        path: Target::Account(account.id.0).path(merchant),
        is_new: false,
        name: account.account_name,
        number: account.account_number,
        method: methods.name(account.method, Language::English),
    });
    let customers = customers.into_iter().map(|(counterparty, party)| RecipientLine {
        path: match counterparty {
            Some(counterparty) => Target::Customer(counterparty.0).path(merchant),
            None => new_customer_path(merchant, party.id),
        },
        is_new: counterparty.is_none(),
        // Two may have one name and one phone.
        method: format!("their wallet here, customer {}", party.id),
        name: party.fullname,
        number: Some(party.phone),
    });
    let frame = me.frame(visitor, "New payout").at(&path).of(&at, Screen::Payouts);
    let template = RecipientsTemplate {
        app: &frame,
        path,
        customers_path: format!("/app/customers/{merchant}"),
        asked,
        accounts: accounts.collect(),
        customers: customers.collect(),
        fault,
    };
    frame::render(status, &frame, &template)
}

/// Where the form is sent for a customer without a counterparty.
fn new_customer_path(merchant: i64, party: PartyId) -> String {
    format!("{}/party/{party}", path(merchant))
}

/// Makes the counterparty that a transfer goes to, and leads to the form of the transfer. A form that is
/// sent twice makes one.
async fn new_customer(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let here = format!("{}/new", path(merchant));
    let at = match me.at_merchant(&app, merchant, Action::PayOut).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &here),
    };
    let party = at.reads.party(PartyId(id)).await?.ok_or(ApiError::NotFound)?;
    let known = async || {
        let found = at.reads.first_counterparties([party.id]).await?;
        Ok::<_, ApiError>(found.first().map(|counterparty| counterparty.id))
    };
    let form_of = |id: CounterpartyId| Target::Customer(id.0).path(merchant);
    if let Some(id) = known().await? {
        return Ok(frame::lead_to(&form_of(id)));
    }
    let decision = CreateCounterparty {
        merchant_id: at.merchant.id,
        relationship: Relationship::Customer,
        party_id: Some(party.id),
        shown: Some(party.updated_at),
    };
    let failure = match me.submit(&app, Some(at.merchant.id), decision).await {
        Ok(made) => return Ok(frame::lead_to(&form_of(made.id))),
        Err(failure) => failure,
    };
    if frame::was_changed(&failure)
        && let Some(id) = known().await?
    {
        return Ok(frame::lead_to(&form_of(id)));
    }
    let page = async |status, sentence| {
        let (who, fault) = ((&me, visitor), Fault::of_page(sentence));
        render_recipients(status, &app, who, merchant, "", fault).await
    };
    frame::refused(failure, &here)?.answer_read(page).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/payouts/{merchant}", list)
        .page("/app/payouts/{merchant}/new", recipients)
        .form("/app/payouts/{merchant}/party/{party}", new_customer)
        .form("/app/payouts/{merchant}/{id}/cancel", cancel)
}
