//! Properties of random histories.

use std::collections::BTreeMap;

use crate::stage::{Stage, declined, paid, usd};
use domain::kernel::ids::ExecutionId;
use domain::kernel::names::{FeeBearer, Method, Operation};
use domain::payments::execution::{Execution, ExecutionStatus};
use domain::payments::outcome::ProviderOutcome;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// After any history of payouts, refunds and provider outcomes, in any order and with any
    /// repetitions, the books balance, no wallet is below zero, refunds do not exceed their
    /// payment, and final executions have not changed.
    #[test]
    fn no_history_breaks_the_books(steps in prop::collection::vec((0..8_u8, 0..6_usize, 1..120_i64), 1..60)) {
        let mut stage = Stage::new();
        stage.fund(20_000);
        let party = stage.party("231880000002");
        let payout = stage.account(party, Method::MTN_MOMO_LBR, Operation::Payout);
        let collection = stage.account(party, Method::MTN_MOMO_LBR, Operation::Collection);
        let mut executions: Vec<ExecutionId> = vec![];
        let mut finals: BTreeMap<ExecutionId, ExecutionStatus> = BTreeMap::new();
        for (step, pick, amount) in steps {
            let picked = executions.get(pick % executions.len().max(1)).copied();
            let made = match (step, picked) {
                (0, _) => stage.payout(payout, usd(amount * 100)).ok(),
                (1, _) => {
                    let source = stage.invoice(amount * 100, FeeBearer::Payer);
                    stage.collect(source, collection, if amount % 2 == 0 { "USD" } else { "RWF" }).ok()
                }
                (2 | 3, Some(id)) => stage.refund(id, &amount.to_string()).ok(),
                (4, Some(id)) => Some(stage.hear(id, ProviderOutcome::Unknown)),
                (5, Some(id)) => Some(stage.hear(id, declined())),
                (6, Some(id)) => Some(stage.hear(id, ProviderOutcome::NeverSeen)),
                (_, Some(id)) => Some(stage.hear(id, paid("t"))),
                _ => None,
            };
            if let Some(execution) = made {
                if !executions.contains(&execution.id) {
                    executions.push(execution.id);
                }
                if execution.status.is_final() {
                    let before = finals.insert(execution.id, execution.status);
                    prop_assert!(before.is_none_or(|before| before == execution.status));
                } else {
                    prop_assert!(!finals.contains_key(&execution.id));
                    prop_assert!(stage.attempt(execution.id).next_check_at.is_some() && execution.waiting_for.is_some());
                }
            }
            stage.check_books();
            for id in &executions {
                let row = stage.work.get::<Execution>(*id).unwrap().unwrap();
                prop_assert!(row.refunds().refunded_minor <= row.payer.minor && row.refunds().refunded_total_minor <= row.total_minor);
            }
        }
    }
}
