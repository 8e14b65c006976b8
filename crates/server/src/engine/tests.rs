//! Tests of a lane on a SQLite file, with faults injected between the lane and its store.

use std::path::Path;
use std::sync::Arc;

use domain::decision::command::{Command, ListedDecision, Output, Request};
use domain::decision::row::Lookup;
use domain::decision::settings::Settings;
use domain::decision::use_case::LockKey;
use domain::decision::workspace::{IdBlock, RowKey, Tables, Workspace};
use domain::directory::counterparties::CreateCounterparty;
use domain::directory::create_merchant::{CreateMerchant, CreatedMerchant};
use domain::directory::create_party::CreateParty;
use domain::directory::create_party::NewParty;
use domain::directory::create_payment_account::CreateAccount;
use domain::directory::create_payment_account::NewAccount;
use domain::directory::merchant::MerchantType;
use domain::directory::party::Relationship;
use domain::directory::principal::Principal;
use domain::kernel::currency::Currency;
use domain::kernel::ids::{ExecutionId, MerchantId, SessionId, WalletId};
use domain::kernel::money::{Decimal, Money};
use domain::kernel::names::{Method, Mode, Operation, Provider};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::{MerchantTime, ServerTime, minutes};
use domain::kernel::uuids::{ReferenceId, Uuid};
use domain::ledger::fund_wallet::FundWallet;
use domain::ledger::wallet::Wallet;
use domain::payments::cancel_session::CancelSession;
use domain::payments::create_session::CreateSession;
use domain::payments::create_session::NewSession;
use domain::payments::execute::{Execute, OperationDetails};
use domain::payments::outcome::{Heard, OutcomeSource, ProviderOutcome};
use domain::payments::record_outcome::RecordOutcome;
use domain::payments::session::{Intent, Session, SessionKind, SessionStatus};
use domain::sales::create_checkout::CreateCheckout;
use domain::sales::create_checkout::NewCheckout;
use domain::sales::edit_items::NewItem;
use domain::sales::source::SourceType;
use domain::webhooks::subject::MessageWriter;

use crate::engine::{Engine, Failure, Lane, Options, Outcome, QUEUE};
use crate::telemetry::metrics::EngineMetrics;
use crate::telemetry::traces::Traces;
use store::schema::verify;
use store::workspace::sqlite::{self, SqliteSql, SqliteStore};
use store::{Store, StoreError};

const NOW: ServerTime = ServerTime(1_800_000_000_000_000);
/// By the clocks of the merchants, none of which is ahead.
const IN_FIVE_MINUTES: MerchantTime = MerchantTime(NOW.0 + minutes(5));

fn store(path: &Path) -> SqliteStore {
    SqliteStore::new(sqlite::open(path).unwrap()).unwrap()
}

/// No merchant here has an endpoint.
fn no_messages() -> Arc<MessageWriter> {
    Arc::new(|_, _, _| String::new())
}

fn lane<S: Store>(store: S) -> Lane<S> {
    Lane::new(store, Settings::default(), Arc::new(|| NOW), no_messages())
}

fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::parse("USD").unwrap())
}

fn merchant(phone: &str) -> CreateMerchant {
    CreateMerchant {
        name: "M".into(),
        kind: MerchantType::Organization,
        mode: Mode::Sandbox,
        phone: Some(phone.into()),
        email: None,
        verified: true,
        client_id: phone.into(),
        secret_hash: String::new(),
        currencies: vec![usd(0).currency],
    }
}

fn request(decision: impl ListedDecision) -> Request {
    let command = decision.into();
    let is_heard = matches!(command, Command::RecordOutcome(_));
    let by = if is_heard { Principal::Network } else { Principal::Operator };
    Request::new(by, command)
}

fn one<D: ListedDecision>(lane: &mut Lane<impl Store>, decision: D) -> D::Output {
    D::output(lane.run(&[request(decision)]).pop().unwrap().unwrap()).unwrap()
}

/// Creates a merchant with money, and for each of `amounts` a session that can be executed.
fn sessions(
    lane: &mut Lane<impl Store>,
    amounts: &[i64],
) -> (MerchantId, WalletId, Vec<SessionId>) {
    let CreatedMerchant { merchant, wallets } = one(lane, merchant("231770000001"));
    let wallet = wallets[0].0;
    one(lane, FundWallet { wallet_id: wallet, amount: usd(1_000), key: None });
    let party = NewParty {
        fullname: "P".into(),
        phone: "231880000001".into(),
        email: None,
        country_code: None,
    };
    let party = one(lane, CreateParty { merchant_id: merchant.id, party, unless_known: false });
    let counterparty = CreateCounterparty {
        merchant_id: merchant.id,
        relationship: Relationship::Friend,
        party_id: Some(party.id),
        shown: None,
    };
    let counterparty = one(lane, counterparty);
    let declare = |minor: &i64| {
        let expires_at = IN_FIVE_MINUTES;
        let request = NewSession::Transfer {
            wallet_id: wallet,
            counterparty_id: counterparty.id,
            amount: usd(*minor),
            expires_at,
        };
        self::request(CreateSession { merchant_id: merchant.id, session: request })
    };
    let outcomes = lane.run(&amounts.iter().map(declare).collect::<Vec<_>>());
    let ids = outcomes.into_iter().map(|outcome| match outcome {
        Ok(Output::CreateSession(session)) => session.id,
        other => panic!("{other:?}"),
    });
    (merchant.id, wallet, ids.collect())
}

fn execute(merchant_id: MerchantId, session_id: SessionId, reference: u128) -> Request {
    request(Execute {
        merchant_id,
        reference_id: self::reference(reference),
        session_id,
        details: OperationDetails::Transfer,
        shown: None,
    })
}

/// An idempotency key, a different one for each number.
fn reference(number: u128) -> ReferenceId {
    ReferenceId(Uuid::from_u128(number))
}

fn executed(outcome: &Outcome) -> (bool, &'static str) {
    match outcome {
        Ok(Output::Execute(executed)) => (executed.replayed, executed.execution.status.as_str()),
        other => panic!("{other:?}"),
    }
}

fn assert_sound(path: &Path, executions: i64) {
    let report = verify::verify(&mut SqliteSql(sqlite::open(path).unwrap())).unwrap();
    assert_eq!((report.violations, report.executions), (vec![], executions));
}

#[test]
fn commands_of_one_batch_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let mut lane = lane(store(&path));
    let (id, _, sessions) = sessions(&mut lane, &[600, 600]);
    let batch = [
        execute(id, sessions[0], 97),
        execute(id, sessions[0], 97),
        execute(id, sessions[0], 98),
        execute(id, sessions[1], 99),
    ];
    let outcomes = lane.run(&batch);
    assert_eq!(executed(&outcomes[0]), (false, "COMPLETED"));
    assert_eq!(
        executed(&outcomes[1]),
        (true, "COMPLETED"),
        "the same key is answered as the first was"
    );
    assert!(
        matches!(&outcomes[2], Err(Failure::Refused(reasons)) if matches!(reasons[0], Refusal::InvalidState { .. }))
    );
    assert_eq!(
        executed(&outcomes[3]),
        (false, "FAILED"),
        "the money was spent earlier in the batch"
    );
    assert_sound(&path, 2);
}

/// What happens to a commit.
enum Fault {
    /// The database refuses it.
    Refused,
    /// The connection is lost before the commit is done.
    LostBefore,
    /// The connection is lost after the commit is done.
    LostAfter,
}

/// A store that fails or panics where a test wants it, and that can behave like a remote one.
struct Faulty {
    store: SqliteStore,
    is_local: bool,
    commits: usize,
    /// The number of the commit that fails, counted from 1, and how it fails.
    fault: Option<(usize, Fault)>,
    panic_on: Option<SessionId>,
    /// Wallets that have changed between being read and being locked.
    confirms: Vec<Wallet>,
    /// A session as it is read first, which contradicts the other rows.
    torn: Option<Session>,
}

impl Faulty {
    fn new(path: &Path) -> Self {
        Self {
            store: store(path),
            is_local: true,
            commits: 0,
            fault: None,
            panic_on: None,
            confirms: vec![],
            torn: None,
        }
    }
}

impl Store for Faulty {
    fn reserve_ids(&mut self, count: i64) -> Result<IdBlock, StoreError> {
        self.store.reserve_ids(count)
    }

    fn is_local(&self) -> bool {
        self.is_local
    }

    fn open(
        &mut self,
        ids: IdBlock,
        lock_keys: &[LockKey],
        keys: &[RowKey],
    ) -> Result<Workspace, StoreError> {
        let panics = |lock_key: &LockKey| matches!(lock_key.key, RowKey::Session(Lookup::Id(id)) if Some(id) == self.panic_on);
        assert!(!lock_keys.iter().any(panics), "told to panic");
        let mut work = self.store.open(ids, lock_keys, keys)?;
        if let Some(torn) = self.torn.take() {
            work.tables.sessions.confirm(torn);
        }
        Ok(work)
    }

    fn load(&mut self, keys: &[RowKey], tables: &mut Tables) -> Result<(), StoreError> {
        self.store.load(keys, tables)
    }

    fn confirm(&mut self, tables: &mut Tables) -> Result<bool, StoreError> {
        match self.confirms.pop() {
            Some(mut wallet) => {
                // As if another process had changed the wallet since it was read.
                wallet.available_minor -= 50;
                Ok(tables.wallets.confirm(wallet))
            }
            None => Ok(true),
        }
    }

    fn persist(&mut self, work: &Workspace) -> Result<(), StoreError> {
        self.store.persist(work)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.commits += 1;
        match &self.fault {
            Some((nth, fault)) if *nth == self.commits => match fault {
                Fault::Refused => Err(rusqlite::Error::QueryReturnedNoRows.into()),
                Fault::LostBefore => Err(StoreError::CommitUnknown(Box::new(StoreError::NoAnswer))),
                Fault::LostAfter => {
                    self.store.commit()?;
                    Err(StoreError::CommitUnknown(Box::new(StoreError::NoAnswer)))
                }
            },
            _ => self.store.commit(),
        }
    }

    fn is_committed(&mut self) -> Result<bool, StoreError> {
        let committed = matches!(&self.fault, Some((_, Fault::LostAfter)));
        if !committed {
            // The database server rolls back the open transaction of a lost connection.
            self.store.rollback();
        }
        Ok(committed)
    }

    fn rollback(&mut self) {
        self.store.rollback();
    }
}

#[test]
fn a_batch_that_could_not_be_committed_is_run_again_from_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let (id, _, sessions) = sessions(&mut lane(store(&path)), &[100, 200]);
    let mut lane = lane(Faulty { fault: Some((1, Fault::Refused)), ..Faulty::new(&path) });
    let outcomes = lane.run(&[execute(id, sessions[0], 97), execute(id, sessions[1], 98)]);
    assert_eq!(
        (executed(&outcomes[0]), executed(&outcomes[1])),
        ((false, "COMPLETED"), (false, "COMPLETED"))
    );
    assert_sound(&path, 2);
}

#[test]
fn a_commit_without_an_answer_is_found_out_about() {
    for fault in [Fault::LostBefore, Fault::LostAfter] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kola.db");
        let (id, _, sessions) = sessions(&mut lane(store(&path)), &[100]);
        let mut lane = lane(Faulty { fault: Some((1, fault)), ..Faulty::new(&path) });
        let outcomes = lane.run(&[execute(id, sessions[0], 97)]);
        assert_eq!(
            executed(&outcomes[0]),
            (false, "COMPLETED"),
            "once, whether it had been committed or not"
        );
        assert_eq!(executed(&lane.run(&[execute(id, sessions[0], 97)])[0]), (true, "COMPLETED"));
        assert_sound(&path, 1);
    }
}

#[test]
fn rows_that_are_far_away_are_loaded_in_rounds_with_the_same_outcomes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let mut lane = lane(Faulty { is_local: false, ..Faulty::new(&path) });
    let (id, _, sessions) = sessions(&mut lane, &[600, 600, 300]);
    let batch = [
        execute(id, sessions[0], 97),
        execute(id, sessions[0], 97),
        execute(id, sessions[0], 98),
        execute(id, sessions[1], 99),
        execute(id, sessions[2], 100),
    ];
    let outcomes = lane.run(&batch);
    assert_eq!(executed(&outcomes[0]), (false, "COMPLETED"));
    assert_eq!(executed(&outcomes[1]), (true, "COMPLETED"));
    assert!(
        matches!(&outcomes[2], Err(Failure::Refused(reasons)) if matches!(reasons[0], Refusal::InvalidState { .. }))
    );
    assert_eq!(executed(&outcomes[3]), (false, "FAILED"));
    assert_eq!(executed(&outcomes[4]), (false, "COMPLETED"));
    assert_sound(&path, 3);
}

#[test]
fn what_was_decided_on_a_row_that_changed_meanwhile_is_decided_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let mut writer = lane(store(&path));
    let (id, wallet, sessions) = sessions(&mut writer, &[980, 20]);
    let stored = one(&mut writer, FundWallet { wallet_id: wallet, amount: usd(0), key: None });
    let wallet = stored;
    let mut lane = lane(Faulty { is_local: false, confirms: vec![wallet], ..Faulty::new(&path) });
    // The wallet had 1,000 when it was read and has 950 when it is locked: the first transfer no
    // longer fits.
    let outcomes = lane.run(&[execute(id, sessions[0], 97), execute(id, sessions[1], 98)]);
    assert_eq!(executed(&outcomes[0]), (false, "FAILED"));
    assert_eq!(executed(&outcomes[1]), (false, "COMPLETED"));
}

#[test]
fn what_looks_broken_on_rows_of_several_points_in_time_is_decided_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let mut writer = lane(store(&path));
    let (id, _, sessions) = sessions(&mut writer, &[600, 300]);
    let kind = SessionKind::Transfer;
    let cancel = CancelSession { merchant_id: id, kind, session_id: sessions[1] };
    let stored = one(&mut writer, cancel);
    // As if the session had been read before another process changed it, and the rows that it
    // refers to after that.
    let mut torn = Session { status: SessionStatus::Active, ..stored };
    if let Intent::Transfer { wallet_id, .. } = &mut torn.intent {
        *wallet_id = WalletId(0);
    }
    let mut lane = lane(Faulty { is_local: false, torn: Some(torn), ..Faulty::new(&path) });
    let outcomes = lane.run(&[execute(id, sessions[0], 97), execute(id, sessions[1], 98)]);
    assert_eq!(executed(&outcomes[0]), (false, "COMPLETED"));
    let refused = matches!(&outcomes[1], Err(Failure::Refused(reasons)) if matches!(reasons[0], Refusal::InvalidState { .. }));
    assert!(refused, "{:?}", outcomes[1]);
    assert_sound(&path, 1);
}

#[test]
fn a_panic_in_one_command_leaves_the_others_and_the_lane_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let (id, _, sessions) = sessions(&mut lane(store(&path)), &[100, 200, 300]);
    let faulty = Faulty { panic_on: Some(sessions[1]), ..Faulty::new(&path) };
    let mut lane = lane(faulty);
    let batch: Vec<_> = sessions
        .iter()
        .map(|session| execute(id, *session, u128::try_from(session.0).unwrap()))
        .collect();
    let outcomes = lane.run(&batch);
    assert_eq!(executed(&outcomes[0]), (false, "COMPLETED"));
    assert!(matches!(outcomes[1], Err(Failure::Unavailable(_))));
    assert_eq!(executed(&outcomes[2]), (false, "COMPLETED"));
    assert_eq!(executed(&lane.run(&batch[..1])[0]), (true, "COMPLETED"), "the lane goes on");
    assert_sound(&path, 2);
}

/// Completes a collection. Returns its merchant and its execution.
fn collected(lane: &mut Lane<impl Store>) -> (MerchantId, ExecutionId) {
    let CreatedMerchant { merchant, .. } = one(lane, merchant("231770000001"));
    let party = NewParty {
        fullname: "P".into(),
        phone: "231880000001".into(),
        email: None,
        country_code: None,
    };
    let checkout = CreateCheckout {
        merchant_id: merchant.id,
        checkout: NewCheckout {
            party,
            relationship: Relationship::Customer,
            counterparty_id: None,
            party_id: None,
            kind: SourceType::Invoice,
            currency: usd(0).currency,
            note: String::new(),
            reference_id: None,
            due_date: None,
            items: vec![NewItem {
                name: "I".into(),
                currency: usd(0).currency,
                qty: 1,
                amount: usd(1_000),
            }],
            mode: domain::sales::checkout::PageMode::Hosted,
            success_url: None,
            cancel_url: None,
            expires_at: None,
            token: domain::sales::checkout::PageToken("t".into()),
            idempotency_key: None,
            as_draft: false,
        },
    };
    let checkout = one(lane, checkout);
    let account = NewAccount {
        party_id: checkout.party.id,
        account_name: "A".into(),
        provider: Provider::PawaPay,
        method: Method::MTN_MOMO_LBR,
        operation: Operation::Collection,
        country_code: None,
        account_number: None,
    };
    let account = one(lane, CreateAccount { merchant_id: merchant.id, account, shown: None });
    let declare = NewSession::Checkout { kind: SourceType::Invoice, source_id: checkout.source.id };
    let session = one(lane, CreateSession { merchant_id: merchant.id, session: declare });
    let details =
        OperationDetails::Collection { account_id: account.id, currency: usd(0).currency };
    let request = Execute {
        merchant_id: merchant.id,
        reference_id: reference(1),
        session_id: session.id,
        details,
        shown: None,
    };
    let executed = one(lane, request);
    let id = executed.execution.id;
    one(
        lane,
        RecordOutcome {
            execution_id: id,
            source: OutcomeSource::Callback,
            outcome: ProviderOutcome::Succeeded { transaction_id: "t".into(), amount: None },
            heard: Heard::default(),
        },
    );
    (merchant.id, id)
}

#[test]
fn a_refund_of_a_payment_that_was_taken_back_meanwhile_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let mut lane = lane(store(&path));
    let (merchant_id, original_id) = collected(&mut lane);
    let amount = Decimal::parse("5").unwrap();
    let declare =
        NewSession::Refund { original_id, amount, expires_at: IN_FIVE_MINUTES, reason: None };
    let session = one(&mut lane, CreateSession { merchant_id, session: declare });
    one(
        &mut lane,
        RecordOutcome {
            execution_id: original_id,
            source: OutcomeSource::Callback,
            outcome: ProviderOutcome::Declined { message: "charged back".into() },
            heard: Heard::default(),
        },
    );
    let request = Execute {
        merchant_id,
        reference_id: reference(2),
        session_id: session.id,
        details: OperationDetails::Refund,
        shown: None,
    };
    let outcome = lane.run(&[self::request(request)]).pop().unwrap();
    assert!(
        matches!(&outcome, Err(Failure::Refused(reasons)) if matches!(reasons[0], Refusal::InvalidState { .. })),
        "{outcome:?}"
    );
    assert_sound(&path, 1);
}

#[test]
fn a_clock_that_goes_backwards_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let (id, _, sessions) = sessions(&mut lane(store(&path)), &[100, 200, 300]);
    let seconds = std::sync::atomic::AtomicI64::new(0);
    // Each reading of the clock is a minute before the last one.
    let clock =
        move || NOW.plus(minutes(-seconds.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
    let mut lane = Lane::new(store(&path), Settings::default(), Arc::new(clock), no_messages());
    for (at, reference) in [1, 2, 3].into_iter().enumerate() {
        assert_eq!(
            executed(&lane.run(&[execute(id, sessions[at], reference)])[0]),
            (false, "COMPLETED")
        );
        assert_eq!(
            executed(&lane.run(&[execute(id, sessions[at], reference)])[0]),
            (true, "COMPLETED")
        );
    }
    assert_sound(&path, 3);
}

#[test]
fn two_processes_may_write_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let mut first = lane(store(&path));
    let mut second = lane(store(&path)).short_lived();
    let (id, wallet, sessions) = sessions(&mut first, &[900, 900]);
    assert_eq!(executed(&first.run(&[execute(id, sessions[0], 97)])[0]), (false, "COMPLETED"));
    one(&mut second, FundWallet { wallet_id: wallet, amount: usd(900), key: None });
    assert_eq!(executed(&second.run(&[execute(id, sessions[0], 97)])[0]), (true, "COMPLETED"));
    assert_eq!(executed(&first.run(&[execute(id, sessions[1], 98)])[0]), (false, "COMPLETED"));
    assert_sound(&path, 2);
}

/// A batch is committed for all of its commands, and each that is traced is told so.
#[cfg(feature = "otlp")]
#[test]
fn each_traced_command_of_a_batch_gets_its_own_steps() {
    use crate::telemetry::traces::Share;
    use domain::kernel::trace::TraceContext;

    let folder = tempfile::tempdir().unwrap();
    let (traces, mut spans) = Traces::recording(Share::ALL);
    let mut lane = lane(store(&folder.path().join("kola.db"))).with_traces(traces);
    let context = |id| Some(TraceContext { trace_id: id, span_id: 7 });
    let batch =
        [("231770000001", context(1)), ("231770000002", None), ("231770000003", context(3))]
            .map(|(phone, trace)| request(merchant(phone)).with_trace(trace));
    assert!(lane.run(&batch).iter().all(Result::is_ok));
    let recorded: Vec<_> = std::iter::from_fn(|| spans.try_recv().ok()).collect();
    let shown = |step: &str| {
        let of_step = recorded.iter().filter(|span| span.name == step);
        of_step.map(|span| (span.context.trace_id, span.parent, span.begun, span.ended)).collect()
    };
    let [decided, persisted, committed]: [Vec<_>; 3] = ["decide", "persist", "commit"].map(shown);
    assert_eq!(recorded.len(), 6, "{recorded:?}");
    let mut before = None;
    for steps in [decided, persisted, committed] {
        let [first, third] = steps[..] else { panic!("{steps:?}") };
        assert_eq!((first.0, third.0, first.1, third.1), (1, 3, Some(7), Some(7)));
        assert_eq!((first.2, first.3), (third.2, third.3), "the times are those of the batch");
        assert!(before.is_none_or(|before| before == first.2) && first.2 <= first.3, "{first:?}");
        before = Some(first.3);
    }
    let mut ids: Vec<u64> = recorded.iter().map(|span| span.context.span_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    // A batch without one leaves nothing.
    lane.run(&[request(merchant("231770000004"))]);
    assert!(spans.try_recv().is_err());
}

#[test]
fn a_command_that_waits_too_long_is_taken_back_and_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    let blocker = sqlite::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let options = Options {
        settings: Settings::default(),
        batch_max: 256,
        clock: Arc::new(|| NOW),
        write_message: no_messages(),
        metrics: EngineMetrics::unread(),
        traces: Traces::default(),
    };
    let (engine, threads) = Engine::start(vec![store(&path)], &options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut made = 0;
    runtime.block_on(async {
        // The lane has begun the first command and waits for the lock. The second waits in the
        // queue until it is withdrawn.
        let first = tokio::spawn({
            let engine = engine.clone();
            async move { engine.enqueue(MerchantId(0), request(merchant("231770000001"))).await }
        });
        let waiting = || QUEUE - engine.lanes[0].queue.capacity();
        tokio::task::yield_now().await;
        while waiting() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        // The second's time runs out at once: in real time it would race with the lane, which gives
        // up waiting for the lock a second later and then begins the second.
        tokio::time::pause();
        let second = engine.enqueue(MerchantId(0), request(merchant("231770000002"))).await;
        tokio::time::resume();
        assert_eq!(second, Err(Failure::Overloaded));
        drop(blocker);
        // On a slow machine the lane's own wait for the lock may have timed out.
        made = usize::from(first.await.unwrap().is_ok());
    });
    drop(engine);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(merchants(&path), made, "what was refused as not done was not done");
}

#[test]
fn a_full_queue_answers_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kola.db");
    // The lane waits for a lock that this connection holds.
    let blocker = sqlite::open(&path).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let options = Options {
        settings: Settings::default(),
        batch_max: 256,
        clock: Arc::new(|| NOW),
        write_message: no_messages(),
        metrics: EngineMetrics::unread(),
        traces: Traces::default(),
    };
    let (engine, threads) = Engine::start(vec![store(&path)], &options).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let mut made = 0;
    runtime.block_on(async {
        let mut waiting = tokio::task::JoinSet::new();
        // The lane has begun one batch, the queue is full, and a few commands are left over.
        for n in 0..QUEUE + 256 + 8 {
            let engine = engine.clone();
            let request = request(merchant(&format!("23177{n:07}")));
            waiting.spawn(async move { engine.enqueue(MerchantId(0), request).await });
        }
        let first = waiting.join_next().await.unwrap().unwrap();
        assert_eq!(first, Err(Failure::Overloaded), "refused while the others still wait");
        drop(blocker);
        while let Some(outcome) = waiting.join_next().await {
            made += usize::from(outcome.unwrap().is_ok());
        }
    });
    drop(engine);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    // How many of the queued commands were withdrawn depends on the speed of the machine.
    assert!(made > 0);
    assert_eq!(merchants(&path), made, "what was refused as not done was not done");
}

fn merchants(path: &Path) -> usize {
    let count = "SELECT count(*) FROM merchants";
    let count: i64 = sqlite::open(path).unwrap().query_row(count, [], |row| row.get(0)).unwrap();
    usize::try_from(count).unwrap()
}
