//! Adding an account at a network.

use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::NetworkAccountId;
use crate::kernel::names::{Mode, Provider};
use crate::network_accounts::account::{AccountStatus, NetworkAccount, Parameters};
use crate::network_accounts::fault::NetworkAccountFault;
use crate::network_accounts::secret::{self, SealedSecret};
use crate::tariff::change::{self, Change};

/// Adds an account with its secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddNetworkAccount {
    pub network: Provider,
    /// Not the sandbox's, whose accounts are built in.
    pub mode: Mode,
    pub name: String,
    pub base_url: String,
    pub calls_per_second: i64,
    /// [`Parameters::Basic`] only for a test account at Stripe.
    pub parameters: Parameters,
    /// See [`NetworkAccount::callback_token`].
    pub callback_token: String,
    pub secrets: Vec<SealedSecret>,
}

impl Decision for AddNetworkAccount {
    type Output = NetworkAccount;

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<NetworkAccount, Stop> {
        let mut change = Change::begin(work, context.now)?;
        if change.tariff.network_accounts.iter().any(|account| account.name == self.name) {
            return Err(NetworkAccountFault::NameTaken(self.name.clone()).into());
        }
        let takes_basic = (self.network, self.mode) == (Provider::Stripe, Mode::Test);
        if self.parameters == Parameters::Basic && !takes_basic {
            return Err(NetworkAccountFault::BasicParameters.into());
        }
        let account = NetworkAccount {
            id: NetworkAccountId(change.new_id()?),
            network: self.network,
            mode: self.mode,
            name: self.name.clone(),
            base_url: Some(self.base_url.clone()),
            status: AccountStatus::Active,
            held: false,
            token_refused_at: None,
            restored_at: None,
            signed_callbacks: false,
            parameters: self.parameters,
            calls_per_second: self.calls_per_second,
            callback_token: Some(self.callback_token.clone()),
            created_at: change.now,
            updated_at: change.now,
        };
        change.put_account(account.clone())?;
        for new in &self.secrets {
            secret::put(account.id, new, &mut change)?;
        }
        let NetworkAccount { name, network, mode, .. } = &account;
        change.finish(format!("network account added: {name}, {network} {mode}"))?;
        Ok(account)
    }
}
