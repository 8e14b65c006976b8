//! The part of a page about the payment: its progress, why it failed, its amounts, its refunds.

use domain::kernel::money::Money;
use domain::kernel::names::FeeBearer;
use domain::payments::execution::{Execution, ExecutionStatus};

use crate::api::sources::{rate_text, refundable};
use crate::web::text::{date, escape, method, money};

/// What the payer has to do for a payment in progress.
pub fn waits_for(attempt: &Execution, requires_action: bool) -> String {
    let to_do = if requires_action {
        "Your bank asks you to confirm it: go back to where you began to pay."
    } else if attempt.method.is_mobile_money() {
        "If your phone asks you to approve it, do so there. Do not pay again."
    } else {
        "Do not pay again."
    };
    format!("<p>{to_do}")
}

/// When and why the last attempt failed.
pub fn failed(attempt: &Execution) -> String {
    if attempt.status != ExecutionStatus::Failed {
        return String::new();
    }
    let why = why(attempt).map(|why| format!(": <bdi>{}</bdi>", escape(why))).unwrap_or_default();
    format!(
        "<p>The last attempt to pay, on {}, failed{why}.",
        date(attempt.completed_at.unwrap_or(attempt.updated_at))
    )
}

/// The network's message without its code. A wallet's message is replaced, because it could reveal
/// a balance to everybody who has the link.
fn why(attempt: &Execution) -> Option<&str> {
    if attempt.wallet_message.is_some() {
        return Some("there was not enough money in the wallet");
    }
    let said = attempt.gateway_message.as_deref()?;
    let words = said
        .split_once(": ")
        .filter(|(code, _)| !code.contains(' '))
        .map_or(said, |(_, words)| words);
    Some(words.trim_end_matches('.'))
}

/// Amount, fees and method of the payment.
pub fn figures(paid: &Execution, bearer: FeeBearer) -> String {
    let currency = paid.wallet_currency();
    let fee = |minor| money(Money::new(minor, currency));
    let mut rows = vec![
        ("Platform fee", fee(paid.platform_fee_minor)),
        ("Payment method fee", fee(paid.gateway_fee_minor)),
    ];
    if paid.payer.currency != currency {
        let rate = format!("1 {currency} = {} {}", rate_text(paid), paid.payer.currency);
        rows.extend([("Exchange fee", fee(paid.fx_fee_minor)), ("Exchange rate", rate)]);
    }
    let borne = match bearer {
        FeeBearer::Payer => "The fees were added to the total.",
        FeeBearer::Payee => "The seller bears the fees: they are part of the total.",
    };
    let mut facts = vec![("Paid with", method(paid.method).to_owned())];
    facts.extend(paid.settled_at().map(|at| ("Confirmed on", date(at))));
    facts.extend(paid.provider_transaction_id.as_deref().map(|id| ("Transaction", escape(id))));
    let facts: String = facts
        .into_iter()
        .map(|(name, value)| format!("<tr><th>{name}<td class=fact>{value}"))
        .collect();
    format!(
        "<h3>Payment</h3><table><tbody>{}{}</table><p class=aside>{borne}<table><tbody>{facts}</table>",
        amounts(rows),
        sum("Paid", &money(paid.payer))
    )
}

/// The refunds, and what remains of the payment.
pub fn given_back(paid: &Execution, refunds: &[Execution]) -> String {
    if refunds.is_empty() && paid.refunds().refunded_minor == 0 {
        return String::new();
    }
    let row = |refund: &Execution| {
        let what = match refund.completed_at {
            Some(at) => format!("Refunded on {}", date(at)),
            None => format!("Refund under way since {}", date(refund.created_at)),
        };
        format!("<tr><th>{what}<td class=n>{}", money(refund.payee))
    };
    let rows: String = refunds.iter().map(row).collect();
    format!(
        "<h3>Refunds</h3><table><tbody>{rows}{}</table>",
        sum("Left of the payment", &money(refundable(paid)))
    )
}

fn amounts(rows: Vec<(&str, String)>) -> String {
    rows.into_iter().map(|(name, value)| format!("<tr><th>{name}<td class=n>{value}")).collect()
}

fn sum(name: &str, value: &str) -> String {
    format!("<tr class=sum><th>{name}<td class=n>{value}")
}
