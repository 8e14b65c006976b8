//! Scopes: what a reader may read is the type of what it holds.
//!
//! | scope | who holds it | what it reads |
//! |---|---|---|
//! | [`MerchantReads`] | a request handler, through its tenant | the rows of one merchant |
//! | [`PageReads`](crate::reads::checkouts::PageReads) | a payer with the token of a page | one invoice or order |
//! | [`ReceiptReads`](crate::reads::receipts::ReceiptReads) | whoever has the code of a receipt | one payment |
//! | [`PaymentLinkReads`](crate::reads::payment_links::PaymentLinkReads) | a payer with the token of a link | one payment link |
//! | [`PaymentReads`](crate::reads::watched::PaymentReads) | whoever has a token to watch a payment | that payment |
//! | [`UserReads`] | a person who has logged in | their own logins and merchants |
//! | [`AuthenticationReads`] | whoever checks credentials | API keys, with their merchants |
//! | [`SystemReads`] | jobs, and handlers for the tariff | rows of no merchant, ids of what falls due |
//! | [`InstallationReads`] | a person with a role in the installation | what all merchants have, in lists |
//! | [`OperatorReads`] | the command line | the rows of all merchants |
//!
//! [`Queries`] leads to all but the last, and reads nothing itself. Only
//! [`Database::operator_reads`](crate::Database::operator_reads) leads to the last one. A server
//! holds `Queries`, so its handlers reach the rows of all merchants only for a person whose role is
//! in the installation.

use domain::directory::merchant::Merchant;
use domain::directory::roles::{Action, Rights};
use domain::kernel::ids::{MerchantId, UserId};
use domain::people::user::User;
use tokio::sync::OwnedSemaphorePermit;

use crate::StoreError;
use crate::reads::pages::{ListQuery, Page, PageOfRows};
use crate::reads::{Queries, of_merchant};
use crate::workspace::record::Record;
use crate::workspace::sql::Dialect;
use crate::workspace::sql_value::{Param, Params, ResultRow};

/// Reads of one merchant's rows.
///
/// The fields are private to this file. So a read in a file of `reads` cannot leave out the
/// merchant: it goes through the methods below, which all add it.
#[derive(Clone, Copy)]
pub struct MerchantReads<'a> {
    queries: &'a Queries,
    merchant: MerchantId,
    /// Whether whoever reads may see names and phone numbers of people.
    shows_contacts: bool,
    /// Whether they see who of the installation has decided something.
    shows_operators: bool,
}

/// Reads of what is a person's own.
#[derive(Clone, Copy)]
pub struct UserReads<'a> {
    queries: &'a Queries,
    user: UserId,
}

impl<'a> UserReads<'a> {
    pub(super) const fn queries(&self) -> &'a Queries {
        self.queries
    }

    pub(super) const fn user(&self) -> UserId {
        self.user
    }
}

/// Reads that check credentials, before it is known for which merchant somebody acts.
#[derive(Clone, Copy)]
pub struct AuthenticationReads<'a>(pub(super) &'a Queries);

/// Reads of what belongs to no merchant, and of the ids of what falls due.
#[derive(Clone, Copy)]
pub struct SystemReads<'a>(pub(super) &'a Queries);

/// Reads of what concerns all merchants, for people who run the installation.
#[derive(Clone, Copy)]
pub struct InstallationReads<'a>(pub(super) &'a Queries);

/// Reads of all merchants' rows, for the operator at the command line.
#[derive(Clone)]
pub struct OperatorReads(pub(super) Queries);

impl Queries {
    /// The reads of a merchant's rows. They take the merchant's row and not its id, because an id
    /// may come from anywhere, also from a request.
    #[must_use]
    pub const fn of(&self, merchant: &Merchant) -> MerchantReads<'_> {
        MerchantReads::new(self, merchant.id)
    }

    /// The reads of what is a person's own. They take the person's row and not its id, as those of a
    /// merchant do.
    #[must_use]
    pub const fn of_user(&self, user: &User) -> UserReads<'_> {
        UserReads { queries: self, user: user.id }
    }

    #[must_use]
    pub const fn for_authentication(&self) -> AuthenticationReads<'_> {
        AuthenticationReads(self)
    }

    /// The reads of who runs the installation; `None` for a role in a merchant.
    #[must_use]
    pub fn of_installation(&self, rights: &Rights) -> Option<InstallationReads<'_>> {
        (!rights.role.is_of_merchant()).then_some(InstallationReads(self))
    }

    #[must_use]
    pub const fn for_system(&self) -> SystemReads<'_> {
        SystemReads(self)
    }
}

impl OperatorReads {
    pub(crate) const fn new(queries: Queries) -> Self {
        Self(queries)
    }

    pub(super) const fn queries(&self) -> &Queries {
        &self.0
    }

    /// The reads of one merchant's rows. The operator may name any merchant.
    #[must_use]
    pub const fn of(&self, merchant: MerchantId) -> MerchantReads<'_> {
        MerchantReads::new(&self.0, merchant)
    }

    /// What a person with a role in the installation reads.
    #[must_use]
    pub const fn of_installation(&self) -> InstallationReads<'_> {
        InstallationReads(&self.0)
    }

    #[must_use]
    pub const fn for_system(&self) -> SystemReads<'_> {
        self.0.for_system()
    }
}

impl<'a> MerchantReads<'a> {
    pub(crate) const fn new(queries: &'a Queries, merchant: MerchantId) -> Self {
        Self { queries, merchant, shows_contacts: true, shows_operators: true }
    }

    /// The same reads, with names and phone numbers masked for whoever may not see them.
    #[must_use]
    pub fn as_seen_by(self, rights: &Rights) -> Self {
        Self {
            shows_contacts: rights.role.may(Action::SeeContacts),
            shows_operators: !rights.role.is_of_merchant(),
            ..self
        }
    }

    pub(super) const fn shows_contacts(&self) -> bool {
        self.shows_contacts
    }

    pub(super) const fn shows_operators(&self) -> bool {
        self.shows_operators
    }

    /// The row as whoever reads may see it.
    pub(super) fn shown<R: Record>(&self, row: R) -> R {
        if self.shows_contacts { row } else { row.without_contacts() }
    }

    pub(super) const fn merchant(&self) -> MerchantId {
        self.merchant
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.queries.dialect()
    }

    fn with_merchant<'p>(&self, mut params: Params<'p>) -> Params<'p> {
        params.push(Param::new(":merchant", self.merchant.0));
        params
    }

    /// The row that the condition selects, if it is the merchant's.
    pub(super) async fn one<R: Record>(
        &self,
        condition: &str,
        params: Params<'_>,
    ) -> Result<Option<R>, StoreError> {
        let found = self.queries.one(&of_merchant(condition), &self.with_merchant(params)).await?;
        Ok(found.map(|row| self.shown(row)))
    }

    /// Those of the rows that the condition selects which are the merchant's.
    pub(super) async fn many<R: Record>(
        &self,
        condition: &str,
        order: &str,
        params: Params<'_>,
    ) -> Result<Vec<R>, StoreError> {
        let condition = of_merchant(condition);
        let found = self.queries.many(&condition, order, &self.with_merchant(params)).await?;
        Ok(found.into_iter().map(|row| self.shown(row)).collect())
    }

    /// The rows of a statement that selects by `:merchant` itself. On SQLite a statement that does
    /// not name `:merchant` fails.
    pub(super) async fn rows<T>(
        &self,
        sql: &str,
        params: Params<'_>,
        read_row: impl Fn(&dyn ResultRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.queries.rows(sql, &self.with_merchant(params), read_row).await
    }

    /// Like [`Self::rows`], for what belongs to `count` rows.
    pub(super) async fn related_rows<T: Send + 'static>(
        &self,
        count: usize,
        sql: String,
        params: Params<'static>,
        read_row: impl Fn(&dyn ResultRow) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        self.queries.related_rows(count, sql, self.with_merchant(params), read_row).await
    }

    /// Like [`Self::rows`], without blocking a thread that serves requests.
    pub(super) async fn list_rows<T: Send + 'static>(
        &self,
        sql: String,
        params: Params<'static>,
        read_row: impl Fn(&dyn ResultRow) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        self.queries.list_rows(sql, self.with_merchant(params), read_row).await
    }

    pub(super) async fn list_permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        self.queries.list_permit().await
    }

    pub(super) async fn list<R: Record + Send + 'static>(
        &self,
        list: ListQuery,
        page: Page,
    ) -> Result<PageOfRows<R>, StoreError> {
        let found = self.queries.list(self.merchant, list, page).await?;
        Ok(found.map(|row| self.shown(row)))
    }

    pub(super) async fn list_joined<R: Record + Send + 'static, T: Send + 'static>(
        &self,
        select: &str,
        list: ListQuery,
        page: Page,
        read_row: fn(&dyn ResultRow) -> Result<T, StoreError>,
    ) -> Result<PageOfRows<T>, StoreError> {
        self.queries.list_joined::<R, T>(self.merchant, select, list, page, read_row).await
    }
}
