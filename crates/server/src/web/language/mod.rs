//! The languages of pages, and which one a visitor reads.

mod en;
mod fr;
mod rw;
pub mod texts;

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};

use crate::app::App;
use crate::web::page::cookies;
use texts::Texts;

/// The name of the cookie that keeps a visitor's choice.
pub const COOKIE_NAME: &str = "lang";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    English,
    French,
    Kinyarwanda,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::English, Self::French, Self::Kinyarwanda];

    /// The two letters of ISO 639-1.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
            Self::Kinyarwanda => "rw",
        }
    }

    /// The language's name in itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::French => "Français",
            Self::Kinyarwanda => "Ikinyarwanda",
        }
    }

    #[must_use]
    pub const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &en::TEXTS,
            Self::French => &fr::TEXTS,
            Self::Kinyarwanda => &rw::TEXTS,
        }
    }

    /// The language of a code. Of a code with a region, like `fr-CA`, the language counts.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let language = code.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|known| known.code().eq_ignore_ascii_case(language))
    }
}

/// The languages that pages are offered in, in the order of the setting `--page-languages`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageLanguages([Option<Language>; Language::ALL.len()]);

impl Default for PageLanguages {
    fn default() -> Self {
        Self([Some(Language::English), Some(Language::French), None])
    }
}

impl FromStr for PageLanguages {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut list = Self([None; Language::ALL.len()]);
        for code in text.split(',').map(str::trim) {
            let known = Language::ALL.into_iter().find(|language| language.code() == code);
            let language = known.filter(|language| !list.has(*language));
            let place = list.0.iter_mut().find(|place| place.is_none());
            match (language, place) {
                (Some(language), Some(place)) => *place = Some(language),
                _ => return Err("en, fr and rw, each at most once and separated by commas"),
            }
        }
        Ok(list)
    }
}

impl PageLanguages {
    pub fn list(self) -> impl Iterator<Item = Language> {
        self.0.into_iter().flatten()
    }

    fn has(self, language: Language) -> bool {
        self.list().any(|offered| offered == language)
    }

    fn parse(self, code: &str) -> Option<Language> {
        Language::parse(code).filter(|language| self.has(*language))
    }

    /// English, or the first that is offered.
    fn usual(self) -> Language {
        let first = self.list().next().unwrap_or(Language::English);
        if self.has(Language::English) { Language::English } else { first }
    }
}

/// Who looks at a page: in which language, and where the links to the other languages lead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Visitor {
    pub language: Language,
    /// Whether the visitor has just chosen the language, so that it is kept in a cookie.
    pub chose_language: bool,
    pub offered: PageLanguages,
    /// The query of the page without the choice of a language.
    query: String,
}

impl Visitor {
    /// By the query's `lang`, then the cookie, then what the browser prefers, then English.
    #[must_use]
    pub fn new(uri: &Uri, headers: &HeaderMap, offered: PageLanguages) -> Self {
        let pairs = || uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let chosen = pairs()
            .filter_map(|pair| pair.strip_prefix("lang="))
            .find_map(|code| offered.parse(code));
        let language = chosen
            .or_else(|| kept(headers, offered))
            .or_else(|| preferred(headers, offered))
            .unwrap_or_else(|| offered.usual());
        let other_pairs: Vec<&str> = pairs().filter(|pair| !pair.starts_with("lang=")).collect();
        Self { language, chose_language: chosen.is_some(), offered, query: other_pairs.join("&") }
    }

    /// The same visitor at a page that is there in English only.
    #[must_use]
    pub fn in_english(self) -> Self {
        let offered = PageLanguages([Some(Language::English), None, None]);
        Self { language: Language::English, chose_language: false, offered, ..self }
    }

    /// The other languages, each with a link to this page in it.
    #[must_use]
    pub fn switches(&self) -> Vec<(Language, String)> {
        let before = if self.query.is_empty() { String::new() } else { format!("{}&", self.query) };
        let others = self.offered.list().filter(|language| *language != self.language);
        others.map(|language| (language, format!("?{before}lang={}", language.code()))).collect()
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self::new(&parts.uri, &parts.headers, app.config.page_languages))
    }
}

/// The language of the visitor's cookie.
fn kept(headers: &HeaderMap, offered: PageLanguages) -> Option<Language> {
    cookies(headers, COOKIE_NAME).find_map(|code| offered.parse(code))
}

/// The offered language that the browser prefers, by the weights of RFC 9110; of equal ones the
/// first.
fn preferred(headers: &HeaderMap, offered: PageLanguages) -> Option<Language> {
    let mut best: Option<(u32, Language)> = None;
    let fields = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|field| field.to_str().ok());
    for range in fields.flat_map(|field| field.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let Some(language) = parts.next().and_then(|code| offered.parse(code)) else { continue };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1_000, weight);
        if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// A weight between 0 and 1 in thousandths; 0 for what is none.
fn weight(text: &str) -> u32 {
    let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let thousandths = format!("{decimals:0<3}");
    match (whole, thousandths.parse::<u32>()) {
        ("0", Ok(weight)) if thousandths.len() == 3 => weight,
        ("1", Ok(0)) => 1_000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use axum::http::header::COOKIE;

    use super::*;

    fn visitor(uri: &str, cookie: &str, accept: &str, offered: &str) -> Visitor {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(cookie).unwrap());
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_str(accept).unwrap());
        Visitor::new(&uri.parse().unwrap(), &headers, offered.parse().unwrap())
    }

    #[test]
    fn a_visitor_reads_what_was_chosen_or_kept_or_is_preferred() {
        for (uri, cookie, accept, offered, expected) in [
            ("/pay/x", "", "", "en,fr", "en"),
            ("/pay/x", "", "fr-FR,fr;q=0.9,en;q=0.8", "en,fr", "fr"),
            ("/pay/x", "", "de, en;q=0.5, fr;q=0.7", "en,fr", "fr"),
            ("/pay/x", "", "fr;q=0, en;q=0.001", "en,fr", "en"),
            ("/pay/x", "", "fr;q=2, rw;q=x", "en,fr,rw", "en"),
            ("/pay/x", "", "rw", "en,fr", "en"),
            ("/pay/x", "", "rw", "fr,rw", "rw"),
            ("/pay/x", "", "de", "fr,rw", "fr"),
            ("/pay/x", "a=b; lang=fr", "en", "en,fr", "fr"),
            ("/pay/x", "lang=xx", "fr", "en,fr", "fr"),
            ("/pay/x?lang=fr", "lang=en", "en", "en,fr", "fr"),
            ("/pay/x?lang=rw", "lang=fr", "en", "en,fr", "fr"),
            ("/pay/x?lang=&lang=FR", "", "", "en,fr", "fr"),
        ] {
            let language = visitor(uri, cookie, accept, offered).language;
            assert_eq!(language.code(), expected, "{uri} {cookie} {accept} {offered}");
        }
    }

    #[test]
    fn a_link_to_another_language_leads_to_the_same_page() {
        let visitor = visitor("/pay/x?items=2&lang=en", "", "", "en,fr,rw");
        assert!(visitor.chose_language);
        assert_eq!(
            visitor.switches(),
            [
                (Language::French, "?items=2&lang=fr".to_owned()),
                (Language::Kinyarwanda, "?items=2&lang=rw".to_owned())
            ]
        );
    }

    #[test]
    fn the_setting_names_each_language_at_most_once() {
        assert_eq!("en,fr".parse(), Ok(PageLanguages::default()));
        let list: Vec<_> = "rw, en".parse::<PageLanguages>().unwrap().list().collect();
        assert_eq!(list, [Language::Kinyarwanda, Language::English]);
        for text in ["", "en,", "en,en", "de", "EN", "en,fr,rw,en"] {
            assert!(text.parse::<PageLanguages>().is_err(), "{text}");
        }
    }
}
