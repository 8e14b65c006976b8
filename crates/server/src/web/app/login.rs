//! Logging in and out.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::people::end_login::EndLogin;
use domain::people::log_in::{FinishLogin, ReserveLogin};

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::people::{self, PASSWORD_MAX, PasswordPlace};
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::request_id;
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::person::{self, Begun, LoggedIn, Next, Sender};
use crate::web::form::Form;
use crate::web::language::Visitor;

/// In the same words for who is not known: which of the two is wrong is nobody's business.
const WRONG: &str = "The e-mail address or the password is wrong.";
/// An address that is longer is no key of anything.
const EMAIL_MAX: usize = 255;

#[derive(Template)]
#[template(path = "app/login.html")]
struct LoginTemplate<'a> {
    app: &'a AppFrame,
    email: &'a str,
    next: &'a str,
    fault: Fault,
}

fn render(
    status: StatusCode,
    visitor: Visitor,
    (email, next): (&str, &str),
    fault: Fault,
) -> Result<Response, ApiError> {
    let frame = AppFrame::for_visitor(visitor, "Log in");
    frame::render(status, &frame, &LoginTemplate { app: &frame, email, next, fault })
}

async fn form(
    _: CountPageRequest,
    visitor: Visitor,
    Next(next): Next,
    me: Option<LoggedIn>,
) -> Result<Response, ApiError> {
    if me.is_some() {
        return Ok(frame::lead_to(&next));
    }
    render(StatusCode::OK, visitor, ("", &next), Fault::default())
}

/// What somebody sent to log in.
struct Sent {
    email: String,
    password: String,
    next: String,
}

async fn log_in(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    sender: Sender,
    form: Form,
) -> Result<Response, ApiError> {
    let typed = form.field("email").unwrap_or_default();
    let next = frame::next_page(form.field("next"));
    let password = form.verbatim("password").unwrap_or_default().to_owned();
    // Nobody has another name or a longer password.
    let email = people::email(typed).filter(|_| password.len() <= 4 * PASSWORD_MAX);
    let Some(email) = email else {
        let typed: String = typed.chars().take(EMAIL_MAX).collect();
        let wrong = Fault::of_page(WRONG);
        return render(StatusCode::FORBIDDEN, visitor, (&typed, &next), wrong);
    };
    let sent = Sent { email, password, next };
    // A task of its own: a browser that goes away leaves no try that counts as wrong.
    let done = request_id::spawn(finish(app, visitor, sender, sent)).await;
    done.map_err(|_| ApiError::internal("the task of a login panicked"))?
}

async fn finish(
    app: App,
    visitor: Visitor,
    sender: Sender,
    Sent { email, password, next }: Sent,
) -> Result<Response, ApiError> {
    let shown = |status, sentence| {
        render(status, visitor.clone(), (&email, &next), Fault::of_page(sentence))
    };
    match with_password(&app, &sender, &email, password, &next).await {
        Ok(Some(response)) => Ok(response),
        Ok(None) => shown(StatusCode::FORBIDDEN, WRONG.to_owned()),
        Err(NotCompared::Failed(error)) => Err(error),
        Err(NotCompared::Refused(failure)) => frame::refused(failure, "/app")?.answer(shown),
    }
}

/// Why a password was not compared.
pub(super) enum NotCompared {
    Refused(Failure),
    Failed(ApiError),
}

impl<E: Into<ApiError>> From<E> for NotCompared {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Logs somebody in by their password, and leads them on, to the code first if they have a phone; `None`
/// where the address or the password is wrong, and for who was kept out.
///
/// # Errors
/// Too many wrong ones.
pub(super) async fn with_password(
    app: &App,
    sender: &Sender,
    email: &str,
    password: String,
    next: &str,
) -> Result<Option<Response>, NotCompared> {
    let place = PasswordPlace::acquire(&app.hashing, &sender.address).await;
    let mut place = place.ok_or(ApiError::TooMany(1))?;
    let reserve = ReserveLogin { email: email.to_owned(), address: sender.address.clone() };
    let attempt = person::submit_as_visitor(app, reserve).await.map_err(NotCompared::Refused)?;
    let (user_id, hash) = attempt.user.unzip();
    let right = place.is_right(password, hash.clone()).await;
    drop(place);
    let (Some(user_id), Some(password_hash), true) = (user_id, hash, right) else {
        return Ok(None);
    };
    let token = person::draw_token()?;
    let finish = FinishLogin {
        reserved: attempt.reserved,
        user_id,
        password_hash,
        browser: sender.browser(&token),
    };
    let Some(login) = person::submit_as_visitor(app, finish).await? else { return Ok(None) };
    let user = app.queries.for_authentication().login(login.token).await?;
    let asks = user.is_some_and(|(_, user)| user.has_second_factor());
    let path = if asks { frame::with_next(frame::SECOND_FACTOR, next) } else { next.to_owned() };
    let mut response = frame::lead_to(&path);
    person::set_cookie(&mut response, app, Some(&token))?;
    Ok(Some(response))
}

async fn log_out(
    State(app): State<App>,
    _: CountPageRequest,
    Begun(me): Begun,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let by = me.person(None);
    me.submit(&app, None, EndLogin { by, login_id: me.login.id }).await?;
    let mut response = frame::lead_to(frame::LOGIN);
    person::set_cookie(&mut response, &app, None)?;
    Ok(response)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/login", form).form("/app/login", log_in).form("/app/logout", log_out)
}
