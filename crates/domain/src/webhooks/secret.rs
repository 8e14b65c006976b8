//! What deliveries are signed with. Decisions see it sealed only.

use crate::decision::row::rows_without_alt_key;
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{MerchantId, WebhookEndpointId, WebhookSecretId};
use crate::kernel::time::ServerTime;
use crate::webhooks::endpoint::{Signing, WebhookEndpoint};

/// At most so many secrets of an endpoint hold at the same time.
pub const SECRETS_MAX: usize = 5;

/// A secret of an endpoint. While several hold, each signs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookSecret {
    pub id: WebhookSecretId,
    pub merchant_id: MerchantId,
    pub endpoint_id: WebhookEndpointId,
    pub signing: Signing,
    /// Encrypted, in Base64.
    pub sealed: String,
    /// Names the key that it is encrypted with.
    pub key_id: String,
    pub created_at: ServerTime,
    /// When it ends; `None` for the one that was made last.
    pub expires_at: Option<ServerTime>,
}

rows_without_alt_key!(WebhookSecret: WebhookSecretId);

impl WebhookSecret {
    /// Whether it signs at that time.
    #[must_use]
    pub fn holds(&self, now: ServerTime) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// A secret that was drawn and encrypted by the caller.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewWebhookSecret {
    pub signing: Signing,
    pub sealed: String,
    pub key_id: String,
}

pub(super) fn put(
    endpoint: &WebhookEndpoint,
    new: &NewWebhookSecret,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<(), Stop> {
    let id = WebhookSecretId(work.new_id()?);
    let NewWebhookSecret { signing, sealed, key_id } = new.clone();
    work.put(WebhookSecret {
        id,
        merchant_id: endpoint.merchant_id,
        endpoint_id: endpoint.id,
        signing,
        sealed,
        key_id,
        created_at: now,
        expires_at: None,
    });
    Ok(())
}
