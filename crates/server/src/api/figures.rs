//! Figures of the payments of the last 30 days.

use axum::extract::State;
use domain::directory::roles::Action;
use domain::kernel::currency::Currency;
use domain::kernel::names::{Method, Operation};
use domain::kernel::time::{MerchantTime, seconds};
use schemars::JsonSchema;
use serde::Serialize;
use store::reads::figures::{FigureKey, WITHIN_SECONDS};

use crate::api::describe::op;
use crate::api::error::ApiError;
use crate::api::fields::{Code, Name};
use crate::api::response::{LargeJson, Time, TotalAmount};
use crate::api::routes::Routes;
use crate::api::sources::handlers::{LargeJsonResult, permit};
use crate::app::App;
use crate::figures::{PROGRAM_WAITS, Snapshot, Sums, Total};
use crate::net::principal::Tenant;

/// Figures by day and by what payments have in common.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FiguresAnswer")]
pub struct FiguresResponse {
    /// All that was decided before this time of the server is in the figures.
    figures_until: Time,
    /// The zone of the days.
    time_zone: &'static str,
    /// The first of the 30 days, by the clock of the merchant.
    from: Time,
    /// The end of the last one: the next midnight.
    until: Time,
    /// The oldest day first. There is none for payments that nobody made.
    figures: Vec<FigureResponse>,
}

/// What became of the payments of a day that have the same operation, method and currencies.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FigureAnswer")]
pub struct FigureResponse {
    /// When they were made: a day in UTC, such as `2026-11-30`.
    day: String,
    operation_type: Name<Operation>,
    method: Name<Method>,
    /// That of the amounts: what payers pay, of anything but a collection what payees are to have.
    currency: Code,
    fee_currency: Code,
    /// How many were made.
    count: i64,
    completed: i64,
    failed: i64,
    /// The sum of those that completed.
    amount: TotalAmount,
    /// Of those that completed.
    platform_fee: TotalAmount,
    gateway_fee: TotalAmount,
    fx_fee: TotalAmount,
    /// How long those that completed took. They add up to `completed`.
    completed_within: Vec<CompletedWithinResponse>,
}

/// How many payments took so long.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CompletedWithinAnswer")]
pub struct CompletedWithinResponse {
    /// They took this long at most, and longer than the bound before; `null` for those that took
    /// longer than all bounds.
    seconds: Option<i64>,
    count: i64,
}

impl FigureResponse {
    fn new(day: MerchantTime, key: &FigureKey, sums: &Sums) -> Self {
        let of = |minor, currency: Currency| TotalAmount(Total { minor, currency });
        let bounds = WITHIN_SECONDS.iter().copied().map(Some).chain([None]);
        let within = bounds.zip(sums.within).filter(|(_, count)| *count > 0);
        Self {
            day: day_name(day),
            operation_type: Name(key.operation),
            method: Name(key.method),
            currency: Code(key.currency),
            fee_currency: Code(key.fee_currency),
            count: sums.count,
            completed: sums.completed,
            failed: sums.failed,
            amount: of(sums.amount, key.currency),
            platform_fee: of(sums.platform_fee, key.fee_currency),
            gateway_fee: of(sums.gateway_fee, key.fee_currency),
            fx_fee: of(sums.fx_fee, key.fee_currency),
            completed_within: within
                .map(|(seconds, count)| CompletedWithinResponse { seconds, count })
                .collect(),
        }
    }
}

/// A day as `2026-11-30`.
#[must_use]
pub fn day_name(day: MerchantTime) -> String {
    let text = day.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

impl FiguresResponse {
    /// `None` while not all days are counted.
    fn new(snapshot: &Snapshot) -> Option<Self> {
        let (first, last) = (snapshot.days.first()?, snapshot.days.last()?);
        let mut figures = vec![];
        for day in &snapshot.days {
            let sums = day.sums.as_ref()?;
            figures.extend(sums.iter().map(|(key, sums)| FigureResponse::new(day.day, key, sums)));
        }
        Some(Self {
            figures_until: Time::from(snapshot.as_of),
            time_zone: "UTC",
            from: Time::from(first.day),
            until: Time::from(last.day.plus(seconds(86_400))),
            figures,
        })
    }
}

async fn figures(State(app): State<App>, tenant: Tenant) -> LargeJsonResult<FiguresResponse> {
    let permit = permit(&app, &tenant).await?;
    tenant.reads(&app, Action::ReadPayments)?;
    let counted = app.figures.of(&app.queries, &tenant.merchant, PROGRAM_WAITS).await?;
    let figures = counted.as_deref().and_then(FiguresResponse::new);
    let still = || ApiError::Unavailable("figures are still being counted".to_owned());
    LargeJson::new(permit, &figures.ok_or_else(still)?)
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new().get(
        "/v1/figures",
        figures,
        op("retrieve_figures", "Read figures of the payments of the last 30 days").details(
            "Counts, amounts, fees and times by day, operation, method and currency, of payments by the day on which they \
             were made. Amounts of different currencies are never added. The same figures come of the list of payment \
             intents with the filters `from`, `until`, `operation_type`, `method`, `amount_currency`, `fee_currency` and \
             `status`. The first call after a start of the server counts all of them, and may be answered with 503 meanwhile.",
        ),
    )
}
