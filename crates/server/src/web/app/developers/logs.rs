//! Events, and the last requests.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use domain::decision::event::EventType;
use store::reads::events::EventFilter;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::developers::{Asked, PAGE, Place};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::person::LoggedIn;
use crate::web::language::Visitor;

#[derive(Template)]
#[template(path = "app/log.html")]
struct LogTemplate<'a> {
    app: &'a AppFrame,
    title: String,
    about: &'static str,
    empty: &'static str,
    home: String,
    path: String,
    /// The name of the filter and its label.
    filter: (&'static str, &'static str),
    choices: Vec<(&'static str, &'static str, bool)>,
    narrows: bool,
    rows: Vec<LogRow>,
    older: Option<String>,
    fault: Fault,
}

struct LogRow {
    at: Moment,
    what: String,
    says: String,
}

pub(super) async fn show_events(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let mut place = Place::of(&uri, "type");
    let kind = place.chosen(EventType::parse_of_merchant);
    let found =
        at.reads.events(EventFilter { kind, ..EventFilter::default() }, place.page()).await?;
    let older = found.next_after(PAGE, |event| event.id.0);
    let path = format!("{}/events", asked.path());
    let title = format!("Events of {}", at.merchant.name);
    let frame = asked.frame(&title, &path).of(&at, Screen::Developers);
    let rows = found.rows.into_iter().map(|event| LogRow {
        at: Moment(event.created_at),
        what: event.kind.as_str().to_owned(),
        says: format!(
            "Event {}, position {}, {} {}",
            event.id,
            event.position,
            event.entity.as_str().to_lowercase().replace('_', " "),
            event.entity_id
        ),
    });
    let choice = |of: &EventType| (of.as_str(), of.as_str(), kind == Some(*of));
    let template = LogTemplate {
        app: &frame,
        title,
        about: "What happened, as webhooks tell it, newest first.",
        empty: "Nothing has happened yet. The first payment leaves its events here.",
        home: asked.path(),
        older: place.older(&path, "type", older),
        path,
        filter: ("type", "Type"),
        choices: EventType::OF_MERCHANTS.iter().map(choice).collect(),
        narrows: kind.is_some(),
        rows: rows.collect(),
        fault: place.fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

pub(super) async fn show_requests(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let mut place = Place::of(&uri, "status");
    let only_failed = place.chosen(|text| (text == "failed").then_some(())).is_some();
    let found = app.requests.list(at.merchant.id, only_failed, place.page());
    let older = found.next_after(PAGE, |request| request.id);
    let path = format!("{}/requests", asked.path());
    let title = format!("Requests of {}", at.merchant.name);
    let frame = asked.frame(&title, &path).of(&at, Screen::Developers);
    let rows = found.rows.into_iter().map(|request| LogRow {
        at: Moment(request.at),
        what: format!("{} {}", request.method, request.route.as_str()),
        says: format!(
            "Answered with {} after {} ms, request {}",
            request.status.as_u16(),
            request.duration_ms,
            request.request_id.map(|id| id.to_string()).unwrap_or_default()
        ),
    });
    let template = LogTemplate {
        app: &frame,
        title,
        about: "The last 1,000 calls of your programs that this process has answered, newest first, without what was \
                in them. After a restart the list begins anew.",
        empty: "No calls yet. What your programs ask of the API is listed as it happens.",
        home: asked.path(),
        older: place.older(&path, "status", older),
        path,
        filter: ("status", "Answers"),
        choices: vec![("failed", "refused or failed", only_failed)],
        narrows: only_failed,
        rows: rows.collect(),
        fault: place.fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}
