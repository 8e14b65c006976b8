//! The payment network that a request names.

use std::borrow::Cow;

use domain::kernel::names::{Method, Provider};
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::Value;

use crate::api::fields::{FaultKind, Field, Fields, Schemas, method};

/// A network by its own name, or by the name of a mobile-money method that it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    provider: Provider,
    /// The method, where its name was given instead of the network's.
    named_by: Option<Method>,
}

impl Network {
    /// The network that a text names, where `methods` may be named.
    fn parse(text: &str, methods: &[Method]) -> Option<Self> {
        if let Some(provider) = Provider::parse(text) {
            return Some(Self { provider, named_by: None });
        }
        let method = methods.iter().copied().find(|method| method.as_str() == text)?;
        Some(Self { provider: method.network(text)?, named_by: Some(method) })
    }

    /// Reads it, where `methods` may be named.
    fn read(value: &Value, methods: &[Method]) -> Result<Self, FaultKind> {
        let network = value.as_str().and_then(|text| Self::parse(text, methods));
        network.ok_or_else(|| FaultKind::not_enum(Self::names(methods)))
    }

    /// The network, unless it was named by another method than this.
    #[must_use]
    pub fn for_method(self, method: Method) -> Option<Provider> {
        self.named_by.is_none_or(|named_by| named_by == method).then_some(self.provider)
    }

    /// The names that are accepted where one of these methods is meant.
    #[must_use]
    pub fn names(methods: &[Method]) -> Vec<String> {
        let networks = Provider::ALL.iter().map(ToString::to_string);
        let mobile =
            methods.iter().filter(|method| method.is_mobile_money()).map(ToString::to_string);
        networks.chain(mobile).collect()
    }
}

impl Field for Network {
    const REQUIRED: bool = true;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        let value = fields.get(name).ok_or(FaultKind::Missing);
        let network = value.and_then(|value| Self::read(value, &fields.methods()));
        fields.record(name, network)
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
        json_schema!({
            "description": "A network, or the name of a mobile-money method that it carries.",
            "type": "string", "pattern": Method::PATTERN, "examples": Self::names(Method::SHIPPED),
        })
    }
}

/// The network of a payment account: a [`Network`] that fits the field `method` beside it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountNetwork(pub Provider);

impl Field for AccountNetwork {
    const REQUIRED: bool = true;

    fn take(fields: &mut Fields<'_>, name: &'static str) -> Option<Self> {
        let mut methods = fields.methods();
        let method = fields.get("method").and_then(|value| method::read(value, &methods).ok());
        // Where the method is missing or wrong, the network is not blamed for not fitting it.
        if let Some(method) = method {
            methods = vec![method];
        }
        let network = fields
            .get(name)
            .ok_or(FaultKind::Missing)
            .and_then(|value| Network::read(value, &methods).map(|network| Self(network.provider)));
        fields.record(name, network)
    }

    fn schema(schemas: &mut Schemas) -> Schema {
        <Network as Field>::schema(schemas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::fields::{Fault, Part, read};
    use serde_json::json;

    #[test]
    fn a_network_is_named_by_itself_or_by_a_method_that_it_carries() {
        let read = |text: &str| Network::read(&Value::String(text.to_owned()), Method::SHIPPED);
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
        let permitted = ["PAWAPAY", "STRIPE", "PLATFORM", "MTN_MOMO_LBR"];
        assert_eq!(
            network("ORANGE_MONEY_LBR", "MTN_MOMO_LBR"),
            Err(vec![Fault::at(&[Part::Name("provider")], FaultKind::not_enum(permitted))])
        );
        let only_the_method = network("ORANGE_MONEY_LBR", "CASH").unwrap_err();
        assert_eq!(only_the_method.len(), 1);
        assert_eq!(only_the_method[0].loc, [Part::Name("method")]);
    }
}
