//! Whether a network is worth calling: a state machine over a clock that is passed in.
//!
//! A circuit that is open keeps payments from being sent to a network that does not work. One call at
//! a time probes it, and one that succeeds closes it.

use std::collections::VecDeque;

use domain::kernel::time::{ServerTime, seconds};

/// So many failures open the circuit, if they are this close together and no call succeeded since the
/// first of them.
const FAILURES: usize = 10;
const WINDOW_US: i64 = seconds(30);
/// How long after a failure the next probe is made.
const PROBE_AFTER_US: i64 = seconds(5);
/// How long a probe may be under way. A call ends within ten seconds: one that has not reported by
/// then never will, because what made it is gone.
const PROBE_LOST_US: i64 = seconds(30);

/// The circuit of one account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Circuit(State);

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Closed {
        /// The times of failures since the last success, the oldest first; less than [`FAILURES`].
        failures: VecDeque<ServerTime>,
    },
    Open {
        /// From when a probe may be made.
        probe_at: ServerTime,
    },
}

/// Whether a payment may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permit {
    Send,
    /// The circuit is open, and this call probes it: it must report how it ended.
    Probe,
    /// The circuit is open.
    Wait {
        /// When it is worth trying again.
        until: ServerTime,
    },
}

impl Default for Circuit {
    fn default() -> Self {
        Self(State::Closed { failures: VecDeque::new() })
    }
}

impl Circuit {
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.0, State::Open { .. })
    }

    /// Asks to send a payment.
    pub fn permit(&mut self, now: ServerTime) -> Permit {
        match &mut self.0 {
            State::Closed { .. } => Permit::Send,
            State::Open { probe_at } if *probe_at <= now => {
                // The next one waits for what this one reports.
                *probe_at = now.plus(PROBE_LOST_US);
                Permit::Probe
            }
            State::Open { probe_at } => Permit::Wait { until: *probe_at },
        }
    }

    /// A call had an answer that is no failure of the network: any status below 500. Returns whether
    /// this closed the circuit.
    pub fn succeeded(&mut self) -> bool {
        std::mem::take(self).is_open()
    }

    /// A call could not connect, had no answer in time, or was answered with 5xx. Questions count as
    /// well as payments. Returns whether this opened the circuit.
    pub fn failed(&mut self, now: ServerTime) -> bool {
        // Once it is open, only the probe counts: calls that were under way say nothing new.
        let State::Closed { failures } = &mut self.0 else { return false };
        failures.retain(|failure| now.since(*failure) < WINDOW_US);
        failures.push_back(now);
        if failures.len() < FAILURES {
            return false;
        }
        self.0 = State::Open { probe_at: now.plus(PROBE_AFTER_US) };
        true
    }

    /// Like [`failed`](Self::failed), for the call that had [`Permit::Probe`].
    pub fn probe_failed(&mut self, now: ServerTime) -> bool {
        match &mut self.0 {
            State::Open { probe_at } => {
                *probe_at = now.plus(PROBE_AFTER_US);
                false
            }
            // Another call closed the circuit meanwhile.
            State::Closed { .. } => self.failed(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> ServerTime {
        ServerTime(seconds(1_780_000_000 + second))
    }

    /// A circuit that opened at this second.
    fn open(second: i64) -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES {
            circuit.failed(at(second));
        }
        assert!(circuit.is_open());
        circuit
    }

    #[test]
    fn ten_failures_in_half_a_minute_open_it() {
        let mut circuit = Circuit::default();
        for second in 0..9 {
            assert!(!circuit.failed(at(second)));
            assert_eq!(circuit.permit(at(second)), Permit::Send);
        }
        assert!(circuit.failed(at(29)));
        assert_eq!(circuit.permit(at(29)), Permit::Wait { until: at(34) });
    }

    #[test]
    fn failures_that_are_far_apart_do_not() {
        let mut circuit = Circuit::default();
        for failure in 0..100 {
            // Nine of them are in any half minute.
            assert!(!circuit.failed(at(failure * 10 / 3)), "{failure}");
        }
        let mut circuit = Circuit::default();
        for _ in 0..9 {
            circuit.failed(at(0));
        }
        assert!(!circuit.failed(at(30)));
    }

    #[test]
    fn a_success_begins_anew() {
        let mut circuit = Circuit::default();
        for second in 0..100 {
            assert!(!circuit.failed(at(second)));
            if second % 9 == 8 {
                assert!(!circuit.succeeded());
            }
        }
    }

    #[test]
    fn one_call_at_a_time_probes_it() {
        let mut circuit = open(0);
        assert_eq!(circuit.permit(at(4)), Permit::Wait { until: at(5) });
        assert_eq!(circuit.permit(at(5)), Permit::Probe);
        assert_eq!(circuit.permit(at(5)), Permit::Wait { until: at(35) });
        assert!(!circuit.probe_failed(at(6)));
        assert_eq!(circuit.permit(at(6)), Permit::Wait { until: at(11) });
        assert_eq!(circuit.permit(at(11)), Permit::Probe);
        assert!(circuit.succeeded());
        assert_eq!((circuit.permit(at(12)), circuit.is_open()), (Permit::Send, false));
    }

    #[test]
    fn a_probe_that_never_reports_is_followed_by_another() {
        let mut circuit = open(0);
        assert_eq!(circuit.permit(at(5)), Permit::Probe);
        assert_eq!(circuit.permit(at(34)), Permit::Wait { until: at(35) });
        assert_eq!(circuit.permit(at(35)), Permit::Probe);
    }

    #[test]
    fn failures_of_other_calls_move_no_probe() {
        let mut circuit = open(0);
        for second in 1..5 {
            assert!(!circuit.failed(at(second)));
        }
        assert_eq!(circuit.permit(at(5)), Permit::Probe);
        circuit.failed(at(6));
        assert_eq!(circuit.permit(at(12)), Permit::Wait { until: at(35) });
    }

    #[test]
    fn a_probe_that_fails_late_counts_as_any_call() {
        let mut circuit = open(0);
        assert_eq!(circuit.permit(at(5)), Permit::Probe);
        circuit.succeeded();
        circuit.probe_failed(at(6));
        assert_eq!(circuit.permit(at(6)), Permit::Send);
    }

    #[test]
    fn a_question_that_succeeds_closes_it() {
        let mut circuit = open(0);
        circuit.succeeded();
        assert_eq!(circuit.permit(at(1)), Permit::Send);
    }
}
