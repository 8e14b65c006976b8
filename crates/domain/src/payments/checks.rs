//! Checks of a session, made when it is created and again when it is executed.

use crate::decision::event::Actor;
use crate::decision::settings::RefundLimits;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::{ExecutionId, MerchantId, NetworkAccountId, WalletId};
use crate::kernel::money::Money;
use crate::kernel::names::{Method, Mode, Operation, Provider};
use crate::kernel::refusal::{Refusal, Refusals, Subject};
use crate::kernel::time::{MerchantTime, ServerTime, minutes};
use crate::ledger::wallet::Wallet;
use crate::mutant;
use crate::network_accounts::account::AccountStatus;
use crate::network_accounts::operator_terms::NotTaken;
use crate::payments::execution::Execution;
use crate::tariff::{Tariff, fees};

pub(crate) fn check_debit(wallet: &Wallet, amount: Money, refusals: &mut Refusals) {
    let is_debitable = wallet.status.allows_debit() || mutant!(FrozenPays);
    refusals.unless(
        is_debitable,
        Refusal::WalletState { subject: Subject::Wallet, state: wallet.status.as_str() },
    );
    refusals.unless(
        wallet.currency == amount.currency,
        Refusal::CurrencyMismatch { what: "wallet", has: wallet.currency },
    );
}

/// The merchant's settled collection of that id.
///
/// # Errors
/// [`Refusal::UnknownId`], [`Refusal::NotRefundable`].
pub fn refundable(
    merchant_id: MerchantId,
    id: ExecutionId,
    work: &Workspace,
) -> Result<Result<Execution, Refusal>, Stop> {
    let found = work.get::<Execution>(id)?.filter(|execution| {
        execution.merchant_id == merchant_id && execution.operation() == Operation::Collection
    });
    Ok(match found {
        None => Err(Refusal::UnknownId { subject: Subject::Original, what: "a collection" }),
        Some(original) if !original.is_settled() && !mutant!(RefundOfPending) => {
            Err(Refusal::NotRefundable { state: original.status.as_str() })
        }
        Some(original) if original.in_review => {
            Err(Refusal::NotRefundable { state: "disputed by its provider" })
        }
        Some(original) => Ok((*original).clone()),
    })
}

/// Repeats the check of [`refundable`] when the refund is executed: the provider may have taken the
/// payment back in the meantime.
///
/// # Errors
/// [`Refusal::InvalidState`] of the collection.
pub fn recheck_original(original: &Execution) -> Result<(), Refusal> {
    let state = if !original.is_settled() {
        original.status.as_str()
    } else if original.in_review && !mutant!(RefundOfDisputed) {
        "disputed by its provider"
    } else {
        return Ok(());
    };
    Err(Refusal::InvalidState {
        subject: Subject::Original,
        what: "payment",
        state,
        needs: "COMPLETED and undisputed",
    })
}

/// Checks that the refund does not exceed what is left of its payment.
///
/// # Errors
/// [`Refusal::RefundExceeds`].
pub fn check_refund_capacity(original: &Execution, amount: Money) -> Result<Money, Refusal> {
    let left = Money::new(
        original.payer.minor.saturating_sub(original.refunds().refunded_minor),
        original.payer.currency,
    );
    if amount.minor > left.minor {
        return Err(Refusal::RefundExceeds { left: format!("{left} {}", left.currency) });
    }
    Ok(amount)
}

/// Checks that a payment which was exchanged is not refunded long after it was settled, but by the
/// operator; see [`RefundLimits`].
///
/// # Errors
/// [`Refusal::RefundTooLate`].
pub fn check_refund_age(
    original: &Execution,
    time: MerchantTime,
    limits: RefundLimits,
    actor: Actor,
) -> Result<(), Refusal> {
    let was_exchanged = original.payer.currency != original.payee.currency;
    let days = limits.exchanged_days;
    let latest = original.settled_at().map(|at| at.plus(days.saturating_mul(minutes(24 * 60))));
    if was_exchanged && actor != Actor::Operator && latest.is_some_and(|latest| time > latest) {
        return Err(Refusal::RefundTooLate { days });
    }
    Ok(())
}

/// Repeats the checks of a payout's or transfer's wallet when it is executed.
///
/// # Errors
/// [`Stop::Refused`] with all of them.
pub fn recheck_wallet(id: WalletId, amount: Money, work: &Workspace) -> Result<Wallet, Stop> {
    let wallet = work.require::<Wallet>(id)?;
    let mut refusals = Refusals::default();
    check_debit(&wallet, amount, &mut refusals);
    refusals.finish()?;
    Ok((*wallet).clone())
}

/// Checks that a network takes a payment now: an account of the merchant's mode, what the network says
/// of the operator, and whole units. `subject` is what an amount is reported on. A refund goes to the
/// account of its payment, which `of_payment` gives.
///
/// # Errors
/// [`Refusal::PayoutsStopped`], [`Refusal::NoNetworkAccount`], [`Refusal::OperatorUnavailable`],
/// [`Refusal::OutsideNetworkBounds`], [`Refusal::NetworkDecimals`].
pub fn check_network(
    merchant: &Merchant,
    (provider, method): (Provider, Method),
    (operation, amount): (Operation, Money),
    subject: Subject,
    of_payment: Option<NetworkAccountId>,
    tariff: &Tariff,
    now: ServerTime,
) -> Result<(), Refusal> {
    if provider == Provider::Platform {
        return Ok(());
    }
    if tariff.stops(operation) {
        return Err(Refusal::PayoutsStopped);
    }
    if mutant!(TermsIgnored) {
        return Ok(());
    }
    let account = match of_payment.filter(|_| merchant.mode != Mode::Sandbox) {
        Some(id) => {
            let account = tariff.network_account(id);
            account.filter(|account| account.status != AccountStatus::Closed).map(|open| open.id)
        }
        None => tariff.account_for(merchant, provider),
    };
    let account = account.ok_or(Refusal::NoNetworkAccount { network: provider })?;
    if merchant.mode != Mode::Sandbox && provider == Provider::PawaPay {
        check_terms(account, method, (operation, amount), subject, tariff)?;
    }
    // What the market says, where that is less than what the network has said of the account.
    let unit_minor =
        tariff.network_unit(Some(account), (provider, method), operation, amount.currency, now);
    if amount.minor % unit_minor != 0 {
        let allowed = fees::allowed_decimals(amount.currency, unit_minor);
        return Err(Refusal::NetworkDecimals { subject, allowed });
    }
    Ok(())
}

/// Checks what a network has said of an operator.
fn check_terms(
    account: NetworkAccountId,
    method: Method,
    (operation, amount): (Operation, Money),
    subject: Subject,
    tariff: &Tariff,
) -> Result<(), Refusal> {
    let code = tariff.network_code(method).unwrap_or_default();
    // Where the network has said nothing of the operator, nothing is sent.
    let terms = tariff
        .operator_terms(account, code, amount.currency, operation)
        .ok_or(Refusal::OperatorUnavailable { method })?;
    terms.check(amount).map_err(|fault| {
        let outside = |bound, limit: Money| Refusal::OutsideNetworkBounds {
            subject,
            bound,
            amount: format!("{limit} {}", limit.currency),
        };
        match fault {
            NotTaken::Unavailable => Refusal::OperatorUnavailable { method },
            NotTaken::BelowMinimum(limit) => outside("least", limit),
            NotTaken::AboveMaximum(limit) => outside("most", limit),
            NotTaken::Decimals(allowed) => Refusal::NetworkDecimals { subject, allowed },
        }
    })
}
