//! One short line for each command, outcome and fault of a history.

use domain::decision::command::{Command, Output};
use domain::directory::advance_clock::AdvanceClock;
use domain::directory::api_keys::RevokeApiKey;
use domain::directory::counterparties::CreateCounterparty;
use domain::directory::counterparties::UpdateCounterparty;
use domain::directory::create_merchant::CreatedMerchant;
use domain::directory::create_party::CreateParty;
use domain::directory::create_payment_account::CreateAccount;
use domain::directory::try_passcode::FinishPasscodeAttempt;
use domain::directory::update_merchant::MerchantChanges;
use domain::directory::update_merchant::UpdateMerchant;
use domain::directory::use_payment_account::DeactivateAccount;
use domain::exceptions::resolve_review::ResolveReview;
use domain::kernel::currency::Currency;
use domain::kernel::uuids::ReferenceId;
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::set_wallet_status::SetWalletStatus;
use domain::network_accounts::change_account::ChangeNetworkAccount;
use domain::network_accounts::record_terms::RecordTerms;
use domain::network_accounts::secret::AddNetworkSecret;
use domain::payments::authenticate_card::AuthenticateCard;
use domain::payments::cancel_enqueued::CancelEnqueued;
use domain::payments::cancel_session::CancelSession;
use domain::payments::check_now::CheckNow;
use domain::payments::claim_execution::ClaimExecution;
use domain::payments::create_session::CreateSession;
use domain::payments::create_session::NewSession;
use domain::payments::decide_approval::{Approve, ExpireApproval, Refuse};
use domain::payments::defer_send::DeferSend;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::execution::Execution;
use domain::payments::expire_session::ExpireSession;
use domain::payments::leave_card_page::LeaveCardPage;
use domain::payments::outcome::{OutcomeSource, ProviderOutcome};
use domain::payments::pay_on_page::PagePayment;
use domain::payments::record_outcome::RecordOutcome;
use domain::payments::reserve_passcode_attempt::PasscodeReservation;
use domain::payments::reserve_passcode_attempt::ReservePasscodeAttempt;
use domain::sales::cancel_source::CancelSource;
use domain::sales::cancel_unpaid_order::CancelUnpaidOrder;
use domain::sales::create_checkout::CreateCheckout;
use domain::sales::create_payment_link::{CreatePaymentLink, NewLinkPrice, NewPaymentLink};
use domain::sales::create_source::CreateSource;
use domain::sales::deactivate_payment_link::DeactivatePaymentLink;
use domain::sales::edit_items::AddItem;
use domain::sales::edit_items::RemoveItem;
use domain::sales::edit_items::UpdateItem;
use domain::sales::open_checkout_page::OpenCheckoutPage;
use domain::sales::pay_link::PayLink;
use domain::sales::publish_source::PublishSource;
use domain::sales::update_source::UpdateSource;
use domain::tariff::assign_phone_prefix::AssignPhonePrefix;
use domain::tariff::close_market::CloseMarket;
use domain::tariff::end_phone_prefix::EndPhonePrefix;
use domain::tariff::open_market::OpenMarket;
use kola::api::refusals::error_type;
use kola::engine::{Failure, Outcome};

use crate::never_sent::never_sent;
use crate::of_people::of_people;
use crate::of_statements::of_statements;
use crate::plan::{Fault, StoreCall};

mod people;
mod webhooks;

pub use people::asked_by;

pub fn command(command: &Command) -> String {
    let name = command.name();
    let what = match command {
        Command::CreateMerchant(new) => {
            format!("{}, verified {}, {} currencies", new.mode, new.verified, new.currencies.len())
        }
        Command::UpdateMerchant(UpdateMerchant { changes, .. }) => changed(changes),
        Command::AdvanceClock(AdvanceClock { by_seconds: by, .. }) => format!("by {by} s"),
        Command::FundWallet(FundWallet { wallet_id: id, amount: money, .. }) => {
            format!("{id} with {money} {}", money.currency)
        }
        Command::SetWalletStatus(SetWalletStatus { wallet_id: id, status, .. }) => {
            format!("{id} {status}")
        }
        Command::SetPlatformFee(new) => format!("{} {} {}", new.tier, new.operation, new.fee),
        Command::SetGatewayFee(new) => format!("{} {} {}", new.method, new.operation, new.fee),
        Command::SetRate(new) => format!("1 {} = {} {}", new.from, new.rate.to_text(9), new.to),
        Command::OpenMarket(OpenMarket { method, operation, currency, .. })
        | Command::CloseMarket(CloseMarket { method, operation, currency }) => {
            format!("{method} {operation} {currency}")
        }
        Command::AssignPhonePrefix(AssignPhonePrefix { prefix, .. })
        | Command::EndPhonePrefix(EndPhonePrefix { prefix, .. }) => prefix.clone(),
        Command::CreateParty(CreateParty { party: new, .. }) => format!("phone {}", new.phone),
        Command::CreateCounterparty(CreateCounterparty { party_id: party, .. }) => {
            format!("party {}", optional(party.map(|id| id.0)))
        }
        Command::UpdateCounterparty(UpdateCounterparty {
            counterparty_id: id,
            party_id: party,
            ..
        }) => {
            format!("{id} party {}", optional(party.set().map(|id| id.0)))
        }
        Command::CreateAccount(CreateAccount { account: new, .. }) => {
            format!("party {}, {} {}", new.party_id, new.operation, new.method)
        }
        Command::RevokeApiKey(RevokeApiKey { api_key_id: id, .. }) => id.to_string(),
        Command::DeactivateAccount(DeactivateAccount { account_id: id, .. }) => id.to_string(),
        Command::CreateSource(CreateSource { source: new, .. }) => {
            format!(
                "{} for {} in {}, {} bears",
                new.kind, new.counterparty_id, new.currency, new.fee_bearer
            )
        }
        Command::UpdateSource(UpdateSource { source: which, .. })
        | Command::PublishSource(PublishSource { source: which, .. })
        | Command::CancelSource(CancelSource { source: which, .. })
        | Command::OpenCheckoutPage(OpenCheckoutPage { source: which, .. }) => which.id.to_string(),
        Command::AddItem(AddItem { source: which, item: new, .. }) => {
            format!("to {}: {} × {} {}", which.id, new.qty, new.amount, new.currency)
        }
        Command::UpdateItem(UpdateItem { source: which, item_id: id, .. })
        | Command::RemoveItem(RemoveItem { source: which, item_id: id }) => {
            format!("{id} of {}", which.id)
        }
        Command::CreateCheckout(CreateCheckout { checkout: new, .. }) => {
            let total: i64 = new.items.iter().map(|item| item.qty * item.amount.minor).sum();
            let total = domain::kernel::money::Money::new(total, new.currency);
            format!("phone {}, {total} {}", new.party.phone, new.currency)
        }
        Command::CreatePaymentLink(CreatePaymentLink { link: new, .. }) => offer(new),
        Command::DeactivatePaymentLink(DeactivatePaymentLink { link_id: id, .. }) => {
            format!("link {id}")
        }
        Command::PayLink(PayLink { link_id: id, payer, amount, payment, .. }) => {
            let chosen = if amount.is_some() { ", amount chosen" } else { "" };
            format!("link {id}, phone {}{chosen}, {}", payer.phone, page_payment(payment))
        }
        Command::CancelUnpaidOrder(CancelUnpaidOrder { source_id: id }) => format!("source {id}"),
        Command::CreateSession(CreateSession { session: request, .. }) => declaration(request),
        Command::CancelSession(CancelSession { session_id: id, .. })
        | Command::ExpireSession(ExpireSession { session_id: id }) => format!("session {id}"),
        Command::Execute(request)
        | Command::ReservePasscodeAttempt(ReservePasscodeAttempt { execute: request, .. }) => {
            execution(request)
        }
        Command::PayOnPage(request) => {
            format!("source {}, {}", request.source_id, page_payment(&request.payment))
        }
        Command::FinishPasscodeAttempt(FinishPasscodeAttempt { attempt_id: id, right, .. }) => {
            format!("{id}, right: {right}")
        }
        Command::LeaveCardPage(LeaveCardPage { execution_id: id, .. })
        | Command::CheckNow(CheckNow { execution_id: id, .. })
        | Command::ClaimExecution(ClaimExecution { execution_id: id }) => format!("execution {id}"),
        Command::RecordOutcome(RecordOutcome { execution_id: id, source, outcome, .. }) => {
            format!("execution {id}{}: {}", outcome_source(*source), provider_outcome(outcome))
        }
        Command::DeferSend(DeferSend { execution_id: id, gate, .. }) => {
            format!("execution {id} behind {gate}")
        }
        Command::Approve(Approve { approval_id: id, .. })
        | Command::Refuse(Refuse { approval_id: id, .. })
        | Command::ExpireApproval(ExpireApproval { approval_id: id }) => format!("approval {id}"),
        Command::CancelEnqueued(CancelEnqueued { reference_id: reference, .. }) => {
            format!("key {}", short(*reference))
        }
        Command::ChangeNetworkAccount(ChangeNetworkAccount { account_id: id, change }) => {
            format!("{id} {change:?}")
        }
        Command::AddNetworkSecret(AddNetworkSecret { account_id: id, .. })
        | Command::RecordTerms(RecordTerms { account_id: id, .. }) => id.to_string(),
        Command::AuthenticateCard(AuthenticateCard { reference_id: reference, result, .. }) => {
            format!("key {}: {result:?}", short(*reference))
        }
        Command::ResolveReview(ResolveReview { review_id: id, resolution: how, .. }) => {
            format!("{id} {how:?}")
        }
        Command::CreateApiKey(..)
        | Command::SetPasscode(..)
        | Command::UnlockPasscode(_)
        | Command::ReservePasscodeChange(..)
        | Command::ReplacePasscode(..)
        | of_statements!()
        | never_sent!() => String::new(),
        Command::CreateWebhookEndpoint(_)
        | Command::UpdateWebhookEndpoint(_)
        | Command::DeleteWebhookEndpoint(_)
        | Command::RotateWebhookSecret(_)
        | Command::TestWebhookEndpoint(_)
        | Command::FanOutMessages(_)
        | Command::ClaimDeliveries(_)
        | Command::RecordDeliveryAttempt(_)
        | Command::ResendDeliveries(_) => webhooks::command(command),
        Command::ChainBatches(request) => {
            format!("{} batches after position {}", request.links.len(), request.after.0)
        }
        of_people!() => people::command(command),
    };
    match crate::plan::merchant_of(&mut command.clone()) {
        Some(merchant) => format!("{name} (merchant {merchant}) {what}"),
        None => format!("{name} {what}"),
    }
}

fn changed(changes: &MerchantChanges) -> String {
    let verified = changes.verified.map(|verified| format!("verified {verified}"));
    let bearer = changes.fee_bearer.map(|bearer| format!("{bearer} bears"));
    let tier = changes.fee_tier.as_ref().map(|tier| format!("tier {tier}"));
    let MerchantChanges { display_name, colour, logo, network_accounts, unbound_networks, .. } =
        changes;
    let brand = format!("name {display_name:?}, colour {colour:?}, logo {logo:?}");
    let bound = format!("bound to {network_accounts:?}, not at {unbound_networks:?}");
    [verified, bearer, tier, Some(brand), Some(bound)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

fn offer(new: &NewPaymentLink) -> String {
    let price = match &new.price {
        NewLinkPrice::Items(items) => format!("{} items", items.len()),
        NewLinkPrice::Open { min, max } => format!("{min} to {max}"),
    };
    format!("{price} in {}, uses {}", new.currency, optional(new.max_uses))
}

fn optional(id: Option<i64>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| id.to_string())
}

fn short(key: ReferenceId) -> String {
    key.to_string().chars().take(6).collect()
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
    format!("session {}, key {}: {details}", request.session_id, short(request.reference_id))
}

fn page_payment(payment: &PagePayment) -> String {
    let PagePayment { reference_id, choice, quoted, account_id, address, page_url: _ } = payment;
    format!(
        "key {}: {quoted} {} by {} {}, account {}, address {address}",
        short(*reference_id),
        choice.currency,
        choice.method,
        choice.phone.as_deref().unwrap_or("without a phone"),
        optional(account_id.map(|id| id.0)),
    )
}

fn outcome_source(source: OutcomeSource) -> String {
    match source {
        OutcomeSource::Answer { send_count } => format!(", sent {send_count} times"),
        OutcomeSource::Callback => ", unasked".to_owned(),
    }
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
    let why = row.waiting_for.as_ref().map_or_else(String::new, |why| format!(", waits for {why}"));
    format!("execution {} {} {}{in_review}{why}", row.id, row.operation(), row.status)
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
        Output::SetPasscode(())
        | Output::UnlockPasscode(())
        | Output::ReplacePasscode(())
        | Output::FinishPasscodeAttempt(())
        | Output::RemoveItem(())
        | Output::AddNetworkSecret(())
        | Output::RetireNetworkSecret(())
        | Output::ResealSecrets(())
        | Output::KeepUnmatchedCallback(())
        | Output::DeleteRetained(())
        | Output::SaveFilter(_)
        | Output::StopPayouts(_)
        | Output::ResumePayouts(_)
        | Output::ClaimCheck(_)
        | Output::RecordCheck(_)
        | Output::RequestCheck(_)
        | Output::ClaimReconciliation(_)
        | Output::BeginStatement(_)
        | Output::RecordLines(_)
        | Output::RecordMissing(_)
        | Output::EndStatement(_)
        | Output::AcceptStatement(_)
        | Output::PostLines(_)
        | Output::CloseDifference(_)
        | Output::RecordBalances(_)
        | Output::UpdateParty(_)
        | Output::FanOutMessages(()) => "done".to_owned(),
        Output::ChainBatches(done) => format!("chained: {done}"),
        Output::CreateWebhookEndpoint(_)
        | Output::UpdateWebhookEndpoint(_)
        | Output::DeleteWebhookEndpoint(_)
        | Output::RotateWebhookSecret(_)
        | Output::TestWebhookEndpoint(_)
        | Output::ClaimDeliveries(_)
        | Output::RecordDeliveryAttempt(_)
        | Output::ResendDeliveries(_) => webhooks::answered(answer),
        Output::Invite(_)
        | Output::ConfirmInvitation(_)
        | Output::CancelInvitation(_)
        | Output::AcceptInvitation(_)
        | Output::ReserveLogin(_)
        | Output::FinishLogin(_)
        | Output::ReserveCode(_)
        | Output::GiveCode(_)
        | Output::SetUpSecondFactor(_)
        | Output::ConfirmSecondFactor(_)
        | Output::ChangePassword(_)
        | Output::EndLogin(_)
        | Output::TouchLogin(())
        | Output::SetMerchantLimits(_)
        | Output::ChangeMember(_)
        | Output::DisableUser(_) => people::answered(answer),
        Output::AddNetworkAccount(row) | Output::ChangeNetworkAccount(row) => {
            format!("network account {} {}", row.id, row.status)
        }
        Output::NoteEvidence(row) => format!("evidence {} of review {}", row.dispute_notes, row.id),
        Output::RecordDispute(recorded) => format!("dispute: {recorded:?}"),
        Output::RecordTerms(changed) => format!("terms changed: {changed}"),
        Output::DeferSend(deferred) | Output::CancelEnqueued(deferred) => {
            state(&deferred.execution)
        }
        Output::Approve(decided) | Output::Refuse(decided) => {
            format!("approval {} is {}", decided.approval.id, decided.approval.status)
        }
        Output::ExpireSession(changed)
        | Output::CancelUnpaidOrder(changed)
        | Output::ExpireApproval(changed) => {
            format!("changed: {changed}")
        }
        Output::CreateMerchant(CreatedMerchant { merchant: row, wallets }) => {
            let wallets: Vec<String> =
                wallets.iter().map(|(id, currency)| format!("{id} {currency}")).collect();
            format!("merchant {}, wallets {}", row.id, wallets.join(", "))
        }
        Output::UpdateMerchant(row) => format!("merchant {}", row.id),
        Output::CreateApiKey(row) | Output::RevokeApiKey(row) => format!("key {}", row.id),
        Output::ReservePasscodeChange(attempt)
        | Output::ReservePasscodeAttempt(PasscodeReservation::Reserved(attempt)) => {
            format!("passcode set: {}", attempt.is_some())
        }
        Output::ReservePasscodeAttempt(PasscodeReservation::Replayed(replayed)) => {
            format!("{}, replayed", state(&replayed.execution))
        }
        Output::AdvanceClock(time) => time.to_string(),
        Output::FundWallet(row) | Output::SetWalletStatus(row) => format!(
            "wallet {} {}, {} {} available",
            row.id,
            row.status,
            row.available(),
            row.currency
        ),
        Output::CreateParty(row) => format!("party {}", row.id),
        Output::CreateCounterparty(row) | Output::UpdateCounterparty(row) => {
            format!("counterparty {}", row.id)
        }
        Output::CreateAccount(row) | Output::DeactivateAccount(row) => {
            format!("account {}", row.id)
        }
        Output::CreateSource(row)
        | Output::UpdateSource(row)
        | Output::PublishSource(row)
        | Output::CancelSource(row) => format!("source {} {}", row.id, row.status),
        Output::AddItem(row) | Output::UpdateItem(row) => format!("item {}", row.id),
        Output::CreateCheckout(made) => {
            format!("source {}, party {}", made.source.id, made.party.id)
        }
        Output::CreatePaymentLink(made) => format!("link {}", made.link.id),
        Output::DeactivatePaymentLink(row) => format!("link {} {}", row.id, row.status),
        Output::PayLink(paid) => {
            let replayed = if paid.executed.replayed { ", replayed" } else { "" };
            format!("source {}, {}{replayed}", paid.order.id, state(&paid.executed.execution))
        }
        Output::OpenCheckoutPage(row) => format!("page {}", row.id),
        Output::CreateSession(row) | Output::CancelSession(row) => {
            format!("session {} {} {}", row.id, row.kind(), row.status)
        }
        Output::Execute(done) | Output::PayOnPage(done) if done.replayed => {
            format!("{}, replayed", state(&done.execution))
        }
        Output::Execute(done) | Output::PayOnPage(done) => state(&done.execution),
        Output::ClaimExecution(None) | Output::LeaveCardPage(None) | Output::CheckNow(None) => {
            "nothing to do".to_owned()
        }
        Output::ClaimExecution(Some(call))
        | Output::LeaveCardPage(Some(call))
        | Output::CheckNow(Some(call)) => format!("{:?}", call.kind),
        Output::RecordOutcome(done) | Output::AuthenticateCard(done) => {
            let again = if done.call.is_some() { ", to be sent again" } else { "" };
            format!("{}{again}", state(&done.execution))
        }
        Output::Preview(preview) => format!("would post {} entries", preview.entries.len()),
        Output::ResolveReview(row) => format!("review {} {} {}", row.id, row.kind, row.status),
        Output::SetPlatformFee(row) => format!("platform fee {}", row.id),
        Output::SetGatewayFee(row) => format!("gateway fee {}", row.id),
        Output::SetRate(row) => format!("rate {}", row.id),
        Output::OpenMarket(opened) => {
            format!("market {}, was open: {}", opened.market.id, opened.was_open)
        }
        Output::AssignPhonePrefix(row) => format!("phone prefix {}", row.id),
        Output::CloseMarket(again) | Output::EndPhonePrefix(again) => {
            format!("again: {again:?}")
        }
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
