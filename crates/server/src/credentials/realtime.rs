//! What a realtime client shows: a key that says whose server it may connect to, and a token that
//! opens the channel of one payment.

use domain::kernel::ids::{MerchantId, SessionId, SigningKeyId};
use domain::kernel::time::{ServerTime, seconds};
use domain::kernel::uuids::{ReferenceId, Uuid};
use serde::{Deserialize, Serialize};

use crate::credentials::purpose::{Purpose, TokenClaims};
use crate::credentials::tokens::{SigningError, Tokens};
use store::StoreError;
use store::reads::scope::SystemReads;
use store::reads::watched::WatchedPayment;

/// The lifetime of a payment's token, in seconds.
pub const TOKEN_SECONDS: i64 = 3_600;
/// The role of everybody's key.
const ANON: &str = "anon";

/// The claims of a payment's token.
#[derive(Serialize, Deserialize)]
pub(super) struct PaymentClaims {
    /// The channel: `payment-intent:{session_id}:{reference_id}`.
    sub: String,
    /// The role under which a realtime client joins.
    role: String,
    /// The same as the subject.
    channel: String,
    merchant_id: i64,
    session_id: i64,
    reference_id: String,
    /// Seconds since 1970.
    iat: i64,
    /// Seconds since 1970.
    exp: i64,
}

impl TokenClaims for PaymentClaims {
    const PURPOSE: Purpose = Purpose::Realtime;
}

/// The claims of everybody's key. It has no end of its own.
#[derive(Serialize, Deserialize)]
pub(super) struct AnonClaims {
    role: String,
    /// Seconds since 1970.
    iat: i64,
}

impl TokenClaims for AnonClaims {
    const PURPOSE: Purpose = Purpose::Anon;
}

/// What a payment's token opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PaymentToken {
    pub payment: WatchedPayment,
    pub signing_key: SigningKeyId,
    pub until: ServerTime,
}

/// The name of the channel of a payment.
#[must_use]
pub fn channel_of(payment: WatchedPayment) -> String {
    format!("payment-intent:{}:{}", payment.session_id, payment.reference_id)
}

/// A token for one payment, for an hour.
///
/// # Errors
/// [`SigningError`].
pub fn payment_token(
    tokens: &Tokens,
    payment: WatchedPayment,
    now: ServerTime,
) -> Result<String, SigningError> {
    let channel = channel_of(payment);
    let iat = now.whole_seconds();
    tokens.sign(&PaymentClaims {
        sub: channel.clone(),
        role: "authenticated".to_owned(),
        channel,
        merchant_id: payment.merchant_id.0,
        session_id: payment.session_id.0,
        reference_id: payment.reference_id.to_string(),
        iat,
        exp: iat.saturating_add(TOKEN_SECONDS),
    })
}

/// Reads a payment's token, which may have ended.
///
/// # Errors
/// [`StoreError`].
pub async fn read_payment_token(
    tokens: &Tokens,
    token: &str,
    now: ServerTime,
    reads: SystemReads<'_>,
) -> Result<Option<PaymentToken>, StoreError> {
    let found = tokens.claims::<PaymentClaims>(token, now, reads).await?;
    Ok(found.and_then(|(signing_key, claims)| {
        let payment = WatchedPayment {
            merchant_id: MerchantId(claims.merchant_id),
            session_id: SessionId(claims.session_id),
            reference_id: ReferenceId(Uuid::parse_str(&claims.reference_id).ok()?),
        };
        let until = ServerTime(claims.exp.checked_mul(seconds(1))?);
        Some(PaymentToken { payment, signing_key, until })
    }))
}

/// Everybody's key.
///
/// # Errors
/// [`SigningError`].
pub fn anon_key(tokens: &Tokens, now: ServerTime) -> Result<String, SigningError> {
    tokens.sign(&AnonClaims { role: ANON.to_owned(), iat: now.whole_seconds() })
}

/// Reads everybody's key: the key that signed it, with which it ends.
///
/// # Errors
/// [`StoreError`].
pub async fn read_anon_key(
    tokens: &Tokens,
    key: &str,
    now: ServerTime,
    reads: SystemReads<'_>,
) -> Result<Option<SigningKeyId>, StoreError> {
    let found = tokens.claims::<AnonClaims>(key, now, reads).await?;
    Ok(found.filter(|(_, claims)| claims.role == ANON).map(|(signing_key, _)| signing_key))
}
