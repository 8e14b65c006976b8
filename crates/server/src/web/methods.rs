//! What pages say of a method, by the rows of the market.

use std::sync::Arc;

use domain::kernel::names::Method;
use domain::kernel::time::ServerTime;
use domain::tariff::{Market, PhonePrefix, Tariff};

use crate::web::countries;
use crate::web::language::Language;
use crate::web::text::Zone;

/// What operators' names for their methods end with: without it they are the operators' own.
const KINDS: [&str; 2] = [" Mobile Money", " Money"];

/// The methods as the tariff has them.
#[derive(Clone, Debug)]
pub struct Methods {
    tariff: Arc<Tariff>,
    now: ServerTime,
}

impl Methods {
    #[must_use]
    pub const fn new(tariff: Arc<Tariff>, now: ServerTime) -> Self {
        Self { tariff, now }
    }

    /// A closed market says what its method is, too: payments by it keep their page and receipt.
    fn market(&self, method: Method) -> Option<&Market> {
        self.tariff.latest_market(method, self.now)
    }

    fn display_name(&self, method: Method) -> String {
        let market = self.market(method);
        market.map_or_else(|| method.to_string(), |market| market.details.display_name.clone())
    }

    /// The name of a method's network in a sentence.
    #[must_use]
    pub fn network(&self, method: Method) -> String {
        match method {
            Method::CREDIT_CARD => "Stripe".to_owned(),
            Method::WALLET => "kola".to_owned(),
            _ => {
                let name = self.display_name(method);
                let own = KINDS.iter().find_map(|kind| name.strip_suffix(kind));
                own.map(str::to_owned).unwrap_or(name)
            }
        }
    }

    /// The name of a method without its country.
    #[must_use]
    pub fn short_name(&self, method: Method, language: Language) -> String {
        match method {
            Method::CREDIT_CARD => language.texts().card.to_owned(),
            Method::WALLET => language.texts().wallet.to_owned(),
            _ => self.display_name(method),
        }
    }

    /// The full name of a method, such as `MTN Mobile Money, Liberia`.
    #[must_use]
    pub fn name(&self, method: Method, language: Language) -> String {
        let name = self.short_name(method, language);
        match self.country(method, language) {
            Some(country) => format!("{name}, {country}"),
            None => name,
        }
    }

    /// The country of a method of mobile money.
    #[must_use]
    pub fn country(&self, method: Method, language: Language) -> Option<&str> {
        let market = self.market(method).filter(|_| method.is_mobile_money());
        market.map(|market| countries::name(&market.country, language))
    }

    /// The zone of the method's country; UTC for one that belongs to none.
    #[must_use]
    pub fn zone(&self, method: Method) -> Zone {
        let market = self.market(method).filter(|_| method.is_mobile_money());
        market.map_or(Zone::Utc, |market| countries::zone(&market.country))
    }

    /// A number as customers of the method write theirs: of its own prefixes, or else of others in
    /// its country. Where none is known, what numbers there begin with.
    #[must_use]
    pub fn phone_example(&self, method: Method) -> String {
        let Some(market) = self.market(method).filter(|_| method.is_mobile_money()) else {
            return String::new();
        };
        let start = market.number_start().unwrap_or_default();
        let known = self.tariff.phone_prefixes.iter().filter(|row| row.effective.at(self.now));
        // The longest numbers are the newest, and the shortest prefix has most of them.
        let usual = |row: &&PhonePrefix| (std::cmp::Reverse(row.digits), row.prefix.len());
        let own = known.clone().filter(|row| row.method == method).min_by_key(usual);
        let row =
            own.or_else(|| known.filter(|row| row.country == market.country).min_by_key(usual));
        match row.and_then(|row| national(row, start)) {
            Some(digits) => grouped(&digits),
            None => format!("+{start} …"),
        }
    }
}

/// A number of a prefix, as it is dialled in its country: a zero, and no calling code.
fn national(row: &PhonePrefix, start: &str) -> Option<String> {
    let digits = usize::try_from(row.digits).ok()?.checked_sub(1)?;
    let number = format!("{:0<digits$}1", row.prefix);
    number.strip_prefix(start).map(|national| format!("0{national}"))
}

/// `0880000001` as `088 000 0001`.
fn grouped(digits: &str) -> String {
    match (digits.get(..3), digits.get(3..6), digits.get(6..)) {
        (Some(first), Some(second), Some(rest)) => format!("{first} {second} {rest}"),
        _ => digits.to_owned(),
    }
}

#[cfg(test)]
pub mod samples {
    //! The methods of the shipped market.

    use super::*;
    use store::schema::market::MarketFile;
    use store::schema::tariff::first_tariff;

    pub fn methods() -> Methods {
        let mut ids = 0..;
        let file = MarketFile::shipped().unwrap();
        let tariff = first_tariff(&file, &mut || ids.next().unwrap(), ServerTime(0)).unwrap();
        Methods::new(Arc::new(tariff), ServerTime(1))
    }
}

#[cfg(test)]
mod tests {
    use super::samples::methods;
    use super::*;
    use domain::tariff::MethodDetails;

    const EN: Language = Language::English;

    #[test]
    fn a_method_is_named_by_its_market() {
        let methods = methods();
        let names = |method| [methods.name(method, EN), methods.network(method)];
        assert_eq!(names(Method::MTN_MOMO_LBR), ["MTN Mobile Money, Liberia", "MTN"]);
        assert_eq!(names(Method::ORANGE_MONEY_RWA), ["Orange Money, Rwanda", "Orange"]);
        assert_eq!(names(Method::CREDIT_CARD), ["Card", "Stripe"]);
        assert_eq!(methods.short_name(Method::AIRTEL_RWA, Language::French), "Airtel Money");
        assert_eq!(methods.zone(Method::MTN_MOMO_LBR), Zone::Gmt);
        assert_eq!(
            [methods.zone(Method::AIRTEL_RWA), methods.zone(Method::WALLET)],
            [Zone::Cat, Zone::Utc]
        );
    }

    #[test]
    fn an_example_of_a_number_comes_from_the_prefixes() {
        let methods = methods();
        let example = |method| methods.phone_example(method);
        assert_eq!(example(Method::MTN_MOMO_LBR), "088 000 0001");
        assert_eq!(example(Method::ORANGE_MONEY_LBR), "077 000 0001");
        assert_eq!(example(Method::AIRTEL_RWA), "073 000 0001");
        assert_eq!(example(Method::MTN_MOMO_RWA), "078 000 0001");
        assert_eq!(example(Method::ORANGE_MONEY_RWA), "078 000 0001", "another's in its country");
        assert_eq!(example(Method::CREDIT_CARD), "");
    }

    #[test]
    fn an_opened_method_is_shown_as_its_row_says() {
        let Methods { tariff, now } = methods();
        let method = Method::parse("MPESA_KEN").unwrap();
        let mut tariff = Tariff::clone(&tariff);
        let market = Market {
            method,
            country: "KE".to_owned(),
            dial_prefix: None,
            details: MethodDetails {
                network_code: "MPESA_KEN".to_owned(),
                display_name: "M-Pesa".to_owned(),
            },
            ..tariff.markets[0].clone()
        };
        tariff.markets.push(market);
        let methods = Methods::new(Arc::new(tariff), now);
        assert_eq!(methods.name(method, EN), "M-Pesa, Kenya");
        assert_eq!(methods.network(method), "M-Pesa");
        assert_eq!(methods.phone_example(method), "+254 …");
        let none = Method::parse("NOT_THERE").unwrap();
        assert_eq!((methods.name(none, EN), methods.zone(none)), (none.to_string(), Zone::Utc));
    }
}
