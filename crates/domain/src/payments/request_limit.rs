//! Limits of what payers may ask for on pages: a request to a phone disturbs whoever has it, and a
//! page must not be a tool to try numbers or cards. They are rows, so that they survive a restart
//! and hold for all processes together.

use crate::api_enum;
use crate::decision::row::Row;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::{MerchantId, RequestLimitId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::MerchantTime;
use crate::kernel::uuids::Fingerprint;
use crate::mutant;
use crate::payments::attempt::MAX_CLOCK_SKEW_US;
use crate::payments::hourly_limit;

api_enum! {
    /// What payments on pages are counted by.
    RequestLimitKind {
        /// The phone that is asked to approve the payment.
        Phone = "PHONE",
        /// The invoice or order.
        Source = "SOURCE",
        /// The address that the request came from.
        Address = "ADDRESS",
    }
}

/// How many payments a merchant's pages begin in an hour. The defaults hold unless the operator sets
/// other values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageLimits {
    pub per_phone: i64,
    pub per_source: i64,
    pub per_address: i64,
}

impl Default for PageLimits {
    fn default() -> Self {
        Self { per_phone: 3, per_source: 10, per_address: 30 }
    }
}

impl PageLimits {
    const fn per_hour(self, kind: RequestLimitKind) -> i64 {
        match kind {
            RequestLimitKind::Phone => self.per_phone,
            RequestLimitKind::Source => self.per_source,
            RequestLimitKind::Address => self.per_address,
        }
    }
}

/// An [hourly limit](hourly_limit), the merchant's own: what one merchant's payers do limits no other merchant's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestLimit {
    pub id: RequestLimitId,
    pub merchant_id: MerchantId,
    pub kind: RequestLimitKind,
    /// What is counted, by its fingerprint: no list of phones and addresses is kept.
    pub subject: Fingerprint,
    /// When the bucket is full again.
    pub full_at: MerchantTime,
}

impl Row for RequestLimit {
    type Id = RequestLimitId;
    type AltKey = (MerchantId, RequestLimitKind, Fingerprint);

    fn id(&self) -> RequestLimitId {
        self.id
    }

    fn alt_key(&self) -> Option<(MerchantId, RequestLimitKind, Fingerprint)> {
        Some((self.merchant_id, self.kind, self.subject))
    }
}

/// Counts one payment against a limit.
///
/// # Errors
/// [`Refusal::TooManyPayments`].
pub(crate) fn count(
    merchant: &Merchant,
    kind: RequestLimitKind,
    text: &str,
    limits: PageLimits,
    work: &mut Workspace,
    time: MerchantTime,
) -> Result<(), Stop> {
    // With the installation, so that the fingerprint of a phone is another one elsewhere.
    let subject = Fingerprint::of(&[&work.installation, kind.as_str().as_bytes(), text.as_bytes()]);
    let found = work.find::<RequestLimit>(&(merchant.id, kind, subject))?;
    let stored = found.as_ref().map(|row| row.full_at.0).filter(|_| !mutant!(LimitForgotten));
    let per_hour = limits.per_hour(kind);
    let full_at = hourly_limit::take(stored, time.0, per_hour, MAX_CLOCK_SKEW_US)
        .map_err(|seconds| Refusal::TooManyPayments { kind, seconds })?;
    let full_at = MerchantTime(full_at);
    let id = match &found {
        Some(row) => row.id,
        None => RequestLimitId(work.new_id()?),
    };
    work.put(RequestLimit { id, merchant_id: merchant.id, kind, subject, full_at });
    Ok(())
}
