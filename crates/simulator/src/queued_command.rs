//! A command on its way to a lane, and who waits for its answer.

use domain::decision::command::{Command, Request};
use domain::directory::principal::Principal;
use domain::kernel::ids::ExecutionId;
use domain::kernel::uuids::Fingerprint;
use domain::payments::execute::Execute;
use domain::people::access::Person;
use domain::people::log_in::Browser;
use kola::jobs::call_sequence::CallSequence;

/// Who waits for the answer of a command.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A client, and how often it has retried.
    Client(u32),
    /// A process that has called a provider.
    CallSequence(CallSequence),
    /// A provider's callback, and what else is heard of networks.
    Callback,
    /// A callback that nobody has signed: the network is asked.
    Hint,
    /// The job that claims due executions.
    Claim,
    /// The job that makes the deliveries of messages.
    FanOut,
    /// The job that claims due deliveries.
    DeliveryClaim,
    /// A process that has tried to deliver, and how often it has tried to record that.
    DeliveryAttempt(u32),
    /// Whoever reads a statement and books it.
    Statement,
    /// The jobs that expire sessions and cancel unpaid orders.
    Sweep,
    /// A payout whose passcode is about to be compared, and whether it is right.
    PasscodeAttempt(Execute, bool),
    /// A payout whose passcode was right: the attempt is finished first, then it is executed.
    PasscodeVerified(Execute),
    /// A payer who authenticates a card payment.
    CardPayer(ExecutionId),
    /// Somebody whose try at a password or a code is reserved, and what they try.
    Try(Try),
}

/// What somebody tries once it is reserved.
#[derive(Clone, Debug)]
pub enum Try {
    /// The right password, or another.
    Password {
        is_right: bool,
        browser: Browser,
    },
    /// A guesser's wrong password, and the accounts and addresses of all tries after the first.
    Guesses(Vec<(String, String)>),
    Code {
        by: Person,
        code: Code,
    },
    /// The first code of a phone, or another, and the recovery codes that come with it.
    FirstCode {
        by: Person,
        is_right: bool,
        recovery: Vec<Fingerprint>,
    },
    /// Another password instead of the right one, or of a wrong one.
    NewPassword {
        by: Person,
        is_right: bool,
        to_hash: String,
        browser: Browser,
    },
}

/// What somebody gives as a code.
#[derive(Clone, Copy, Debug)]
pub enum Code {
    /// The phone's code of this moment.
    Now,
    /// The code that was taken last, or one from before it.
    Again,
    Older,
    Wrong,
    /// A recovery code, and one that was good once.
    Recovery,
    Spent,
}

/// A command on its way to a lane.
#[derive(Clone, Debug)]
pub struct QueuedCommand {
    pub command: Command,
    pub origin: Origin,
    /// Identifies the request that led to it by a number that is the same in every run that has the
    /// request; zero where no client asked.
    pub tag: u64,
    /// Who asks for it, where that is a person, a program, or somebody who is about to log in.
    pub by: Option<Principal>,
}

impl QueuedCommand {
    /// A client's first attempt; the simulation sets the tag.
    pub const fn from_client(command: Command) -> Self {
        Self { command, origin: Origin::Client(0), tag: 0, by: None }
    }

    /// The same, asked for by somebody.
    pub const fn asked_by(mut self, by: Principal) -> Self {
        self.by = Some(by);
        self
    }

    /// The command, with who asks for it.
    pub fn request(&self) -> Request {
        Request::new(self.principal(), self.command.clone())
    }

    /// Who asks for it. Clients that are no people and have no API key stand for themselves, as
    /// whoever runs the installation does at its command line.
    pub const fn principal(&self) -> Principal {
        if let Some(by) = self.by {
            return by;
        }
        match self.origin {
            Origin::Hint => Principal::Network,
            _ if self.is_from_page() => Principal::Payer,
            Origin::CallSequence(_) | Origin::Callback => Principal::Network,
            Origin::Claim
            | Origin::Sweep
            | Origin::Statement
            | Origin::FanOut
            | Origin::DeliveryClaim
            | Origin::DeliveryAttempt(_) => Principal::System,
            Origin::Client(_) | Origin::PasscodeAttempt(..) | Origin::PasscodeVerified(_) => {
                Principal::Operator
            }
            Origin::CardPayer(_) => Principal::Payer,
            Origin::Try(_) => Principal::Visitor,
        }
    }

    /// Whether only a payer on a page sends such a command.
    const fn is_from_page(&self) -> bool {
        matches!(
            self.command,
            Command::PayOnPage(_)
                | Command::PayLink(_)
                | Command::LeaveCardPage(_)
                | Command::CheckNow(_)
        )
    }

    /// A command that no client asked for.
    pub fn untagged(command: impl Into<Command>, origin: Origin) -> Self {
        Self { command: command.into(), origin, tag: 0, by: None }
    }
}
