//! What follows when a try at a password or a code was reserved: it is compared, and the try ended.

use domain::decision::command::Output;
use domain::directory::principal::Principal;
use domain::kernel::time::seconds;
use domain::people::access::Person;
use domain::people::change_password::ChangePassword;
use domain::people::log_in::{FinishLogin, LoginAttempt, ReserveLogin};
use domain::people::second_factor::{ConfirmSecondFactor, GiveCode, Proof};
use domain::people::user::RecoveryCodes;
use kola::engine::Outcome;

use crate::queued_command::{Code, Origin, QueuedCommand, Try};
use crate::rng::{Rng, hash};
use crate::scheduled::Scheduled;
use crate::sim::Sim;

/// A code belongs to so many microseconds.
const STEP: i64 = seconds(30);

/// What a password was compared with: now and then one that was replaced while that took its time.
fn compared_with(hash: &str, rng: &mut Rng) -> String {
    if rng.chance(30) { format!("{hash}, before") } else { hash.to_owned() }
}

impl Sim {
    /// A try was reserved, or refused because of those before it.
    pub fn try_reserved(&mut self, tried: Try, tag: u64, outcome: &Outcome) {
        let mut rng = self.rng_after_request(tag, 0);
        if let Try::Guesses(rest) = tried {
            // The guesses come at once: whoever sends them waits for no answer.
            for ((email, address), number) in rest.into_iter().zip(1..) {
                let item = QueuedCommand {
                    tag: hash(&[tag, number]),
                    ..QueuedCommand::untagged(
                        ReserveLogin { email, address },
                        Origin::Try(Try::Guesses(vec![])),
                    )
                };
                self.schedule(rng.between(0, seconds(2)), Scheduled::Submit(Box::new(item)));
            }
            return;
        }
        if rng.chance(30) {
            self.statistics.fault("process dies while it compares a password", 1);
            return;
        }
        let wait = if rng.chance(150) { rng.between(0, seconds(40)) } else { 0 };
        let item = match (tried, outcome) {
            (Try::Password { is_right, browser }, Ok(Output::ReserveLogin(attempt))) => {
                let LoginAttempt { reserved, user: Some((user_id, hash)) } = attempt else {
                    return;
                };
                if !is_right {
                    return;
                }
                let command = FinishLogin {
                    reserved: *reserved,
                    user_id: *user_id,
                    password_hash: compared_with(hash, &mut rng),
                    browser,
                };
                QueuedCommand::from_client(command.into()).asked_by(Principal::Visitor)
            }
            (Try::Code { by, code }, Ok(Output::ReserveCode(reserved))) => {
                let Some(proof) = self.proof(by, code) else { return };
                let command = GiveCode { by, reserved: *reserved, proof };
                QueuedCommand::from_client(command.into()).asked_by(Principal::User(by))
            }
            (Try::FirstCode { by, is_right, recovery }, Ok(Output::ReserveCode(reserved))) => {
                let user = self.model.people.users.get(&by.user_id.0);
                let pending = user.and_then(|user| user.pending.as_ref()).filter(|_| is_right);
                let Some(pending) = pending else { return };
                let command = ConfirmSecondFactor {
                    by,
                    reserved: *reserved,
                    sealed: pending.clone(),
                    step: self.now / STEP,
                    recovery_codes: RecoveryCodes(recovery),
                };
                QueuedCommand::from_client(command.into()).asked_by(Principal::User(by))
            }
            (
                Try::NewPassword { by, is_right, to_hash, browser },
                Ok(Output::ReserveCode(reserved)),
            ) => {
                let user = self.model.people.users.get(&by.user_id.0).filter(|_| is_right);
                let Some(user) = user else { return };
                let command = ChangePassword {
                    by,
                    reserved: *reserved,
                    from_hash: compared_with(&user.password, &mut rng),
                    to_hash,
                    browser,
                };
                QueuedCommand::from_client(command.into()).asked_by(Principal::User(by))
            }
            _ => return,
        };
        self.schedule(wait, Scheduled::Submit(Box::new(QueuedCommand { tag, ..item })));
    }

    /// What the code that somebody gives belongs to; `None` for one that belongs to nothing.
    fn proof(&self, by: Person, code: Code) -> Option<Proof> {
        let user = self.model.people.users.get(&by.user_id.0)?;
        match code {
            Code::Now => Some(Proof::Step(self.now / STEP)),
            Code::Again => Some(Proof::Step(user.step)),
            Code::Older => Some(Proof::Step(user.step - 1)),
            Code::Wrong => None,
            Code::Recovery => user.recovery.first().copied().map(Proof::Recovery),
            Code::Spent => user.spent.last().copied().map(Proof::Recovery),
        }
    }
}
