//! Responses about invoices and orders.

use std::borrow::Cow;
use std::marker::PhantomData;

use domain::directory::merchant::{Merchant, MerchantType};
use domain::directory::party::{Counterparty, Party};
use domain::kernel::money::Money;
use domain::kernel::names::FeeBearer;
use domain::sales::source::{Item, Source, SourceStatus, SourceType};
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::Value;

use crate::api::counterparties::CounterpartyWithPartyResponse;
use crate::api::fields::{Code, Name, Schemas};
use crate::api::response::{Amount, Time};
use crate::api::sources::kind::Kind;

/// A value in the field of its kind, such as `invoice_number` or `order_number`; the other is
/// absent.
#[derive(Default)]
pub struct ByKind<T> {
    pub invoice: Option<T>,
    pub order: Option<T>,
}

impl<T> ByKind<T> {
    pub fn new(kind: SourceType, value: T) -> Self {
        match kind {
            SourceType::Invoice => Self { invoice: Some(value), order: None },
            SourceType::Order => Self { invoice: None, order: Some(value) },
        }
    }
}

/// A response about invoices, or one about orders, depending on `K`. [`ByKind`] leaves the fields
/// of the other kind out of the JSON, and the schema here leaves them out of the document.
#[derive(Serialize)]
#[serde(transparent)]
pub struct KindResponse<K, T> {
    answer: T,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

impl<K, T> KindResponse<K, T> {
    pub const fn new(answer: T) -> Self {
        Self { answer, kind: PhantomData }
    }
}

impl<K> KindResponse<K, SourceResponse> {
    pub const fn id(&self) -> i64 {
        self.answer.id
    }
}

impl<K: Kind, T: JsonSchema> JsonSchema for KindResponse<K, T> {
    /// `SourceDetailResponse` of an order is `OrderDetailResponse`.
    fn schema_name() -> Cow<'static, str> {
        let of_both = T::schema_name();
        let kind = if K::TYPE == SourceType::Invoice { "Invoice" } else { "Order" };
        format!("{kind}{}", of_both.strip_prefix("Source").unwrap_or(&of_both)).into()
    }

    fn json_schema(schemas: &mut Schemas) -> Schema {
        let mut schema = T::json_schema(schemas);
        let own = format!("{}_", K::TYPE.word());
        let foreign = SourceType::ALL
            .iter()
            .filter(|kind| **kind != K::TYPE)
            .map(|kind| format!("{}_", kind.word()));
        let foreign: Vec<String> = foreign.collect();
        let is_foreign = |name: &str| {
            foreign.iter().any(|start| name.starts_with(start))
                || (K::TYPE == SourceType::Order && name == "due_date")
        };
        let mut names = vec![];
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.retain(|name, _| !is_foreign(name));
            for (_, field) in properties.iter_mut().filter(|(name, _)| name.starts_with(&own)) {
                not_null(field);
            }
            names = properties.keys().cloned().collect();
        }
        schema.insert("required".to_owned(), names.into());
        schema
    }
}

/// Removes `null` from a field's schema.
fn not_null(field: &mut Value) {
    if let Some(name) = field.get("type").and_then(|types| types.get(0)).cloned() {
        field["type"] = name;
    }
}

/// An invoice or order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SourceAnswer")]
pub struct SourceResponse {
    id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_number: Option<String>,
    counterparty_id: i64,
    currency: Code,
    total_amount: Amount,
    status: Name<SourceStatus>,
    note: String,
    fee_bearer: Name<FeeBearer>,
    // Invoices have the field, be it null; orders have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_date: Option<Option<Time>>,
    as_payment_link: bool,
    owner_id: i64,
    owner_type: Name<MerchantType>,
    reference_id: Option<String>,
    paid_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

impl SourceResponse {
    pub fn new(source: Source, merchant: &Merchant) -> Self {
        let number = ByKind::new(source.kind, source.number);
        Self {
            id: source.id.0,
            invoice_number: number.invoice,
            order_number: number.order,
            counterparty_id: source.counterparty_id.0,
            currency: Code(source.currency),
            total_amount: Amount(Money::new(source.total_minor, source.currency)),
            status: Name(source.status),
            note: source.note,
            fee_bearer: Name(source.fee_bearer),
            due_date: ByKind::new(source.kind, source.due_date.map(|at| Time::from(at.day())))
                .invoice,
            as_payment_link: source.as_payment_link,
            owner_id: merchant.id.0,
            owner_type: Name(merchant.kind),
            reference_id: source.reference_id,
            paid_at: source.paid_at.map(Time::from),
            created_at: Time::from(source.created_at),
            updated_at: Time::from(source.updated_at),
        }
    }
}

/// A line.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ItemAnswer")]
pub struct ItemResponse {
    id: i64,
    name: String,
    currency: Code,
    qty: i64,
    amount: Amount,
    created_at: Time,
    updated_at: Time,
}

impl From<Item> for ItemResponse {
    fn from(item: Item) -> Self {
        Self {
            id: item.id.0,
            name: item.name,
            currency: Code(item.currency),
            qty: item.qty,
            amount: Amount(Money::new(item.amount_minor, item.currency)),
            created_at: Time::from(item.created_at),
            updated_at: Time::from(item.updated_at),
        }
    }
}

/// An invoice or order with its lines and who is to pay.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SourceDetailAnswer")]
pub struct SourceDetailResponse {
    #[serde(flatten)]
    source: SourceResponse,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_items: Option<Vec<ItemResponse>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_items: Option<Vec<ItemResponse>>,
    counterparty: Option<CounterpartyWithPartyResponse>,
}

impl SourceDetailResponse {
    pub fn new(
        source: Source,
        items: Vec<Item>,
        counterparty: Option<(Counterparty, Option<Party>)>,
        merchant: &Merchant,
    ) -> Self {
        let items = ByKind::new(source.kind, items.into_iter().map(Into::into).collect());
        Self {
            source: SourceResponse::new(source, merchant),
            invoice_items: items.invoice,
            order_items: items.order,
            counterparty: counterparty
                .map(|(row, party)| CounterpartyWithPartyResponse::new(&row, party, merchant)),
        }
    }
}

#[cfg(test)]
pub mod samples {
    use super::*;
    use domain::kernel::currency::Currency;
    use domain::kernel::ids::{CounterpartyId, MerchantId, SourceId};
    use domain::kernel::names::Mode;
    use domain::kernel::time::{MerchantTime, ServerTime};
    use domain::network_accounts::account::BoundAccounts;

    const AT: MerchantTime = MerchantTime(1_795_348_800_000_000);

    pub fn merchant() -> Merchant {
        Merchant {
            id: MerchantId(1),
            name: "Sample".to_owned(),
            kind: MerchantType::Organization,
            mode: Mode::Sandbox,
            phone: None,
            email: None,
            verified: true,
            fee_tier: "default".to_owned(),
            fee_tier_assigned_at: None,
            fee_bearer: FeeBearer::Payer,
            recipients_full_at: None,
            clock_offset_us: 0,
            owners: 0,
            display_name: None,
            colour: None,
            logo: None,
            network_accounts: BoundAccounts::default(),
            created_at: ServerTime(AT.0),
            updated_at: ServerTime(AT.0),
        }
    }

    pub fn source(kind: SourceType) -> Source {
        Source {
            id: SourceId(101),
            merchant_id: MerchantId(1),
            kind,
            number: "INV-2026-00042".to_owned(),
            counterparty_id: CounterpartyId(5),
            currency: Currency::parse("USD").unwrap(),
            total_minor: 50_000,
            item_count: 1,
            status: SourceStatus::Active,
            note: "n".to_owned(),
            fee_bearer: FeeBearer::Payer,
            as_payment_link: false,
            reference_id: None,
            idempotency_key: None,
            due_date: None,
            paid_at: None,
            open_reviews: 0,
            payment_link_id: None,
            cancel_at: None,
            event_count: 0,
            created_at: AT,
            updated_at: AT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::sources::kind::{Invoices, Orders};

    #[test]
    fn an_invoice_is_written_with_its_own_words() {
        let detail = SourceDetailResponse::new(
            samples::source(SourceType::Invoice),
            vec![],
            None,
            &samples::merchant(),
        );
        assert_eq!(
            serde_json::to_string(&detail).unwrap(),
            concat!(
                r#"{"id":101,"invoice_number":"INV-2026-00042","counterparty_id":5,"currency":"USD","total_amount":500.00,"#,
                r#""status":"ACTIVE","note":"n","fee_bearer":"PAYER","due_date":null,"as_payment_link":false,"owner_id":1,"#,
                r#""owner_type":"ORGANIZATION","reference_id":null,"paid_at":null,"created_at":"2026-11-22T12:00:00.000000Z","#,
                r#""updated_at":"2026-11-22T12:00:00.000000Z","invoice_items":[],"counterparty":null}"#
            )
        );
    }

    #[test]
    fn an_order_has_no_due_date() {
        let answer = SourceResponse::new(samples::source(SourceType::Order), &samples::merchant());
        let text = serde_json::to_string(&answer).unwrap();
        assert!(
            text.contains("order_number")
                && !text.contains("invoice")
                && !text.contains("due_date"),
            "{text}"
        );
    }

    fn fields<K: Kind, T: JsonSchema + Serialize>(answer: T) -> (Vec<String>, Vec<String>) {
        let value = serde_json::to_value(KindResponse::<K, T>::new(answer)).unwrap();
        let schema = <KindResponse<K, T>>::json_schema(&mut Schemas::default());
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        let required: Vec<String> =
            serde_json::from_value(schema.get("required").unwrap().clone()).unwrap();
        (sorted(value.as_object().unwrap().keys().cloned().collect()), sorted(required))
    }

    #[test]
    fn what_is_written_is_what_the_document_says() {
        let detail = |kind| {
            SourceDetailResponse::new(samples::source(kind), vec![], None, &samples::merchant())
        };
        let (written, said) = fields::<Invoices, _>(detail(SourceType::Invoice));
        assert_eq!(written, said);
        let (written, said) = fields::<Orders, _>(detail(SourceType::Order));
        assert_eq!(written, said);
        assert_eq!(
            <KindResponse<Orders, SourceDetailResponse>>::schema_name(),
            "OrderDetailAnswer"
        );
    }
}
