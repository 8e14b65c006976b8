//! A command on its way to a lane, and who waits for its answer.

use domain::decision::command::{Command, Request};
use domain::directory::principal::Principal;
use domain::kernel::ids::ExecutionId;
use domain::payments::execute::Execute;
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
    /// The jobs that expire sessions and cancel unpaid orders.
    Sweep,
    /// A payout whose passcode is about to be compared, and whether it is right.
    PasscodeAttempt(Execute, bool),
    /// A payout whose passcode was right: the attempt is finished first, then it is executed.
    PasscodeVerified(Execute),
    /// A payer who authenticates a card payment.
    CardPayer(ExecutionId),
}

/// A command on its way to a lane.
#[derive(Clone, Debug)]
pub struct QueuedCommand {
    pub command: Command,
    pub origin: Origin,
    /// Identifies the request that led to it by a number that is the same in every run that has the
    /// request; zero where no client asked.
    pub tag: u64,
}

impl QueuedCommand {
    /// A client's first attempt; the simulation sets the tag.
    pub const fn from_client(command: Command) -> Self {
        Self { command, origin: Origin::Client(0), tag: 0 }
    }

    /// The command, with who asks for it. Credentials are not simulated: clients stand for
    /// themselves.
    pub fn request(&self) -> Request {
        let principal = match self.origin {
            Origin::Hint => Principal::Network,
            _ if self.is_from_page() => Principal::Payer,
            Origin::CallSequence(_) | Origin::Callback => Principal::Network,
            Origin::Claim
            | Origin::Sweep
            | Origin::FanOut
            | Origin::DeliveryClaim
            | Origin::DeliveryAttempt(_) => Principal::System,
            Origin::Client(_) | Origin::PasscodeAttempt(..) | Origin::PasscodeVerified(_) => {
                Principal::Operator
            }
            Origin::CardPayer(_) => Principal::Payer,
        };
        Request::new(principal, self.command.clone())
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
        Self { command: command.into(), origin, tag: 0 }
    }
}
