//! The last requests of each merchant, for who connects programs: which routes were called and what
//! was answered. In the memory of this process, without queries, headers and bodies.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use domain::decision::command::RequestId;
use domain::kernel::ids::MerchantId;
use domain::kernel::time::ServerTime;
use store::clock;
use store::reads::pages::{Page, PageOfRows};

use crate::request_id;
use crate::telemetry::metrics::HttpMetrics;

/// How many requests of a merchant are kept.
const OF_MERCHANT: usize = 1_000;
/// How many are kept in all: some ten megabytes.
const IN_ALL: usize = 100_000;

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    /// Later ones have higher ids.
    pub id: i64,
    pub at: ServerTime,
    pub method: Method,
    /// With the names of ids in their places.
    pub route: MatchedPath,
    pub status: StatusCode,
    pub request_id: Option<RequestId>,
    pub duration_ms: i64,
}

/// What is kept of all merchants.
pub struct RequestLogs {
    of_merchant: usize,
    in_all: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Those of each merchant, the oldest first.
    of: HashMap<MerchantId, VecDeque<LoggedRequest>>,
    /// Each merchant by its last request, the longest ago first.
    by_last: BTreeMap<i64, MerchantId>,
    count: usize,
    last_id: i64,
}

impl Default for RequestLogs {
    fn default() -> Self {
        Self { of_merchant: OF_MERCHANT, in_all: IN_ALL, kept: Mutex::default() }
    }
}

impl RequestLogs {
    /// Keeps a request. Where there are too many of the merchant's, the oldest goes; where there are
    /// too many in all, those of the merchant that has been silent for the longest.
    fn add(&self, merchant: MerchantId, request: LoggedRequest) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        // Times of the process, so that ids go on rising after a restart and beside other processes.
        let id = request.at.0.max(kept.last_id.saturating_add(1));
        kept.last_id = id;
        let own = kept.of.entry(merchant).or_default();
        if let Some(last) = own.back() {
            kept.by_last.remove(&last.id);
        }
        own.push_back(LoggedRequest { id, ..request });
        kept.by_last.insert(id, merchant);
        kept.count += 1;
        if own.len() > self.of_merchant {
            own.pop_front();
            kept.count -= 1;
        }
        while kept.count > self.in_all {
            let Some((_, silent)) = kept.by_last.pop_first() else { break };
            let gone = kept.of.remove(&silent).map_or(0, |requests| requests.len());
            kept.count = kept.count.saturating_sub(gone);
        }
    }

    /// The requests of a merchant, the newest first.
    #[must_use]
    pub fn list(
        &self,
        merchant: MerchantId,
        only_failed: bool,
        page: Page,
    ) -> PageOfRows<LoggedRequest> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let own = kept.of.get(&merchant).into_iter().flatten().rev();
        let before = page.after_id.unwrap_or(i64::MAX);
        let is_failed = |request: &LoggedRequest| request.status.as_u16() >= 400;
        let listed = own.filter(|row| row.id < before && (!only_failed || is_failed(row))).cloned();
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        PageOfRows { rows: listed.take(limit).collect(), scanned_to: None }
    }
}

tokio::task_local! {
    /// Whose the request turned out to be that this task answers.
    static CALLER: RefCell<Option<(Arc<RequestLogs>, MerchantId)>>;
}

/// Notes whose the current request is.
pub fn note(logs: &Arc<RequestLogs>, merchant: MerchantId) {
    // There is none where a handler is called without a server.
    let _ = CALLER.try_with(|caller| *caller.borrow_mut() = Some((Arc::clone(logs), merchant)));
}

/// What is known of a request before it is answered.
pub struct Begun {
    method: Method,
    route: Option<MatchedPath>,
    at: ServerTime,
    begun: Instant,
    metrics: HttpMetrics,
}

impl Begun {
    #[must_use]
    pub fn of(request: &Request, metrics: HttpMetrics) -> Self {
        Self {
            method: request.method().clone(),
            route: request.extensions().get::<MatchedPath>().cloned(),
            at: clock::now(),
            begun: Instant::now(),
            metrics,
        }
    }

    /// Answers the request, counts it, and keeps it if it turns out to be a merchant's.
    pub async fn answer(self, answer: impl Future<Output = Response>) -> Response {
        let scope = CALLER.scope(RefCell::new(None), async {
            let response = answer.await;
            let caller = CALLER.with(RefCell::take);
            (response, caller)
        });
        let (response, caller) = scope.await;
        let (elapsed, status) = (self.begun.elapsed(), response.status());
        self.metrics.answered(self.route.as_ref(), &self.method, status, elapsed);
        if let (Some((logs, merchant)), Some(route)) = (caller, self.route) {
            let request = LoggedRequest {
                id: 0,
                at: self.at,
                method: self.method,
                route,
                status,
                request_id: request_id::current(),
                duration_ms: i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX),
            };
            logs.add(merchant, request);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    fn logs(of_merchant: usize, in_all: usize) -> Arc<RequestLogs> {
        Arc::new(RequestLogs { of_merchant, in_all, kept: Mutex::default() })
    }

    /// Answers a request of a merchant with a status.
    async fn call(logs: &Arc<RequestLogs>, merchant: i64, status: u16) {
        let of = (Arc::clone(logs), MerchantId(merchant));
        let handler = move || async move {
            note(&of.0, of.1);
            StatusCode::from_u16(status).unwrap()
        };
        let answer = async |request: Request, next: axum::middleware::Next| {
            Begun::of(&request, HttpMetrics::unread()).answer(next.run(request)).await
        };
        let router = Router::new()
            .route("/v1/things/{id}", get(handler))
            .layer(axum::middleware::from_fn(answer));
        let request = Request::get("/v1/things/7?secret=x").body(Body::empty()).unwrap();
        router.oneshot(request).await.unwrap();
    }

    fn list(logs: &RequestLogs, merchant: i64, page: Page) -> Vec<(i64, u16)> {
        let found = logs.list(MerchantId(merchant), false, page);
        found.rows.iter().map(|row| (row.id, row.status.as_u16())).collect()
    }

    const ALL: Page = Page { limit: 1_000, after_id: None };

    #[tokio::test]
    async fn a_merchant_sees_its_own_last_requests() {
        let logs = logs(3, 100);
        for status in [200, 201, 404, 500] {
            call(&logs, 1, status).await;
        }
        call(&logs, 2, 422).await;
        let own = list(&logs, 1, ALL);
        assert_eq!(own.iter().map(|row| row.1).collect::<Vec<_>>(), [500, 404, 201]);
        assert_eq!(list(&logs, 2, ALL).len(), 1);
        assert_eq!(list(&logs, 3, ALL), []);
        // From page to page, and only what failed.
        let page = Page { limit: 2, after_id: None };
        let first = list(&logs, 1, page);
        let rest = list(&logs, 1, Page { after_id: Some(first[1].0), ..page });
        assert_eq!([first, rest].concat(), own);
        let failed = logs.list(MerchantId(1), true, ALL).rows;
        assert_eq!(failed.len(), 2);
        assert_eq!(failed[0].route.as_str(), "/v1/things/{id}", "without ids and query");
    }

    #[tokio::test]
    async fn the_memory_for_all_is_bounded() {
        let logs = logs(10, 20);
        for merchant in 1..=100 {
            for _ in 0..4 {
                call(&logs, merchant, 200).await;
            }
        }
        let sizes = {
            let kept = logs.kept.lock().unwrap();
            let requests = kept.of.values().map(VecDeque::len).sum::<usize>();
            (kept.count, requests, kept.of.len(), kept.by_last.len())
        };
        assert_eq!(sizes, (20, 20, 5, 5));
        // The silent ones are gone, who calls now is there.
        assert_eq!(list(&logs, 1, ALL), []);
        assert_eq!(list(&logs, 100, ALL).len(), 4);
        // Whoever calls much keeps its own number, and takes no more from others.
        for _ in 0..100 {
            call(&logs, 7, 200).await;
        }
        assert_eq!(list(&logs, 7, ALL).len(), 10);
        assert_eq!(list(&logs, 100, ALL).len(), 4);
    }
}
