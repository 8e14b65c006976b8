//! Secrets of network accounts at rest: encrypted and authenticated with a key that is not in the
//! database.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::kernel::ids::{MerchantId, UserId};
use domain::ledger::batch_chain::{ChainKey, SealedLinkKey};
use domain::network_accounts::account::NetworkAccount;
use domain::network_accounts::secret::{NetworkSecret, SealedSecret, SecretKind};
use domain::people::user::SealedTotp;
use domain::webhooks::endpoint::Signing;
use domain::webhooks::secret::{NewWebhookSecret, WebhookSecret};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use store::chain::{LinkKey, LinkKeys};
use store::hex::{hex, unhex};
use store::reads::Queries;
use store::{StoreError, clock, small_file};

/// The key that secrets are encrypted with: 32 bytes in a file, in hexadecimal.
pub struct SealingKey {
    id: String,
    key: LessSafeKey,
    /// What links of the chain of batches are made with. It tells nothing of the key itself.
    link_key: LinkKey,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

/// Where the key is, and where it may be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyFile {
    /// Beside an SQLite database. The first secret makes it.
    BesideDatabase(PathBuf),
    /// Named by a setting.
    Given(PathBuf),
    /// PostgreSQL, without the setting.
    Unknown,
}

/// Where the key is expected, for whoever runs the server.
impl fmt::Display for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BesideDatabase(path) | Self::Given(path) => write!(f, "{}", path.display()),
            Self::Unknown => f.write_str(
                "the file of --secrets-key-file or KOLA_SECRETS_KEY_FILE, which is not given",
            ),
        }
    }
}

/// What to say where there is no key.
pub const NO_KEY_FILE: &str = "the secrets of network accounts and webhooks are encrypted with a key that is not in the database: make one with \
     `kola secrets init-key FILE`, and give FILE as --secrets-key-file or KOLA_SECRETS_KEY_FILE";

impl KeyFile {
    /// Reads the key, if there is one: `None` where no file is named, and where none was made beside
    /// an SQLite database.
    ///
    /// # Errors
    /// The file cannot be read, or has no key.
    pub fn read_if_there(&self) -> anyhow::Result<Option<SealingKey>> {
        match self {
            Self::Unknown => Ok(None),
            Self::BesideDatabase(path) if !path.exists() => Ok(None),
            Self::Given(_) | Self::BesideDatabase(_) => self.read(false).map(Some),
        }
    }

    /// Reads the key. With `make`, a key beside an SQLite database is made where there is none.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn read(&self, make: bool) -> anyhow::Result<SealingKey> {
        match self {
            Self::Unknown => bail!(NO_KEY_FILE),
            Self::Given(path) => SealingKey::read(path),
            Self::BesideDatabase(path) => {
                if make && !path.exists() {
                    SealingKey::make(path)?;
                    tracing::warn!(
                        file = %path.display(),
                        "made the key that secrets and the codes of phones are encrypted with: \
                         back it up apart from the database, which is of no use for logins without it"
                    );
                }
                SealingKey::read(path)
            }
        }
    }
}

/// What to say where the key in a file is not the one that the secrets of phones are encrypted with.
#[must_use]
pub fn another_key(file: &KeyFile, key: &SealingKey, expected: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "{file} has the secrets key {}, and the codes of phones are encrypted with the key {expected}",
        key.id
    )
}

/// Says in the log, when a server starts, that its key is missing or is another one, and what does not
/// work without it.
///
/// # Errors
/// The database cannot be read.
pub async fn check_at_start(queries: &Queries, file: &KeyFile) -> Result<(), StoreError> {
    let reads = queries.for_system();
    if !reads.has_sealed_secrets().await? {
        if let Err(cause) = file.read_if_there() {
            tracing::error!(
                cause = format!("{cause:#}"),
                "the secrets key cannot be read: until it can, no webhook endpoint, no network account and no \
                 code of a phone is made, and the ledger's batches are not chained"
            );
        }
        return Ok(());
    }
    let cause = match (file.read(false), reads.key_of_codes().await?) {
        (Err(error), _) => error,
        (Ok(key), Some(expected)) if expected != key.id() => another_key(file, &key, &expected),
        (Ok(_), _) => return Ok(()),
    };
    tracing::error!(
        expected = %file,
        cause = format!("{cause:#}"),
        "the secrets key is missing: nobody logs in with a code of a phone, and webhooks are not signed. \
         Put the file of the key back, which is kept apart from the backups of the database; a new key \
         opens nothing that is there"
    );
    Ok(())
}

/// The largest file that is read for a key, which is a line.
const KEY_FILE_MAX: u64 = 4 << 10;

impl SealingKey {
    /// Makes a new key in a file that must not exist yet, readable for its owner only.
    ///
    /// # Errors
    /// The file is there already or cannot be written.
    pub fn make(path: &Path) -> anyhow::Result<()> {
        let text = format!("{}\n", hex(&clock::random::<32>()?));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = match options.open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("{} is there already: a key is never overwritten", path.display())
            }
            opened => opened.with_context(|| format!("cannot make {}", path.display()))?,
        };
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| format!("cannot write {}", path.display()))?;
        // The name is on disk, too, before anything is encrypted with the key.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .with_context(|| format!("cannot write the folder of {}", path.display()))
    }

    /// Reads the key in a file.
    ///
    /// # Errors
    /// The file cannot be read or has no key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = small_file::read_text(path, KEY_FILE_MAX)
            .with_context(|| format!("cannot read the secrets key {}", path.display()))?;
        let bytes: [u8; 32] = unhex(text.trim())
            .with_context(|| format!("{} has no key of 64 hexadecimal digits", path.display()))?;
        Self::new(&bytes)
    }

    fn new(bytes: &[u8; 32]) -> anyhow::Result<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes)
            .map_err(|_| anyhow::anyhow!("a key of another length"))?;
        let digest = Sha256::new().chain_update(b"kola secrets key id").chain_update(bytes);
        let digest = digest.finalize();
        let id = hex(digest.get(..4).unwrap_or_default());
        let link_key = Sha256::new().chain_update(b"kola chain of batches").chain_update(bytes);
        Ok(Self { id, key: LessSafeKey::new(key), link_key: link_key.finalize().into() })
    }

    /// What links of the chain of batches are made with.
    #[must_use]
    pub const fn link_key(&self) -> &LinkKey {
        &self.link_key
    }

    /// Encrypts a key of links, derived from the secrets key with this name.
    ///
    /// # Errors
    /// No random numbers.
    pub fn seal_link_key(&self, key_id: &str, key: &LinkKey) -> anyhow::Result<SealedLinkKey> {
        let sealed = self.encrypt(bound_to_link_key(key_id), &hex(key))?;
        Ok(SealedLinkKey { key_id: key_id.to_owned(), sealed, sealed_key_id: self.id.clone() })
    }

    /// Decrypts a key of links.
    ///
    /// # Errors
    /// It was encrypted with another key, or changed since.
    pub fn open_link_key(&self, key: &ChainKey) -> anyhow::Result<LinkKey> {
        let what = format!("the key {} of links", key.key_id);
        let bound = bound_to_link_key(&key.key_id);
        let text = self.decrypt(&what, bound, &key.sealed_key_id, &key.sealed)?;
        unhex(&text).with_context(|| format!("{what} was changed"))
    }

    /// The keys of all links: this one's and those of before, as they are stored. One that this key
    /// does not decrypt is left out.
    #[must_use]
    pub fn link_keys(&self, stored: &[ChainKey]) -> LinkKeys {
        let opened = stored.iter().filter_map(|key| {
            let opened = self.open_link_key(key).inspect_err(|error| tracing::warn!("{error:#}"));
            Some((key.key_id.clone(), opened.ok()?))
        });
        opened.chain([(self.id.clone(), self.link_key)]).collect()
    }

    /// Names the key; it tells nothing of it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Encrypts a secret of the account with this callback token.
    ///
    /// # Errors
    /// No random numbers.
    pub fn seal(
        &self,
        callback_token: &str,
        kind: SecretKind,
        secret: &str,
    ) -> anyhow::Result<SealedSecret> {
        let sealed = self.encrypt(bound_to(callback_token, kind), secret)?;
        Ok(SealedSecret { kind, sealed, key_id: self.id.clone() })
    }

    /// Encrypts a secret that a merchant's webhooks are signed with.
    ///
    /// # Errors
    /// No random numbers.
    pub fn seal_webhook(
        &self,
        merchant: MerchantId,
        signing: Signing,
        secret: &str,
    ) -> anyhow::Result<NewWebhookSecret> {
        let sealed = self.encrypt(bound_to_merchant(merchant, signing), secret)?;
        Ok(NewWebhookSecret { signing, sealed, key_id: self.id.clone() })
    }

    /// Decrypts a secret of a webhook endpoint.
    ///
    /// # Errors
    /// It was encrypted with another key, for another merchant, or changed since.
    pub fn open_webhook(&self, secret: &WebhookSecret) -> anyhow::Result<String> {
        let what = format!("a secret of the webhook endpoint {}", secret.endpoint_id);
        let bound = bound_to_merchant(secret.merchant_id, secret.signing);
        self.decrypt(&what, bound, &secret.key_id, &secret.sealed)
    }

    /// Encrypts the secret of a person's phone.
    ///
    /// # Errors
    /// No random numbers.
    pub fn seal_totp(&self, user: UserId, secret: &str) -> anyhow::Result<SealedTotp> {
        let sealed = self.encrypt(bound_to_user(user), secret)?;
        Ok(SealedTotp { sealed, key_id: self.id.clone() })
    }

    /// Decrypts the secret of a person's phone.
    ///
    /// # Errors
    /// It was encrypted with another key, for another person, or changed since.
    pub fn open_totp(&self, user: UserId, totp: &SealedTotp) -> anyhow::Result<String> {
        let what = format!("the second factor of user {user}");
        self.decrypt(&what, bound_to_user(user), &totp.key_id, &totp.sealed)
    }

    fn encrypt(&self, bound: String, secret: &str) -> anyhow::Result<String> {
        let nonce: [u8; NONCE_LEN] = clock::random()?;
        let mut bytes = secret.as_bytes().to_vec();
        let (nonce_of_key, bound) = (Nonce::assume_unique_for_key(nonce), Aad::from(bound));
        self.key
            .seal_in_place_append_tag(nonce_of_key, bound, &mut bytes)
            .map_err(|_| anyhow::anyhow!("the secret cannot be encrypted"))?;
        Ok(BASE64.encode([nonce.as_slice(), &bytes].concat()))
    }

    /// Decrypts a secret of an account.
    ///
    /// # Errors
    /// It was encrypted with another key, for another account or kind, or changed since.
    pub fn open(&self, account: &NetworkAccount, secret: &NetworkSecret) -> anyhow::Result<String> {
        let what = format!("a {} of the network account {}", secret.kind, account.name);
        let bound = bound_to(account.callback_token.as_deref().unwrap_or_default(), secret.kind);
        self.decrypt(&what, bound, &secret.key_id, &secret.sealed)
    }

    fn decrypt(
        &self,
        what: &str,
        bound: String,
        key_id: &str,
        sealed: &str,
    ) -> anyhow::Result<String> {
        if key_id != self.id {
            bail!("{what} is encrypted with the secrets key {key_id}, and this one is {}", self.id);
        }
        let unusable = || format!("{what} was changed");
        let bytes = BASE64.decode(sealed).with_context(unusable)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).with_context(unusable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce)
            .map_err(|_| anyhow::anyhow!("no nonce"))
            .with_context(unusable)?;
        let mut sealed = sealed.to_vec();
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(bound), &mut sealed)
            .map_err(|_| anyhow::anyhow!("it does not decrypt"))
            .with_context(unusable)?;
        String::from_utf8(opened.to_vec()).with_context(unusable)
    }
}

/// What a key of links is encrypted for.
fn bound_to_link_key(key_id: &str) -> String {
    format!("chain_keys sealed {key_id}")
}

/// What the secret of a phone is encrypted for: it is nobody else's.
fn bound_to_user(user: UserId) -> String {
    format!("users totp {user}")
}

/// What a secret of a webhook endpoint is encrypted for. The merchant stands for the endpoint, which
/// has no id yet when its secret is drawn.
fn bound_to_merchant(merchant: MerchantId, signing: Signing) -> String {
    format!("webhook_secrets sealed {merchant} {signing}")
}

/// What a secret is encrypted for: it cannot be moved to another account or another kind. The token
/// stands for the account, because it is drawn before the account has an id and never changes.
fn bound_to(callback_token: &str, kind: SecretKind) -> String {
    format!("network_secrets sealed {callback_token} {kind}")
}

#[cfg(test)]
mod tests {
    use domain::kernel::ids::{ChainKeyId, NetworkAccountId, NetworkSecretId};
    use domain::kernel::names::{Mode, Provider};
    use domain::kernel::time::ServerTime;
    use domain::network_accounts::account::{AccountStatus, Parameters};

    use super::*;

    fn account(token: &str) -> NetworkAccount {
        NetworkAccount {
            id: NetworkAccountId(10),
            network: Provider::PawaPay,
            mode: Mode::Test,
            name: "main".to_owned(),
            base_url: None,
            status: AccountStatus::Active,
            held: false,
            token_refused_at: None,
            restored_at: None,
            signed_callbacks: false,
            parameters: Parameters::Current,
            calls_per_second: 20,
            callback_token: Some(token.to_owned()),
            created_at: ServerTime(0),
            updated_at: ServerTime(0),
        }
    }

    fn row(sealed: SealedSecret) -> NetworkSecret {
        NetworkSecret {
            id: NetworkSecretId(1),
            network_account_id: NetworkAccountId(10),
            kind: sealed.kind,
            sealed: sealed.sealed,
            key_id: sealed.key_id,
            created_at: ServerTime(0),
            retired_at: None,
        }
    }

    #[test]
    fn a_secret_opens_for_its_own_account_and_kind_only() {
        let key = SealingKey::new(&[7; 32]).unwrap();
        let sealed = key.seal("t1", SecretKind::Token, "pawapay token").unwrap();
        assert!(!sealed.sealed.contains("pawapay"));
        let again = key.seal("t1", SecretKind::Token, "pawapay token").unwrap();
        assert_ne!(sealed.sealed, again.sealed);
        let secret = row(sealed);
        assert_eq!(key.open(&account("t1"), &secret).unwrap(), "pawapay token");
        assert!(key.open(&account("t2"), &secret).is_err());
        let other_kind = NetworkSecret { kind: SecretKind::SecretKey, ..secret.clone() };
        assert!(key.open(&account("t1"), &other_kind).is_err());
        let other_key = SealingKey::new(&[8; 32]).unwrap();
        let error = other_key.open(&account("t1"), &secret).unwrap_err().to_string();
        assert!(error.contains(key.id()) && error.contains(other_key.id()), "{error}");
        for at in [0, 20, secret.sealed.len() - 1] {
            let mut sealed = secret.sealed.clone().into_bytes();
            sealed[at] = if sealed[at] == b'A' { b'B' } else { b'A' };
            let sealed = String::from_utf8(sealed).unwrap();
            let changed = NetworkSecret { sealed, ..secret.clone() };
            assert!(key.open(&account("t1"), &changed).is_err(), "{at}");
        }
    }

    #[test]
    fn a_key_of_links_opens_with_the_key_that_it_was_sealed_with() {
        let (old, new) = (SealingKey::new(&[7; 32]).unwrap(), SealingKey::new(&[8; 32]).unwrap());
        assert_ne!(old.link_key(), new.link_key());
        let SealedLinkKey { key_id, sealed, sealed_key_id } =
            new.seal_link_key(old.id(), old.link_key()).unwrap();
        assert!(!sealed.contains(&hex(old.link_key())));
        let stored = ChainKey { id: ChainKeyId(1), key_id, sealed, sealed_key_id };
        let keys = new.link_keys(std::slice::from_ref(&stored));
        assert_eq!(keys.get(old.id()), Some(old.link_key()));
        assert_eq!(keys.get(new.id()), Some(new.link_key()));
        assert!(old.open_link_key(&stored).is_err());
        let renamed = ChainKey { key_id: "other".to_owned(), ..stored };
        assert!(new.open_link_key(&renamed).is_err());
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kola.db.key");
        let file = KeyFile::BesideDatabase(path.clone());
        assert!(file.read(false).is_err());
        let id = file.read(true).unwrap().id().to_owned();
        assert_eq!(file.read(true).unwrap().id(), id);
        assert!(SealingKey::make(&path).unwrap_err().to_string().contains("already"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(&path, "abc\n").unwrap();
        assert!(file.read(true).unwrap_err().to_string().contains("64 hexadecimal"));
        assert!(KeyFile::Unknown.read(true).unwrap_err().to_string().contains("init-key"));
    }
}
