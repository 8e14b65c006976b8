//! `/app/search/{merchant}`: one box that finds payments by what people know of them.

use std::convert::Infallible;

use askama::Template;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use domain::directory::roles::Action;
use domain::kernel::ids::MerchantId;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::api::search::{self, FoundBy};
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::customers::CustomerLine;
use crate::web::app::filter;
use crate::web::app::frame::{self, AppFrame};
use crate::web::app::navigation::Screen;
use crate::web::app::payments::{PaymentLine, path as list_path};
use crate::web::app::person::LoggedIn;
use crate::web::app::sources::{SourceLine, lines};
use crate::web::language::Visitor;
use crate::web::methods::Methods;

/// The longest text that is looked for.
const TYPED_MAX: usize = 100;

#[derive(Template)]
#[template(path = "app/search.html")]
struct SearchTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    asked: &'a str,
    groups: Vec<Group>,
    sources: Vec<SourceLine>,
    customers: Vec<CustomerLine>,
    /// The address of all payments of the amount that was typed.
    of_amount: Option<String>,
    /// Whether names and phone numbers are not looked for.
    hides_people: bool,
}

/// Payments that were found by one kind of thing.
struct Group {
    by: &'static str,
    rows: Vec<PaymentLine>,
}

/// The text in the address.
struct Asked(String);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let mut fields = form_urlencoded::parse(query.as_bytes());
        let text = fields.find(|(name, _)| name == "q").map(|(_, value)| value);
        let text = text.unwrap_or_default();
        // What stands in no text of ours, and PostgreSQL takes none.
        let kept = text.trim().chars().filter(|c| !c.is_control()).take(TYPED_MAX);
        Ok(Self(kept.collect()))
    }
}

const fn found_by(by: FoundBy) -> &'static str {
    match by {
        FoundBy::Number => "By its number or reference",
        FoundBy::ReceiptCode => "By the code of its receipt",
        FoundBy::Source => "By its invoice or order",
        FoundBy::Phone => "By the phone number",
        FoundBy::Name => "By the name",
        FoundBy::Amount => "By the amount",
    }
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Asked(asked): Asked,
) -> Result<Response, ApiError> {
    let path = format!("/app/search/{merchant}");
    let at = match me.at_merchant(&app, merchant, Action::ReadPayments).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path),
    };
    let sees_contacts = at.rights.role.may(Action::SeeContacts);
    let tariff = app.queries.for_system().tariff().await?;
    let methods = Methods::new(tariff.clone(), me.now);
    let mut groups: Vec<Group> = vec![];
    let (mut sources, mut customers, mut of_amount) = (vec![], vec![], None);
    if !asked.is_empty() {
        let permit = app.lists.acquire(MerchantId(merchant)).await;
        let _permit = permit.ok_or(ApiError::TooManyLists)?;
        let known = (&app.receipt_codes, &*tariff);
        let found = search::find(&at.reads, sees_contacts, known, &asked).await?;
        for (by, payment) in &found.payments {
            let (by, line) = (found_by(*by), PaymentLine::new(merchant, payment, &methods));
            match groups.last_mut().filter(|group| group.by == by) {
                Some(group) => group.rows.push(line),
                None => groups.push(Group { by, rows: vec![line] }),
            }
        }
        sources = lines(&at.reads, &found.sources).await?;
        let line = |party| CustomerLine::new(merchant, party);
        customers = found.parties.into_iter().map(line).collect();
        let query = filter::query(&[("amount", &asked)]);
        of_amount = found.amount.map(|_| format!("{}{query}", list_path(merchant)));
    }
    let frame = me.frame(visitor, &format!("Search in {}", at.merchant.name));
    let frame = frame.of(&at, Screen::Search);
    let template = SearchTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        path,
        asked: &asked,
        groups,
        sources,
        customers,
        of_amount,
        hides_people: !sees_contacts,
    };
    frame::render(StatusCode::OK, &frame, &template)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/search/{merchant}", show)
}
