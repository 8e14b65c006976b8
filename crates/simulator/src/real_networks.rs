//! What stands between a process and a real network: the limit and the circuit of its account, which
//! are the product's own; tokens that are replaced and revoked; and a network that is away for a
//! while, wants fewer calls, or has another refund under way.

use std::time::Duration;

use domain::decision::command::Command;
use domain::kernel::ids::NetworkAccountId;
use domain::kernel::names::Provider;
use domain::kernel::time::{ServerTime, seconds};
use domain::network_accounts::change_account::{AccountChange, ChangeNetworkAccount};
use domain::payments::attempt::Gate;
use domain::payments::outcome::{Heard, ProviderOutcome};
use domain::payments::provider_call::{CallKind, ProviderCall};
use networks::calls::Called;
use networks::client::circuit::{Circuit, Permit};
use networks::client::limit::CallLimit;

use crate::contracts::ACCOUNTS;
use crate::db::Map;
use crate::queued_command::{Origin, QueuedCommand};
use crate::rng::Rng;
use crate::scheduled::Scheduled;
use crate::sim::Sim;

/// How long a call may wait for its turn.
const TURN_WITHIN: i64 = seconds(2);

/// What happens to an account at its network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The network takes no token any more but the one that is given next.
    TokenRevoked,
    /// The network cannot be reached for so many microseconds.
    Away(i64),
    /// The network wants fewer calls for so many microseconds.
    Storm(i64),
}

/// An account as its network knows it.
#[derive(Clone, Copy, Default, Debug)]
struct AtNetwork {
    /// How many tokens there were, and the first of them that is still taken.
    tokens: u64,
    first_taken: u64,
    away_until: i64,
    storm_until: i64,
}

/// What a process has of an account.
struct Connection {
    limit: CallLimit,
    circuit: Circuit,
    calls_per_second: i64,
    /// The newest token that it knows, and since when.
    token: u64,
    known_at: ServerTime,
}

/// All accounts at real networks, and the connections of processes to them.
#[derive(Default)]
pub struct RealNetworks {
    accounts: Map<NetworkAccountId, AtNetwork>,
    /// By process, its incarnation and account.
    connections: Map<(usize, u64, NetworkAccountId), Connection>,
}

/// How a call ended at the network.
enum Answer {
    Said(ProviderOutcome),
    TokenRefused,
    TooMany(i64),
    RefundInProgress,
    NotConnected,
    Silence,
}

impl RealNetworks {
    pub fn happen(&mut self, account: NetworkAccountId, trouble: Trouble, now: i64) {
        let known = self.accounts.entry(account).or_default();
        match trouble {
            Trouble::TokenRevoked => known.first_taken = known.tokens + 1,
            Trouble::Away(time) => known.away_until = now + time,
            Trouble::Storm(time) => known.storm_until = now + time,
        }
    }

    /// An operator has got a new token.
    pub fn add_token(&mut self, account: NetworkAccountId) {
        self.accounts.entry(account).or_default().tokens += 1;
    }

    /// Networks work again.
    pub fn recover(&mut self) {
        for known in self.accounts.values_mut() {
            (known.away_until, known.storm_until) = (0, 0);
        }
    }

    /// Draws what happens to an account.
    pub fn draw(rng: &mut Rng) -> Option<(NetworkAccountId, Trouble)> {
        let (account, ..) = rng.pick(&ACCOUNTS)?;
        let trouble = match rng.below(8) {
            0 | 1 => Trouble::TokenRevoked,
            2..=5 => Trouble::Away(rng.between(seconds(5), seconds(240))),
            _ => Trouble::Storm(rng.between(seconds(1), seconds(60))),
        };
        Some((account, trouble))
    }
}

impl Sim {
    /// A process calls a real network, unless its limit or circuit keeps it from that.
    pub fn call_real_network(
        &mut self,
        process: usize,
        call: &ProviderCall,
        numbers: Rng,
    ) -> Called {
        let account = call.request.details.network_account_id;
        let now = self.processes.now(process);
        let sends = call.kind == CallKind::Send;
        self.refresh_connection(process, account, call);
        let key = (process, self.incarnations[process], account);
        let Some(connection) = self.real_networks.connections.get_mut(&key) else {
            return Called::NotAsked;
        };
        let mut is_probe = false;
        let is_slow = !sends && connection.circuit.is_open();
        let mut turn = now;
        // A call waits for its turn, if that comes soon: else of a question and the sending that follows
        // from it the latter would never have one.
        let permitted = loop {
            let limit = &mut connection.limit;
            let taken = if is_slow { limit.take_slowly(turn) } else { limit.take(turn) };
            match taken {
                Err(until) if until < now.plus(TURN_WITHIN) => turn = until,
                taken => break taken,
            }
        };
        let wait = match permitted {
            Err(until) => Some((Gate::Rate, until)),
            Ok(()) if sends => match connection.circuit.permit(now) {
                Permit::Send => None,
                Permit::Probe => {
                    is_probe = true;
                    None
                }
                Permit::Wait { until } => Some((Gate::Circuit, until)),
            },
            Ok(()) => None,
        };
        if let Some((gate, until)) = wait {
            let what = if gate == Gate::Rate {
                "limit of an account reached"
            } else {
                "circuit of an account open"
            };
            self.statistics.fault(what, 1);
            return if sends { not_sent(gate, until.since(now)) } else { Called::NotAsked };
        }
        let answer = self.answer_of_network(key, call, numbers);
        self.report(key, is_probe, &answer, now);
        match answer {
            Answer::Said(outcome) => {
                let waiting_for =
                    match (&outcome, self.providers.state().requests.get(&call.request.request_id))
                    {
                        (ProviderOutcome::Accepted, Some(request)) => request.waits_for(),
                        _ => None,
                    };
                let waiting_for = waiting_for.map(str::to_owned);
                Called::Answered { outcome, heard: Heard { waiting_for, ..Heard::default() } }
            }
            Answer::TokenRefused if sends => not_sent(Gate::Held, seconds(5)),
            Answer::TooMany(after) if sends => not_sent(Gate::Rate, after),
            Answer::RefundInProgress => not_sent(Gate::RefundQueue, seconds(5)),
            Answer::NotConnected if sends => not_sent(Gate::Circuit, seconds(2)),
            Answer::TokenRefused | Answer::TooMany(_) | Answer::NotConnected | Answer::Silence => {
                Called::answered(ProviderOutcome::Unknown)
            }
        }
    }

    /// What a process knows of an account: mostly the newest, sometimes what it knew before.
    fn refresh_connection(
        &mut self,
        process: usize,
        account: NetworkAccountId,
        call: &ProviderCall,
    ) {
        let key = (process, self.incarnations[process], account);
        let row = self.environment.db.borrow().rows.network_accounts.get(account).cloned();
        let Some(row) = row else { return };
        let token = self.real_networks.accounts.entry(account).or_default().tokens;
        let is_new = self.execution_rng(call.request.execution_id.0).chance(800);
        let calls_per_second = row.calls_per_second;
        let limit = || CallLimit::new(u32::try_from(calls_per_second).unwrap_or(1));
        let known = self.real_networks.connections.entry(key).or_insert_with(|| Connection {
            limit: limit(),
            circuit: Circuit::default(),
            calls_per_second,
            token,
            known_at: row.updated_at,
        });
        if is_new {
            if known.calls_per_second != calls_per_second {
                (known.limit, known.calls_per_second) = (limit(), calls_per_second);
            }
            (known.token, known.known_at) = (token, row.updated_at);
        }
    }

    fn answer_of_network(
        &mut self,
        key: (usize, u64, NetworkAccountId),
        call: &ProviderCall,
        numbers: Rng,
    ) -> Answer {
        let (.., account) = key;
        let at = self.real_networks.accounts.entry(account).or_default().to_owned();
        let known = self.real_networks.connections.get(&key);
        let token = known.map_or(0, |known| known.token);
        let rate = self.fault_rates.provider;
        let rng = self.execution_rng(call.request.execution_id.0);
        let (refused, storm, another) = (rng.chance(700), rng.chance(600), rng.chance(rate / 8));
        let after = rng.between(0, seconds(20));
        if self.now < at.away_until {
            // What is refused at the door was not taken; what times out may have been.
            self.statistics.fault("real network away", 1);
            return if refused { Answer::NotConnected } else { Answer::Silence };
        }
        if token < at.first_taken {
            self.statistics.fault("token refused", 1);
            return Answer::TokenRefused;
        }
        if self.now < at.storm_until && storm {
            self.statistics.fault("too many calls", 1);
            return Answer::TooMany(after);
        }
        self.providers.expect_new(numbers);
        let mut state = self.providers.state();
        let request = &call.request;
        if call.kind == CallKind::Send
            && call.provider == Provider::PawaPay
            && request.original_request_id.is_some()
            && (another || state.has_refund_in_progress(request))
            && !state.requests.get(&request.request_id).is_some_and(|known| known.is_received())
        {
            drop(state);
            self.statistics.fault("another refund under way at the network", 1);
            return Answer::RefundInProgress;
        }
        let outcome = match call.kind {
            CallKind::Send => state.receive(request),
            CallKind::Query => state.status(request),
            CallKind::Cancel => {
                state.cancel(request.request_id);
                state.status(request)
            }
        };
        match state.deliver_answer(request.request_id, outcome) {
            ProviderOutcome::Unknown => Answer::Silence,
            outcome => Answer::Said(outcome),
        }
    }

    /// Tells the circuit and the limit how a call ended, and the operator of a token that is refused.
    fn report(
        &mut self,
        key: (usize, u64, NetworkAccountId),
        is_probe: bool,
        answer: &Answer,
        now: ServerTime,
    ) {
        let Some(connection) = self.real_networks.connections.get_mut(&key) else { return };
        match answer {
            Answer::NotConnected | Answer::Silence if is_probe => {
                connection.circuit.probe_failed(now);
            }
            Answer::NotConnected | Answer::Silence => {
                connection.circuit.failed(now);
            }
            Answer::TooMany(after) => {
                connection.circuit.succeeded();
                let after = Duration::from_micros(u64::try_from(*after).unwrap_or(0));
                connection.limit.refused(Some(after), 0, now);
            }
            Answer::Said(_) | Answer::TokenRefused | Answer::RefundInProgress => {
                connection.circuit.succeeded();
                connection.limit.answered();
            }
        }
        if matches!(answer, Answer::TokenRefused) {
            let known_at = connection.known_at;
            let (.., account_id) = key;
            let change = AccountChange::TokenRefused { known_at };
            let command =
                Command::ChangeNetworkAccount(ChangeNetworkAccount { account_id, change });
            let item = QueuedCommand::untagged(command, Origin::Callback);
            self.schedule(seconds(1), Scheduled::Submit(Box::new(item)));
        }
    }
}

fn not_sent(gate: Gate, after: i64) -> Called {
    let after = Duration::from_micros(u64::try_from(after).unwrap_or(0));
    Called::NotSent { gate, after, exchanges: vec![] }
}
