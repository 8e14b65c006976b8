//! The statement of an account at Stripe: what moved its balance, line by line, and what Stripe paid
//! out to the bank.
//!
//! A line has its amount in the currency of the balance, and that of the payment stands in the
//! object that it comes from, its *source*, which is asked for with it.

use domain::kernel::money::Money;
use domain::kernel::uuids::Uuid;
use serde::Deserialize;

use super::amounts;
use super::answers::read_list;
use super::ids::is_id;
use super::objects::{List, Metadata, Reference};
use super::requests::{Form, versioned};
use crate::exchange::{HttpRequest, HttpResponse, Unsendable};
use crate::reading::Reading;

/// Which lines are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinesOf {
    /// Those that were paid out to the bank together: the id of the payout (`po_…`).
    Payout(String),
    /// Those that were made from a time, and before another, in seconds since 1970.
    Days { from: i64, to: i64 },
}

/// What moved the balance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LineKind {
    Payment,
    Refund,
    /// A refund that failed: the money is back.
    RefundFailed,
    /// The bank of a payer took the money of a disputed payment.
    DisputeWithdrawn,
    /// A disputed payment was given back.
    DisputeReinstated,
    /// Money went to the bank account.
    Payout,
    /// A payout that failed: the money is back.
    PayoutFailed,
    /// A fee of Stripe that belongs to no single payment.
    Fee,
    /// Anything else, by Stripe's word.
    Other(String),
}

/// A line of the statement. Amounts are signed: below zero where the balance went down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// `txn_…`
    pub id: String,
    pub kind: LineKind,
    /// In the currency of the balance, before the fee.
    pub amount: Money,
    /// In the currency of the balance, above zero where it was taken.
    pub fee: Money,
    /// In the currency of the payment, without a sign; `None` where it comes from none.
    pub original: Option<Money>,
    /// The object that it comes from (`ch_…`, `re_…`, `du_…`, `po_…`).
    pub source: Option<String>,
    /// The payment (`pi_…`) that it is about.
    pub payment: Option<String>,
    /// Our id of the request that made its source.
    pub request_id: Option<Uuid>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When the money can be paid out, in seconds since 1970.
    pub available_on: i64,
}

/// A page of a list, the newest line first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    pub lines: Vec<T>,
    /// What cannot be read, for the operator. A statement that has some is not complete.
    pub unreadable: Vec<String>,
    /// The id after which the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// A payout to the operator's bank account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payout {
    /// `po_…`
    pub id: String,
    pub amount: Money,
    /// `pending`, `in_transit`, `paid`, `failed` or `canceled`.
    pub status: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it reaches the bank, in seconds since 1970.
    pub arrival_date: i64,
}

/// Asks for a page of lines. `after` is [`Page::next`] of the page before.
///
/// # Errors
/// An id that is none.
pub fn list_lines(of: &LinesOf, after: Option<&str>) -> Result<HttpRequest, Unsendable> {
    let mut form = Form::new();
    match of {
        LinesOf::Payout(id) => form.add("payout", checked(id)?),
        LinesOf::Days { from, to } => {
            form.add("created[gte]", &from.to_string());
            form.add("created[lt]", &to.to_string());
        }
    }
    form.add("expand[]", "data.source");
    page("balance_transactions", form, after)
}

/// Asks for a page of the payouts that were made from a time, and before another, in seconds since
/// 1970.
///
/// # Errors
/// An id that is none.
pub fn list_payouts(from: i64, to: i64, after: Option<&str>) -> Result<HttpRequest, Unsendable> {
    let mut form = Form::new();
    form.add("created[gte]", &from.to_string());
    form.add("created[lt]", &to.to_string());
    page("payouts", form, after)
}

fn page(list: &str, mut form: Form, after: Option<&str>) -> Result<HttpRequest, Unsendable> {
    form.add("limit", "100");
    if let Some(id) = after {
        form.add("starting_after", checked(id)?);
    }
    Ok(versioned(HttpRequest::get(format!("/v1/{list}?{}", form.finish_text()))))
}

fn checked(id: &str) -> Result<&str, Unsendable> {
    Some(id).filter(|id| is_id(id)).ok_or_else(|| Unsendable::new("this is no id of Stripe"))
}

/// Reads a page of lines.
///
/// # Errors
/// What the answer says instead.
pub fn read_lines(response: &HttpResponse) -> Result<Page<Line>, Box<Reading>> {
    read_page(response, |found: Transaction| {
        let id = found.id.clone();
        (id, line(found))
    })
}

/// Reads a page of payouts.
///
/// # Errors
/// What the answer says instead.
pub fn read_payouts(response: &HttpResponse) -> Result<Page<Payout>, Box<Reading>> {
    read_page(response, |found: PayoutObject| {
        let amount = amounts::from_stripe(found.amount, &found.currency);
        let payout = amount.map(|amount| Payout {
            id: found.id.clone(),
            amount,
            status: found.status,
            created: found.created,
            arrival_date: found.arrival_date,
        });
        (found.id, payout.map_err(|fault| fault.0))
    })
}

fn read_page<Object: serde::de::DeserializeOwned, T>(
    response: &HttpResponse,
    read: impl Fn(Object) -> (String, Result<T, String>),
) -> Result<Page<T>, Box<Reading>> {
    let List { data, has_more } = read_list::<Object>(response)?;
    let mut page = Page { lines: vec![], unreadable: vec![], next: None };
    for object in data {
        let (id, line) = read(object);
        match line {
            Ok(line) => page.lines.push(line),
            Err(fault) => page.unreadable.push(format!("{id}: {fault}")),
        }
        page.next = Some(id).filter(|_| has_more);
    }
    Ok(page)
}

#[derive(Deserialize)]
struct Transaction {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    reporting_category: Option<String>,
    amount: i64,
    fee: i64,
    currency: String,
    source: Option<Source>,
    created: i64,
    available_on: i64,
}

/// A charge, a refund, a dispute or a payout; of other objects only the id is of use.
#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Id(String),
    Object(Box<SourceObject>),
}

#[derive(Deserialize)]
struct SourceObject {
    id: String,
    amount: Option<i64>,
    currency: Option<String>,
    payment_intent: Option<Reference>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct PayoutObject {
    id: String,
    amount: i64,
    currency: String,
    status: String,
    created: i64,
    arrival_date: i64,
}

fn line(found: Transaction) -> Result<Line, String> {
    let balance = |amount| amounts::from_stripe(amount, &found.currency).map_err(|fault| fault.0);
    let kind = line_kind(&found.kind, found.reporting_category.as_deref());
    let (source, object) = match found.source {
        Some(Source::Object(object)) => (Some(object.id.clone()), Some(object)),
        Some(Source::Id(id)) => (Some(id), None),
        None => (None, None),
    };
    let is_of_payment = !matches!(
        kind,
        LineKind::Payout | LineKind::PayoutFailed | LineKind::Fee | LineKind::Other(_)
    );
    let original = match object.as_ref().filter(|_| is_of_payment) {
        Some(object) => {
            let amount = amounts::moved(object.amount, object.currency.as_deref());
            Some(amount.map_err(|fault| fault.0)?)
        }
        None => None,
    };
    let payment = object.as_ref().and_then(|object| object.payment_intent.as_ref());
    Ok(Line {
        amount: balance(found.amount)?,
        fee: balance(found.fee)?,
        kind,
        original,
        payment: payment.map(|payment| payment.id().to_owned()),
        request_id: object.and_then(|object| object.metadata.request_id()),
        source,
        id: found.id,
        created: found.created,
        available_on: found.available_on,
    })
}

fn line_kind(kind: &str, category: Option<&str>) -> LineKind {
    match (kind, category) {
        ("charge" | "payment", _) => LineKind::Payment,
        ("refund" | "payment_refund", _) => LineKind::Refund,
        ("refund_failure" | "payment_failure_refund", _) => LineKind::RefundFailed,
        ("adjustment", Some("dispute")) => LineKind::DisputeWithdrawn,
        ("adjustment", Some("dispute_reversal")) => LineKind::DisputeReinstated,
        ("payout", _) => LineKind::Payout,
        ("payout_failure" | "payout_cancel", _) => LineKind::PayoutFailed,
        ("stripe_fee" | "stripe_fx_fee" | "tax_fee", _) => LineKind::Fee,
        _ => LineKind::Other(kind.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{REQUEST_ID, response};
    use super::*;
    use domain::kernel::currency::Currency;
    use serde_json::{Value, json};

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, Currency::parse(code).unwrap())
    }

    fn transaction(kind: &str, category: &str, amount: i64, source: Value) -> Value {
        json!({
            "id": "txn_1",
            "object": "balance_transaction",
            "type": kind,
            "reporting_category": category,
            "amount": amount,
            "fee": 59,
            "net": amount - 59,
            "currency": "usd",
            "exchange_rate": 0.00071,
            "source": source,
            "status": "pending",
            "created": 1_790_000_000,
            "available_on": 1_790_200_000,
        })
    }

    fn source(id: &str, amount: i64, currency: &str) -> Value {
        json!({
            "id": id,
            "amount": amount,
            "currency": currency,
            "payment_intent": "pi_1",
            "metadata": { "kola_request_id": REQUEST_ID },
            "status": "succeeded",
        })
    }

    fn read_all(data: Value, has_more: bool) -> Page<Line> {
        let list = json!({ "object": "list", "data": data, "has_more": has_more });
        read_lines(&response(200, &list.to_string())).unwrap()
    }

    fn read_one(transaction: Value) -> Line {
        let mut page = read_all(json!([transaction]), false);
        assert_eq!(page.unreadable, [""; 0]);
        page.lines.pop().unwrap()
    }

    #[test]
    fn lines_are_asked_for_with_what_they_come_from() {
        let of_payout = LinesOf::Payout("po_1".to_owned());
        let of_days = LinesOf::Days { from: 10, to: 20 };
        for (request, path) in [
            (
                list_lines(&of_payout, None),
                "/v1/balance_transactions?payout=po_1&expand%5B%5D=data.source&limit=100",
            ),
            (
                list_lines(&of_days, Some("txn_1")),
                "/v1/balance_transactions?created%5Bgte%5D=10&created%5Blt%5D=20\
                 &expand%5B%5D=data.source&limit=100&starting_after=txn_1",
            ),
            (
                list_payouts(10, 20, None),
                "/v1/payouts?created%5Bgte%5D=10&created%5Blt%5D=20&limit=100",
            ),
        ] {
            let request = request.unwrap();
            assert_eq!((request.method, request.path.as_str()), ("GET", path));
            assert!(request.header("stripe-version").is_some());
        }
        assert!(list_lines(&LinesOf::Payout("po 1".to_owned()), None).is_err());
        assert!(list_lines(&of_days, Some("txn_1&limit=1")).is_err());
    }

    #[test]
    fn a_line_has_the_payment_that_it_is_about() {
        let line = read_one(transaction("charge", "charge", 1_000, source("ch_1", 14_000, "rwf")));
        assert_eq!(
            line,
            Line {
                id: "txn_1".to_owned(),
                kind: LineKind::Payment,
                amount: money(1_000, "USD"),
                fee: money(59, "USD"),
                original: Some(money(14_000, "RWF")),
                source: Some("ch_1".to_owned()),
                payment: Some("pi_1".to_owned()),
                request_id: Uuid::try_parse(REQUEST_ID).ok(),
                created: 1_790_000_000,
                available_on: 1_790_200_000,
            }
        );
        let line = read_one(transaction("charge", "charge", 1_000, json!("ch_1")));
        assert_eq!((line.source.as_deref(), line.original), (Some("ch_1"), None));
        assert_eq!((line.payment, line.request_id), (None, None));
        let line = read_one(transaction("stripe_fee", "fee", -200, Value::Null));
        assert_eq!((line.kind, line.source, line.original), (LineKind::Fee, None, None));
    }

    #[test]
    fn each_kind_of_line() {
        for (kind, category, expected) in [
            ("charge", "charge", LineKind::Payment),
            ("payment", "charge", LineKind::Payment),
            ("refund", "refund", LineKind::Refund),
            ("payment_refund", "refund", LineKind::Refund),
            ("refund_failure", "refund_failure", LineKind::RefundFailed),
            ("payment_failure_refund", "refund_failure", LineKind::RefundFailed),
            ("adjustment", "dispute", LineKind::DisputeWithdrawn),
            ("adjustment", "dispute_reversal", LineKind::DisputeReinstated),
            ("adjustment", "other_adjustment", LineKind::Other("adjustment".to_owned())),
            ("payout", "payout", LineKind::Payout),
            ("payout_failure", "payout_reversal", LineKind::PayoutFailed),
            ("payout_cancel", "payout_reversal", LineKind::PayoutFailed),
            ("stripe_fee", "fee", LineKind::Fee),
            ("stripe_fx_fee", "fee", LineKind::Fee),
            ("topup", "topup", LineKind::Other("topup".to_owned())),
            ("brand_new", "brand_new", LineKind::Other("brand_new".to_owned())),
        ] {
            let line = read_one(transaction(kind, category, -1_000, source("re_1", 1_000, "usd")));
            assert_eq!(line.kind, expected, "{kind} {category}");
            assert_eq!(line.amount, money(-1_000, "USD"));
        }
    }

    #[test]
    fn pages_follow_one_another() {
        let line = |id: &str| {
            let mut line = transaction("charge", "charge", 1_000, source("ch_1", 1_000, "usd"));
            line["id"] = json!(id);
            line
        };
        let lines = json!([line("txn_2"), line("txn_1")]);
        assert_eq!(read_all(lines.clone(), true).next.as_deref(), Some("txn_1"));
        assert_eq!(read_all(lines, false).next, None);
        assert_eq!(
            read_all(json!([]), false),
            Page { lines: vec![], unreadable: vec![], next: None }
        );
    }

    #[test]
    fn what_cannot_be_read_is_told_and_not_left_out() {
        let mut foreign = transaction("charge", "charge", 1_000, source("ch_1", 1_000, "usd"));
        foreign["currency"] = json!("xyz");
        let odd = transaction("refund", "refund", -1_000, source("re_1", 1_000, "xyz"));
        let page = read_all(json!([foreign, odd]), true);
        assert_eq!(page.lines, []);
        assert_eq!(page.unreadable.len(), 2);
        assert_eq!(page.next.as_deref(), Some("txn_1"));
        for (status, body) in [(200, ""), (200, r#"{"data":[{}]}"#), (404, "{}"), (500, "")] {
            assert!(read_lines(&response(status, body)).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn payouts_are_read() {
        let list = json!({
            "object": "list",
            "has_more": false,
            "data": [{
                "id": "po_1",
                "amount": 5_000,
                "currency": "usd",
                "status": "paid",
                "created": 1_790_000_000,
                "arrival_date": 1_790_100_000,
                "automatic": true,
            }],
        });
        let page = read_payouts(&response(200, &list.to_string())).unwrap();
        let payout = Payout {
            id: "po_1".to_owned(),
            amount: money(5_000, "USD"),
            status: "paid".to_owned(),
            created: 1_790_000_000,
            arrival_date: 1_790_100_000,
        };
        assert_eq!(page, Page { lines: vec![payout], unreadable: vec![], next: None });
    }
}
