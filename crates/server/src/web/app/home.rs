//! `/app`: where somebody has a role.

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use domain::directory::roles::Role;
use store::reads::people::Part;

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::{self, Places};
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::navigation::{self, ScreenLink};
use crate::web::app::person::LoggedIn;
use crate::web::language::Visitor;

/// How many merchants stand on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "app/home.html")]
struct HomeTemplate<'a> {
    app: &'a AppFrame,
    /// The role in the installation.
    installation: Option<&'static str>,
    places: Vec<Place>,
    is_first: bool,
    more: Option<String>,
    /// Whether codes of a phone are to be set up before anything else.
    needs_set_up: bool,
    fault: Fault,
}

struct Place {
    id: i64,
    merchant: String,
    role: &'static str,
    mode: &'static str,
    screens: Vec<ScreenLink>,
}

async fn home(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    uri: Uri,
) -> Result<Response, ApiError> {
    let has_factor = me.user.has_second_factor();
    let missing = |role: Role| role.needs_second_factor() && !has_factor;
    let mut fault = Fault::default();
    let after = Places::of(&uri, &["after"]).get("after", &mut fault);
    let part = Part { limit: PAGE, after: after.unwrap_or(0) };
    let found = me.reads(&app).merchants(part).await?;
    let more = part.last(&found, |(_, merchant)| merchant.id.0);
    let roles = found.iter().filter_map(|(member, _)| member.role).chain(me.user.role);
    let needs_set_up = roles.into_iter().any(missing);
    let places = found
        .into_iter()
        .filter_map(|(member, merchant)| {
            let role = member.role?;
            Some(Place {
                id: merchant.id.0,
                role: role.as_str(),
                mode: merchant.mode.as_str(),
                screens: navigation::links(merchant.id.0, role, None),
                merchant: merchant.name,
            })
        })
        .collect();
    let frame = me.frame(visitor, "Home");
    let template = HomeTemplate {
        app: &frame,
        installation: me.user.role.map(Role::as_str),
        places,
        is_first: after.is_none(),
        more: more.map(|last| format!("/app{}", filter::query(&[("after", &last.to_string())]))),
        needs_set_up,
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app", home)
}
