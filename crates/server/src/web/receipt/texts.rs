//! The words of receipts and invoices, in each language.

/// A sentence with a gap, `{}`.
#[derive(Clone, Copy)]
pub struct Sentence(&'static str);

impl Sentence {
    /// The sentence with a text in its gap.
    #[must_use]
    pub fn with(self, text: impl AsRef<str>) -> String {
        self.0.replacen("{}", text.as_ref(), 1)
    }
}

/// The words of one language.
pub struct Texts {
    /// Such as `en`.
    pub language: &'static str,
    pub receipt_of_invoice: Sentence,
    pub receipt_of_order: Sentence,
    pub invoice: Sentence,
    pub order: Sentence,
    pub issued_on: &'static str,
    pub due_on: &'static str,
    pub test_money: &'static str,
    pub paid_on: Sentence,
    pub to_be_paid: &'static str,
    pub to_be_paid_by: Sentence,
    pub not_paid: &'static str,
    pub under_way: &'static str,
    pub in_review: &'static str,
    pub canceled: &'static str,
    pub to_payment_page: &'static str,
    pub item: &'static str,
    pub quantity: &'static str,
    pub unit_price: &'static str,
    pub amount: &'static str,
    pub total: &'static str,
    pub all_items: Sentence,
    pub payment: &'static str,
    pub platform_fee: &'static str,
    pub method_fee: &'static str,
    pub exchange_fee: &'static str,
    pub exchange_rate: &'static str,
    pub total_with_fees: &'static str,
    pub paid: &'static str,
    pub received: &'static str,
    pub borne_by_payer: &'static str,
    pub borne_by_seller: &'static str,
    pub paid_with: &'static str,
    pub confirmed_on: &'static str,
    pub transaction: &'static str,
    pub refunds: &'static str,
    pub refunded_on: Sentence,
    pub refund_under_way: Sentence,
    pub left: &'static str,
    pub receipt_code: &'static str,
    pub how_to_verify: &'static str,
    pub verify_qr: &'static str,
    pub as_pdf: &'static str,
    pub back_to_shop: &'static str,
    pub fees_to_come: &'static str,
    pub how_to_pay: &'static str,
    pub scan_to_pay: &'static str,
    pub pay_qr: &'static str,
    pub characters_missing: &'static str,
    pub items_missing: &'static str,
    pub verify_title: &'static str,
    pub verify_intro: &'static str,
    pub verify_incomplete: &'static str,
    pub verify_button: &'static str,
    pub amount_paid: &'static str,
    /// With gaps for the amount and for when it was paid.
    pub genuine: Sentence,
    pub refunded_since: Sentence,
    pub refund_open: Sentence,
    pub genuine_in_review: &'static str,
    pub genuine_advice: &'static str,
    pub not_genuine: &'static str,
    pub not_genuine_advice: &'static str,
    pub too_many_guesses: Sentence,
    pub seller: &'static str,
    pub number: &'static str,
    /// With a second gap for how many pages there are.
    pub page: Sentence,
}

impl Texts {
    /// `Page 1 of 2`.
    #[must_use]
    pub fn page_of(&self, page: usize, count: usize) -> String {
        self.page.with(page.to_string()).replacen("{}", &count.to_string(), 1)
    }
}

pub static ENGLISH: Texts = Texts {
    language: "en",
    receipt_of_invoice: Sentence("Receipt for invoice {}"),
    receipt_of_order: Sentence("Receipt for order {}"),
    invoice: Sentence("Invoice {}"),
    order: Sentence("Order {}"),
    issued_on: "Issued on",
    due_on: "Due on",
    test_money: "Sandbox: no real money moves here.",
    paid_on: Sentence("Paid on {}"),
    to_be_paid: "To be paid",
    to_be_paid_by: Sentence("To be paid by {}"),
    not_paid: "Not paid yet",
    under_way: "A payment is being processed. Do not pay again.",
    in_review: "A payment is being looked into. Do not pay again.",
    canceled: "Canceled: nothing is to be paid",
    to_payment_page: "To the page for payment",
    item: "Item",
    quantity: "Qty",
    unit_price: "Unit price",
    amount: "Amount",
    total: "Total",
    all_items: Sentence("Show all {} items"),
    payment: "Payment",
    platform_fee: "Platform fee",
    method_fee: "Payment method fee",
    exchange_fee: "Exchange fee",
    exchange_rate: "Exchange rate",
    total_with_fees: "Total with fees",
    paid: "Paid",
    received: "The seller receives",
    borne_by_payer: "The fees were added to the total.",
    borne_by_seller: "The seller bears the fees: they are part of the total.",
    paid_with: "Paid with",
    confirmed_on: "Confirmed on",
    transaction: "Transaction",
    refunds: "Refunds",
    refunded_on: Sentence("Refunded on {}"),
    refund_under_way: Sentence("Refund under way since {}"),
    left: "Left of the payment",
    receipt_code: "Receipt code",
    how_to_verify: "Anybody can check this receipt: scan the code or open the page below, and give the amount \
                    that was paid.",
    verify_qr: "QR code of the page where this receipt is checked",
    as_pdf: "Receipt as PDF",
    back_to_shop: "Back to the shop",
    fees_to_come: "Fees are added to this total when it is paid. How much they are depends on how you pay.",
    how_to_pay: "How to pay",
    scan_to_pay: "Scan the code with your phone, or open this page:",
    pay_qr: "QR code of the page where this is paid",
    characters_missing: "Some characters cannot be shown here. This page shows all of them:",
    items_missing: "There are more items than are shown here.",
    verify_title: "Check a receipt",
    verify_intro: "Give the code of the receipt and the amount that was paid.",
    verify_incomplete: "Both are needed: the code of the receipt and the amount that was paid.",
    verify_button: "Check",
    amount_paid: "Amount paid",
    genuine: Sentence("Genuine: paid {} on {}"),
    refunded_since: Sentence("{} refunded since"),
    refund_open: Sentence("a refund of {} is under way"),
    genuine_in_review: "This payment is being looked into.",
    genuine_advice: "Compare the seller and the number with those of the receipt that you were shown.",
    not_genuine: "No receipt has this code and this amount.",
    not_genuine_advice: "Compare both with the receipt. The amount is the one beside “Paid”.",
    too_many_guesses: Sentence("Too many receipts that do not exist were asked for. Try again {}."),
    seller: "Seller",
    number: "Number",
    page: Sentence("Page {} of {}"),
};
