//! `/app/profile`: the own password, phone and logins.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::kernel::ids::LoginId;
use domain::people::change_password::ChangePassword;
use domain::people::end_login::EndLogin;
use domain::people::login::Login;
use domain::people::second_factor::{ConfirmSecondFactor, SetUpSecondFactor};

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::people::{self, PASSWORD_MIN, PasswordPlace, TotpSecret};
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::person::{self, LoggedIn, Posted, Sender};
use crate::web::app::second_factor;
use crate::web::form::Form;
use crate::web::language::Visitor;
use crate::web::language::texts::Html;
use crate::web::qr;
use store::clock;

#[derive(Template)]
#[template(path = "app/profile.html")]
struct ProfileTemplate<'a> {
    app: &'a AppFrame,
    email: &'a str,
    /// Since when codes are asked for.
    since: Option<Moment>,
    pending: Option<Pending>,
    recovery_left: usize,
    logins: Vec<Row>,
    password_min: usize,
    fault: Fault,
}

/// The secret of a phone that is being set up: it is shown until its first code is right.
struct Pending {
    text: String,
    image: Html,
}

struct Row {
    id: i64,
    browser: String,
    address: String,
    since: Moment,
    last_used: Moment,
    is_this: bool,
}

impl Row {
    fn new(login: Login, me: &LoggedIn) -> Self {
        Self {
            id: login.id.0,
            browser: browser_name(&login.browser),
            address: login.address,
            since: Moment(login.created_at),
            last_used: Moment(login.last_used_at),
            is_this: login.id == me.login.id,
        }
    }
}

/// A browser as people call it. Each one names those that it wants to be taken for, too, so that the
/// rarer name comes first. What is not known is shown as it calls itself.
fn browser_name(agent: &str) -> String {
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(part, _)| agent.contains(part)).map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Macintosh", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) if agent.is_empty() => "A browser without a name".to_owned(),
        (None, _) => agent.to_owned(),
    }
}

#[derive(Template)]
#[template(path = "app/recovery_codes.html")]
struct RecoveryTemplate<'a> {
    app: &'a AppFrame,
    codes: Vec<String>,
}

/// The secret that is being set up, as it is shown.
fn pending(app: &App, me: &LoggedIn) -> Result<Option<Pending>, ApiError> {
    let Some(totp) = &me.user.pending_totp else { return Ok(None) };
    let secret = second_factor::open(app, &me.user, totp)?;
    let image = Html(qr::svg(&secret.url(&me.user.email))?);
    let text = secret.text();
    let spaced: Vec<&str> =
        text.as_bytes().chunks(4).filter_map(|part| std::str::from_utf8(part).ok()).collect();
    Ok(Some(Pending { text: spaced.join(" "), image }))
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    fault: Fault,
) -> Result<Response, ApiError> {
    let open = me.reads(app).logins(me.now).await?;
    let is_open =
        |login: &Login| login.is_open(me.now) && login.generation == me.user.login_generation;
    let logins = open.into_iter().filter(is_open).map(|login| Row::new(login, me)).collect();
    // Without the key the page still ends logins and takes another password.
    let (pending, status, fault) = match pending(app, me) {
        Err(error @ ApiError::NoSecretsKey(_)) if fault.sentence().is_none() => {
            error.log();
            let fault = Fault::of_page(second_factor::NO_KEY);
            (None, StatusCode::SERVICE_UNAVAILABLE, fault)
        }
        Err(ApiError::NoSecretsKey(_)) => (None, status, fault),
        pending => (pending?, status, fault),
    };
    let frame = me.frame(visitor, "Profile").at(frame::PROFILE);
    let template = ProfileTemplate {
        app: &frame,
        email: &me.user.email,
        since: me.user.totp.as_ref().map(|totp| Moment(totp.confirmed_at)),
        pending,
        recovery_left: me.user.recovery_codes.0.len(),
        logins,
        password_min: PASSWORD_MIN,
        fault,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
) -> Result<Response, ApiError> {
    render(StatusCode::OK, &app, (&me, visitor), Fault::default()).await
}

/// The page again, with why something was refused.
async fn again(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    failure: Failure,
) -> Result<Response, ApiError> {
    let page =
        async |status, sentence| render(status, app, (me, visitor), Fault::of_page(sentence)).await;
    frame::refused(failure, frame::PROFILE)?.answer_read(page).await
}

/// Draws the secret for a phone.
async fn set_up(Posted { app, visitor, me, ids: [], .. }: Posted<0>) -> Result<Response, ApiError> {
    let failed = |error: anyhow::Error| ApiError::Unavailable(format!("{error:#}"));
    let key = app.key_to_seal_with().await?;
    let secret = TotpSecret::draw().map_err(|error| failed(error.into()))?;
    let secret = key.seal_totp(me.user.id, &secret.text()).map_err(failed)?;
    let by = me.person(None);
    match me.submit(&app, None, SetUpSecondFactor { by, secret }).await {
        Ok(_) => Ok(frame::lead_to(frame::PROFILE)),
        Err(failure) => again(&app, (&me, visitor), failure).await,
    }
}

/// Takes the first code, and shows the recovery codes once.
async fn confirm(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    sender: Sender,
    me: LoggedIn,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let Some(totp) = me.user.pending_totp.clone() else {
        return Ok(frame::lead_to(frame::PROFILE));
    };
    let by = me.person(None);
    // Before it counts as a try.
    let secret = second_factor::open(&app, &me.user, &totp)?;
    let reserved = match me.reserve_code(&app, &sender).await {
        Ok(reserved) => reserved,
        Err(failure) => return again(&app, (&me, visitor), failure).await,
    };
    let code = form.field("code").unwrap_or_default();
    let Some(step) = secret.step_of(code, clock::now()) else {
        let fault = Fault::of_field("code", second_factor::WRONG);
        return render(StatusCode::FORBIDDEN, &app, (&me, visitor), fault).await;
    };
    let drawn = people::draw_recovery_codes(me.user.id);
    let (codes, kept) = drawn.map_err(|error| ApiError::internal(error.to_string()))?;
    let confirm =
        ConfirmSecondFactor { by, reserved, sealed: totp.sealed, step, recovery_codes: kept };
    match me.submit(&app, None, confirm).await {
        Ok(_) => {
            let frame = me.frame(visitor, "Recovery codes").at(frame::PROFILE);
            frame::render(StatusCode::OK, &frame, &RecoveryTemplate { app: &frame, codes })
        }
        Err(failure) => again(&app, (&me, visitor), failure).await,
    }
}

async fn change_password(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    sender: Sender,
    me: LoggedIn,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let new = form.verbatim("password").unwrap_or_default().to_owned();
    if let Err(fault) = people::check_password(&new, &me.user.email, &me.user.name) {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let fault = Fault::of_field("password", format!("{fault}."));
        return render(status, &app, (&me, visitor), fault).await;
    }
    let place = PasswordPlace::acquire(&app.hashing, &sender.address).await;
    let mut place = place.ok_or(ApiError::TooMany(1))?;
    let by = me.person(None);
    let reserved = match me.reserve_code(&app, &sender).await {
        Ok(reserved) => reserved,
        Err(failure) => return again(&app, (&me, visitor), failure).await,
    };
    let current = form.verbatim("current").unwrap_or_default().to_owned();
    let from_hash = me.user.password_hash.clone();
    if !place.is_right(current, Some(from_hash.clone())).await {
        let fault = Fault::of_field("current", "The present password is wrong.");
        return render(StatusCode::FORBIDDEN, &app, (&me, visitor), fault).await;
    }
    let to_hash = place.hash(new).await.map_err(ApiError::internal)?;
    drop(place);
    let token = person::draw_token()?;
    let browser = sender.browser(&token);
    let change = ChangePassword { by, reserved, from_hash, to_hash, browser };
    match me.submit(&app, None, change).await {
        Ok(_) => {
            let mut response = frame::lead_to(frame::PROFILE);
            person::set_cookie(&mut response, &app, Some(&token))?;
            Ok(response)
        }
        Err(failure) => again(&app, (&me, visitor), failure).await,
    }
}

async fn end_login(
    State(app): State<App>,
    _: CountPageRequest,
    me: LoggedIn,
    Ids([id]): Ids<1>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let end = EndLogin { by: me.person(None), login_id: LoginId(id) };
    me.submit(&app, None, end).await?;
    let path = if id == me.login.id.0 { frame::LOGIN } else { frame::PROFILE };
    Ok(frame::lead_to(path))
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/profile", show)
        .form("/app/profile/second-factor", set_up)
        .form("/app/profile/second-factor/confirm", confirm)
        .form("/app/profile/password", change_password)
        .form("/app/profile/logins/{id}/end", end_login)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_as_people_call_them() {
        let like = "(KHTML, like Gecko)";
        for (agent, name) in [
            (
                format!(
                    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 {like} Chrome/130.0.0.0 Safari/537.36"
                ),
                "Chrome on Linux",
            ),
            (
                format!(
                    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 {like} Chrome/130.0.0.0 Safari/537.36 Edg/130.0"
                ),
                "Edge on Windows",
            ),
            (
                format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {like} Version/18.0 Safari/604.1"
                ),
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0".to_owned(),
                "Firefox on Android",
            ),
            ("curl/8.5.0".to_owned(), "curl/8.5.0"),
            (String::new(), "A browser without a name"),
        ] {
            assert_eq!(browser_name(&agent), name);
        }
    }
}
