//! People: their logins, their roles, and the links by which they join.

use domain::directory::merchant::Merchant;
use domain::kernel::ids::{MerchantId, UserId};
use domain::kernel::masks::initials;
use domain::kernel::time::ServerTime;
use domain::kernel::uuids::Fingerprint;
use domain::people::invitation::{self, Invitation};
use domain::people::login::Login;
use domain::people::membership::Membership;
use domain::people::saved_filter::SavedFilter;
use domain::people::user::User;

use crate::StoreError;
use crate::reads::pages::comma_separated;
use crate::reads::scope::{AuthenticationReads, MerchantReads, OperatorReads, UserReads};
use crate::workspace::record::{Column, Record, RowReader};
use crate::workspace::sql_value::{ResultRow, params};

/// How many rows of one person are shown at most.
const OF_ONE_MAX: i64 = 200;

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
    /// The merchants in which the person has a role.
    pub async fn merchants(&self) -> Result<Vec<(Membership, Merchant)>, StoreError> {
        let sql = format!(
            "SELECT {}, {} FROM memberships JOIN merchants ON merchants.id = memberships.merchant_id \
             WHERE memberships.user_id = :user AND memberships.role IS NOT NULL ORDER BY memberships.id LIMIT {OF_ONE_MAX}",
            Membership::statements().columns,
            Merchant::statements().columns
        );
        let read_row = |row: &dyn ResultRow| {
            Ok((Membership::from_row(row, 0)?, Merchant::from_row(row, Membership::WIDTH)?))
        };
        self.queries().rows(&sql, &params!["user" = self.user().0], read_row).await
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
    pub async fn members(&self) -> Result<Vec<(Membership, User)>, StoreError> {
        let sql = format!(
            "SELECT {}, {} FROM memberships JOIN users ON users.id = memberships.user_id \
             WHERE memberships.merchant_id = :merchant AND memberships.role IS NOT NULL ORDER BY memberships.id LIMIT 1000",
            Membership::statements().columns,
            User::statements().columns
        );
        self.rows(&sql, params![], |row| {
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

    /// The links to join the merchant that are still good, the oldest first.
    pub async fn invitations(&self, now: ServerTime) -> Result<Vec<Invitation>, StoreError> {
        let since = now.plus(-invitation::LASTS);
        let sql = format!(
            "SELECT {} FROM invitations WHERE merchant_id = :merchant AND ended_at IS NULL AND created_at > :since \
             ORDER BY id LIMIT 1000",
            Invitation::statements().columns
        );
        self.rows(&sql, params!["since" = since.0], |row| Invitation::from_row(row, 0)).await
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
