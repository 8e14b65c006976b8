//! `/app/disputes`: the disputes of card payments, those that have to be answered first at the top; of
//! all merchants for who runs the installation, or of one. Each has its page among the reviews, whose
//! part about the dispute is made here.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::decision::event::{Event, EventType};
use domain::directory::roles::{Action, Role};
use domain::exceptions::dispute::DisputeStanding;
use domain::exceptions::review::{Review, ReviewKind, ReviewStatus};
use domain::kernel::ids::MerchantId;
use domain::kernel::time::ServerTime;
use store::reads::pages::{Page, PageOfRows};
use store::reads::reviews::{ListedDispute, OPEN_DISPUTES_MAX};

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::engine::Failure;
use crate::net::csv::{self, Table};
use crate::net::limits::CountPageRequest;
use crate::web::app::approvals::{Names, name_of};
use crate::web::app::filter::{self, FromQuery, Query, plain};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::payment;
use crate::web::app::payment_words;
use crate::web::app::person::{AtMerchant, LoggedIn};
use crate::web::app::reviews;
use crate::web::language::Visitor;

/// How many closed disputes stand on a page.
const PAGE: u32 = 50;

const OF_ALL: &str = "/app/disputes";

fn path_of(merchant: Option<i64>) -> String {
    merchant.map_or(OF_ALL.to_owned(), |id| format!("{OF_ALL}/{id}"))
}

/// Until when something has to be done, as people say it.
fn due_words(due: Option<ServerTime>, now: ServerTime) -> String {
    match due {
        None => "no answer is due".to_owned(),
        Some(due) if due <= now => "overdue".to_owned(),
        Some(due) => format!("due in {}", reviews::age(now, due)),
    }
}

/// What a network says of a dispute in a word of its own.
fn own_word(word: Option<&String>) -> Option<String> {
    word.map(|word| plain(word))
}

/// What is disputed, as far as it is known.
fn amount(review: &Review) -> String {
    review.disputed().map_or("an unknown amount".to_owned(), payment_words::amount)
}

/// Where the money of a dispute is.
const fn money_words(review: &Review) -> &'static str {
    match (review.dispute_withdrawn, review.dispute_reinstated) {
        (false, _) => "The network has taken nothing yet.",
        (true, false) => "The network has taken the money.",
        (true, true) => "The network took the money and has given it back.",
    }
}

#[derive(Template)]
#[template(path = "app/disputes.html")]
struct DisputesTemplate<'a> {
    app: &'a AppFrame,
    /// The merchant whose disputes they are; `None` for those of all.
    merchant: Option<&'a str>,
    path: &'a str,
    csv: String,
    /// Open ones stand on the first page only.
    is_first: bool,
    open: Vec<Row>,
    has_more_open: bool,
    closed: Vec<Row>,
    older: Option<String>,
    fault: Fault,
}

struct Row {
    path: String,
    amount: String,
    payment: String,
    payment_path: String,
    payment_id: i64,
    merchant: Option<String>,
    reason: Option<String>,
    status: Option<String>,
    /// How many days are left, and the day.
    due_words: String,
    due: Option<Moment>,
    evidence: String,
    resolution: Option<String>,
    since: Moment,
}

fn evidence_words(count: i64) -> String {
    match count {
        0 => "no evidence noted".to_owned(),
        1 => "1 piece of evidence".to_owned(),
        count => format!("{count} pieces of evidence"),
    }
}

fn row(listed: &ListedDispute, names_merchant: bool, now: ServerTime) -> Row {
    let ListedDispute { review, execution, merchant_name } = listed;
    Row {
        path: reviews::path(review),
        amount: amount(review),
        payment: reviews::payment_words(execution),
        payment_path: payment::path(review.merchant_id.0, execution.id),
        payment_id: execution.id.0,
        merchant: names_merchant.then(|| merchant_name.clone()),
        reason: own_word(review.dispute_reason.as_ref()),
        status: own_word(review.dispute_status.as_ref()),
        due_words: due_words(review.dispute_due_at, now),
        due: review.dispute_due_at.map(Moment),
        evidence: evidence_words(review.dispute_notes),
        resolution: review.resolution.clone(),
        since: Moment(review.created_at),
    }
}

/// The place in the list of closed ones.
#[derive(Default)]
struct Asked {
    after: String,
}

impl FromQuery for Asked {
    fn field(&mut self, name: &str) -> Option<&mut String> {
        (name == "after").then_some(&mut self.after)
    }
}

/// The disputes as somebody reads them: of a merchant, or of all.
struct OfPerson {
    app: App,
    me: LoggedIn,
    merchant: Option<i64>,
}

type Refused = Result<Failure, ApiError>;

fn failed(error: store::StoreError) -> Refused {
    Err(ApiError::from(error))
}

impl OfPerson {
    async fn at(&self) -> Result<Option<AtMerchant<'_>>, Refused> {
        let Some(id) = self.merchant else { return Ok(None) };
        let at = self.me.at_merchant(&self.app, id, Action::ReadReviews).await;
        at.map(Some).map_err(Ok)
    }

    async fn open(&self) -> Result<Vec<ListedDispute>, Refused> {
        match self.at().await? {
            Some(at) => at.reads.open_disputes().await.map_err(failed),
            None => {
                let reads = self.me.of_installation(&self.app, Action::ReadReviews).map_err(Ok)?;
                reads.open_disputes().await.map_err(failed)
            }
        }
    }

    async fn list(
        &self,
        status: Option<ReviewStatus>,
        page: Page,
    ) -> Result<PageOfRows<ListedDispute>, Refused> {
        match self.at().await? {
            Some(at) => at.reads.disputes(status, page).await.map_err(failed),
            None => {
                let reads = self.me.of_installation(&self.app, Action::ReadReviews).map_err(Ok)?;
                reads.disputes(status, page).await.map_err(failed)
            }
        }
    }
}

impl Table for OfPerson {
    type Row = ListedDispute;
    const HEAD: &'static [&'static str] = &[
        "review_id",
        "merchant_id",
        "merchant",
        "payment_intent_id",
        "reference_id",
        "dispute_id",
        "status",
        "dispute_status",
        "dispute_reason",
        "dispute_amount",
        "currency",
        "amount_in_suspense",
        "dispute_due_at",
        "evidence_count",
        "resolution",
        "created_at",
        "resolved_at",
    ];

    async fn page(&self, page: Page) -> Result<PageOfRows<ListedDispute>, ApiError> {
        let found = self.list(None, page).await;
        found.map_err(|error| error.map_or_else(|error| error, frame::without_page))
    }

    fn app(&self) -> &App {
        &self.app
    }

    fn id(listed: &ListedDispute) -> i64 {
        listed.review.id.0
    }

    async fn cells(&self, rows: Vec<ListedDispute>) -> Result<Vec<Vec<String>>, ApiError> {
        Ok(rows.iter().map(cells).collect())
    }
}

fn cells(listed: &ListedDispute) -> Vec<String> {
    let ListedDispute { review, execution, merchant_name } = listed;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let time = |at: Option<ServerTime>| at.map(|at| at.to_string()).unwrap_or_default();
    let open = review.status == ReviewStatus::Open;
    let in_suspense = if open { review.amount.to_string() } else { "0".to_owned() };
    vec![
        review.id.to_string(),
        review.merchant_id.to_string(),
        merchant_name.clone(),
        execution.id.to_string(),
        execution.reference_id.to_string(),
        text(&review.dispute_id),
        review.status.to_string(),
        text(&review.dispute_status),
        text(&review.dispute_reason),
        review.disputed().map(|amount| amount.to_string()).unwrap_or_default(),
        review.amount.currency.to_string(),
        in_suspense,
        time(review.dispute_due_at),
        review.dispute_notes.to_string(),
        text(&review.resolution),
        time(Some(review.created_at)),
        time(review.resolved_at),
    ]
}

async fn render(
    app: App,
    (me, visitor): (LoggedIn, Visitor),
    merchant: Option<i64>,
    asked: Asked,
) -> Result<Response, ApiError> {
    let path = path_of(merchant);
    let mut fault = Fault::default();
    let after_id = filter::place(&asked.after, &mut fault);
    let of = OfPerson { app, me, merchant };
    let page = Page { limit: PAGE, after_id };
    let read = async {
        let open = if after_id.is_none() { of.open().await? } else { vec![] };
        let closed = of.list(Some(ReviewStatus::Resolved), page).await?;
        Ok((of.at().await?, open, closed))
    };
    let (at, open, closed) = match read.await {
        Ok(found) => found,
        Err(Ok(failure)) => return of.me.not_permitted(failure, visitor, &path),
        Err(Err(error)) => return Err(error),
    };
    let title =
        at.as_ref().map_or("Disputes".to_owned(), |at| format!("Disputes of {}", at.merchant.name));
    let frame = of.me.frame(visitor, &title).at(&path);
    let frame = at.iter().fold(frame, |frame, at| frame.of(at, Screen::Disputes));
    let older = closed.next_after(PAGE, |listed| listed.review.id.0);
    let rows = |found: &[ListedDispute]| -> Vec<Row> {
        found.iter().map(|listed| row(listed, at.is_none(), of.me.now)).collect()
    };
    let template = DisputesTemplate {
        app: &frame,
        merchant: at.as_ref().map(|at| at.merchant.name.as_str()),
        csv: format!("{path}/csv"),
        is_first: after_id.is_none(),
        has_more_open: u32::try_from(open.len()).is_ok_and(|len| len >= OPEN_DISPUTES_MAX),
        open: rows(&open),
        closed: rows(&closed.rows),
        older: older.map(|id| format!("{path}?after={id}")),
        path: &path,
        fault,
    };
    frame::render(template.fault.status(), &frame, &template)
}

async fn list(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    render(app, (me, visitor), Some(merchant), asked).await
}

async fn list_of_all(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    render(app, (me, visitor), None, asked).await
}

async fn as_csv(app: App, me: LoggedIn, merchant: Option<i64>) -> Result<Response, ApiError> {
    let whose = merchant.map_or(MerchantId::INSTALLATION, MerchantId);
    let of = OfPerson { app, me, merchant };
    // Before a permit is taken: who may not read takes none of the merchant's.
    of.page(Page { limit: 1, after_id: None }).await?;
    let permit = of.app.lists.acquire(whose).await.ok_or(ApiError::TooManyLists)?;
    Ok(csv::answer(of, "disputes.csv", permit).await?.into_response())
}

async fn export(
    State(app): State<App>,
    _: CountPageRequest,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
) -> Result<Response, ApiError> {
    as_csv(app, me, Some(merchant)).await
}

async fn export_of_all(
    State(app): State<App>,
    _: CountPageRequest,
    me: LoggedIn,
) -> Result<Response, ApiError> {
    as_csv(app, me, None).await
}

/// What the page of a review says of its dispute.
pub struct DisputePart {
    pub amount: String,
    pub money: &'static str,
    pub reason: Option<String>,
    pub status: Option<String>,
    /// For an open one.
    pub due: Option<(String, Option<Moment>)>,
    pub link: Option<String>,
    pub notes: Vec<NoteLine>,
    /// How many there are, which the form says that notes another.
    pub count: i64,
    /// Whether what was noted is shown: it may have names and numbers.
    pub shows_notes: bool,
    pub may_note: bool,
}

pub struct NoteLine {
    pub at: Moment,
    pub by: String,
    pub text: String,
}

/// The evidence that was noted for the dispute that a review is about, of the events of the review. Of
/// an earlier dispute of the payment there may be more.
pub fn notes_of<'a>(review: &Review, events: &'a [Event]) -> Vec<&'a Event> {
    let of_review = |event: &&Event| {
        event.kind == EventType::ReviewEvidenceNoted && event.entity_id == review.id.0
    };
    let mut noted: Vec<&Event> = events.iter().filter(of_review).collect();
    noted.sort_by_key(|event| event.sequence);
    let count = usize::try_from(review.dispute_notes).unwrap_or(0);
    noted.split_off(noted.len().saturating_sub(count))
}

impl DisputePart {
    /// `None` for another review.
    pub fn of(
        review: &Review,
        (events, names): (&[Event], &Names),
        role: Role,
        now: ServerTime,
    ) -> Option<Self> {
        if review.kind != ReviewKind::Dispute {
            return None;
        }
        let is_open = review.status == ReviewStatus::Open;
        let line = |event: &Event| NoteLine {
            at: Moment(event.created_at),
            by: event.actor.map(|actor| name_of(actor, names)).unwrap_or_default(),
            text: event.note.clone().unwrap_or_default(),
        };
        let due = review.dispute_due_at;
        Some(Self {
            amount: amount(review),
            money: money_words(review),
            reason: own_word(review.dispute_reason.as_ref()),
            status: own_word(review.dispute_status.as_ref()),
            due: is_open.then(|| (due_words(due, now), due.map(Moment))),
            link: review.dispute_link.clone(),
            notes: notes_of(review, events).into_iter().map(line).collect(),
            count: review.dispute_notes,
            shows_notes: role.may(Action::SeeContacts),
            may_note: is_open && role.may(Action::FollowUp),
        })
    }
}

/// What is to be done about an open dispute.
pub const fn what_now(review: &Review, may_resolve: bool) -> &'static str {
    match (review.dispute_standing, review.dispute_due_at, may_resolve) {
        (Some(DisputeStanding::Lost), _, true) => {
            "The bank has decided for the payer. Decide below whose the money is."
        }
        (Some(DisputeStanding::Lost), _, false) => {
            "The bank has decided for the payer. The operator of this server decides whose the money is."
        }
        (_, Some(_), true) => {
            "It waits for an answer. Give it in the network's dashboard; what you note below is sent to nobody."
        }
        (_, Some(_), false) => {
            "It waits for an answer, which the operator of this server gives. Note below what proves that the payment was in order."
        }
        (_, None, _) => {
            "It waits for the bank's decision. Money that the network gives back is booked by itself."
        }
    }
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page(OF_ALL, list_of_all)
        .page("/app/disputes/csv", export_of_all)
        .page("/app/disputes/{merchant}", list)
        .page("/app/disputes/{merchant}/csv", export)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::kernel::time::seconds;

    #[test]
    fn what_is_due_is_told_in_one_unit() {
        let now = ServerTime(seconds(1_000_000));
        let of = |after: i64| due_words(Some(now.plus(seconds(after))), now);
        assert_eq!(of(-1), "overdue");
        assert_eq!(of(0), "overdue");
        assert_eq!(of(3_600), "due in 1 hour");
        assert_eq!(of(2 * 86_400 - 1), "due in 47 hours");
        assert_eq!(of(3 * 86_400 + 5), "due in 3 days");
        assert_eq!(due_words(None, now), "no answer is due");
    }
}
