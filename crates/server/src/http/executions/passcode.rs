//! The passcode of a payout: counted before it is compared, and compared outside the engine.

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use domain::command::{Answer, Command};
use domain::execute::Execute;
use domain::execution::Execution;
use domain::rejection::Rejection;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::fields::{Anything, Given, Secret};
use crate::payload;

/// A comparison takes 19 MiB and a core: so many at a time, and fewer than the wrong tries that lock.
static COMPARISONS: Semaphore = Semaphore::const_new(4);

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

/// Counts a try and compares the passcode.
///
/// # Errors
/// 403 when it is wrong or locked; what the engine refuses.
pub async fn try_code(app: &App, request: &Execute, code: String) -> Result<Tried, ApiError> {
    // Taken before the try is counted and kept until a right one is uncounted: fewer tries are under way than lock, so that
    // right passcodes at the same time do not lock each other out.
    let _place = COMPARISONS.acquire().await.map_err(|error| ApiError::internal(error.to_string()))?;
    match app.engine.submit(Command::ReserveAttempt(request.clone())).await? {
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

/// Whether the hash is that of the code.
async fn is_code(hash: String, code: String) -> Result<bool, ApiError> {
    let compared = tokio::task::spawn_blocking(move || {
        let hash = PasswordHash::new(&hash).map_err(|_| ApiError::internal("a stored passcode hash is broken"))?;
        Ok(Argon2::default().verify_password(code.as_bytes(), &hash).is_ok())
    });
    compared.await.map_err(|error| ApiError::internal(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordHasher;

    #[tokio::test]
    async fn a_code_is_compared_with_its_hash() {
        let hash = Argon2::default().hash_password_with_salt(b"1234", b"a salt of bytes!").unwrap().to_string();
        assert_eq!(is_code(hash.clone(), "1234".to_owned()).await, Ok(true));
        assert_eq!(is_code(hash, "1235".to_owned()).await, Ok(false));
        assert!(is_code("nonsense".to_owned(), "1234".to_owned()).await.is_err());
    }
}
