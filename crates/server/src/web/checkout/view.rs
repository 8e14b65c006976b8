//! What the page of an invoice or order shows, and that of a payment link, whose payer gets an order.
//! The states follow from the rows (`state.rs`) or, for the steps of a form, from what the payer sent
//! (`pay.rs`); the template `checkout.html` renders them. All times are merchant time.

use domain::kernel::currency::Currency;
use domain::kernel::money::{Money, Ratio};
use domain::kernel::names::{FeeBearer, Method, Provider};
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::MerchantTime;
use domain::kernel::uuids::Uuid;
use domain::ledger::wallet::WalletStatus;
use domain::payments::attempt::Gate;
use domain::sales::payment_link::{LinkState, PaymentLink};
use domain::sales::source::{Item, SourceType};
use domain::tariff::fees::Quote;

use crate::net::response_permits::ResponsePermit;
use crate::web::methods::Methods;
use crate::web::page::Frame;

/// The page of an invoice or order, in one of its states.
pub struct CheckoutPage {
    pub frame: Frame,
    /// The token in the page's URL.
    pub token: String,
    pub kind: SourceType,
    /// Of the invoice or order.
    pub number: String,
    pub note: String,
    /// Whom a payer can ask.
    pub contact: Option<Contact>,
    pub items: ItemList,
    pub total: Money,
    pub fee_bearer: FeeBearer,
    pub due_date: Option<MerchantTime>,
    /// When the page stops to accept payments; `None` for no limit.
    pub until: Option<MerchantTime>,
    /// Back to the shop without having paid.
    pub cancel_url: Option<String>,
    /// What came of the last form, where the state does not say it.
    pub notice: Option<Notice>,
    pub state: PageState,
    /// What is said of methods.
    pub methods: Methods,
    /// Of the page of a payment link.
    pub link: Option<LinkPayer>,
    /// Held until a large page is sent.
    pub permit: Option<ResponsePermit>,
}

/// What a payer of a payment link has given so far. There is no order yet: the forms carry it along.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct LinkPayer {
    /// What the payer chose, where the link leaves that open.
    pub amount: Option<Money>,
    pub name: String,
    /// Whether the name cannot be taken.
    pub name_fault: bool,
    /// The number of a payer who pays by card, with the country code.
    pub contact_phone: Option<String>,
    /// The path of the page of an order that this browser made through the link before.
    pub own_order: Option<String>,
}

/// How a payer reaches the merchant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Contact {
    /// Digits with the country code.
    Phone(String),
    Email(String),
}

/// A part of the items of an invoice or order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ItemList {
    /// At most [`ITEMS_SHOWN`](super::show::ITEMS_SHOWN).
    pub shown: Vec<Item>,
    /// The number of the part, from 1.
    pub part: usize,
    /// How many items there are in all parts.
    pub count: usize,
    /// Whether there are more than in all parts.
    pub has_more: bool,
}

/// What came of a form that changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A field was missing, doubled or not understood.
    FormIncomplete,
    /// The method is not offered, or not any more.
    MethodNotOffered,
    /// Too many payments were started from this page or from this address.
    TooManyPayments { again_at: MerchantTime },
    /// The payment link of the order accepts no payment.
    LinkClosed,
}

/// A method with the currency in which the payer pays, as the forms name it: `MTN_MOMO_LBR:LRD`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PayWith {
    pub method: Method,
    pub currency: Currency,
}

impl PayWith {
    /// Reads the value of a form's field `method`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (method, currency) = text.split_once(':')?;
        Some(Self { method: Method::parse(method)?, currency: Currency::parse(currency)? })
    }
}

impl std::fmt::Display for PayWith {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.method, self.currency)
    }
}

/// What the payer sees of a payment: what is to be done, how it stands, or what ended it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PageState {
    /// The payer of a payment link chooses how much.
    Amount(AmountForm),
    /// It can be paid: the payer chooses how.
    Open(Choices),
    /// The payer chose mobile money and gives the number.
    Phone(PhoneForm),
    /// Everything is known: the payer sends the request, or changes something.
    Review(Review),
    /// The network has the request.
    Waiting(Waiting),
    /// The network has had the request for unusually long.
    WaitingLong(Waiting),
    /// The request may not be sent to the network yet.
    NotSentYet(NotSentYet),
    /// The payer has to confirm a card payment.
    Card(CardPayment),
    /// The last payment failed; it can be paid again.
    Failed(Failure, Choices),
    Paid(Payment),
    /// It cannot be paid here (any more).
    Closed(Closing),
    /// A person has to look at the payment.
    InReview(UnderReview),
}

/// The form that asks for the amount.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AmountForm {
    pub min: Money,
    pub max: Money,
    /// What stands in the field.
    pub typed: String,
    pub fault: Option<AmountFault>,
}

/// What is wrong with an amount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AmountFault {
    Missing,
    NotANumber,
    TooManyDecimals,
    OutOfRange,
}

/// The ways to pay, and what each costs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Choices {
    /// In the order of the tariff's markets, those that cannot be chosen last.
    pub methods: Vec<MethodPrice>,
}

/// What it costs to pay by a method in a currency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MethodPrice {
    pub pay_with: PayWith,
    pub provider: Provider,
    pub price: Result<Price, Unavailable>,
}

/// What the payer pays, and why so much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Price {
    /// What the payer pays, all fees included.
    pub payer: Money,
    /// How much of it is fees, in the same currency; zero if the seller bears them.
    pub fees: Money,
    /// The units of the payer's currency for one unit of the total's; `None` in the same currency.
    pub rate: Option<Ratio>,
}

impl Price {
    /// The price of a quote, with fees that `bearer` bears.
    #[must_use]
    pub fn new(quote: &Quote, bearer: FeeBearer) -> Self {
        let exchanged = quote.payer.currency != quote.payee.currency;
        let fees = match bearer {
            FeeBearer::Payee => 0,
            // What the payer would pay without them is converted and rounded like the total.
            FeeBearer::Payer => domain::tariff::fees::convert(
                Money::new(quote.total - quote.fees(), quote.payee.currency),
                quote.rate,
                quote.payer.currency,
            )
            .map_or(0, |without| quote.payer.minor.saturating_sub(without.minor)),
        };
        Self {
            payer: quote.payer,
            fees: Money::new(fees, quote.payer.currency),
            rate: exchanged.then_some(quote.rate),
        }
    }
}

/// Why a method cannot be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unavailable {
    /// The network does not work at present.
    NetworkDown,
    AmountTooSmall,
    AmountTooLarge,
    /// The operator has set no fee or rate for it.
    NoPrice,
}

/// The form that asks for the number of a mobile-money account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhoneForm {
    pub pay_with: PayWith,
    pub price: Price,
    /// What stands in the field: what was typed, else the number of the party, else nothing.
    pub phone: String,
    pub fault: Option<PhoneFault>,
}

/// What is wrong with a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhoneFault {
    Missing,
    /// It has letters or other signs that no number has.
    NotANumber,
    TooShort,
    TooLong,
    /// It is a number of another country than the method's.
    OtherCountry,
    /// So many requests were sent to this number that no more are sent before this time.
    TooManyRequests {
        again_at: MerchantTime,
    },
}

/// What the payer is about to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Review {
    pub pay_with: PayWith,
    pub price: Price,
    /// Digits with the country code; `None` for a card.
    pub phone: Option<String>,
    /// The method whose number this looks like, if it is another one: with it the payer would pay.
    pub looks_like: Option<PayWith>,
    /// The price that was shown before, if it is another one now. Nothing was sent.
    pub price_before: Option<Money>,
    /// The key of the decision that the form asks for: a form that is sent twice pays once.
    pub key: Uuid,
}

/// A payment that the network has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    pub method: Method,
    pub payer: Money,
    /// The number that is asked, with most of its digits hidden; `None` for a card.
    pub phone: Option<String>,
    pub since: MerchantTime,
    /// When the network was last asked.
    pub asked_at: Option<MerchantTime>,
    /// When the network is asked next.
    pub ask_at: Option<MerchantTime>,
    /// When the network closes a request that nobody answers, where that is known.
    pub closes_at: Option<MerchantTime>,
    /// Until when the network is asked.
    pub asked_until: MerchantTime,
    /// How to see the request again if it has gone from the phone, where the network has a way.
    pub revive: Option<Revive>,
}

/// How a payer makes the phone show a request again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Revive {
    /// By dialling this code.
    Dial(String),
    /// By following these steps, in the languages that networks write.
    Follow { en: Vec<String>, fr: Vec<String> },
}

/// A payment that may not be sent yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotSentYet {
    pub method: Method,
    pub payer: Money,
    pub gate: Gate,
    /// When it is tried next.
    pub next_try_at: Option<MerchantTime>,
    /// Whether the payer can withdraw it (step `leave_card`, which ends what was not sent).
    pub can_withdraw: bool,
}

/// A card payment that waits for the payer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardPayment {
    pub payer: Money,
    pub since: MerchantTime,
    /// When it is canceled if the payer does nothing.
    pub until: MerchantTime,
    pub place: CardPlace,
}

/// Where a card payment is confirmed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CardPlace {
    /// On a page of the network.
    Network { url: String },
    /// On this page, which plays the network's: in the sandbox.
    Sandbox,
    /// The same, after the payer asked for the bank's confirmation (3-D Secure).
    SandboxConfirmation,
    /// On the page of the merchant that started it by the API.
    Merchant,
}

/// Why the last payment failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub reason: FailureReason,
    pub at: MerchantTime,
    pub method: Method,
    pub payer: Money,
    /// Whether the network says that no money was taken, and nothing ever contradicted it.
    pub nothing_taken: bool,
    /// The form with which it is tried again, if the method is still offered.
    pub again: Option<TryAgain>,
}

/// How a payment that failed is tried again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TryAgain {
    pub pay_with: PayWith,
    /// Whom to ask again. Only the party's own number stands here: another payer's is not told.
    pub phone: Option<String>,
}

/// Why a payment failed, as far as the payer is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureReason {
    NotApproved,
    NotEnoughMoney,
    LimitReached,
    UnknownNumber,
    NetworkDown,
    /// The request never reached the network.
    NeverSent,
    CardDeclined,
    CardExpired,
    CardCodeWrong,
    CardNotEnoughMoney,
    /// The payer left the card page or did not confirm in time.
    CardLeft,
    WalletNotEnoughMoney,
    NoReason,
}

/// The rate of an exchange: a unit of one currency is so many of the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaidRate {
    pub one: Currency,
    /// With as many digits as it takes.
    pub rate: String,
    pub many: Currency,
}

/// How it was paid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payment {
    /// What the payer paid.
    pub payer: Money,
    pub at: MerchantTime,
    pub method: Method,
    /// The fees, in the currency of the total.
    pub platform_fee: Money,
    pub gateway_fee: Money,
    pub fx_fee: Money,
    /// `None` without an exchange.
    pub rate: Option<PaidRate>,
    /// The network's own id of the payment.
    pub transaction_id: Option<String>,
    pub receipt_code: Option<String>,
    /// The refunds that did not fail, oldest first.
    pub refunds: Vec<RefundLine>,
    /// What can still be refunded; `None` if nothing ever was.
    pub left: Option<Money>,
    /// What the payer's bank has taken back since.
    pub taken_back: Option<TakenBack>,
    /// Back to the shop.
    pub success_url: Option<String>,
}

/// Money that the payer's bank has taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakenBack {
    pub amount: Money,
    /// Whether the bank may give it back.
    pub is_undecided: bool,
}

/// A refund, completed or under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefundLine {
    pub amount: Money,
    pub begun_at: MerchantTime,
    pub completed_at: Option<MerchantTime>,
}

/// Why it cannot be paid here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closing {
    pub reason: ClosedReason,
    /// Whether no payment was taken; not said where a person had to look at one.
    pub nothing_taken: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClosedReason {
    /// It is a draft.
    NotPublished,
    Expired(MerchantTime),
    Canceled(MerchantTime),
    /// As many payers have paid through the link as may, or are paying at present.
    LinkUsedUp {
        /// Whether all of them have paid.
        is_final: bool,
    },
    LinkDeactivated,
    /// The merchant's wallet takes no money at present.
    TakesNone,
}

impl ClosedReason {
    /// Why nobody can pay into a wallet of a merchant by any method; `None` while somebody can. A wallet
    /// that is not there is opened by the first payment.
    #[must_use]
    pub fn of_wallet(status: Option<WalletStatus>) -> Option<Self> {
        status.filter(|status| !status.allows_credit()).map(|_| Self::TakesNone)
    }

    /// Why a refused payment would be refused by every other method, too; `None` if it would not.
    #[must_use]
    pub const fn of_refusal(refusal: &Refusal) -> Option<Self> {
        match refusal {
            Refusal::WalletState { subject: Subject::Wallet, .. }
            | Refusal::WalletLimitExceeded => Some(Self::TakesNone),
            _ => None,
        }
    }

    /// Why a payment link takes no more payments at `time`; `None` while it does.
    #[must_use]
    pub fn of_link(link: &PaymentLink, time: MerchantTime) -> Option<Self> {
        match link.state(time) {
            LinkState::Open => None,
            LinkState::UsedUp => Some(Self::LinkUsedUp { is_final: link.uses_reserved == 0 }),
            LinkState::Expired => Some(Self::Expired(link.expires_at.unwrap_or(time))),
            LinkState::Deactivated => Some(Self::LinkDeactivated),
        }
    }
}

/// A payment that a person looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnderReview {
    /// What the payer tells whoever is asked.
    pub reference: String,
    /// Since when; `None` where it is not known.
    pub since: Option<MerchantTime>,
}
