//! Making a page for an invoice or order when its link is asked for.

use crate::decision::workspace::{Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::kernel::ids::CheckoutConfigId;
use crate::kernel::time::Timestamp;
use crate::sales::checkout::{CheckoutConfig, HOSTED_PAGE};
use crate::sales::find_source::SourceRef;

/// Writes a page; a source that has one keeps it.
pub(crate) fn put_page(
    config: CheckoutConfig,
    work: &mut Workspace,
) -> Result<CheckoutConfig, Stop> {
    if let Some(there) = work.find::<CheckoutConfig>(&config.source_id)? {
        return Ok((*there).clone());
    }
    work.put(config.clone());
    Ok(config)
}

/// The page of a source. One without further settings is made when there is none, or when the
/// checkout's time is over while it could still be paid: the checkout's own page goes on to say
/// that it expired.
///
/// # Errors
/// [`Refusal::NotFound`].
pub fn open(
    which: SourceRef,
    token: &str,
    work: &mut Workspace,
    now: Timestamp,
) -> Result<CheckoutConfig, Stop> {
    let source = which.in_path(work)?;
    let time = work.require::<Merchant>(which.merchant_id)?.time(now);
    if let Some(there) = work.find::<CheckoutConfig>(&source.id)?
        && there.is_over(time)
        && !source.status.is_final()
    {
        let again = CheckoutConfig {
            link_token: Some(token.to_owned()),
            linked_at: Some(time),
            ..(*there).clone()
        };
        work.put(again.clone());
        return Ok(again);
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
            token: token.to_owned(),
            created_at: time,
            link_token: None,
            linked_at: None,
        },
        work,
    )
}
