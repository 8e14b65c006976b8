//! The link of an invitation: to join, or to begin anew. Opening it changes nothing.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::roles::Role;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{ServerTime, minutes};
use domain::people::accept_invitation::{AcceptInvitation, Guest};
use domain::people::invitation::{Invitation, InvitedTo, Standing};
use domain::people::log_in::{FinishLogin, ReserveLogin};
use domain::people::user::User;
use store::clock;

use crate::api::error::ApiError;
use crate::api::extract::PathSegments;
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::people::{self, PASSWORD_MAX, PASSWORD_MIN, PasswordPlace, Token};
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::request_id;
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::login::{self, NotCompared};
use crate::web::app::person::{self, LoggedIn, Sender};
use crate::web::app::typed::NameField;
use crate::web::form::Form;
use crate::web::language::Visitor;

/// For how long the form of a link that was used logs in who joined by it.
const JUST_NOW: i64 = minutes(2);

#[derive(Template)]
#[template(path = "app/invitation.html")]
struct InvitationTemplate<'a> {
    app: &'a AppFrame,
    token: &'a str,
    /// Where the link leads; `None` to choose another password.
    place: Option<String>,
    role: Option<&'static str>,
    /// A second person has to confirm it first.
    waits: bool,
    /// Who has logged in, and may join at once.
    known: Option<&'a str>,
    email: &'a str,
    name: &'a str,
    password_min: usize,
    fault: Fault,
}

/// An open link, and where it leads.
struct Opened {
    token: Token,
    to: InvitedTo,
    waits: bool,
    place: Option<String>,
    /// Who begins anew by it.
    whose: Option<User>,
}

/// The link, if it is good: not over, and made by somebody who may still give what it gives.
async fn open(app: &App, text: &str) -> Result<Option<Opened>, ApiError> {
    let Some(token) = Token::parse(text) else { return Ok(None) };
    let reads = app.queries.for_authentication();
    let found = reads.invitation(token.fingerprint()).await?;
    let Some(found) = found.filter(|row| row.is_open(clock::now())) else {
        return Ok(None);
    };
    let standing = reads.standing(&found).await?;
    if standing == Standing::Void {
        return Ok(None);
    }
    let Invitation { to, .. } = found;
    let place = match to {
        InvitedTo::Merchant(id, _) => reads.merchant(id).await?.map(|merchant| merchant.name),
        InvitedTo::Installation(_) => Some("the whole installation".to_owned()),
        InvitedTo::Reset(_) => None,
    };
    let whose = reads.begins_anew(to).await?;
    Ok(Some(Opened { token, to, waits: standing.waits(), place, whose }))
}

fn ended(visitor: Visitor) -> Result<Response, ApiError> {
    let frame = AppFrame::for_visitor(visitor, "This link is over");
    let over = frame::sentence(&Refusal::InvitationEnded);
    let sentence = format!("{over} If you have just joined by it, log in.");
    frame::sentence_page(StatusCode::NOT_FOUND, &frame, sentence)
}

fn role(to: InvitedTo) -> Option<Role> {
    match to {
        InvitedTo::Merchant(_, role) | InvitedTo::Installation(role) => Some(role),
        InvitedTo::Reset(_) => None,
    }
}

/// What somebody has typed already.
#[derive(Default)]
struct Typed {
    email: String,
    name: String,
}

fn render(
    status: StatusCode,
    opened: &Opened,
    (visitor, me): (Visitor, Option<&LoggedIn>),
    typed: &Typed,
    fault: Fault,
) -> Result<Response, ApiError> {
    let title = if opened.place.is_some() { "Invitation" } else { "Begin anew" };
    let frame = match me {
        Some(me) => me.frame(visitor, title),
        None => AppFrame::for_visitor(visitor, title),
    };
    let template = InvitationTemplate {
        app: &frame,
        token: opened.token.as_str(),
        place: opened.place.clone(),
        role: role(opened.to).map(Role::as_str),
        waits: opened.waits,
        known: me.map(|me| me.user.email.as_str()),
        email: &typed.email,
        name: &typed.name,
        password_min: PASSWORD_MIN,
        fault,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: Option<LoggedIn>,
    PathSegments([text]): PathSegments<1>,
) -> Result<Response, ApiError> {
    match open(&app, &text).await? {
        Some(opened) => render(
            StatusCode::OK,
            &opened,
            (visitor, me.as_ref()),
            &Typed::default(),
            Fault::default(),
        ),
        None => ended(visitor),
    }
}

async fn accept(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    sender: Sender,
    me: Option<LoggedIn>,
    PathSegments([text]): PathSegments<1>,
    form: Form,
) -> Result<Response, ApiError> {
    let Some(opened) = open(&app, &text).await? else {
        let Some(to) = used_just_now(&app, &text).await? else { return ended(visitor) };
        let email = form.field("email").and_then(people::email);
        let password = form.verbatim("password").unwrap_or_default().to_owned();
        let joined = request_id::spawn(joined_before(app, visitor, sender, to, (email, password)));
        let done = joined.await;
        return done.map_err(|_| ApiError::internal("the task of a login panicked"))?;
    };
    if let Some(me) = me
        && opened.place.is_some()
    {
        return join(&app, &me, &opened, visitor, &form).await;
    }
    if opened.waits {
        // Before anything is counted as a try: the link is right.
        let fault = Fault::of_page(frame::sentence(&Refusal::InvitationWaits));
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return render(status, &opened, (visitor, None), &Typed::default(), fault);
    }
    let sent = Sent {
        email: form.field("email").and_then(people::email),
        typed: Typed {
            email: form.field("email").unwrap_or_default().to_owned(),
            name: form.field("name").unwrap_or_default().to_owned(),
        },
        password: form.verbatim("password").unwrap_or_default().to_owned(),
    };
    let begun = begin(app, visitor, sender, opened, sent);
    let done = request_id::spawn(begun).await;
    done.map_err(|_| ApiError::internal("the task of an invitation panicked"))?
}

/// Where a link led that was used a moment ago.
async fn used_just_now(app: &App, text: &str) -> Result<Option<InvitedTo>, ApiError> {
    let Some(token) = Token::parse(text) else { return Ok(None) };
    let found = app.queries.for_authentication().invitation(token.fingerprint()).await?;
    let now = clock::now();
    let is_fresh = |at: ServerTime| (0..JUST_NOW).contains(&now.since(at));
    Ok(found.filter(|row| row.ended_at.is_some_and(is_fresh)).map(|row| row.to))
}

/// The form of a link that was used is sent once more: whoever joined by it a moment ago logs in by
/// what it has, as on the page for that. To everybody else the link is over.
async fn joined_before(
    app: App,
    visitor: Visitor,
    sender: Sender,
    to: InvitedTo,
    (email, password): (Option<String>, String),
) -> Result<Response, ApiError> {
    let fits = password.len() <= 4 * PASSWORD_MAX;
    let Some(email) = email.filter(|_| fits && !matches!(to, InvitedTo::Reset(_))) else {
        return ended(visitor);
    };
    match login::with_password(&app, &sender, &email, password, next_of(to)).await {
        Ok(Some(response)) => Ok(response),
        Ok(None) | Err(NotCompared::Refused(_)) => ended(visitor),
        Err(NotCompared::Failed(error)) => Err(error),
    }
}

/// Where whoever joined goes on: to set up a phone, where the role needs one.
fn next_of(to: InvitedTo) -> &'static str {
    if role(to).is_none_or(Role::needs_second_factor) { frame::PROFILE } else { "/app" }
}

/// Somebody who has logged in joins by a press of a button.
async fn join(
    app: &App,
    me: &LoggedIn,
    opened: &Opened,
    visitor: Visitor,
    form: &Form,
) -> Result<Response, ApiError> {
    me.check_form(form)?;
    let accept =
        AcceptInvitation { token: opened.token.fingerprint(), by: Guest::Known(me.person(None)) };
    match me.submit(app, None, accept).await {
        Ok(_) => Ok(frame::lead_to("/app")),
        Err(failure) => {
            let shown = |status, sentence| {
                let fault = Fault::of_page(sentence);
                render(status, opened, (visitor, Some(me)), &Typed::default(), fault)
            };
            // Afterwards the link is opened again.
            let here = format!("/app/invitation/{}", opened.token.as_str());
            frame::refused(failure, &here)?.answer(shown)
        }
    }
}

struct Sent {
    /// In its one form; `None` for what is no address.
    email: Option<String>,
    typed: Typed,
    password: String,
}

/// What is wrong with what was typed.
fn fault(sent: &Sent, opened: &Opened) -> Option<Fault> {
    if opened.place.is_some() {
        if sent.email.is_none() {
            return Some(Fault::of_field("email", people::wrong_email(&sent.typed.email)));
        }
        let field = NameField {
            id: "name",
            max: 100,
            what: "Your name",
            wrong: "Give your name, in at most 100 characters.",
        };
        if let Err(fault) = field.read(&sent.typed.name) {
            return Some(fault);
        }
    }
    let typed = (sent.email.as_deref().unwrap_or_default(), sent.typed.name.as_str());
    let stored = opened.whose.as_ref().map(|user| (user.email.as_str(), user.name.as_str()));
    let (email, name) = stored.unwrap_or(typed);
    let fault = people::check_password(&sent.password, email, name).err()?;
    Some(Fault::of_field("password", format!("{fault}.")))
}

async fn begin(
    app: App,
    visitor: Visitor,
    sender: Sender,
    opened: Opened,
    sent: Sent,
) -> Result<Response, ApiError> {
    let shown =
        |status, fault| render(status, &opened, (visitor.clone(), None), &sent.typed, fault);
    let refused = |status, sentence| shown(status, Fault::of_page(sentence));
    if let Some(fault) = fault(&sent, &opened) {
        return shown(StatusCode::UNPROCESSABLE_ENTITY, fault);
    }
    let place = PasswordPlace::acquire(&app.hashing, &sender.address).await;
    let mut place = place.ok_or(ApiError::TooMany(1))?;
    // Before the hash: what a link finds out about names, and what it costs, is limited as logins are.
    let reserved = match (&sent.email, opened.place.is_some()) {
        (Some(email), true) => {
            let reserve = ReserveLogin { email: email.clone(), address: sender.address.clone() };
            match person::submit_as_visitor(&app, reserve).await {
                // The same form was sent a moment before, and has joined meanwhile.
                Ok(attempt)
                    if attempt.user.is_some()
                        && open(&app, opened.token.as_str()).await?.is_none() =>
                {
                    drop(place);
                    let sent = (Some(email.clone()), sent.password);
                    return joined_before(app, visitor, sender, opened.to, sent).await;
                }
                Ok(attempt) if attempt.user.is_some() => {
                    let taken = Failure::Refused(vec![Refusal::EmailTaken]);
                    return frame::refused(taken, "/app")?.answer(|status, sentence| {
                        shown(status, Fault::of_field("email", sentence))
                    });
                }
                Ok(attempt) => Some(attempt.reserved),
                Err(failure) => return frame::refused(failure, "/app")?.answer(refused),
            }
        }
        _ => None,
    };
    let hash = place.hash(sent.password.clone()).await.map_err(ApiError::internal)?;
    drop(place);
    let by = match (&sent.email, opened.place.is_some()) {
        (Some(email), true) => Guest::New {
            email: email.clone(),
            name: sent.typed.name.clone(),
            password_hash: hash.clone(),
        },
        _ => Guest::Returning { password_hash: hash.clone() },
    };
    let accept = AcceptInvitation { token: opened.token.fingerprint(), by };
    let user = match person::submit_as_visitor(&app, accept).await {
        Ok(user) => user,
        Err(Failure::Refused(reasons)) if reasons.contains(&Refusal::InvitationEnded) => {
            return joined_before(app, visitor, sender, opened.to, (sent.email, sent.password))
                .await;
        }
        Err(failure) => return frame::refused(failure, "/app")?.answer(refused),
    };
    // The password was chosen a moment ago: it need not be typed again.
    let reserved = match reserved {
        Some(reserved) => reserved,
        None => {
            let reserve =
                ReserveLogin { email: user.email.clone(), address: sender.address.clone() };
            match person::submit_as_visitor(&app, reserve).await {
                Ok(attempt) => attempt.reserved,
                Err(_) => return Ok(frame::lead_to(frame::LOGIN)),
            }
        }
    };
    let token = person::draw_token()?;
    let finish = FinishLogin {
        reserved,
        user_id: user.id,
        password_hash: hash,
        browser: sender.browser(&token),
    };
    if person::submit_as_visitor(&app, finish).await?.is_none() {
        return Ok(frame::lead_to(frame::LOGIN));
    }
    let mut response = frame::lead_to(next_of(opened.to));
    person::set_cookie(&mut response, &app, Some(&token))?;
    Ok(response)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/invitation/{token}", show).form("/app/invitation/{token}", accept)
}
