//! The documentation page, which shows the OpenAPI document and sends test requests. It loads
//! nothing from other servers.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::Redirect;

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::web::page::nonce;

/// The page, with `{nonce}` for the nonce of its script and style.
const PAGE: &str = include_str!("page.html");

/// The content security policy: only the page's own script and style, and requests only to this
/// server.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

type Page = ([(HeaderName, HeaderValue); 5], String);

async fn docs() -> Result<Page, ApiError> {
    let nonce = nonce()?;
    let policy = HeaderValue::try_from(policy(&nonce))
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, PAGE.replace("{nonce}", &nonce)))
}

/// Redirects from the server's root to the documentation.
async fn home() -> Redirect {
    Redirect::temporary("/docs")
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/docs", docs).page("/", home)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;

    #[tokio::test]
    async fn the_page_runs_nothing_but_its_own() {
        let response = docs().await.into_response();
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let nonce = policy
            .split("script-src 'nonce-")
            .nth(1)
            .unwrap()
            .split('\'')
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(nonce.len(), 32);
        assert!(policy.contains("frame-ancestors 'none'"));
        let body = axum::body::to_bytes(response.into_body(), 1_000_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(text.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
        // Nothing from elsewhere, and no way for what is shown to become markup.
        for foreign in [
            "http://",
            "https://",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(foreign), "{foreign}");
        }
    }
}
