//! The function that decides a command: it calls the rule of the use case.

use crate::decision::command::{Command, Output};
use crate::decision::settings::Settings;
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::advance_clock;
use crate::directory::api_keys;
use crate::directory::counterparties;
use crate::directory::create_merchant;
use crate::directory::create_party;
use crate::directory::create_payment_account;
use crate::directory::merchant::Merchant;
use crate::directory::set_passcode;
use crate::directory::try_passcode;
use crate::directory::update_merchant;
use crate::directory::use_payment_account;
use crate::exceptions::resolve_review;
use crate::kernel::ids::{ApiKeyId, MerchantId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::ledger::fund_wallet;
use crate::ledger::set_wallet_status;
use crate::payments::authenticate_card;
use crate::payments::cancel_session;
use crate::payments::claim_execution;
use crate::payments::create_session;
use crate::payments::execute::{self, Execute, Executed};
use crate::payments::expire_session;
use crate::payments::record_outcome;
use crate::sales::cancel_source;
use crate::sales::create_checkout;
use crate::sales::create_source;
use crate::sales::edit_items;
use crate::sales::open_checkout_page;
use crate::sales::publish_source;
use crate::sales::update_source;

/// Decides a command. Its changes are a draft in the workspace, which the caller accepts, or discards
/// with [`Workspace::discard_draft`] when the command is refused.
///
/// # Errors
/// [`Stop::NotLoaded`] until all rows are loaded that the decision reads; [`Stop::Refused`].
pub fn decide(
    command: &Command,
    settings: &Settings,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Output, Stop> {
    let time = |merchant: &MerchantId, work: &Workspace| {
        work.require::<Merchant>(*merchant).map(|merchant| merchant.time(now))
    };
    Ok(match command {
        Command::Authenticated(caller, command) => {
            caller.check(work, now)?;
            decide(command, settings, work, now)?
        }
        Command::CreateMerchant(new) => {
            let (merchant, wallets) = create_merchant::create(new, work, now)?;
            Output::Merchant(merchant, wallets)
        }
        Command::UpdateMerchant(id, changes) => {
            Output::UpdatedMerchant(update_merchant::update(*id, changes, work, now)?)
        }
        Command::CreateApiKey(id, client_id, secret_hash) => {
            Output::ApiKey(api_keys::create(*id, client_id, secret_hash, work, now)?)
        }
        Command::RevokeApiKey(id, which) => {
            Output::ApiKey(api_keys::revoke(*id, *which, work, now)?)
        }
        Command::ReservePasscodeChange(id, key) => {
            Output::Passcode(try_passcode::reserve(*id, *key, work, now)?)
        }
        Command::ReplacePasscode(id, replaces, hash) => {
            set_passcode::replace(*id, replaces.as_deref(), hash.as_deref(), work, now)?;
            Output::Done
        }
        Command::SetPasscode(id, hash) => {
            set_passcode::set(*id, hash.as_deref(), work, now)?;
            Output::Done
        }
        Command::UnlockPasscode(id) => {
            set_passcode::unlock(*id, work, now)?;
            Output::Done
        }
        Command::ReservePasscodeAttempt(request, key) => {
            reserve_passcode_attempt(request, *key, work, now)?
        }
        Command::FinishPasscodeAttempt(id, which, right) => {
            try_passcode::finish(*id, *which, *right, work, now)?;
            Output::Done
        }
        Command::AdvanceClock(id, by_seconds) => {
            Output::Time(advance_clock::advance(*id, *by_seconds, work, now)?)
        }
        Command::FundWallet(id, amount, key) => {
            Output::Wallet(fund_wallet::fund(*id, *amount, key.as_deref(), work, now)?)
        }
        Command::SetWalletStatus(id, status, open) => {
            Output::Wallet(set_wallet_status::set_status(*id, *status, *open, work, now)?)
        }
        Command::CreateParty(id, new) => {
            Output::Party(create_party::create(*id, new, work, time(id, work)?)?)
        }
        Command::CreateCounterparty(id, relationship, party) => Output::Counterparty(
            counterparties::create(*id, *relationship, *party, work, time(id, work)?)?,
        ),
        Command::UpdateCounterparty(id, which, relationship, party) => {
            let time = time(id, work)?;
            Output::Counterparty(counterparties::update(
                *id,
                *which,
                *relationship,
                *party,
                work,
                time,
            )?)
        }
        Command::CreateAccount(id, new) => {
            Output::Account(create_payment_account::create(*id, new, work, now)?)
        }
        Command::DeactivateAccount(id, which) => {
            Output::Account(use_payment_account::deactivate(*id, *which, work, time(id, work)?)?)
        }
        Command::CreateSource(id, new) => {
            Output::Source(create_source::create(*id, new, work, time(id, work)?)?)
        }
        Command::UpdateSource(which, changes) => Output::Source(update_source::update(
            *which,
            changes,
            work,
            time(&which.merchant_id, work)?,
        )?),
        Command::PublishSource(which) => {
            Output::Source(publish_source::publish(*which, work, now)?)
        }
        Command::CancelSource(which) => Output::Source(cancel_source::cancel(*which, work, now)?),
        Command::AddItem(which, new) => {
            Output::Item(edit_items::add_item(*which, new, work, time(&which.merchant_id, work)?)?)
        }
        Command::UpdateItem(which, id, changes) => Output::Item(edit_items::update_item(
            *which,
            *id,
            changes,
            work,
            time(&which.merchant_id, work)?,
        )?),
        Command::RemoveItem(which, id) => {
            edit_items::remove_item(*which, *id, work, time(&which.merchant_id, work)?)?;
            Output::Done
        }
        Command::CreateCheckout(id, new) => Output::Checkout(Box::new(create_checkout::create(
            *id,
            new,
            settings.lifetimes,
            work,
            now,
        )?)),
        Command::OpenCheckoutPage(which, token) => {
            Output::Page(open_checkout_page::open(*which, token, work, now)?)
        }
        Command::CreateSession(id, request) => {
            Output::Session(create_session::create(*id, request, settings, work, now)?)
        }
        Command::CancelSession(id, kind, which) => {
            Output::Session(cancel_session::cancel(*id, *kind, *which, work, now)?)
        }
        Command::ExpireSession(id) => Output::Changed(expire_session::expire(*id, work, now)?),
        Command::Execute(request) => {
            Output::Executed(Box::new(execute::execute(request, settings, work, now)?))
        }
        Command::ClaimExecution(id) => Output::Claimed(
            claim_execution::claim(*id, settings.deadlines, work, now)?.map(Box::new),
        ),
        Command::RecordOutcome(id, outcome) => {
            Output::OutcomeRecorded(Box::new(record_outcome::record(*id, outcome, work, now)?))
        }
        Command::AuthenticateCard(id, reference, success) => Output::OutcomeRecorded(Box::new(
            authenticate_card::authenticate(*id, reference, *success, work, now)?,
        )),
        Command::ResolveReview(id, how, evidence) => {
            Output::Review(resolve_review::resolve(*id, *how, evidence, work, now)?)
        }
    })
}

/// Reserves an attempt at a payout's passcode. A replay needs no passcode, and a merchant that is not
/// verified is refused before: neither counts as an attempt.
fn reserve_passcode_attempt(
    request: &Execute,
    key: ApiKeyId,
    work: &mut Workspace,
    now: ServerTime,
) -> Result<Output, Stop> {
    if let Some(execution) = execute::replay(request, work)? {
        return Ok(Output::Executed(Box::new(Executed { execution, replayed: true, call: None })));
    }
    if !work.require::<Merchant>(request.merchant_id)?.verified {
        return Err(Refusal::NotVerified.into());
    }
    Ok(Output::Passcode(try_passcode::reserve(request.merchant_id, key, work, now)?))
}
