//! What holds on every page for payers, whatever its state.

use std::collections::BTreeSet;

use scraper::{ElementRef, Html};

use super::Reply;
use super::payer::{selector, words_of};

/// The most bytes of a page: as it is, and compressed.
pub(crate) const PAGE_MAX: usize = 30 * 1024;
pub(crate) const PAGE_COMPRESSED_MAX: usize = 14 * 1024;
pub(crate) const SCRIPT_MAX: usize = 3 * 1024;

/// Fails unless an answer is a page with the headers, the size and the form of all pages.
#[track_caller]
pub(crate) fn assert_page(path: &str, reply: &Reply) {
    let Some(source) = reply.body.as_str() else {
        panic!("{path} is answered {} with no page: {}", reply.status, reply.body)
    };
    let header = |name: &str| reply.header(name).unwrap_or_default();
    assert_eq!(header("content-type"), "text/html; charset=utf-8", "{path}: {source}");
    assert_eq!(
        [header("cache-control"), header("x-robots-tag"), header("x-content-type-options")],
        ["no-store", "noindex", "nosniff"],
        "{path}"
    );
    assert_eq!(header("referrer-policy"), "same-origin", "{path}");
    assert_policy(path, header("content-security-policy"));
    assert!(reply.size <= PAGE_MAX, "{path} has {} bytes", reply.size);
    let html = Html::parse_document(source);
    assert_document(path, &html);
    assert_resources(path, &html);
    assert_forms(path, &html);
}

/// The content security policy: nothing but the server's own files, in nobody's frame.
#[track_caller]
fn assert_policy(path: &str, policy: &str) {
    let directives: Vec<(&str, Vec<&str>)> = policy
        .split(';')
        .filter_map(|part| part.trim().split_once(' '))
        .map(|(name, sources)| (name, sources.split(' ').collect()))
        .collect();
    let of = |name: &str| {
        let found = directives.iter().find(|(known, _)| *known == name);
        found.map(|(_, sources)| sources.clone()).unwrap_or_default()
    };
    for (name, expected) in [
        ("default-src", "'none'"),
        ("style-src", "'self'"),
        ("script-src", "'self'"),
        ("frame-ancestors", "'none'"),
        ("base-uri", "'none'"),
    ] {
        assert_eq!(of(name), [expected], "{path}: {name} of {policy}");
    }
    assert!(of("form-action").contains(&"'self'"), "{path}: {policy}");
    for (name, sources) in &directives {
        assert!(
            !sources.iter().any(|source| source.contains("unsafe") || *source == "*"),
            "{path}: {name} of {policy}"
        );
    }
}

#[track_caller]
fn assert_document(path: &str, html: &Html) {
    let count = |css: &str| html.select(&selector(css)).count();
    let lang = html.root_element().attr("lang").unwrap_or_default();
    assert!(!lang.is_empty(), "{path}: no language");
    let title =
        html.select(&selector("title")).next().map(|title| title.text().collect::<String>());
    assert!(title.is_some_and(|title| !title.trim().is_empty()), "{path}: no title");
    assert_eq!(count("h1"), 1, "{path}: headings of the first level");
    assert_eq!(count("main"), 1, "{path}: the main part");
    assert_eq!(count("meta[name=viewport]"), 1, "{path}: the width of phones");
    assert_eq!(count("meta[http-equiv=refresh]"), 0, "{path}: a refresh that nobody can stop");
    let mut ids = BTreeSet::new();
    for element in html.select(&selector("[id]")) {
        let id = element.attr("id").unwrap_or_default();
        assert!(ids.insert(id.to_owned()), "{path}: {id} is there twice");
    }
    for (css, attribute) in [
        ("[for]", "for"),
        ("[aria-describedby]", "aria-describedby"),
        ("[aria-labelledby]", "aria-labelledby"),
        ("[aria-errormessage]", "aria-errormessage"),
    ] {
        for element in html.select(&selector(css)) {
            for id in element.attr(attribute).unwrap_or_default().split_whitespace() {
                assert!(ids.contains(id), "{path}: {attribute} {id} leads nowhere");
            }
        }
    }
}

/// No style, script or picture of another host or in the page itself, and no handler.
#[track_caller]
fn assert_resources(path: &str, html: &Html) {
    for element in html.select(&selector("*")) {
        let name = element.value().name();
        assert!(
            !matches!(name, "style" | "iframe" | "object" | "embed" | "base" | "video" | "audio"),
            "{path}: {}",
            element.html()
        );
        for (attribute, value) in element.value().attrs() {
            assert!(
                attribute != "style" && !attribute.starts_with("on"),
                "{path}: {attribute} of {}",
                element.html()
            );
            let loads = matches!(
                (name, attribute),
                ("link", "href") | ("script" | "img" | "source" | "input", "src" | "srcset")
            );
            if loads {
                let own = value.starts_with("/assets/") || value.starts_with("data:image/svg+xml");
                assert!(own || is_picture_of_ours(value), "{path}: loads {value}");
            }
            if attribute == "href" || attribute == "action" || attribute == "formaction" {
                let scheme = value.split(':').next().unwrap_or_default().to_ascii_lowercase();
                let leads = !value.contains(':')
                    || ["http", "https", "tel", "mailto"].contains(&scheme.as_str());
                assert!(leads, "{path}: {attribute} {value}");
            }
        }
        if name == "script" {
            assert!(element.attr("src").is_some(), "{path}: {}", element.html());
        }
    }
}

/// A picture that the server makes for one page, such as its QR code.
fn is_picture_of_ours(value: &str) -> bool {
    value.starts_with('/') && !value.starts_with("//")
}

/// Each form goes to a page of ours, has a button, and each of its fields has a label.
#[track_caller]
fn assert_forms(path: &str, html: &Html) {
    for form in html.select(&selector("form")) {
        let action = form.attr("action").unwrap_or_default();
        assert!(!action.contains("//"), "{path}: a form to {action}");
        assert!(form.select(&selector("button")).next().is_some(), "{path}: {}", form.html());
        for button in form.select(&selector("button")) {
            assert!(
                !words_of(button).is_empty(),
                "{path}: a button without words: {}",
                button.html()
            );
        }
        for field in form.select(&selector("input:not([type=hidden]), select, textarea")) {
            assert!(is_labelled(html, field), "{path}: no label: {}", field.html());
        }
    }
}

fn is_labelled(html: &Html, field: ElementRef<'_>) -> bool {
    let around = field
        .ancestors()
        .filter_map(ElementRef::wrap)
        .any(|element| element.value().name() == "label" && !words_of(element).is_empty());
    let beside = field.attr("id").is_some_and(|id| {
        let labels = selector("label");
        html.select(&labels)
            .any(|label| label.attr("for") == Some(id) && !words_of(label).is_empty())
    });
    around
        || beside
        || field.attr("aria-label").is_some()
        || field.attr("aria-labelledby").is_some()
}
