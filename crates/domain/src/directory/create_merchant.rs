//! Creating a merchant with its first API key and its wallets.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::api_keys;
use crate::directory::merchant::{Merchant, MerchantType};
use crate::directory::roles::{Action, Rights};
use crate::kernel::currency::Currency;
use crate::kernel::ids::{MerchantId, WalletId};
use crate::kernel::names::{FeeBearer, Mode};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::ledger::open_wallet;
use crate::ledger::wallet::Owner;
use crate::network_accounts::account::BoundAccounts;

/// Creates a merchant with one API key and its wallets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateMerchant {
    pub name: String,
    pub kind: MerchantType,
    /// Whether its money is real.
    pub mode: Mode,
    pub phone: Option<String>,
    pub email: Option<String>,
    /// Whether it may pay out, transfer and refund.
    pub verified: bool,
    /// The client id of its first API key.
    pub client_id: String,
    /// SHA-256 of the client secret, in hexadecimal.
    pub secret_hash: String,
    /// The currencies to open wallets in.
    pub currencies: Vec<Currency>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedMerchant {
    pub merchant: Merchant,
    pub wallets: Vec<(WalletId, Currency)>,
}

impl Decision for CreateMerchant {
    type Output = CreatedMerchant;

    fn action(&self) -> Option<Action> {
        Some(Action::ManageInstallation)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<CreatedMerchant, Stop> {
        create(self, work, context.now)
    }
}

/// # Errors
/// [`Refusal::PhoneTaken`].
fn create(
    new: &CreateMerchant,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<CreatedMerchant, Stop> {
    if let Some(phone) = &new.phone
        && work.find::<Merchant>(&(new.mode, phone.clone()))?.is_some()
    {
        return Err(Refusal::PhoneTaken.into());
    }
    let merchant = Merchant {
        id: MerchantId(work.new_id()?),
        name: new.name.clone(),
        kind: new.kind,
        mode: new.mode,
        phone: new.phone.clone(),
        email: new.email.clone(),
        verified: new.verified,
        fee_tier: work.tariff.default_tier().to_owned(),
        fee_tier_assigned_at: None,
        fee_bearer: FeeBearer::Payer,
        recipients_full_at: None,
        clock_offset_us: 0,
        display_name: None,
        colour: None,
        logo: None,
        network_accounts: BoundAccounts::default(),
        owners: 0,
        created_at: now,
        updated_at: now,
    };
    work.put(merchant.clone());
    let mut wallets = Vec::new();
    for currency in &new.currencies {
        let wallet =
            open_wallet::open(merchant.id, Owner::Merchant(merchant.id), *currency, work, now)?;
        wallets.push((wallet.id, *currency));
    }
    let first = (new.client_id.as_str(), new.secret_hash.as_str(), Rights::ALL);
    api_keys::add_key(merchant.id, first, work, now)?;
    Ok(CreatedMerchant { merchant, wallets })
}
