//! Closed sets of names that only questions of the API have.

use domain::api_enum;
use domain::directory::merchant::MerchantType;
use domain::kernel::names::{Method, Provider};
use schemars::Schema;
use serde_json::Value;

use crate::api::fields::{FaultKind, FromValue, Networks, Schemas};

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

/// A network by its own name, or by that of a mobile-money method that it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetworkName {
    /// The network.
    pub provider: Provider,
    /// The method, where it was named instead.
    of: Option<Method>,
}

impl NetworkName {
    fn parse(text: &str) -> Option<Self> {
        let method = Method::parse(text).filter(|method| method.is_mobile_money());
        let own = || Provider::parse(text).map(|provider| Self { provider, of: None });
        method
            .and_then(|method| Some(Self { provider: method.network(text)?, of: Some(method) }))
            .or_else(own)
    }

    /// The network of a method, if this can be meant.
    #[must_use]
    pub fn of(self, method: Method) -> Option<Provider> {
        self.of.is_none_or(|of| of == method).then_some(self.provider)
    }

    /// Every name.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let mobile = Method::ALL
            .iter()
            .filter(|method| method.is_mobile_money())
            .map(|method| method.as_str());
        Provider::ALL.iter().map(|provider| provider.as_str()).chain(mobile).collect()
    }
}

impl FromValue for NetworkName {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        value.as_str().and_then(Self::parse).ok_or_else(|| FaultKind::NotEnum(Self::names()))
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        schemas.subschema_for::<Networks>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_named_by_itself_or_by_a_method_that_it_carries() {
        let read = |text: &str| NetworkName::read(&Value::String(text.to_owned()));
        let provider = |text: &str, method| read(text).ok().and_then(|name| name.of(method));
        assert_eq!(provider("PAWAPAY", Method::AirtelRwa), Some(Provider::PawaPay));
        assert_eq!(provider("MTN_MOMO_LBR", Method::MtnMomoLbr), Some(Provider::PawaPay));
        assert_eq!(provider("MTN_MOMO_LBR", Method::AirtelRwa), None);
        assert!(matches!(read("WALLET"), Err(FaultKind::NotEnum(names)) if names.len() == 8));
    }
}
