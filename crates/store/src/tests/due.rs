//! The queries for due rows find exactly those rows that the decisions take for due.

use domain::kernel::ids::{
    ApprovalId, ExecutionId, MerchantId, NetworkAccountId, SessionId, SourceId,
};
use domain::kernel::names::Mode;
use domain::kernel::time::{MerchantTime, ServerTime, minutes, seconds};
use domain::payments::attempt::{
    LEASE_US, MAX_CLOCK_SKEW_US, NetworkPayment, ProviderAttempt, UNAPPROVED_US,
};
use domain::payments::execution::{Execution, ExecutionStatus};

use crate::reads::due::DueKind;
use crate::schema::migrate;
use crate::testing::{OwnDatabase, Stage, fill, superuser};
use crate::tests::without_schema;
use crate::workspace::codes::with_codes;
use crate::workspace::record::Record as _;
use crate::workspace::sql::Sql;
use crate::workspace::sql_value::{SqlValue, params};

const NOW: ServerTime = ServerTime(1_800_000_000_000_000);
/// How far the clocks of merchants 1 to 3 are ahead. The second is far ahead; the third is not in
/// the sandbox.
const AHEAD: [i64; 3] = [0, minutes(60 * 24 * 365), 0];
const SKEW: i64 = MAX_CLOCK_SKEW_US;

/// Merchants with different clocks and no open execution.
fn merchants(stage: &mut Stage) {
    fill(stage);
    stage.sql.script("UPDATE merchants SET mode = 'LIVE' WHERE id = 3").unwrap();
    for (id, ahead) in (1_i64..).zip(AHEAD) {
        let sql = "UPDATE merchants SET clock_offset_us = :ahead WHERE id = :id";
        stage.sql.execute(sql, &params!["ahead" = ahead, "id" = id]).unwrap();
    }
}

/// Makes an execution of a merchant open: created `age` ago, with its next check in `at`, and
/// leased for `lease` from now.
fn make_open(stage: &mut Stage, id: i64, merchant: i64, [age, at]: [i64; 2], lease: Option<i64>) {
    let time = NOW.plus(AHEAD[usize::try_from(merchant - 1).unwrap()]);
    let sql = with_codes(
        "UPDATE executions SET status = {execution_status PROCESSING}, completed_at = NULL, merchant_id = :merchant, \
         created_at = :created WHERE id = :id",
    );
    let params = params!["merchant" = merchant, "created" = time.plus(-age).0, "id" = id];
    assert_eq!(stage.sql.execute(&sql, &params).unwrap(), 1);
    let sql = "UPDATE provider_attempts SET merchant_id = :merchant, deadline_at = :deadline, next_check_at = :at, \
               lease_until = :lease WHERE execution_id = :id";
    let params = params![
        "merchant" = merchant,
        "deadline" = time.plus(-age + minutes(60 * 24)).0,
        "at" = time.plus(at).0,
        "lease" = lease.map(|lease| NOW.plus(lease).0),
        "id" = id
    ];
    assert_eq!(stage.sql.execute(sql, &params).unwrap(), 1);
}

#[test]
fn what_is_due_is_found_merchant_by_merchant_at_each_ones_clock() {
    for mut stage in Stage::both() {
        merchants(&mut stage);
        for (merchant, base) in [(1, 100), (2, 200), (3, 300)] {
            make_open(&mut stage, base, merchant, [seconds(9), -seconds(1)], None);
            make_open(&mut stage, base + 1, merchant, [seconds(9), -seconds(2)], None);
            make_open(&mut stage, base + 2, merchant, [seconds(9), 1], None);
            make_open(&mut stage, base + 3, merchant, [seconds(9), -seconds(3)], Some(1));
        }
        let of = |stage: &Stage, merchant, limit| {
            stage.ask(async |q| {
                q.for_system().due_executions(MerchantId(merchant), NOW, limit, &[]).await.unwrap()
            })
        };
        for (merchant, base) in [(1, 100), (2, 200), (3, 300)] {
            let due = [ExecutionId(base + 1), ExecutionId(base)];
            assert_eq!(
                of(&stage, merchant, 9),
                due,
                "longest first; one is leased, one is not due yet"
            );
            assert_eq!(of(&stage, merchant, 1), due[..1]);
        }
        assert_eq!(of(&stage, 4, 9), []);
        let from = |stage: &Stage, after, limit| {
            let seen = stage.ask(async |q| {
                q.for_system()
                    .merchants_with_executions(MerchantId(after), NOW, limit, &[])
                    .await
                    .unwrap()
            });
            seen.into_iter().map(|(merchant, due)| (merchant.0, due.is_some())).collect::<Vec<_>>()
        };
        assert_eq!(from(&stage, 0, 9), [(1, true), (2, true), (3, true)]);
        assert_eq!(from(&stage, 0, 2), [(1, true), (2, true)]);
        assert_eq!(from(&stage, 2, 9), [(3, true)]);
        assert_eq!(from(&stage, 3, 9), []);
        // Without a due execution the merchant still has open ones.
        stage.sql.script("UPDATE provider_attempts SET next_check_at = NULL WHERE execution_id IN (200, 201)").unwrap();
        assert_eq!(from(&stage, 0, 9), [(1, true), (2, false), (3, true)]);
        assert_eq!(
            stage.ask(async |q| q
                .for_system()
                .postponed_executions(MerchantId(1), NOW, 9, &[])
                .await
                .unwrap()),
            []
        );
    }
}

#[test]
fn how_long_the_oldest_has_been_due_is_told_at_each_merchants_clock() {
    for mut stage in Stage::both() {
        merchants(&mut stage);
        let oldest = |stage: &Stage, kind| {
            stage.ask(async |q| q.for_system().oldest_due(kind, NOW).await.unwrap())
        };
        assert_eq!(oldest(&stage, DueKind::Executions), None);
        make_open(&mut stage, 100, 1, [seconds(9), 1], None);
        assert_eq!(oldest(&stage, DueKind::Executions), None, "it is not due yet");
        make_open(&mut stage, 200, 2, [seconds(9), -seconds(5)], None);
        make_open(&mut stage, 300, 3, [seconds(9), -seconds(2)], None);
        assert_eq!(oldest(&stage, DueKind::Executions), Some(NOW.plus(-seconds(5))));
        make_open(&mut stage, 301, 3, [seconds(9), -seconds(7)], None);
        assert_eq!(oldest(&stage, DueKind::Executions), Some(NOW.plus(-seconds(7))));
        // Whoever holds its lease does it.
        make_open(&mut stage, 302, 3, [seconds(9), -seconds(8)], Some(1));
        assert_eq!(oldest(&stage, DueKind::Executions), Some(NOW.plus(-seconds(7))));
    }
}

/// A merchant may have a hundred thousand open sessions, and is looked at every few moments.
#[test]
fn of_the_open_rows_only_those_that_are_due_are_read() {
    for mut stage in Stage::both() {
        merchants(&mut stage);
        stage.plans();
        stage.ask(async |q| {
            let (reads, none, one) = (q.for_system(), MerchantId(0), MerchantId(1));
            reads.merchants_with_executions(none, NOW, 9, &[]).await.unwrap();
            reads.due_executions(one, NOW, 9, &[]).await.unwrap();
            reads.merchants_with_sessions(none, NOW, 9).await.unwrap();
            reads.due_sessions(one, NOW, 9).await.unwrap();
            reads.merchants_with_unpaid_orders(none, NOW, 9).await.unwrap();
            reads.due_unpaid_orders(one, NOW, 9).await.unwrap();
            reads.merchants_with_approvals(none, NOW, 9).await.unwrap();
            reads.due_approvals(one, NOW, 9).await.unwrap();
            for kind in DueKind::ALL {
                reads.oldest_due(kind, NOW).await.unwrap();
            }
        });
        let plans = stage.plans();
        assert_eq!(plans.len(), 12);
        let times = ["next_check_at", "expires_at", "cancel_at", "created_at"];
        let looked_for = times.iter().flat_map(|time| [time, time]).chain(&times);
        for ((sql, plans), time) in plans.iter().zip(looked_for) {
            // As SQLite spells a condition of an index, and as PostgreSQL does.
            let spelled = [format!("{time}<?"), format!("{time} <= ")];
            for plan in plans {
                let is_bounded = plan.lines().any(|line| {
                    let by_index =
                        ["SEARCH", "Index Cond"].iter().any(|index| line.contains(index));
                    by_index && spelled.iter().any(|condition| line.contains(condition))
                });
                assert!(is_bounded, "{sql}\nreads all open rows: {plan}");
            }
        }
    }
}

#[test]
fn what_goes_through_busy_accounts_is_left_out() {
    for mut stage in Stage::both() {
        merchants(&mut stage);
        let account = |stage: &mut Stage, id: i64| {
            let sql = format!(
                "SELECT CAST(network_account_id AS TEXT) FROM provider_attempts WHERE execution_id = {id}"
            );
            NetworkAccountId(stage.texts(&sql)[0].parse().unwrap())
        };
        for (id, due) in [(100, -3), (101, -2), (102, -1)] {
            make_open(&mut stage, id, 1, [seconds(9), seconds(due)], None);
        }
        let other = "UPDATE provider_attempts SET network_account_id = \
                     (SELECT max(id) FROM network_accounts WHERE id <> network_account_id) WHERE execution_id = 101";
        stage.sql.script(other).unwrap();
        let (one, other) = (account(&mut stage, 100), account(&mut stage, 101));
        assert_ne!(one, other);
        let due = |busy: &[NetworkAccountId]| {
            stage.ask(async |q| {
                let reads = q.for_system();
                let due = reads.due_executions(MerchantId(1), NOW, 9, busy).await.unwrap();
                let first = reads.merchants_with_executions(MerchantId(0), NOW, 9, busy).await;
                (due, first.unwrap())
            })
        };
        let ids = |ids: &[i64]| ids.iter().copied().map(ExecutionId).collect::<Vec<_>>();
        let first = |id: Option<i64>| vec![(MerchantId(1), id.map(ExecutionId))];
        assert_eq!(due(&[]), (ids(&[100, 101, 102]), first(Some(100))));
        assert_eq!(due(&[one]), (ids(&[101]), first(Some(101))));
        assert_eq!(due(&[other]), (ids(&[100, 102]), first(Some(100))));
        assert_eq!(due(&[one, other]), (vec![], first(None)));
    }
}

#[test]
fn sessions_are_swept_at_each_ones_clock() {
    for mut stage in Stage::both() {
        merchants(&mut stage);
        for (id, merchant, left) in [
            (100_i64, 1_i64, 0_i64),
            (101, 1, 1),
            (200, 2, -1),
            (201, 2, 0),
            (202, 2, 1),
            (300, 3, 1),
        ] {
            let expires = NOW.plus(AHEAD[usize::try_from(merchant - 1).unwrap()] + left).0;
            let sql = "UPDATE sessions SET status = 0, merchant_id = :merchant, expires_at = :expires WHERE id = :id";
            stage
                .sql
                .execute(sql, &params!["merchant" = merchant, "expires" = expires, "id" = id])
                .unwrap();
        }
        let seen = stage.ask(async |q| {
            q.for_system().merchants_with_sessions(MerchantId(0), NOW, 9).await.unwrap()
        });
        let seen: Vec<_> =
            seen.into_iter().map(|(merchant, due)| (merchant.0, due.is_some())).collect();
        assert_eq!(seen, [(1, true), (2, true), (3, false)]);
        let of = |merchant, limit| {
            stage.ask(async |q| {
                q.for_system().due_sessions(MerchantId(merchant), NOW, limit).await.unwrap()
            })
        };
        assert_eq!(of(1, 9), [SessionId(100)]);
        assert_eq!(of(2, 9), [SessionId(200), SessionId(201)]);
        assert_eq!(of(2, 1), [SessionId(200)]);
        assert_eq!(of(3, 9), []);
    }
}

#[test]
fn requests_for_approval_are_over_at_each_ones_clock() {
    for mut stage in Stage::both() {
        merchants(&mut stage);
        for (id, merchant, left, status) in [
            (100_i64, 1_i64, 0_i64, "REQUESTED"),
            (101, 1, 1, "REQUESTED"),
            (102, 1, -1, "EXPIRED"),
            (200, 2, -1, "REQUESTED"),
            (201, 2, -2, "REQUESTED"),
            (300, 3, 1, "REQUESTED"),
        ] {
            let ahead = AHEAD[usize::try_from(merchant - 1).unwrap()];
            let made = NOW.plus(ahead + left - UNAPPROVED_US).0;
            let sql = "UPDATE approvals SET status = :status, merchant_id = :merchant, created_at = :made, \
                       decided_at = CASE WHEN :status = 'REQUESTED' THEN NULL ELSE :made END WHERE id = :id";
            let params =
                params!["status" = status, "merchant" = merchant, "made" = made, "id" = id];
            assert_eq!(stage.sql.execute(sql, &params).unwrap(), 1);
        }
        // Those of the other rows are answered.
        let sql = "UPDATE approvals SET status = 'EXPIRED', decided_at = 1 WHERE id NOT IN (100, 101, 102, 200, 201, 300)";
        stage.sql.execute(sql, &params![]).unwrap();
        let seen = stage.ask(async |q| {
            q.for_system().merchants_with_approvals(MerchantId(0), NOW, 9).await.unwrap()
        });
        let seen: Vec<_> =
            seen.into_iter().map(|(merchant, due)| (merchant.0, due.is_some())).collect();
        assert_eq!(seen, [(1, true), (2, true), (3, false)]);
        let of = |merchant, limit| {
            stage.ask(async |q| {
                q.for_system().due_approvals(MerchantId(merchant), NOW, limit).await.unwrap()
            })
        };
        assert_eq!(of(1, 9), [ApprovalId(100)]);
        assert_eq!(of(2, 9), [ApprovalId(201), ApprovalId(200)]);
        assert_eq!(of(2, 1), [ApprovalId(201)]);
        assert_eq!(of(3, 9), []);
    }
}

#[test]
fn unpaid_orders_are_due_at_each_ones_clock() {
    for mut stage in Stage::both() {
        merchants(&mut stage);
        for (id, merchant, left, status, reviews) in [
            (100_i64, 1_i64, 0_i64, "ACTIVE", 0_i64),
            (101, 1, 1, "ACTIVE", 0),
            (102, 1, -1, "PROCESSING", 0),
            (103, 1, -1, "ACTIVE", 1),
            (200, 2, -1, "ACTIVE", 0),
            (201, 2, -2, "ACTIVE", 0),
            (300, 3, 1, "ACTIVE", 0),
        ] {
            let end = NOW.plus(AHEAD[usize::try_from(merchant - 1).unwrap()] + left).0;
            let sql = "UPDATE sources SET status = :status, open_reviews = :reviews, merchant_id = :merchant, \
                       cancel_at = :end WHERE id = :id";
            let params = params![
                "status" = status,
                "reviews" = reviews,
                "merchant" = merchant,
                "end" = end,
                "id" = id
            ];
            assert_eq!(stage.sql.execute(sql, &params).unwrap(), 1);
        }
        let seen = stage.ask(async |q| {
            q.for_system().merchants_with_unpaid_orders(MerchantId(0), NOW, 9).await.unwrap()
        });
        let seen: Vec<_> =
            seen.into_iter().map(|(merchant, due)| (merchant.0, due.is_some())).collect();
        assert_eq!(seen, [(1, true), (2, true), (3, false)]);
        let of = |merchant, limit| {
            stage.ask(async |q| {
                q.for_system().due_unpaid_orders(MerchantId(merchant), NOW, limit).await.unwrap()
            })
        };
        assert_eq!(of(1, 9), [SourceId(100)], "others are not due, under way or in review");
        assert_eq!(of(2, 9), [SourceId(201), SourceId(200)]);
        assert_eq!(of(2, 1), [SourceId(201)]);
        assert_eq!(of(3, 9), []);
    }
}

#[test]
fn what_a_clock_that_was_ahead_put_off_is_found_and_nothing_else() {
    let ages = [
        -minutes(60 * 24 * 365),
        -seconds(50),
        0,
        seconds(1),
        seconds(5),
        seconds(30),
        minutes(10),
        minutes(60 * 20),
    ];
    let checks = [
        1,
        seconds(1),
        SKEW,
        seconds(1) + SKEW,
        seconds(1) + SKEW + 1,
        seconds(20),
        seconds(10) + SKEW,
        seconds(41),
    ];
    let far = [
        minutes(6),
        minutes(15) + SKEW,
        minutes(15) + SKEW + 1,
        minutes(60),
        minutes(60 * 24 * 365),
    ];
    let leases = [
        None,
        Some(-1),
        Some(0),
        Some(1),
        Some(LEASE_US + SKEW),
        Some(LEASE_US + SKEW + 1),
        Some(minutes(60)),
    ];
    for mut stage in Stage::both() {
        merchants(&mut stage);
        let mut id = 100;
        for merchant in [1, 2, 3] {
            for age in ages {
                for at in checks.iter().chain(&far) {
                    make_open(
                        &mut stage,
                        id,
                        merchant,
                        [age, *at],
                        leases[usize::try_from(id).unwrap() % leases.len()],
                    );
                    id += 1;
                }
            }
        }
        let mut found = vec![];
        for merchant in [1, 2, 3].map(MerchantId) {
            found.extend(stage.ask(async |q| {
                q.for_system().postponed_executions(merchant, NOW, 1_000, &[]).await.unwrap()
            }));
        }
        found.sort_unstable();
        let mut expected = vec![];
        let sql = format!(
            "SELECT {}, {} FROM executions JOIN provider_attempts ON execution_id = id WHERE next_check_at IS NOT NULL ORDER BY id",
            Execution::statements().columns,
            ProviderAttempt::statements().columns
        );
        for row in stage.sql.rows(&sql, &vec![]).unwrap() {
            let payment = NetworkPayment {
                execution: Execution::from_row(&row, 0).unwrap(),
                attempt: ProviderAttempt::from_row(&row, Execution::WIDTH).unwrap(),
            };
            let row = &payment.execution;
            assert_eq!(row.status, ExecutionStatus::Processing);
            let merchant = usize::try_from(row.merchant_id.0 - 1).unwrap();
            let mode = if merchant == 2 { Mode::Live } else { Mode::Sandbox };
            if payment.is_due(mode, MerchantTime(NOW.0 + AHEAD[merchant]), NOW) {
                expected.push(row.id);
            }
        }
        assert!(expected.len() > 50 && expected.len() < 250, "{}", expected.len());
        assert_eq!(found, expected);
    }
}

/// An empty database with a schema in which the next check was in server time.
fn before_merchant_time() -> Vec<(Box<dyn Sql>, Box<dyn std::any::Any>)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kola.db");
    let mut sql = without_schema(&path);
    migrate::tests::run_to(5, sql.as_mut());
    sql.script("PRAGMA user_version = 5").unwrap();
    let mut all: Vec<(Box<dyn Sql>, Box<dyn std::any::Any>)> = vec![(sql, Box::new(directory))];
    if let Some(admin) = superuser() {
        let (own, database) = OwnDatabase::create(&admin);
        let mut sql = database.open_as_it_is().unwrap();
        migrate::tests::run_to(5, sql.as_mut());
        all.push((sql, Box::new(own)));
    }
    all
}

#[test]
fn what_waited_in_an_older_schema_waits_by_its_merchants_clock() {
    for (mut sql, _cleanup) in before_merchant_time() {
        sql.script(
            "INSERT INTO merchants (id, name, type, mode, verified, fee_tier, clock_offset_us, created_at, updated_at) VALUES \
             (1, 'A', 'ORGANIZATION', 'SANDBOX', 1, 'default', 0, 0, 0), \
             (2, 'B', 'ORGANIZATION', 'SANDBOX', 1, 'default', 5000, 0, 0)",
        )
        .unwrap();
        let columns = "id, merchant_id, wallet_id, payment_account_id, reference_id, operation, session_id, status, payer_minor, payer_currency, payee_minor, \
                       payee_currency, total_minor, platform_fee_minor, gateway_fee_minor, fx_fee_minor, rate_num, rate_den, \
                       refunded_minor, refunded_total_minor, provider, method, provider_request_id, requires_action, \
                       cancel_asked, disputed, attempts, next_check_at, lease_until, deadline_at, completed_at, created_at, updated_at";
        for (id, merchant, at) in [(11, 1, "70"), (21, 2, "70"), (22, 2, "NULL")] {
            let (status, lease, completed) = if at == "NULL" {
                ("COMPLETED", "NULL", "1")
            } else {
                ("PROCESSING", "80", "NULL")
            };
            sql.script(&format!(
                "INSERT INTO executions ({columns}) VALUES ({id}, {merchant}, 1, 1, '10000000-0000-4000-8000-0000000000{id}', 'PAYOUT', {id}, '{status}', 1, 'USD', 1, 'USD', \
                 1, 0, 0, 0, 1, 1, 0, 0, 'PAWAPAY', 'MTN_MOMO_LBR', '20000000-0000-4000-8000-0000000000{id}', 0, 0, 0, 1, {at}, {lease}, 9, {completed}, 1, 1)"
            ))
            .unwrap();
        }
        migrate::run(sql.as_mut(), None).unwrap();
        let rows = sql
            .rows(
                "SELECT id, next_check_at, lease_until, updated_at FROM executions JOIN provider_attempts ON execution_id = id \
                 ORDER BY id",
                &vec![],
            )
            .unwrap();
        let rows: Vec<_> = rows.iter().map(|row| format!("{:?}", row.values())).collect();
        let values = |id, at, lease| format!("{:?}", [id, at, lease, SqlValue::Int(1)]);
        let expected = [
            values(SqlValue::Int(11), SqlValue::Int(70), SqlValue::Int(80)),
            values(SqlValue::Int(21), SqlValue::Int(5_070), SqlValue::Int(80)),
            values(SqlValue::Int(22), SqlValue::Null, SqlValue::Null),
        ];
        assert_eq!(rows, expected);
    }
}
