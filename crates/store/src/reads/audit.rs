//! The audit: who decided what.

use domain::audit::{AuditEntity, AuditRow, AuditedCommand};
use domain::decision::event::{Actor, ActorKind};
use domain::kernel::ids::MerchantId;
use domain::kernel::masks::initials;
use domain::kernel::time::ServerTime;

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::scope::{MerchantReads, OperatorReads, SystemReads};
use crate::workspace::codes::{Coded, with_codes};
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql_value::{Params, ResultRow, params};

/// Which rows of the audit are listed.
#[derive(Clone, Copy, Default, Debug)]
pub struct AuditFilter {
    pub actor: Option<ActorKind>,
    /// Of an API key or a person.
    pub actor_id: Option<i64>,
    pub command: Option<AuditedCommand>,
    pub entity: Option<AuditEntity>,
    pub entity_id: Option<i64>,
    /// Inclusive.
    pub from: Option<ServerTime>,
    /// Exclusive.
    pub until: Option<ServerTime>,
}

/// A row of the audit with the name of its actor.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub row: AuditRow,
    /// The name of a person, or the client id of an API key.
    pub actor_name: Option<String>,
}

/// Whether the actor is a person without a role in the merchant: they act for the installation.
const IS_OF_INSTALLATION: &str = "audit.actor_kind = {actor_kind USER} AND NOT EXISTS (SELECT 1 FROM memberships AS own \
    WHERE own.user_id = audit.actor_id AND own.merchant_id = audit.merchant_id)";

fn select(is_of_installation: &str) -> String {
    let columns = &AuditRow::statements().columns;
    with_codes(&format!(
        "SELECT {columns}, users.name, api_keys.client_id, CASE WHEN {is_of_installation} THEN 1 ELSE 0 END FROM audit \
         LEFT JOIN users ON users.id = audit.actor_id AND audit.actor_kind = {{actor_kind USER}} \
         LEFT JOIN api_keys ON api_keys.id = audit.actor_id AND audit.actor_kind = {{actor_kind API_KEY}}"
    ))
}

/// The entry, and whether its actor acts for the installation.
fn read_entry(row: &dyn ResultRow) -> Result<(AuditEntry, bool), StoreError> {
    let audit = AuditRow::from_row(row, 0)?;
    let mut reader = RowReader::new(row, AuditRow::TABLE, AuditRow::WIDTH);
    let (person, client) = <(Option<String>, Option<String>)>::read(&mut reader)?;
    let is_of_installation = i64::read(&mut reader)? != 0;
    Ok((AuditEntry { row: audit, actor_name: person.or(client) }, is_of_installation))
}

impl AuditFilter {
    fn period(&self) -> Params<'static> {
        let from = self.from.map_or(i64::MIN, |at| at.0);
        let until = self.until.map_or(i64::MAX, |at| at.0);
        params!["from" = from, "until" = until]
    }

    /// Adds what no index supports. `hides` is the condition under which an actor is told as the
    /// operator, if there is one: nobody finds by a filter what they do not see.
    fn narrow(&self, list: ListQuery, hides: Option<&str>) -> ListQuery {
        let (kind, id) = match hides {
            None => ("audit.actor_kind".to_owned(), "audit.actor_id".to_owned()),
            Some(hidden) => (
                format!(
                    "CASE WHEN {hidden} THEN {{actor_kind OPERATOR}} ELSE audit.actor_kind END"
                ),
                format!("CASE WHEN {hidden} THEN NULL ELSE audit.actor_id END"),
            ),
        };
        let (kind, id) =
            (with_codes(&format!("{kind} = :actor")), with_codes(&format!("{id} = :actor_id")));
        list.filter(&kind, ":actor", self.actor.map(ActorKind::code))
            .filter(&id, ":actor_id", self.actor_id)
            .filter("audit.command = :command", ":command", self.command.map(AuditedCommand::code))
            .filter("audit.entity = :entity", ":entity", self.entity.map(AuditEntity::code))
            .filter("audit.entity_id = :entity_id", ":entity_id", self.entity_id)
    }
}

impl MerchantReads<'_> {
    /// What was decided for the merchant, newest first. Who is not of the installation sees those
    /// who are as the operator, without a name and an address.
    pub async fn audit(
        &self,
        filter: AuditFilter,
        page: Page,
    ) -> Result<PageOfRows<AuditEntry>, StoreError> {
        let hides = (!self.shows_operators()).then_some(IS_OF_INSTALLATION);
        let condition = "audit.created_at >= :from AND audit.created_at < :until";
        let list = filter.narrow(ListQuery::by_merchant_and(condition, filter.period()), hides);
        let select = select(IS_OF_INSTALLATION);
        let found = self.list_joined::<AuditRow, _>(&select, list, page, read_entry).await?;
        Ok(found.map(|(entry, is_of_installation)| {
            if is_of_installation && !self.shows_operators()
                || entry.row.actor == Actor::Operator && !self.shows_operators()
            {
                let row = AuditRow { actor: Actor::Operator, address: None, ..entry.row };
                return AuditEntry { row, actor_name: None };
            }
            let is_person = matches!(entry.row.actor, Actor::User(_));
            let masked = is_person && !self.shows_contacts();
            let mask = |name: String| if masked { initials(&name) } else { name };
            AuditEntry { actor_name: entry.actor_name.map(mask), ..entry }
        }))
    }
}

impl SystemReads<'_> {
    /// What was decided about no merchant, newest first. For the operator and auditors.
    pub async fn audit_of_installation(
        &self,
        filter: AuditFilter,
        page: Page,
    ) -> Result<PageOfRows<AuditEntry>, StoreError> {
        const { assert!(MerchantId::INSTALLATION.0 == 0) };
        let condition =
            "audit.merchant_id = 0 AND audit.created_at >= :from AND audit.created_at < :until";
        let list = filter.narrow(ListQuery::of_all(condition, filter.period()), None);
        let select = select("1 = 0");
        let found = self.0.list_of_all::<AuditRow, _>(&select, list, page, read_entry).await?;
        Ok(found.map(|(entry, _)| entry))
    }
}

impl OperatorReads {
    /// All that was decided, newest first.
    pub async fn audit(
        &self,
        filter: AuditFilter,
        page: Page,
    ) -> Result<PageOfRows<AuditEntry>, StoreError> {
        let condition = "audit.created_at >= :from AND audit.created_at < :until";
        let list = filter.narrow(ListQuery::of_all(condition, filter.period()), None);
        let (queries, select) = (self.queries(), select("1 = 0"));
        let found = queries.list_of_all::<AuditRow, _>(&select, list, page, read_entry).await?;
        Ok(found.map(|(entry, _)| entry))
    }
}
