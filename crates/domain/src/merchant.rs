//! Merchants, their API keys and the sandbox clock.

use crate::api_enum;
use crate::currency::Currency;
use crate::ids::{ApiKeyId, MerchantId, WalletId};
use crate::names::{FeeBearer, Mode};
use crate::refusal::Refusal;
use crate::time::{Timestamp, seconds};
use crate::wallet::{self, Owner};
use crate::workspace::{Stop, Row, Workspace};

api_enum! {
    /// The legal form of a merchant.
    MerchantType {
        /// A firm.
        Organization = "ORGANIZATION",
        /// A small one.
        MicroOrganization = "MICRO_ORGANIZATION",
    }
}

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Merchant {
    /// Its id.
    pub id: MerchantId,
    /// Its name.
    pub name: String,
    /// Its legal form.
    pub kind: MerchantType,
    /// Whether its money is real.
    pub mode: Mode,
    /// Its phone, unique within its mode: transfers find it by that.
    pub phone: Option<String>,
    /// Its email.
    pub email: Option<String>,
    /// Whether it may pay out, transfer and refund.
    pub verified: bool,
    /// The name of its fee tier.
    pub fee_tier: String,
    /// Server time at which it was given that tier; `None` for the one that it came with.
    pub fee_tier_assigned_at: Option<Timestamp>,
    /// Who bears the fees of its checkouts.
    pub fee_bearer: FeeBearer,
    /// Server time from which it may be told of as many recipients of transfers as ever.
    pub recipients_full_at: Option<Timestamp>,
    /// How far its sandbox clock is ahead, in microseconds; zero for a live merchant.
    pub clock_offset_us: i64,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time.
    pub updated_at: Timestamp,
}

impl Merchant {
    /// The merchant's own time.
    #[must_use]
    pub const fn time(&self, now: Timestamp) -> Timestamp {
        now.plus(self.clock_offset_us)
    }
}

impl Row for Merchant {
    type Id = MerchantId;
    type AltKey = (Mode, String);

    fn id(&self) -> MerchantId {
        self.id
    }

    fn alt_key(&self) -> Option<(Mode, String)> {
        self.phone.clone().map(|phone| (self.mode, phone))
    }
}

/// A pair of client id and client secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// The public half.
    pub client_id: String,
    /// SHA-256 of the secret half, in hexadecimal.
    pub secret_hash: String,
    /// Server time.
    pub created_at: Timestamp,
    /// Server time; set once.
    pub revoked_at: Option<Timestamp>,
}

impl Row for ApiKey {
    type Id = ApiKeyId;
    type AltKey = String;
    const AUTHORIZES: bool = true;

    fn id(&self) -> ApiKeyId {
        self.id
    }

    fn alt_key(&self) -> Option<String> {
        Some(self.client_id.clone())
    }
}

/// The most that the sandbox clock moves in one call, in seconds: 366 days.
pub const MAX_ADVANCE_SECONDS: i64 = 31_622_400;
/// The most that it is ahead in all: times of requests end in the year 9999, and queries add to it.
pub const MAX_AHEAD_YEARS: i64 = 100;

/// What is needed to make a merchant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMerchant {
    /// Its name.
    pub name: String,
    /// Its legal form.
    pub kind: MerchantType,
    /// Whether its money is real.
    pub mode: Mode,
    /// Its phone.
    pub phone: Option<String>,
    /// Its email.
    pub email: Option<String>,
    /// Whether it may pay out, transfer and refund.
    pub verified: bool,
    /// The public half of its first API key.
    pub client_id: String,
    /// SHA-256 of the secret half, in hexadecimal.
    pub secret_hash: String,
    /// The currencies to open wallets in.
    pub currencies: Vec<Currency>,
}

/// Makes a merchant with one API key and its wallets.
///
/// # Errors
/// [`Refusal::PhoneTaken`].
pub fn create(new: &NewMerchant, work: &mut Workspace, now: Timestamp) -> Result<(Merchant, Vec<(WalletId, Currency)>), Stop> {
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
        created_at: now,
        updated_at: now,
    };
    work.put(merchant.clone());
    let mut wallets = Vec::new();
    for currency in &new.currencies {
        let wallet = wallet::open(work, merchant.id, Owner::Merchant(merchant.id), *currency, now)?;
        wallets.push((wallet.id, *currency));
    }
    add_key(work, merchant.id, &new.client_id, &new.secret_hash, now)?;
    Ok((merchant, wallets))
}

/// What an operator sets of a merchant. `None` leaves it as it is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MerchantChanges {
    /// Whether it may pay out, transfer and refund.
    pub verified: Option<bool>,
    /// The name of its fee tier.
    pub fee_tier: Option<String>,
    /// Who bears the fees of its checkouts.
    pub fee_bearer: Option<FeeBearer>,
}

/// Changes a merchant. It holds for what is decided from now on; what is under way ends as it began.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::NoTier`].
pub fn change(id: MerchantId, changes: &MerchantChanges, work: &mut Workspace, now: Timestamp) -> Result<Merchant, Stop> {
    let mut merchant = (*work.get::<Merchant>(id)?.ok_or(Refusal::NotFound)?).clone();
    if let Some(tier) = changes.fee_tier.as_ref().filter(|tier| **tier != merchant.fee_tier) {
        if work.tariff.tier(tier).is_none() {
            return Err(Refusal::NoTier.into());
        }
        merchant.fee_tier.clone_from(tier);
        merchant.fee_tier_assigned_at = Some(now);
    }
    merchant.verified = changes.verified.unwrap_or(merchant.verified);
    merchant.fee_bearer = changes.fee_bearer.unwrap_or(merchant.fee_bearer);
    // Written be it the same: a row that another process changes meanwhile is then locked, and read again.
    merchant.updated_at = now;
    work.put(merchant.clone());
    Ok(merchant)
}

/// Adds an API key to a merchant.
///
/// # Errors
/// [`Refusal::NotFound`].
pub fn create_key(
    id: MerchantId,
    client_id: &str,
    secret_hash: &str,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<ApiKey, Stop> {
    let merchant = work.get::<Merchant>(id)?.ok_or(Refusal::NotFound)?;
    add_key(work, merchant.id, client_id, secret_hash, now)
}

/// Revokes an API key, be it the merchant's last: the operator can make another. Once more changes nothing.
///
/// # Errors
/// [`Refusal::NotFound`].
pub fn revoke_key(merchant_id: MerchantId, id: ApiKeyId, work: &mut Workspace, now: Timestamp) -> Result<ApiKey, Stop> {
    let found = work.get::<ApiKey>(id)?.filter(|key| key.merchant_id == merchant_id);
    let mut key = (*found.ok_or(Refusal::NotFound)?).clone();
    if key.revoked_at.is_none() {
        key.revoked_at = Some(now);
        work.put(key.clone());
    }
    Ok(key)
}

fn add_key(
    work: &mut Workspace,
    merchant_id: MerchantId,
    client_id: &str,
    secret_hash: &str,
    now: Timestamp,
) -> Result<ApiKey, Stop> {
    if work.find::<ApiKey>(&client_id.to_owned())?.is_some() {
        return Err(Stop::Inconsistent("a client id was drawn twice".to_owned()));
    }
    let key = ApiKey {
        id: ApiKeyId(work.new_id()?),
        merchant_id,
        client_id: client_id.to_owned(),
        secret_hash: secret_hash.to_owned(),
        created_at: now,
        revoked_at: None,
    };
    work.put(key.clone());
    Ok(key)
}

/// Moves the sandbox clock forward. What waits for a provider waits by that clock, so that nothing else has to be written.
///
/// # Errors
/// [`Refusal::NotFound`] for a live merchant, [`Refusal::ClockFar`].
pub fn advance_clock(id: MerchantId, by_seconds: i64, work: &mut Workspace, now: Timestamp) -> Result<Timestamp, Stop> {
    let merchant = work.require::<Merchant>(id)?;
    if merchant.mode != Mode::Sandbox {
        return Err(Refusal::NotFound.into());
    }
    let mut merchant = (*merchant).clone();
    merchant.clock_offset_us = merchant.clock_offset_us.saturating_add(seconds(by_seconds.clamp(0, MAX_ADVANCE_SECONDS)));
    if merchant.clock_offset_us > seconds(MAX_AHEAD_YEARS * MAX_ADVANCE_SECONDS) {
        return Err(Refusal::ClockFar { years: MAX_AHEAD_YEARS }.into());
    }
    merchant.updated_at = now;
    let time = merchant.time(now);
    work.put(merchant);
    Ok(time)
}
