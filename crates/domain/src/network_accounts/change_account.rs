//! Changing an account at a network: draining and closing it, holding it, and what calls found.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::NetworkAccountId;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::mutant;
use crate::network_accounts::account::{AccountStatus, NetworkAccount};
use crate::network_accounts::fault::NetworkAccountFault;
use crate::tariff::change::{self, Change};

/// What is changed of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccountChange {
    /// It takes no new payments.
    Drain,
    /// It takes payments again.
    Activate,
    /// It is over. `open_payments` is how many of its payments are under way, as the caller has
    /// counted them after it was draining: a draining account begins no other.
    Close {
        open_payments: i64,
    },
    /// Nothing is sent until it is resumed.
    Hold,
    Resume,
    /// The network refuses its token or key. `known_at` is [`NetworkAccount::updated_at`] as the
    /// process knew it that made the call: it may not have had the newest token yet.
    TokenRefused {
        known_at: ServerTime,
    },
    /// How many calls a second a process makes.
    CallsPerSecond(i64),
}

/// Changes an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeNetworkAccount {
    pub account_id: NetworkAccountId,
    pub change: AccountChange,
}

impl Decision for ChangeNetworkAccount {
    type Output = NetworkAccount;

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<NetworkAccount, Stop> {
        let mut change = Change::begin(work, context.now)?;
        let before = find(self.account_id, &change)?;
        let after = self.change.apply_to(&before, &change)?;
        if after == before {
            return Ok(before);
        }
        let note = format!("network account {}: {}", before.name, self.change.describe());
        change.put_account(after.clone())?;
        change.finish(note)?;
        Ok(after)
    }
}

impl AccountChange {
    fn apply_to(
        self,
        before: &NetworkAccount,
        change: &Change<'_>,
    ) -> Result<NetworkAccount, Refusal> {
        let account = before.clone();
        let status = |must_be| NetworkAccountFault::Status { is: before.status, must_be };
        Ok(match self {
            Self::Drain | Self::Activate if before.status == AccountStatus::Closed => {
                return Err(status("ACTIVE or DRAINING").into());
            }
            Self::Drain => NetworkAccount { status: AccountStatus::Draining, ..account },
            Self::Activate => NetworkAccount { status: AccountStatus::Active, ..account },
            Self::Close { .. } if before.status == AccountStatus::Active => {
                return Err(status("DRAINING").into());
            }
            Self::Close { open_payments: payments @ 1.. } => {
                return Err(NetworkAccountFault::InUse { payments }.into());
            }
            Self::Close { .. } => NetworkAccount { status: AccountStatus::Closed, ..account },
            Self::Hold => NetworkAccount { held: true, ..account },
            Self::Resume => NetworkAccount { held: false, ..account },
            Self::TokenRefused { known_at }
                if known_at < before.updated_at && !mutant!(OldTokenStops) =>
            {
                account
            }
            Self::TokenRefused { .. } => {
                let since = before.token_refused_at.unwrap_or(change.now);
                NetworkAccount { token_refused_at: Some(since), ..account }
            }
            Self::CallsPerSecond(calls_per_second) => {
                NetworkAccount { calls_per_second, ..account }
            }
        })
    }

    fn describe(self) -> String {
        match self {
            Self::Drain => "draining".to_owned(),
            Self::Activate => "active".to_owned(),
            Self::Close { .. } => "closed".to_owned(),
            Self::Hold => "held".to_owned(),
            Self::Resume => "resumed".to_owned(),
            Self::TokenRefused { .. } => "the network refuses its token".to_owned(),
            Self::CallsPerSecond(calls) => format!("{calls} calls a second"),
        }
    }
}

/// An account at a real network.
pub(super) fn find(id: NetworkAccountId, change: &Change<'_>) -> Result<NetworkAccount, Refusal> {
    Ok(change.tariff.network_account(id).cloned().ok_or(NetworkAccountFault::Unknown(id))?)
}
