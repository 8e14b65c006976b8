//! How the tariff is changed. A row is never overwritten: the one in effect ends, and the next one
//! begins.

use crate::decision::event::{EventEntity, EventType};
use crate::decision::events;
use crate::decision::row::Lookup;
use crate::decision::use_case::LockKey;
use crate::decision::workspace::{Loaded, Stop, Workspace};
use crate::kernel::ids::MerchantId;
use crate::kernel::time::ServerTime;
use crate::tariff::{
    Effective, GatewayFee, Market, PhonePrefix, PlatformFee, Rate, Tariff, TariffVersion,
};

/// The lock key of every change. On PostgreSQL the row is locked before the tariff is read, so of
/// two changes at once the second is decided on what the first has left.
pub(super) fn lock_key() -> LockKey {
    LockKey { key: TariffVersion::key(Lookup::Id(TariffVersion::ID)), owner: None }
}

/// A type of rows with effective dates.
pub(super) trait DatedRow: Loaded {
    fn rows(tariff: &Tariff) -> &Vec<Self>;
    fn rows_mut(tariff: &mut Tariff) -> &mut Vec<Self>;
    fn effective(&self) -> Effective;

    /// The row with its end at `now`.
    fn ended(self, now: ServerTime) -> Self;
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

            fn ended(self, now: ServerTime) -> Self {
                let effective = Effective { to: Some(now), ..self.effective };
                Self { effective, $($changed: now,)* ..self }
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
pub(super) struct Change<'a> {
    work: &'a mut Workspace,
    version: TariffVersion,
    pub tariff: Tariff,
    pub now: ServerTime,
}

impl<'a> Change<'a> {
    /// Begins a change, which will be in effect from `now` on.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`]; [`Stop::Inconsistent`] when the workspace has another version of the
    /// tariff than is stored, so that nothing is ever decided on a stale one.
    pub fn begin(work: &'a mut Workspace, now: ServerTime) -> Result<Self, Stop> {
        let version = *work.require::<TariffVersion>(TariffVersion::ID)?;
        if version.version != work.tariff.version {
            return Err(Stop::Inconsistent(format!(
                "the tariff was read in version {} and is stored in version {}",
                work.tariff.version, version.version
            )));
        }
        Ok(Self { version, tariff: (*work.tariff).clone(), work, now })
    }

    /// Takes an id for a new row.
    ///
    /// # Errors
    /// See [`Workspace::new_id`].
    pub fn new_id(&mut self) -> Result<i64, Stop> {
        self.work.new_id()
    }

    /// Ends those rows in effect now that `ends` selects. Returns whether there were any. A row that
    /// begins later stays, and takes over when its time comes.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`].
    pub fn end<R: DatedRow>(&mut self, ends: impl Fn(&R) -> bool) -> Result<bool, Stop> {
        let mut any = false;
        for row in R::rows_mut(&mut self.tariff) {
            if row.effective().at(self.now) && ends(row) {
                let ended = (*self.work.require::<R>(row.id())?).clone().ended(self.now);
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

    /// A row that is in effect from now on, without an end.
    pub const fn open_ended(&self) -> Effective {
        Effective { from: self.now, to: None }
    }

    pub fn add<R: DatedRow>(&mut self, row: R) {
        self.work.put(row.clone());
        R::rows_mut(&mut self.tariff).push(row);
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
