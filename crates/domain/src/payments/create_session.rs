//! Creating a session: the declaration of a payment intent.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::settings::{self, Settings};
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::counterparties;
use crate::directory::merchant::Merchant;
use crate::directory::merchant_limits;
use crate::directory::roles::Action;
use crate::directory::use_payment_account;
use crate::kernel::ids::{
    CounterpartyId, ExecutionId, MerchantId, PaymentAccountId, SessionId, SourceId, WalletId,
};
use crate::kernel::money::{Decimal, Money};
use crate::kernel::names::{Operation, Provider};
use crate::kernel::refusal::{self, Refusal, Refusals, Subject};
use crate::kernel::time::{MerchantTime, ServerTime};
use crate::ledger::wallet::{Owner, Wallet};
use crate::payments::attempt::ProviderAttempt;
use crate::payments::checks;
use crate::payments::recipient;
use crate::payments::session::{Intent, Session, SessionStatus};
use crate::sales::checkout::CheckoutConfig;
use crate::sales::find_source::SourceRef;
use crate::sales::payment_link;
use crate::sales::source::{SourceInput, SourceType};

/// A request to create a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NewSession {
    Checkout {
        kind: SourceType,
        source_id: SourceId,
    },
    Payout {
        /// `None` for the merchant's wallet of the currency.
        wallet_id: Option<WalletId>,
        account_id: PaymentAccountId,
        amount: Money,
        /// `None` for the default lifetime.
        expires_at: Option<MerchantTime>,
    },
    Transfer {
        wallet_id: WalletId,
        counterparty_id: CounterpartyId,
        amount: Money,
        expires_at: MerchantTime,
    },
    Refund {
        original_id: ExecutionId,
        /// In the currency of the collection's payer.
        amount: Decimal,
        expires_at: MerchantTime,
        reason: Option<String>,
    },
}

impl NewSession {
    const fn operation(&self) -> Operation {
        match self {
            Self::Checkout { .. } => Operation::Collection,
            Self::Payout { .. } => Operation::Payout,
            Self::Transfer { .. } => Operation::Transfer,
            Self::Refund { .. } => Operation::Refund,
        }
    }
}

/// Creates a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateSession {
    pub merchant_id: MerchantId,
    pub session: NewSession,
}

impl Decision for CreateSession {
    type Output = Session;

    fn action(&self) -> Option<Action> {
        Some(Action::to(self.session.operation()))
    }

    fn hints(&self) -> Vec<RowKey> {
        let mut keys = vec![
            RowKey::Merchant(Lookup::Id(self.merchant_id)),
            RowKey::EventPosition(Lookup::Id(self.merchant_id)),
        ];
        match &self.session {
            NewSession::Checkout { source_id, .. } => keys.extend([
                RowKey::Source(Lookup::Id(*source_id)),
                RowKey::CheckoutConfig(Lookup::AltKey(*source_id)),
            ]),
            NewSession::Payout { account_id, .. } => {
                keys.push(RowKey::PaymentAccount(Lookup::Id(*account_id)));
            }
            NewSession::Transfer { counterparty_id, .. } => {
                keys.push(RowKey::Counterparty(Lookup::Id(*counterparty_id)));
            }
            NewSession::Refund { original_id, .. } => {
                keys.push(RowKey::Execution(Lookup::Id(*original_id)));
            }
        }
        keys
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<Session, Stop> {
        create(self.merchant_id, &self.session, context.settings, work, context.now)
    }
}

/// Creates a session.
///
/// # Errors
/// Every refusal that applies to the kind of session, all at once.
pub(crate) fn create(
    merchant_id: MerchantId,
    request: &NewSession,
    settings: &Settings,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Session, Stop> {
    let lifetimes = settings.lifetimes;
    let merchant = work.require::<Merchant>(merchant_id)?;
    let time = merchant.time(now);
    if !merchant.verified && !matches!(request, NewSession::Checkout { .. }) {
        return Err(Refusal::NotVerified.into());
    }
    let (intent, expires_at) = match request {
        NewSession::Checkout { kind, source_id } => {
            check_source(merchant_id, *kind, *source_id, work)?;
            let expires_at = time.plus(lifetimes.checkout_us);
            let expires_at = limit_to_checkout(*source_id, expires_at, time, work)?;
            (Intent::Checkout { source_id: *source_id, payer_account_id: None }, expires_at)
        }
        NewSession::Payout { wallet_id, account_id, amount, expires_at } => {
            let expires_at = expires_at.unwrap_or_else(|| time.plus(lifetimes.payout_us));
            let mut refusals = Refusals::default();
            let wallet = payout_wallet(
                &merchant,
                *wallet_id,
                *account_id,
                *amount,
                work,
                now,
                &mut refusals,
            )?;
            refusals.take(settings::check_expiry(expires_at, time, lifetimes));
            let wallet = refusals.finish_with(wallet)?;
            let intent = Intent::Payout {
                wallet_id: wallet.id,
                payee_account_id: *account_id,
                amount: *amount,
            };
            (intent, expires_at)
        }
        NewSession::Transfer { wallet_id, counterparty_id, amount, expires_at } => {
            let mut refusals = Refusals::default();
            let wallet = own_wallet(merchant_id, *wallet_id, *amount, work, &mut refusals)?;
            let counterparty =
                refusals.take(counterparties::owned(merchant_id, *counterparty_id, work)?);
            let party_id = counterparty.as_ref().and_then(|counterparty| counterparty.party_id);
            if counterparty.is_some() && party_id.is_none() {
                refusals.add(Refusal::CounterpartyWithoutParty);
            }
            let recipient = party_id
                .map(|party_id| recipient::resolve(&merchant, party_id, work))
                .transpose()?;
            if let (Some(wallet), Some(recipient)) = (&wallet, &recipient) {
                refusals.unless(recipient.owner != wallet.owner(), Refusal::TransferToSelf);
            }
            refusals.take(settings::check_expiry(*expires_at, time, lifetimes));
            let party_id = refusals.finish_with(party_id)?;
            recipient::limit_disclosure(&merchant, party_id, settings.transfers, work, now)?;
            let intent = Intent::Transfer {
                wallet_id: *wallet_id,
                counterparty_id: *counterparty_id,
                party_id,
                recipient,
                amount: *amount,
            };
            (intent, *expires_at)
        }
        NewSession::Refund { original_id, amount, expires_at, reason } => {
            let mut refusals = Refusals::default();
            let original = refusals.take(checks::refundable(merchant_id, *original_id, work)?);
            if let Some(original) = &original {
                let limits = settings.refunds;
                refusals.take(checks::check_refund_age(original, time, limits, work.actor()));
            }
            let amount = original.as_ref().and_then(|original| {
                let amount =
                    refusals.take(refusal::request_amount(*amount, original.payer.currency))?;
                refusals.take(checks::check_refund_capacity(original, amount))
            });
            if let Some((original, amount)) = original.as_ref().zip(amount) {
                refusals.take(merchant_limits::check_refund(original, amount, work, now)?);
            }
            if let Some((original, amount)) = original.as_ref().zip(amount)
                && original.has_network()
            {
                let attempt = work.require::<ProviderAttempt>(original.id)?;
                refusals.take(checks::check_network(
                    &merchant,
                    (original.provider, original.method),
                    (Operation::Refund, amount),
                    Subject::Amount,
                    Some(attempt.network_account_id),
                    &work.tariff,
                    now,
                ));
            }
            refusals.take(settings::check_expiry(*expires_at, time, lifetimes));
            let (original, amount) = refusals.finish_with(original.zip(amount))?;
            let intent = Intent::Refund {
                original_execution_id: original.id,
                wallet_id: original.credited_wallet()?,
                amount,
                reason: reason.clone(),
                payer_account_id: None,
            };
            (intent, *expires_at)
        }
    };
    let session = Session {
        id: SessionId(work.new_id()?),
        merchant_id,
        status: SessionStatus::Active,
        intent,
        expires_at,
        event_count: 0,
        created_at: time,
        updated_at: time,
    };
    work.put(session.clone());
    events::record(
        merchant_id,
        EventType::SessionCreated,
        (EventEntity::Session, session.id.0),
        None,
        work,
        now,
    )?;
    Ok(session)
}

fn check_source(
    merchant_id: MerchantId,
    kind: SourceType,
    id: SourceId,
    work: &Workspace,
) -> Result<(), Stop> {
    let what = match kind {
        SourceType::Invoice => "an invoice",
        SourceType::Order => "an order",
    };
    let source = SourceRef { merchant_id, kind, id }
        .find(work)?
        .ok_or(Refusal::UnknownId { subject: Subject::Source, what })?;
    source.after(SourceInput::Collect, source.updated_at)?;
    if source.total_minor <= 0 {
        return Err(Refusal::AmountTooSmall.into());
    }
    payment_link::check_use(&source, work)
}

/// The expiry of a session for a source: not later than that of the source's checkout page, so that
/// nothing is paid after it.
fn limit_to_checkout(
    id: SourceId,
    expires_at: MerchantTime,
    time: MerchantTime,
    work: &Workspace,
) -> Result<MerchantTime, Stop> {
    let page = work.find::<CheckoutConfig>(&id)?;
    match page.and_then(|page| page.payable_until()) {
        Some(at) if at <= time => Err(Refusal::CheckoutExpired { at }.into()),
        Some(at) => Ok(at.min(expires_at)),
        None => Ok(expires_at),
    }
}

const UNKNOWN_WALLET: Refusal = Refusal::UnknownId { subject: Subject::Wallet, what: "a wallet" };

/// The merchant's own wallet of that id, if it can be debited in the amount's currency.
fn own_wallet(
    merchant_id: MerchantId,
    id: WalletId,
    amount: Money,
    work: &Workspace,
    refusals: &mut Refusals,
) -> Result<Option<Wallet>, Stop> {
    let found =
        work.get::<Wallet>(id)?.filter(|wallet| wallet.owner() == Owner::Merchant(merchant_id));
    let Some(wallet) = refusals.take(found.ok_or(UNKNOWN_WALLET)) else { return Ok(None) };
    checks::check_debit(&wallet, amount, refusals);
    Ok(Some((*wallet).clone()))
}

/// The wallet that a payout debits: the merchant's, or that of the party whose account is paid.
fn payout_wallet(
    merchant: &Merchant,
    wallet_id: Option<WalletId>,
    account_id: PaymentAccountId,
    amount: Money,
    work: &Workspace,
    now: ServerTime,
    refusals: &mut Refusals,
) -> Result<Option<Wallet>, Stop> {
    let merchant_id = merchant.id;
    let account = refusals.take(use_payment_account::usable(
        merchant_id,
        account_id,
        Operation::Payout,
        work,
    )?);
    let wallet = match wallet_id {
        None => {
            let found = work.find::<Wallet>(&(Owner::Merchant(merchant_id), amount.currency))?;
            refusals.take(found.ok_or(Refusal::NoWallet { currency: amount.currency }))
        }
        Some(id) => {
            // A party's wallet may only pay out to an account of that party. Of an account that was
            // refused the party is unknown, and only the account's refusal is reported.
            let is_allowed = |wallet: &Wallet| match (wallet.owner(), &account) {
                (Owner::Merchant(_), _) | (Owner::Party(_), None) => true,
                (Owner::Party(owner), Some(account)) => owner == account.party_id,
            };
            let found = work
                .get::<Wallet>(id)?
                .filter(|wallet| wallet.merchant_id == merchant_id && is_allowed(wallet));
            refusals.take(found.ok_or(UNKNOWN_WALLET))
        }
    };
    if let Some(wallet) = &wallet {
        checks::check_debit(wallet, amount, refusals);
    }
    if let Some(account) = account {
        let own =
            wallet.as_ref().is_some_and(|wallet| wallet.owner() == Owner::Party(account.party_id));
        if own && account.provider == Provider::Platform {
            refusals
                .add(Refusal::WalletState { subject: Subject::Wallet, state: "the payee's own" });
        }
        refusals.unless(
            work.tariff.accepts_currency(
                account.method,
                account.provider,
                Operation::Payout,
                amount.currency,
                now,
            ),
            Refusal::CurrencyNotSupported { currency: amount.currency, method: account.method },
        );
        refusals.take(checks::check_network(
            merchant,
            (account.provider, account.method),
            (Operation::Payout, amount),
            Subject::Amount,
            None,
            &work.tariff,
            now,
        ));
    }
    Ok(wallet.map(|wallet| (*wallet).clone()))
}
