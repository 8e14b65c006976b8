//! Errors as HTML pages: a person who follows a link must not be shown JSON.

use askama::Template;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use crate::api::error::{REQUEST_ID, Sentence};
use crate::web::language::texts::{Foreign, Html, Texts};
use crate::web::language::{PageLanguages, Visitor};
use crate::web::page::{self, Frame, HTML};
use crate::web::text::escape;

/// The paths of pages. A link that lost its token still leads to an HTML error.
const PAGE_PATHS: [&str; 5] = ["/pay", "/receipt", "/verify", "/l", "/app"];

/// The pages of who has logged in.
const APP: &str = "/app";

/// Whether a path is below one of the pages.
#[must_use]
pub fn is_page_path(path: &str) -> bool {
    // Somebody may have typed the link in upper case.
    let path = path.to_ascii_lowercase();
    PAGE_PATHS.into_iter().any(|place| is_below(&path, place))
}

fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A request for a page: who made it, and where its link may have been meant to lead.
pub struct ForPeople {
    visitor: Visitor,
    meant: Option<String>,
    /// Whether it is a page of who has logged in.
    of_app: bool,
}

impl ForPeople {
    #[must_use]
    pub fn new(request: &Request, languages: PageLanguages) -> Self {
        let meant =
            if request.method() == Method::GET { meant(request.uri().path()) } else { None };
        let of_app = is_below(request.uri().path(), APP);
        let visitor = Visitor::new(request.uri(), request.headers(), languages);
        Self { visitor, meant, of_app }
    }

    /// Turns an error into a page. A link that was written a little differently leads on.
    #[must_use]
    pub fn finish(self, response: Response) -> Response {
        match self.meant {
            Some(path) if response.status() == StatusCode::NOT_FOUND => {
                Redirect::permanent(&path).into_response()
            }
            _ => as_page(response, self.visitor, self.of_app),
        }
    }
}

/// The path without what people and programs change in a link: upper case in its fixed part, and a
/// slash or a full stop at its end. `None` for one that has nothing of it.
fn meant(path: &str) -> Option<String> {
    let (place, token) = path.strip_prefix('/')?.split_once('/')?;
    let token = token.trim_end_matches(['/', '.', ',']);
    if place.eq_ignore_ascii_case("app") {
        // These pages have paths of several parts, and one that is nothing more.
        let meant = if token.is_empty() { APP.to_owned() } else { format!("{APP}/{token}") };
        return (meant != path).then_some(meant);
    }
    let meant = format!("/{}/{token}", place.to_ascii_lowercase());
    let is_link = !token.is_empty() && !token.contains('/');
    (is_link && meant != path).then_some(meant)
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalTemplate<'a> {
    frame: &'a Frame,
    sentences: Vec<Html>,
    of_app: bool,
}

/// Turns an error response into a page: in the visitor's language, or in English for who has logged
/// in. The status and the headers that a client needs are kept.
#[must_use]
pub fn as_page(refused: Response, visitor: Visitor, of_app: bool) -> Response {
    let status = refused.status();
    let is_page = refused.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == HTML);
    if is_page || !status.is_client_error() && !status.is_server_error() {
        return refused;
    }
    let sentence = refused.extensions().get::<Sentence>().copied();
    let field = |name: &HeaderName| refused.headers().get(name).cloned();
    let seconds =
        field(&RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(1);
    let id = field(&REQUEST_ID).and_then(|value| value.to_str().ok().map(str::to_owned));
    let visitor = if of_app { visitor.in_english() } else { visitor };
    let texts = visitor.language.texts();
    let (title, sentences) = if of_app {
        let (title, words) = words_of_app(status, seconds, id.as_deref(), texts);
        let told = |Sentence(sentence)| {
            let number = id.as_deref().map(|id| texts.fault_number(Foreign(id)));
            [Html(escape(sentence))].into_iter().chain(number).collect()
        };
        (title, sentence.map_or(words, told))
    } else {
        words(status, seconds, id.as_deref(), texts)
    };
    let frame = Frame::new(visitor, title);
    let template = RefusalTemplate { frame: &frame, sentences, of_app };
    let Ok(mut page) = page::render(status, &frame, &template, None) else {
        return refused;
    };
    for name in [RETRY_AFTER, ALLOW, REQUEST_ID.clone()] {
        if let Some(value) = field(&name) {
            page.headers_mut().insert(name, value);
        }
    }
    page
}

/// Title and sentences of the page: what happened, and what the payer can do.
fn words(
    status: StatusCode,
    seconds: u64,
    id: Option<&str>,
    t: &Texts,
) -> (&'static str, Vec<Html>) {
    let text = |text: &str| Html(escape(text));
    let id = id.map(|id| t.fault_number(Foreign(id)));
    match status {
        StatusCode::NOT_FOUND => (t.no_page, vec![text(t.no_page_hint)]),
        StatusCode::METHOD_NOT_ALLOWED => (t.read_only, vec![text(t.read_only_hint)]),
        StatusCode::FORBIDDEN => (t.other_site, vec![text(t.other_site_hint)]),
        StatusCode::TOO_MANY_REQUESTS => {
            (t.wait_a_little, vec![t.too_many_pages(t.wait(seconds)), text(t.stays_paid)])
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            let sentences = vec![t.try_later(t.wait(seconds)), text(t.stays_paid)];
            (t.not_now, sentences.into_iter().chain(id).collect())
        }
        _ if status.is_server_error() => {
            let sentences = vec![text(t.fault_is_ours), text(t.stays_paid)];
            (t.fault, sentences.into_iter().chain(id).collect())
        }
        _ => (t.cannot_show, vec![text(t.open_as_sent)]),
    }
}

/// The same for who has logged in, who sent no link and pays nothing.
fn words_of_app(
    status: StatusCode,
    seconds: u64,
    id: Option<&str>,
    t: &Texts,
) -> (&'static str, Vec<Html>) {
    let text = |text: &str| vec![Html(escape(text))];
    match status {
        StatusCode::NOT_FOUND => {
            (t.no_page, text("Nothing is at this address, or nothing that your role may see."))
        }
        StatusCode::FORBIDDEN => (
            "Nothing was done",
            text(
                "This form is not of a page of your login. Open its page again, and send it there.",
            ),
        ),
        StatusCode::METHOD_NOT_ALLOWED => (t.cannot_show, text("This address opens no page.")),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "Nothing was done",
            text("This form is too big: go back, shorten what you typed, and send it again."),
        ),
        StatusCode::TOO_MANY_REQUESTS => (t.wait_a_little, vec![t.too_many_pages(t.wait(seconds))]),
        StatusCode::SERVICE_UNAVAILABLE => {
            let number = id.map(|id| t.fault_number(Foreign(id)));
            (t.not_now, [t.try_later(t.wait(seconds))].into_iter().chain(number).collect())
        }
        _ if status.is_server_error() => {
            let number = id.map(|id| t.fault_number(Foreign(id)));
            (t.fault, text(t.fault_is_ours).into_iter().chain(number).collect())
        }
        _ => (t.cannot_show, text("What was sent cannot be read.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::ApiError;
    use axum::http::HeaderMap;
    use axum::http::header::{CONTENT_LANGUAGE, CONTENT_TYPE};

    fn visitor(query: &str) -> Visitor {
        let uri = format!("/pay/x?{query}").parse().unwrap();
        Visitor::new(&uri, &HeaderMap::new(), PageLanguages::default())
    }

    #[tokio::test]
    async fn each_refusal_is_a_page_that_says_what_to_do() {
        for (error, status, said, waits) in [
            (ApiError::NotFound, 404, "Whoever sent it can send it again", None),
            (ApiError::MethodNotAllowed, 405, "can only be read", None),
            (ApiError::TooMany(90), 429, "Try again in 2 minutes", Some("90")),
            (ApiError::TooMany(1), 429, "Try again in a moment", Some("1")),
            (ApiError::Overloaded, 503, "Try again in a moment", Some("1")),
            (ApiError::Unavailable("a secret".to_owned()), 503, "stays paid", Some("1")),
            (ApiError::internal("a secret"), 500, "The fault is ours", None),
            (ApiError::TooLarge, 413, "as it was sent to you", None),
        ] {
            let page = as_page(error.into_response(), visitor(""), false);
            let headers = page.headers().clone();
            assert_eq!(
                (page.status().as_u16(), &headers[CONTENT_TYPE]),
                (status, &"text/html; charset=utf-8".parse().unwrap())
            );
            assert_eq!(headers.get(RETRY_AFTER).map(|value| value.to_str().unwrap()), waits);
            let body = axum::body::to_bytes(page.into_body(), 100_000).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(
                text.contains(said) && !text.contains("\"detail\"") && !text.contains("secret"),
                "{text}"
            );
            let id = headers.get(&REQUEST_ID).map(|id| id.to_str().unwrap());
            assert_eq!(id.is_some_and(|id| text.contains(id)), status >= 500, "{text}");
        }
        let fine = as_page("fine".into_response(), visitor(""), false);
        assert_eq!(fine.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    }

    #[tokio::test]
    async fn a_refusal_is_in_the_visitors_language() {
        let page = as_page(ApiError::NotFound.into_response(), visitor("lang=fr"), false);
        assert_eq!(page.headers()[CONTENT_LANGUAGE], "fr");
        let body = axum::body::to_bytes(page.into_body(), 100_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains("Page introuvable") && text.contains("<html lang=\"fr\">"), "{text}");
    }

    #[tokio::test]
    async fn who_has_logged_in_is_told_of_no_payment() {
        for (error, said) in [
            (ApiError::NotFound, "your role"),
            (ApiError::Forbidden("x".to_owned()), "Nothing was done"),
            (ApiError::MethodNotAllowed, "opens no page"),
            (ApiError::TooMany(90), "Try again in 2 minutes"),
            (ApiError::Unavailable("a secret".to_owned()), "Try again in a moment"),
            (ApiError::NoSecretsKey("/a/file".to_owned()), "Tell who runs it"),
            (ApiError::internal("a secret"), "The fault is ours"),
            (ApiError::TooLarge, "This form is too big"),
            (ApiError::BrokenBody, "cannot be read"),
        ] {
            let page = as_page(error.into_response(), visitor("lang=fr"), true);
            assert_eq!(page.headers()[CONTENT_LANGUAGE], "en");
            let body = axum::body::to_bytes(page.into_body(), 100_000).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.contains(said) && text.contains("href=\"/app\""), "{text}");
            assert!(!text.contains("hreflang"), "no other language: {text}");
            for other in ["pay", "sent to you", "a secret", "/a/file"] {
                let (_, words) = text.split_once("<main>").unwrap();
                assert!(!words.contains(other), "{other}: {text}");
            }
        }
    }

    #[test]
    fn a_link_that_was_changed_a_little_leads_on() {
        for (path, expected) in [
            ("/pay/abc/", Some("/pay/abc")),
            ("/PAY/aBc", Some("/pay/aBc")),
            ("/Receipt/abc//", Some("/receipt/abc")),
            ("/pay/abc.", Some("/pay/abc")),
            ("/receipt/abc.pdf", None),
            ("/pay/abc", None),
            ("/pay/", None),
            ("/pay", None),
            ("/pay/a/b/", None),
            ("/pay//evil.example", None),
            ("/app/", Some("/app")),
            ("/APP/team/63/", Some("/app/team/63")),
            ("/app/team/63", None),
            ("/app", None),
        ] {
            assert_eq!(meant(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_link_that_lost_a_part_was_to_lead_to_a_page() {
        for path in ["/pay", "/pay/", "/pay/x", "/PAY/x", "/receipt/x/y"] {
            assert!(is_page_path(path), "{path}");
        }
        for path in ["/", "/docs", "/payments", "/v1/links/pay", "/v1/invoices/receipt/7"] {
            assert!(!is_page_path(path), "{path}");
        }
    }
}
