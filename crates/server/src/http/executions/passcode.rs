//! The passcode of a payout: counted before it is compared.

use std::time::Duration;

use domain::command::{Answer, Command};
use domain::execute::Execute;
use domain::execution::Execution;
use domain::rejection::Rejection;

use crate::app::App;
use crate::engine::Failure;
use crate::http::error::ApiError;
use crate::http::fields::{Anything, Given, Secret};
use crate::http::passcode::{is_code, place};
use crate::payload;

payload! {
    /// A passcode, and from where it was given.
    pub struct VerifyPasscode {
        /// The passcode.
        token: PasscodeToken,
        /// The device: nothing here decides by it.
        device: Given<PasscodeDevice>,
    }

    /// The device on which a passcode was typed.
    pub struct PasscodeDevice {
        /// Its name.
        name: Option<Anything>,
        /// What it is.
        r#type: Option<Anything>,
        /// Its system.
        platform: Option<Anything>,
        /// Its browser.
        user_agent: Option<Anything>,
        /// Its address.
        client_ip: Option<Anything>,
    }

    /// A passcode.
    pub struct PasscodeToken {
        /// What was typed.
        code: Secret,
        /// Who typed it: nothing here decides by it.
        user_id: Option<Anything>,
        /// Their phone: nothing here decides by it.
        phone: Option<Anything>,
    }
}

/// What came of a try.
pub enum Tried {
    /// The call was made before: it needs no passcode.
    Replayed(Box<Execution>),
    /// Whether a passcode was compared and found right; not, where none is set.
    Compared(bool),
}

/// A lock may be of right tries that are still being compared, here or at another process, and lift it: it is asked again
/// after these, in milliseconds.
const LOOK_AGAIN_MS: [u64; 3] = [150, 300, 600];

/// Counts a try and compares the passcode.
///
/// # Errors
/// 403 when it is wrong or locked; what the engine refuses.
pub async fn try_code(app: &App, request: &Execute, code: String) -> Result<Tried, ApiError> {
    for wait in LOOK_AGAIN_MS {
        match try_once(app, request, code.clone()).await {
            Err(Failure::Rejected(reasons))
                if reasons.iter().any(|reason| matches!(reason, Rejection::PasscodeLocked { .. })) =>
            {
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            tried => return tried?,
        }
    }
    try_once(app, request, code).await?
}

/// The engine's refusal of the try itself, or what came of it.
async fn try_once(app: &App, request: &Execute, code: String) -> Result<Result<Tried, ApiError>, Failure> {
    let place = place().await;
    let counted = app.engine.submit(Command::ReserveAttempt(request.clone())).await?;
    Ok(match place {
        Ok(_place) => compare(app, request, counted, code).await,
        Err(error) => Err(error),
    })
}

async fn compare(app: &App, request: &Execute, counted: Answer, code: String) -> Result<Tried, ApiError> {
    match counted {
        Answer::Executed(executed) => Ok(Tried::Replayed(Box::new(executed.execution))),
        Answer::Passcode(None) => Ok(Tried::Compared(false)),
        Answer::Passcode(Some(hash)) => match is_code(hash, code).await? {
            true => {
                app.engine.submit(Command::ConfirmAttempt(request.merchant_id)).await?;
                Ok(Tried::Compared(true))
            }
            false => Err(ApiError::Forbidden(Rejection::PasscodeInvalid.to_string())),
        },
        _ => Err(ApiError::another_answer()),
    }
}
