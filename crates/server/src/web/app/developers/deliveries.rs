//! Deliveries of webhooks, with their attempts.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::directory::roles::Action;
use domain::kernel::ids::WebhookDeliveryId;
use domain::webhooks::delivery::{DeliveryStatus, WebhookDelivery};
use domain::webhooks::resend::ResendDeliveries;

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::app::App;
use crate::net::limits::CountPageRequest;
use crate::web::app::developers::Asked;
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::person::{LoggedIn, Posted};
use crate::web::language::Visitor;

pub(super) struct Delivery {
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) event: i64,
    pub(super) status: &'static str,
    pub(super) attempts: i64,
    pub(super) created: Moment,
    pub(super) next: Option<Moment>,
}

pub(super) const fn delivery_words(status: DeliveryStatus) -> &'static str {
    match status {
        DeliveryStatus::Pending => "not tried yet",
        DeliveryStatus::Delivered => "delivered",
        DeliveryStatus::Failed => "failed, tried again",
        DeliveryStatus::Dead => "given up",
    }
}

pub(super) fn delivery(row: &WebhookDelivery) -> Delivery {
    Delivery {
        path: format!("/app/developers/{}/deliveries/{}", row.merchant_id, row.id),
        kind: row.kind.as_str(),
        event: row.event_id.0,
        status: delivery_words(row.status),
        attempts: row.attempts,
        created: Moment(row.created_at),
        next: row.next_attempt_at.filter(|_| !row.is_under_way).map(Moment),
    }
}

#[derive(Template)]
#[template(path = "app/delivery.html")]
struct DeliveryTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    path: String,
    hook: String,
    delivery: Delivery,
    attempts: Vec<Attempt>,
    may_change: bool,
    fault: Fault,
}

struct Attempt {
    number: i64,
    at: Moment,
    ms: i64,
    status: Option<i64>,
    said: String,
}

async fn render_delivery(
    status: StatusCode,
    asked: &Asked<'_>,
    id: i64,
    fault: Fault,
) -> Result<Response, ApiError> {
    let at = match asked.read().await {
        Ok(at) => at,
        Err(failure) => return asked.not_permitted(failure),
    };
    let id = WebhookDeliveryId(id);
    let row = at.reads.webhook_delivery(id).await?.ok_or(ApiError::NotFound)?;
    let attempts = at.reads.webhook_attempts(id).await?;
    let path = format!("{}/deliveries/{id}", asked.path());
    let frame = asked.frame("Delivery", &path).of(&at, Screen::Developers);
    let template = DeliveryTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        hook: format!("{}/webhooks/{}", asked.path(), row.endpoint_id),
        path,
        delivery: delivery(&row),
        attempts: attempts
            .into_iter()
            .map(|row| Attempt {
                number: row.number,
                at: Moment(row.attempted.begun_at),
                ms: row.attempted.duration_us / 1_000,
                status: row.attempted.status,
                said: row.attempted.said,
            })
            .collect(),
        may_change: at.rights.role.may(Action::ChangeIntegration),
        fault,
    };
    frame::render(status, &frame, &template)
}

pub(super) async fn show_delivery(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, id]): Ids<2>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    render_delivery(StatusCode::OK, &asked, id, Fault::default()).await
}

pub(super) async fn resend(
    Posted { app, visitor, me, ids: [merchant, id], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let asked = Asked { app: &app, me: &me, visitor, merchant };
    let here = format!("{}/deliveries/{id}", asked.path());
    let ids = vec![WebhookDeliveryId(id)];
    let decision = ResendDeliveries { merchant_id: asked.id(), ids, even_delivered: true };
    let failure = match me.submit(&app, Some(asked.id()), decision).await {
        Ok(rows) => {
            let row = rows.first().ok_or(ApiError::NotFound)?;
            app.webhooks.wake(row.endpoint_id);
            return Ok(frame::lead_to(&here));
        }
        Err(failure) => failure,
    };
    let page = async |status, sentence| {
        render_delivery(status, &asked, id, Fault::of_page(sentence)).await
    };
    frame::refused(failure, &here)?.answer_read(page).await
}
