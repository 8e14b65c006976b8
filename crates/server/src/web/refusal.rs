//! Errors as HTML pages: a person who follows a link must not be shown JSON.

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::Response;

use crate::api::error::REQUEST_ID;
use crate::web::page::{self, HTML};
use crate::web::text::escape;

/// The paths of pages. A link that lost its token still leads to an HTML error.
const PAGE_PATHS: [&str; 3] = ["/pay", "/receipt", "/verify"];

/// Whether a path is below one of the pages.
#[must_use]
pub fn is_page_path(path: &str) -> bool {
    let below = |place: &str| {
        path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    PAGE_PATHS.into_iter().any(below)
}

/// Turns an error response into a page. The status and the headers that a client needs are kept.
#[must_use]
pub fn as_page(refused: Response) -> Response {
    let status = refused.status();
    let is_page = refused.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == HTML);
    if is_page || !status.is_client_error() && !status.is_server_error() {
        return refused;
    }
    let field = |name: &HeaderName| refused.headers().get(name).cloned();
    let seconds =
        field(&RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(1);
    let id = field(&REQUEST_ID).and_then(|value| value.to_str().ok().map(escape));
    let (title, body) = words(status, &wait(seconds), id.as_deref());
    let Ok(mut page) = page::render(status, title, &format!("<h1>{title}</h1>{body}"), None) else {
        return refused;
    };
    for name in [RETRY_AFTER, ALLOW, REQUEST_ID.clone()] {
        if let Some(value) = field(&name) {
            page.headers_mut().insert(name, value);
        }
    }
    page
}

/// Title and text of the page: what happened, and what the payer can do.
fn words(status: StatusCode, wait: &str, id: Option<&str>) -> (&'static str, String) {
    let id = id
        .map(|id| format!("<p class=aside>Number of this fault: <span class=n>{id}</span>"))
        .unwrap_or_default();
    match status {
        StatusCode::NOT_FOUND => (
            "No such page",
            "<p>This link leads nowhere. Was all of it copied? Whoever sent it can send it again."
                .to_owned(),
        ),
        StatusCode::METHOD_NOT_ALLOWED => (
            "This page can only be read",
            "<p>Nothing can be sent to it. Open the link as it was sent to you.".to_owned(),
        ),
        StatusCode::TOO_MANY_REQUESTS => (
            "Please wait a little",
            format!(
                "<p>Too many pages were asked for. Try again {wait}.<p>What was paid already stays paid: do not pay again."
            ),
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            "This page cannot be shown now",
            format!(
                "<p>Try again {wait}.<p>What was paid already stays paid: do not pay again.{id}"
            ),
        ),
        _ if status.is_server_error() => (
            "This page cannot be shown",
            format!(
                "<p>The fault is ours, and it is noted.<p>What was paid already stays paid: do not pay again.{id}"
            ),
        ),
        _ => ("This page cannot be shown", "<p>Open the link as it was sent to you.".to_owned()),
    }
}

/// A waiting time in words, rounded up.
pub fn wait(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    // None of them is ever one.
    if seconds <= 1 {
        "in a moment".to_owned()
    } else if seconds <= MINUTE {
        format!("in {seconds} seconds")
    } else if seconds <= HOUR {
        format!("in {} minutes", seconds.div_ceil(MINUTE))
    } else {
        format!("in {} hours", seconds.div_ceil(HOUR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::ApiError;
    use axum::http::header::CONTENT_TYPE;
    use axum::response::IntoResponse;

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
            let page = as_page(error.into_response());
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
        let fine = as_page("fine".into_response());
        assert_eq!(fine.headers()[CONTENT_TYPE], "text/plain; charset=utf-8");
    }

    #[test]
    fn a_link_that_lost_a_part_was_to_lead_to_a_page() {
        for path in ["/pay", "/pay/", "/pay/x", "/receipt/x/y"] {
            assert!(is_page_path(path), "{path}");
        }
        for path in ["/", "/docs", "/payments", "/v1/links/pay", "/v1/invoices/receipt/7"] {
            assert!(!is_page_path(path), "{path}");
        }
    }

    #[test]
    fn a_wait_is_told_as_people_say_it() {
        let told = [1, 2, 60, 61, 3_600, 3_601, 10_000].map(wait);
        assert_eq!(
            told,
            [
                "in a moment",
                "in 2 seconds",
                "in 60 seconds",
                "in 2 minutes",
                "in 60 minutes",
                "in 2 hours",
                "in 3 hours"
            ]
        );
    }
}
