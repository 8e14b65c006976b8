//! What a page says: its text without markup.

use scraper::{Html, Selector};

/// The visible text of a page, with single spaces.
#[track_caller]
pub(crate) fn words(page: &str) -> String {
    let document = Html::parse_document(page);
    let body = Selector::parse("body").expect("a selector");
    let text = document.select(&body).flat_map(|body| body.text()).collect::<Vec<_>>().join(" ");
    // Punctuation after an element stands at its end.
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".")
}
