//! The frame of every page: document, brand, links to the other languages, and security headers.

use askama::Template;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE,
    REFERRER_POLICY, SET_COOKIE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::directory::merchant::Merchant;
use domain::kernel::names::Mode;

use crate::api::error::ApiError;
use crate::net::response_permits::ResponsePermit;
use crate::web::assets;
use crate::web::brand::Brand;
use crate::web::language::texts::Texts;
use crate::web::language::{COOKIE_NAME, Language, Visitor};
use store::clock;

pub const HTML: &str = "text/html; charset=utf-8";

pub static ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// The choice of a language is kept for a year.
const COOKIE_SECONDS: u32 = 365 * 86_400;

/// Only files of this server, and forms only to it. The script asks for the page again while a
/// payment is under way.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The nonce by which a content security policy allows a page's own script and style. Each response
/// has its own. The pages of this module need none.
///
/// # Errors
/// [`ApiError`] when the operating system has no random numbers.
pub fn nonce() -> Result<String, ApiError> {
    let random = clock::random::<16>().map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// The values of the cookies of this name.
pub fn cookies<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let cookies = fields.flat_map(|field| field.split(';')).map(str::trim);
    let pairs = cookies.filter_map(|cookie| cookie.split_once('='));
    pairs.filter(move |(known, _)| *known == name).map(|(_, value)| value)
}

/// Makes the browser keep a value for the pages below a path.
///
/// # Errors
/// [`ApiError`] when value or path have characters that no header has.
pub fn set_cookie(
    response: &mut Response,
    name: &str,
    value: &str,
    path: &str,
    seconds: u32,
) -> Result<(), ApiError> {
    let cookie = format!("{name}={value}; Path={path}; Max-Age={seconds}; SameSite=Lax; HttpOnly");
    let cookie =
        HeaderValue::try_from(cookie).map_err(|error| ApiError::internal(error.to_string()))?;
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(())
}

/// What stands around the content of a page. A template has it in its field `frame` and extends
/// `base.html`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    pub visitor: Visitor,
    pub title: String,
    /// `None` for a page of nobody, such as that of an error.
    pub brand: Option<Brand>,
    /// Whether no real money moves.
    pub sandbox: bool,
}

impl Frame {
    /// The frame of a page that belongs to no merchant.
    #[must_use]
    pub fn new(visitor: Visitor, title: impl Into<String>) -> Self {
        Self { visitor, title: title.into(), brand: None, sandbox: false }
    }

    /// The frame of a page of a merchant.
    #[must_use]
    pub fn of(merchant: &Merchant, visitor: Visitor, title: impl Into<String>) -> Self {
        Self {
            brand: Some(Brand::of(merchant)),
            sandbox: merchant.mode == Mode::Sandbox,
            ..Self::new(visitor, title)
        }
    }

    #[must_use]
    pub const fn language(&self) -> Language {
        self.visitor.language
    }

    #[must_use]
    pub const fn texts(&self) -> &'static Texts {
        self.visitor.language.texts()
    }

    /// The path of the style of all pages.
    #[must_use]
    pub fn style(&self) -> &'static str {
        assets::STYLE.path()
    }

    /// The path of the script of all pages.
    #[must_use]
    pub fn script(&self) -> &'static str {
        assets::SCRIPT.path()
    }

    /// The path of the icon of all pages.
    #[must_use]
    pub fn icon(&self) -> &'static str {
        assets::ICON.path()
    }
}

/// Renders a page. `permit` is kept until a large page is sent.
///
/// # Errors
/// [`ApiError`] when the template cannot be rendered.
pub fn render(
    status: StatusCode,
    frame: &Frame,
    page: &impl Template,
    permit: Option<ResponsePermit>,
) -> Result<Response, ApiError> {
    let mut text = page.render().map_err(|error| ApiError::internal(error.to_string()))?;
    text.push('\n');
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(HTML)),
        (CONTENT_LANGUAGE, HeaderValue::from_static(frame.language().code())),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (ROBOTS.clone(), HeaderValue::from_static("noindex")),
    ];
    let body = match permit {
        Some(permit) => Body::from(permit.attach_if_large(text.into_bytes())),
        None => Body::from(text),
    };
    let mut response = (status, headers, body).into_response();
    if frame.visitor.chose_language {
        let language = frame.language().code();
        set_cookie(&mut response, COOKIE_NAME, language, "/", COOKIE_SECONDS)?;
    }
    Ok(response)
}
