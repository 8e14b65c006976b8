//! What a history says of webhooks.

use std::fmt::Display;

use domain::decision::command::{Command, Output};
use domain::webhooks::delivery::WebhookDelivery;
use domain::webhooks::endpoint::{EventTypes, WebhookEndpoint};

fn list<T: Display>(all: impl Iterator<Item = T>) -> String {
    all.map(|one| one.to_string()).collect::<Vec<_>>().join(", ")
}

fn wanted(types: Option<&EventTypes>) -> String {
    types.map_or_else(|| "everything".to_owned(), |types| list(types.0.iter()))
}

pub fn command(command: &Command) -> String {
    match command {
        Command::CreateWebhookEndpoint(new) => {
            format!("{}, wants {}", new.url, wanted(new.event_types.as_ref()))
        }
        Command::UpdateWebhookEndpoint(request) => {
            let changes = &request.changes;
            format!(
                "{}: enabled {:?}, url {:?}, wants {:?}",
                request.endpoint_id, changes.enabled, changes.url, changes.event_types
            )
        }
        Command::DeleteWebhookEndpoint(request) => request.endpoint_id.to_string(),
        Command::RotateWebhookSecret(request) => {
            format!("{}, overlap {} s", request.endpoint_id, request.overlap_us / 1_000_000)
        }
        Command::TestWebhookEndpoint(request) => request.endpoint_id.to_string(),
        Command::FanOutMessages(request) => {
            let endpoints = list(request.endpoints.iter());
            format!("{} to {endpoints}", list(request.messages.iter()))
        }
        Command::ClaimDeliveries(request) => {
            format!("{} to endpoint {}", list(request.ids.iter()), request.endpoint_id)
        }
        Command::RecordDeliveryAttempt(request) => {
            let status = request.attempted.status;
            let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            format!("{}: {status}", request.delivery_id)
        }
        Command::ResendDeliveries(request) => {
            let arrived = if request.even_delivered { ", even what has arrived" } else { "" };
            format!("{}{arrived}", list(request.ids.iter()))
        }
        _ => String::new(),
    }
}

fn endpoint(row: &WebhookEndpoint) -> String {
    let state = match (row.deleted_at, row.disabled) {
        (Some(_), _) => "deleted".to_owned(),
        (None, Some(reason)) => format!("disabled {reason}"),
        (None, None) => "enabled".to_owned(),
    };
    format!("endpoint {} {state}", row.id)
}

fn delivery(row: &WebhookDelivery) -> String {
    format!("delivery {} {} after {}", row.id, row.status, row.attempts)
}

pub fn answered(answer: &Output) -> String {
    match answer {
        Output::CreateWebhookEndpoint(row)
        | Output::UpdateWebhookEndpoint(row)
        | Output::DeleteWebhookEndpoint(row)
        | Output::RotateWebhookSecret(row) => endpoint(row),
        Output::TestWebhookEndpoint(event) => format!("event {event}"),
        Output::ClaimDeliveries(claimed) => {
            format!("claimed {}", list(claimed.deliveries.iter().map(|row| row.id)))
        }
        Output::RecordDeliveryAttempt(recorded) => {
            let disabled = recorded.disabled;
            let disabled = disabled.map_or_else(String::new, |why| format!(", endpoint {why}"));
            format!("{}{disabled}", delivery(&recorded.delivery))
        }
        Output::ResendDeliveries(rows) => list(rows.iter().map(delivery)),
        _ => String::new(),
    }
}
