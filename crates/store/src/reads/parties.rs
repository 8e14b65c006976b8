//! Parties and counterparties.

use domain::directory::party::{Counterparty, Party, Relationship};
use domain::kernel::ids::{CounterpartyId, PartyId};

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows, comma_separated};
use crate::reads::scope::MerchantReads;
use crate::workspace::record::Record;
use crate::workspace::sql_value::{ResultRow, params};

impl MerchantReads<'_> {
    pub async fn party(&self, id: PartyId) -> Result<Option<Party>, StoreError> {
        self.one("id = :id", params!["id" = id.0]).await
    }

    /// The merchant's parties whose name contains `fullname`, ignoring the case of A to Z.
    pub async fn parties(
        &self,
        fullname: Option<&str>,
        page: Page,
    ) -> Result<PageOfRows<Party>, StoreError> {
        let name = fullname.map(containing);
        self.list(ListQuery::all().filter(&self.name_filter(), ":fullname", name), page).await
    }

    pub async fn counterparty(
        &self,
        id: CounterpartyId,
    ) -> Result<Option<(Counterparty, Option<Party>)>, StoreError> {
        let sql = format!(
            "{} WHERE counterparties.id = :id AND counterparties.merchant_id = :merchant",
            select_with_party()
        );
        let found = self.rows(&sql, params!["id" = id.0], counterparty_with_party).await?.pop();
        Ok(found.map(|(row, party)| (row, party.map(|party| self.shown(party)))))
    }

    pub async fn counterparties(
        &self,
        fullname: Option<&str>,
        relationship: Option<Relationship>,
        page: Page,
    ) -> Result<PageOfRows<(Counterparty, Option<Party>)>, StoreError> {
        let list = ListQuery::all()
            .filter(&self.name_filter(), ":fullname", fullname.map(containing))
            .filter(
                "relationship_type = :relationship",
                ":relationship",
                relationship.map(Relationship::as_str),
            );
        let select = select_with_party();
        let found =
            self.list_joined::<Counterparty, _>(&select, list, page, counterparty_with_party);
        Ok(found.await?.map(|(row, party)| (row, party.map(|party| self.shown(party)))))
    }

    /// The parties of these counterparties, as far as they have one, in no particular order.
    pub async fn parties_of(
        &self,
        counterparties: impl IntoIterator<Item = CounterpartyId>,
    ) -> Result<Vec<(CounterpartyId, Party)>, StoreError> {
        let mut ids: Vec<CounterpartyId> = counterparties.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(vec![]);
        }
        // The unary plus is explained at `of_merchant`.
        let sql = format!(
            "{} WHERE counterparties.id IN {} AND +counterparties.merchant_id = :merchant",
            select_with_party(),
            self.dialect().integers_of()
        );
        let params = params!["ids" = comma_separated(&ids)];
        let found = self.related_rows(ids.len(), sql, params, counterparty_with_party).await?;
        let with_party = found.into_iter().filter_map(|(row, party)| Some((row.id, party?)));
        Ok(with_party.map(|(id, party)| (id, self.shown(party))).collect())
    }

    /// These parties, in no particular order.
    pub async fn parties_of_ids(
        &self,
        parties: impl IntoIterator<Item = PartyId>,
    ) -> Result<Vec<Party>, StoreError> {
        let mut ids: Vec<PartyId> = parties.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let sql = format!(
            "SELECT {} FROM parties WHERE id IN {} AND +merchant_id = :merchant",
            Party::statements().columns,
            self.dialect().integers_of()
        );
        let params = params!["ids" = comma_separated(&ids)];
        let found =
            self.related_rows(ids.len(), sql, params, |row| Party::from_row(row, 0)).await?;
        Ok(found.into_iter().map(|party| self.shown(party)).collect())
    }

    /// Of each of these parties the oldest counterparty, if it has one, in no particular order. A
    /// customer who comes back may have one of each checkout.
    pub async fn first_counterparties(
        &self,
        parties: impl IntoIterator<Item = PartyId>,
    ) -> Result<Vec<Counterparty>, StoreError> {
        let mut ids: Vec<PartyId> = parties.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let sql = format!(
            "SELECT {} FROM counterparties WHERE id IN (SELECT (SELECT own.id FROM counterparties AS own \
             WHERE own.party_id = parties.id ORDER BY own.id LIMIT 1) FROM parties WHERE parties.id IN {}) \
             AND +merchant_id = :merchant",
            Counterparty::statements().columns,
            self.dialect().integers_of()
        );
        let params = params!["ids" = comma_separated(&ids)];
        self.related_rows(ids.len(), sql, params, |row| Counterparty::from_row(row, 0)).await
    }

    /// The condition that a party's name matches the LIKE pattern `:fullname`.
    fn name_filter(&self) -> String {
        format!("parties.fullname {} :fullname ESCAPE '\\'", self.dialect().like())
    }
}

/// The start of a SELECT of counterparties with their parties.
fn select_with_party() -> String {
    format!(
        "SELECT {}, {} FROM counterparties LEFT JOIN parties ON parties.id = counterparties.party_id",
        Counterparty::statements().columns,
        Party::statements().columns
    )
}

/// Reads a row of [`select_with_party`].
fn counterparty_with_party(
    row: &dyn ResultRow,
) -> Result<(Counterparty, Option<Party>), StoreError> {
    let counterparty = Counterparty::from_row(row, 0)?;
    let party = match counterparty.party_id {
        Some(_) => Some(Party::from_row(row, Counterparty::WIDTH)?),
        None => None,
    };
    Ok((counterparty, party))
}

/// A LIKE pattern for texts that contain `part` literally.
fn containing(part: &str) -> String {
    let escaped = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}
