//! Creating the page of an invoice or order when its payment link is requested.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::kernel::ids::CheckoutConfigId;
use crate::kernel::time::ServerTime;
use crate::sales::checkout::{CheckoutConfig, HOSTED_PAGE, PageToken};
use crate::sales::find_source::SourceRef;

/// Creates a page for an invoice or order, unless it has one that accepts payments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenCheckoutPage {
    pub source: SourceRef,
    /// The random token of a new page.
    pub token: PageToken,
}

impl Decision for OpenCheckoutPage {
    type Output = CheckoutConfig;

    fn action(&self) -> Option<Action> {
        Some(Action::FollowUp)
    }

    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<CheckoutConfig, Stop> {
        open(self.source, &self.token, work, context.now)
    }
}

/// Stores a page, unless its source has one: then returns that.
pub(crate) fn put_page(
    config: CheckoutConfig,
    work: &mut Workspace,
) -> Result<CheckoutConfig, Stop> {
    if let Some(existing) = work.find::<CheckoutConfig>(&config.source_id)? {
        return Ok((*existing).clone());
    }
    work.put(config.clone());
    Ok(config)
}

/// The page of a source, created with default settings if there is none. Where the checkout's page
/// expired while the source can still be paid, a second page is made: the URL of the first goes on
/// to show that it expired.
///
/// # Errors
/// [`Refusal::NotFound`].
fn open(
    which: SourceRef,
    token: &PageToken,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<CheckoutConfig, Stop> {
    let source = which.existing(work)?;
    let time = work.require::<Merchant>(which.merchant_id)?.time(now);
    if let Some(existing) = work.find::<CheckoutConfig>(&source.id)?
        && existing.is_expired(time)
        && !source.status.is_final()
    {
        let linked = CheckoutConfig {
            link_token: Some(token.clone()),
            linked_at: Some(time),
            ..(*existing).clone()
        };
        work.put(linked.clone());
        return Ok(linked);
    }
    let id = CheckoutConfigId(work.new_id()?);
    put_page(
        CheckoutConfig {
            id,
            merchant_id: which.merchant_id,
            source_id: source.id,
            mode: HOSTED_PAGE.to_owned(),
            success_url: None,
            cancel_url: None,
            expires_at: None,
            token: token.clone(),
            created_at: time,
            link_token: None,
            linked_at: None,
        },
        work,
    )
}
