//! Creating and revoking API keys.

use crate::decision::event::{Actor, EventEntity, EventType};
use crate::decision::events;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::{ApiKey, Merchant};
use crate::directory::roles::{Action, Rights};
use crate::kernel::ids::{ApiKeyId, EventId, MerchantId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::payments::approval;

/// Creates an API key for a merchant. Nobody creates one that may do more than they may.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateApiKey {
    pub merchant_id: MerchantId,
    pub client_id: String,
    /// SHA-256 of the client secret, in hexadecimal.
    pub secret_hash: String,
    pub rights: Rights,
}

impl Decision for CreateApiKey {
    type Output = ApiKey;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<ApiKey, Stop> {
        if work.rights().is_some_and(|own| !self.rights.is_within(own)) {
            return Err(Refusal::MoreThanOwn.into());
        }
        let merchant = work.get::<Merchant>(self.merchant_id)?.ok_or(Refusal::NotFound)?;
        let new = (self.client_id.as_str(), self.secret_hash.as_str(), self.rights.clone());
        let key = add_key(merchant.id, new, work, context.now)?;
        record(EventType::ApiKeyCreated, &key, work, context.now)?;
        Ok(key)
    }
}

/// Revokes an API key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RevokeApiKey {
    pub merchant_id: MerchantId,
    pub api_key_id: ApiKeyId,
}

impl Decision for RevokeApiKey {
    type Output = ApiKey;

    fn action(&self) -> Option<Action> {
        Some(Action::ChangeIntegration)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<ApiKey, Stop> {
        revoke(self.merchant_id, self.api_key_id, work, context.now)
    }
}

/// Revokes an API key, even the merchant's last: the operator can create another. Repeating the request
/// changes nothing.
///
/// # Errors
/// [`Refusal::NotFound`].
fn revoke(
    merchant_id: MerchantId,
    id: ApiKeyId,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<ApiKey, Stop> {
    let found = work.get::<ApiKey>(id)?.filter(|key| key.merchant_id == merchant_id);
    let mut key = (*found.ok_or(Refusal::NotFound)?).clone();
    if key.revoked_at.is_none() {
        key.revoked_at = Some(now);
        work.put(key.clone());
        record(EventType::ApiKeyRevoked, &key, work, now)?;
    }
    Ok(key)
}

fn record(
    kind: EventType,
    key: &ApiKey,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<EventId, Stop> {
    events::record(key.merchant_id, kind, (EventEntity::ApiKey, key.id.0), None, work, now)
}

pub(crate) fn add_key(
    merchant_id: MerchantId,
    (client_id, secret_hash, rights): (&str, &str, Rights),
    work: &mut Workspace,
    now: ServerTime,
) -> Result<ApiKey, Stop> {
    if work.find::<ApiKey>(&client_id.to_owned())?.is_some() {
        return Err(Stop::Inconsistent("a client id was drawn twice".to_owned()));
    }
    let made_by = match work.actor() {
        actor @ (Actor::User(_) | Actor::ApiKey(_)) => Some(approval::behind(actor, work)?),
        Actor::Operator | Actor::Network | Actor::System | Actor::Payer => None,
    };
    let key = ApiKey {
        id: ApiKeyId(work.new_id()?),
        merchant_id,
        client_id: client_id.to_owned(),
        secret_hash: secret_hash.to_owned(),
        rights,
        made_by,
        created_at: now,
        revoked_at: None,
        event_count: 0,
    };
    work.put(key.clone());
    Ok(key)
}
