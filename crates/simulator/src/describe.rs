//! One short line for each command, outcome and fault of a history.

use domain::decision::command::{Command, Output};
use domain::directory::update_merchant::MerchantChanges;
use domain::kernel::currency::Currency;
use domain::payments::create_session::NewSession;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::execution::Execution;
use domain::payments::outcome::ProviderOutcome;
use kola::api::refusals::error_type;
use kola::engine::{Failure, Outcome};

use crate::plan::{Fault, StoreCall};

pub const KINDS: &[&str] = &[
    "CreateMerchant",
    "CreateApiKey",
    "RevokeApiKey",
    "SetPasscode",
    "ReservePasscodeChange",
    "ReplacePasscode",
    "ReservePasscodeAttempt",
    "FinishPasscodeAttempt",
    "AdvanceClock",
    "FundWallet",
    "SetWalletStatus",
    "CreateParty",
    "CreateCounterparty",
    "UpdateCounterparty",
    "CreateAccount",
    "DeactivateAccount",
    "CreateSource",
    "UpdateSource",
    "PublishSource",
    "CancelSource",
    "AddItem",
    "UpdateItem",
    "RemoveItem",
    "CreateCheckout",
    "OpenCheckoutPage",
    "CreateSession",
    "CancelSession",
    "ExpireSession",
    "Execute",
    "ClaimExecution",
    "RecordOutcome",
    "AuthenticateCard",
    "ResolveReview",
    "UpdateMerchant",
    "UnlockPasscode",
];

/// The kind of a command, as an index of [`KINDS`]. A new variant does not compile without one.
pub fn kind(command: &Command) -> usize {
    match command {
        Command::Authenticated(_, command) => kind(command),
        Command::CreateMerchant(_) => 0,
        Command::CreateApiKey(..) => 1,
        Command::RevokeApiKey(..) => 2,
        Command::SetPasscode(..) => 3,
        Command::ReservePasscodeChange(..) => 4,
        Command::ReplacePasscode(..) => 5,
        Command::ReservePasscodeAttempt(..) => 6,
        Command::FinishPasscodeAttempt(..) => 7,
        Command::AdvanceClock(..) => 8,
        Command::FundWallet(..) => 9,
        Command::SetWalletStatus(..) => 10,
        Command::CreateParty(..) => 11,
        Command::CreateCounterparty(..) => 12,
        Command::UpdateCounterparty(..) => 13,
        Command::CreateAccount(..) => 14,
        Command::DeactivateAccount(..) => 15,
        Command::CreateSource(..) => 16,
        Command::UpdateSource(..) => 17,
        Command::PublishSource(_) => 18,
        Command::CancelSource(_) => 19,
        Command::AddItem(..) => 20,
        Command::UpdateItem(..) => 21,
        Command::RemoveItem(..) => 22,
        Command::CreateCheckout(..) => 23,
        Command::OpenCheckoutPage(..) => 24,
        Command::CreateSession(..) => 25,
        Command::CancelSession(..) => 26,
        Command::ExpireSession(_) => 27,
        Command::Execute(_) => 28,
        Command::ClaimExecution(_) => 29,
        Command::RecordOutcome(..) => 30,
        Command::AuthenticateCard(..) => 31,
        Command::ResolveReview(..) => 32,
        Command::UpdateMerchant(..) => 33,
        Command::UnlockPasscode(_) => 34,
    }
}

pub fn command(command: &Command) -> String {
    let name = KINDS.get(kind(command)).copied().unwrap_or_default();
    let what = match command {
        Command::Authenticated(caller, command) => {
            return format!("{} by key {}", self::command(command), caller.api_key_id);
        }
        Command::CreateMerchant(new) => {
            format!("verified {}, {} currencies", new.verified, new.currencies.len())
        }
        Command::UpdateMerchant(_, changes) => changed(changes),
        Command::AdvanceClock(_, by) => format!("by {by} s"),
        Command::FundWallet(id, money, _) => format!("{id} with {money} {}", money.currency),
        Command::SetWalletStatus(id, status, _) => format!("{id} {status}"),
        Command::CreateParty(_, new) => format!("phone {}", new.phone),
        Command::CreateCounterparty(_, _, party) => {
            format!("party {}", optional(party.map(|id| id.0)))
        }
        Command::UpdateCounterparty(_, id, _, party) => {
            format!("{id} party {}", optional(party.set().map(|id| id.0)))
        }
        Command::CreateAccount(_, new) => {
            format!("party {}, {} {}", new.party_id, new.operation, new.method)
        }
        Command::RevokeApiKey(_, id) => id.to_string(),
        Command::DeactivateAccount(_, id) => id.to_string(),
        Command::CreateSource(_, new) => {
            format!(
                "{} for {} in {}, {} bears",
                new.kind, new.counterparty_id, new.currency, new.fee_bearer
            )
        }
        Command::UpdateSource(which, _)
        | Command::PublishSource(which)
        | Command::CancelSource(which)
        | Command::OpenCheckoutPage(which, _) => which.id.to_string(),
        Command::AddItem(which, new) => {
            format!("to {}: {} × {} {}", which.id, new.qty, new.amount, new.currency)
        }
        Command::UpdateItem(which, id, _) | Command::RemoveItem(which, id) => {
            format!("{id} of {}", which.id)
        }
        Command::CreateCheckout(_, new) => {
            let total: i64 = new.items.iter().map(|item| item.qty * item.amount.minor).sum();
            let total = domain::kernel::money::Money::new(total, new.currency);
            format!("phone {}, {total} {}", new.party.phone, new.currency)
        }
        Command::CreateSession(_, request) => declaration(request),
        Command::CancelSession(_, _, id) | Command::ExpireSession(id) => format!("session {id}"),
        Command::Execute(request) | Command::ReservePasscodeAttempt(request, _) => {
            execution(request)
        }
        Command::FinishPasscodeAttempt(_, id, right) => format!("{id}, right: {right}"),
        Command::ClaimExecution(id) => format!("execution {id}"),
        Command::RecordOutcome(id, outcome) => {
            format!("execution {id}: {}", provider_outcome(outcome))
        }
        Command::AuthenticateCard(_, reference, success) => {
            format!("key {}: {success}", short(reference))
        }
        Command::ResolveReview(id, how, _) => format!("{id} {how:?}"),
        Command::CreateApiKey(..)
        | Command::SetPasscode(..)
        | Command::UnlockPasscode(_)
        | Command::ReservePasscodeChange(..)
        | Command::ReplacePasscode(..) => String::new(),
    };
    match command.merchant() {
        Some(merchant) => format!("{name} (merchant {merchant}) {what}"),
        None => format!("{name} {what}"),
    }
}

fn changed(changes: &MerchantChanges) -> String {
    let verified = changes.verified.map(|verified| format!("verified {verified}"));
    let bearer = changes.fee_bearer.map(|bearer| format!("{bearer} bears"));
    let tier = changes.fee_tier.as_ref().map(|tier| format!("tier {tier}"));
    [verified, bearer, tier].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn optional(id: Option<i64>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

fn short(text: &str) -> &str {
    text.get(..6).unwrap_or(text)
}

fn declaration(request: &NewSession) -> String {
    match request {
        NewSession::Checkout { source_id, .. } => format!("checkout of source {source_id}"),
        NewSession::Payout { wallet_id, account_id, amount, .. } => {
            let wallet = optional(wallet_id.map(|id| id.0));
            format!(
                "payout of {amount} {} from wallet {wallet} to account {account_id}",
                amount.currency
            )
        }
        NewSession::Transfer { wallet_id, counterparty_id, amount, .. } => {
            format!(
                "transfer of {amount} {} from wallet {wallet_id} to counterparty {counterparty_id}",
                amount.currency
            )
        }
        NewSession::Refund { original_id, amount, .. } => {
            // The amount has no currency yet, and is shown in one that fits its decimals.
            let cents = ["USD", "RWF"]
                .iter()
                .filter_map(|code| amount.to_money(Currency::parse(code)?).ok())
                .next();
            format!(
                "refund of {} of execution {original_id}",
                cents.map_or_else(String::new, |money| money.to_string())
            )
        }
    }
}

fn execution(request: &Execute) -> String {
    let details = match request.details {
        OperationDetails::Collection { account_id, currency } => {
            format!("collect {currency} from account {account_id}")
        }
        OperationDetails::Payout { .. } => "pay out".to_owned(),
        OperationDetails::Transfer => "transfer".to_owned(),
        OperationDetails::Refund => "refund".to_owned(),
    };
    format!("session {}, key {}: {details}", request.session_id, short(&request.reference_id))
}

fn provider_outcome(outcome: &ProviderOutcome) -> String {
    match outcome {
        ProviderOutcome::Succeeded { amount: Some(amount), .. } => {
            format!("succeeded with {amount} {}", amount.currency)
        }
        ProviderOutcome::Succeeded { amount: None, .. } => "succeeded".to_owned(),
        ProviderOutcome::Declined { .. } => "declined".to_owned(),
        ProviderOutcome::NeedsAction { .. } => "needs action".to_owned(),
        ProviderOutcome::Accepted => "accepted".to_owned(),
        ProviderOutcome::Unknown => "silence".to_owned(),
        ProviderOutcome::NeverSeen => "never seen".to_owned(),
    }
}

fn state(row: &Execution) -> String {
    let in_review = if row.in_review { ", in review" } else { "" };
    format!("execution {} {} {}{in_review}", row.id, row.operation, row.status)
}

pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Ok(answer) => answered(answer),
        Err(Failure::Refused(reasons)) => {
            let reasons: Vec<&str> = reasons.iter().map(error_type).collect();
            format!("refused: {}", reasons.join(", "))
        }
        Err(failure) => format!("failed: {failure}"),
    }
}

fn answered(answer: &Output) -> String {
    match answer {
        Output::Done => "done".to_owned(),
        Output::Changed(changed) => format!("changed: {changed}"),
        Output::Merchant(row, wallets) => {
            let wallets: Vec<String> =
                wallets.iter().map(|(id, currency)| format!("{id} {currency}")).collect();
            format!("merchant {}, wallets {}", row.id, wallets.join(", "))
        }
        Output::UpdatedMerchant(row) => format!("merchant {}", row.id),
        Output::ApiKey(row) => format!("key {}", row.id),
        Output::Passcode(attempt) => format!("passcode set: {}", attempt.is_some()),
        Output::Time(time) => time.to_string(),
        Output::Wallet(row) => format!(
            "wallet {} {}, {} {} available",
            row.id,
            row.status,
            row.available(),
            row.currency
        ),
        Output::Party(row) => format!("party {}", row.id),
        Output::Counterparty(row) => format!("counterparty {}", row.id),
        Output::Account(row) => format!("account {}", row.id),
        Output::Source(row) => format!("source {} {}", row.id, row.status),
        Output::Item(row) => format!("item {}", row.id),
        Output::Checkout(made) => format!("source {}, party {}", made.source.id, made.party.id),
        Output::Page(row) => format!("page {}", row.id),
        Output::Session(row) => format!("session {} {} {}", row.id, row.kind, row.status),
        Output::Executed(done) if done.replayed => format!("{}, replayed", state(&done.execution)),
        Output::Executed(done) => state(&done.execution),
        Output::Claimed(None) => "nothing to do".to_owned(),
        Output::Claimed(Some(job)) => format!("{:?}", job.kind),
        Output::OutcomeRecorded(done) => {
            let again = if done.call.is_some() { ", to be sent again" } else { "" };
            format!("{}{again}", state(&done.execution))
        }
        Output::Review(row) => format!("review {} {} {}", row.id, row.kind, row.status),
    }
}

/// The name under which a fault is counted.
pub const fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Interleave => "batch of another process in the middle",
        Fault::Crash => "crash before the commit",
        Fault::CrashAfter => "crash after the commit",
        Fault::Conflict => "transaction to be run again",
        Fault::Busy => "row locked for too long",
        Fault::Away => "connection lost",
        Fault::Unknown(true, _) => "commit without an answer, done",
        Fault::Unknown(false, _) => "commit without an answer, not done",
        Fault::InOutage => "call while the database is away",
    }
}

pub const fn store_call(call: StoreCall) -> &'static str {
    match call {
        StoreCall::Reserve => "reserving ids",
        StoreCall::Open => "opening a transaction",
        StoreCall::Load => "loading rows",
        StoreCall::Confirm => "locking rows",
        StoreCall::Persist => "writing rows",
        StoreCall::Commit => "committing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        let mut names = KINDS.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
    }
}
