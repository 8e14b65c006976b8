//! Reserving an attempt at a passcode for a payout, before the passcode is compared.

use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{RowKey, Stop, Workspace};
use crate::directory::merchant::Merchant;
use crate::directory::roles::Action;
use crate::directory::try_passcode::{self, PasscodeAttempt};
use crate::kernel::ids::ApiKeyId;
use crate::kernel::refusal::Refusal;
use crate::payments::attempt::WithAttempt;
use crate::payments::execute::{self, Execute};

/// Reserves an attempt at a payout's passcode before it is compared. A replay needs no passcode, and
/// a merchant that is not verified is refused before: neither counts as an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReservePasscodeAttempt {
    /// The payout.
    pub execute: Execute,
    pub api_key_id: ApiKeyId,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PasscodeReservation {
    /// An earlier request with the same idempotency key made this execution.
    Replayed(Box<WithAttempt>),
    /// The attempt; `None` if the merchant has no passcode.
    Reserved(Option<PasscodeAttempt>),
}

impl Decision for ReservePasscodeAttempt {
    type Output = PasscodeReservation;

    fn action(&self) -> Option<Action> {
        Some(Action::PayOut)
    }

    fn hints(&self) -> Vec<RowKey> {
        self.execute.hints()
    }

    fn decide(
        &self,
        work: &mut Workspace,
        context: &Context<'_>,
    ) -> Result<PasscodeReservation, Stop> {
        if let Some(found) = execute::replay(&self.execute, work)? {
            return Ok(PasscodeReservation::Replayed(Box::new(found)));
        }
        let merchant_id = self.execute.merchant_id;
        if !work.require::<Merchant>(merchant_id)?.verified {
            return Err(Refusal::NotVerified.into());
        }
        let attempt = try_passcode::reserve(merchant_id, self.api_key_id, work, context.now)?;
        Ok(PasscodeReservation::Reserved(attempt))
    }
}
