//! Amounts that payers choose.

use domain::kernel::money::Money;
use domain::kernel::refusal::Refusal;
use domain::sales::payment_link::PaymentLink;

use crate::web::amount::decimal;
use crate::web::checkout::view::AmountFault;

/// Reads an amount that a payer of a link has chosen, if the link allows it.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str, link: &PaymentLink) -> Result<Money, AmountFault> {
    if text.trim().is_empty() {
        return Err(AmountFault::Missing);
    }
    let amount = decimal(text, link.currency).ok_or(AmountFault::NotANumber)?;
    link.chosen_amount(Some(amount)).map_err(|refusal| match refusal {
        Refusal::TooManyDecimals { .. } => AmountFault::TooManyDecimals,
        _ => AmountFault::OutOfRange,
    })
}
