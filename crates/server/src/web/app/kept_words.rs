//! What a form does that is kept while a code is asked for, in words: whoever gives the code reads
//! it before anything is done. All of it comes from the form itself and from what its sender may
//! read.

use domain::directory::roles::Action;
use domain::kernel::ids::{CounterpartyId, ExecutionId, WalletId};
use domain::kernel::money::Money;
use domain::payments::approval::ApprovalStatus;
use domain::payments::execution::Execution;
use store::reads::pages::Page;

use crate::api::error::ApiError;
use crate::api::search::typed_amount;
use crate::app::App;
use crate::web::app::person::{AtMerchant, LoggedIn};
use crate::web::app::{approvals, payment_words};
use crate::web::language::texts::Html;
use crate::web::text::escape;

/// How much of a field is told.
const TOLD: usize = 120;

/// The fields of a form.
struct Fields<'a>(&'a [(String, String)]);

impl Fields<'_> {
    /// A field that something is typed into; of several with one name, the first.
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The same as markup after some words of ours; nothing without it.
    fn after(&self, words: &str, name: &str) -> String {
        self.get(name).map(|value| format!("{words}{}", foreign(value))).unwrap_or_default()
    }
}

/// A text of somebody's own, as markup.
fn foreign(text: &str) -> String {
    let told: String = text.chars().take(TOLD).collect();
    format!("<bdi>{}</bdi>", escape(&told))
}

/// A name with its number, as markup.
fn whom(name: &str, number: Option<&str>) -> String {
    let number = number.map(|number| format!(", <bdi dir=\"ltr\">{}</bdi>", escape(number)));
    format!("{}{}", foreign(name), number.unwrap_or_default())
}

/// What the form does that is sent to this path with these fields.
///
/// # Errors
/// The database cannot be read.
pub async fn of(
    app: &App,
    me: &LoggedIn,
    to: &str,
    fields: &[(String, String)],
) -> Result<Html, ApiError> {
    let fields = Fields(fields);
    let parts: Vec<&str> = to.trim_start_matches("/app/").split('/').collect();
    let merchant = parts.get(1).and_then(|id| id.parse().ok());
    // Whoever has no role there is told what the form says alone.
    let at = match merchant {
        Some(merchant) => me.at_merchant(app, merchant, Action::ReadPayments).await.ok(),
        None => None,
    };
    let read = match &at {
        Some(at) => as_read(at, &parts, &fields).await?,
        None => None,
    };
    Ok(Html(read.unwrap_or_else(|| as_sent(&parts, &fields))))
}

/// What a form does that moves money, with what it is about.
async fn as_read(
    at: &AtMerchant<'_>,
    parts: &[&str],
    fields: &Fields<'_>,
) -> Result<Option<String>, ApiError> {
    match parts {
        ["payouts", _, kind @ ("account" | "customer"), id, wallet, minor] => {
            let (Ok(id), Ok(wallet), Ok(minor)) = (id.parse(), wallet.parse(), minor.parse())
            else {
                return Ok(None);
            };
            let Some(wallet) = at.reads.wallet(WalletId(wallet)).await? else { return Ok(None) };
            let amount = payment_words::amount(Money::new(minor, wallet.currency));
            if *kind == "account" {
                let account = at.reads.payment_account(id).await?;
                return Ok(account.map(|account| {
                    let to = whom(&account.account_name, account.account_number.as_deref());
                    format!("Pay out {amount} to {to}, from wallet {}", wallet.id)
                }));
            }
            let (_, party) = at.reads.counterparty(CounterpartyId(id)).await?.unzip();
            Ok(party.flatten().map(|party| {
                let to = whom(&party.fullname, Some(&party.phone));
                format!("Transfer {amount} to {to}, from wallet {}", wallet.id)
            }))
        }
        ["payouts", _, id, "cancel"] => {
            let what = execution(at, id).await?;
            Ok(what.map(|found| format!("Cancel the {}", of_execution(&found))))
        }
        ["payments", _, id, "refund"] => {
            let Some(paid) = execution(at, id).await? else { return Ok(None) };
            let typed = fields.get("amount").and_then(typed_amount);
            let amount = typed
                .filter(|(_, named)| named.is_none_or(|named| named == paid.payer.currency))
                .and_then(|(number, _)| number.to_money(paid.payer.currency).ok());
            let Some(amount) = amount else { return Ok(None) };
            Ok(Some(format!(
                "Refund {} of payment {}, which was of {}",
                payment_words::amount(amount),
                paid.id,
                payment_words::amount(paid.payer)
            )))
        }
        ["approvals", _, id, how @ ("approve" | "refuse")] => {
            let page = Page { limit: approvals::SHOWN, after_id: None };
            let waiting = at.reads.approvals(Some(ApprovalStatus::Requested), page).await?.rows;
            let found = waiting.into_iter().find(|(approval, _)| approval.id.to_string() == **id);
            let Some((approval, execution)) = found else { return Ok(None) };
            let to = approvals::recipient(&execution, at).await?;
            let to = match to.name.as_str() {
                "" => String::new(),
                name => format!(" to {}", whom(name, to.number.as_deref())),
            };
            let how = if *how == "approve" { "Approve" } else { "Refuse" };
            let what = of_execution(&execution);
            Ok(Some(format!("{how} the {what}{to} (request {})", approval.id)))
        }
        ["merchants", _, "wallets", id, "fund"] => {
            let Ok(id) = id.parse() else { return Ok(None) };
            let wallet = at.reads.wallet(WalletId(id)).await?;
            let amount = fields.get("amount").map(foreign).unwrap_or_default();
            let name = foreign(&at.merchant.name);
            Ok(wallet.map(|wallet| {
                format!("Put {amount} {} into wallet {} of {name}", wallet.currency, wallet.id)
            }))
        }
        _ => Ok(None),
    }
}

async fn execution(at: &AtMerchant<'_>, id: &str) -> Result<Option<Execution>, ApiError> {
    match id.parse() {
        Ok(id) => Ok(at.reads.execution(ExecutionId(id)).await?),
        Err(_) => Ok(None),
    }
}

/// A payment that is under way, with what arrives.
fn of_execution(execution: &Execution) -> String {
    let operation = payment_words::operation(execution.operation()).to_lowercase();
    format!("{operation} of {}", payment_words::amount(execution.payee))
}

/// What is said where a form is none of those below.
const UNKNOWN: &str = "What you sent";

/// What a form does, by its path and its fields alone.
fn as_sent(parts: &[&str], fields: &Fields<'_>) -> String {
    let id = |id: &str| escape(id);
    let source = |part: &str| if part == "invoices" { "invoice" } else { "order" };
    let of = |name| fields.get(name).map(foreign).unwrap_or_default();
    match parts {
        ["approvals", _, one, "approve"] => format!("Approve request {}", id(one)),
        ["approvals", _, one, "refuse"] => format!("Refuse request {}", id(one)),
        ["payouts", _, "account", one, ..] => format!("Pay out to account {}", id(one)),
        ["payouts", _, "customer", one, ..] => format!("Transfer to customer {}", id(one)),
        ["payouts", _, "party", one] => {
            format!("Open the form of a transfer to customer {}", id(one))
        }
        ["payouts", _, one, "cancel"] => format!("Cancel payment {}", id(one)),
        ["payments", _, "filters", "save"] => {
            format!("Keep a filter{}", fields.after(": ", "name"))
        }
        ["payments", _, "filters", "remove"] => "Remove a filter".to_owned(),
        ["payments", _, one, "refund"] => {
            format!("Refund {} of payment {}", of("amount"), id(one))
        }
        ["payments", _, one, "check"] => format!("Ask the network about payment {}", id(one)),
        ["payments", _, one, "receipt"] => format!("Make a link to receipt of payment {}", id(one)),
        ["reviews", _, one, "preview"] => format!("Show what review {} would post", id(one)),
        ["reviews", _, one, "evidence"] => format!("Note evidence for review {}", id(one)),
        ["reviews", _, one, "resolve"] => format!("Resolve review {}", id(one)),
        ["customers", _] => {
            format!("Make the customer {}{}", of("name"), fields.after(", ", "phone"))
        }
        ["customers", _, one, "update"] => format!("Change customer {}", id(one)),
        ["customers", _, one, "accounts"] => {
            let to = fields.after(": ", "name");
            format!("Make an account of customer {}{to}{}", id(one), fields.after(", ", "number"))
        }
        ["customers", _, _, "accounts", one, "deactivate"] => {
            format!("Deactivate account {} for good", id(one))
        }
        [part @ ("invoices" | "orders"), _, "new"] => format!("Make an {}", source(part)),
        ["links", _, "new"] => format!("Make a payment link{}", fields.after(": ", "title")),
        ["links", _, one, "deactivate"] => format!("Deactivate payment link {}", id(one)),
        [part @ ("invoices" | "orders"), _, one, rest @ ..] => {
            let what = format!("{} {}", source(part), id(one));
            match rest {
                ["publish"] => format!("Publish {what}"),
                ["cancel"] => format!("Cancel {what}"),
                ["link"] => format!("Make a link to pay {what}"),
                ["update"] => format!("Change the details of {what}"),
                ["items", "add"] => format!("Add {} to {what}", of("item")),
                ["items", _, "remove"] => format!("Remove an item of {what}"),
                _ => UNKNOWN.to_owned(),
            }
        }
        ["developers", _, "keys", "create"] => {
            format!("Make an API key{}", fields.after(" of the role ", "role"))
        }
        ["developers", _, "keys", one, "revoke"] => format!("Revoke API key {}", id(one)),
        ["developers", _, "webhooks", "create"] => {
            format!("Make a webhook endpoint{}", fields.after(": ", "url"))
        }
        ["developers", _, "webhooks", one, how] => {
            let how = match *how {
                "enable" => "Enable",
                "disable" => "Disable",
                "test" => "Send a test to",
                "rotate" => "Make another secret of",
                "delete" => "Delete",
                _ => return UNKNOWN.to_owned(),
            };
            format!("{how} webhook endpoint {}", id(one))
        }
        ["developers", _, "deliveries", one, "resend"] => {
            format!("Send delivery {} again", id(one))
        }
        ["developers", _, "sandbox", "advance"] => {
            format!("Advance the clock of the sandbox by {} seconds", of("seconds"))
        }
        ["merchants", one, "change"] => format!("Change merchant {}", id(one)),
        ["merchants", _, "wallets", one, "status"] => {
            format!("Set the state of wallet {}{}", id(one), fields.after(" to ", "status"))
        }
        ["merchants", _, "wallets", one, "fund"] => {
            format!("Put {} into wallet {}", of("amount"), id(one))
        }
        ["profile", "second-factor", ..] => "Set up the codes of another phone".to_owned(),
        ["profile", "password"] => "Change your password".to_owned(),
        ["profile", "logins", one, "end"] => format!("End login {}", id(one)),
        ["team", _, "invite"] => format!("Make a link for a new {}", of("role")),
        ["team", _, "limits"] => {
            let payment = fields.after("; one payment: ", "payment");
            let day = fields.after("; a day: ", "day");
            let refund = fields.after("; refunds of support: ", "amount");
            format!("Set the limits of {}{payment}{day}{refund}", of("currency"))
        }
        ["team", _, "members", one] if fields.get("role") == Some("REMOVE") => {
            format!("Remove member {} from the team", id(one))
        }
        ["team", _, "members", one] => format!("Make member {} {}", id(one), of("role")),
        ["team", _, "invitations", one, "confirm"] => format!("Confirm invitation {}", id(one)),
        ["team", _, "invitations", one, "cancel"] => format!("Cancel invitation {}", id(one)),
        ["reconciliation", "differences", one, "preview"] => {
            format!("Show what closing difference {} would book", id(one))
        }
        ["reconciliation", "differences", one, "close"] => {
            format!(
                "Close difference {}{}{}",
                id(one),
                fields.after(" as ", "how"),
                fields.after(": ", "evidence")
            )
        }
        ["reconciliation", one, "accept"] => {
            format!("Accept statement {}, which books {}", id(one), of("figures"))
        }
        ["installation", "verify"] => "Verify the books now".to_owned(),
        ["tariff", rest @ ..] => of_tariff(rest, fields),
        _ => UNKNOWN.to_owned(),
    }
}

/// What a form of the tariff does.
fn of_tariff(rest: &[&str], fields: &Fields<'_>) -> String {
    let of = |name| fields.get(name).map(foreign).unwrap_or_default();
    let fee = || {
        let percentage = fields.get("percentage");
        let percentage = percentage.map(|text| format!(" to {} percent", foreign(text)));
        let fixed = fields.after(" and ", "fixed");
        let currency = fields.after(" ", "fixed_currency");
        format!("{}{fixed}{currency}", percentage.unwrap_or_default())
    };
    let market = || format!("{} for {} in {}", of("method"), of("operation"), of("currency"));
    match rest {
        ["platform-fee"] => {
            let operation = fields.after(" for ", "operation");
            format!("Set the platform fee of tier {}{operation}{}", of("tier"), fee())
        }
        ["gateway-fee"] => {
            let operation = fields.after(" for ", "operation");
            format!("Set the network fee of {}{operation}{}", of("method"), fee())
        }
        ["rates", "set"] => {
            format!("Set the rate: 1 {} is {} {}", of("from"), of("rate"), of("to"))
        }
        ["markets", "open"] => format!("Open the market: {}", market()),
        ["markets", "close"] => format!("Close the market: {}", market()),
        ["phones", "assign"] => format!("Assign the numbers that begin with {}", of("prefix")),
        ["phones", "end"] => format!("End the numbers that begin with {}", of("prefix")),
        _ => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_may_ask_for_a_code_says_what_it_does() {
        let before = ["/app/login", "/app/logout", "/app/second-factor", "/app/invitation/"];
        let mut told = 0;
        for route in crate::web::app::routes().list().iter().filter(|route| route.method == "POST")
        {
            if before.iter().any(|path| route.path.starts_with(path)) {
                continue;
            }
            let parts = route.path.trim_start_matches("/app/").split('/');
            let parts: Vec<&str> =
                parts.map(|part| if part.starts_with('{') { "7" } else { part }).collect();
            assert_ne!(as_sent(&parts, &Fields(&[])), UNKNOWN, "{}", route.path);
            told += 1;
        }
        assert!(told > 40, "{told}");
    }

    #[test]
    fn what_was_typed_stays_a_text() {
        let fields = [("title".to_owned(), "<script>".to_owned())];
        let words = as_sent(&["links", "7", "new"], &Fields(&fields));
        assert_eq!(words, "Make a payment link: <bdi>&lt;script&gt;</bdi>");
        let words = as_sent(&["links", "<b>", "<b>", "deactivate"], &Fields(&[]));
        assert!(!words.contains('<'), "{words}");
    }
}
