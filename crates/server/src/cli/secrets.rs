//! `kola secrets`: the key that the secrets of network accounts and webhooks are encrypted with.

use std::path::PathBuf;

use anyhow::Context;
use clap::Subcommand;
use domain::network_accounts::secret::ResealSecrets;
use domain::people::user::SealedTotp;
use serde_json::json;

use crate::cli::{Target, output};
use crate::credentials::sealing::SealingKey;
use store::clock;

#[derive(Subcommand)]
pub enum Secrets {
    /// Make a new key in a file that is not there yet, readable for its owner only. Keep a copy of it
    /// apart from the backups of the database: without it the secrets are lost.
    InitKey {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Encrypt all secrets with another key. Running servers must be started again with it.
    Rekey {
        /// The file with the new key, from `kola secrets init-key`.
        #[arg(value_name = "NEW_FILE")]
        new: PathBuf,
    },
}

impl Secrets {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::InitKey { file } => {
                SealingKey::make(&file)?;
                let id = SealingKey::read(&file)?.id().to_owned();
                let text = format!(
                    "key {id} in {}: keep a copy of it apart from the database's backups",
                    file.display()
                );
                output::done(&json!({ "key_id": id, "file": file }), &text)
            }
            Self::Rekey { new } => {
                let secrets = target
                    .read_existing(async |reads| reads.for_system().network_secrets().await)?;
                let tariff = target.read(async |reads| reads.for_system().tariff().await)?;
                let (old, new) = (target.secrets_key().read(false)?, SealingKey::read(&new)?);
                let mut resealed = vec![];
                for secret in &secrets {
                    let account = tariff
                        .network_account(secret.network_account_id)
                        .with_context(|| format!("secret {} has no account", secret.id))?;
                    let token = account.callback_token.as_deref().unwrap_or_default();
                    let text = old.open(account, secret)?;
                    resealed.push((secret.id, new.seal(token, secret.kind, &text)?));
                }
                let webhooks = target.read(async |reads| {
                    reads.for_system().webhook_secrets_after(clock::now()).await
                })?;
                let mut webhook_secrets = vec![];
                for secret in &webhooks {
                    let text = old.open_webhook(secret)?;
                    let sealed = new.seal_webhook(secret.merchant_id, secret.signing, &text)?;
                    webhook_secrets.push((secret.id, sealed));
                }
                let mut totp = vec![];
                for user in target.read(async |reads| reads.users().await)? {
                    let reseal =
                        |kept: &SealedTotp| new.seal_totp(user.id, &old.open_totp(user.id, kept)?);
                    let secret = user.totp.as_ref().map(|totp| reseal(&totp.secret)).transpose()?;
                    let pending = user.pending_totp.as_ref().map(reseal).transpose()?;
                    if secret.is_some() || pending.is_some() {
                        totp.push((user.id, secret, pending));
                    }
                }
                let stored = target.read(async |reads| reads.for_system().chain_keys().await)?;
                let mut link_keys = vec![];
                for key in &stored {
                    let opened = old.open_link_key(key)?;
                    link_keys.push((Some(key.id), new.seal_link_key(&key.key_id, &opened)?));
                }
                if old.id() != new.id() && stored.iter().all(|key| key.key_id != old.id()) {
                    link_keys.push((None, new.seal_link_key(old.id(), old.link_key())?));
                }
                let count = resealed.len() + webhook_secrets.len() + totp.len();
                target.run_once(ResealSecrets {
                    secrets: resealed,
                    webhook_secrets,
                    totp,
                    link_keys,
                })?;
                let text = format!(
                    "{count} secrets are encrypted with the key {} now: give its file as \
                     --secrets-key-file, or put it in the place of the old one",
                    new.id()
                );
                output::done(&json!({ "secrets": count, "key_id": new.id() }), &text)
            }
        }
    }
}
