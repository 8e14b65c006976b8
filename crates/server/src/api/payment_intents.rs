//! Payment intents: executions with their events and ledger entries.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::decision::event::{Actor, ActorKind, Event, EventEntity, EventType};
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{EventId, ExecutionId};
use domain::kernel::money::Money;
use domain::kernel::names::{Method, Operation, Provider};
use domain::kernel::time::MerchantTime;
use domain::ledger::account::{AccountKind, Entry};
use domain::network_accounts::exchange::Exchange;
use domain::payments::attempt::{ProviderAttempt, WithAttempt};
use domain::payments::cancel_enqueued::CancelEnqueued;
use domain::payments::check_now::CheckNow;
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::session::SessionKind;
use domain::tariff::Tariff;
use schemars::JsonSchema;
use serde::Serialize;
use store::reads::executions::ExecutionFilter;
use store::reads::pages::PageOfRows;

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::executions::{ExecutionResponse, first_outcome};
use crate::api::extract::{Ids, Query};
use crate::api::fields::{Code, FilterAmount, Id, Name};
use crate::api::listing::{Exporting, Listing};
use crate::api::messages::ReviewResponse;
use crate::api::payments::OfKey;
use crate::api::response::{Amount, JsonResult, LargeJson, Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::api::sessions::{self, SessionResponse};
use crate::api::sources::handlers::{LargeJsonResult, permit};
use crate::api::wallets::EntryResponse;
use crate::app::App;
use crate::net::csv::{self, Csv};
use crate::net::principal::Tenant;
use crate::payload;

payload! {
    /// The filter of payment intents.
    pub struct ListPaymentIntents {
        /// Only those in this state.
        status: Option<ExecutionStatus>,
        /// Only those of this operation.
        operation_type: Option<Operation>,
        /// Only those by this method.
        method: Option<Method>,
        /// Only those of this amount: what the payer pays, or what the payee is to have.
        amount: Option<FilterAmount>,
        /// Only those whose payer or payee has this currency.
        currency: Option<Currency>,
        /// Only those whose amount is in this currency: what the payer pays, of anything but a
        /// collection what the payee is to have.
        amount_currency: Option<Currency>,
        /// Only those whose fees are in this currency.
        fee_currency: Option<Currency>,
        /// Only those that are final, or only those that are not.
        is_final: Option<bool>,
        /// Only those that were made at this time or later, by the clock of the merchant.
        from: Option<MerchantTime>,
        /// Only those that were made before this time.
        until: Option<MerchantTime>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

payload! {
    /// The filter of payment intents as CSV, which has no pages.
    pub struct ExportPaymentIntents {
        /// Only those in this state.
        status: Option<ExecutionStatus>,
        /// Only those of this operation.
        operation_type: Option<Operation>,
        /// Only those by this method.
        method: Option<Method>,
        /// Only those of this amount: what the payer pays, or what the payee is to have.
        amount: Option<FilterAmount>,
        /// Only those whose payer or payee has this currency.
        currency: Option<Currency>,
        /// Only those whose amount is in this currency: what the payer pays, of anything but a
        /// collection what the payee is to have.
        amount_currency: Option<Currency>,
        /// Only those whose fees are in this currency.
        fee_currency: Option<Currency>,
        /// Only those that are final, or only those that are not.
        is_final: Option<bool>,
        /// Only those that were made at this time or later, by the clock of the merchant.
        from: Option<MerchantTime>,
        /// Only those that were made before this time.
        until: Option<MerchantTime>,
    }
}

/// The filter in a query of either kind.
macro_rules! filter {
    ($query:expr) => {
        ExecutionFilter {
            status: $query.status,
            operation: $query.operation_type,
            method: $query.method,
            amount: $query.amount.map(|amount| amount.0),
            currency: $query.currency,
            amount_currency: $query.amount_currency,
            fee_currency: $query.fee_currency,
            is_final: $query.is_final,
            from: $query.from,
            until: $query.until,
        }
    };
}

/// A payment intent.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PaymentIntentAnswer")]
pub struct PaymentIntentResponse {
    id: i64,
    session_id: i64,
    source_id: Option<i64>,
    payment_account_id: Option<i64>,
    original_payment_intent_id: Option<i64>,
    wallet_id: Option<i64>,
    provider: Name<Provider>,
    method: Name<Method>,
    platform_fee: Amount,
    gateway_fee: Amount,
    fx_fee: Amount,
    fee_currency: Code,
    #[schemars(
        description = "Collections: what of it is refunded or under way to be, in the payer's currency; the rest can \
                       be refunded."
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    refunded_amount: Option<Amount>,
    completed_at: Option<Time>,
    /// When a review settled the payment, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_by_review_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
    #[serde(flatten)]
    execution: ExecutionResponse,
}

impl PaymentIntentResponse {
    /// A payment as it is stored.
    #[must_use]
    pub fn new(app: &App, found: WithAttempt) -> Self {
        let execution = &found.execution;
        let currency = execution.wallet_currency();
        let fee = |minor| Amount(Money::new(minor, currency));
        let refunded =
            Amount(Money::new(execution.refunds().refunded_minor, execution.payer.currency));
        Self {
            id: execution.id.0,
            session_id: execution.session_id.0,
            source_id: execution.source_id().map(|id| id.0),
            payment_account_id: execution.payment_account_id().map(|id| id.0),
            original_payment_intent_id: execution.original_execution_id().map(|id| id.0),
            wallet_id: execution.wallet_id().map(|id| id.0),
            provider: Name(execution.provider),
            method: Name(execution.method),
            platform_fee: fee(execution.platform_fee_minor),
            gateway_fee: fee(execution.gateway_fee_minor),
            fx_fee: fee(execution.fx_fee_minor),
            fee_currency: Code(currency),
            refunded_amount: Some(refunded).filter(|_| kind_of(execution) == SessionKind::Checkout),
            completed_at: execution.completed_at.map(Time::from),
            settled_by_review_at: execution.settled_by_review_at().map(Time::from),
            created_at: Time::from(execution.created_at),
            updated_at: Time::from(execution.updated_at),
            execution: ExecutionResponse::new(app, found),
        }
    }
}

/// An event, with the ledger transaction that it caused.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventAnswer")]
pub struct EventResponse {
    id: i64,
    r#type: Name<EventType>,
    subject_type: Name<EventEntity>,
    subject_id: i64,
    note: Option<String>,
    /// Its place among all events of the merchant, from 1, without gaps, in the order in which they
    /// became visible.
    position: i64,
    /// Its place among the events of its subject, from 1, without gaps.
    sequence: i64,
    /// Who asked for what happened: `API_KEY` or `USER` with an id, `OPERATOR`, `NETWORK`, `SYSTEM` or
    /// `PAYER`; `null` for events that were recorded before this was kept.
    actor: Option<ActorResponse>,
    created_at: Time,
    entries: Vec<EntryResponse>,
}

/// Who asked for a change.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ActorAnswer")]
pub struct ActorResponse {
    r#type: Name<ActorKind>,
    /// The id of the API key or of the person.
    id: Option<i64>,
}

impl From<Actor> for ActorResponse {
    fn from(actor: Actor) -> Self {
        Self { r#type: Name(actor.kind()), id: actor.id() }
    }
}

impl EventResponse {
    /// Its id.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }

    #[must_use]
    pub const fn position(&self) -> i64 {
        self.position
    }
}

/// A payment intent, its session and its events, oldest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PaymentIntentDetailAnswer")]
pub struct PaymentIntentDetailResponse {
    #[serde(flatten)]
    intent: PaymentIntentResponse,
    session: Option<SessionResponse>,
    timeline: Vec<EventResponse>,
    #[schemars(
        description = "Cases of it that the operator decides or has decided. Only present for who may read reviews."
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    reviews: Option<Vec<ReviewResponse>>,
}

/// What was said between kola and a network about a payment. Secrets and most digits of account
/// numbers are left out.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExchangeAnswer")]
pub struct ExchangeResponse {
    id: i64,
    /// Whether the network called.
    is_callback: bool,
    /// Server time.
    begun_at: Time,
    duration_ms: i64,
    /// The status of the answer; `null` where there was none.
    status: Option<i64>,
    /// Line and body of the request; `null` for who may not see names and phone numbers.
    request: Option<String>,
    /// The body of the answer, or why there was none; `null` for who may not see names and phone
    /// numbers.
    answer: Option<String>,
}

/// The exchanges about a payment, oldest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ExchangesAnswer")]
pub struct ExchangesResponse {
    exchanges: Vec<ExchangeResponse>,
}

impl ExchangeResponse {
    fn new(exchange: Exchange, shows_text: bool) -> Self {
        let said = exchange.said;
        Self {
            id: exchange.id.0,
            is_callback: said.is_callback,
            begun_at: Time::from(said.begun_at),
            duration_ms: said.duration_us / 1_000,
            status: said.status,
            request: Some(said.request).filter(|_| shows_text),
            answer: Some(said.answer).filter(|_| shows_text),
        }
    }
}

/// The kind of the session that was executed.
fn kind_of(execution: &Execution) -> SessionKind {
    let kind = SessionKind::ALL.iter().find(|kind| kind.operation() == execution.operation());
    kind.copied().unwrap_or(SessionKind::Checkout)
}

/// The ledger entries of some events, by the event that caused them.
pub(crate) struct Transactions {
    entries: HashMap<EventId, Vec<(Entry, Option<AccountKind>)>>,
    /// Names the networks of clearing accounts.
    tariff: Arc<Tariff>,
}

impl Transactions {
    /// Reads the entries of all events with one statement.
    ///
    /// # Errors
    /// [`ApiError`].
    pub(crate) async fn read(
        app: &App,
        tenant: &Tenant,
        events: &[Event],
    ) -> Result<Self, ApiError> {
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        let mut transactions: HashMap<EventId, Vec<_>> = HashMap::new();
        // Entries tell balances of wallets.
        if tenant.may(Action::ReadWallets) {
            for (entry, kind) in tenant.reads(app, Action::ReadWallets)?.entries_of(&ids).await? {
                transactions.entry(entry.transaction_id).or_default().push((entry, kind));
            }
        }
        let kinds = transactions.values().flatten().filter_map(|(_, kind)| *kind);
        // The accounts of the sandbox are built in.
        let sandbox = Tariff::default();
        let is_known = |kind| match kind {
            AccountKind::Clearing(id) => sandbox.network_of(id).is_some(),
            _ => true,
        };
        let tariff = if kinds.clone().all(is_known) {
            Arc::new(sandbox)
        } else {
            app.queries.for_system().tariff().await?
        };
        Ok(Self { entries: transactions, tariff })
    }

    /// An event with its entries.
    pub(crate) fn answer(&self, event: Event) -> EventResponse {
        let entries = self.entries.get(&event.id).into_iter().flatten();
        let note = event.public_note().map(str::to_owned);
        EventResponse {
            id: event.id.0,
            r#type: Name(event.kind),
            subject_type: Name(event.entity),
            subject_id: event.entity_id,
            note,
            position: event.position,
            sequence: event.sequence,
            actor: event.actor.map(ActorResponse::from),
            created_at: Time::from(event.created_at),
            entries: entries
                .map(|(entry, kind)| {
                    EntryResponse::new(entry, *kind, event.created_at, &self.tariff)
                })
                .collect(),
        }
    }
}

async fn timeline(
    app: &App,
    tenant: &Tenant,
    execution: &Execution,
) -> Result<Vec<EventResponse>, ApiError> {
    let reads = tenant.reads(app, Action::ReadPayments)?;
    let mut events = reads.events_of(execution.session_id.0).await?;
    events.extend(reads.events_of(execution.id.0).await?);
    events.sort_by_key(|event| event.position);
    let transactions = Transactions::read(app, tenant, &events).await?;
    Ok(events.into_iter().map(|event| transactions.answer(event)).collect())
}

async fn retrieve(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<PaymentIntentDetailResponse> {
    let reads = tenant.reads(&app, Action::ReadPayments)?;
    let execution = reads.execution(ExecutionId(id)).await?.ok_or(ApiError::NotFound)?;
    let timeline = timeline(&app, &tenant, &execution).await?;
    let session = match reads.session(kind_of(&execution), execution.session_id).await? {
        Some(session) => Some(sessions::response(&app, &tenant, session).await?),
        None => None,
    };
    let reviews = if tenant.may(Action::ReadReviews) {
        let reads = tenant.reads(&app, Action::ReadReviews)?;
        let found = reads.reviews_of_execution(execution.id).await?;
        Some(found.iter().map(ReviewResponse::from).collect())
    } else {
        None
    };
    let intent = PaymentIntentResponse::new(&app, reads.with_attempt(execution).await?);
    Ok(Json(PaymentIntentDetailResponse { intent, session, timeline, reviews }))
}

async fn exchanges(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> LargeJsonResult<ExchangesResponse> {
    let permit = permit(&app, &tenant).await?;
    let reads = tenant.reads(&app, Action::ReadPayments)?;
    let execution = reads.execution(ExecutionId(id)).await?.ok_or(ApiError::NotFound)?;
    let found = reads.exchanges(execution.id).await?.into_iter();
    let shows_text = tenant.may(Action::SeeContacts);
    let found = found.map(|exchange| ExchangeResponse::new(exchange, shows_text));
    LargeJson::new(permit, &ExchangesResponse { exchanges: found.collect() })
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListPaymentIntents>,
) -> ListResult<PaymentIntentResponse> {
    let page = page(query.limit, query.after_id);
    let reads = listing.tenant.reads(&app, Action::ReadPayments)?;
    let found = reads.executions(filter!(query), page).await?;
    let attempts = reads.open_attempts(&found.rows).await?;
    let mut attempts: HashMap<ExecutionId, ProviderAttempt> =
        attempts.into_iter().map(|attempt| (attempt.execution_id, attempt)).collect();
    let rows = found.rows.into_iter().map(|execution| {
        let attempt = attempts.remove(&execution.id);
        WithAttempt { execution, attempt }
    });
    let found = PageOfRows { rows: rows.collect(), scanned_to: found.scanned_to };
    listing.respond(page, found, |found| PaymentIntentResponse::new(&app, found), |row| row.id)
}

async fn export(
    State(app): State<App>,
    Exporting(tenant, permit): Exporting,
    Query(query): Query<ExportPaymentIntents>,
) -> Result<Csv, ApiError> {
    let filter = filter!(query);
    csv::answer(OfKey { app, tenant, filter }, "payments.csv", permit).await
}

async fn check(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<PaymentIntentResponse> {
    let reads = tenant.reads(&app, Action::ReadPayments)?;
    let execution = reads.execution(ExecutionId(id)).await?.ok_or(ApiError::NotFound)?;
    let found = reads.with_attempt(execution).await?;
    let (merchant_id, execution_id) = (tenant.id(), found.execution.id);
    let decision = CheckNow { merchant_id, execution_id, even_if_final: false };
    let call = app.engine.submit(tenant.caller, decision).await?;
    let found = first_outcome(&app, found, call).await;
    Ok(Json(PaymentIntentResponse::new(&app, found)))
}

async fn cancel(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> JsonResult<PaymentIntentResponse> {
    let found = tenant.reads(&app, Action::PayOut)?.execution(ExecutionId(id)).await?;
    let reference_id = found.ok_or(ApiError::NotFound)?.reference_id;
    let decision = CancelEnqueued { merchant_id: tenant.id(), reference_id };
    let done = app.engine.submit(tenant.caller, decision).await.map_err(ApiError::on_path("id"))?;
    Ok(Json(PaymentIntentResponse::new(&app, done)))
}

const CANCEL: &str = "A payout or refund that was not sent yet is `FAILED`, and what it held is released. Of one that is in the queue of \
    pawaPay, whose operator is delayed, the network is asked to take it out, and only its word fails it.";

const CHECK: &str = "The network is asked at once, but not more often than every ten seconds; otherwise the answer is the payment \
    as it is stored. What the network says is booked in any case, also when it comes after the answer.";

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get(
            "/v1/payment-intents/retrieve/{id}",
            retrieve,
            op("retrieve_payment_intent", "Read a payment intent with its timeline"),
        )
        .get(
            "/v1/payment-intents/list",
            list_all,
            op("list_payment_intents", "List payment intents"),
        )
        .get(
            "/v1/payment-intents/export",
            export,
            op("export_payment_intents", "Download payment intents as CSV"),
        )
        .get(
            "/v1/payment-intents/{id}/exchanges",
            exchanges,
            op(
                "retrieve_payment_intent_exchanges",
                "Read what was said to the network about a payment",
            ),
        )
        .post(
            "/v1/payment-intents/check/{id}",
            check,
            op("check_payment_intent", "Ask the network how a payment stands")
                .details(CHECK)
                .or(404),
        )
        .post(
            "/v1/payment-intents/cancel/{id}",
            cancel,
            op("cancel_payment_intent", "Take a payout or refund back that waits")
                .details(CANCEL)
                .or(403)
                .or(404),
        )
}
