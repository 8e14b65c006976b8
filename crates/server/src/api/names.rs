//! Enumerations that only requests of the API use.

use domain::api_enum;
use domain::directory::merchant::MerchantType;

api_enum! {
    /// Who owns something.
    OwnerKind {
        /// A person. There are none here.
        User = "USER",
        /// A small merchant.
        MicroOrganization = "MICRO_ORGANIZATION",
        /// A merchant.
        Organization = "ORGANIZATION",
    }
}

crate::api_names! { OwnerKind }

impl OwnerKind {
    /// What it can be here.
    #[must_use]
    pub const fn merchant(self) -> Option<MerchantType> {
        match self {
            Self::User => None,
            Self::MicroOrganization => Some(MerchantType::MicroOrganization),
            Self::Organization => Some(MerchantType::Organization),
        }
    }
}
