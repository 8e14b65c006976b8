//! An account at a network: one contract with it, through which merchants pay.

use crate::api_enum;
use crate::decision::row::rows_without_alt_key;
use crate::directory::merchant::Merchant;
use crate::kernel::ids::NetworkAccountId;
use crate::kernel::names::{Mode, Provider};
use crate::kernel::time::{ServerTime, minutes};
use crate::mutant;
use crate::tariff::Tariff;

/// The accounts of the built-in sandbox. Their rows are made with the schema, so that their ids are
/// the same everywhere.
pub const SANDBOX: [(NetworkAccountId, Provider); 2] =
    [(NetworkAccountId(1), Provider::PawaPay), (NetworkAccountId(2), Provider::Stripe)];

/// For so long after a backup was put back each request is asked about before it is sent, in
/// microseconds.
const ASK_FIRST_US: i64 = minutes(30 * 24 * 60);

api_enum! {
    /// What an account still does.
    AccountStatus {
        /// It takes payments.
        Active = "ACTIVE",
        /// It takes no new payments, and goes on with those under way and with refunds.
        Draining = "DRAINING",
        /// Nothing of it is under way, and nothing will be.
        Closed = "CLOSED",
    }
}

api_enum! {
    /// Which parameters requests to Stripe have.
    Parameters {
        /// Those of the version of the API that requests ask for.
        Current = "CURRENT",
        /// Only what has been there for years, for test servers that refuse the rest.
        Basic = "BASIC",
    }
}

/// An account at a network. An attempt keeps its account for ever: status, refunds and callbacks of a
/// payment go only there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkAccount {
    pub id: NetworkAccountId,
    pub network: Provider,
    /// The mode of the merchants that pay through it.
    pub mode: Mode,
    pub name: String,
    /// Where the network is called; `None` for the built-in sandbox.
    pub base_url: Option<String>,
    pub status: AccountStatus,
    /// Whether an operator has stopped it: nothing is sent, and what is under way is still asked about.
    pub held: bool,
    /// Since when the network refuses its token or key. Nothing is sent until there is another.
    pub token_refused_at: Option<ServerTime>,
    /// When a backup with this account was put back. What was made after that backup is forgotten, and
    /// the network may know it.
    pub restored_at: Option<ServerTime>,
    /// pawaPay: whether callbacks are signed. A callback that is not is then refused.
    pub signed_callbacks: bool,
    /// Stripe: which parameters its test server takes. Stripe itself takes the current ones.
    pub parameters: Parameters,
    /// How many calls a second a process makes.
    pub calls_per_second: i64,
    /// The last part of the path of its callbacks, drawn at random. It is no password, but who does
    /// not know it is refused at once.
    pub callback_token: Option<String>,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
}

rows_without_alt_key!(NetworkAccount: NetworkAccountId);

impl Tariff {
    /// The accounts at real networks. Those of the sandbox have rows, too, for what is booked at them.
    pub fn real_accounts(&self) -> impl Iterator<Item = &NetworkAccount> {
        self.network_accounts.iter().filter(|account| account.mode != Mode::Sandbox)
    }

    /// The account of that id, if it is one at a real network.
    #[must_use]
    pub fn network_account(&self, id: NetworkAccountId) -> Option<&NetworkAccount> {
        self.real_accounts().find(|account| account.id == id)
    }

    /// Whether nothing may be sent through an account at present.
    #[must_use]
    pub fn is_stopped(&self, id: NetworkAccountId) -> bool {
        self.network_account(id)
            .is_some_and(|account| account.held || account.token_refused_at.is_some())
    }

    /// Which parameters requests of an account have.
    #[must_use]
    pub fn parameters(&self, id: NetworkAccountId) -> Parameters {
        self.network_account(id).map_or(Parameters::Current, |account| account.parameters)
    }

    /// Whether a backup was put back lately, so that the network may know requests that seem new.
    #[must_use]
    pub fn was_restored(&self, id: NetworkAccountId, now: ServerTime) -> bool {
        let restored_at = self.network_account(id).and_then(|account| account.restored_at);
        restored_at.is_some_and(|at| now.since(at) < ASK_FIRST_US)
    }

    /// The network of an account.
    #[must_use]
    pub fn network_of(&self, id: NetworkAccountId) -> Option<Provider> {
        let sandbox = SANDBOX.iter().find(|(account, _)| *account == id);
        sandbox
            .map(|(_, network)| *network)
            .or_else(|| self.network_account(id).map(|account| account.network))
    }

    /// The account through which a merchant's new payments at a network go: the one that the merchant
    /// is bound to, or else the oldest active one of its mode. `None` where there is none, and for
    /// payments between wallets.
    #[must_use]
    pub fn account_for(&self, merchant: &Merchant, network: Provider) -> Option<NetworkAccountId> {
        if merchant.mode == Mode::Sandbox {
            return SANDBOX.iter().find(|(_, of)| *of == network).map(|(id, _)| *id);
        }
        let fits = |account: &&NetworkAccount| {
            let drains = account.status == AccountStatus::Draining && mutant!(DrainingTakes);
            (account.network, account.mode) == (network, merchant.mode)
                && (account.status == AccountStatus::Active || drains)
        };
        let mut fitting = self.real_accounts().filter(fits);
        match merchant.network_accounts.of(network).filter(|_| !mutant!(BindingIgnored)) {
            Some(bound) => fitting.find(|account| account.id == bound),
            None => fitting.min_by_key(|account| account.id),
        }
        .map(|account| account.id)
    }
}

/// The accounts that a merchant is bound to, one a network at most.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BoundAccounts {
    pub pawapay: Option<NetworkAccountId>,
    pub stripe: Option<NetworkAccountId>,
}

impl BoundAccounts {
    #[must_use]
    pub const fn of(self, network: Provider) -> Option<NetworkAccountId> {
        match network {
            Provider::PawaPay => self.pawapay,
            Provider::Stripe => self.stripe,
            Provider::Platform => None,
        }
    }

    /// These with the account of one network replaced.
    #[must_use]
    pub const fn with(self, network: Provider, account: Option<NetworkAccountId>) -> Self {
        match network {
            Provider::PawaPay => Self { pawapay: account, ..self },
            Provider::Stripe => Self { stripe: account, ..self },
            Provider::Platform => self,
        }
    }
}
