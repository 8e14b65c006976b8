//! The payment network that a request names.

use std::borrow::Cow;

use domain::kernel::names::{Method, Provider};
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::Value;

use crate::api::fields::{FaultKind, Field, Fields, FromValue, Schemas};

/// A network by its own name, or by the name of a mobile-money method that it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    provider: Provider,
    /// The method, where its name was given instead of the network's.
    named_by: Option<Method>,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        if let Some(method) = Method::parse(text).filter(|method| method.is_mobile_money()) {
            return Some(Self { provider: method.network(text)?, named_by: Some(method) });
        }
        Provider::parse(text).map(|provider| Self { provider, named_by: None })
    }

    /// The network, unless it was named by another method than this.
    #[must_use]
    pub fn for_method(self, method: Method) -> Option<Provider> {
        self.named_by.is_none_or(|named_by| named_by == method).then_some(self.provider)
    }

    /// The names that are accepted where one of these methods is meant.
    #[must_use]
    pub fn names(methods: &[Method]) -> Vec<&'static str> {
        let networks = Provider::ALL.iter().map(|provider| provider.as_str());
        let mobile =
            methods.iter().filter(|method| method.is_mobile_money()).map(|method| method.as_str());
        networks.chain(mobile).collect()
    }
}

impl FromValue for Network {
    fn read(value: &Value) -> Result<Self, FaultKind> {
        let network = value.as_str().and_then(Self::parse);
        network.ok_or_else(|| FaultKind::NotEnum(Self::names(Method::ALL)))
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        schemas.subschema_for::<Self>()
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut Schemas) -> Schema {
        json_schema!({ "type": "string", "enum": Self::names(Method::ALL) })
    }
}

/// The network of a payment account: a [`Network`] that fits the field `method` beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountNetwork(pub Provider);

impl Field for AccountNetwork {
    const REQUIRED: bool = true;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        let method = fields.peek::<Method>("method");
        // Where the method is missing or wrong, the network is not blamed for not fitting it.
        let methods = method.as_ref().map_or(Method::ALL, std::slice::from_ref);
        let network = fields.get(name).ok_or(FaultKind::Missing).and_then(|value| {
            Network::read(value)
                .ok()
                .and_then(|network| methods.iter().find_map(|of| network.for_method(*of)))
                .map(Self)
                .ok_or_else(|| FaultKind::NotEnum(Network::names(methods)))
        });
        fields.record(name, network)
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        <Network as FromValue>::schema(schemas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fields::{Fault, Part, read};
    use serde_json::json;

    #[test]
    fn a_network_is_named_by_itself_or_by_a_method_that_it_carries() {
        let read = |text: &str| Network::read(&Value::String(text.to_owned()));
        let provider =
            |text: &str, method| read(text).ok().and_then(|network| network.for_method(method));
        assert_eq!(provider("PAWAPAY", Method::AIRTEL_RWA), Some(Provider::PawaPay));
        assert_eq!(provider("MTN_MOMO_LBR", Method::MTN_MOMO_LBR), Some(Provider::PawaPay));
        assert_eq!(provider("MTN_MOMO_LBR", Method::AIRTEL_RWA), None);
        assert!(matches!(read("WALLET"), Err(FaultKind::NotEnum(names)) if names.len() == 8));
    }

    crate::payload! {
        struct Account { provider: AccountNetwork, method: Method }
    }

    fn network(provider: &str, method: &str) -> Result<Provider, Vec<Fault>> {
        let object = json!({ "provider": provider, "method": method });
        read::<Account>(object.as_object().unwrap(), None).map(|account| {
            assert_eq!(account.method.as_str(), method);
            account.provider.0
        })
    }

    #[test]
    fn a_network_goes_by_two_names() {
        assert_eq!(network("PAWAPAY", "MTN_MOMO_LBR"), Ok(Provider::PawaPay));
        assert_eq!(network("MTN_MOMO_LBR", "MTN_MOMO_LBR"), Ok(Provider::PawaPay));
        assert_eq!(network("STRIPE", "CREDIT_CARD"), Ok(Provider::Stripe));
        let permitted = vec!["PAWAPAY", "STRIPE", "PLATFORM", "MTN_MOMO_LBR"];
        assert_eq!(
            network("ORANGE_MONEY_LBR", "MTN_MOMO_LBR"),
            Err(vec![Fault::at(&[Part::Name("provider")], FaultKind::NotEnum(permitted))])
        );
        let only_the_method = network("ORANGE_MONEY_LBR", "CASH").unwrap_err();
        assert_eq!(only_the_method.len(), 1);
        assert_eq!(only_the_method[0].loc, [Part::Name("method")]);
    }
}
