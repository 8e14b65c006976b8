//! The operator's accounts at real networks at the beginning of a run, with what their networks say
//! that they can do.

use domain::kernel::currency::Currency;
use domain::kernel::ids::{NetworkAccountId, OperatorTermsId};
use domain::kernel::names::{Method, Mode, Operation, Provider};
use domain::kernel::time::{ServerTime, minutes};
use domain::network_accounts::account::{AccountStatus, NetworkAccount, Parameters};
use domain::network_accounts::operator_terms::{Availability, OperatorTerms, Terms};

use crate::rng::Rng;
use crate::sim::BEGIN;

/// Two accounts of one network, of which merchants use the first unless they are bound to the other;
/// one for cards; and one with real money.
pub const ACCOUNTS: [(NetworkAccountId, Provider, Mode); 4] = [
    (NetworkAccountId(11), Provider::PawaPay, Mode::Test),
    (NetworkAccountId(12), Provider::PawaPay, Mode::Test),
    (NetworkAccountId(13), Provider::Stripe, Mode::Test),
    (NetworkAccountId(14), Provider::PawaPay, Mode::Live),
];

/// How many calls a second an account makes at first.
pub const CALLS_PER_SECOND: i64 = 20;

/// The second of the two, which operators may close for good.
pub const MAY_BE_CLOSED: NetworkAccountId = NetworkAccountId(12);

/// What pawaPay's operators take, with the largest amount that clients ask for.
const OPERATORS: [(Method, &str, i64); 3] = [
    (Method::MTN_MOMO_LBR, "LRD", 4_000),
    (Method::MTN_MOMO_LBR, "USD", 300),
    (Method::MTN_MOMO_RWA, "RWF", 150),
];

/// The accounts of a run. In some runs a backup was put back before.
pub fn accounts(rng: &mut Rng) -> Vec<NetworkAccount> {
    let restored = rng.chance(250).then(|| rng.below(2));
    let account = |at: usize, id: NetworkAccountId, network, mode| {
        let restored_at = (restored == Some(at)).then_some(ServerTime(BEGIN - minutes(60)));
        NetworkAccount {
            id,
            network,
            mode,
            name: format!("contract {id}"),
            base_url: Some("https://network.example".to_owned()),
            status: AccountStatus::Active,
            held: false,
            token_refused_at: None,
            restored_at,
            signed_callbacks: id != MAY_BE_CLOSED,
            calls_per_second: CALLS_PER_SECOND,
            parameters: Parameters::Current,
            callback_token: None,
            created_at: ServerTime(0),
            updated_at: ServerTime(0),
        }
    };
    let accounts = ACCOUNTS.iter().enumerate();
    accounts.map(|(at, (id, network, mode))| account(at, *id, *network, *mode)).collect()
}

/// The terms of all accounts at pawaPay.
pub fn all_terms(rng: &mut Rng) -> Vec<OperatorTerms> {
    let mut rows = vec![];
    for (account, network, _) in ACCOUNTS {
        if network != Provider::PawaPay {
            continue;
        }
        for terms in terms(200, rng) {
            rows.push(OperatorTerms {
                id: OperatorTermsId(i64::try_from(rows.len()).unwrap_or(0) + 1),
                network_account_id: account,
                terms,
                updated_at: ServerTime(0),
            });
        }
    }
    rows
}

/// What a network says of an account; of `odd` thousandths it is out of the ordinary.
pub fn terms(odd: u32, rng: &mut Rng) -> Vec<Terms> {
    let mut all = vec![];
    for (method, code, most) in OPERATORS {
        let Some(currency) = Currency::parse(code) else { continue };
        for operation in [Operation::Collection, Operation::Payout, Operation::Refund] {
            // An operator that the network does not name.
            if rng.chance(odd / 10) {
                continue;
            }
            let availability = match rng.below(4) {
                0 if rng.chance(odd) => Availability::Closed,
                1 | 2 if rng.chance(odd) => Availability::Delayed,
                _ => Availability::Operational,
            };
            let whole = currency.exponent() > 0 && rng.chance(odd / 10);
            all.push(Terms {
                operator: method.to_string(),
                currency,
                operation,
                availability,
                min_minor: rng.chance(odd).then(|| rng.between(1, 6)),
                max_minor: rng.chance(odd).then(|| rng.between(most / 2, most)),
                decimals: if whole { 0 } else { currency.exponent().into() },
                country: "LBR".to_owned(),
                prefix: "231".to_owned(),
                display_name: "O".to_owned(),
                pin_prompt: None,
            });
        }
    }
    all
}
