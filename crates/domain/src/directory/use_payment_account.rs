//! Checking whether a payment account can be used, and deactivating one.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::payment_account::PaymentAccount;
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, PaymentAccountId};
use crate::kernel::names::Operation;
use crate::kernel::refusal::{Refusal, Subject};
use crate::kernel::time::MerchantTime;

/// Deactivates a payment account for good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeactivateAccount {
    pub merchant_id: MerchantId,
    pub account_id: PaymentAccountId,
}

impl Decision for DeactivateAccount {
    type Output = PaymentAccount;

    fn action(&self) -> Option<Action> {
        Some(Action::EditCustomers)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<PaymentAccount, Stop> {
        let time = context.merchant_time(self.merchant_id, work)?;
        deactivate(self.merchant_id, self.account_id, work, time)
    }
}

/// Deactivates an account for good. Payments in flight continue. Repeating the request changes nothing.
///
/// # Errors
/// [`Refusal::NotFound`].
fn deactivate(
    merchant_id: MerchantId,
    id: PaymentAccountId,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<PaymentAccount, Stop> {
    let found = work.get::<PaymentAccount>(id)?.filter(|row| row.merchant_id == merchant_id);
    let mut account = (*found.ok_or(Refusal::NotFound)?).clone();
    if account.is_active {
        account.is_active = false;
        account.updated_at = time;
        work.put(account.clone());
    }
    Ok(account)
}

/// The merchant's account of that id, if it is active and for `operation`.
///
/// # Errors
/// [`Refusal::UnknownId`], [`Refusal::AccountInactive`] or [`Refusal::AccountForOtherOperation`].
pub fn usable(
    merchant_id: MerchantId,
    id: PaymentAccountId,
    operation: Operation,
    work: &Workspace,
) -> Result<Result<PaymentAccount, Refusal>, Stop> {
    let found = work.get::<PaymentAccount>(id)?.filter(|row| row.merchant_id == merchant_id);
    Ok(match found {
        None => Err(Refusal::UnknownId { subject: Subject::Account, what: "a payment account" }),
        Some(account) if !account.is_active => Err(Refusal::AccountInactive),
        Some(account) if account.operation != operation => {
            Err(Refusal::AccountForOtherOperation { made_for: account.operation.as_str() })
        }
        Some(account) => Ok((*account).clone()),
    })
}
