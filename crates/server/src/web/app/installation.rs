//! `/app/installation`: the head of the chain over what is committed, for who runs the installation.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::roles::Action;

use crate::api::error::ApiError;
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::frame::{self, AppFrame, INSTALLATION};
use crate::web::app::person::LoggedIn;
use crate::web::language::Visitor;

#[derive(Template)]
#[template(path = "app/installation.html")]
struct InstallationTemplate<'a> {
    app: &'a AppFrame,
    version: &'static str,
    /// How many batches are chained; the head's position.
    position: i64,
    head: String,
    /// Whether links are made with a key.
    has_key: bool,
    /// Whether rows from before the chain are not in it yet.
    has_older: bool,
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
) -> Result<Response, ApiError> {
    if let Err(failure) = me.in_installation(Action::ReadInstallation) {
        return me.not_permitted(failure, visitor, INSTALLATION);
    }
    let chain = app.queries.for_system().batch_chain().await?;
    let frame = me.frame(visitor, "Installation");
    let template = InstallationTemplate {
        app: &frame,
        version: env!("CARGO_PKG_VERSION"),
        position: chain.position,
        head: chain.link.to_string(),
        has_key: chain.link_key_id.is_some(),
        has_older: chain.older_next_id < chain.older_end_id,
    };
    frame::render(StatusCode::OK, &frame, &template)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().page("/app/installation", show)
}
