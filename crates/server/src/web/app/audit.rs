//! `/app/audit/{merchant}`: who decided what for a merchant, and `/app/audit`: for the installation.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::audit::{AuditEntity, AuditRow, AuditedCommand};
use domain::decision::event::{Actor, ActorKind};
use domain::directory::roles::Action;
use domain::kernel::ids::{ExecutionId, MerchantId, PartyId, PaymentLinkId, WalletId};
use domain::kernel::time::ServerTime;
use store::reads::audit::{AuditEntry, AuditFilter};
use store::reads::pages::{Page, PageOfRows};

use crate::api::audit::{HEAD, cells, words};
use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::csv::{self, Table};
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::{self, Choice, FromQuery, Query, choices, plain, read};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::person::{AtMerchant, LoggedIn};
use crate::web::app::wallets::wallet_path;
use crate::web::app::{customers, links, payment};
use crate::web::language::Visitor;

/// How many rows stand on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "app/audit.html")]
struct AuditTemplate<'a> {
    app: &'a AppFrame,
    /// Whose audit it is.
    title: String,
    path: String,
    rows: Vec<Row>,
    actors: Vec<Choice>,
    commands: Vec<Choice>,
    subjects: Vec<Choice>,
    asked: &'a Asked,
    /// The address of the same list as CSV, and of what is older.
    csv: String,
    older: Option<String>,
    /// What of the filter is not understood.
    fault: Fault,
}

struct Row {
    at: Moment,
    who: String,
    address: Option<String>,
    request: Option<String>,
    what: String,
    subject: String,
    /// The page of the merchant that shows it.
    page: Option<String>,
    changes: Vec<String>,
}

/// The page of the merchant that shows what was decided on, if there is one. A request for approval has
/// none of its own: it stands on its payment's.
fn page_of(row: &AuditRow) -> Option<String> {
    let merchant = row.merchant_id;
    let payment = |id| payment::path(merchant.0, ExecutionId(id));
    match row.entity {
        _ if merchant == MerchantId::INSTALLATION => None,
        AuditEntity::Execution => Some(payment(row.entity_id)),
        AuditEntity::Approval => {
            let id = row.changes.0.iter().find(|change| change.field == "execution_id")?;
            id.values.as_ref()?.after.as_ref()?.parse().ok().map(payment)
        }
        AuditEntity::Wallet => Some(wallet_path(merchant.0, WalletId(row.entity_id))),
        AuditEntity::Party => Some(customers::path_of(merchant.0, PartyId(row.entity_id))),
        AuditEntity::PaymentLink => Some(links::path_of(merchant.0, PaymentLinkId(row.entity_id))),
        _ => None,
    }
}

impl Row {
    fn new(AuditEntry { row, actor_name }: AuditEntry) -> Self {
        let who = match (row.actor, actor_name) {
            (Actor::User(_), Some(name)) => name,
            (Actor::ApiKey(_), Some(client)) => format!("API key {client}"),
            (Actor::User(id), None) => format!("person {id}"),
            (Actor::ApiKey(id), None) => format!("API key {id}"),
            (Actor::Operator, _) => "the operator".to_owned(),
            (other, _) => other.kind().to_string(),
        };
        Self {
            at: Moment(row.created_at),
            who,
            address: row.address.map(|address| address.to_string()),
            request: row.request_id.map(|id| id.to_string()),
            what: plain(row.command.as_str()),
            subject: format!("{} {}", plain(row.entity.as_str()), row.entity_id),
            page: page_of(&row),
            changes: row.changes.0.iter().map(words).collect(),
        }
    }
}

/// The filter as it was typed, with the place in the list.
#[derive(Default)]
struct Asked {
    actor: String,
    command: String,
    subject: String,
    subject_id: String,
    from: String,
    until: String,
    after: String,
}

impl FromQuery for Asked {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "actor" => &mut self.actor,
            "command" => &mut self.command,
            "subject" => &mut self.subject,
            "subject_id" => &mut self.subject_id,
            "from" => &mut self.from,
            "until" => &mut self.until,
            "after" => &mut self.after,
            _ => return None,
        })
    }
}

impl Asked {
    fn filter(&self) -> Result<AuditFilter, Fault> {
        let actor = ("actor", "There is nobody of this kind.");
        let command = ("command", "There is no such decision.");
        let subject = ("subject", "There are no such objects.");
        let number = ("subject_id", "A number is digits.");
        let day = "Give a day as 2026-11-29, or a time as 2026-11-29T18:00:00Z.";
        Ok(AuditFilter {
            actor: read(&self.actor, ActorKind::parse, actor)?,
            actor_id: None,
            command: read(&self.command, AuditedCommand::parse, command)?,
            entity: read(&self.subject, AuditEntity::parse, subject)?,
            entity_id: read(&self.subject_id, |text| text.parse().ok(), number)?,
            from: read(&self.from, ServerTime::parse, ("from", day))?,
            until: read(&self.until, ServerTime::parse, ("until", day))?,
        })
    }

    /// Whether anything narrows the list.
    fn narrows(&self) -> bool {
        let Self { actor, command, subject, subject_id, from, until, after: _ } = self;
        [actor, command, subject, subject_id, from, until].iter().any(|text| !text.is_empty())
    }

    /// The query with this filter, and perhaps with another place in the list.
    fn query(&self, after: Option<i64>) -> String {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        filter::query(&[
            ("actor", &self.actor),
            ("command", &self.command),
            ("subject", &self.subject),
            ("subject_id", &self.subject_id),
            ("from", &self.from),
            ("until", &self.until),
            ("after", &after),
        ])
    }
}

/// The audit as somebody reads it: of a merchant, or of the installation.
struct OfPerson {
    app: App,
    me: LoggedIn,
    merchant: Option<i64>,
    filter: AuditFilter,
}

impl OfPerson {
    fn path(&self) -> String {
        self.merchant.map_or("/app/audit".to_owned(), |id| format!("/app/audit/{id}"))
    }

    /// A page of it with its merchant, for who may read it now.
    async fn read(
        &self,
        page: Page,
    ) -> Result<(Option<AtMerchant<'_>>, PageOfRows<AuditEntry>), Result<Failure, ApiError>> {
        let failed = |error: store::StoreError| Err(ApiError::from(error));
        match self.merchant {
            Some(id) => {
                let at = self.me.at_merchant(&self.app, id, Action::ReadAudit).await.map_err(Ok)?;
                let found = at.reads.audit(self.filter, page).await.map_err(failed)?;
                Ok((Some(at), found))
            }
            None => {
                self.me.in_installation(Action::ReadAudit).map_err(Ok)?;
                let reads = self.app.queries.for_system();
                let found = reads.audit_of_installation(self.filter, page).await;
                Ok((None, found.map_err(failed)?))
            }
        }
    }
}

impl Table for OfPerson {
    type Row = AuditEntry;
    const HEAD: &'static [&'static str] = HEAD;

    async fn page(&self, page: Page) -> Result<PageOfRows<AuditEntry>, ApiError> {
        let read = self.read(page).await;
        read.map(|(_, found)| found)
            .map_err(|error| error.map_or_else(|error| error, frame::without_page))
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

async fn render(
    app: App,
    (me, visitor): (LoggedIn, Visitor),
    merchant: Option<i64>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let (filter, mut fault) = match asked.filter() {
        Ok(filter) => (filter, Fault::default()),
        Err(fault) => (AuditFilter::default(), fault),
    };
    let after_id = filter::place(&asked.after, &mut fault);
    let of = OfPerson { app, me, merchant, filter };
    let path = of.path();
    let (at, found) = match of.read(Page { limit: PAGE, after_id }).await {
        Ok(found) => found,
        Err(Ok(failure)) => return of.me.not_permitted(failure, visitor, &path),
        Err(Err(error)) => return Err(error),
    };
    let older = found.next_after(PAGE, |entry| entry.row.id.0);
    let whose = at.as_ref().map_or("the installation", |at| at.merchant.name.as_str());
    let title = format!("Audit of {whose}");
    let frame = of.me.frame(visitor, &title);
    let frame = at.iter().fold(frame, |frame, at| frame.of(at, Screen::Audit));
    let kinds = [ActorKind::ApiKey, ActorKind::User, ActorKind::Operator];
    let template = AuditTemplate {
        app: &frame,
        rows: found.rows.into_iter().map(Row::new).collect(),
        actors: choices(&kinds, ActorKind::as_str, &asked.actor),
        commands: choices(AuditedCommand::ALL, AuditedCommand::as_str, &asked.command),
        subjects: choices(AuditEntity::ALL, AuditEntity::as_str, &asked.subject),
        csv: format!("{path}/csv{}", asked.query(None)),
        older: older.map(|id| format!("{path}{}", asked.query(Some(id)))),
        asked: &asked,
        title,
        path,
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    render(app, (me, visitor), Some(merchant), asked).await
}

async fn show_installation(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    render(app, (me, visitor), None, asked).await
}

async fn as_csv(
    app: App,
    (me, visitor): (LoggedIn, Visitor),
    merchant: Option<i64>,
    asked: Asked,
) -> Result<Response, ApiError> {
    // The list says what is wrong.
    let Ok(filter) = asked.filter() else {
        return render(app, (me, visitor), merchant, asked).await;
    };
    let whose = merchant.map_or(MerchantId::INSTALLATION, MerchantId);
    let of = OfPerson { app, me, merchant, filter };
    // Before a permit is taken: who may not read takes none of the merchant's.
    of.page(Page { limit: 1, after_id: None }).await?;
    let permit = of.app.lists.acquire(whose).await.ok_or(ApiError::TooManyLists)?;
    Ok(csv::answer(of, "audit.csv", permit).await?.into_response())
}

async fn export(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    as_csv(app, (me, visitor), Some(merchant), asked).await
}

async fn export_installation(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    as_csv(app, (me, visitor), None, asked).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/audit", show_installation)
        .page("/app/audit/csv", export_installation)
        .page("/app/audit/{merchant}", show)
        .page("/app/audit/{merchant}/csv", export)
}
