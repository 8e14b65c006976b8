//! Who has logged in, by the cookie of the browser.

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Request};
use axum::http::header::{SET_COOKIE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use domain::decision::command::ListedDecision;
use domain::directory::merchant::Merchant;
use domain::directory::principal::Principal;
use domain::directory::roles::{Action, Rights};
use domain::kernel::ids::MerchantId;
use domain::kernel::refusal::Refusal;
use domain::kernel::time::ServerTime;
use domain::people::access::{self, Person};
use domain::people::end_login::TouchLogin;
use domain::people::log_in::Browser;
use domain::people::login::{Login, TOUCHED_EVERY};
use domain::people::login_tries::Reserved;
use domain::people::second_factor::ReserveCode;
use domain::people::user::User;
use store::clock;
use store::reads::scope::{InstallationReads, MerchantReads, UserReads};

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::app::App;
use crate::credentials::people::Token;
use crate::engine::Failure;
use crate::net::limits::{ClientAddress, CountPageRequest};
use crate::web::app::frame::{self, AppFrame};
use crate::web::form::Form;
use crate::web::language::Visitor;
use crate::web::page::cookies;

/// The cookie with the secret of a login. The longer name is for TLS alone: a browser takes it only
/// from this very host and over TLS.
const COOKIE: &str = "kola_login";
const COOKIE_TLS: &str = "__Host-kola_login";
/// What is kept of how a browser calls itself.
const BROWSER_MAX: usize = 200;

/// Somebody who has logged in. Whether the login suffices for what they ask is found out for each
/// action.
pub struct LoggedIn {
    pub user: User,
    pub login: Login,
    token: Token,
    /// Server time of the request.
    pub now: ServerTime,
    /// Whether a page is opened, and nothing is asked to be done.
    opens: bool,
}

/// A merchant that somebody acts for, and what they may do there.
pub struct AtMerchant<'a> {
    pub merchant: Merchant,
    pub rights: Rights,
    pub reads: MerchantReads<'a>,
}

impl LoggedIn {
    /// Who they are for a decision about themselves, or about a merchant.
    pub const fn person(&self, merchant_id: Option<MerchantId>) -> Person {
        Person { user_id: self.user.id, login_id: self.login.id, merchant_id }
    }

    /// Submits a decision by them.
    ///
    /// # Errors
    /// See [`Engine::submit`](crate::engine::Engine::submit).
    pub async fn submit<D: ListedDecision>(
        &self,
        app: &App,
        merchant_id: Option<MerchantId>,
        decision: D,
    ) -> Result<D::Output, Failure> {
        let lane = merchant_id.unwrap_or(MerchantId::INSTALLATION);
        app.engine.submit_for(lane, Principal::User(self.person(merchant_id)), decision).await
    }

    /// Reserves a try at a code or at the own password.
    ///
    /// # Errors
    /// See [`ReserveCode`].
    pub async fn reserve_code(&self, app: &App, sender: &Sender) -> Result<Reserved, Failure> {
        let address = sender.address.clone();
        self.submit(app, None, ReserveCode { by: self.person(None), address }).await
    }

    /// What is the person's own.
    pub fn reads<'a>(&self, app: &'a App) -> UserReads<'a> {
        app.queries.of_user(&self.user)
    }

    /// The merchant, for whoever may do that there.
    ///
    /// # Errors
    /// 404 for who has no role there, which hides whether there is such a merchant; what the login
    /// lacks.
    pub async fn at_merchant<'a>(
        &self,
        app: &'a App,
        id: i64,
        action: Action,
    ) -> Result<AtMerchant<'a>, Failure> {
        let reads = app.queries.for_authentication();
        let failed = |error: store::StoreError| Failure::Unavailable(error.to_string());
        let id = MerchantId(id);
        let member = reads.membership(self.user.id, id).await.map_err(failed)?;
        let merchant = reads.merchant(id).await.map_err(failed)?;
        let role = access::role_of(&self.user, member.as_ref());
        let (Some(merchant), Some(_)) = (merchant, role) else {
            return Err(Failure::Refused(vec![Refusal::NotFound]));
        };
        let checked = access::check(action, &self.user, &self.login, role, self.now);
        let refused = |reason| Failure::Refused(vec![reason]);
        let rights = checked.map_err(refused)?;
        rights.check(action).map_err(refused)?;
        let reads = app.queries.of(&merchant).as_seen_by(&rights);
        Ok(AtMerchant { merchant, rights, reads })
    }

    /// Checks that their role in the installation allows an action there.
    ///
    /// # Errors
    /// 404 for who has no role there; what the login lacks.
    pub fn in_installation(&self, action: Action) -> Result<Rights, Failure> {
        let refused = |reason| Failure::Refused(vec![reason]);
        let role = self.user.role.ok_or_else(|| refused(Refusal::NotFound))?;
        let checked = access::check(action, &self.user, &self.login, Some(role), self.now);
        let rights = checked.map_err(refused)?;
        rights.check(action).map_err(refused)?;
        Ok(rights)
    }

    /// The reads of what concerns all merchants, for whoever may do that in the installation.
    ///
    /// # Errors
    /// See [`Self::in_installation`].
    pub fn of_installation<'a>(
        &self,
        app: &'a App,
        action: Action,
    ) -> Result<InstallationReads<'a>, Failure> {
        let rights = self.in_installation(action)?;
        let reads = app.queries.of_installation(&rights);
        reads.ok_or_else(|| Failure::Refused(vec![Refusal::NotFound]))
    }

    /// The frame of a page of theirs.
    pub fn frame(&self, visitor: Visitor, title: &str) -> AppFrame {
        AppFrame {
            name: Some(self.user.name.clone()),
            form_token: self.token.form_token(),
            ..AppFrame::for_visitor(visitor, title)
        }
    }

    /// What is answered to them where they may not see the page at this path.
    ///
    /// # Errors
    /// See [`frame::refused`].
    pub fn not_permitted(
        &self,
        failure: Failure,
        visitor: Visitor,
        path: &str,
    ) -> Result<Response, ApiError> {
        let is_code = matches!(&failure, Failure::Refused(reasons)
            if reasons.first() == Some(&Refusal::SecondFactorMissing));
        if is_code && self.opens {
            return Ok(frame::lead_to(&frame::code_to_open(path)));
        }
        frame::refused(failure, path)?.answer(|status, sentence| {
            let frame = self.frame(visitor, "Not permitted");
            frame::sentence_page(status, &frame, sentence)
        })
    }

    /// Refuses a form that none of this login's pages has.
    ///
    /// # Errors
    /// 403.
    pub fn check_form(&self, form: &Form) -> Result<(), ApiError> {
        if form.field("form_token") == Some(self.token.form_token().as_str()) {
            return Ok(());
        }
        Err(ApiError::Forbidden("this form is not of a page of this login".to_owned()))
    }
}

/// A new secret, of a login or of a link.
///
/// # Errors
/// The system has no random bytes.
pub fn draw_token() -> Result<Token, ApiError> {
    Token::draw().map_err(|error| ApiError::internal(error.to_string()))
}

/// A form that somebody has sent who has logged in, from a page of this very login.
pub struct Posted<const N: usize> {
    pub app: App,
    pub visitor: Visitor,
    pub me: LoggedIn,
    /// The ids in the path, in order.
    pub ids: [i64; N],
    pub form: Form,
}

impl<const N: usize> FromRequest<App> for Posted<N> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let refused = ApiError::into_response;
        let (mut parts, body) = request.into_parts();
        CountPageRequest::from_request_parts(&mut parts, app).await.map_err(refused)?;
        let Ok(visitor) = Visitor::from_request_parts(&mut parts, app).await;
        let me = <LoggedIn as FromRequestParts<App>>::from_request_parts(&mut parts, app).await?;
        let Ids(ids) = Ids::from_request_parts(&mut parts, app).await.map_err(refused)?;
        let form = Form::from_request(Request::from_parts(parts, body), app).await;
        let form = form.map_err(refused)?;
        me.check_form(&form).map_err(refused)?;
        Ok(Self { app: app.clone(), visitor, me, ids, form })
    }
}

/// Submits a decision by somebody who is about to log in or to join.
///
/// # Errors
/// See [`Engine::submit`](crate::engine::Engine::submit).
pub async fn submit_as_visitor<D: ListedDecision>(
    app: &App,
    decision: D,
) -> Result<D::Output, Failure> {
    app.engine.submit_for(MerchantId::INSTALLATION, Principal::Visitor, decision).await
}

impl OptionalFromRequestParts<App> for LoggedIn {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &App,
    ) -> Result<Option<Self>, Self::Rejection> {
        let now = clock::now();
        let name = cookie_name(app);
        for text in cookies(&parts.headers, name) {
            let Some(token) = Token::parse(text) else { continue };
            let found = app.queries.for_authentication().login(token.fingerprint()).await?;
            let Some((login, user)) = found else { continue };
            if access::check(Action::LogIn, &user, &login, None, now).is_ok() {
                let opens = parts.method == Method::GET;
                let logged_in = Self { user, login, token, now, opens };
                logged_in.touch(app);
                return Ok(Some(logged_in));
            }
        }
        Ok(None)
    }
}

/// Somebody who has given the password, and perhaps not yet the code that is asked for.
pub struct Begun(pub LoggedIn);

impl FromRequestParts<App> for Begun {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let found =
            <LoggedIn as OptionalFromRequestParts<App>>::from_request_parts(parts, app).await;
        match found.map_err(IntoResponse::into_response)? {
            Some(logged_in) => Ok(Self(logged_in)),
            None => Err(frame::lead_to(&frame::with_next(frame::LOGIN, &here(parts)))),
        }
    }
}

/// The page to come back to: with its filter, if that is one.
fn here(parts: &Parts) -> String {
    if parts.method != Method::GET {
        return frame::next_path(None);
    }
    let path = frame::next_path(Some(parts.uri.path()));
    let Some(query) = parts.uri.query() else { return path };
    let with_query = frame::next_path(Some(&format!("{path}?{query}")));
    if with_query.starts_with(&path) { with_query } else { path }
}

impl FromRequestParts<App> for LoggedIn {
    type Rejection = Response;

    /// Without the code that is asked for nothing is shown.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Begun(me) = Begun::from_request_parts(parts, app).await?;
        if me.user.has_second_factor() && me.login.second_factor_at.is_none() {
            return Err(frame::lead_to(&frame::with_next(frame::SECOND_FACTOR, &here(parts))));
        }
        Ok(me)
    }
}

impl LoggedIn {
    /// Notes that the login is used, now and then, without letting anybody wait for it.
    fn touch(&self, app: &App) {
        if self.now.since(self.login.last_used_at) < TOUCHED_EVERY {
            return;
        }
        let (app, by) = (app.clone(), self.person(None));
        tokio::spawn(async move {
            let touched = app
                .engine
                .submit_for(MerchantId::INSTALLATION, Principal::User(by), TouchLogin { by })
                .await;
            if let Err(failure) = touched {
                tracing::debug!(%failure, "the last use of a login could not be noted");
            }
        });
    }
}

fn is_tls(app: &App) -> bool {
    app.config.public_url.starts_with("https:")
}

fn cookie_name(app: &App) -> &'static str {
    if is_tls(app) { COOKIE_TLS } else { COOKIE }
}

/// Gives the browser the secret of a login, or takes it away.
///
/// # Errors
/// A value that no header has.
pub fn set_cookie(
    response: &mut Response,
    app: &App,
    token: Option<&Token>,
) -> Result<(), ApiError> {
    let (value, age) = token.map_or(("", "; Max-Age=0"), |token| (token.as_str(), ""));
    let secure = if is_tls(app) { "; Secure" } else { "" };
    let name = cookie_name(app);
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
    let cookie =
        HeaderValue::try_from(cookie).map_err(|error| ApiError::internal(error.to_string()))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(())
}

/// Who sends a request, as far as the server sees: what a login is kept with.
pub struct Sender {
    pub address: String,
    /// How the browser calls itself.
    browser: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let ClientAddress(address) = ClientAddress::from_request_parts(parts, state).await?;
        let name = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let name = name.unwrap_or_default().chars();
        let browser = name.filter(|c| !c.is_control()).take(BROWSER_MAX).collect();
        Ok(Self { address: address.to_string(), browser })
    }
}

impl Sender {
    /// The browser that a new login is for.
    pub fn browser(&self, token: &Token) -> Browser {
        Browser {
            token: token.fingerprint(),
            address: self.address.clone(),
            name: self.browser.clone(),
        }
    }
}

/// The `next` of a page's address.
pub struct Next(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Next {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(next_of(&parts.uri)))
    }
}

fn next_of(uri: &Uri) -> String {
    let query = uri.query().unwrap_or_default();
    let next = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
    frame::next_page(next.as_ref().map(|(_, value)| value.as_ref()))
}
