//! Receipts: an invoice or order with how it was paid. An unpaid one answers with the payment's
//! fields null.

use axum::extract::State;
use domain::directory::merchant::{Merchant, MerchantType};
use domain::directory::party::{Counterparty, Party, Relationship};
use domain::directory::payment_account::PaymentAccount;
use domain::directory::roles::Action;
use domain::exceptions::review::Review;
use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Method, Provider};
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::sales::source::{Item, Source, SourceStatus};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::api::extract::{Ids, PathSegments};
use crate::api::fields::{Code, Name, NeverNull};
use crate::api::links::receipt_path;
use crate::api::response::{Amount, LargeJson, Time};
use crate::api::sources::handlers::{LargeJsonResult, by_id, by_number, permit};
use crate::api::sources::kind::Kind;
use crate::api::sources::responses::{ByKind, KindResponse};
use crate::app::App;
use crate::net::principal::Tenant;
use crate::web::pdf::PDF;

/// The exchange rate, in units of the payer's currency for one of the source's. It has enough
/// digits that the total with fees, multiplied by it and rounded up, is exactly what was paid.
pub fn rate_text(paid: &Execution) -> String {
    let outside = paid.outside_amount().currency;
    paid.rate.to_text_for(paid.total_minor, (paid.wallet_currency(), outside))
}

#[derive(Serialize, JsonSchema)]
struct ReceiptItem {
    id: i64,
    name: String,
    qty: i64,
    amount: Amount,
    currency: Code,
}

impl From<Item> for ReceiptItem {
    fn from(item: Item) -> Self {
        Self {
            id: item.id.0,
            name: item.name,
            qty: item.qty,
            amount: Amount(Money::new(item.amount_minor, item.currency)),
            currency: Code(item.currency),
        }
    }
}

/// A refund of the payment: completed or in progress.
#[derive(Serialize, JsonSchema)]
struct ReceiptRefund {
    /// The refund's payment intent.
    payment_intent_id: i64,
    reference_id: String,
    status: Name<ExecutionStatus>,
    amount: Amount,
    currency: Code,
    created_at: Time,
    completed_at: Option<Time>,
}

impl From<Execution> for ReceiptRefund {
    fn from(refund: Execution) -> Self {
        Self {
            payment_intent_id: refund.id.0,
            reference_id: refund.reference_id.to_string(),
            status: Name(refund.status),
            amount: Amount(refund.payee),
            currency: Code(refund.payee.currency),
            created_at: Time::from(refund.created_at),
            completed_at: refund.completed_at.map(Time::from),
        }
    }
}

/// How much of a payment can still be refunded, in the payer's currency.
#[must_use]
pub fn refundable(paid: &Execution) -> Money {
    Money::new(
        paid.payer.minor.saturating_sub(paid.refunds().refunded_minor).max(0),
        paid.payer.currency,
    )
}

/// How the invoice or order was paid.
#[derive(Serialize, JsonSchema, Default)]
struct Payment {
    payer_amount: Option<Amount>,
    payer_currency: Option<Code>,
    payee_amount: Option<Amount>,
    payee_currency: Option<Code>,
    platform_fee: Option<Amount>,
    platform_currency: Option<Code>,
    gateway_fee: Option<Amount>,
    gateway_currency: Option<Code>,
    fx_fee: Option<Amount>,
    fx_rate: Option<String>,
    fx_currency_from: Option<Code>,
    fx_currency_to: Option<Code>,
    payment_provider: Option<Name<Provider>>,
    payment_method: Option<Name<Method>>,
    account_name: Option<String>,
    gateway_confirmed_at: Option<Time>,
    provider_transaction_id: Option<String>,
    /// How much of `payer_amount` can still be refunded. Refunds in progress are subtracted.
    refundable_amount: Option<Amount>,
    /// How much of `payer_amount` the payer's bank has taken back, in a dispute; null for nothing.
    taken_back_amount: Option<Amount>,
    /// The refunds that did not fail, in `payer_currency`, oldest first.
    refunds: Vec<ReceiptRefund>,
}

impl Payment {
    fn new(
        paid: Execution,
        account: Option<PaymentAccount>,
        refunds: Vec<Execution>,
        taken_back: Option<Money>,
    ) -> Self {
        let currency = paid.wallet_currency();
        let fee = |minor| Some(Amount(Money::new(minor, currency)));
        let exchanged = paid.payer.currency != paid.payee.currency;
        Self {
            payer_amount: Some(Amount(paid.payer)),
            payer_currency: Some(Code(paid.payer.currency)),
            payee_amount: Some(Amount(paid.payee)),
            payee_currency: Some(Code(paid.payee.currency)),
            platform_fee: fee(paid.platform_fee_minor),
            platform_currency: Some(Code(currency)),
            gateway_fee: fee(paid.gateway_fee_minor),
            gateway_currency: Some(Code(currency)),
            fx_fee: fee(paid.fx_fee_minor).filter(|_| exchanged),
            // Units of the payer's currency for one of the source's.
            fx_rate: exchanged.then(|| rate_text(&paid)),
            fx_currency_from: exchanged.then_some(Code(currency)),
            fx_currency_to: exchanged.then_some(Code(paid.payer.currency)),
            payment_provider: Some(Name(paid.provider)),
            payment_method: Some(Name(paid.method)),
            account_name: account.map(|account| account.account_name),
            refundable_amount: Some(Amount(refundable(&paid))),
            taken_back_amount: taken_back.map(Amount),
            refunds: refunds.into_iter().map(Into::into).collect(),
            gateway_confirmed_at: paid.settled_at().map(Time::from),
            provider_transaction_id: paid.provider_transaction_id,
        }
    }
}

/// A receipt.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ReceiptAnswer")]
pub struct ReceiptResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_number: Option<String>,
    currency: Code,
    total_amount: Amount,
    status: Name<SourceStatus>,
    note: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_date: Option<Option<Time>>,
    as_payment_link: bool,
    fee_bearer: Name<FeeBearer>,
    owner_id: i64,
    owner_type: Name<MerchantType>,
    created_at: Time,
    counterparty_id: i64,
    relationship_type: NeverNull<Name<Relationship>>,
    /// Empty if the counterparty has no party.
    counterparty_name: String,
    /// Empty if the counterparty has no party.
    counterparty_phone: String,
    counterparty_email: Option<String>,
    reference_id: Option<String>,
    paid_at: Option<Time>,
    #[serde(flatten)]
    payment: Payment,
    items: Vec<ReceiptItem>,
    /// The receipt as a page for the payer. Null until a page was made: by a checkout, or by the
    /// first request for a link of the invoice or order.
    page_url: Option<String>,
    /// The receipt as PDF. Null until it is paid and has a page.
    pdf_url: Option<String>,
}

/// The data of a receipt.
struct Parts {
    source: Source,
    items: Vec<Item>,
    counterparty: Option<Counterparty>,
    party: Option<Party>,
    payment: Payment,
    page_url: Option<String>,
}

impl ReceiptResponse {
    fn new(parts: Parts, merchant: &Merchant) -> Self {
        let Parts { source, items, counterparty, party, payment, page_url } = parts;
        let pdf_url = page_url
            .as_ref()
            .filter(|_| source.status == SourceStatus::Paid)
            .map(|url| format!("{url}{PDF}"));
        let (id, number) =
            (ByKind::new(source.kind, source.id.0), ByKind::new(source.kind, source.number));
        let (name, phone, email) =
            party.map(|party| (party.fullname, party.phone, party.email)).unwrap_or_default();
        Self {
            invoice_id: id.invoice,
            order_id: id.order,
            invoice_number: number.invoice,
            order_number: number.order,
            currency: Code(source.currency),
            total_amount: Amount(Money::new(source.total_minor, source.currency)),
            status: Name(source.status),
            note: source.note,
            due_date: ByKind::new(source.kind, source.due_date.map(|at| Time::from(at.day())))
                .invoice,
            as_payment_link: source.as_payment_link,
            fee_bearer: Name(source.fee_bearer),
            owner_id: merchant.id.0,
            owner_type: Name(merchant.kind),
            created_at: Time::from(source.created_at),
            counterparty_id: source.counterparty_id.0,
            relationship_type: NeverNull(counterparty.map(|row| Name(row.relationship))),
            counterparty_name: name,
            counterparty_phone: phone,
            counterparty_email: email,
            reference_id: source.reference_id,
            paid_at: source.paid_at.map(Time::from),
            payment,
            items: items.into_iter().map(Into::into).collect(),
            page_url,
            pdf_url,
        }
    }
}

async fn payment_of(app: &App, tenant: &Tenant, source: &Source) -> Result<Payment, ApiError> {
    let reads = tenant.reads(app, Action::ReadPayments)?;
    let Some(paid) = reads.collection_of(source.id).await? else {
        return Ok(Payment::default());
    };
    let account = match paid.payment_account_id() {
        Some(id) => reads.payment_account(id.0).await?,
        None => None,
    };
    let refunds = reads.refunds_of(paid.id).await?;
    let reviews = reads.reviews_of_execution(paid.id).await?;
    let taken_back = reviews.iter().find_map(Review::taken_back);
    Ok(Payment::new(paid, account, refunds, taken_back))
}

async fn written<K: Kind>(
    app: &App,
    tenant: &Tenant,
    source: Source,
) -> LargeJsonResult<KindResponse<K, ReceiptResponse>> {
    let permit = permit(app, tenant).await?;
    let reads = tenant.reads(app, Action::ReadPayments)?;
    let items = reads.items(source.id, None).await?;
    let (counterparty, party) = reads.counterparty(source.counterparty_id).await?.unzip();
    let payment = payment_of(app, tenant, &source).await?;
    let page = reads.checkout_of(source.id).await?;
    let page_url = page
        .map(|page| format!("{}{}", app.config.public_url, receipt_path(&page.current_token().0)));
    let parts = Parts { source, items, counterparty, party: party.flatten(), payment, page_url };
    LargeJson::new(permit, &KindResponse::new(ReceiptResponse::new(parts, &tenant.merchant)))
}

pub async fn receipt<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    Ids([id]): Ids<1>,
) -> LargeJsonResult<KindResponse<K, ReceiptResponse>> {
    let source = by_id::<K>(&app, &tenant, id).await?;
    written(&app, &tenant, source).await
}

pub async fn receipt_by_number<K: Kind>(
    State(app): State<App>,
    tenant: Tenant,
    PathSegments([number]): PathSegments<1>,
) -> LargeJsonResult<KindResponse<K, ReceiptResponse>> {
    let source = by_number::<K>(&app, &tenant, &number).await?;
    written(&app, &tenant, source).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::sources::responses::samples;
    use domain::sales::source::SourceType;

    #[test]
    fn an_unpaid_source_has_a_receipt_without_a_payment() {
        let source = samples::source(SourceType::Order);
        let parts = Parts {
            source,
            items: vec![],
            counterparty: None,
            party: None,
            payment: Payment::default(),
            page_url: Some("https://pay.example/receipt/t".to_owned()),
        };
        let value =
            serde_json::to_value(ReceiptResponse::new(parts, &samples::merchant())).unwrap();
        assert_eq!(value["order_id"], 101);
        assert!(
            value["payer_amount"].is_null()
                && value["fx_rate"].is_null()
                && value.get("invoice_id").is_none()
        );
        assert_eq!(value["page_url"], "https://pay.example/receipt/t");
        assert!(value["pdf_url"].is_null());
        assert_eq!(value.as_object().unwrap().len(), 18 + 20 + 1 + 2);
    }
}
