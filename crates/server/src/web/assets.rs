//! The files that pages refer to: style, script and icon. Their names have a hash of the content, so
//! that browsers keep them for a year and never use an old one.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::api::error::ApiError;
use crate::api::extract::PathSegments;
use crate::api::routes::Routes;
use crate::app::App;
use crate::web::brand;
use store::hex::hex;

/// How many bytes of the hash stand in a name.
const HASH_BYTES: usize = 8;

pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    // Blanks that say nothing: phones on slow networks load this first.
    let content =
        without_comments(include_str!("style.css")).replace("; ", ";").replace(" {", "{").leak();
    Asset::new("pages", "css", "text/css; charset=utf-8", content)
});
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let content = without_comments(include_str!("script.js")).leak();
    Asset::new("pages", "js", "text/javascript; charset=utf-8", content)
});
/// What only the pages of `/app` load.
pub static LOCAL_TIMES: LazyLock<Asset> = LazyLock::new(|| {
    let content = without_comments(include_str!("local_times.js")).leak();
    Asset::new("local-times", "js", "text/javascript; charset=utf-8", content)
});
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("icon.svg")));

/// A file that is compiled in.
pub struct Asset {
    path: String,
    content_type: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, content: &'static str) -> Self {
        let hash = hash_of(content);
        Self { path: format!("/assets/{name}.{hash}.{extension}"), content_type, content }
    }

    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// A script or style without what only people read: lines of comments, and the spaces before each line.
fn without_comments(script: &str) -> String {
    let lines = script.lines().map(str::trim_start);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The part of a content's hash that stands in the name of its file.
#[must_use]
pub fn hash_of(content: &str) -> String {
    let hash = Sha256::digest(content);
    hex(hash.get(..HASH_BYTES).unwrap_or(&hash))
}

/// The answer with a file whose name changes with its content.
pub fn kept_for_a_year(content_type: &'static str, content: impl IntoResponse) -> Response {
    let headers =
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, content).into_response()
}

fn compiled_in(name: &str) -> Option<Response> {
    let known = [&STYLE, &SCRIPT, &LOCAL_TIMES, &ICON];
    let found = known.into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(name));
    found.map(|asset| kept_for_a_year(asset.content_type, asset.content))
}

async fn asset(
    State(app): State<App>,
    PathSegments([name]): PathSegments<1>,
) -> Result<Response, ApiError> {
    match compiled_in(&name) {
        Some(file) => Ok(file),
        None => brand::file(&app, &name).await?.ok_or(ApiError::NotFound),
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/assets/{name}", asset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_kept_for_a_year_under_the_name_of_its_content() {
        for known in [&STYLE, &SCRIPT, &LOCAL_TIMES, &ICON] {
            let name = known.path().strip_prefix("/assets/").unwrap();
            let response = compiled_in(name).unwrap();
            assert_eq!(response.headers()[CONTENT_TYPE], known.content_type);
            assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
        }
        for name in ["pages.css", "pages.0123456789abcdef.css", ""] {
            assert!(compiled_in(name).is_none(), "{name}");
        }
    }

    #[test]
    fn files_are_small_and_name_no_other_host() {
        assert!(SCRIPT.content.len() <= 3 * 1024, "{} bytes", SCRIPT.content.len());
        assert!(STYLE.content.len() <= 8 * 1024, "{} bytes", STYLE.content.len());
        for content in [STYLE.content, SCRIPT.content, LOCAL_TIMES.content] {
            assert!(!content.contains("//fonts") && !content.contains("http"), "{content}");
        }
    }
}
