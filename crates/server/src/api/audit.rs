//! The audit: who decided what for a merchant.

use axum::extract::State;
use domain::audit::{AuditEntity, AuditedCommand, FieldChange};
use domain::decision::event::ActorKind;
use domain::directory::roles::Action;
use domain::kernel::time::{MerchantTime, ServerTime};
use schemars::JsonSchema;
use serde::Serialize;
use store::reads::audit::{AuditEntry, AuditFilter};
use store::reads::pages::{Page, PageOfRows};

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::extract::Query;
use crate::api::fields::{Id, Name};
use crate::api::listing::{Exporting, Listing};
use crate::api::payment_intents::ActorResponse;
use crate::api::response::{Limit, ListResult, Time, page};
use crate::api::routes::Routes;
use crate::app::App;
use crate::net::csv::{self, Csv, Table};
use crate::net::principal::Tenant;
use crate::payload;

crate::api_names! { AuditedCommand AuditEntity = "AuditSubject" }

payload! {
    /// The filter of the audit.
    pub struct ListAudit {
        /// Only what such actors decided: API keys, people or the operator.
        actor_type: Option<ActorKind>,
        /// Only what the API key or the person with this id decided.
        actor_id: Option<Id>,
        /// Only decisions of this kind.
        command: Option<AuditedCommand>,
        /// Only decisions about this kind of object.
        subject_type: Option<AuditEntity>,
        /// Only decisions about the object with this id.
        subject_id: Option<Id>,
        /// Only from this time on, by the clock of the server.
        from: Option<MerchantTime>,
        /// Only before this time.
        until: Option<MerchantTime>,
        /// The maximum number of entries in the answer.
        limit: Option<Limit>,
        /// The id of the last entry of the previous page.
        after_id: Option<Id>,
    }
}

payload! {
    /// The filter of the audit as CSV, which has no pages.
    pub struct ExportAudit {
        /// Only what such actors decided: API keys, people or the operator.
        actor_type: Option<ActorKind>,
        /// Only what the API key or the person with this id decided.
        actor_id: Option<Id>,
        /// Only decisions of this kind.
        command: Option<AuditedCommand>,
        /// Only decisions about this kind of object.
        subject_type: Option<AuditEntity>,
        /// Only decisions about the object with this id.
        subject_id: Option<Id>,
        /// Only from this time on, by the clock of the server.
        from: Option<MerchantTime>,
        /// Only before this time.
        until: Option<MerchantTime>,
    }
}

/// A decision, and what it changed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditAnswer")]
pub struct AuditResponse {
    id: i64,
    /// Server time.
    created_at: Time,
    /// `API_KEY` or `USER` with an id, or `OPERATOR`.
    actor: ActorResponse,
    /// The client id of the API key, or the name of the person.
    actor_name: Option<String>,
    /// The address that the request came from; `null` for the operator's.
    address: Option<String>,
    /// The id of the request, as the log of the server has it.
    request_id: Option<String>,
    /// What was decided.
    command: Name<AuditedCommand>,
    /// What a role must allow for that.
    action: Option<&'static str>,
    subject_type: Name<AuditEntity>,
    subject_id: i64,
    /// The fields of the subject that it changed.
    changes: Vec<AuditChangeResponse>,
}

/// A changed field.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditChangeAnswer")]
struct AuditChangeResponse {
    field: String,
    /// `null` where there was no value, or where it is hidden.
    before: Option<String>,
    /// `null` where there is no value any more, or where it is hidden.
    after: Option<String>,
    /// Whether the values are not kept here: secrets, and the contacts of people.
    hidden: bool,
}

impl From<FieldChange> for AuditChangeResponse {
    fn from(change: FieldChange) -> Self {
        let hidden = change.values.is_none();
        let (before, after) =
            change.values.map_or((None, None), |values| (values.before, values.after));
        Self { field: change.field, before, after, hidden }
    }
}

impl From<AuditEntry> for AuditResponse {
    fn from(AuditEntry { row, actor_name }: AuditEntry) -> Self {
        Self {
            id: row.id.0,
            created_at: Time::from(row.created_at),
            actor: ActorResponse::from(row.actor),
            actor_name,
            address: row.address.map(|address| address.to_string()),
            request_id: row.request_id.map(|id| id.to_string()),
            command: Name(row.command),
            action: row.action.map(Action::as_str),
            subject_type: Name(row.entity),
            subject_id: row.entity_id,
            changes: row.changes.0.into_iter().map(Into::into).collect(),
        }
    }
}

const fn server_time(MerchantTime(at): MerchantTime) -> ServerTime {
    ServerTime(at)
}

/// The filter in a query of either kind.
macro_rules! filter {
    ($query:expr) => {
        AuditFilter {
            actor: $query.actor_type,
            actor_id: $query.actor_id.map(|id| id.0),
            command: $query.command,
            entity: $query.subject_type,
            entity_id: $query.subject_id.map(|id| id.0),
            from: $query.from.map(server_time),
            until: $query.until.map(server_time),
        }
    };
}

async fn list_all(
    State(app): State<App>,
    listing: Listing,
    Query(query): Query<ListAudit>,
) -> ListResult<AuditResponse> {
    let page = page(query.limit, query.after_id);
    let filter = filter!(query);
    let found = listing.tenant.reads(&app, Action::ReadAudit)?.audit(filter, page).await?;
    listing.respond(page, found, AuditResponse::from, |entry| entry.id)
}

/// The audit of a merchant, as an API key reads it.
struct OfKey {
    app: App,
    tenant: Tenant,
    filter: AuditFilter,
}

/// The columns of the audit as CSV.
pub const HEAD: &[&str] = &[
    "id",
    "time",
    "actor",
    "actor_id",
    "actor_name",
    "address",
    "request_id",
    "command",
    "action",
    "subject_type",
    "subject_id",
    "changes",
];

/// The cells of a row.
#[must_use]
pub fn cells(AuditEntry { row, actor_name }: &AuditEntry) -> Vec<String> {
    let or_empty = |value: Option<String>| value.unwrap_or_default();
    vec![
        row.id.to_string(),
        format!("{:.6}", row.created_at),
        row.actor.kind().to_string(),
        or_empty(row.actor.id().map(|id| id.to_string())),
        actor_name.clone().unwrap_or_default(),
        or_empty(row.address.map(|address| address.to_string())),
        or_empty(row.request_id.map(|id| id.to_string())),
        row.command.to_string(),
        row.action.map(Action::as_str).unwrap_or_default().to_owned(),
        row.entity.to_string(),
        row.entity_id.to_string(),
        row.changes.0.iter().map(words).collect::<Vec<_>>().join("; "),
    ]
}

/// A change in words: `status: ACTIVE -> FROZEN`.
#[must_use]
pub fn words(change: &FieldChange) -> String {
    let Some(values) = &change.values else { return format!("{}: changed", change.field) };
    match (&values.before, &values.after) {
        (Some(before), Some(after)) => format!("{}: {before} -> {after}", change.field),
        (None, Some(after)) => format!("{}: {after}", change.field),
        (before, None) => {
            format!("{}: {} -> nothing", change.field, before.as_deref().unwrap_or("nothing"))
        }
    }
}

impl Table for OfKey {
    type Row = AuditEntry;
    const HEAD: &'static [&'static str] = HEAD;

    async fn page(&self, page: Page) -> Result<PageOfRows<AuditEntry>, ApiError> {
        // The answer may take long.
        self.tenant.holds(&self.app).await?;
        Ok(self.tenant.reads(&self.app, Action::ReadAudit)?.audit(self.filter, page).await?)
    }

    fn app(&self) -> &App {
        &self.app
    }

    fn id(entry: &AuditEntry) -> i64 {
        entry.row.id.0
    }

    async fn cells(&self, rows: Vec<AuditEntry>) -> Result<Vec<Vec<String>>, ApiError> {
        Ok(rows.iter().map(cells).collect())
    }
}

async fn export(
    State(app): State<App>,
    Exporting(tenant, permit): Exporting,
    Query(query): Query<ExportAudit>,
) -> Result<Csv, ApiError> {
    let filter = filter!(query);
    csv::answer(OfKey { app, tenant, filter }, "audit.csv", permit).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .get("/v1/audit/list", list_all, op("list_audit_entries", "List who decided what"))
        .get(
            "/v1/audit/export",
            export,
            op("export_audit_entries", "Download who decided what as CSV"),
        )
}
