//! Codes of a phone: after the password, and again for what moves money or gives rights.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::kernel::uuids::Fingerprint;
use domain::people::second_factor::{GiveCode, Proof};
use domain::people::user::{SealedTotp, User};

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::{App, no_key};
use crate::credentials::people::{self, TotpSecret};
use crate::net::limits::CountPageRequest;
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::person::{Begun, LoggedIn, Next, Sender};
use crate::web::form::Form;
use crate::web::language::Visitor;
use store::clock;

pub(super) const WRONG: &str = "The code is wrong, too old, or was used before.";

#[derive(Template)]
#[template(path = "app/second_factor.html")]
struct CodeTemplate<'a> {
    app: &'a AppFrame,
    next: &'a str,
    /// A code was given before, and is too old for what was asked for.
    is_again: bool,
    fault: Fault,
}

fn render(
    status: StatusCode,
    me: &LoggedIn,
    visitor: Visitor,
    next: &str,
    fault: Fault,
) -> Result<Response, ApiError> {
    let frame = me.frame(visitor, "Code of your phone");
    frame::render(
        status,
        &frame,
        &CodeTemplate { app: &frame, next, is_again: me.login.second_factor_at.is_some(), fault },
    )
}

async fn form(
    _: CountPageRequest,
    visitor: Visitor,
    Next(next): Next,
    Begun(me): Begun,
) -> Result<Response, ApiError> {
    if !me.user.has_second_factor() {
        return Ok(frame::lead_to(frame::PROFILE));
    }
    render(StatusCode::OK, &me, visitor, &next, Fault::default())
}

/// The secret of somebody's phone.
///
/// # Errors
/// [`ApiError::NoSecretsKey`] where the key that it is encrypted with is not there.
pub(super) fn open(app: &App, user: &User, totp: &SealedTotp) -> Result<TotpSecret, ApiError> {
    let key = app.key_to_open_with()?;
    let text = key.open_totp(user.id, totp).map_err(no_key)?;
    TotpSecret::from_text(&text).ok_or_else(|| ApiError::internal("a phone's secret is broken"))
}

/// What is said where the secret of a phone cannot be opened. The log says where the key was expected.
pub(super) const NO_KEY: &str = "This server cannot check codes of phones: its secrets key is missing. Tell who runs it. \
     A recovery code still works.";

/// What was typed: a recovery code, or what is compared with the codes of the phone.
enum Typed {
    Recovery(Fingerprint),
    OfPhone(Option<TotpSecret>),
}

/// What is needed to compare a code.
fn typed(app: &App, user: &User, code: &str) -> Result<Typed, ApiError> {
    if let Some(recovery) = people::recovery_code(user.id, code) {
        return Ok(Typed::Recovery(recovery));
    }
    let secret = user.totp.as_ref().map(|totp| open(app, user, &totp.secret)).transpose()?;
    Ok(Typed::OfPhone(secret))
}

impl Typed {
    /// What a code proves, if it is one.
    fn proof(&self, code: &str) -> Option<Proof> {
        match self {
            Self::Recovery(recovery) => Some(Proof::Recovery(*recovery)),
            Self::OfPhone(secret) => secret.as_ref()?.step_of(code, clock::now()).map(Proof::Step),
        }
    }
}

async fn give(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    sender: Sender,
    Begun(me): Begun,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let next = frame::next_path(form.field("next"));
    let shown = |status, fault| render(status, &me, visitor.clone(), &next, fault);
    let refused = |status, sentence| shown(status, Fault::of_page(sentence));
    let by = me.person(None);
    let code = form.field("code").unwrap_or_default();
    // Before it counts as a try: nobody is slowed down for what the server cannot compare.
    let typed = match typed(&app, &me.user, code) {
        Err(error @ ApiError::NoSecretsKey(_)) => {
            error.log();
            return refused(StatusCode::SERVICE_UNAVAILABLE, NO_KEY.to_owned());
        }
        typed => typed?,
    };
    let reserved = match me.reserve_code(&app, &sender).await {
        Ok(reserved) => reserved,
        Err(failure) => return frame::refused(failure, &next)?.answer(refused),
    };
    let Some(proof) = typed.proof(code) else {
        return shown(StatusCode::FORBIDDEN, Fault::of_field("code", WRONG));
    };
    match me.submit(&app, None, GiveCode { by, reserved, proof }).await {
        Ok(_) => Ok(frame::lead_to(&next)),
        Err(failure) => frame::refused(failure, &next)?
            .answer(|status, sentence| shown(status, Fault::of_field("code", sentence))),
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/second-factor", form).form("/app/second-factor", give)
}
