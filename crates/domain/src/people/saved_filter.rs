//! Filters of a merchant's payments that people keep under a name.

use crate::decision::event::Actor;
use crate::decision::row::Row;
use crate::decision::use_case::{Context, Decision};
use crate::decision::workspace::{Stop, Workspace};
use crate::directory::roles::Action;
use crate::kernel::ids::{MerchantId, SavedFilterId, UserId};
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;

/// The longest name of a filter, in characters.
pub const NAME_MAX: usize = 40;

/// A filter that somebody keeps for a merchant's list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SavedFilter {
    pub id: SavedFilterId,
    pub user_id: UserId,
    pub merchant_id: MerchantId,
    pub name: String,
    /// As it stands in the address of the list; `None` for one that was removed.
    pub query: Option<String>,
    pub created_at: ServerTime,
    pub updated_at: ServerTime,
}

impl Row for SavedFilter {
    type Id = SavedFilterId;
    type AltKey = (UserId, MerchantId, String);

    fn id(&self) -> SavedFilterId {
        self.id
    }

    fn alt_key(&self) -> Option<(UserId, MerchantId, String)> {
        Some((self.user_id, self.merchant_id, self.name.clone()))
    }
}

/// Keeps a filter under a name, in the place of another of theirs with this name, or removes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SaveFilter {
    pub merchant_id: MerchantId,
    pub name: String,
    /// `None` to remove it.
    pub query: Option<String>,
}

impl Decision for SaveFilter {
    type Output = SavedFilter;

    fn action(&self) -> Option<Action> {
        Some(Action::ReadPayments)
    }

    /// Only of people: programs keep their filters themselves.
    fn decide(&self, work: &mut Workspace, context: &Context<'_>) -> Result<SavedFilter, Stop> {
        let Actor::User(user_id) = work.actor() else { return Err(Refusal::NotFound.into()) };
        let key = (user_id, self.merchant_id, self.name.clone());
        let found = work.find::<SavedFilter>(&key)?;
        let (id, created_at) = match &found {
            Some(row) if row.query == self.query => return Ok((**row).clone()),
            Some(row) => (row.id, row.created_at),
            None if self.query.is_none() => return Err(Refusal::NotFound.into()),
            None => (SavedFilterId(work.new_id()?), context.now),
        };
        let row = SavedFilter {
            id,
            user_id,
            merchant_id: self.merchant_id,
            name: self.name.clone(),
            query: self.query.clone(),
            created_at,
            updated_at: context.now,
        };
        work.put(row.clone());
        Ok(row)
    }
}
