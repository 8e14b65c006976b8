//! Balances, statements, their lines and differences as CSV and JSON, for spreadsheets and programs.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{MerchantId, StatementId, StatementLineId};
use domain::kernel::money::Money;
use domain::kernel::time::ServerTime;
use domain::reconciliation::balance::NetworkBalance;
use domain::reconciliation::difference::{Difference, DifferenceResolution};
use domain::reconciliation::line::StatementLine;
use domain::reconciliation::statement::Statement;
use store::StoreError;
use store::reads::pages::{Page, PageOfRows};
use store::reads::reconciliation::DifferenceFilter;
use store::reads::scope::InstallationReads;

use super::{Accounts, differences};
use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::figures::Total;
use crate::net::csv::{self, Format, Table};
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::Query;
use crate::web::app::frame;
use crate::web::app::person::LoggedIn;
use crate::web::language::Visitor;

/// A list of the installation.
trait List: Send + Sync + 'static {
    type Row: Send + 'static;
    const NAME: &'static str;
    const HEAD: &'static [&'static str];
    const NUMBERS: &'static [&'static str];

    fn page(
        &self,
        reads: InstallationReads<'_>,
        page: Page,
    ) -> impl Future<Output = Result<PageOfRows<Self::Row>, StoreError>> + Send;

    fn id(row: &Self::Row) -> i64;

    fn cells(row: &Self::Row, accounts: &Accounts) -> Vec<String>;
}

/// A list as somebody reads it, page by page: whether they may is asked at each.
struct OfPerson<L> {
    app: App,
    me: LoggedIn,
    accounts: Accounts,
    list: L,
}

impl<L: List> Table for OfPerson<L> {
    type Row = L::Row;
    const HEAD: &'static [&'static str] = L::HEAD;
    const NUMBERS: &'static [&'static str] = L::NUMBERS;

    async fn page(&self, page: Page) -> Result<PageOfRows<L::Row>, ApiError> {
        let reads = self.me.of_installation(&self.app, Action::ReadInstallation);
        Ok(self.list.page(reads.map_err(frame::without_page)?, page).await?)
    }

    fn app(&self) -> &App {
        &self.app
    }

    fn id(row: &L::Row) -> i64 {
        L::id(row)
    }

    async fn cells(&self, rows: Vec<L::Row>) -> Result<Vec<Vec<String>>, ApiError> {
        Ok(rows.iter().map(|row| L::cells(row, &self.accounts)).collect())
    }
}

async fn answer<L: List>(
    app: App,
    me: LoggedIn,
    list: L,
    format: Format,
) -> Result<Response, ApiError> {
    // Before a permit is taken: who may not read takes none.
    me.in_installation(Action::ReadInstallation).map_err(frame::without_page)?;
    let accounts = Accounts::of(&app).await?;
    let permit = app.lists.acquire(MerchantId::INSTALLATION).await;
    let permit = permit.ok_or(ApiError::TooManyLists)?;
    let ending = match format {
        Format::Csv => "csv",
        Format::Json => "json",
    };
    let file = format!("{}.{ending}", L::NAME);
    let of = OfPerson { app, me, accounts, list };
    Ok(csv::answer_as(format, of, &file, permit).await?.into_response())
}

fn or_empty(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn time(at: ServerTime) -> String {
    format!("{at:.6}")
}

fn time_or_empty(at: Option<ServerTime>) -> String {
    at.map(time).unwrap_or_default()
}

/// An amount and its currency, in two cells.
fn money(money: Option<Money>) -> [String; 2] {
    [or_empty(money), or_empty(money.map(|money| money.currency))]
}

/// The lines of a statement that no earlier one had, in the order in which they were read.
struct Lines(StatementId);

impl List for Lines {
    type Row = StatementLine;
    const NAME: &'static str = "statement-lines";
    const HEAD: &'static [&'static str] = &[
        "id",
        "statement_id",
        "time",
        "kind",
        "standing",
        "amount",
        "currency",
        "settled",
        "settled_currency",
        "fee",
        "fee_currency",
        "network_id",
        "request_id",
        "reference",
        "merchant_id",
        "payment_intent_id",
        "booked_by_event",
    ];
    const NUMBERS: &'static [&'static str] =
        &["id", "statement_id", "merchant_id", "payment_intent_id", "booked_by_event"];

    async fn page(
        &self,
        reads: InstallationReads<'_>,
        page: Page,
    ) -> Result<PageOfRows<StatementLine>, StoreError> {
        let after = StatementLineId(page.after_id.unwrap_or(0));
        let rows = reads.statement_lines(self.0, after, page.limit).await?;
        Ok(PageOfRows { rows, scanned_to: None })
    }

    fn id(line: &StatementLine) -> i64 {
        line.id.0
    }

    fn cells(line: &StatementLine, _: &Accounts) -> Vec<String> {
        let mut cells = vec![
            line.id.to_string(),
            line.statement_id.to_string(),
            time(line.occurred_at),
            line.kind.to_string(),
            line.standing.to_string(),
        ];
        cells.extend([Some(line.amount), line.settled, line.fee].into_iter().flat_map(money));
        cells.extend([
            line.line_id.clone().unwrap_or_default(),
            or_empty(line.request_id.map(|id| id.0)),
            line.reference.clone().unwrap_or_default(),
            or_empty(line.merchant_id),
            or_empty(line.execution_id),
            or_empty(line.event_id),
        ]);
        cells
    }
}

/// Differences, the newest first.
struct Differences(DifferenceFilter);

impl List for Differences {
    type Row = Difference;
    const NAME: &'static str = "differences";
    const HEAD: &'static [&'static str] = &[
        "id",
        "account_id",
        "account",
        "statement_id",
        "line_id",
        "kind",
        "status",
        "ours",
        "ours_currency",
        "theirs",
        "theirs_currency",
        "reason",
        "merchant_id",
        "payment_intent_id",
        "found_at",
        "resolution",
        "evidence",
        "closed_at",
        "booked_by_event",
    ];
    const NUMBERS: &'static [&'static str] = &[
        "id",
        "account_id",
        "statement_id",
        "line_id",
        "merchant_id",
        "payment_intent_id",
        "booked_by_event",
    ];

    async fn page(
        &self,
        reads: InstallationReads<'_>,
        page: Page,
    ) -> Result<PageOfRows<Difference>, StoreError> {
        reads.differences(self.0, page).await
    }

    fn id(difference: &Difference) -> i64 {
        difference.id.0
    }

    fn cells(difference: &Difference, accounts: &Accounts) -> Vec<String> {
        let mut cells = vec![
            difference.id.to_string(),
            difference.network_account_id.to_string(),
            accounts.name(difference.network_account_id),
            difference.statement_id.to_string(),
            or_empty(difference.line_id),
            difference.kind.to_string(),
            difference.status.to_string(),
        ];
        cells.extend([difference.ours, difference.theirs].into_iter().flat_map(money));
        cells.extend([
            difference.reason.clone(),
            or_empty(difference.merchant_id),
            or_empty(difference.execution_id),
            time(difference.found_at),
            or_empty(difference.resolution.map(DifferenceResolution::as_str)),
            difference.evidence.clone().unwrap_or_default(),
            time_or_empty(difference.closed_at),
            or_empty(difference.event_id),
        ]);
        cells
    }
}

/// Statements, the newest first.
struct Statements;

impl List for Statements {
    type Row = Statement;
    const NAME: &'static str = "statements";
    const HEAD: &'static [&'static str] = &[
        "id",
        "account_id",
        "account",
        "source",
        "name",
        "sha256",
        "from",
        "until",
        "status",
        "lines",
        "new_lines",
        "matched",
        "under_way",
        "differences",
        "problem",
        "begun_at",
        "ended_at",
        "accepted_at",
    ];
    const NUMBERS: &'static [&'static str] =
        &["id", "account_id", "lines", "new_lines", "matched", "under_way", "differences"];

    async fn page(
        &self,
        reads: InstallationReads<'_>,
        page: Page,
    ) -> Result<PageOfRows<Statement>, StoreError> {
        reads.statements(None, page).await
    }

    fn id(statement: &Statement) -> i64 {
        statement.id.0
    }

    fn cells(statement: &Statement, accounts: &Accounts) -> Vec<String> {
        let counts = statement.counts;
        let mut cells = vec![
            statement.id.to_string(),
            statement.network_account_id.to_string(),
            accounts.name(statement.network_account_id),
            statement.source.to_string(),
            statement.name.clone().unwrap_or_default(),
            statement.digest.clone().unwrap_or_default(),
            time(statement.from_at),
            time(statement.to_at),
            statement.status.to_string(),
        ];
        let counts =
            [counts.lines, counts.new, counts.matched, counts.under_way, counts.differences];
        cells.extend(counts.map(|count| count.to_string()));
        cells.extend([
            statement.problem.clone().unwrap_or_default(),
            time(statement.begun_at),
            time_or_empty(statement.ended_at),
            time_or_empty(statement.accepted_at),
        ]);
        cells
    }
}

/// The balances at networks beside those of the ledger.
struct Balances;

impl List for Balances {
    type Row = NetworkBalance;
    const NAME: &'static str = "network-balances";
    const HEAD: &'static [&'static str] = &[
        "account_id",
        "account",
        "currency",
        "network",
        "ledger",
        "not_booked",
        "difference",
        "read_at",
        "differs_since",
    ];
    const NUMBERS: &'static [&'static str] = &["account_id"];

    /// They are few, and all on the first page.
    async fn page(
        &self,
        reads: InstallationReads<'_>,
        page: Page,
    ) -> Result<PageOfRows<NetworkBalance>, StoreError> {
        let rows = match page.after_id {
            None => reads.network_balances().await?,
            Some(_) => vec![],
        };
        Ok(PageOfRows { rows, scanned_to: None })
    }

    fn id(balance: &NetworkBalance) -> i64 {
        balance.id.0
    }

    fn cells(balance: &NetworkBalance, accounts: &Accounts) -> Vec<String> {
        let currency: Currency = balance.currency;
        let sum = |minor: i128| Total { minor, currency }.to_string();
        vec![
            balance.network_account_id.to_string(),
            accounts.name(balance.network_account_id),
            currency.to_string(),
            sum(balance.network_minor.into()),
            sum(balance.ledger_minor.into()),
            sum(balance.unposted_minor.into()),
            sum(balance.difference()),
            time(balance.read_at),
            time_or_empty(balance.differs_since),
        ]
    }
}

async fn lines(app: App, me: LoggedIn, id: i64, format: Format) -> Result<Response, ApiError> {
    me.in_installation(Action::ReadInstallation).map_err(frame::without_page)?;
    let statement = app.queries.for_system().statement(StatementId(id)).await?;
    let statement = statement.ok_or(ApiError::NotFound)?;
    answer(app, me, Lines(statement.id), format).await
}

async fn found(
    (app, me, visitor): (App, LoggedIn, Visitor),
    asked: differences::Asked,
    format: Format,
) -> Result<Response, ApiError> {
    match asked.filter() {
        Ok(filter) => answer(app, me, Differences(filter), format).await,
        // The list says what is wrong.
        Err(_) => differences::render(&app, (&me, visitor), &asked).await,
    }
}

macro_rules! exports { ($($module:ident = $format:expr;)*) => {$(
    mod $module {
        use super::*;

        pub async fn balances(
            State(app): State<App>,
            _: CountPageRequest,
            me: LoggedIn,
        ) -> Result<Response, ApiError> {
            answer(app, me, Balances, $format).await
        }

        pub async fn statements(
            State(app): State<App>,
            _: CountPageRequest,
            me: LoggedIn,
        ) -> Result<Response, ApiError> {
            answer(app, me, Statements, $format).await
        }

        pub async fn of_statement(
            State(app): State<App>,
            _: CountPageRequest,
            me: LoggedIn,
            Ids([id]): Ids<1>,
        ) -> Result<Response, ApiError> {
            lines(app, me, id, $format).await
        }

        pub async fn differences(
            State(app): State<App>,
            _: CountPageRequest,
            visitor: Visitor,
            me: LoggedIn,
            Query(asked): Query<super::differences::Asked>,
        ) -> Result<Response, ApiError> {
            found((app, me, visitor), asked, $format).await
        }
    }
)*}}

exports! {
    as_csv = Format::Csv;
    as_json = Format::Json;
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/reconciliation/balances/csv", as_csv::balances)
        .page("/app/reconciliation/balances/json", as_json::balances)
        .page("/app/reconciliation/statements/csv", as_csv::statements)
        .page("/app/reconciliation/statements/json", as_json::statements)
        .page("/app/reconciliation/differences/csv", as_csv::differences)
        .page("/app/reconciliation/differences/json", as_json::differences)
        .page("/app/reconciliation/{statement}/csv", as_csv::of_statement)
        .page("/app/reconciliation/{statement}/json", as_json::of_statement)
}
