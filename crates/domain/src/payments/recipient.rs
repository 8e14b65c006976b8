//! The receiver of a transfer, and how many receivers a merchant may learn of.

use crate::decision::settings::TransferLimits;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::party::Party;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{MerchantId, PartyId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{ServerTime, minutes};
use crate::ledger::wallet::{Owner, Wallet};
use crate::mutant;
use crate::payments::hourly_limit;
use crate::payments::session::Recipient;

/// The most that the clocks of two processes may differ here, in microseconds.
const MAX_CLOCK_SKEW_US: i64 = minutes(1);

/// The receiver of a transfer: the merchant of the same mode whose phone is the party's, else the
/// party itself.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub fn resolve(sender: &Merchant, party_id: PartyId, work: &Workspace) -> Result<Recipient, Stop> {
    let party = work.require::<Party>(party_id)?;
    Ok(match work.find::<Merchant>(&(sender.mode, party.phone.clone()))? {
        Some(receiver) => {
            Recipient { owner: Owner::Merchant(receiver.id), name: receiver.name.clone() }
        }
        None => Recipient { owner: Owner::Party(party_id), name: party.fullname.clone() },
    })
}

/// Rate limit on telling a merchant who receives transfers to a party: the answer reveals whose phone
/// number is a merchant's. Only the first time counts for each party.
///
/// # Errors
/// [`Refusal::TooManyRecipients`].
pub fn limit_disclosure(
    merchant: &Merchant,
    party_id: PartyId,
    limits: TransferLimits,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let party = work.require::<Party>(party_id)?;
    if party.recipient_told_at.is_some() {
        return Ok(());
    }
    let stored = merchant.recipients_full_at.map(|at| at.0);
    let per_hour = limits.recipients_per_hour;
    let full_at = hourly_limit::take(stored, now.0, per_hour, MAX_CLOCK_SKEW_US)
        .map_err(|seconds| Refusal::TooManyRecipients { seconds })?;
    work.put(Merchant { recipients_full_at: Some(ServerTime(full_at)), ..merchant.clone() });
    work.put(Party { recipient_told_at: Some(now), ..(*party).clone() });
    Ok(())
}

/// The wallet that a transfer credits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransferDestination {
    /// The merchant that the receiving wallet belongs to.
    pub merchant_id: MerchantId,
    pub owner: Owner,
    /// `None` if it was not opened yet.
    pub wallet: Option<Wallet>,
}

/// The destination of a declared transfer: the recipient that its merchant was shown, who must still
/// be the one.
///
/// # Errors
/// [`Refusal::RecipientChanged`].
pub fn destination(
    sender: &Merchant,
    party_id: PartyId,
    declared: Option<&Recipient>,
    currency: Currency,
    work: &Workspace,
) -> Result<TransferDestination, Stop> {
    let owner = resolve(sender, party_id, work)?.owner;
    let other = declared.is_some_and(|declared| declared.owner != owner);
    if other && !mutant!(AnyRecipient) {
        return Err(Refusal::RecipientChanged.into());
    }
    let merchant_id = match owner {
        Owner::Merchant(id) => id,
        Owner::Party(_) => sender.id,
    };
    let wallet = work.find::<Wallet>(&(owner, currency))?.map(|wallet| (*wallet).clone());
    Ok(TransferDestination { merchant_id, owner, wallet })
}
