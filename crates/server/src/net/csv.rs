//! Lists as CSV (RFC 4180) or JSON, sent page by page while they are read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde_json::Value;
use store::StoreError;
use store::reads::pages::{Page, PageOfRows};
use tokio::sync::mpsc;

use crate::api::describe::{DescribeResponse, OperationBuilder};
use crate::api::error::ApiError;
use crate::api::fields::Schemas;
use crate::app::App;
use crate::net::response_permits::ResponsePermit;

const MEDIA_TYPE: &str = "text/csv";

/// How a list is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Csv,
    /// An array of objects, each with the names of the columns.
    Json,
}
/// How many rows are read at once, which is the most that waits for a slow reader.
const ROWS_AT_ONCE: u32 = 500;

/// While payments are made, a download reads nothing ahead and rests so many times as long as a page
/// took, at most [`REST_MAX`]: reading takes a core, and who pays is not to wait for it.
const RESTS: u32 = 19;
const REST_MAX: Duration = Duration::from_secs(1);

/// A list that is read page by page.
pub trait Table: Send + Sync + 'static {
    type Row: Send + 'static;

    /// The names of the columns.
    const HEAD: &'static [&'static str];

    /// Those of the columns that are numbers in JSON. What is empty is `null` there, and all else is a
    /// text.
    const NUMBERS: &'static [&'static str] = &[];

    /// A page, for who may read it still.
    fn page(
        &self,
        page: Page,
    ) -> impl Future<Output = Result<PageOfRows<Self::Row>, ApiError>> + Send;

    fn app(&self) -> &App;

    fn id(row: &Self::Row) -> i64;

    /// The cells of each row, with what else has to be read for them.
    fn cells(
        &self,
        rows: Vec<Self::Row>,
    ) -> impl Future<Output = Result<Vec<Vec<String>>, ApiError>> + Send;
}

/// A list as CSV.
pub struct Csv(Response);

impl IntoResponse for Csv {
    fn into_response(self) -> Response {
        self.0
    }
}

impl DescribeResponse for Csv {
    fn describe(builder: &mut OperationBuilder, _: &mut Schemas) {
        builder.text_answer(MEDIA_TYPE);
    }
}

/// The whole list as a file of this name. `permit` is held until the last byte is sent.
///
/// # Errors
/// Those of the first page. A later one ends the answer in the middle, which the client notices.
pub async fn answer<T: Table>(
    table: T,
    file: &'static str,
    permit: ResponsePermit,
) -> Result<Csv, ApiError> {
    answer_as(Format::Csv, table, file, permit).await
}

/// The same in a format.
///
/// # Errors
/// See [`answer`].
pub async fn answer_as<T: Table>(
    format: Format,
    table: T,
    file: &str,
    permit: ResponsePermit,
) -> Result<Csv, ApiError> {
    let first = Page { limit: ROWS_AT_ONCE, after_id: None };
    let found = table.page(first).await?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _permit = permit;
        if let Err(error) = send_all(format, Arc::new(table), found, &sender).await {
            let cut: Result<Bytes, io::Error> = Err(io::Error::other(format!("{error:?}")));
            // Who is gone needs no word of it.
            let _ = sender.send(cut).await;
        }
    });
    let mut response = Body::new(Streamed(receiver)).into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(match format {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Json => "application/json",
        }),
    );
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{file}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(Csv(response))
}

/// Sends the lines of the first page and of all that follow, until the list or its reader ends. While
/// nobody pays, a page is read while the one before it is written: on PostgreSQL that is twice as fast.
async fn send_all<T: Table>(
    format: Format,
    table: Arc<T>,
    mut found: PageOfRows<T::Row>,
    sender: &mpsc::Sender<Result<Bytes, io::Error>>,
) -> Result<(), ApiError> {
    let mut text = match format {
        Format::Csv => line(T::HEAD.iter().copied()),
        Format::Json => "[".to_owned(),
    };
    let mut between = "\n";
    let mut others_pay = false;
    loop {
        let (begun, submitted) = (Instant::now(), table.app().engine.submitted());
        let next = found
            .next_after(ROWS_AT_ONCE, T::id)
            .map(|id| Page { limit: ROWS_AT_ONCE, after_id: Some(id) });
        let ahead = next.filter(|_| !others_pay).map(|next| {
            let table = Arc::clone(&table);
            tokio::spawn(async move { table.page(next).await })
        });
        for cells in table.cells(found.rows).await? {
            match format {
                Format::Csv => text.push_str(&line(cells.iter().map(String::as_str))),
                Format::Json => {
                    text.push_str(between);
                    text.push_str(&object(T::HEAD, T::NUMBERS, cells));
                    between = ",\n";
                }
            }
        }
        if next.is_none() && format == Format::Json {
            text.push_str("\n]\n");
        }
        let bytes = Bytes::from(std::mem::take(&mut text));
        let written = Instant::now();
        if sender.send(Ok(bytes)).await.is_err() {
            return Ok(());
        }
        // How long the reader takes is nothing that anybody else has to wait for.
        let sent_in = written.elapsed();
        let Some(next) = next else { return Ok(()) };
        found = match ahead {
            Some(ahead) => ahead.await.map_err(|_| StoreError::Panicked)??,
            None => table.page(next).await?,
        };
        others_pay = table.app().engine.submitted() != submitted;
        if others_pay {
            let took = begun.elapsed().saturating_sub(sent_in);
            tokio::time::sleep((took * RESTS).min(REST_MAX)).await;
        }
    }
}

/// A row as an object of JSON, in the order of its columns.
fn object(head: &[&str], numbers: &[&str], cells: Vec<String>) -> String {
    let member = |(name, cell): (&&str, String)| {
        let value = match cell.parse::<i64>() {
            _ if cell.is_empty() => Value::Null,
            Ok(number) if numbers.contains(name) => Value::from(number),
            _ => Value::from(cell),
        };
        format!("{}:{value}", Value::from(*name))
    };
    let members: Vec<String> = head.iter().zip(cells).map(member).collect();
    format!("{{{}}}", members.join(","))
}

struct Streamed(mpsc::Receiver<Result<Bytes, io::Error>>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
    }
}

/// A line of the table.
#[must_use]
pub fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell. Spreadsheets would compute what begins like a formula, which somebody may have typed as a
/// name: an apostrophe makes it a text. An amount below zero is a number, and columns are summed.
fn cell(text: &str) -> String {
    // Full-width signs are computed, too, by some.
    let signs = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    let is_amount = text.strip_prefix('-').is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_digit()) && is_decimal(rest)
    });
    let guard = if text.starts_with(signs) && !is_amount { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

/// Digits with at most one point.
fn is_decimal(text: &str) -> bool {
    let mut points = 0;
    text.bytes().all(|byte| {
        points += u32::from(byte == b'.');
        byte.is_ascii_digit() || (byte == b'.' && points == 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_json_has_numbers_and_no_empty_texts() {
        let cells = ["7", "12", "", "say \"so\""].map(str::to_owned);
        let row = object(&["id", "name", "note", "said"], &["id"], cells.into());
        assert_eq!(row, r#"{"id":7,"name":"12","note":null,"said":"say \"so\""}"#);
    }

    #[test]
    fn no_cell_is_a_formula_and_no_text_ends_its_cell() {
        for (text, written) in [
            ("Ama Kollie", "Ama Kollie"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("+231", "'+231"),
            ("-5", "-5"),
            ("-10.00", "-10.00"),
            ("-", "'-"),
            ("-.5", "'-.5"),
            ("-5-2", "'-5-2"),
            ("-5.0.0", "'-5.0.0"),
            ("-5e9", "'-5e9"),
            ("--5", "'--5"),
            ("+5", "'+5"),
            ("@sum", "'@sum"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("\nx", "\"'\nx\""),
            ("＝1+1", "'＝1+1"),
            ("a=b", "a=b"),
            ("a,b", "\"a,b\""),
            ("say \"so\"", "\"say \"\"so\"\"\""),
            ("=\"a\"", "\"'=\"\"a\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), written, "{text:?}");
        }
        assert_eq!(line(["a", "=b"].into_iter()), "a,'=b\r\n");
    }
}
