//! The page on which an invoice or order is shown and paid.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::ids::{CheckoutConfigId, MerchantId, SourceId};
use crate::kernel::time::MerchantTime;
use crate::kernel::uuids::Fingerprint;

api_enum! {
    /// Who shows the checkout page to the payer.
    PageMode {
        /// kola shows its own page.
        Hosted = "HOSTED",
        /// The merchant shows a page of its own.
        Direct = "DIRECT",
    }
}

/// The mode of a page that nobody configured.
pub const HOSTED_PAGE: &str = PageMode::Hosted.as_str();

/// The secret in the URL of a page. Whoever has it may see the page and pay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageToken(pub String);

impl PageToken {
    /// What the page is looked up by. How long a look-up takes then says nothing about how much of a
    /// guessed token is right.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&[self.0.as_bytes()])
    }
}

/// The page on which an invoice or order is shown and paid. A source has at most one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckoutConfig {
    pub id: CheckoutConfigId,
    pub merchant_id: MerchantId,
    pub source_id: SourceId,
    /// The name of a [`PageMode`]; earlier versions accepted any text.
    pub mode: String,
    /// Where the payer is redirected after the payment.
    pub success_url: Option<String>,
    /// Where the payer is redirected after giving up.
    pub cancel_url: Option<String>,
    /// Merchant time from which the page accepts no payment; `None` for no limit.
    pub expires_at: Option<MerchantTime>,
    pub token: PageToken,
    pub created_at: MerchantTime,
    /// The token of a second page, made when a link was requested after this page expired. It
    /// accepts payments without limit.
    pub link_token: Option<PageToken>,
    /// When the second page was made, merchant time.
    pub linked_at: Option<MerchantTime>,
}

impl CheckoutConfig {
    /// Merchant time until which sessions for the source may be used; `None` for no limit.
    #[must_use]
    pub const fn payable_until(&self) -> Option<MerchantTime> {
        if self.link_token.is_some() { None } else { self.expires_at }
    }

    /// Whether none of its pages accepts payments any more.
    #[must_use]
    pub fn is_expired(&self, time: MerchantTime) -> bool {
        self.payable_until().is_some_and(|end| end <= time)
    }

    /// The token of the page that a payment link leads to.
    #[must_use]
    pub const fn current_token(&self) -> &PageToken {
        match &self.link_token {
            Some(token) => token,
            None => &self.token,
        }
    }

    /// The page that `token` leads to: the second page has no expiry and no redirects.
    #[must_use]
    pub fn as_seen_with_token(self, token: &PageToken) -> Self {
        if self.link_token.as_ref() == Some(token) {
            Self {
                expires_at: None,
                success_url: None,
                cancel_url: None,
                token: token.clone(),
                ..self
            }
        } else {
            self
        }
    }
}

impl Row for CheckoutConfig {
    type Id = CheckoutConfigId;
    type AltKey = SourceId;

    fn id(&self) -> CheckoutConfigId {
        self.id
    }

    fn alt_key(&self) -> Option<SourceId> {
        Some(self.source_id)
    }
}
