//! How the tariff is changed. A row is never overwritten: the one in effect ends, and the next one
//! begins.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::LockKey;
use crate::decision::workspace::{Loaded, Stop, Workspace};
use crate::kernel::ids::MerchantId;
use crate::kernel::refusal::Refusal;
use crate::kernel::time::ServerTime;
use crate::network_accounts::account::NetworkAccount;
use crate::network_accounts::operator_terms::OperatorTerms;
use crate::payments::payouts_stop::PayoutsStop;
use crate::tariff::{
    Effective, GatewayFee, Market, PhonePrefix, PlatformFee, Rate, Tariff, TariffFault,
    TariffVersion,
};

/// The lock key of every change. On PostgreSQL the row is locked before the tariff is read, so of
/// two changes at once the second is decided on what the first has left.
pub(crate) fn lock_key() -> LockKey {
    LockKey { key: TariffVersion::key(Lookup::Id(TariffVersion::ID)), owner: None }
}

/// When a row ends, and when that is decided.
pub(crate) struct Ending {
    end: ServerTime,
    now: ServerTime,
}

/// A type of rows with effective dates.
pub(crate) trait DatedRow: Loaded {
    fn rows(tariff: &Tariff) -> &Vec<Self>;
    fn rows_mut(tariff: &mut Tariff) -> &mut Vec<Self>;
    fn effective(&self) -> Effective;

    fn ended(self, ending: &Ending) -> Self;
}

macro_rules! dated_rows {
    ($($row:ident: $field:ident { $($changed:ident),* }),+ $(,)?) => {$(
        impl DatedRow for $row {
            fn rows(tariff: &Tariff) -> &Vec<Self> {
                &tariff.$field
            }

            fn rows_mut(tariff: &mut Tariff) -> &mut Vec<Self> {
                &mut tariff.$field
            }

            fn effective(&self) -> Effective {
                self.effective
            }

            fn ended(self, ending: &Ending) -> Self {
                let effective = Effective { to: Some(ending.end), ..self.effective };
                Self { effective, $($changed: ending.now,)* ..self }
            }
        }
    )+};
}
dated_rows!(
    PlatformFee: platform_fees {},
    GatewayFee: gateway_fees { updated_at },
    Rate: rates {},
    Market: markets {},
    PhonePrefix: phone_prefixes {},
);

/// A change of the tariff that is being decided.
pub(crate) struct Change<'a> {
    work: &'a mut Workspace,
    version: TariffVersion,
    pub tariff: Tariff,
    pub now: ServerTime,
    /// When what is changed begins: `now` or later.
    pub from: ServerTime,
}

impl<'a> Change<'a> {
    /// Begins a change, which will be in effect from `now` on.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`]; [`Stop::Inconsistent`] when the workspace has another version of the
    /// tariff than is stored, so that nothing is ever decided on a stale one.
    pub fn begin(work: &'a mut Workspace, now: ServerTime) -> Result<Self, Stop> {
        let version = (*work.require::<TariffVersion>(TariffVersion::ID)?).clone();
        if version.version != work.tariff.version {
            return Err(Stop::Inconsistent(format!(
                "the tariff was read in version {} and is stored in version {}",
                work.tariff.version, version.version
            )));
        }
        Ok(Self { version, tariff: (*work.tariff).clone(), work, now, from: now })
    }

    /// As [`Self::begin`], for a change that is in effect from a later time on, if there is one.
    ///
    /// # Errors
    /// As [`Self::begin`]; [`TariffFault::BeginsInPast`].
    pub fn begin_from(
        work: &'a mut Workspace,
        now: ServerTime,
        from: Option<ServerTime>,
    ) -> Result<Self, Stop> {
        if from.is_some_and(|from| from < now) {
            return Err(Refusal::Tariff(TariffFault::BeginsInPast).into());
        }
        Ok(Self { from: from.unwrap_or(now), ..Self::begin(work, now)? })
    }

    /// Takes an id for a new row.
    ///
    /// # Errors
    /// See [`Workspace::new_id`].
    pub fn new_id(&mut self) -> Result<i64, Stop> {
        self.work.new_id()
    }

    /// Ends those rows that `ends` selects and that are in effect when the change begins. Returns
    /// whether there were any. A row that begins later stays, and takes over when its time comes.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`].
    pub fn end<R: DatedRow>(&mut self, ends: impl Fn(&R) -> bool) -> Result<bool, Stop> {
        let mut any = false;
        for row in R::rows_mut(&mut self.tariff) {
            if row.effective().at(self.from) && ends(row) {
                let stored = (*self.work.require::<R>(row.id())?).clone();
                let ended = stored.ended(&Ending { end: self.from, now: self.now });
                self.work.put(ended.clone());
                *row = ended;
                any = true;
            }
        }
        Ok(any)
    }

    /// When the next of the later rows begins that `selects` selects: a row that may not overlap with
    /// it ends there.
    pub fn next_start<R: DatedRow>(&self, selects: impl Fn(&R) -> bool) -> Option<ServerTime> {
        let later = R::rows(&self.tariff).iter().filter(|row| row.effective().from > self.now);
        later.filter(|row| selects(row)).map(|row| row.effective().from).min()
    }

    /// A row that is in effect from the beginning of the change on, without an end.
    pub const fn open_ended(&self) -> Effective {
        Effective { from: self.from, to: None }
    }

    /// What the note of a change says of its beginning.
    pub fn since(&self) -> String {
        if self.from == self.now { String::new() } else { format!(", from {}", self.from) }
    }

    pub fn add<R: DatedRow>(&mut self, row: R) {
        self.work.put(row.clone());
        R::rows_mut(&mut self.tariff).push(row);
    }

    /// A row that the tariff as it was read does not have.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`].
    pub fn get<R: Loaded + Clone>(&self, id: R::Id) -> Result<Option<R>, Stop> {
        Ok(self.work.get::<R>(id)?.map(|row| (*row).clone()))
    }

    /// As [`Self::get`], for a row that must be there.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`], [`Stop::Inconsistent`].
    pub fn require<R: Loaded + Clone>(&self, id: R::Id) -> Result<R, Stop> {
        Ok((*self.work.require::<R>(id)?).clone())
    }

    pub fn put<R: Loaded>(&mut self, row: R) {
        self.work.put(row);
    }

    /// Adds a network account, or changes one.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`].
    pub fn put_account(&mut self, account: NetworkAccount) -> Result<(), Stop> {
        let account = NetworkAccount { updated_at: self.now, ..account };
        put_undated(&mut self.tariff.network_accounts, account, self.work)
    }

    /// Adds what a network says of an operator, or changes it.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`].
    pub fn put_terms(&mut self, terms: OperatorTerms) -> Result<(), Stop> {
        put_undated(&mut self.tariff.operator_terms, terms, self.work)
    }

    /// Stops payouts and refunds, or lets them go on.
    pub fn set_payouts_stop(&mut self, stop: Option<PayoutsStop>) {
        self.version.payouts_stopped_at = stop.as_ref().map(|stop| stop.since);
        self.version.payouts_stopped_for = stop.as_ref().map(|stop| stop.reason.clone());
        self.tariff.payouts_stop = stop;
    }

    /// Raises the version of the tariff, by which lanes and readers notice the change, and records
    /// the event. `note` says in words what was changed.
    ///
    /// # Errors
    /// See [`events::record`].
    pub fn finish(mut self, note: String) -> Result<(), Stop> {
        self.version.version += 1;
        self.tariff.version = self.version.version;
        self.work.put(self.version);
        self.work.put_tariff(self.tariff);
        events::record(
            MerchantId::INSTALLATION,
            EventType::TariffChanged,
            (EventEntity::Tariff, TariffVersion::ID.0),
            Some(note),
            self.work,
            self.now,
        )?;
        Ok(())
    }
}

/// Puts a row without effective dates in the place of the one with its id, or adds it.
fn put_undated<R: Loaded + Clone>(
    rows: &mut Vec<R>,
    row: R,
    work: &mut Workspace,
) -> Result<(), Stop> {
    match rows.iter_mut().find(|known| known.id() == row.id()) {
        Some(known) => {
            // Read, so that the change is compared with what is stored.
            work.require::<R>(row.id())?;
            *known = row.clone();
        }
        None => rows.push(row.clone()),
    }
    work.put(row);
    Ok(())
}
