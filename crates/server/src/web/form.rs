//! Forms that pages send: reading them, and refusing those of other sites.

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, ORIGIN};

use crate::api::error::ApiError;
use crate::api::extract::bytes_of;
use crate::app::App;

/// The fields of a form that a page of this server sent.
pub struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// The trimmed value of a field; `None` if it is missing, empty, or there more than once.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.verbatim(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// All fields as they were sent.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is such a field, be it empty.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(other, _)| other == name)
    }

    /// The value of a field exactly as it was typed, such as a password.
    #[must_use]
    pub fn verbatim(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter().filter(|(other, _)| other == name);
        let (_, value) = found.next()?;
        Some(value.as_str()).filter(|value| !value.is_empty() && found.next().is_none())
    }
}

#[cfg(test)]
impl Form {
    /// The form of a body.
    pub fn of(body: &str) -> Self {
        Self { fields: form_urlencoded::parse(body.as_bytes()).into_owned().collect() }
    }
}

impl FromRequest<App> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let public_url = &app.config.public_url;
        if !is_own(&parts.headers, public_url) {
            // The usual cause: the server is reached by a name that is not its public one.
            let origin = parts.headers.get(ORIGIN);
            tracing::info!(?origin, %public_url, "a form of another origin than --public-url was refused");
            return Err(ApiError::Forbidden(
                "this form was sent by a page of another site".to_owned(),
            ));
        }
        let bytes = bytes_of(body).await?;
        let is_form = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_form = is_form.and_then(|kind| kind.split(';').next()).map(str::trim);
        if !is_form
            .is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
        {
            return Ok(Self { fields: vec![] });
        }
        Ok(Self { fields: form_urlencoded::parse(&bytes).into_owned().collect() })
    }
}

/// Whether a request comes from a page of this server, as the browser tells it. A browser that tells
/// nothing is too old to; then only the secret in the page's URL protects the form.
fn is_own(headers: &HeaderMap, public_url: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        // `none` is a payer who sends a form again by reloading.
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.eq_ignore_ascii_case(origin_of(public_url)),
        (None, None) => true,
    }
}

/// Scheme, host and port of a URL.
fn origin_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| host + at);
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_counts_once() {
        let form =
            |body: &[u8]| Form { fields: form_urlencoded::parse(body).into_owned().collect() };
        assert_eq!(form(b"step=pay&phone=+231+88").field("phone"), Some("231 88"));
        assert_eq!(form(b"phone=%2B23188").field("phone"), Some("+23188"));
        for body in ["", "phone=", "phone=+", "phone=1&phone=1", "Phone=1", "phone%00=1"] {
            assert_eq!(form(body.as_bytes()).field("phone"), None, "{body}");
        }
    }

    #[test]
    fn only_a_page_of_ours_sends_forms() {
        let own = |pairs: &[(&'static str, &str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            is_own(&headers, "https://pay.example/kola")
        };
        for pairs in [
            &[("origin", "https://pay.example")][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://elsewhere.example")],
            &[("sec-fetch-site", "none")],
            &[],
        ] {
            assert!(own(pairs), "{pairs:?}");
        }
        for pairs in [
            &[("origin", "https://pay.example.evil.example")][..],
            &[("origin", "http://pay.example")],
            &[("origin", "null")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://pay.example")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert!(!own(pairs), "{pairs:?}");
        }
    }
}
