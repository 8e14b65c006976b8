//! `/app/developers/{merchant}`: API keys, webhooks with their deliveries, events and the last
//! requests, for who connects programs.

mod deliveries;
mod keys;
mod logs;
mod webhooks;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::directory::roles::{Action, Role};
use domain::kernel::ids::MerchantId;
use domain::kernel::names::Mode;
use store::reads::pages::Page;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::approvals::names_of;
use crate::web::app::developers::deliveries::{resend, show_delivery};
use crate::web::app::developers::keys::{Key, create_key, revoke_key};
use crate::web::app::developers::logs::{show_events, show_requests};
use crate::web::app::developers::webhooks::{
    Hook, create_hook, delete_hook, disable_hook, enable_hook, rotate_hook, show_hook, test_hook,
};
use crate::web::app::filter;
use crate::web::app::frame::{self, AppFrame, Fault};
use crate::web::app::navigation::Screen;
use crate::web::app::person::{AtMerchant, LoggedIn};
use crate::web::language::Visitor;

/// How many rows stand on a page.
const PAGE: u32 = 50;

/// Who looks at which merchant's page.
struct Asked<'a> {
    app: &'a App,
    me: &'a LoggedIn,
    visitor: Visitor,
    merchant: i64,
}

impl<'a> Asked<'a> {
    fn path(&self) -> String {
        format!("/app/developers/{}", self.merchant)
    }

    fn id(&self) -> MerchantId {
        MerchantId(self.merchant)
    }

    async fn read(&self) -> Result<AtMerchant<'a>, Failure> {
        self.me.at_merchant(self.app, self.merchant, Action::ReadIntegration).await
    }

    fn not_permitted(&self, failure: Failure) -> Result<Response, ApiError> {
        self.me.not_permitted(failure, self.visitor.clone(), &self.path())
    }

    fn frame(&self, title: &str, path: &str) -> AppFrame {
        self.me.frame(self.visitor.clone(), title).at(path)
    }
}

/// The place in a list, and one filter of it, as they stand in the address.
#[derive(Default)]
struct Place {
    after: Option<i64>,
    filter: String,
    /// Why it is no place of a list.
    fault: Fault,
}

impl Place {
    fn of(uri: &Uri, name: &str) -> Self {
        let mut place = Self::default();
        for (field, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match field.as_ref() {
                "after" => place.after = filter::place(&filter::typed(&value), &mut place.fault),
                other if other == name => place.filter = filter::typed(&value),
                _ => {}
            }
        }
        place
    }

    fn page(&self) -> Page {
        Page { limit: PAGE, after_id: self.after }
    }

    /// What the filter is read as. One that is none is told, and not read as no filter.
    fn chosen<T>(&mut self, of: impl Fn(&str) -> Option<T>) -> Option<T> {
        match filter::read(&self.filter, of, ("", "There is no such filter.")) {
            Ok(chosen) => chosen,
            Err(_) => {
                self.fault = Fault::of_page("There is no such filter.");
                None
            }
        }
    }

    /// The address of what is older.
    fn older(&self, path: &str, name: &str, after: Option<i64>) -> Option<String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.filter.is_empty() {
            query.append_pair(name, &self.filter);
        }
        query.append_pair("after", &after?.to_string());
        Some(format!("{path}?{}", query.finish()))
    }
}

#[derive(Template)]
#[template(path = "app/developers.html")]
struct DevelopersTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    keys: Vec<Key>,
    older: Option<String>,
    hooks: Vec<Hook>,
    may_change: bool,
    /// Whether no real money moves.
    is_sandbox: bool,
    roles: Vec<Role>,
    secret: Option<Secret>,
    fault: Fault,
    typed: Typed,
}

#[derive(Default)]
struct Typed {
    role: String,
    operations: String,
    url: String,
    types: String,
    description: String,
}

/// What is shown once.
struct Secret {
    what: &'static str,
    name: String,
    secret: String,
    public_key: Option<String>,
}

/// What the page says beside its rows.
#[derive(Default)]
struct Beside {
    secret: Option<Secret>,
    fault: Fault,
    typed: Typed,
    place: Place,
}

async fn render(
    status: StatusCode,
    asked: &Asked<'_>,
    Beside { secret, fault, typed, place }: Beside,
) -> Result<Response, ApiError> {
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let found = at.reads.api_keys(place.page()).await?;
    let older = found.next_after(PAGE, |key| key.id.0);
    let hooks = at.reads.webhook_endpoints(Page { limit: PAGE, after_id: None }).await?;
    let names = names_of(&at, found.rows.iter().filter_map(|key| key.made_by)).await?;
    let path = asked.path();
    let frame = asked
        .frame(&format!("Developers of {}", at.merchant.name), &path)
        .of(&at, Screen::Developers);
    let template = DevelopersTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        older: place.older(&path, "", older),
        path,
        keys: found.rows.into_iter().map(|key| Key::new(key, &names)).collect(),
        hooks: hooks.rows.into_iter().map(Hook::from).collect(),
        may_change: at.rights.role.may(Action::ChangeIntegration),
        is_sandbox: at.merchant.mode == Mode::Sandbox,
        // Nobody makes a key that may do more than they may.
        roles: Role::OF_MERCHANTS
            .iter()
            .copied()
            .filter(|role| role.is_within(at.rights.role))
            .collect(),
        secret,
        fault,
        typed,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let place = Place::of(&uri, "");
    let fault = place.fault.clone();
    render(fault.status(), &asked, Beside { place, fault, ..Beside::default() }).await
}

/// The page again, with why a form was refused.
async fn refused(asked: &Asked<'_>, failure: Failure, typed: Typed) -> Result<Response, ApiError> {
    let page = async |status, sentence| {
        let beside = Beside { fault: Fault::of_page(sentence), typed, ..Beside::default() };
        render(status, asked, beside).await
    };
    frame::refused(failure, &asked.path())?.answer_read(page).await
}

async fn at_fault(asked: &Asked<'_>, fault: Fault, typed: Typed) -> Result<Response, ApiError> {
    let beside = Beside { fault, typed, ..Beside::default() };
    render(StatusCode::UNPROCESSABLE_ENTITY, asked, beside).await
}

/// Whether they may change keys and webhooks now; what to answer if not. Asked before anything is
/// drawn, and again by the decision.
async fn may_change<'a>(asked: &Asked<'a>) -> Result<AtMerchant<'a>, Result<Response, ApiError>> {
    let at = asked.me.at_merchant(asked.app, asked.merchant, Action::ChangeIntegration).await;
    at.map_err(|failure| asked.not_permitted(failure))
}

/// The names in a text, apart by blanks, commas or lines.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ', '\n', '\r', '\t']).filter(|name| !name.is_empty())
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/developers/{merchant}", show)
        .page("/app/developers/{merchant}/events", show_events)
        .page("/app/developers/{merchant}/requests", show_requests)
        .page("/app/developers/{merchant}/webhooks/{id}", show_hook)
        .page("/app/developers/{merchant}/deliveries/{id}", show_delivery)
        .form("/app/developers/{merchant}/keys/create", create_key)
        .form("/app/developers/{merchant}/keys/{id}/revoke", revoke_key)
        .form("/app/developers/{merchant}/webhooks/create", create_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/enable", enable_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/disable", disable_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/test", test_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/rotate", rotate_hook)
        .form("/app/developers/{merchant}/webhooks/{id}/delete", delete_hook)
        .form("/app/developers/{merchant}/deliveries/{id}/resend", resend)
}
