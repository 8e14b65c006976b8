//! The accounts at networks through which merchants pay.

use crate::kernel::ids::NetworkAccountId;
use crate::kernel::names::{Mode, Provider};

/// All accounts: each network has one for each mode. Their rows in the table `network_accounts` are
/// made with the schema, so that their ids are the same everywhere.
pub const ACCOUNTS: [(NetworkAccountId, Provider, Mode); 4] = [
    (NetworkAccountId(1), Provider::PawaPay, Mode::Sandbox),
    (NetworkAccountId(2), Provider::Stripe, Mode::Sandbox),
    (NetworkAccountId(3), Provider::PawaPay, Mode::Live),
    (NetworkAccountId(4), Provider::Stripe, Mode::Live),
];

/// The account at a network through which a merchant of this mode pays; `None` for payments between
/// wallets.
#[must_use]
pub fn network_account(provider: Provider, mode: Mode) -> Option<NetworkAccountId> {
    let found = ACCOUNTS.iter().find(|(_, network, of)| (*network, *of) == (provider, mode));
    found.map(|(id, _, _)| *id)
}

/// The network of an account.
#[must_use]
pub fn network(account: NetworkAccountId) -> Option<Provider> {
    let found = ACCOUNTS.iter().find(|(id, _, _)| *id == account);
    found.map(|(_, network, _)| *network)
}
