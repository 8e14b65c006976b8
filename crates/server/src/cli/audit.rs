//! `kola audit`: who decided what.

use clap::Subcommand;
use domain::audit::{AuditEntity, AuditedCommand};
use domain::decision::event::ActorKind;
use domain::directory::roles::Action;
use domain::kernel::ids::MerchantId;
use domain::kernel::time::ServerTime;
use serde_json::{Value, json};
use store::reads::audit::{AuditEntry, AuditFilter};
use store::reads::pages::Page;

use crate::api::audit::{HEAD, cells, words};
use crate::cli::arguments::time;
use crate::cli::merchant::LIST_STEP;
use crate::cli::output::moment;
use crate::cli::{Target, output};
use crate::net::csv;

#[derive(Subcommand)]
pub enum Audit {
    /// List decisions of people, API keys and the operator, newest first.
    List {
        /// Only those for this merchant.
        #[arg(long, value_name = "ID", conflicts_with = "installation")]
        merchant: Option<i64>,
        /// Only those that are about no merchant: the tariff, networks, logins.
        #[arg(long)]
        installation: bool,
        /// Only those of such actors: API_KEY, USER or OPERATOR.
        #[arg(long, value_name = "KIND", value_parser = actor)]
        actor: Option<ActorKind>,
        /// Only those of the API key or the person with this id.
        #[arg(long, value_name = "ID")]
        actor_id: Option<i64>,
        /// Only those of this kind: set_wallet_status, change_member.
        #[arg(long, value_name = "NAME", value_parser = command)]
        command: Option<AuditedCommand>,
        /// Only those about this kind of object: WALLET, USER.
        #[arg(long, value_name = "KIND", value_parser = subject)]
        subject: Option<AuditEntity>,
        /// Only those about the object with this id.
        #[arg(long, value_name = "ID")]
        subject_id: Option<i64>,
        /// Only those from this time on: 2026-11-29 or 2026-11-29T18:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<ServerTime>,
        /// Only those before this time.
        #[arg(long, value_name = "TIME", value_parser = time)]
        until: Option<ServerTime>,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_name = "N", conflicts_with = "all")]
        limit: usize,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// As CSV.
        #[arg(long)]
        csv: bool,
    },
}

fn actor(text: &str) -> Result<ActorKind, String> {
    let known = [ActorKind::ApiKey, ActorKind::User, ActorKind::Operator];
    let found = ActorKind::parse(&text.to_uppercase()).filter(|kind| known.contains(kind));
    found.ok_or_else(|| "use API_KEY, USER or OPERATOR".to_owned())
}

fn command(text: &str) -> Result<AuditedCommand, String> {
    AuditedCommand::parse(text).ok_or_else(|| {
        let names: Vec<&str> = AuditedCommand::ALL.iter().map(|one| one.as_str()).collect();
        format!("use one of {}", names.join(", "))
    })
}

fn subject(text: &str) -> Result<AuditEntity, String> {
    AuditEntity::parse(&text.to_uppercase()).ok_or_else(|| {
        let names: Vec<&str> = AuditEntity::ALL.iter().map(|one| one.as_str()).collect();
        format!("use one of {}", names.join(", "))
    })
}

impl Audit {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        let Self::List {
            merchant,
            installation,
            actor,
            actor_id,
            command,
            subject,
            subject_id,
            from,
            until,
            limit,
            all,
            csv,
        } = self;
        let filter = AuditFilter {
            actor,
            actor_id,
            command,
            entity: subject,
            entity_id: subject_id,
            from,
            until,
        };
        let whose = match (merchant, installation) {
            (Some(id), _) => Whose::Merchant(MerchantId(id)),
            (None, true) => Whose::Installation,
            (None, false) => Whose::All,
        };
        let most = if all { usize::MAX } else { limit };
        let found = read(target, whose, filter, most)?;
        if csv {
            let lines = found.iter().map(|entry| {
                let merchant = entry.row.merchant_id.to_string();
                let cells = cells(entry);
                csv::line(cells.iter().map(String::as_str).chain([merchant.as_str()]))
            });
            let head = csv::line(HEAD.iter().copied().chain(["merchant_id"]));
            let text: String = std::iter::once(head).chain(lines).collect();
            return output::csv(&text);
        }
        let rows = found.iter().map(|entry| {
            let row = &entry.row;
            let changes: Vec<String> = row.changes.0.iter().map(words).collect();
            let who = match (&entry.actor_name, row.actor.id()) {
                (Some(name), Some(id)) => format!("{name} ({} {id})", row.actor.kind()),
                _ => row.actor.kind().to_string(),
            };
            [
                moment(row.created_at),
                row.merchant_id.to_string(),
                who,
                row.address.map_or("-".to_owned(), |address| address.to_string()),
                row.command.to_string(),
                format!("{} {}", row.entity, row.entity_id),
                changes.join("; "),
            ]
        });
        let head = ["time", "merchant", "who", "from", "what", "on what", "changed"];
        let text = output::table(head, &rows.collect::<Vec<_>>());
        let text = if found.is_empty() { "nothing was decided" } else { &text };
        output::tell(&found.iter().map(as_json).collect(), text)
    }
}

#[derive(Clone, Copy)]
enum Whose {
    Merchant(MerchantId),
    Installation,
    All,
}

fn read(
    target: &Target,
    whose: Whose,
    filter: AuditFilter,
    most: usize,
) -> anyhow::Result<Vec<AuditEntry>> {
    target.read_existing(async |reads| {
        let mut found: Vec<AuditEntry> = vec![];
        let mut after_id = None;
        loop {
            let left = most.saturating_sub(found.len());
            let limit = u32::try_from(left).unwrap_or(LIST_STEP).min(LIST_STEP);
            if limit == 0 {
                return Ok(found);
            }
            let page = Page { limit, after_id };
            let more = match whose {
                Whose::Merchant(id) => reads.of(id).audit(filter, page).await?,
                Whose::Installation => {
                    reads.for_system().audit_of_installation(filter, page).await?
                }
                Whose::All => reads.audit(filter, page).await?,
            };
            after_id = more.next_after(limit, |entry| entry.row.id.0);
            found.extend(more.rows);
            if after_id.is_none() {
                return Ok(found);
            }
        }
    })
}

fn as_json(AuditEntry { row, actor_name }: &AuditEntry) -> Value {
    let changes = row.changes.0.iter().map(|change| {
        let values = change.values.as_ref();
        json!({
            "field": change.field,
            "before": values.and_then(|values| values.before.as_deref()),
            "after": values.and_then(|values| values.after.as_deref()),
            "hidden": values.is_none(),
        })
    });
    let merchant = Some(row.merchant_id.0).filter(|id| *id != MerchantId::INSTALLATION.0);
    json!({
        "id": row.id.0,
        "created_at": format!("{:.6}", row.created_at),
        "merchant_id": merchant,
        "actor": { "type": row.actor.kind().as_str(), "id": row.actor.id() },
        "actor_name": actor_name,
        "address": row.address.map(|address| address.to_string()),
        "request_id": row.request_id.map(|id| id.to_string()),
        "command": row.command.as_str(),
        "action": row.action.map(Action::as_str),
        "subject_type": row.entity.as_str(),
        "subject_id": row.entity_id,
        "changes": changes.collect::<Value>(),
    })
}
