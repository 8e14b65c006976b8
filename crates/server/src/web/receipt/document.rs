//! What a receipt or an invoice says, made from the rows once: the page, the PDF and the tests all
//! take it from here, so that they cannot differ.

use domain::directory::merchant::Merchant;
use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Mode};
use domain::kernel::time::MerchantTime;
use domain::payments::execution::Execution;
use domain::payments::receipt_code::ReceiptCode;
use domain::sales::source::{Item, Source, SourceStatus, SourceType};

use crate::api::sources::{rate_text, refundable};
use crate::web::receipt::texts::Texts;
use crate::web::text::{date, day, method, money};

/// The most items that are shown. New invoices and orders cannot have more; older ones may.
pub const ITEMS_MAX: usize = 200;

/// A name and its value, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

fn fact(name: impl Into<String>, value: impl Into<String>) -> Fact {
    Fact { name: name.into(), value: value.into() }
}

pub struct Seller {
    pub name: String,
    /// The phone, or else the e-mail address.
    pub contact: Option<String>,
}

pub struct ItemLine {
    pub name: String,
    pub quantity: String,
    pub unit_price: String,
    pub amount: String,
}

/// What receipts and invoices have in common.
pub struct Bill {
    pub texts: &'static Texts,
    pub seller: Seller,
    /// What the document is, with its number.
    pub title: String,
    pub number: String,
    /// Says that no real money moves, where none does.
    pub test_money: Option<&'static str>,
    /// When it was issued and is due.
    pub dates: Vec<Fact>,
    /// As the seller wrote it, with its line breaks; may be empty.
    pub note: String,
    /// At most [`ITEMS_MAX`].
    pub items: Vec<ItemLine>,
    /// Says that there are more, where there are.
    pub items_missing: Option<&'static str>,
    pub total: String,
    /// The page that says the same.
    pub page_url: String,
}

/// How it was paid.
pub struct PaymentPart {
    /// The fees, the exchange rate, and the total with fees.
    pub amounts: Vec<Fact>,
    /// What the payer paid.
    pub paid: Fact,
    /// What the seller got of it.
    pub received: Fact,
    /// Who bears the fees.
    pub borne_by: &'static str,
    /// By which method, when, and the network's own id.
    pub facts: Vec<Fact>,
}

/// What was given back since.
pub struct RefundPart {
    pub refunds: Vec<Fact>,
    pub left: Fact,
}

/// How the receipt is verified.
pub struct Verification {
    pub code: String,
    pub url: String,
}

/// A receipt. Before the payment it says how things stand.
pub struct ReceiptDocument {
    pub bill: Bill,
    pub state: String,
    pub payment: Option<PaymentPart>,
    pub refunds: Option<RefundPart>,
    pub verification: Option<Verification>,
}

/// An invoice or order that can be paid.
pub struct InvoiceDocument {
    pub bill: Bill,
    pub state: String,
    /// Says that fees come on top, where they do.
    pub fees_to_come: Option<&'static str>,
    pub pay_url: String,
}

/// The rows that a document is made of.
pub struct Rows<'a> {
    pub merchant: &'a Merchant,
    pub source: &'a Source,
    pub items: &'a [Item],
}

/// The collection that paid it, and the refunds that did not fail.
pub struct PaidRows<'a> {
    pub paid: &'a Execution,
    pub refunds: &'a [Execution],
    pub code: Option<ReceiptCode>,
}

impl Bill {
    fn new(rows: &Rows<'_>, title: String, page_url: String, texts: &'static Texts) -> Self {
        let Rows { merchant, source, items } = rows;
        let of = |minor| money(Money::new(minor, source.currency));
        let line = |item: &Item| ItemLine {
            name: item.name.clone(),
            quantity: item.qty.to_string(),
            unit_price: of(item.amount_minor),
            // The source's total is the sum of these, and was checked for overflow.
            amount: of(item.amount_minor.saturating_mul(item.qty)),
        };
        let mut dates = vec![fact(texts.issued_on, day(source.created_at))];
        dates.extend(source.due_date.map(|at| fact(texts.due_on, day(at))));
        let phone = merchant.phone.as_ref().map(|phone| format!("+{phone}"));
        Self {
            texts,
            seller: Seller {
                name: merchant.name.clone(),
                contact: phone.or_else(|| merchant.email.clone()),
            },
            title,
            number: source.number.clone(),
            test_money: (merchant.mode == Mode::Sandbox).then_some(texts.test_money),
            dates,
            note: source.note.clone(),
            items: items.iter().take(ITEMS_MAX).map(line).collect(),
            items_missing: (items.len() > ITEMS_MAX).then_some(texts.items_missing),
            total: money(source.total()),
            page_url,
        }
    }
}

impl ReceiptDocument {
    /// `paid` is there for what is paid. `page_url` is the page of the receipt, and `public_url` the
    /// address at which people reach this server.
    #[must_use]
    pub fn new(
        rows: &Rows<'_>,
        paid: Option<&PaidRows<'_>>,
        page_url: String,
        public_url: &str,
        texts: &'static Texts,
    ) -> Self {
        let source = rows.source;
        let title = match source.kind {
            SourceType::Invoice => texts.receipt_of_invoice,
            SourceType::Order => texts.receipt_of_order,
        };
        Self {
            state: state(source, texts),
            payment: paid.map(|rows| PaymentPart::new(rows.paid, source.fee_bearer, texts)),
            refunds: paid.and_then(|rows| RefundPart::new(rows, texts)),
            verification: paid.and_then(|rows| rows.code).map(|code| Verification {
                code: code.to_string(),
                url: format!("{public_url}/verify?code={code}"),
            }),
            bill: Bill::new(rows, title.with(&source.number), page_url, texts),
        }
    }
}

fn state(source: &Source, texts: &Texts) -> String {
    match (source.status, source.paid_at) {
        (SourceStatus::Paid, Some(at)) => texts.paid_on.with(&date(at)),
        (SourceStatus::Paid, None) => texts.paid.to_owned(),
        (SourceStatus::Active, _) if source.open_reviews > 0 => texts.in_review.to_owned(),
        (SourceStatus::Idle | SourceStatus::Active, _) => texts.not_paid.to_owned(),
        (SourceStatus::Processing, _) => texts.under_way.to_owned(),
        (SourceStatus::Canceled, _) => texts.canceled.to_owned(),
    }
}

impl PaymentPart {
    fn new(paid: &Execution, bearer: FeeBearer, texts: &Texts) -> Self {
        let currency = paid.wallet_currency();
        let of = |minor| money(Money::new(minor, currency));
        let mut amounts = vec![
            fact(texts.platform_fee, of(paid.platform_fee_minor)),
            fact(texts.method_fee, of(paid.gateway_fee_minor)),
        ];
        let exchanged = paid.payer.currency != currency;
        if exchanged {
            amounts.push(fact(texts.exchange_fee, of(paid.fx_fee_minor)));
        }
        if bearer == FeeBearer::Payer {
            amounts.push(fact(texts.total_with_fees, of(paid.total_minor)));
        }
        if exchanged {
            let rate = format!("1 {currency} = {} {}", rate_text(paid), paid.payer.currency);
            amounts.push(fact(texts.exchange_rate, rate));
        }
        let mut facts = vec![fact(texts.paid_with, method(paid.method))];
        facts.extend(paid.settled_at().map(|at| fact(texts.confirmed_on, date(at))));
        let transaction = paid.provider_transaction_id.as_deref();
        facts.extend(transaction.map(|id| fact(texts.transaction, id)));
        Self {
            amounts,
            paid: fact(texts.paid, money(paid.payer)),
            received: fact(texts.received, money(paid.payee)),
            borne_by: match bearer {
                FeeBearer::Payer => texts.borne_by_payer,
                FeeBearer::Payee => texts.borne_by_seller,
            },
            facts,
        }
    }
}

impl RefundPart {
    /// `None` when nothing was given back.
    fn new(rows: &PaidRows<'_>, texts: &Texts) -> Option<Self> {
        if rows.refunds.is_empty() && rows.paid.refunds().refunded_minor == 0 {
            return None;
        }
        let line = |refund: &Execution| {
            let name = match refund.completed_at {
                Some(at) => texts.refunded_on.with(&date(at)),
                None => texts.refund_under_way.with(&date(refund.created_at)),
            };
            fact(name, money(refund.payee))
        };
        Some(Self {
            refunds: rows.refunds.iter().map(line).collect(),
            left: fact(texts.left, money(refundable(rows.paid))),
        })
    }
}

impl InvoiceDocument {
    /// `until` is when its page stops to accept payments.
    #[must_use]
    pub fn new(
        rows: &Rows<'_>,
        until: Option<MerchantTime>,
        pay_url: String,
        texts: &'static Texts,
    ) -> Self {
        let source = rows.source;
        let title = match source.kind {
            SourceType::Invoice => texts.invoice,
            SourceType::Order => texts.order,
        };
        Self {
            state: until
                .map_or_else(|| texts.to_be_paid.to_owned(), |at| texts.to_be_paid_by.with(&date(at))),
            fees_to_come: (source.fee_bearer == FeeBearer::Payer).then_some(texts.fees_to_come),
            bill: Bill::new(rows, title.with(&source.number), pay_url.clone(), texts),
            pay_url,
        }
    }
}

/// Documents for tests: what they say does not come from rows.
#[cfg(test)]
pub mod samples {
    use super::*;
    use crate::web::receipt::texts::ENGLISH;

    /// A bill with so many items, whose first has this name.
    pub fn bill(name: &str, items: usize) -> Bill {
        let item = |place: usize| ItemLine {
            name: if place == 0 { name.to_owned() } else { format!("{place} bags of rice") },
            quantity: place.to_string(),
            unit_price: "12.50 USD".to_owned(),
            amount: "1,234,567.50 USD".to_owned(),
        };
        Bill {
            texts: &ENGLISH,
            seller: Seller {
                name: "AMA SHOP".to_owned(),
                contact: Some("+231880000001".to_owned()),
            },
            title: ENGLISH.receipt_of_invoice.with("INV-2026-00042"),
            number: "INV-2026-00042".to_owned(),
            test_money: Some(ENGLISH.test_money),
            dates: vec![fact(ENGLISH.issued_on, "5 November 2026"), fact(ENGLISH.due_on, "1 December 2026")],
            note: "Thank you for your visit.\nRice is kept until Friday.".to_owned(),
            items: (0..items).map(item).collect(),
            items_missing: None,
            total: "100.00 USD".to_owned(),
            page_url: "https://pay.example/receipt/0123456789abcdef0123456789abcdef".to_owned(),
        }
    }

    pub fn receipt(name: &str, items: usize) -> ReceiptDocument {
        ReceiptDocument {
            bill: bill(name, items),
            state: "Paid on 6 November 2026, 14:03 GMT".to_owned(),
            payment: Some(PaymentPart {
                amounts: vec![
                    fact(ENGLISH.platform_fee, "1.00 USD"),
                    fact(ENGLISH.method_fee, "2.00 USD"),
                    fact(ENGLISH.exchange_fee, "1.00 USD"),
                    fact(ENGLISH.total_with_fees, "104.00 USD"),
                    fact(ENGLISH.exchange_rate, "1 USD = 192 LRD"),
                ],
                paid: fact(ENGLISH.paid, "19,968.00 LRD"),
                received: fact(ENGLISH.received, "100.00 USD"),
                borne_by: ENGLISH.borne_by_payer,
                facts: vec![
                    fact(ENGLISH.paid_with, "MTN Mobile Money, Liberia"),
                    fact(ENGLISH.confirmed_on, "6 November 2026, 14:03 GMT"),
                    fact(ENGLISH.transaction, "sandbox-5bb8b8a1-6e3f-4f0e-9f19-0a5f3f5f2f77"),
                ],
            }),
            refunds: Some(RefundPart {
                refunds: vec![
                    fact(ENGLISH.refunded_on.with("7 November 2026, 09:30 GMT"), "1,920.00 LRD"),
                    fact(ENGLISH.refund_under_way.with("8 November 2026, 10:00 GMT"), "480.00 LRD"),
                ],
                left: fact(ENGLISH.left, "17,568.00 LRD"),
            }),
            verification: Some(Verification {
                code: "7KQ2-9M4X".to_owned(),
                url: "https://pay.example/verify?code=7KQ2-9M4X".to_owned(),
            }),
        }
    }

    pub fn invoice(name: &str, items: usize) -> InvoiceDocument {
        InvoiceDocument {
            bill: Bill { title: ENGLISH.invoice.with("INV-2026-00042"), ..bill(name, items) },
            state: ENGLISH.to_be_paid_by.with("1 December 2026, 12:00 UTC"),
            fees_to_come: Some(ENGLISH.fees_to_come),
            pay_url: "https://pay.example/pay/0123456789abcdef0123456789abcdef".to_owned(),
        }
    }
}
