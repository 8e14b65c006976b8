//! How much money an account at pawaPay has.

use domain::kernel::currency::Currency;
use domain::kernel::money::{AmountFault, Decimal, Money};
use serde_json::Value;

use super::{list_at, text_at};

/// Money that pawaPay keeps for the account, for one country or one operator of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WalletBalance {
    /// ISO 3166 in three letters.
    pub country: String,
    /// The code of the operator; `None` for the wallet of the country.
    pub provider: Option<String>,
    /// Zero or less, too.
    pub balance: Money,
}

/// Reads the answer to [`wallet_balances`](super::requests::wallet_balances).
///
/// # Errors
/// Why it cannot be read, for the operator: one wallet that cannot be read makes all of them doubtful.
pub fn read_wallet_balances(body: &[u8]) -> Result<Vec<WalletBalance>, String> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    if !answer.get("balances").is_some_and(Value::is_array) {
        return Err("it has no list of balances".to_owned());
    }
    list_at(&answer, "/balances").iter().map(read_balance).collect()
}

fn read_balance(wallet: &Value) -> Result<WalletBalance, String> {
    let field = |name: &str| text_at(wallet, &format!("/{name}")).unwrap_or_default();
    let (amount, currency) = (field("balance"), field("currency"));
    let balance = Currency::parse(&currency)
        .and_then(|currency| signed_money(&amount, currency))
        .ok_or_else(|| format!("{amount:?} {currency:?} is no balance"))?;
    let provider = Some(field("provider")).filter(|provider| !provider.is_empty());
    Ok(WalletBalance { country: field("country"), provider, balance })
}

/// Like the amount of a payment, and also zero or less.
fn signed_money(text: &str, currency: Currency) -> Option<Money> {
    let (sign, size) = text.trim().strip_prefix('-').map_or((1, text), |size| (-1, size));
    let decimal = Decimal::parse(size).filter(|_| !size.starts_with('-'))?;
    match decimal.to_money(currency) {
        Ok(money) => Some(Money::new(money.minor.checked_mul(sign)?, currency)),
        Err(AmountFault::NotPositive) => Some(Money::new(0, currency)),
        Err(AmountFault::TooManyDecimals { .. } | AmountFault::TooLarge) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wallets_of_countries_and_of_operators() {
        let body = r#"{"balances":[
            {"country":"RWA","balance":"21798.00","currency":"RWF","provider":""},
            {"country":"ZMB","balance":"0","currency":"ZMW","provider":"MTN_MOMO_ZMB"},
            {"country":"ZMB","balance":"-12.5","currency":"ZMW"}]}"#;
        let wallet = |country: &str, provider: Option<&str>, minor, code: &str| WalletBalance {
            country: country.to_owned(),
            provider: provider.map(str::to_owned),
            balance: Money::new(minor, Currency::parse(code).unwrap()),
        };
        assert_eq!(
            read_wallet_balances(body.as_bytes()),
            Ok(vec![
                wallet("RWA", None, 21_798, "RWF"),
                wallet("ZMB", Some("MTN_MOMO_ZMB"), 0, "ZMW"),
                wallet("ZMB", None, -1_250, "ZMW"),
            ])
        );
        assert_eq!(read_wallet_balances(br#"{"balances":[]}"#), Ok(vec![]));
    }

    #[test]
    fn what_cannot_be_read_is_no_balance() {
        for (body, reason) in [
            ("", "no JSON"),
            ("{}", "it has no list of balances"),
            (r#"{"balances":{}}"#, "it has no list of balances"),
            (r#"{"balances":[{}]}"#, r#""" "" is no balance"#),
            (
                r#"{"balances":[{"balance":"1.5","currency":"RWF"}]}"#,
                r#""1.5" "RWF" is no balance"#,
            ),
            (
                r#"{"balances":[{"balance":"--1","currency":"RWF"}]}"#,
                r#""--1" "RWF" is no balance"#,
            ),
            (r#"{"balances":[{"balance":"1","currency":"XXX"}]}"#, r#""1" "XXX" is no balance"#),
        ] {
            assert!(
                read_wallet_balances(body.as_bytes()).unwrap_err().starts_with(reason),
                "{body}"
            );
        }
    }
}
