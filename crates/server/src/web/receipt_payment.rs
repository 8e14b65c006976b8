//! The part of a receipt about the payment: its amounts and refunds.

use domain::kernel::money::Money;
use domain::kernel::names::FeeBearer;
use domain::payments::execution::Execution;

use crate::api::sources::{rate_text, refundable};
use crate::web::language::Language;
use crate::web::receipt_page::{date, money};
use crate::web::text::{self, escape};

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
    let mut facts = vec![("Paid with", text::method(paid.method, Language::English))];
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
