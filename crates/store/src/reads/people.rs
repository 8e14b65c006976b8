//! People: their logins, their roles, and the links by which they join.

use std::convert::Infallible;

use domain::directory::merchant::Merchant;
use domain::kernel::ids::{MerchantId, UserId};
use domain::kernel::masks::initials;
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::Fingerprint;
use domain::people::invitation::{self, Invitation, InvitedTo, Standing};
use domain::people::login::Login;
use domain::people::membership::Membership;
use domain::people::saved_filter::SavedFilter;
use domain::people::user::User;

use crate::StoreError;
use crate::reads::pages::comma_separated;
use crate::reads::scope::{
    AuthenticationReads, MerchantReads, OperatorReads, SystemReads, UserReads,
};
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql_value::{ResultRow, params};

/// How many rows of one person are shown at most.
const OF_ONE_MAX: i64 = 200;

/// A part of a list in the order of its ids, from its beginning or from a place in it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub limit: u32,
    /// The last id of the part before; 0 for the first part.
    pub after: i64,
}

impl Part {
    /// The first part.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { limit, after: 0 }
    }

    /// The last id of a part that has as many rows as it may have: more may come after it.
    #[must_use]
    pub fn last<T>(self, rows: &[T], id: impl Fn(&T) -> i64) -> Option<i64> {
        let is_full = u32::try_from(rows.len()).is_ok_and(|len| len >= self.limit);
        rows.last().filter(|_| is_full).map(id)
    }
}

/// A link that is not over, with what it is worth.
#[derive(Clone, Debug)]
pub struct ListedInvitation {
    pub row: Invitation,
    pub standing: Standing,
    /// Who made it, unless that was the operator at the command line. Those of the installation are
    /// left out for who is not of it.
    pub made_by: Option<User>,
}

/// Somebody who made links or confirmed them, and their place in the merchant of these.
struct Giver {
    user: User,
    member: Option<Membership>,
}

impl AuthenticationReads<'_> {
    /// The login of a cookie, with its user.
    pub async fn login(&self, token: Fingerprint) -> Result<Option<(Login, User)>, StoreError> {
        let sql = format!(
            "SELECT {}, {} FROM logins JOIN users ON users.id = logins.user_id WHERE logins.token = :token",
            Login::statements().columns,
            User::statements().columns
        );
        let read_row = |row: &dyn ResultRow| {
            Ok((Login::from_row(row, 0)?, User::from_row(row, Login::WIDTH)?))
        };
        Ok(self.0.rows(&sql, &params!["token" = token], read_row).await?.pop())
    }

    /// Who begins anew by a link.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begins_anew(&self, to: InvitedTo) -> Result<Option<User>, StoreError> {
        let InvitedTo::Reset(id) = to else { return Ok(None) };
        self.0.one::<User>("id = :id", &params!["id" = id.0]).await
    }

    /// What a link is worth. Of the links by which somebody begins anew only the last one is worth
    /// anything.
    pub async fn standing(&self, invitation: &Invitation) -> Result<Standing, StoreError> {
        let user = async |id: UserId| self.0.one::<User>("id = :id", &params!["id" = id.0]).await;
        let to_reset = self.begins_anew(invitation.to).await?;
        if to_reset.as_ref().is_some_and(|user| user.reset != Some(invitation.token)) {
            return Ok(Standing::Void);
        }
        let mut able = vec![];
        for by in [invitation.invited_by, invitation.confirmed_by].into_iter().flatten() {
            let member = match invitation.to {
                InvitedTo::Merchant(merchant, _) => self.membership(by, merchant).await?,
                InvitedTo::Installation(_) | InvitedTo::Reset(_) => None,
            };
            let may = |giver: &User| {
                invitation.may_be_given_by(giver, member.as_ref(), to_reset.as_ref())
            };
            if user(by).await?.as_ref().is_some_and(may) {
                able.push(by);
            }
        }
        let Ok(standing) = invitation.standing(|by| Ok::<_, Infallible>(able.contains(&by)));
        Ok(standing)
    }

    /// The invitation behind a link, whether it is still good or not.
    pub async fn invitation(&self, token: Fingerprint) -> Result<Option<Invitation>, StoreError> {
        self.0.one("token = :token", &params!["token" = token]).await
    }

    /// The merchant that somebody is invited to, or names in the path of a page. Whether they have a
    /// role there is to be found out.
    pub async fn merchant(&self, id: MerchantId) -> Result<Option<Merchant>, StoreError> {
        self.0.one("id = :id", &params!["id" = id.0]).await
    }

    /// Somebody's place in a merchant.
    pub async fn membership(
        &self,
        user: UserId,
        merchant: MerchantId,
    ) -> Result<Option<Membership>, StoreError> {
        let params = params!["user" = user.0, "merchant" = merchant.0];
        self.0.one("user_id = :user AND merchant_id = :merchant", &params).await
    }
}

/// Where somebody belongs who did something for a merchant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Belongs {
    /// To the people of the merchant.
    Member,
    /// To nobody any more: they had a role in the merchant once.
    Left,
    /// To the people of the installation.
    Installation,
}

/// Somebody who did something for a merchant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Doer {
    pub id: UserId,
    /// Initials for who may not see names, and nothing where it is not told who it is: people of the
    /// installation are the operator for those of a merchant.
    pub name: Option<String>,
    pub belongs: Belongs,
}

impl UserReads<'_> {
    /// The merchants in which the person has a role, in the order of their numbers; a part ends with
    /// the number of a merchant.
    pub async fn merchants(&self, part: Part) -> Result<Vec<(Membership, Merchant)>, StoreError> {
        let sql = format!(
            "SELECT {}, {} FROM memberships JOIN merchants ON merchants.id = memberships.merchant_id \
             WHERE memberships.user_id = :user AND memberships.merchant_id > :after AND memberships.role IS NOT NULL \
             ORDER BY memberships.merchant_id LIMIT :limit",
            Membership::statements().columns,
            Merchant::statements().columns
        );
        let read_row = |row: &dyn ResultRow| {
            Ok((Membership::from_row(row, 0)?, Merchant::from_row(row, Membership::WIDTH)?))
        };
        let params = params!["user" = self.user().0, "after" = part.after, "limit" = part.limit];
        self.queries().rows(&sql, &params, read_row).await
    }

    /// The person's logins that may still be open, the newest first.
    pub async fn logins(&self, now: ServerTime) -> Result<Vec<Login>, StoreError> {
        let params = params!["user" = self.user().0, "now" = now.0];
        let condition = "user_id = :user AND ended_at IS NULL AND last_used_at <= :now";
        let order = format!("id DESC LIMIT {OF_ONE_MAX}");
        self.queries().many(condition, &order, &params).await
    }
}

impl MerchantReads<'_> {
    /// The filters that a person keeps for the merchant, by their names.
    pub async fn saved_filters(&self, user: UserId) -> Result<Vec<SavedFilter>, StoreError> {
        let condition = "user_id = :user AND merchant_id = :merchant AND query IS NOT NULL";
        let sql = format!(
            "SELECT {} FROM saved_filters WHERE {condition} ORDER BY name LIMIT {OF_ONE_MAX}",
            SavedFilter::statements().columns
        );
        let read = |row: &dyn ResultRow| SavedFilter::from_row(row, 0);
        self.rows(&sql, params!["user" = user.0], read).await
    }

    /// The people of the merchant, in the order in which they joined.
    pub async fn members(&self, part: Part) -> Result<Vec<(Membership, User)>, StoreError> {
        let sql = format!(
            "SELECT {}, {} FROM memberships JOIN users ON users.id = memberships.user_id \
             WHERE memberships.merchant_id = :merchant AND memberships.id > :after AND memberships.role IS NOT NULL \
             ORDER BY memberships.id LIMIT :limit",
            Membership::statements().columns,
            User::statements().columns
        );
        let params = params!["after" = part.after, "limit" = part.limit];
        self.rows(&sql, params, |row| {
            Ok((Membership::from_row(row, 0)?, User::from_row(row, Membership::WIDTH)?))
        })
        .await
    }

    /// Who these people are for the merchant, in no particular order. Nothing of who never had a role in
    /// it and has none in the installation.
    pub async fn doers(&self, ids: &[UserId]) -> Result<Vec<Doer>, StoreError> {
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let sql = format!(
            "SELECT users.id, users.name, CAST(CASE WHEN memberships.role IS NOT NULL THEN 0 \
             WHEN users.role IS NULL THEN 1 ELSE 2 END AS BIGINT) \
             FROM users LEFT JOIN memberships ON memberships.user_id = users.id \
             AND memberships.merchant_id = :merchant \
             WHERE users.id IN {} AND (memberships.id IS NOT NULL OR users.role IS NOT NULL)",
            self.dialect().integers_of()
        );
        let read = |row: &dyn ResultRow| {
            let mut reader = RowReader::new(row, User::TABLE, 0);
            let (id, name, belongs): (UserId, String, i64) = Column::read(&mut reader)?;
            let belongs = match belongs {
                0 => Belongs::Member,
                1 => Belongs::Left,
                _ => Belongs::Installation,
            };
            Ok((id, name, belongs))
        };
        let params = params!["ids" = comma_separated(ids)];
        let found = self.related_rows(ids.len(), sql, params, read).await?;
        let shown = found.into_iter().map(|(id, name, belongs)| {
            let name = match belongs {
                Belongs::Installation => Some(name).filter(|_| self.shows_operators()),
                _ if self.shows_contacts() => Some(name),
                _ => Some(initials(&name)),
            };
            Doer { id, name, belongs }
        });
        Ok(shown.collect())
    }

    /// The links to join the merchant that are not over, the oldest first.
    pub async fn invitations(
        &self,
        now: ServerTime,
        part: Part,
    ) -> Result<Vec<ListedInvitation>, StoreError> {
        let since = now.plus(-invitation::LASTS);
        let sql = format!(
            "SELECT {} FROM invitations WHERE merchant_id = :merchant AND id > :after AND ended_at IS NULL AND created_at > :since \
             ORDER BY id LIMIT :limit",
            Invitation::statements().columns
        );
        let params = params!["since" = since.0, "after" = part.after, "limit" = part.limit];
        let rows = self.rows(&sql, params, |row| Invitation::from_row(row, 0)).await?;
        let givers = self.givers(&rows).await?;
        let listed = |row: Invitation| {
            let giver = |id| givers.iter().find(|giver| giver.user.id == id);
            let may = |giver: &Giver| row.may_be_given_by(&giver.user, giver.member.as_ref(), None);
            let Ok(standing) = row.standing(|by| Ok::<_, Infallible>(giver(by).is_some_and(may)));
            let made_by = row.invited_by.and_then(giver);
            let is_shown = |giver: &&Giver| giver.member.is_some() || self.shows_operators();
            let made_by = made_by.filter(is_shown).map(|giver| giver.user.clone());
            ListedInvitation { standing, made_by, row }
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// Who made and who confirmed these links, which are the merchant's.
    async fn givers(&self, of: &[Invitation]) -> Result<Vec<Giver>, StoreError> {
        let mut ids: Vec<UserId> =
            of.iter().flat_map(|row| [row.invited_by, row.confirmed_by]).flatten().collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(vec![]);
        }
        let sql = format!(
            "SELECT {}, {} FROM users LEFT JOIN memberships \
             ON memberships.user_id = users.id AND memberships.merchant_id = :merchant WHERE users.id IN {}",
            User::statements().columns,
            Membership::statements().columns,
            self.dialect().integers_of()
        );
        let read_row = |row: &dyn ResultRow| {
            let mut of_member = RowReader::new(row, Membership::TABLE, User::WIDTH);
            let is_member = Option::<i64>::read(&mut of_member)?.is_some();
            let member = is_member.then(|| Membership::from_row(row, User::WIDTH)).transpose()?;
            Ok(Giver { user: User::from_row(row, 0)?, member })
        };
        let params = params!["ids" = comma_separated(&ids)];
        self.related_rows(ids.len(), sql, params, read_row).await
    }
}

impl SystemReads<'_> {
    /// Which key the secrets of phones are encrypted with, if anybody has a phone. It is one for all:
    /// a change of the key encrypts all of them anew.
    pub async fn key_of_codes(&self) -> Result<Option<String>, StoreError> {
        let sql = "SELECT coalesce(totp_key_id, pending_totp_key_id) FROM users \
                   WHERE id = (SELECT min(id) FROM users WHERE totp_sealed IS NOT NULL OR pending_totp_sealed IS NOT NULL)";
        let read_row =
            |row: &dyn ResultRow| Option::<String>::read(&mut RowReader::new(row, User::TABLE, 0));
        Ok(self.0.rows(sql, &params![], read_row).await?.pop().flatten())
    }
}

impl OperatorReads {
    /// Everybody who logs in, in the order in which they joined.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        self.queries().many("id > 0", "id", &params![]).await
    }

    /// The roles of everybody in merchants.
    pub async fn memberships(&self) -> Result<Vec<Membership>, StoreError> {
        self.queries().many("role IS NOT NULL AND id > 0", "id", &params![]).await
    }

    pub async fn user(&self, email: &str) -> Result<Option<User>, StoreError> {
        self.queries().one("email = :email", &params!["email" = email]).await
    }
}
