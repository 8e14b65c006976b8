//! The events that a run starts by itself (requests, jobs, clocks, faults), recorded so that the run
//! can be repeated without some of them. What follows from them (answers, callbacks, retries) is not
//! recorded: it follows again.
//!
//! Ids change when an event is left out. Requests are therefore recorded with names instead of ids:
//! each row is named after the request that created it. A request that names a missing row is left
//! out too.

use std::collections::BTreeMap;
use std::rc::Rc;

use domain::decision::command::{Command, Output};
use domain::kernel::ids::MerchantId;
use domain::kernel::patch::Patch;
use domain::payments::create_session::NewSession;
use domain::payments::execute::{Execute, OperationDetails};
use domain::sales::find_source::SourceRef;

use crate::db::{Commit, Map};
use crate::oracle::figures::Prices;
use crate::queued_command::{Origin, QueuedCommand};
use crate::rng::{hash, hash_text};

/// A step, and the number of the event in it.
pub type Id = (u64, u32);

/// An event that a step starts.
#[derive(Clone, Debug)]
pub enum Event {
    /// One request of a client to a process, or two at once.
    Requests(Vec<(usize, QueuedCommand)>),
    /// A process's job claims at most so many due executions.
    Claims(usize, usize),
    /// A process's job expires sessions.
    Sweep(usize),
    /// A process's clock is off by so many microseconds from now on.
    Clock(usize, i64),
    /// The queue of the last process is full.
    Full,
    /// The database is away for so many microseconds.
    Outage(i64),
    /// An operator changes a fee or a rate from now on; `since` is not used.
    Prices(Prices),
    /// A fault in the middle of a batch.
    Fault(CallSite, Fault),
}

/// A call of a lane to its store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreCall {
    Reserve,
    Open,
    Load,
    Confirm,
    Persist,
    Commit,
}

/// The `nth` call of its kind in a process's batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CallSite {
    pub process: usize,
    pub call: StoreCall,
    pub nth: u32,
}

/// What goes wrong at a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Another process runs a batch first.
    Interleave,
    /// The process dies before.
    Crash,
    /// The process dies after the commit: the client never gets an answer.
    CrashAfter,
    /// The transaction has to be run again.
    Conflict,
    /// A row is locked for too long.
    Busy,
    /// The connection is lost.
    Away,
    /// The commit has no answer: whether it took place, and how many questions about it have no
    /// answer either.
    Unknown(bool, u32),
    /// A call while the database is away; it follows from [`Event::Outage`].
    InOutage,
}

/// The events of a run, in order.
pub type Plan = BTreeMap<Id, Rc<Event>>;

/// Where the events of a run come from.
#[derive(Clone)]
pub enum Script {
    /// Drawn at random.
    Draw,
    /// Drawn and recorded.
    Record,
    /// Recorded before.
    Replay(Rc<Plan>),
}

/// Names of rows, and their ids.
#[derive(Default)]
pub struct RowNames {
    names: Map<i64, i64>,
    ids: Map<i64, i64>,
}

impl RowNames {
    fn assign(&mut self, id: i64, parts: &[u64]) {
        if self.names.contains_key(&id) {
            return;
        }
        let mut chosen = hash(parts);
        // A client that retries after a crash may create a second row.
        while self.ids.contains_key(&chosen.cast_signed()) {
            chosen = hash(&[chosen]);
        }
        self.names.insert(id, chosen.cast_signed());
        self.ids.insert(chosen.cast_signed(), id);
    }

    /// Names the rows that a request has created.
    pub fn record_created(&mut self, tag: u64, answer: &Output) {
        let ids = match answer {
            Output::Merchant(row, _) => vec![row.id.0],
            Output::ApiKey(row) => vec![row.id.0],
            Output::Party(row) => vec![row.id.0],
            Output::Counterparty(row) => vec![row.id.0],
            Output::Account(row) => vec![row.id.0],
            Output::Source(row) => vec![row.id.0],
            Output::Item(row) => vec![row.id.0],
            Output::Checkout(made) => {
                vec![made.source.id.0, made.party.id.0, made.counterparty.id.0]
            }
            Output::Session(row) => vec![row.id.0],
            Output::Executed(done) => vec![done.execution.id.0],
            _ => vec![],
        };
        for (id, ordinal) in ids.into_iter().zip(1..) {
            self.assign(id, &[tag, ordinal]);
        }
    }

    /// Names rows by other rows: wallets by owner and currency, reviews by execution and kind.
    pub fn record_derived(&mut self, commits: &[Commit]) {
        let of =
            |names: &Self, id: i64| names.names.get(&id).map_or(0, |name| name.cast_unsigned());
        for (_, row) in commits
            .iter()
            .flat_map(|commit| &commit.changes.wallets)
            .filter(|(before, _)| before.is_none())
        {
            let parts = [of(self, row.owner_id), hash_text(row.currency.code())];
            self.assign(row.id.0, &parts);
        }
        for (_, row) in commits
            .iter()
            .flat_map(|commit| &commit.changes.reviews)
            .filter(|(before, _)| before.is_none())
        {
            let parts = [of(self, row.execution_id.0), hash_text(row.kind.as_str())];
            self.assign(row.id.0, &parts);
        }
    }

    /// A request with names in the place of ids; `None` where a row has no name.
    pub fn to_names(&self, item: &QueuedCommand) -> Option<QueuedCommand> {
        translated(item, &self.names)
    }

    /// A request with ids in the place of names; `None` where a row does not exist.
    pub fn to_ids(&self, item: &QueuedCommand) -> Option<QueuedCommand> {
        translated(item, &self.ids)
    }
}

fn translated(item: &QueuedCommand, by: &Map<i64, i64>) -> Option<QueuedCommand> {
    let mut item = item.clone();
    let mut complete = true;
    let mut change = |id: &mut i64| match by.get(id) {
        Some(found) => *id = *found,
        None => complete = false,
    };
    ids(&mut item.command, &mut change);
    match &mut item.origin {
        Origin::PasscodeAttempt(request, _) | Origin::PasscodeVerified(request) => {
            ids_of_request(request, &mut change)
        }
        Origin::CardPayer(id) => change(&mut id.0),
        Origin::Client(_)
        | Origin::CallSequence(_)
        | Origin::Callback
        | Origin::Claim
        | Origin::Sweep => {}
    }
    complete.then_some(item)
}

/// Calls `visit` for every id in a command.
fn ids(command: &mut Command, visit: &mut impl FnMut(&mut i64)) {
    if let Some(merchant) = merchant_of(command) {
        visit(&mut merchant.0);
    }
    match command {
        Command::RevokeApiKey(_, id) => visit(&mut id.0),
        Command::FundWallet(id, ..) | Command::SetWalletStatus(id, ..) => visit(&mut id.0),
        Command::CreateCounterparty(_, _, Some(party)) => visit(&mut party.0),
        Command::UpdateCounterparty(_, id, _, party) => {
            visit(&mut id.0);
            if let Patch::Set(party) = party {
                visit(&mut party.0);
            }
        }
        Command::CreateAccount(_, new) => visit(&mut new.party_id.0),
        Command::DeactivateAccount(_, id) => visit(&mut id.0),
        Command::CreateSource(_, new) => visit(&mut new.counterparty_id.0),
        Command::CreateCheckout(_, new) => {
            new.counterparty_id.iter_mut().for_each(|id| visit(&mut id.0))
        }
        Command::UpdateSource(SourceRef { id, .. }, _)
        | Command::PublishSource(SourceRef { id, .. })
        | Command::CancelSource(SourceRef { id, .. })
        | Command::AddItem(SourceRef { id, .. }, _)
        | Command::OpenCheckoutPage(SourceRef { id, .. }, _) => visit(&mut id.0),
        Command::UpdateItem(which, id, _) | Command::RemoveItem(which, id) => {
            visit(&mut which.id.0);
            visit(&mut id.0);
        }
        Command::CreateSession(_, request) => ids_of_new_session(request, visit),
        Command::CancelSession(_, _, id) | Command::ExpireSession(id) => visit(&mut id.0),
        Command::Authenticated(_, command) => ids(command, visit),
        Command::Execute(request) | Command::ReservePasscodeAttempt(request, _) => {
            ids_of_request(request, visit)
        }
        Command::ClaimExecution(id) | Command::RecordOutcome(id, _) => visit(&mut id.0),
        Command::ResolveReview(id, ..) => visit(&mut id.0),
        Command::CreateMerchant(_)
        | Command::UpdateMerchant(..)
        | Command::CreateApiKey(..)
        | Command::SetPasscode(..)
        | Command::UnlockPasscode(_)
        | Command::ReservePasscodeChange(..)
        | Command::ReplacePasscode(..)
        | Command::FinishPasscodeAttempt(..)
        | Command::AdvanceClock(..)
        | Command::CreateParty(..)
        | Command::CreateCounterparty(..)
        | Command::AuthenticateCard(..) => {}
    }
}

fn ids_of_new_session(request: &mut NewSession, visit: &mut impl FnMut(&mut i64)) {
    match request {
        NewSession::Checkout { source_id, .. } => visit(&mut source_id.0),
        NewSession::Payout { wallet_id, account_id, .. } => {
            wallet_id.iter_mut().for_each(|id| visit(&mut id.0));
            visit(&mut account_id.0);
        }
        NewSession::Transfer { wallet_id, counterparty_id, .. } => {
            visit(&mut wallet_id.0);
            visit(&mut counterparty_id.0);
        }
        NewSession::Refund { original_id, .. } => visit(&mut original_id.0),
    }
}

fn ids_of_request(request: &mut Execute, visit: &mut impl FnMut(&mut i64)) {
    visit(&mut request.merchant_id.0);
    visit(&mut request.session_id.0);
    match &mut request.details {
        OperationDetails::Collection { account_id, .. }
        | OperationDetails::Payout { account_id: Some(account_id), .. } => visit(&mut account_id.0),
        OperationDetails::Payout { account_id: None, .. }
        | OperationDetails::Transfer
        | OperationDetails::Refund => {}
    }
}

/// The merchant that a command names, except for requests to execute.
fn merchant_of(command: &mut Command) -> Option<&mut MerchantId> {
    match command {
        Command::Authenticated(_, command) => merchant_of(command),
        Command::UpdateMerchant(id, _)
        | Command::CreateApiKey(id, ..)
        | Command::RevokeApiKey(id, _)
        | Command::SetPasscode(id, _)
        | Command::UnlockPasscode(id)
        | Command::ReservePasscodeChange(id, _)
        | Command::ReplacePasscode(id, ..)
        | Command::FinishPasscodeAttempt(id, ..)
        | Command::AdvanceClock(id, _)
        | Command::CreateParty(id, _)
        | Command::CreateCounterparty(id, ..)
        | Command::UpdateCounterparty(id, ..)
        | Command::CreateAccount(id, _)
        | Command::DeactivateAccount(id, _)
        | Command::CreateSource(id, _)
        | Command::CreateCheckout(id, _)
        | Command::CreateSession(id, _)
        | Command::CancelSession(id, ..)
        | Command::AuthenticateCard(id, ..) => Some(id),
        Command::UpdateSource(which, _)
        | Command::PublishSource(which)
        | Command::CancelSource(which)
        | Command::AddItem(which, _)
        | Command::UpdateItem(which, ..)
        | Command::RemoveItem(which, _)
        | Command::OpenCheckoutPage(which, _) => Some(&mut which.merchant_id),
        Command::Execute(_)
        | Command::ReservePasscodeAttempt(..)
        | Command::CreateMerchant(_)
        | Command::FundWallet(..)
        | Command::SetWalletStatus(..)
        | Command::ExpireSession(_)
        | Command::ClaimExecution(_)
        | Command::RecordOutcome(..)
        | Command::ResolveReview(..) => None,
    }
}
