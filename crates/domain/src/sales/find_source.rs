//! Finding the invoice or order that a command names.

use crate::decision::workspace::{Stop, Workspace};
use crate::kernel::ids::{MerchantId, SourceId};
use crate::kernel::refusal::Refusal;
use crate::sales::source::{Source, SourceType};

/// Which source a call is about: this merchant's, of this kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceRef {
    pub merchant_id: MerchantId,
    pub kind: SourceType,
    pub id: SourceId,
}

impl SourceRef {
    /// The source, which the command is about.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub fn existing(self, work: &Workspace) -> Result<Source, Stop> {
        Ok(self.find(work)?.ok_or(Refusal::NotFound)?)
    }

    /// The source; `None` if it is another merchant's or of the other kind.
    ///
    /// # Errors
    /// [`Stop::NotLoaded`].
    pub fn find(self, work: &Workspace) -> Result<Option<Source>, Stop> {
        let found = work
            .get::<Source>(self.id)?
            .filter(|row| row.merchant_id == self.merchant_id && row.kind == self.kind);
        Ok(found.map(|row| (*row).clone()))
    }
}
