//! Who receives a transfer, and what strangers may do to a merchant by transferring to it.

use crate::decision::settings::TransferLimits;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::party::Party;
use crate::kernel::currency::Currency;
use crate::kernel::ids::{MerchantId, PartyId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::{Timestamp, minutes, seconds};
use crate::ledger::wallet::{Owner, Wallet};
use crate::mutant;
use crate::payments::session::{Recipient, Session};

/// So far the clocks of two processes may be apart, in microseconds.
const CLOCKS_APART_US: i64 = minutes(1);

/// The receiver of a transfer: the merchant of the same mode whose phone is the party's, else the
/// party itself.
///
/// # Errors
/// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
pub fn of(sender: &Merchant, party_id: PartyId, work: &Workspace) -> Result<Recipient, Stop> {
    let party = work.require::<Party>(party_id)?;
    Ok(match work.find::<Merchant>(&(sender.mode, party.phone.clone()))? {
        Some(receiver) => {
            Recipient { owner: Owner::Merchant(receiver.id), name: receiver.name.clone() }
        }
        None => Recipient { owner: Owner::Party(party_id), name: party.fullname.clone() },
    })
}

/// Counts a party that a merchant is told the recipient of for the first time. As with a bucket
/// that fills steadily, one instant is enough: when it is full again.
///
/// # Errors
/// [`Refusal::TooManyRecipients`].
pub fn tell(
    merchant: &Merchant,
    party_id: PartyId,
    limits: TransferLimits,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<(), Stop> {
    let party = work.require::<Party>(party_id)?;
    if party.recipient_told_at.is_some() {
        return Ok(());
    }
    let hour = minutes(60);
    // No clock that goes forward is so far behind what it has written down: one that was ahead has
    // been set right.
    let known = merchant.recipients_full_at.filter(|at| at.since(now) <= hour + CLOCKS_APART_US);
    let full_at = known.unwrap_or(now).max(now).plus(hour / limits.recipients_per_hour.max(1));
    let late_us = full_at.since(now) - hour;
    if late_us > 0 {
        return Err(Refusal::TooManyRecipients {
            seconds: late_us.saturating_add(seconds(1) - 1) / seconds(1),
        }
        .into());
    }
    work.put(Merchant { recipients_full_at: Some(full_at), ..merchant.clone() });
    work.put(Party { recipient_told_at: Some(now), ..(*party).clone() });
    Ok(())
}

/// Where a transfer goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The merchant under which the receiving wallet is.
    pub merchant_id: MerchantId,
    /// Its owner.
    pub owner: Owner,
    /// The wallet, if it was opened before.
    pub wallet: Option<Wallet>,
}

/// Where a declared transfer goes: to whom its merchant was told that it goes, if that is so still.
///
/// # Errors
/// [`Refusal::OtherRecipient`].
pub fn target(
    sender: &Merchant,
    session: &Session,
    currency: Currency,
    work: &Workspace,
) -> Result<Target, Stop> {
    let party_id = session
        .party_id
        .ok_or_else(|| Stop::Inconsistent(format!("session {} has no party", session.id)))?;
    let owner = of(sender, party_id, work)?.owner;
    let other = session.recipient.as_ref().is_some_and(|declared| declared.owner != owner);
    if other && !mutant!(AnyRecipient) {
        return Err(Refusal::OtherRecipient.into());
    }
    let merchant_id = match owner {
        Owner::Merchant(id) => id,
        Owner::Party(_) => sender.id,
    };
    let wallet = work.find::<Wallet>(&(owner, currency))?.map(|wallet| (*wallet).clone());
    Ok(Target { merchant_id, owner, wallet })
}
