//! What a network says that an account has.

use domain::kernel::money::Money;
use domain::kernel::names::Provider;
use networks::stripe::answers::read_balance;
use networks::stripe::requests::balance;

use super::asking::{Asker, SourceFault, said};
use super::pawapay;

/// What the network keeps for an account, by currency: all wallets of a currency together at pawaPay,
/// what is available and what is pending at Stripe. In the order of the currencies' codes.
///
/// # Errors
/// [`SourceFault`]
pub async fn own_balance(asker: &Asker<'_>) -> Result<Vec<Money>, SourceFault> {
    match asker.called.account.network {
        Provider::PawaPay => {
            let wallets = pawapay::read_wallets(asker).await?;
            sums(wallets.into_iter().map(|wallet| wallet.balance))
        }
        Provider::Stripe => {
            let response = asker.ask(balance()).await?;
            let balances = read_balance(&response).map_err(|it| SourceFault::Refused(said(&it)))?;
            sums(balances.into_iter().flat_map(|of| [of.available, of.pending]))
        }
        Provider::Platform => {
            Err(SourceFault::Refused("the sandbox keeps no money: it has no balance".to_owned()))
        }
    }
}

fn sums(parts: impl Iterator<Item = Money>) -> Result<Vec<Money>, SourceFault> {
    let mut sums: Vec<Money> = vec![];
    for part in parts {
        let Some(sum) = sums.iter_mut().find(|sum| sum.currency == part.currency) else {
            sums.push(part);
            continue;
        };
        *sum = sum.checked_add(part).ok_or_else(|| {
            let code = part.currency.code();
            SourceFault::Incomplete(format!("the balances in {code} are larger than any amount"))
        })?;
    }
    sums.sort_by(|a, b| a.currency.code().cmp(b.currency.code()));
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use domain::kernel::currency::Currency;

    use super::*;

    #[test]
    fn what_is_in_one_currency_is_one_balance() {
        let money = |minor, code| Money::new(minor, Currency::parse(code).unwrap());
        let parts = [money(5, "USD"), money(-7, "RWF"), money(-2, "USD"), money(0, "LRD")];
        assert_eq!(
            sums(parts.into_iter()),
            Ok(vec![money(0, "LRD"), money(-7, "RWF"), money(3, "USD")])
        );
        assert!(sums([money(i64::MAX, "USD"), money(1, "USD")].into_iter()).is_err());
    }
}
