//! Codes of a phone: after the password, and again for what moves money or gives rights.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware;
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
use crate::web::app::kept_words;
use crate::web::app::person::{Begun, LoggedIn, Next, Sender};
use crate::web::form::Form;
use crate::web::language::Visitor;
use crate::web::language::texts::Html;
use store::clock;

pub(super) const WRONG: &str = "The code is wrong, too old, or was used before.";

/// What stands before the names of the fields that are kept.
const KEPT: &str = "kept-";
/// What is never written into a page.
const SECRETS: [&str; 2] = ["password", "passcode"];

/// A form that was sent and not carried out, because a code is asked for first.
struct Kept {
    /// Where it is sent to.
    to: String,
    fields: Vec<(String, String)>,
}

impl Kept {
    /// The form whose fields are in this one: as they were sent, or kept under names of their own.
    fn of(to: Option<&str>, form: &Form, prefix: &str) -> Option<Self> {
        let to = to.filter(|to| *to != "/app" && frame::next_path(Some(to)) == *to)?;
        let is_kept = |name: &str| !SECRETS.contains(&name) && name != "form_token";
        let fields = form
            .fields()
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)))
            .filter(|(name, _)| is_kept(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some(Self { to: to.to_owned(), fields: fields.collect() })
    }

    /// What it does.
    async fn words(&self, app: &App, me: &LoggedIn) -> Result<Html, ApiError> {
        kept_words::of(app, me, &self.to, &self.fields).await
    }
}

/// Where a form leads to the code, the browser is told to send it there, with all that was typed: the
/// page of the code keeps it, and what was asked for is done afterwards without typing it again.
pub async fn carry_form(request: Request, next: middleware::Next) -> Response {
    let is_form = request.method() == Method::POST;
    let to = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if !is_form || response.status() != StatusCode::SEE_OTHER {
        return response;
    }
    let location = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    let asks =
        location.filter(|place| place.starts_with(&format!("{}?next=", frame::SECOND_FACTOR)));
    if let Some(place) = asks.filter(|_| to != frame::SECOND_FACTOR)
        && let Ok(place) = HeaderValue::try_from(format!("{place}&to={to}"))
    {
        *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

#[derive(Template)]
#[template(path = "app/go_on.html")]
struct GoOnTemplate<'a> {
    app: &'a AppFrame,
    next: &'a str,
    /// What the form does, in words.
    what: Html,
    kept: Kept,
}

#[derive(Template)]
#[template(path = "app/second_factor.html")]
struct CodeTemplate<'a> {
    app: &'a AppFrame,
    next: &'a str,
    /// What the form that is kept does, in words.
    what: Option<Html>,
    kept: Option<Kept>,
    /// A code was given before, and is too old for what was asked for.
    is_again: bool,
    /// A page was opened; else something was asked to be done.
    opens: bool,
    fault: Fault,
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    (next, opens): (&str, bool),
    kept: Option<Kept>,
    fault: Fault,
) -> Result<Response, ApiError> {
    let what = match &kept {
        Some(kept) => Some(kept.words(app, me).await?),
        None => None,
    };
    let frame = me.frame(visitor, "Code of your phone");
    let is_again = me.login.second_factor_at.is_some();
    let template = CodeTemplate { app: &frame, next, what, kept, is_again, opens, fault };
    frame::render(status, &frame, &template)
}

async fn form(
    State(app): State<App>,
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
    let asked = (next.as_str(), opens);
    render(StatusCode::OK, &app, (&me, visitor), asked, None, Fault::default()).await
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
    uri: Uri,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let query = uri.query().unwrap_or_default();
    let query = |asked: &str| {
        let mut fields = form_urlencoded::parse(query.as_bytes());
        fields.find(|(name, _)| name == asked).map(|(_, value)| value)
    };
    if let Some(to) = query("to") {
        // Another form, which was led here.
        let kept = Kept::of(Some(&to), &form, "");
        let next = frame::next_page(query("next").as_deref());
        let asked = (next.as_str(), false);
        return render(StatusCode::OK, &app, (&me, visitor), asked, kept, Fault::default()).await;
    }
    let next = frame::next_page(form.field("next"));
    let kept = || Kept::of(form.field("to"), &form, KEPT);
    let opens = form.has("opens");
    let shown = async |status, fault| {
        render(status, &app, (&me, visitor.clone()), (&next, opens), kept(), fault).await
    };
    let refused = async |status, sentence| shown(status, Fault::of_page(sentence)).await;
    let by = me.person(None);
    let code = form.field("code").unwrap_or_default();
    // Before it counts as a try: nobody is slowed down for what the server cannot compare.
    let typed = match typed(&app, &me.user, code) {
        Err(error @ ApiError::NoSecretsKey(_)) => {
            error.log();
            return refused(StatusCode::SERVICE_UNAVAILABLE, NO_KEY.to_owned()).await;
        }
        typed => typed?,
    };
    let reserved = match me.reserve_code(&app, &sender).await {
        Ok(reserved) => reserved,
        Err(failure) => return frame::refused(failure, &next)?.answer_read(refused).await,
    };
    let Some(proof) = typed.proof(code) else {
        return shown(StatusCode::FORBIDDEN, Fault::of_field("code", WRONG)).await;
    };
    match me.submit(&app, None, GiveCode { by, reserved, proof }).await {
        Ok(_) => match kept() {
            None => Ok(frame::lead_to(&next)),
            Some(kept) => {
                let frame = me.frame(visitor, "Go on");
                let what = kept.words(&app, &me).await?;
                let template = GoOnTemplate { app: &frame, next: &next, what, kept };
                frame::render(StatusCode::OK, &frame, &template)
            }
        },
        Err(failure) => {
            let again =
                async |status, sentence| shown(status, Fault::of_field("code", sentence)).await;
            frame::refused(failure, &next)?.answer_read(again).await
        }
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/second-factor", form).form("/app/second-factor", give)
}
