//! The workspace of a batch of commands: the rows that were loaded for it, and what its commands
//! changed.
//!
//! Reading a row that is not loaded stops the decision with [`Stop::NotLoaded`]; the engine loads the
//! row and decides again from the start. That a row is absent is loaded and remembered too. The
//! changes of a command are a draft until it is accepted; a refused command leaves no change.

use crate::audit::AuditRow;
use crate::decision::event::{Actor, Event, EventEntity, EventPosition, EventType, HasEvents};
use crate::decision::retention::Deletion;
use crate::decision::row::{Lookup, LookupOf, Row};
use crate::directory::merchant::ApiKey;
use crate::directory::roles::Rights;
use crate::exceptions::review::Review;
use crate::kernel::checked::Inconsistent;
use crate::kernel::ids::{
    ApiKeyId, ExecutionId, MerchantId, PaymentLinkId, ReviewId, SessionId, SourceId, StatementId,
    TariffId, WalletId, WebhookEndpointId,
};
use crate::kernel::refusal::Refusal;
use crate::kernel::trace::TraceContext;
use crate::ledger::account::Entry;
use crate::ledger::wallet::Wallet;
use crate::mutant;
use crate::payments::execution::Execution;
use crate::payments::session::Session;
use crate::people::access::Person;
use crate::reconciliation::statement::Statement;
use crate::sales::payment_link::PaymentLink;
use crate::sales::source::Source;
use crate::tariff::{Tariff, TariffVersion};
use crate::webhooks::endpoint::WebhookEndpoint;
use crate::webhooks::message::WebhookMessage;
use crate::webhooks::subject::{self, MessageWriter, Subject};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Why a decision stopped without an output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The decision reads a row that is not loaded.
    NotLoaded(RowKey),
    /// The command is refused, for all of these reasons.
    Refused(Vec<Refusal>),
    /// Rows contradict each other, or a sum overflows where it must not: an error of ours, never of
    /// the caller.
    Inconsistent(String),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

impl From<Inconsistent> for Stop {
    fn from(Inconsistent(what): Inconsistent) -> Self {
        Self::Inconsistent(what)
    }
}

impl From<Vec<Refusal>> for Stop {
    fn from(refusals: Vec<Refusal>) -> Self {
        Self::Refused(refusals)
    }
}

/// A row, or the id that an alternative key leads to: as stored in the database, and as changed by
/// the accepted commands of the batch. `None` is a row that does not exist.
#[derive(Debug)]
struct Versions<T> {
    stored: Option<T>,
    current: Option<T>,
}

impl<T: Clone> Versions<T> {
    fn loaded(stored: Option<T>) -> Self {
        Self { current: stored.clone(), stored }
    }
}

/// The loaded rows of one type.
#[derive(Debug)]
pub struct Table<R: Row> {
    rows: HashMap<R::Id, Versions<Arc<R>>>,
    alt_keys: HashMap<R::AltKey, Versions<R::Id>>,
    /// The changes of the command that is being decided.
    draft: Vec<Arc<R>>,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { rows: HashMap::new(), alt_keys: HashMap::new(), draft: Vec::new() }
    }
}

/// A change to write to the database.
#[derive(Debug)]
pub enum RowChange<'a, R> {
    Insert(&'a R),
    Update(&'a R),
}

impl<R: Loaded> Table<R> {
    fn get(&self, id: R::Id) -> Result<Option<Arc<R>>, Stop> {
        if let Some(row) = self.draft.iter().find(|row| row.id() == id) {
            return Ok(Some(Arc::clone(row)));
        }
        self.rows
            .get(&id)
            .map(|versions| versions.current.clone())
            .ok_or_else(|| Stop::NotLoaded(R::key(Lookup::Id(id))))
    }

    fn find(&self, alt_key: &R::AltKey) -> Result<Option<Arc<R>>, Stop> {
        if let Some(row) = self.draft.iter().find(|row| row.alt_key().as_ref() == Some(alt_key)) {
            return Ok(Some(Arc::clone(row)));
        }
        let known = self
            .alt_keys
            .get(alt_key)
            .ok_or_else(|| Stop::NotLoaded(R::key(Lookup::AltKey(alt_key.clone()))))?;
        known.current.map_or(Ok(None), |id| self.get(id))
    }

    fn put(&mut self, row: R) {
        let row = Arc::new(row);
        match self.draft.iter_mut().find(|other| other.id() == row.id()) {
            Some(other) => *other = row,
            None => self.draft.push(row),
        }
    }

    fn accept_draft(&mut self) {
        for row in self.draft.drain(..) {
            let id = row.id();
            if let Some(alt_key) = row.alt_key() {
                self.alt_keys.entry(alt_key).or_insert(Versions::loaded(None)).current = Some(id);
            }
            self.rows.entry(id).or_insert(Versions::loaded(None)).current = Some(row);
        }
    }

    /// Whether a row of the draft is another than the accepted one.
    fn has_draft(&self) -> bool {
        self.draft.iter().any(|row| {
            let accepted = self.rows.get(&row.id()).and_then(|versions| versions.current.as_ref());
            accepted != Some(row)
        })
    }

    /// Whether the lookup was loaded, even if no row was found.
    #[must_use]
    pub fn is_loaded(&self, lookup: &LookupOf<R>) -> bool {
        match lookup {
            Lookup::Id(id) => self.rows.contains_key(id),
            Lookup::AltKey(alt_key) => self.alt_keys.contains_key(alt_key),
        }
    }

    /// Adds what the store found for a lookup. A row that is loaded already stays as it is: commands
    /// of the batch may have changed it.
    pub fn load(&mut self, lookup: LookupOf<R>, found: Option<R>) {
        let id = found.as_ref().map(Row::id);
        match lookup {
            Lookup::AltKey(alt_key) => {
                self.alt_keys.insert(alt_key, Versions::loaded(id));
            }
            Lookup::Id(absent) if id.is_none() => {
                self.rows.entry(absent).or_insert(Versions::loaded(None));
            }
            Lookup::Id(_) => {
                if let Some(alt_key) = found.as_ref().and_then(Row::alt_key) {
                    self.alt_keys.entry(alt_key).or_insert(Versions::loaded(id));
                }
            }
        }
        if let (Some(id), Some(row)) = (id, found.map(Arc::new)) {
            self.rows.entry(id).or_insert_with(|| Versions::loaded(Some(row)));
        }
    }

    /// The ids of the rows that exist in the database.
    pub fn stored_ids(&self) -> impl Iterator<Item = R::Id> + '_ {
        self.rows.iter().filter(|(_, versions)| versions.stored.is_some()).map(|(id, _)| *id)
    }

    /// Compares a row, read again under its lock, with the version that the decisions used. Returns
    /// whether the decisions hold: the versions are equal, or the row is [`Row::rebased`]. If not,
    /// the new version replaces it, and the batch must be decided again after
    /// [`Workspace::reset_after_conflict`].
    pub fn confirm(&mut self, locked: R) -> bool {
        let versions = self.rows.entry(locked.id()).or_insert(Versions::loaded(None));
        if versions.stored.as_deref() == Some(&locked) {
            return true;
        }
        let rebased = match (&versions.stored, &versions.current) {
            (Some(loaded), Some(current)) => current.rebased(loaded, &locked),
            _ => None,
        };
        let holds = rebased.is_some();
        let locked = Arc::new(locked);
        let current = rebased.map_or_else(|| Arc::clone(&locked), Arc::new);
        *versions = Versions { stored: Some(locked), current: Some(current) };
        holds
    }

    /// Forgets the rows of types that are read again after a conflict. Called after a reset only, when
    /// there are no changes to lose.
    fn forget_unlocked(&mut self) {
        if R::REREAD_ON_CONFLICT {
            self.rows.clear();
            self.alt_keys.clear();
        }
    }

    /// Drops all changes of the batch; the loaded rows stay.
    fn reset_to_loaded(&mut self) {
        self.draft.clear();
        self.rows.values_mut().for_each(|versions| versions.current.clone_from(&versions.stored));
        self.alt_keys.values_mut().for_each(|versions| versions.current = versions.stored);
    }

    /// The rows that exist after the batch, each with what is stored of it.
    pub fn versions(&self) -> impl Iterator<Item = (Option<&R>, &R)> {
        self.rows.values().filter_map(|versions| {
            let current = versions.current.as_deref()?;
            Some((versions.stored.as_deref(), current))
        })
    }

    /// The changes to write, in the order of the primary key, which is also the order of locking.
    #[must_use]
    pub fn changes(&self) -> Vec<RowChange<'_, R>> {
        let mut changes: Vec<_> = self
            .rows
            .iter()
            .filter_map(|(id, versions)| match (&versions.stored, &versions.current) {
                (None, Some(row)) => Some((id, RowChange::Insert(&**row))),
                (Some(old), Some(row)) if !Arc::ptr_eq(old, row) && old != row => {
                    Some((id, RowChange::Update(&**row)))
                }
                _ => None,
            })
            .collect();
        changes.sort_unstable_by_key(|(id, _)| **id);
        changes.into_iter().map(|(_, change)| change).collect()
    }
}

/// The list of all tables: calls a macro with the field of [`Tables`], the variant of [`RowKey`] and
/// the row type of each.
///
/// Every transaction locks and writes in this order, which prevents deadlocks. The tables of
/// [`lock_key`](crate::decision::use_case::Decision::lock_key) come first, since their rows are locked
/// before anything is read; they have no foreign keys. Each of the rest comes after the tables that it
/// refers to.
#[macro_export]
macro_rules! each_table {
    ($macro:ident) => {
        $macro! {
            sessions: Session = $crate::payments::session::Session,
            /// Also by merchant and `reference_id`.
            executions: Execution = $crate::payments::execution::Execution,
            /// By execution.
            provider_attempts: ProviderAttempt = $crate::payments::attempt::ProviderAttempt,
            /// Also by merchant and idempotency key, as sources are.
            payment_links: PaymentLink = $crate::sales::payment_link::PaymentLink,
            /// The version of the tariff: one row.
            tariff: Tariff = $crate::tariff::TariffVersion,
            /// The end of the chain of batches: one row.
            batch_chain: BatchChain = $crate::ledger::batch_chain::BatchChain,
            /// The last check of each kind.
            installation_checks: InstallationCheck =
                $crate::ledger::installation_check::InstallationCheck,
            /// How each account at a network is reconciled.
            reconciliations: Reconciliation = $crate::reconciliation::run::Reconciliation,
            statements: Statement = $crate::reconciliation::statement::Statement,
            /// Also by network account and identity.
            statement_lines: StatementLine = $crate::reconciliation::line::StatementLine,
            /// Also by network account, kind and subject.
            statement_differences: Difference = $crate::reconciliation::difference::Difference,
            /// Also by network account and currency.
            network_balances: NetworkBalance = $crate::reconciliation::balance::NetworkBalance,
            network_accounts: NetworkAccount =
                $crate::network_accounts::account::NetworkAccount,
            network_secrets: NetworkSecret = $crate::network_accounts::secret::NetworkSecret,
            operator_terms: OperatorTerms =
                $crate::network_accounts::operator_terms::OperatorTerms,
            signing_keys: SigningKey = $crate::directory::signing_key::SigningKey,
            /// Also by mode and phone.
            merchants: Merchant = $crate::directory::merchant::Merchant,
            /// By merchant.
            logos: Logo = $crate::directory::brand::Logo,
            /// By merchant and currency.
            merchant_limits: MerchantLimits =
                $crate::directory::merchant_limits::MerchantLimits,
            /// Also by e-mail address.
            users: User = $crate::people::user::User,
            /// Also by person and merchant.
            memberships: Membership = $crate::people::membership::Membership,
            /// Also by person, merchant and name.
            saved_filters: SavedFilter = $crate::people::saved_filter::SavedFilter,
            /// Also by the fingerprint of the cookie.
            logins: Login = $crate::people::login::Login,
            /// Also by the fingerprint of the link.
            invitations: Invitation = $crate::people::invitation::Invitation,
            /// By what is counted.
            login_tries: LoginTries = $crate::people::login_tries::LoginTries,
            /// Also by client id.
            api_keys: ApiKey = $crate::directory::merchant::ApiKey,
            /// By merchant.
            passcodes: Passcode = $crate::directory::passcode::Passcode,
            /// Also by merchant and phone, which leads to the first party with that phone.
            parties: Party = $crate::directory::party::Party,
            counterparties: Counterparty = $crate::directory::party::Counterparty,
            payment_accounts: PaymentAccount = $crate::directory::payment_account::PaymentAccount,
            /// The last numbers of invoices and orders.
            counters: Counter = $crate::sales::source::Counter,
            /// By link and position.
            payment_link_items: PaymentLinkItem = $crate::sales::payment_link::PaymentLinkItem,
            /// Invoices and orders; also by merchant and idempotency key.
            sources: Source = $crate::sales::source::Source,
            items: Item = $crate::sales::source::Item,
            /// The pages of invoices and orders; also by source.
            checkout_configs: CheckoutConfig = $crate::sales::checkout::CheckoutConfig,
            /// Limits of payments on pages; by merchant, kind and what is counted.
            request_limits: RequestLimit = $crate::payments::request_limit::RequestLimit,
            /// Also by execution and kind.
            reviews: Review = $crate::exceptions::review::Review,
            /// Also by execution.
            approvals: Approval = $crate::payments::approval::Approval,
            /// Also by owner and currency.
            wallets: Wallet = $crate::ledger::wallet::Wallet,
            /// Credits of sandbox money; also by idempotency key.
            fundings: Funding = $crate::ledger::funding::Funding,
            /// System accounts; also by merchant, kind and currency.
            accounts: Account = $crate::ledger::account::Account,
            /// By merchant.
            event_positions: EventPosition = $crate::decision::event::EventPosition,
            platform_fees: PlatformFee = $crate::tariff::PlatformFee,
            gateway_fees: GatewayFee = $crate::tariff::GatewayFee,
            rates: Rate = $crate::tariff::Rate,
            markets: Market = $crate::tariff::Market,
            phone_prefixes: PhonePrefix = $crate::tariff::PhonePrefix,
            exchanges: Exchange = $crate::network_accounts::exchange::Exchange,
            unmatched_callbacks: UnmatchedCallback =
                $crate::network_accounts::unmatched_callback::UnmatchedCallback,
            webhook_endpoints: WebhookEndpoint = $crate::webhooks::endpoint::WebhookEndpoint,
            webhook_secrets: WebhookSecret = $crate::webhooks::secret::WebhookSecret,
            webhook_messages: WebhookMessage = $crate::webhooks::message::WebhookMessage,
            /// Also by endpoint and message.
            webhook_deliveries: WebhookDelivery = $crate::webhooks::delivery::WebhookDelivery,
            webhook_attempts: WebhookAttempt = $crate::webhooks::attempt::WebhookAttempt,
            batches: Batch = $crate::ledger::batch_chain::Batch,
            chain_keys: ChainKey = $crate::ledger::batch_chain::ChainKey,
        }
    };
}

macro_rules! rows {
    ($($(#[$doc:meta])* $field:ident: $variant:ident = $row:ty),+ $(,)?) => {
        /// A row to load: its table and one of its keys.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum RowKey { $($(#[$doc])* $variant(LookupOf<$row>)),+ }

        /// The tables of a [`Workspace`].
        #[derive(Default, Debug)]
        pub struct Tables { $($(#[$doc])* pub $field: Table<$row>),+ }

        impl Tables {
            fn accept_draft(&mut self) { $(self.$field.accept_draft();)+ }
            fn discard_draft(&mut self) { $(self.$field.draft.clear();)+ }
            fn has_draft(&self) -> bool { $(self.$field.has_draft())||+ }
            fn reset_to_loaded(&mut self) { $(self.$field.reset_to_loaded();)+ }
            fn forget_unlocked(&mut self) { $(self.$field.forget_unlocked();)+ }

            /// Whether the key was loaded, even if no row was found.
            #[must_use]
            pub fn is_loaded(&self, key: &RowKey) -> bool {
                match key { $(RowKey::$variant(lookup) => self.$field.is_loaded(lookup)),+ }
            }
        }

        $(impl Loaded for $row {
            fn key(lookup: LookupOf<Self>) -> RowKey { RowKey::$variant(lookup) }
            fn table(work: &Workspace) -> &Table<Self> { &work.tables.$field }
            fn table_mut(work: &mut Workspace) -> &mut Table<Self> { &mut work.tables.$field }
        })+
    };
}

each_table!(rows);

/// A row type that has a table in the workspace. Implemented by the list of tables above.
pub trait Loaded: Row {
    fn key(lookup: LookupOf<Self>) -> RowKey;
    fn table(work: &Workspace) -> &Table<Self>;
    fn table_mut(work: &mut Workspace) -> &mut Table<Self>;
}

/// Ids that this process has reserved and not used yet: `next..end`.
///
/// The ids of one command are contiguous and fewer than [`IDS_PER_COMMAND`], so that the entries of a
/// ledger transaction are found next to the id of its event without an index. The engine reserves a new block when
/// fewer are left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdBlock {
    pub next: i64,
    /// The first id after the block.
    pub end: i64,
}

/// The limit of ids for one command.
pub const IDS_PER_COMMAND: i64 = 64;

/// The rows of one batch of commands, and the changes of its commands.
#[derive(Debug)]
pub struct Workspace {
    pub tables: Tables,
    /// The tariff as the commands of the batch have left it; see [`Workspace::put_tariff`].
    pub tariff: Arc<Tariff>,
    loaded_tariff: Arc<Tariff>,
    accepted_tariff: Arc<Tariff>,
    /// The UUID of the installation, generated with the database.
    pub installation: [u8; 16],
    pub ids: IdBlock,
    /// The events to insert.
    pub events: Vec<Event>,
    /// The ledger entries to insert.
    pub entries: Vec<Entry>,
    /// The rows of the audit to insert.
    pub audit: Vec<AuditRow>,
    /// The rows to delete, which are not loaded.
    pub deletions: Vec<Deletion>,
    /// Who asks for what is decided now.
    actor: Actor,
    /// What that may do; `None` where nothing limits it.
    rights: Option<Rights>,
    /// The login by which a person asks.
    person: Option<Person>,
    /// The trace of what is decided now.
    trace: Option<TraceContext>,
    first_id: i64,
    /// The ids that were used of earlier blocks.
    used_ids: Vec<IdBlock>,
    /// How much of `ids`, `events`, `entries`, `audit` and `deletions` belongs to accepted commands.
    accepted: Watermark,
}

#[derive(Clone, Copy, Debug)]
struct Watermark {
    next_id: i64,
    events: usize,
    entries: usize,
    audit: usize,
    deletions: usize,
}

impl Watermark {
    const fn at(next_id: i64) -> Self {
        Self { next_id, events: 0, entries: 0, audit: 0, deletions: 0 }
    }
}

impl Workspace {
    #[must_use]
    pub fn new(tariff: Arc<Tariff>, installation: [u8; 16], ids: IdBlock) -> Self {
        let accepted = Watermark::at(ids.next);
        Self {
            actor: Actor::System,
            rights: None,
            person: None,
            trace: None,
            first_id: ids.next,
            used_ids: vec![],
            tables: Tables::default(),
            loaded_tariff: Arc::clone(&tariff),
            accepted_tariff: Arc::clone(&tariff),
            tariff,
            installation,
            ids,
            events: vec![],
            entries: vec![],
            audit: vec![],
            deletions: vec![],
            accepted,
        }
    }

    /// The row of that id; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`] when it is not loaded.
    pub fn get<R: Loaded>(&self, id: R::Id) -> Result<Option<Arc<R>>, Stop> {
        R::table(self).get(id)
    }

    /// The row of that alternative key; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`] when it is not loaded.
    pub fn find<R: Loaded>(&self, alt_key: &R::AltKey) -> Result<Option<Arc<R>>, Stop> {
        R::table(self).find(alt_key)
    }

    /// The row of an id that another row refers to: it must exist.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`] when it is not loaded, [`Stop::Inconsistent`] when it does not exist.
    pub fn require<R: Loaded>(&self, id: R::Id) -> Result<Arc<R>, Stop> {
        self.get::<R>(id)?
            .ok_or_else(|| Stop::Inconsistent(format!("{id:?} is referred to and absent")))
    }

    /// Stores a new or changed row in the draft. A new row with an alternative key must have been
    /// looked up by that key before: only then a later command of the batch finds it.
    pub fn put<R: Loaded>(&mut self, row: R) {
        R::table_mut(self).put(row);
    }

    /// Replaces the tariff in the draft. Its changed rows are [put](Self::put) besides: this is what
    /// the later commands of the batch are decided by.
    pub fn put_tariff(&mut self, tariff: Tariff) {
        self.tariff = Arc::new(tariff);
    }

    /// Takes an id for a new row.
    ///
    /// # Errors
    /// [`Stop::Inconsistent`] when the block is used up, which the engine prevents.
    pub fn new_id(&mut self) -> Result<i64, Stop> {
        if self.ids.next >= self.ids.end {
            return Err(Stop::Inconsistent("the block of ids is used up".to_owned()));
        }
        self.ids.next += 1;
        Ok(self.ids.next - 1)
    }

    /// Who asks for what is decided now.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// What whoever asks may do; `None` where nothing limits it.
    #[must_use]
    pub const fn rights(&self) -> Option<&Rights> {
        self.rights.as_ref()
    }

    /// The login by which a person asks; `None` for programs and whoever else asks.
    #[must_use]
    pub const fn person(&self) -> Option<Person> {
        self.person
    }

    /// Sets who asks, which is no person by a login.
    pub fn set_actor(&mut self, actor: Actor, rights: Option<Rights>) {
        self.actor = actor;
        self.rights = rights;
        self.person = None;
    }

    /// Sets that who asks is a person by a login.
    pub const fn set_person(&mut self, person: Person) {
        self.person = Some(person);
    }

    /// The trace of what is decided now, if it is traced.
    #[must_use]
    pub const fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    /// Sets the trace of what is decided now.
    pub const fn set_trace(&mut self, trace: Option<TraceContext>) {
        self.trace = trace;
    }

    /// Makes the draft of the last command part of the batch. `write` writes what merchants who have a
    /// webhook endpoint are told of it.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`] when a message needs a row that the command has not read;
    /// [`Stop::Inconsistent`] for an event about a row that is not there.
    pub fn accept_draft(&mut self, write: &MessageWriter) -> Result<(), Stop> {
        self.number_events()?;
        self.write_messages(write)?;
        self.tables.accept_draft();
        self.accepted_tariff.clone_from(&self.tariff);
        self.accepted = Watermark {
            next_id: self.ids.next,
            events: self.events.len(),
            entries: self.entries.len(),
            audit: self.audit.len(),
            deletions: self.deletions.len(),
        };
        Ok(())
    }

    /// Writes a message about each event of the draft, where a merchant has an endpoint: about the
    /// object as it is when the command is accepted, because later commands of the batch may change it.
    fn write_messages(&mut self, write: &MessageWriter) -> Result<(), Stop> {
        for index in self.accepted.events..self.events.len() {
            let Some(event) = self.events.get(index) else { break };
            if !subject::listens(event.merchant_id, self)? {
                continue;
            }
            if mutant!(MessageMissing) && event.kind == EventType::ExecutionCompleted {
                continue;
            }
            let before = subject::accepted_status(event.entity, event.entity_id, self);
            let Some(subject) = Subject::of(event, self)? else { continue };
            let before = before.filter(|before| subject.status() != Some(*before));
            let message = WebhookMessage {
                event_id: event.id,
                merchant_id: event.merchant_id,
                kind: event.kind,
                execution_id: subject.execution_id(),
                only_endpoint_id: subject.only_endpoint(event.kind),
                body: write(event, &subject, before),
                created_at: event.created_at,
                fanned_out_at: None,
            };
            self.put(message);
        }
        Ok(())
    }

    /// The row as the accepted commands of the batch have left it, without the draft; `None` if it
    /// is not loaded.
    #[must_use]
    pub fn accepted<R: Loaded>(&self, id: R::Id) -> Option<Arc<R>> {
        R::table(self).rows.get(&id)?.current.clone()
    }

    /// The row as the command that is being decided leaves it; `None` if it does not write it.
    #[must_use]
    pub fn drafted<R: Loaded>(&self, id: R::Id) -> Option<Arc<R>> {
        R::table(self).draft.iter().find(|row| row.id() == id).cloned()
    }

    /// Whether the command that is being decided changes anything.
    #[must_use]
    pub fn has_draft(&self) -> bool {
        self.has_draft_events() || self.tables.has_draft()
    }

    /// Whether the command that is being decided has recorded an event.
    #[must_use]
    pub const fn has_draft_events(&self) -> bool {
        self.events.len() > self.accepted.events
    }

    /// The events of the command that is being decided.
    pub fn draft_events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().skip(self.accepted.events)
    }

    /// The entries of the command that is being decided.
    pub fn draft_entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip(self.accepted.entries)
    }

    /// Gives each event of the draft its sequence, and counts it in the row of its entity.
    ///
    /// Here and not where an event is recorded: a decision may record an event and then write the
    /// row from an earlier copy. For the same reason the output of a decision may have an
    /// `event_count` from before; no answer shows it.
    fn number_events(&mut self) -> Result<(), Stop> {
        for index in self.accepted.events..self.events.len() {
            let Some(&Event { entity, entity_id: id, .. }) = self.events.get(index) else { break };
            let sequence = match entity {
                EventEntity::Session => self.count_event::<Session>(SessionId(id))?,
                EventEntity::Execution => self.count_event::<Execution>(ExecutionId(id))?,
                EventEntity::Source => self.count_event::<Source>(SourceId(id))?,
                EventEntity::Wallet => self.count_event::<Wallet>(WalletId(id))?,
                EventEntity::Review => self.count_event::<Review>(ReviewId(id))?,
                EventEntity::PaymentLink => self.count_event::<PaymentLink>(PaymentLinkId(id))?,
                EventEntity::WebhookEndpoint => {
                    self.count_event::<WebhookEndpoint>(WebhookEndpointId(id))?
                }
                EventEntity::ApiKey => self.count_event::<ApiKey>(ApiKeyId(id))?,
                EventEntity::Tariff => self.count_event::<TariffVersion>(TariffId(id))?,
                EventEntity::Statement => self.count_event::<Statement>(StatementId(id))?,
            };
            if let Some(event) = self.events.get_mut(index) {
                let again = mutant!(SequenceTwice) && event.kind == EventType::ExecutionProcessing;
                event.sequence = sequence - i64::from(again);
            }
        }
        Ok(())
    }

    fn count_event<R: Loaded + HasEvents>(&mut self, id: R::Id) -> Result<i64, Stop> {
        let mut row = (*self.require::<R>(id)?).clone();
        let count = row.event_count_mut();
        *count = count.saturating_add(1);
        let sequence = *count;
        self.put(row);
        Ok(sequence)
    }

    /// Moves the positions of the batch's events behind those that another process has taken since
    /// the row of the positions was loaded. Called when the changed rows are locked.
    pub fn move_positions(&mut self) {
        let mut last: HashMap<MerchantId, i64> = HashMap::new();
        for event in &self.events {
            let position = last.entry(event.merchant_id).or_default();
            *position = event.position.max(*position);
        }
        last.retain(|merchant, position| {
            let Ok(Some(row)) = self.get::<EventPosition>(*merchant) else { return false };
            *position = row.last.saturating_sub(*position);
            *position != 0
        });
        if last.is_empty() {
            return;
        }
        for event in &mut self.events {
            let taken = last.get(&event.merchant_id).copied().unwrap_or_default();
            event.position = event.position.saturating_add(taken);
        }
    }

    /// The ids that the accepted commands of the batch have taken: one range of each block, in
    /// ascending order.
    pub fn taken_ids(&self) -> impl Iterator<Item = IdBlock> + '_ {
        let last = IdBlock { next: self.first_id, end: self.accepted.next_id };
        self.used_ids.iter().copied().chain([last])
    }

    /// Drops the draft of the last command, with its ids, events, entries, row of the audit and
    /// deletions.
    pub fn discard_draft(&mut self) {
        self.tables.discard_draft();
        self.tariff.clone_from(&self.accepted_tariff);
        self.ids.next = self.accepted.next_id;
        self.events.truncate(self.accepted.events);
        self.entries.truncate(self.accepted.entries);
        self.audit.truncate(self.accepted.audit);
        self.deletions.truncate(self.accepted.deletions);
    }

    /// Drops the changes of all commands, so that they can be decided again; the loaded rows stay.
    /// Only for a workspace whose ids were never refilled: it reuses them from the first.
    pub fn reset_to_loaded(&mut self) {
        self.tables.reset_to_loaded();
        self.accepted_tariff.clone_from(&self.loaded_tariff);
        self.accepted = Watermark::at(self.first_id);
        self.discard_draft();
    }

    /// [`reset_to_loaded`](Self::reset_to_loaded) after other processes changed rows: rows that
    /// decisions depend on without changing them are read again.
    pub fn reset_after_conflict(&mut self) {
        self.reset_to_loaded();
        self.tables.forget_unlocked();
    }

    /// Gives the workspace a new block of ids.
    pub fn refill_ids(&mut self, ids: IdBlock) {
        self.used_ids.push(IdBlock { next: self.first_id, end: self.accepted.next_id });
        self.first_id = ids.next;
        self.ids = ids;
        self.accepted.next_id = ids.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::party::Party;
    use crate::exceptions::review::{Review, ReviewKind};
    use crate::kernel::ids::MerchantId;
    use crate::kernel::ids::{ExecutionId, PartyId};
    use crate::kernel::time::MerchantTime;

    fn party(id: i64) -> Party {
        Party {
            id: PartyId(id),
            merchant_id: MerchantId(1),
            fullname: "P".into(),
            phone: "231770000001".into(),
            found_by: Some("231770000001".into()),
            email: None,
            country_code: None,
            recipient_told_at: None,
            created_at: MerchantTime(0),
            updated_at: MerchantTime(0),
        }
    }

    fn alt_key() -> (MerchantId, String) {
        (MerchantId(1), "231770000001".into())
    }

    fn found(table: &Table<Party>) -> Option<i64> {
        table.find(&alt_key()).unwrap().map(|row| row.id.0)
    }

    #[test]
    fn what_decisions_depend_on_unchanged_is_read_again_when_others_were_at_work() {
        let mut reviews = Table::<Review>::default();
        let alt_key = (ExecutionId(1), ReviewKind::DeadlinePassed);
        reviews.load(Lookup::AltKey(alt_key), None);
        assert!(matches!(reviews.find(&alt_key), Ok(None)));
        reviews.forget_unlocked();
        assert!(matches!(
            reviews.find(&alt_key),
            Err(Stop::NotLoaded(RowKey::Review(Lookup::AltKey(_))))
        ));
    }

    #[test]
    fn whoever_finds_none_and_makes_one_is_found_by_the_next() {
        let mut table = Table::<Party>::default();
        table.load(Lookup::AltKey(alt_key()), None);
        assert_eq!(found(&table), None);
        table.put(party(5));
        assert_eq!(found(&table), Some(5));
        // A refused command's row is not there.
        table.draft.clear();
        assert_eq!(found(&table), None);
        table.put(party(6));
        table.accept_draft();
        assert_eq!(found(&table), Some(6));
    }
}
