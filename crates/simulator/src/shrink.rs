//! Shortens a failing history: leaves out what is not needed for it to fail.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::plan::{Event, Id, Plan, Script};
use crate::sim::{self, Report};

/// A failing history from which nothing more can be left out, or nothing more in the given time.
pub struct ShortHistory {
    pub plan: Plan,
    pub report: Report,
}

/// The shortest failing history that was found in the time.
pub fn shrink(seed: u64, first: &Report, time: Duration) -> Option<ShortHistory> {
    let found = first.found.as_ref()?;
    let steps = found.step;
    let begun = Instant::now();
    let fails = |plan: &Plan| {
        if begun.elapsed() > time {
            return None;
        }
        let report =
            sim::run(seed, steps, Script::Replay(Rc::new(plan.clone())), found.at_end, false);
        Some(report.found.is_some_and(|other| other.violation.check == found.violation.check))
    };
    let mut plan = first.plan.clone();
    plan.retain(|(step, _), _| *step <= steps);
    // Whole kinds of events first: most failures need only one kind of fault.
    for kind in 0..KINDS {
        let mut tried = plan.clone();
        tried.retain(|_, event| kind_of(event) != kind);
        if tried.len() < plan.len() && fails(&tried) == Some(true) {
            plan = tried;
        }
    }
    plan = minimal(plan, &fails);
    // The result is run again with its history, and must still fail.
    let report = sim::run(seed, steps, Script::Replay(Rc::new(plan.clone())), found.at_end, true);
    report.found.is_some().then_some(ShortHistory { plan, report })
}

/// How many kinds of events are tried to be left out as a whole.
const KINDS: usize = 9;

const fn kind_of(event: &Event) -> usize {
    match event {
        Event::Requests(_) => KINDS,
        Event::Fault(..) => 0,
        Event::Clock(..) => 1,
        Event::Outage(_) => 2,
        Event::Full => 3,
        Event::Sweep(_) => 4,
        Event::Claims(..) => 5,
        Event::Trouble(..) => 6,
        Event::FanOut(_) => 7,
        Event::Deliver(_) => 8,
    }
}

/// Delta debugging: leaves out smaller and smaller parts while the rest still fails, until no
/// single event can be left out, or until `fails` returns `None` because the time is over.
fn minimal(mut plan: Plan, fails: &dyn Fn(&Plan) -> Option<bool>) -> Plan {
    let mut size = plan.len().div_ceil(2).max(1);
    loop {
        let ids: Vec<Id> = plan.keys().copied().collect();
        let before = plan.len();
        // From the end, because later events depend on earlier ones.
        for part in ids.rchunks(size) {
            let part: BTreeSet<Id> = part.iter().copied().collect();
            let mut tried = plan.clone();
            tried.retain(|id, _| !part.contains(id));
            match fails(&tried) {
                Some(true) => plan = tried,
                Some(false) => {}
                None => return plan,
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if plan.len() == before {
            return plan;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_needed_is_left_out() {
        let plan: Plan = (0..1_000).map(|step| ((step, 0), Rc::new(Event::Full))).collect();
        let needed = [(17, 0), (400, 0), (999, 0)];
        let short = minimal(plan, &|plan| Some(needed.iter().all(|id| plan.contains_key(id))));
        assert_eq!(short.keys().copied().collect::<Vec<_>>(), needed);
    }
}
