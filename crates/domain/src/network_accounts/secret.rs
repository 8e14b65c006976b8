//! Secrets of network accounts. Decisions see them sealed only.

use crate::api_enum;
use crate::decision::row::rows_without_alt_key;
use crate::decision::use_case::{Context, Decision, LockKey};
use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{ChainKeyId, NetworkAccountId, NetworkSecretId, UserId, WebhookSecretId};
use crate::kernel::names::Provider;
use crate::kernel::time::ServerTime;
use crate::ledger::batch_chain::{ChainKey, SealedLinkKey};
use crate::network_accounts::account::NetworkAccount;
use crate::network_accounts::change_account;
use crate::network_accounts::fault::NetworkAccountFault;
use crate::people::user::{SealedTotp, Totp, User};
use crate::tariff::change::{self, Change};
use crate::webhooks::secret::{NewWebhookSecret, WebhookSecret};

/// A network account has at most so many secrets of a kind that are not retired.
const ACTIVE_MAX: usize = 2;

api_enum! {
    /// What a secret is for.
    SecretKind {
        /// pawaPay: calls are made with it.
        Token = "TOKEN",
        /// Stripe: calls are made with it.
        SecretKey = "SECRET_KEY",
        /// Stripe: what a payer's browser is given.
        PublishableKey = "PUBLISHABLE_KEY",
        /// Stripe: events are signed with it.
        WebhookSecret = "WEBHOOK_SECRET",
        /// pawaPay: requests are signed with it, where the account at pawaPay asks for that. The id
        /// of the key, a line break, and the key as PEM.
        SigningKey = "SIGNING_KEY",
    }
}

impl SecretKind {
    /// The network whose accounts have it.
    #[must_use]
    pub const fn network(self) -> Provider {
        match self {
            Self::Token | Self::SigningKey => Provider::PawaPay,
            Self::SecretKey | Self::PublishableKey | Self::WebhookSecret => Provider::Stripe,
        }
    }

    /// Whether an account works without one: then the last one may be retired.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::SigningKey)
    }

    /// Whether calls are made with it.
    #[must_use]
    pub const fn authorizes_calls(self) -> bool {
        matches!(self, Self::Token | Self::SecretKey | Self::SigningKey)
    }
}

/// A secret of a network account. Of several of a kind the newest is used first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetworkSecret {
    pub id: NetworkSecretId,
    pub network_account_id: NetworkAccountId,
    pub kind: SecretKind,
    /// Encrypted, in Base64.
    pub sealed: String,
    /// Names the key that it is encrypted with.
    pub key_id: String,
    pub created_at: ServerTime,
    /// Since when it is no longer used.
    pub retired_at: Option<ServerTime>,
}

rows_without_alt_key!(NetworkSecret: NetworkSecretId);

/// A secret that was encrypted, with what it is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealedSecret {
    pub kind: SecretKind,
    /// See [`NetworkSecret::sealed`].
    pub sealed: String,
    pub key_id: String,
}

pub(super) fn put(
    account: NetworkAccountId,
    new: &SealedSecret,
    change: &mut Change<'_>,
) -> Result<(), Stop> {
    let id = NetworkSecretId(change.new_id()?);
    let SealedSecret { kind, sealed, key_id } = new.clone();
    let created_at = change.now;
    change.put(NetworkSecret {
        id,
        network_account_id: account,
        kind,
        sealed,
        key_id,
        created_at,
        retired_at: None,
    });
    Ok(())
}

/// Adds a secret to an account. It is used from now on; older ones of the kind stay until they are
/// retired. `active` are those of its kind that are not retired, as the caller has read them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddNetworkSecret {
    pub account_id: NetworkAccountId,
    pub secret: SealedSecret,
    pub active: Vec<NetworkSecretId>,
}

impl Decision for AddNetworkSecret {
    type Output = ();

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        let mut change = Change::begin(work, context.now)?;
        let account = change_account::find(self.account_id, &change)?;
        if account.network != self.secret.kind.network() {
            let fault = NetworkAccountFault::OtherNetwork {
                kind: self.secret.kind,
                network: account.network,
            };
            return Err(fault.into());
        }
        let mut active = 0;
        for id in &self.active {
            let row = change.require::<NetworkSecret>(*id)?;
            active += usize::from(row.retired_at.is_none());
        }
        if active >= ACTIVE_MAX {
            let fault =
                NetworkAccountFault::TooManySecrets { kind: self.secret.kind, max: ACTIVE_MAX };
            return Err(fault.into());
        }
        put(account.id, &self.secret, &mut change)?;
        let note = format!("network account {}: new {}", account.name, self.secret.kind);
        // A new token is tried at once.
        let token_refused_at =
            account.token_refused_at.filter(|_| !self.secret.kind.authorizes_calls());
        change.put_account(NetworkAccount { token_refused_at, ..account })?;
        change.finish(note)
    }
}

/// Retires a secret of an account, which is no longer used. The last one of a kind that the account
/// needs cannot be retired.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetireNetworkSecret {
    pub account_id: NetworkAccountId,
    pub secret_id: NetworkSecretId,
    /// Another secret of the kind that goes on being used, as the caller has read it.
    pub remaining: Option<NetworkSecretId>,
}

impl Decision for RetireNetworkSecret {
    type Output = ();

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        let mut change = Change::begin(work, context.now)?;
        let account = change_account::find(self.account_id, &change)?;
        let found = change.get::<NetworkSecret>(self.secret_id)?;
        let secret = found
            .filter(|secret| secret.network_account_id == account.id)
            .ok_or(NetworkAccountFault::UnknownSecret)?;
        if secret.retired_at.is_some() {
            return Ok(());
        }
        let remains = match self.remaining {
            Some(id) => {
                let other = change.require::<NetworkSecret>(id)?;
                other.retired_at.is_none()
                    && (other.network_account_id, other.kind) == (account.id, secret.kind)
                    && other.id != secret.id
            }
            None => false,
        };
        if !remains && !secret.kind.is_optional() {
            return Err(NetworkAccountFault::LastSecret(secret.kind).into());
        }
        let note = format!("network account {}: {} retired", account.name, secret.kind);
        let retired_at = Some(change.now);
        change.put(NetworkSecret { retired_at, ..secret });
        change.put_account(account)?;
        change.finish(note)
    }
}

/// Replaces secrets by the same ones, encrypted with another key: those of network accounts, and those
/// that webhooks are signed with, and those of phones. The
/// keys of links until now are kept, so that these links can still be checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResealSecrets {
    pub secrets: Vec<(NetworkSecretId, SealedSecret)>,
    pub webhook_secrets: Vec<(WebhookSecretId, NewWebhookSecret)>,
    /// Those of people's phones: of the one that counts, and of the one that is set up.
    pub totp: Vec<(UserId, Option<SealedTotp>, Option<SealedTotp>)>,
    /// The keys that links of the chain of batches were made with until now. Those that are stored
    /// have an id.
    pub link_keys: Vec<(Option<ChainKeyId>, SealedLinkKey)>,
}

impl Decision for ResealSecrets {
    type Output = ();

    fn lock_key(&self) -> Option<LockKey> {
        Some(change::lock_key())
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<(), Stop> {
        let mut change = Change::begin(work, context.now)?;
        for (id, new) in &self.secrets {
            let SealedSecret { sealed, key_id, .. } = new.clone();
            let row = change.require::<NetworkSecret>(*id)?;
            change.put(NetworkSecret { sealed, key_id, ..row });
        }
        for (id, new) in &self.webhook_secrets {
            let NewWebhookSecret { sealed, key_id, .. } = new.clone();
            let row = change.require::<WebhookSecret>(*id)?;
            change.put(WebhookSecret { sealed, key_id, ..row });
        }
        for (id, secret, pending) in &self.totp {
            let row = change.require::<User>(*id)?;
            let totp = row.totp.clone().zip(secret.clone());
            let totp = totp.map(|(totp, secret)| Totp { secret, ..totp });
            change.put(User { totp, pending_totp: pending.clone(), ..row });
        }
        for (id, new) in &self.link_keys {
            let id = match id {
                Some(id) => change.require::<ChainKey>(*id)?.id,
                None => ChainKeyId(change.new_id()?),
            };
            let SealedLinkKey { key_id, sealed, sealed_key_id } = new.clone();
            change.put(ChainKey { id, key_id, sealed, sealed_key_id });
        }
        let count = self.secrets.len() + self.webhook_secrets.len() + self.totp.len();
        change.finish(format!("{count} secrets encrypted with another key"))
    }
}
