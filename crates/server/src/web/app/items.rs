//! The rows of a form in which items are typed: what each is, how many, and the price of one.

use domain::kernel::currency::Currency;
use domain::kernel::money::Money;
use domain::sales::edit_items::NewItem;

use crate::api::search::typed_amount;
use crate::web::app::frame::Fault;
use crate::web::app::payment_words;
use crate::web::app::typed::{NameField, too_large};
use crate::web::form::Form;
use crate::web::language::texts::Html;

/// How many rows a form has at first, and how many more it gets at a time.
const ROWS: usize = 3;
/// How much of a field is shown again.
const TYPED_MAX: usize = 255;
/// The most of an item.
const QUANTITY_MAX: i64 = 1_000_000_000;

/// What was typed into the rows.
#[derive(Clone)]
pub struct Rows(Vec<Row>);

#[derive(Clone, Default)]
struct Row {
    name: String,
    qty: String,
    price: String,
}

/// A row as a template shows it.
pub struct ItemRow {
    /// From 1.
    pub number: usize,
    pub name: String,
    pub qty: String,
    pub price: String,
    pub name_note: Html,
    pub qty_note: Html,
    pub price_note: Html,
    pub name_ties: Html,
    pub qty_ties: Html,
    pub price_ties: Html,
}

impl Default for Rows {
    fn default() -> Self {
        Self(vec![Row::default(); ROWS])
    }
}

/// A price as people write it, in this currency and above zero.
pub fn price(text: &str, currency: Currency) -> Option<Money> {
    let (number, named) = typed_amount(text)?;
    let is_other = named.is_some_and(|named| named != currency);
    number.to_money(currency).ok().filter(|_| !is_other)
}

/// What is said beside a price that is none.
pub fn wrong_price(text: &str, currency: Currency) -> String {
    let example = payment_words::example(currency);
    let none = || format!("Give a price in {currency}, above zero, {example}.");
    too_large(text, currency).unwrap_or_else(none)
}

/// How many of an item; one for an empty text.
pub fn quantity(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(1);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|qty| is_number && (1..=QUANTITY_MAX).contains(qty))
}

/// What is said beside a quantity that is none.
pub const WRONG_QUANTITY: &str = "Give a whole number from 1 to 1,000,000,000.";

/// The field of this id for what an item is.
pub const fn item_field(id: &str) -> NameField<'_> {
    let wrong = "Say what it is, in at most 255 characters of one line.";
    NameField { id, max: 255, what: "What it is", wrong }
}

impl Rows {
    /// Reads the rows of a form, of which there are at most `most`.
    pub fn read(form: &Form, most: usize) -> Self {
        let text = |name: &str, number: usize| -> String {
            let value = form.field(&format!("{name}-{number}")).unwrap_or_default();
            value.chars().take(TYPED_MAX + 1).collect()
        };
        let has = |number: &usize| form.has(&format!("item-{number}"));
        let row = |number| Row {
            name: text("item", number),
            qty: text("qty", number),
            price: text("price", number),
        };
        let rows: Vec<Row> = (1..=most).take_while(has).map(row).collect();
        if rows.is_empty() { Self::default() } else { Self(rows) }
    }

    /// With more rows to type into, up to `most`.
    #[must_use]
    pub fn with_more(mut self, most: usize) -> Self {
        let length = self.0.len().saturating_add(ROWS).min(most);
        self.0.resize(length, Row::default());
        self
    }

    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The items. Rows without any text are none.
    ///
    /// # Errors
    /// The first fault of each row.
    pub fn items(&self, currency: Currency) -> Result<Vec<NewItem>, Vec<Fault>> {
        let (mut items, mut faults) = (vec![], vec![]);
        for (number, row) in (1..).zip(&self.0) {
            if row.name.is_empty() && row.qty.is_empty() && row.price.is_empty() {
                continue;
            }
            let fault = |field, sentence: &str| {
                Fault::of_field(format!("{field}-{number}"), format!("Item {number}: {sentence}"))
            };
            let read = || {
                let name = item_field("item").read(&row.name);
                let name =
                    name.map_err(|said| fault("item", said.sentence().unwrap_or_default()))?;
                let qty = quantity(&row.qty).ok_or_else(|| fault("qty", WRONG_QUANTITY))?;
                let amount = price(&row.price, currency)
                    .ok_or_else(|| fault("price", &wrong_price(&row.price, currency)))?;
                Ok(NewItem { name, currency, qty, amount })
            };
            match read() {
                Ok(item) => items.push(item),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(items) } else { Err(faults) }
    }

    /// The rows for a template.
    pub fn shown(&self, fault: &Fault) -> Vec<ItemRow> {
        let row = |(number, row): (usize, &Row)| {
            let note = |name| fault.note(&format!("{name}-{number}"));
            let ties = |name| fault.ties(&format!("{name}-{number}"), "");
            ItemRow {
                number,
                name: row.name.clone(),
                qty: row.qty.clone(),
                price: row.price.clone(),
                name_note: note("item"),
                qty_note: note("qty"),
                price_note: note("price"),
                name_ties: ties("item"),
                qty_ties: ties("qty"),
                price_ties: ties("price"),
            }
        };
        (1..).zip(&self.0).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_of_its_currency_and_above_zero() {
        let minor = |text| price(text, Currency::USD).map(|money| money.minor);
        assert_eq!(minor("19.50"), Some(1_950));
        assert_eq!(minor("1,200"), Some(120_000));
        assert_eq!(minor("USD 5"), Some(500));
        assert_eq!(minor("1,200,000.50 usd"), Some(120_000_050));
        for other in ["", "0", "0.00", "-1", "1.001", "5 LRD", "five", "1e3", "10000000000000000"] {
            assert_eq!(minor(other), None, "{other}");
        }
        for comma in ["19,50", "19,5", "1,2000", "0,001.5,0", ",5"] {
            assert_eq!(minor(comma), None, "{comma}");
        }
    }

    #[test]
    fn a_quantity_is_a_whole_number() {
        assert_eq!((quantity(""), quantity("12")), (Some(1), Some(12)));
        assert_eq!(quantity("1000000000"), Some(1_000_000_000));
        for other in ["0", "-1", "+1", "1.5", "1,000", "1000000001", "99999999999999999999", "x"] {
            assert_eq!(quantity(other), None, "{other}");
        }
    }

    #[test]
    fn rows_without_text_are_no_items() {
        let row = |name: &str, qty: &str, price: &str| Row {
            name: name.to_owned(),
            qty: qty.to_owned(),
            price: price.to_owned(),
        };
        let rows = Rows(vec![row("", "", ""), row("Rice", "", "30"), row("Oil", "2", "4.50")]);
        let items = rows.items(Currency::USD).ok().unwrap();
        let read: Vec<_> = items.iter().map(|item| (item.qty, item.amount.minor)).collect();
        assert_eq!(read, [(1, 3_000), (2, 450)]);
        for (broken, field) in [
            (row("", "2", "5"), "item-1"),
            (row("Rice", "x", "5"), "qty-1"),
            (row("Rice", "", ""), "price-1"),
            (row("a\u{202e}b", "", "5"), "item-1"),
        ] {
            let faults = Rows(vec![broken.clone(), broken]).items(Currency::USD).err().unwrap();
            let fields: Vec<_> = faults.iter().filter_map(Fault::field).collect();
            assert_eq!(fields, [field.to_owned(), field.replace("-1", "-2")]);
        }
        assert_eq!(Rows(vec![Row::default(); 4]).with_more(5).count(), 5);
    }
}
