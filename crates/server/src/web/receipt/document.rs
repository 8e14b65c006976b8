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
use crate::web::language::Language;
use crate::web::language::texts::{Texts, plain};
use crate::web::methods::Methods;
use crate::web::text::{Day, PhoneNumber, Zone, decimal, money};

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

impl ItemLine {
    /// How many at what price.
    #[must_use]
    pub fn detail(&self) -> String {
        format!("{} × {}", self.quantity, self.unit_price)
    }
}

/// What receipts and invoices have in common.
pub struct Bill {
    pub language: Language,
    pub seller: Seller,
    /// What the document is, with its number.
    pub title: String,
    pub number: String,
    /// Says that no real money moves, where none does.
    pub test_money: Option<&'static str>,
    /// When it was issued and is due.
    pub dates: Vec<String>,
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
    /// Who bears the fees.
    pub borne_by: &'static str,
    /// What the seller gets of it, by which method it was paid, when, and the network's own id.
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

/// The rows that a document is made of, and for whom it is written.
pub struct Rows<'a> {
    pub merchant: &'a Merchant,
    pub source: &'a Source,
    pub items: &'a [Item],
    pub language: Language,
}

/// The collection that paid it, and the refunds that did not fail.
pub struct PaidRows<'a> {
    pub paid: &'a Execution,
    pub refunds: &'a [Execution],
    /// What the payer's bank has taken back of it.
    pub taken_back: Option<Money>,
    pub code: Option<ReceiptCode>,
    pub methods: &'a Methods,
}

impl PaidRows<'_> {
    /// The zone in which times of the payment are written.
    fn zone(&self) -> Zone {
        self.methods.zone(self.paid.method)
    }
}

impl Bill {
    /// The words of its language.
    #[must_use]
    pub const fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    fn new(rows: &Rows<'_>, title: String, page_url: String) -> Self {
        let Rows { merchant, source, items, language } = *rows;
        let texts = language.texts();
        let of = |minor| money(Money::new(minor, source.currency), language);
        let line = |item: &Item| ItemLine {
            name: item.name.clone(),
            quantity: item.qty.to_string(),
            unit_price: of(item.amount_minor),
            // The source's total is the sum of these, and was checked for overflow.
            amount: of(item.amount_minor.saturating_mul(item.qty)),
        };
        let day = |at| Day(at).in_words(language);
        let mut dates = vec![texts.issued_on(&day(source.created_at))];
        dates.extend(source.due_date.map(|at| plain(texts.due_on, &[("day", &day(at))])));
        let phone = merchant.phone.as_deref().map(|phone| PhoneNumber(phone).grouped());
        Self {
            language,
            seller: Seller {
                name: merchant.seller_name(),
                contact: phone.or_else(|| merchant.email.clone()),
            },
            title,
            number: source.number.clone(),
            test_money: (merchant.mode != Mode::Live).then_some(texts.sandbox_band),
            dates,
            note: source.note.clone(),
            items: items.iter().take(ITEMS_MAX).map(line).collect(),
            items_missing: (items.len() > ITEMS_MAX).then_some(texts.more_items),
            total: of(source.total_minor),
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
    ) -> Self {
        let Rows { source, language, .. } = *rows;
        let texts = language.texts();
        let title = match source.kind {
            SourceType::Invoice => texts.receipt_of_invoice(&source.number),
            SourceType::Order => texts.receipt_of_order(&source.number),
        };
        let zone = paid.map_or(Zone::Utc, PaidRows::zone);
        Self {
            state: state(source, paid.and_then(|rows| rows.taken_back), zone, language),
            payment: paid.map(|rows| PaymentPart::new(rows, source.fee_bearer, language)),
            refunds: paid.and_then(|rows| RefundPart::new(rows, language)),
            verification: paid.and_then(|rows| rows.code).map(|code| Verification {
                code: code.to_string(),
                url: format!("{public_url}/verify?code={code}"),
            }),
            bill: Bill::new(rows, title, page_url),
        }
    }
}

fn state(source: &Source, taken_back: Option<Money>, zone: Zone, language: Language) -> String {
    let texts = language.texts();
    let with_warning = |words: &str| format!("{words} {}", texts.do_not_pay_again);
    if let (Some(amount), Some(at)) = (taken_back, source.paid_at) {
        let at = zone.at(at).in_words(language);
        return texts.taken_back_paid_on(&money(amount, language), &at);
    }
    match (source.status, source.paid_at) {
        (SourceStatus::Paid, Some(at)) => texts.paid_on(&zone.at(at).in_words(language)),
        (SourceStatus::Paid, None) => texts.paid.to_owned(),
        (SourceStatus::Active, _) if source.open_reviews > 0 => {
            with_warning(texts.being_looked_into)
        }
        (SourceStatus::Idle | SourceStatus::Active, _) => texts.not_paid_yet.to_owned(),
        (SourceStatus::Processing, _) => with_warning(texts.being_processed),
        (SourceStatus::Canceled, _) => texts.canceled.to_owned(),
    }
}

impl PaymentPart {
    fn new(rows: &PaidRows<'_>, bearer: FeeBearer, language: Language) -> Self {
        let PaidRows { paid, methods, .. } = *rows;
        let texts = language.texts();
        let currency = paid.wallet_currency();
        let of = |minor| money(Money::new(minor, currency), language);
        let mut amounts = vec![
            fact(texts.platform_fee, of(paid.platform_fee_minor)),
            fact(texts.gateway_fee, of(paid.gateway_fee_minor)),
        ];
        let exchanged = paid.payer.currency != currency;
        if exchanged {
            amounts.push(fact(texts.fx_fee, of(paid.fx_fee_minor)));
        }
        if bearer == FeeBearer::Payer {
            amounts.push(fact(texts.total_with_fees, of(paid.total_minor)));
        }
        if exchanged {
            let many = format!("{} {}", decimal(&rate_text(paid), language), paid.payer.currency);
            let one = format!("1 {currency}");
            amounts.push(fact(texts.fx_rate, plain(texts.rate, &[("one", &one), ("many", &many)])));
        }
        let mut facts = vec![
            fact(texts.seller_receives, money(paid.payee, language)),
            fact(texts.paid_with, methods.name(paid.method, language)),
        ];
        let zone = rows.zone();
        facts.extend(
            paid.settled_at().map(|at| fact(texts.confirmed_on, zone.at(at).in_words(language))),
        );
        let transaction = paid.provider_transaction_id.as_deref();
        facts.extend(transaction.map(|id| fact(texts.transaction, id)));
        Self {
            amounts,
            paid: fact(texts.paid, money(paid.payer, language)),
            borne_by: match bearer {
                FeeBearer::Payer => texts.payer_bears_fees,
                FeeBearer::Payee => texts.seller_bears_fees,
            },
            facts,
        }
    }
}

impl RefundPart {
    /// `None` when nothing was given back.
    fn new(rows: &PaidRows<'_>, language: Language) -> Option<Self> {
        let is_whole = rows.refunds.is_empty() && rows.paid.refunds().refunded_minor == 0;
        if is_whole && rows.taken_back.is_none() {
            return None;
        }
        let texts = language.texts();
        let zone = rows.zone();
        let line = |refund: &Execution| {
            let (text, at) = match refund.completed_at {
                Some(at) => (texts.refunded_on, at),
                None => (texts.refund_since, refund.created_at),
            };
            let name = plain(text, &[("time", &zone.at(at).in_words(language))]);
            fact(name, money(refund.payee, language))
        };
        let taken_back =
            rows.taken_back.map(|amount| fact(texts.taken_back, money(amount, language)));
        Some(Self {
            refunds: rows.refunds.iter().map(line).chain(taken_back).collect(),
            left: fact(texts.left_of_payment, money(refundable(rows.paid), language)),
        })
    }
}

impl InvoiceDocument {
    /// `until` is when its page stops to accept payments.
    #[must_use]
    pub fn new(rows: &Rows<'_>, until: Option<MerchantTime>, pay_url: String) -> Self {
        let Rows { source, language, .. } = *rows;
        let texts = language.texts();
        let kind = match source.kind {
            SourceType::Invoice => texts.invoice,
            SourceType::Order => texts.order,
        };
        let title = plain(texts.numbered, &[("kind", kind), ("number", &source.number)]);
        let by = |at| plain(texts.until, &[("time", &Zone::Utc.at(at).in_words(language))]);
        Self {
            state: until.map_or_else(|| texts.to_be_paid.to_owned(), by),
            fees_to_come: (source.fee_bearer == FeeBearer::Payer).then_some(texts.fees_to_come),
            bill: Bill::new(rows, title, pay_url.clone()),
            pay_url,
        }
    }
}

/// Documents for tests, which are made of no rows.
#[cfg(test)]
pub mod samples {
    use super::*;

    /// A bill with so many items, of which the first has this name.
    pub fn bill(name: &str, items: usize, language: Language) -> Bill {
        let texts = language.texts();
        let item = |place: usize| ItemLine {
            name: if place == 0 { name.to_owned() } else { format!("{place} bags of rice") },
            quantity: (place + 1).to_string(),
            unit_price: "12.50 USD".to_owned(),
            amount: "1,234,567.50 USD".to_owned(),
        };
        Bill {
            language,
            seller: Seller {
                name: "AMA SHOP".to_owned(),
                contact: Some("+231 88 000 0001".to_owned()),
            },
            title: texts.receipt_of_invoice("INV-2026-00042"),
            number: "INV-2026-00042".to_owned(),
            test_money: Some(texts.sandbox_band),
            dates: vec![texts.issued_on("5 November 2026")],
            note: "Thank you for your visit.\nRice is kept until Friday.".to_owned(),
            items: (0..items).map(item).collect(),
            items_missing: None,
            total: "100.00 USD".to_owned(),
            page_url: "https://pay.example/receipt/0123456789abcdef0123456789abcdef".to_owned(),
        }
    }

    pub fn receipt(name: &str, items: usize, language: Language) -> ReceiptDocument {
        let texts = language.texts();
        let refunded = plain(texts.refunded_on, &[("time", "7 November 2026, 09:30 GMT")]);
        ReceiptDocument {
            bill: bill(name, items, language),
            state: texts.paid_on("6 November 2026, 14:03 GMT"),
            payment: Some(PaymentPart {
                amounts: vec![
                    fact(texts.platform_fee, "1.00 USD"),
                    fact(texts.gateway_fee, "2.00 USD"),
                    fact(texts.fx_fee, "1.00 USD"),
                    fact(texts.total_with_fees, "104.00 USD"),
                    fact(texts.fx_rate, "1 USD = 192 LRD"),
                ],
                paid: fact(texts.paid, "19,968.00 LRD"),
                borne_by: texts.payer_bears_fees,
                facts: vec![
                    fact(texts.seller_receives, "100.00 USD"),
                    fact(texts.paid_with, "MTN Mobile Money, Liberia"),
                    fact(texts.confirmed_on, "6 November 2026, 14:03 GMT"),
                    fact(texts.transaction, "sandbox-5bb8b8a1-6e3f-4f0e-9f19-0a5f3f5f2f77"),
                ],
            }),
            refunds: Some(RefundPart {
                refunds: vec![fact(refunded, "1,920.00 LRD")],
                left: fact(texts.left_of_payment, "18,048.00 LRD"),
            }),
            verification: Some(Verification {
                code: "7KQ2-9M4X".to_owned(),
                url: "https://pay.example/verify?code=7KQ2-9M4X".to_owned(),
            }),
        }
    }

    pub fn invoice(name: &str, items: usize, language: Language) -> InvoiceDocument {
        let texts = language.texts();
        InvoiceDocument {
            state: plain(texts.until, &[("time", "1 December 2026, 12:00 UTC")]),
            fees_to_come: Some(texts.fees_to_come),
            bill: Bill {
                title: "Invoice INV-2026-00042".to_owned(),
                ..bill(name, items, language)
            },
            pay_url: "https://pay.example/pay/0123456789abcdef0123456789abcdef".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::sources::responses::samples::{merchant, source};

    const ENGLISH: Language = Language::English;
    const AT: MerchantTime = MerchantTime(1_795_348_800_000_000);

    fn receipt(source: &Source) -> ReceiptDocument {
        let rows = Rows { merchant: &merchant(), source, items: &[], language: ENGLISH };
        ReceiptDocument::new(&rows, None, String::new(), "https://pay.example")
    }

    #[test]
    fn a_receipt_says_how_things_stand() {
        let of = |status, paid_at, open_reviews| {
            let row = source(SourceType::Order);
            receipt(&Source { status, paid_at, open_reviews, ..row }).state
        };
        for (status, paid_at, reviews, expected) in [
            (SourceStatus::Idle, None, 0, "Not paid yet"),
            (SourceStatus::Active, None, 0, "Not paid yet"),
            (SourceStatus::Active, None, 1, "A payment is being looked into. Do not pay again."),
            (SourceStatus::Processing, None, 0, "A payment is being processed. Do not pay again."),
            (SourceStatus::Paid, Some(AT), 0, "Paid on 22 November 2026, 12:00 UTC"),
            (SourceStatus::Paid, None, 0, "Paid"),
            (SourceStatus::Canceled, None, 0, "Canceled: nothing is to be paid"),
        ] {
            assert_eq!(of(status, paid_at, reviews), expected);
        }
    }

    #[test]
    fn what_is_not_paid_has_no_payment_and_no_code() {
        let document = receipt(&source(SourceType::Invoice));
        assert_eq!(document.bill.title, "Receipt for invoice INV-2026-00042");
        assert!(document.payment.is_none() && document.refunds.is_none());
        assert!(document.verification.is_none());
    }

    #[test]
    fn an_invoice_says_until_when_and_whether_fees_come_on_top() {
        let due_date = Some(MerchantTime::parse("2026-12-01").unwrap());
        let of = |fee_bearer, until| {
            let source = Source { fee_bearer, due_date, ..source(SourceType::Invoice) };
            let rows =
                Rows { merchant: &merchant(), source: &source, items: &[], language: ENGLISH };
            InvoiceDocument::new(&rows, until, "https://pay.example/pay/t".to_owned())
        };
        let document = of(FeeBearer::Payer, Some(AT));
        assert_eq!(document.bill.title, "Invoice INV-2026-00042");
        assert_eq!(document.state, "To be paid by 22 November 2026, 12:00 UTC");
        assert_eq!(document.bill.dates, ["Issued on 22 November 2026", "Due on 1 December 2026"]);
        assert!(document.fees_to_come.is_some());
        let document = of(FeeBearer::Payee, None);
        assert_eq!(document.state, "To be paid");
        assert!(document.fees_to_come.is_none());
    }
}
