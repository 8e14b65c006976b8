//! Paying an invoice or order on its page: the payer's account, the session and its execution in one
//! decision, so that whatever is clicked, reloaded or opened twice leads to one payment.

use crate::decision::row::Lookup;
use crate::decision::settings::Settings;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::create_party::{self, NewParty};
use crate::directory::create_payment_account::{self, NewAccount};
use crate::directory::merchant::Merchant;
use crate::directory::party::{Counterparty, Party};
use crate::directory::payment_account::PaymentAccount;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{CheckoutConfigId, MerchantId, PartyId, PaymentAccountId, SourceId};
use crate::kernel::money::Money;
use crate::kernel::names::{Method, Operation, Provider};
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::kernel::uuids::ReferenceId;
use crate::mutant;
use crate::payments::attempt::{self, ProviderAttempt};
use crate::payments::create_session::{self, NewSession};
use crate::payments::execute::{self, Execute, Executed, OperationDetails, PaysOn};
use crate::payments::execution::Execution;
use crate::payments::provider_call::ReturnPage;
use crate::payments::request_limit::{self, RequestLimitKind};
use crate::sales::checkout::CheckoutConfig;
use crate::sales::source::Source;

/// How the payer pays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayerChoice {
    pub method: Method,
    pub provider: Provider,
    /// The payer's currency.
    pub currency: Currency,
    /// The phone of a mobile-money method; `None` for a card, which is entered elsewhere.
    pub phone: Option<String>,
}

/// What a payer sends from a page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PagePayment {
    /// The idempotency key, drawn when the form was made.
    pub reference_id: ReferenceId,
    pub choice: PayerChoice,
    /// What the payer was shown. Where another amount would be asked for, nothing is sent.
    pub quoted: Money,
    /// An account of the payer for the same method and number, if one was found. Otherwise one is
    /// created.
    pub account_id: Option<PaymentAccountId>,
    /// The address that the request came from, for its limit.
    pub address: String,
    /// Where the page is, for the network's own page to lead back to.
    pub page_url: String,
}

/// Pays an invoice or order on its page.
///
/// It locks no row: where two processes decide the same form at once, the slower one may find the
/// invoice being paid before it sees the payment. The refusal leads its payer to the page, which shows
/// that payment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PayOnPage {
    pub merchant_id: MerchantId,
    pub page_id: CheckoutConfigId,
    pub source_id: SourceId,
    pub payment: PagePayment,
}

impl Decision for PayOnPage {
    type Output = Executed;

    fn hints(&self) -> Vec<RowKey> {
        let reference = (self.merchant_id, self.payment.reference_id);
        let mut keys = vec![
            RowKey::Execution(Lookup::AltKey(reference)),
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::CheckoutConfig(Lookup::Id(self.page_id)),
            RowKey::CheckoutConfig(Lookup::AltKey(self.source_id)),
            RowKey::Source(Lookup::Id(self.source_id)),
            RowKey::EventPosition(Lookup::Id(self.merchant_id)),
        ];
        keys.extend(self.payment.account_id.map(|id| RowKey::PaymentAccount(Lookup::Id(id))));
        keys
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Executed, Stop> {
        let page = work.get::<CheckoutConfig>(self.page_id)?.filter(|page| {
            page.merchant_id == self.merchant_id && page.source_id == self.source_id
        });
        let page = page.ok_or(Refusal::NotFound)?;
        pay(&page, &self.payment, context.settings, work, context.now)
    }
}

/// Pays the source of a page.
///
/// # Errors
/// [`Refusal::QuoteChanged`], [`Refusal::TooManyPayments`], and what may be refused of a checkout
/// session, its execution and the payer's account.
pub(crate) fn pay(
    page: &CheckoutConfig,
    payment: &PagePayment,
    settings: &Settings,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Executed, Stop> {
    if let Some(replayed) = replay(page, payment, work)? {
        return Ok(replayed);
    }
    let merchant = work.require::<Merchant>(page.merchant_id)?;
    let time = merchant.time(now);
    let source = work.require::<Source>(page.source_id)?;
    let session = create_session::create(
        merchant.id,
        &NewSession::Checkout { kind: source.kind, source_id: source.id },
        settings,
        work,
        now,
    )?;
    let account_id = payer_account(page, payment, &source, work, time, now)?;
    let request = Execute {
        merchant_id: merchant.id,
        reference_id: payment.reference_id,
        session_id: session.id,
        details: OperationDetails::Collection { account_id, currency: payment.choice.currency },
        // The price of a page is compared below.
        shown: None,
    };
    let pays_on = PaysOn {
        id: page.id,
        return_page: ReturnPage { url: payment.page_url.clone(), ends_at: page.expires_at },
    };
    let executed = execute::execute(&request, Some(&pays_on), settings, work, now)?;
    // A refused command leaves no change, so this may be found out at the end.
    if executed.execution.payer != payment.quoted && !mutant!(OtherQuotePaid) {
        return Err(Refusal::QuoteChanged.into());
    }
    let limits = settings.page_limits;
    let source_id = source.id.to_string();
    let counted = [
        (RequestLimitKind::Phone, payment.choice.phone.as_deref()),
        (RequestLimitKind::Source, Some(source_id.as_str())),
        (RequestLimitKind::Address, Some(payment.address.as_str())),
    ];
    for (kind, text) in counted {
        if let Some(text) = text {
            request_limit::count(&merchant, kind, text, limits, work, time)?;
        }
    }
    Ok(executed)
}

/// The payment that the same form made before.
fn replay(
    page: &CheckoutConfig,
    payment: &PagePayment,
    work: &Workspace,
) -> Result<Option<Executed>, Stop> {
    let Some(found) = work.find::<Execution>(&(page.merchant_id, payment.reference_id))? else {
        return Ok(None);
    };
    let choice = &payment.choice;
    let phone = match found.payment_account_id() {
        Some(id) => work.require::<PaymentAccount>(id)?.account_number.clone(),
        None => None,
    };
    let same = found.source_id() == Some(page.source_id)
        && found.method == choice.method
        && found.payer.currency == choice.currency
        && phone == choice.phone;
    if !same {
        return Err(Refusal::DuplicateReference.into());
    }
    let attempt = attempt::open_attempt(&found, work)?;
    Ok(Some(Executed { execution: (*found).clone(), attempt, replayed: true, call: None }))
}

/// The payer's account: the one that was found, if it is what the payer chose, or else a new one.
fn payer_account(
    page: &CheckoutConfig,
    payment: &PagePayment,
    source: &Source,
    work: &mut Workspace,
    time: MerchantTime,
    now: ServerTime,
) -> Result<PaymentAccountId, Stop> {
    let choice = &payment.choice;
    let Some(party_id) = payer_party(source, choice, work, time)? else {
        return Err(Refusal::CounterpartyWithoutParty.into());
    };
    if choice.method == Method::WALLET {
        // Who has a link has not shown to be the owner of a wallet.
        return Err(Refusal::UnknownId { subject: Subject::Method, what: "a method" }.into());
    }
    if let Some(id) = payment.account_id {
        let found = work.get::<PaymentAccount>(id)?.filter(|account| {
            account.merchant_id == page.merchant_id
                && account.party_id == party_id
                && account.is_active
                && account.operation == Operation::Collection
                && (account.method, account.provider) == (choice.method, choice.provider)
                && account.account_number == choice.phone
        });
        if let Some(account) = found {
            return Ok(account.id);
        }
    }
    let party = work.require::<Party>(party_id)?;
    let market =
        work.tariff.open_market(choice.method, choice.provider, Operation::Collection, now);
    let country = market.filter(|_| choice.method.is_mobile_money());
    let new = NewAccount {
        party_id,
        account_name: party.fullname.clone(),
        provider: choice.provider,
        method: choice.method,
        operation: Operation::Collection,
        country_code: country.map(|market| market.country.clone()),
        account_number: choice.phone.clone(),
    };
    Ok(create_payment_account::create(page.merchant_id, &new, work, now)?.id)
}

/// Who pays: the party of the invoice or order. One that has none gets no party by a payment; a payer
/// with a phone is then a party by that phone.
fn payer_party(
    source: &Source,
    choice: &PayerChoice,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<Option<PartyId>, Stop> {
    let counterparty = work.require::<Counterparty>(source.counterparty_id)?;
    if let Some(id) = counterparty.party_id {
        return Ok(Some(id));
    }
    let Some(phone) = &choice.phone else { return Ok(None) };
    let new =
        NewParty { fullname: phone.clone(), phone: phone.clone(), email: None, country_code: None };
    Ok(Some(create_party::by_phone(source.merchant_id, &new, work, time)?.id))
}

/// Whether the attempt is a card payment whose payer is on a page of the network.
#[must_use]
pub fn is_on_card_page(attempt: &ProviderAttempt) -> bool {
    attempt.page_id.is_some() && attempt.requires_action && !attempt.cancel_asked
}

/// Whether the payer of a page can withdraw a payment: one that was never sent.
#[must_use]
pub fn can_withdraw(attempt: &ProviderAttempt) -> bool {
    attempt.page_id.is_some() && attempt.gate.is_some() && !attempt.was_sent()
}
