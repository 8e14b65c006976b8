//! What the templates of a page say: the words for its values, in the visitor's language.

use domain::kernel::money::Money;
use domain::kernel::names::{FeeBearer, Method};
use domain::kernel::time::MerchantTime;
use domain::payments::attempt::Gate;
use domain::sales::source::{Item, SourceType};

use crate::api::links::pay_path;
use crate::api::payment_links::link_path;
use crate::web::checkout::show::ITEMS_SHOWN;
use crate::web::checkout::view::{
    AmountFault, AmountForm, CheckoutPage, Choices, Failure, FailureReason, MethodPrice,
    NotSentYet, Notice, PageState, PaidRate, Payment, PhoneFault, PhoneForm, Price, Unavailable,
};
use crate::web::language::Language;
use crate::web::language::texts::{Foreign, Html, Texts};
use crate::web::text::{self, At, Clock, Day, PhoneNumber, Zone, escape};

/// The results of a card payment that the sandbox plays, beside success.
pub const CARD_DECLINES: [&str; 7] = [
    "card_declined",
    "insufficient_funds",
    "expired_card",
    "incorrect_cvc",
    "lost_card",
    "stolen_card",
    "processing_error",
];

impl PageState {
    /// The name of the state, for the script and for tests.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Amount(_) => "amount",
            Self::Open(_) => "open",
            Self::Phone(_) => "phone",
            Self::Review(_) => "review",
            Self::Waiting(_) => "waiting",
            Self::WaitingLong(_) => "waiting-long",
            Self::NotSentYet(_) => "not-sent-yet",
            Self::Card(_) => "card",
            Self::Failed(..) => "failed",
            Self::Paid(Payment { taken_back: Some(_), .. }) => "taken-back",
            Self::Paid(_) => "paid",
            Self::Closed(_) => "closed",
            Self::InReview(_) => "in-review",
        }
    }

    /// Whether the page may show something else a moment later, without a step of the payer.
    #[must_use]
    pub const fn changes_by_itself(&self) -> bool {
        matches!(self, Self::Waiting(_) | Self::WaitingLong(_) | Self::NotSentYet(_))
    }

    /// Whether the payer has still to say how to pay.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Failed(..))
    }

    /// Whether what is to be paid is the first that the payer has to know.
    #[must_use]
    pub const fn begins_with_bill(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Whether nothing is left to do on another device.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Paid(_) | Self::Closed(_) | Self::InReview(_))
    }

    /// The method that the payment goes or went by, once it is chosen.
    const fn method(&self) -> Option<Method> {
        match self {
            Self::Phone(form) => Some(form.pay_with.method),
            Self::Review(review) => Some(review.pay_with.method),
            Self::Waiting(waiting) | Self::WaitingLong(waiting) => Some(waiting.method),
            Self::NotSentYet(held) => Some(held.method),
            Self::Failed(failure, _) => Some(failure.method),
            Self::Paid(payment) => Some(payment.method),
            Self::Amount(_)
            | Self::Open(_)
            | Self::Card(_)
            | Self::Closed(_)
            | Self::InReview(_) => None,
        }
    }

    const fn title(&self, t: &Texts) -> &'static str {
        match self {
            Self::Amount(_) | Self::Open(_) | Self::Phone(_) | Self::Review(_) | Self::Card(_) => {
                t.title_to_pay
            }
            Self::Waiting(_) | Self::WaitingLong(_) | Self::NotSentYet(_) => t.title_waiting,
            Self::Failed(..) => t.title_not_paid,
            Self::Paid(Payment { taken_back: Some(_), .. }) => t.title_taken_back,
            Self::Paid(_) => t.title_paid,
            Self::Closed(_) => t.title_closed,
            Self::InReview(_) => t.title_in_review,
        }
    }
}

impl Choices {
    /// The offers of each method, in the order in which the methods come first.
    #[must_use]
    pub fn by_method(&self) -> Vec<(Method, Vec<&MethodPrice>)> {
        let mut groups: Vec<(Method, Vec<&MethodPrice>)> = vec![];
        for offer in &self.methods {
            let method = offer.pay_with.method;
            match groups.iter_mut().find(|(known, _)| *known == method) {
                Some((_, offers)) => offers.push(offer),
                None => groups.push((method, vec![offer])),
            }
        }
        groups
    }
}

impl CheckoutPage {
    /// What a network wrote in its two languages, in the one that is nearest to the page's.
    #[must_use]
    pub fn in_network_language<'a>(&self, en: &'a [String], fr: &'a [String]) -> &'a [String] {
        let is_french = self.frame.language() == Language::French;
        if (is_french && !fr.is_empty()) || en.is_empty() { fr } else { en }
    }

    #[must_use]
    pub const fn texts(&self) -> &'static Texts {
        self.frame.texts()
    }

    /// The title of the document: how it stands, with what, and with whom.
    #[must_use]
    pub fn title(&self) -> String {
        let state = self.state.title(self.texts());
        match &self.frame.brand {
            Some(brand) => format!("{state} · {} · {}", self.number, brand.name),
            None => format!("{state} · {}", self.number),
        }
    }

    /// The zone of the method's country; before one is chosen, UTC.
    fn zone(&self) -> Zone {
        self.state.method().map_or(Zone::Utc, |method| self.methods.zone(method))
    }

    pub(super) fn at(&self, time: &MerchantTime) -> At {
        self.zone().at(*time)
    }

    pub(super) fn clock(&self, time: &MerchantTime) -> Clock {
        self.zone().clock(*time)
    }

    pub(super) const fn day(&self, time: &MerchantTime) -> Day {
        Day(*time)
    }

    pub(super) fn merchant(&self) -> Foreign<'_> {
        Foreign(self.frame.brand.as_ref().map_or("", |brand| &brand.name))
    }

    /// The path of the page, to which its forms are sent.
    #[must_use]
    pub fn path(&self) -> String {
        match self.link {
            None => pay_path(&self.token),
            Some(_) => link_path(&self.token),
        }
    }

    /// What the forms of a payment link's page carry along: the name and value of each field that they
    /// do not ask for.
    pub(super) fn carried(&self) -> Vec<(&'static str, String)> {
        let Some(payer) = &self.link else { return vec![] };
        let mut fields = vec![];
        fields.extend(payer.amount.map(|amount| ("amount", amount.to_string())));
        if matches!(self.state, PageState::Review(_)) {
            fields.push(("name", payer.name.clone()));
            fields.extend(payer.contact_phone.clone().map(|phone| ("phone", phone)));
        }
        fields
    }

    /// Whether the form with the number has a fault.
    pub(super) fn has_fault(&self, form: &PhoneForm) -> bool {
        form.fault.is_some() || self.has_name_fault()
    }

    pub(super) fn has_name_fault(&self) -> bool {
        self.link.as_ref().is_some_and(|payer| payer.name_fault)
    }

    /// Whether it is known what is to be paid.
    pub(super) fn own_order(&self) -> Option<&str> {
        self.link.as_ref().and_then(|payer| payer.own_order.as_deref())
    }

    pub(super) const fn has_bill(&self) -> bool {
        self.link.is_none() || self.total.minor > 0
    }

    /// Kind and number of what is paid, or the title of a payment link.
    pub(super) fn bill_name(&self) -> Html {
        let t = self.texts();
        if self.link.is_some() {
            return t.value(Foreign(&self.number));
        }
        let kind = match self.kind {
            SourceType::Invoice => t.invoice,
            SourceType::Order => t.order,
        };
        t.numbered(kind, Foreign(&self.number))
    }

    /// An amount as plain text.
    pub(super) fn plain(&self, amount: &Money) -> String {
        text::money(*amount, self.frame.language())
    }

    pub(super) fn decimal(&self, number: &str) -> String {
        text::decimal(number, self.frame.language())
    }

    pub(super) fn unit_price(&self, item: &Item) -> String {
        self.plain(&Money::new(item.amount_minor, self.total.currency))
    }

    pub(super) fn line_total(&self, item: &Item) -> String {
        // The source's total is the sum of these, and was checked for overflow.
        let line = item.amount_minor.saturating_mul(item.qty);
        self.plain(&Money::new(line, self.total.currency))
    }

    /// The number of the first item of this part, from 1.
    pub(super) const fn first_item(&self) -> usize {
        (self.items.part - 1) * ITEMS_SHOWN + 1
    }

    pub(super) fn last_item(&self) -> usize {
        self.first_item() + self.items.shown.len() - 1
    }

    pub(super) fn start_of_long_note(&self) -> Option<String> {
        text::start_of_long_note(&self.note)
    }

    pub(super) fn payer_bears_fees(&self) -> bool {
        self.fee_bearer == FeeBearer::Payer
    }

    pub(super) fn method_name(&self, method: &Method) -> String {
        self.methods.name(*method, self.frame.language())
    }

    pub(super) fn short_method(&self, method: &Method) -> String {
        self.methods.short_name(*method, self.frame.language())
    }

    pub(super) fn network(&self, method: &Method) -> String {
        self.methods.network(*method)
    }

    /// A number with most of its digits hidden.
    pub(super) fn masked(&self, digits: &str) -> Html {
        let hidden = PhoneNumber(digits).masked();
        self.texts().value(PhoneNumber(&hidden))
    }

    /// What of a price is fees.
    pub(super) fn fees_in(&self, price: &Price) -> Html {
        let t = self.texts();
        if price.fees.minor > 0 {
            t.fees_included(price.fees)
        } else {
            Html(escape(t.no_fees_added))
        }
    }

    /// The rate of exchange in a price.
    pub(super) fn rate(&self, price: &Price) -> Option<Html> {
        /// Rates are shown as the receipt shows those of most payments.
        const DECIMALS: u32 = 8;
        let rate = self.decimal(&price.rate?.to_text(DECIMALS));
        let one = format!("1 {}", self.total.currency);
        Some(self.texts().rate(one, format!("{rate} {}", price.payer.currency)))
    }

    pub(super) fn paid_rate(&self, rate: &PaidRate) -> Html {
        let PaidRate { one, rate, many } = rate;
        self.texts().rate(format!("1 {one}"), format!("{} {many}", self.decimal(rate)))
    }

    pub(super) const fn unavailable(&self, why: &Unavailable) -> &'static str {
        let t = self.texts();
        match why {
            Unavailable::NetworkDown => t.network_down,
            Unavailable::AmountTooSmall => t.amount_too_small,
            Unavailable::AmountTooLarge => t.amount_too_large,
            Unavailable::NoPrice => t.no_price,
        }
    }

    pub(super) fn notice(&self, notice: &Notice) -> Html {
        let t = self.texts();
        match notice {
            Notice::FormIncomplete => Html(escape(t.form_incomplete)),
            Notice::MethodNotOffered => Html(escape(t.method_not_offered)),
            Notice::TooManyPayments { again_at } => t.too_many_payments(self.at(again_at)),
            Notice::LinkClosed => Html(escape(t.link_closed)),
        }
    }

    /// What is wrong with an amount.
    pub(super) fn amount_fault(&self, fault: &AmountFault, form: &AmountForm) -> Html {
        let t = self.texts();
        match fault {
            AmountFault::Missing => Html(escape(t.amount_missing)),
            AmountFault::NotANumber => Html(escape(t.amount_not_a_number)),
            AmountFault::TooManyDecimals => t.amount_too_many_decimals(form.min.currency.code()),
            AmountFault::OutOfRange => t.amount_out_of_range(form.min, form.max),
        }
    }

    /// A number of the method's country as people there write it.
    pub(super) fn phone_example(&self, method: &Method) -> String {
        self.methods.phone_example(*method)
    }

    pub(super) fn phone_fault(&self, fault: &PhoneFault, form: &PhoneForm) -> Html {
        let t = self.texts();
        let text = |text: &str| Html(escape(text));
        match fault {
            PhoneFault::Missing => text(t.phone_missing),
            PhoneFault::NotANumber => text(t.phone_not_a_number),
            PhoneFault::TooShort => text(t.phone_too_short),
            PhoneFault::TooLong => text(t.phone_too_long),
            PhoneFault::OtherCountry => {
                let country = self.methods.country(form.pay_with.method, self.frame.language());
                t.phone_other_country(country.unwrap_or_default())
            }
            PhoneFault::TooManyRequests { again_at } => {
                t.phone_too_many_requests(self.at(again_at))
            }
        }
    }

    /// Why a payment is not sent yet.
    pub(super) fn gate(&self, held: &NotSentYet) -> Html {
        let (t, network) = (self.texts(), self.methods.network(held.method));
        match held.gate {
            Gate::Circuit => t.gate_circuit(network),
            Gate::Rate => t.gate_rate(network),
            Gate::RefundQueue => Html(escape(t.gate_refund_queue)),
            Gate::Approval => Html(escape(t.gate_approval)),
            Gate::Held => t.gate_held(network),
        }
    }

    /// The results that the sandbox can play, with their names.
    pub(super) fn card_declines(&self) -> Vec<(&'static str, &'static str)> {
        let t = self.texts();
        let names = [
            t.card_decline_declined,
            t.card_decline_not_enough,
            t.card_decline_expired,
            t.card_decline_code,
            t.card_decline_lost,
            t.card_decline_stolen,
            t.card_decline_error,
        ];
        CARD_DECLINES.into_iter().zip(names).collect()
    }

    /// Why a payment failed.
    pub(super) fn failure(&self, failure: &Failure) -> Html {
        let (t, network) = (self.texts(), self.methods.network(failure.method));
        let text = |text: &str| Html(escape(text));
        match failure.reason {
            FailureReason::NotApproved => text(t.not_approved),
            FailureReason::NotEnoughMoney => text(t.not_enough_money),
            FailureReason::LimitReached => text(t.limit_reached),
            FailureReason::UnknownNumber => t.unknown_number(network),
            FailureReason::NetworkDown => t.failed_network_down(network),
            FailureReason::NeverSent => t.never_sent(network),
            FailureReason::CardDeclined => text(t.card_was_declined),
            FailureReason::CardExpired => text(t.card_expired),
            FailureReason::CardCodeWrong => text(t.card_code_wrong),
            FailureReason::CardNotEnoughMoney => text(t.card_not_enough_money),
            FailureReason::CardLeft => text(t.card_left),
            FailureReason::WalletNotEnoughMoney => text(t.wallet_not_enough_money),
            FailureReason::NoReason => t.no_reason(network),
        }
    }
}
