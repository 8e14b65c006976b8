//! Responses to list requests: pages of bounded size with a link to the next one.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{CONTENT_TYPE, LINK};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri};
use axum::response::Response;
use serde::Serialize;

use crate::api::describe::{DescribeInput, OperationBuilder};
use crate::api::error::ApiError;
use crate::api::fields::Schemas;
use crate::api::response::{JsonList, ListResult};
use crate::app::App;
use crate::net::principal::Tenant;
use crate::net::response_permits::ResponsePermit;
use store::reads::pages::{Page, PageOfRows};

/// The maximum size of a page in bytes. A page that would be larger ends earlier, with a link.
const ANSWER_MAX: usize = 1024 * 1024;
/// How many lists of one merchant may be in progress at once.
pub const IN_PROGRESS_MAX: usize = 8;

/// What the next page of a list continues after: the parameter, and its value for a row.
pub enum Cursor<T> {
    Id(fn(&T) -> i64),
    Position(fn(&T) -> i64),
}

/// The merchant that requests a list, with its permit for the response.
pub struct Listing {
    pub tenant: Tenant,
    uri: Uri,
    permit: ResponsePermit,
}

impl FromRequestParts<App> for Listing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let tenant = Tenant::from_request_parts(parts, app).await?;
        let permit = app.lists.acquire(tenant.id()).await.ok_or(ApiError::TooManyLists)?;
        Ok(Self { tenant, uri: parts.uri.clone(), permit })
    }
}

/// The merchant that requests a whole list, with its permit for the response.
pub struct Exporting(pub Tenant, pub ResponsePermit);

impl FromRequestParts<App> for Exporting {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let tenant = Tenant::from_request_parts(parts, app).await?;
        let permit = app.lists.acquire(tenant.id()).await.ok_or(ApiError::TooManyLists)?;
        Ok(Self(tenant, permit))
    }
}

impl DescribeInput for Exporting {
    fn describe(builder: &mut OperationBuilder, schemas: &mut Schemas) {
        Tenant::describe(builder, schemas);
    }
}

impl Listing {
    /// The response: a bare array, with a `Link` to the next page where there may be one.
    /// `to_response` converts one row; `id` is the cursor of a row, after which the next page
    /// starts.
    ///
    /// # Errors
    /// [`ApiError`] for a row that cannot be serialized.
    pub fn respond<R, T: Serialize>(
        self,
        page: Page,
        found: PageOfRows<R>,
        to_response: impl Fn(R) -> T,
        id: fn(&T) -> i64,
    ) -> ListResult<T> {
        self.respond_with(page, found, to_response, Cursor::Id(id))
    }

    /// [`respond`](Self::respond), with a cursor that may be a position.
    ///
    /// # Errors
    /// [`ApiError`] for a row that cannot be serialized.
    pub fn respond_with<R, T: Serialize>(
        self,
        page: Page,
        found: PageOfRows<R>,
        to_response: impl Fn(R) -> T,
        cursor: Cursor<T>,
    ) -> ListResult<T> {
        let (name, value) = match cursor {
            Cursor::Id(id) => ("after_id", id),
            Cursor::Position(position) => ("after_position", position),
        };
        let is_full = u32::try_from(found.rows.len()).is_ok_and(|len| len >= page.limit);
        let (body, last, is_cut) =
            write_page(found.rows.into_iter().map(to_response), value, ANSWER_MAX)?;
        let next = if is_full || is_cut { last } else { found.scanned_to };
        let mut response = Response::new(Body::from(self.permit.attach(body)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(link) =
            next.and_then(|id| HeaderValue::try_from(next_link(&self.uri, name, id)).ok())
        {
            response.headers_mut().insert(LINK, link);
        }
        Ok(JsonList::new(response))
    }
}

/// An array of at most `most` bytes, but of at least one row if there is any; with the id of its
/// last row and whether rows were left out.
fn write_page<T: Serialize>(
    rows: impl Iterator<Item = T>,
    id: impl Fn(&T) -> i64,
    most: usize,
) -> Result<(Vec<u8>, Option<i64>, bool), ApiError> {
    let mut text = vec![b'['];
    let (mut last, mut is_cut) = (None, false);
    for row in rows {
        let end = text.len();
        if last.is_some() {
            text.push(b',');
        }
        serde_json::to_writer(&mut text, &row)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        // The end of the array, `]` and a newline, takes two bytes.
        if last.is_some() && text.len().saturating_add(2) > most {
            text.truncate(end);
            is_cut = true;
            break;
        }
        last = Some(id(&row));
    }
    text.extend_from_slice(b"]\n");
    Ok((text, last, is_cut))
}

fn next_link(uri: &Uri, cursor: &str, after: i64) -> String {
    let assignment = format!("{cursor}=");
    let kept = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with(&assignment));
    let query: Vec<String> =
        kept.map(str::to_owned).chain([format!("{assignment}{after}")]).collect();
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_before_it_is_too_large() {
        let of = |rows: &[i64], most| {
            let (text, last, is_cut) = write_page(rows.iter(), |row| **row, most).unwrap();
            (String::from_utf8(text).unwrap(), last, is_cut)
        };
        assert_eq!(of(&[], 1), ("[]\n".to_owned(), None, false));
        assert_eq!(of(&[11, 22, 33], 11), ("[11,22,33]\n".to_owned(), Some(33), false));
        assert_eq!(of(&[11, 22, 33], 10), ("[11,22]\n".to_owned(), Some(22), true));
        assert_eq!(
            of(&[11, 22, 33], 1),
            ("[11]\n".to_owned(), Some(11), true),
            "a page with rows has one"
        );
    }

    #[test]
    fn the_link_keeps_what_was_asked_for() {
        let uri = Uri::from_static("/v1/parties/list?limit=2&after_id=9&fullname=a%20b");
        assert_eq!(
            next_link(&uri, "after_id", 7),
            "</v1/parties/list?limit=2&fullname=a%20b&after_id=7>; rel=\"next\""
        );
        assert_eq!(
            next_link(&Uri::from_static("/v1/parties/list"), "after_id", 7),
            "</v1/parties/list?after_id=7>; rel=\"next\""
        );
    }
}
