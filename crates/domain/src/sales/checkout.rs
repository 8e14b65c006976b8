//! The page on which an invoice or order is shown and paid.

use crate::api_enum;
use crate::decision::row::Row;
use crate::kernel::ids::{CheckoutConfigId, MerchantId, SourceId};
use crate::kernel::time::Timestamp;

api_enum! {
    /// Who shows a checkout to the payer.
    PageMode {
        /// kola's own page.
        Hosted = "HOSTED",
        /// A page of the merchant's.
        Direct = "DIRECT",
    }
}

/// The mode of a page that nobody configured.
pub const HOSTED_PAGE: &str = PageMode::Hosted.as_str();

/// The page on which an invoice or order is shown and paid. A source has one at most.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckoutConfig {
    /// Its id.
    pub id: CheckoutConfigId,
    /// Whose it is.
    pub merchant_id: MerchantId,
    /// Of which invoice or order.
    pub source_id: SourceId,
    /// `HOSTED_PAGE` or `DIRECT`; earlier versions took any text.
    pub mode: String,
    /// Where the payer is sent when it is paid.
    pub success_url: Option<String>,
    /// Where the payer is sent when they give up.
    pub cancel_url: Option<String>,
    /// Merchant time from which the page takes no payment; open when `None`.
    pub expires_at: Option<Timestamp>,
    /// Who has it may see the page.
    pub token: String,
    /// Merchant time.
    pub created_at: Timestamp,
    /// The token of the page that was made when a link was asked for after this one's time: it
    /// takes payments without an end.
    pub link_token: Option<String>,
    /// When that was; merchant time.
    pub linked_at: Option<Timestamp>,
}

impl CheckoutConfig {
    /// The merchant time that still binds what is declared for the source.
    #[must_use]
    pub const fn ends_at(&self) -> Option<Timestamp> {
        if self.link_token.is_some() { None } else { self.expires_at }
    }

    /// Whether nothing can be paid any more on the pages that there are.
    #[must_use]
    pub fn is_over(&self, time: Timestamp) -> bool {
        self.ends_at().is_some_and(|end| end <= time)
    }

    /// The token that a link leads to.
    #[must_use]
    pub fn current_token(&self) -> &str {
        self.link_token.as_deref().unwrap_or(&self.token)
    }

    /// This page as who comes by `token` sees it: the link's has no end and leads nowhere else.
    #[must_use]
    pub fn seen_by(self, token: &str) -> Self {
        if self.link_token.as_deref() == Some(token) {
            Self {
                expires_at: None,
                success_url: None,
                cancel_url: None,
                token: token.to_owned(),
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
