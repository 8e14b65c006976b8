//! Codes of a phone: after the password, and again for what moves money or gives rights.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::people::second_factor::{GiveCode, Proof};
use domain::people::user::{SealedTotp, User};

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
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
    /// A page was opened; else something was asked to be done.
    opens: bool,
    fault: Fault,
}

fn render(
    status: StatusCode,
    me: &LoggedIn,
    visitor: Visitor,
    (next, opens): (&str, bool),
    fault: Fault,
) -> Result<Response, ApiError> {
    let frame = me.frame(visitor, "Code of your phone");
    let is_again = me.login.second_factor_at.is_some();
    let template = CodeTemplate { app: &frame, next, is_again, opens, fault };
    frame::render(status, &frame, &template)
}

async fn form(
    _: CountPageRequest,
    visitor: Visitor,
    Next(next): Next,
    Begun(me): Begun,
    uri: Uri,
) -> Result<Response, ApiError> {
    if !me.user.has_second_factor() {
        return Ok(frame::lead_to(frame::PROFILE));
    }
    let query = uri.query().unwrap_or_default();
    let opens = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "opens");
    render(StatusCode::OK, &me, visitor, (&next, opens), Fault::default())
}

/// The secret of somebody's phone.
///
/// # Errors
/// The key that it is encrypted with is not there.
pub(super) fn open(app: &App, user: &User, totp: &SealedTotp) -> Result<TotpSecret, ApiError> {
    let failed = |error: anyhow::Error| ApiError::Unavailable(format!("{error:#}"));
    let key = app.config.secrets_key.read(false).map_err(failed)?;
    let text = key.open_totp(user.id, totp).map_err(failed)?;
    TotpSecret::from_text(&text).ok_or_else(|| ApiError::internal("a phone's secret is broken"))
}

/// What a code proves, if it is one.
fn proof(app: &App, user: &User, code: &str) -> Result<Option<Proof>, ApiError> {
    if let Some(recovery) = people::recovery_code(user.id, code) {
        return Ok(Some(Proof::Recovery(recovery)));
    }
    let Some(totp) = &user.totp else { return Ok(None) };
    Ok(open(app, user, &totp.secret)?.step_of(code, clock::now()).map(Proof::Step))
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
    let opens = form.has("opens");
    let shown = |status, fault| render(status, &me, visitor.clone(), (&next, opens), fault);
    let refused = |status, sentence| shown(status, Fault::of_page(sentence));
    let by = me.person(None);
    let reserved = match me.reserve_code(&app, &sender).await {
        Ok(reserved) => reserved,
        Err(failure) => return frame::refused(failure, &next)?.answer(refused),
    };
    let code = form.field("code").unwrap_or_default();
    let Some(proof) = proof(&app, &me.user, code)? else {
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
