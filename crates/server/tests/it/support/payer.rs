//! A payer with a browser that runs no scripts: opens links, fills forms and sends them as browsers
//! do, and reads what is visible. Each page that comes is checked for what holds on all pages.

use std::collections::BTreeMap;

use scraper::{ElementRef, Html, Node, Selector};

use super::page_rules::assert_page;
use super::{Api, Reply, Server, wait_for};

/// What a payer does with a page, with or without scripts.
pub(crate) trait Browser {
    /// Opens a link as it was sent: with its host, or only its path.
    fn open(&mut self, link: &str);
    fn reload(&mut self);
    /// The visible text, with single spaces.
    fn text(&mut self) -> String;
    fn has_field(&mut self, name: &str) -> bool;
    /// Writes into the field of this name.
    fn fill(&mut self, name: &str, text: &str);
    /// Presses the first button of the first form that is sent by POST.
    fn go_on(&mut self);
    /// Selects the choice with this name and value and goes on, or presses the button that has them.
    fn choose(&mut self, name: &str, value: &str);
    /// Whether there is such a choice or button.
    fn offers(&mut self, name: &str, value: &str) -> bool;
    /// Follows the link with these words.
    fn follow(&mut self, words: &str);
}

/// Fails unless the page says all of this.
#[track_caller]
pub(crate) fn shows(browser: &mut (impl Browser + ?Sized), parts: &[&str]) {
    let text = browser.text();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

/// Fails if the page says any of this.
#[track_caller]
pub(crate) fn hides(browser: &mut (impl Browser + ?Sized), parts: &[&str]) {
    let text = browser.text();
    for part in parts {
        assert!(!text.contains(part), "{part:?} in: {text}");
    }
}

/// Loads the page again until it says this.
#[track_caller]
pub(crate) fn until(browser: &mut (impl Browser + ?Sized), part: &str) {
    let mut last = String::new();
    wait_for(part, || {
        last = browser.text();
        if last.contains(part) {
            return Some(());
        }
        browser.reload();
        None
    });
}

/// From a link to the page that shows what will be asked for.
#[track_caller]
pub(crate) fn review(browser: &mut (impl Browser + ?Sized), link: &str, method: &str, phone: &str) {
    browser.open(link);
    browser.choose("method", method);
    if !method.starts_with("CREDIT_CARD") {
        enter(browser, phone);
    }
}

/// Gives this number. Where it looks like another network's and is asked for again, goes on all the
/// same.
#[track_caller]
pub(crate) fn enter(browser: &mut (impl Browser + ?Sized), phone: &str) {
    browser.fill("phone", phone);
    browser.go_on();
    if browser.has_field("phone") && browser.text().contains("looks like") {
        browser.go_on();
    }
}

/// From a link to what follows the payer's last button.
#[track_caller]
pub(crate) fn pay(browser: &mut (impl Browser + ?Sized), link: &str, method: &str, phone: &str) {
    review(browser, link, method, phone);
    browser.go_on();
}

/// The field of a form in which somebody writes.
pub(crate) fn field(name: &str) -> String {
    format!("form [name=\"{name}\"]:not([type=hidden])")
}

/// The payer, and the page that is open.
#[derive(Clone)]
pub(crate) struct Payer {
    api: Api,
    /// Headers of each request, besides those that depend on the page.
    pub(crate) headers: Vec<(String, String)>,
    cookies: BTreeMap<String, String>,
    path: String,
    page: Option<Reply>,
    typed: BTreeMap<String, String>,
}

/// A form as it would be sent.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) post: bool,
    pub(crate) fields: Vec<(String, String)>,
}

/// The button by which a form is sent.
#[derive(Clone, Copy)]
struct Button {
    is_first: bool,
    /// Whether its name and value are the last field of the form.
    is_named: bool,
}

const BODY: &str = "application/x-www-form-urlencoded";

impl Payer {
    pub(crate) fn new(server: &Server) -> Self {
        Self {
            api: server.api.with_token(None),
            headers: vec![("Accept-Language".to_owned(), "en-GB,en;q=0.8".to_owned())],
            cookies: BTreeMap::new(),
            path: String::new(),
            page: None,
            typed: BTreeMap::new(),
        }
    }

    /// A payer who has this link open.
    #[track_caller]
    pub(crate) fn at(server: &Server, link: &str) -> Self {
        let mut payer = Self::new(server);
        payer.open(link);
        payer
    }

    /// The same payer as a client of another process.
    pub(crate) fn moved_to(&self, server: &Server) -> Self {
        Self { api: server.api.with_token(None), ..self.clone() }
    }

    /// The same payer with this header in each request.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The path of a link to this server.
    pub(crate) fn path_of(&self, link: &str) -> String {
        let path = link
            .strip_prefix("http://")
            .or_else(|| link.strip_prefix("https://"))
            .map(|rest| rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/"));
        path.unwrap_or(link).to_owned()
    }

    /// The path of the page that is open.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    #[track_caller]
    pub(crate) fn page(&self) -> &Reply {
        self.page.as_ref().expect("an open page")
    }

    #[track_caller]
    pub(crate) fn status(&self) -> u16 {
        self.page().status
    }

    #[track_caller]
    pub(crate) fn source(&self) -> &str {
        self.page().body.as_str().expect("a page")
    }

    /// The page as a browser without scripts reads it: with what stands in `noscript`.
    #[track_caller]
    pub(crate) fn html(&self) -> Html {
        Html::parse_document(&without_noscript(self.source()))
    }

    /// Sends a request without opening its answer.
    #[track_caller]
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        extra: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers: Vec<(&str, &str)> = vec![("Accept", "text/html,application/xhtml+xml")];
        headers.extend(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        for (name, value) in extra {
            headers.retain(|(known, _)| known != name);
            headers.push((name, value));
        }
        self.api
            .exchange(method, path, &headers, body.as_bytes())
            .unwrap_or_else(|error| panic!("{method} {path}: no answer: {error}"))
    }

    /// Sends a form as this browser would, without opening the answer: for forms that are sent at
    /// once, twice or late.
    #[track_caller]
    pub(crate) fn answer_to(&self, form: &Form) -> Reply {
        let origin = format!("http://{}", self.api.address);
        let own = [
            ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
            ("Sec-Fetch-User", "?1"),
            ("Origin", &origin),
            ("Content-Type", BODY),
        ];
        if form.post {
            self.send("POST", &form.action, &own, &form.body())
        } else {
            self.send("GET", &format!("{}?{}", form.action, form.body()), &own[..4], "")
        }
    }

    /// Sends a form and opens the answer.
    #[track_caller]
    pub(crate) fn submit(&mut self, form: &Form) {
        let reply = self.answer_to(form);
        if form.post {
            self.shown(&form.action.clone(), reply)
        } else {
            self.shown(&format!("{}?{}", form.action, form.body()), reply)
        }
    }

    #[track_caller]
    fn get(&mut self, path: &str, site: &str) {
        let path = path.split('#').next().unwrap_or_default().to_owned();
        let reply = self.send("GET", &path, &[("Sec-Fetch-Site", site)], "");
        self.shown(&path, reply);
    }

    /// Opens an answer: keeps its cookies, and follows where it leads.
    #[track_caller]
    fn shown(&mut self, path: &str, reply: Reply) {
        let (mut path, mut reply) = (path.to_owned(), reply);
        for _ in 0..5 {
            self.keep_cookies(&reply);
            let Some(location) = reply.header("location") else { break };
            assert!(matches!(reply.status, 301 | 302 | 303 | 307 | 308), "{reply:?}");
            let own = format!("http://{}", self.api.address);
            assert!(
                location.starts_with('/') || location.starts_with(&own),
                "{path} leads away, to {location}"
            );
            path = self.path_of(location);
            reply = self.send("GET", &path, &[("Sec-Fetch-Site", "same-origin")], "");
        }
        assert_eq!(reply.header("location"), None, "too many redirects: {path}");
        assert_page(&path, &reply);
        self.path = path;
        self.page = Some(reply);
        self.typed.clear();
    }

    fn keep_cookies(&mut self, reply: &Reply) {
        for cookie in reply.all("set-cookie") {
            let mut parts = cookie.split(';').map(str::trim);
            let (name, value) =
                parts.next().and_then(|pair| pair.split_once('=')).unwrap_or_default();
            if parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The first form that is sent by POST, with its first button.
    #[track_caller]
    pub(crate) fn form(&self) -> Form {
        self.find_form(|form, button| form.post && button.is_none_or(|button| button.is_first))
            .unwrap_or_else(|| panic!("nothing goes forward: {}", visible(&self.html())))
    }

    /// The forms that this page could send: each with each of its buttons.
    pub(crate) fn forms(&self) -> Vec<Form> {
        let mut all = vec![];
        let _none = self.find_form(|form, _| {
            all.push(form.clone());
            false
        });
        all
    }

    /// Looks through all forms, each with each of its buttons; `None` where the form has none.
    fn find_form(&self, mut fits: impl FnMut(&Form, Option<Button>) -> bool) -> Option<Form> {
        let html = self.html();
        for element in html.select(&selector("form")) {
            let form = Form {
                action: element
                    .attr("action")
                    .filter(|action| !action.is_empty())
                    .map_or_else(|| self.path.clone(), |action| self.path_of(action)),
                post: element.attr("method").is_some_and(|how| how.eq_ignore_ascii_case("post")),
                fields: self.fields(element),
            };
            let buttons: Vec<_> = element
                .select(&selector("button, input[type=submit]"))
                .filter(|button| button.attr("disabled").is_none())
                .filter(|button| button.attr("type").is_none_or(|kind| kind == "submit"))
                .collect();
            if buttons.is_empty() && fits(&form, None) {
                return Some(form);
            }
            for (place, button) in buttons.iter().enumerate() {
                let mut form = form.clone();
                if let Some(action) = button.attr("formaction") {
                    form.action = self.path_of(action);
                }
                if let Some(name) = button.attr("name") {
                    form.fields.push((
                        name.to_owned(),
                        button.attr("value").unwrap_or_default().to_owned(),
                    ));
                }
                let is_named = button.attr("name").is_some();
                if fits(&form, Some(Button { is_first: place == 0, is_named })) {
                    return Some(form);
                }
            }
        }
        None
    }

    /// The fields of a form with what was typed, as a browser sends them; without its buttons.
    fn fields(&self, form: ElementRef<'_>) -> Vec<(String, String)> {
        let mut fields = vec![];
        for element in form.select(&selector("input, select, textarea")) {
            let (Some(name), None) = (element.attr("name"), element.attr("disabled")) else {
                continue;
            };
            if is_in_disabled_fieldset(element) {
                continue;
            }
            let typed = self.typed.get(name);
            let value = match (element.value().name(), element.attr("type").unwrap_or("text")) {
                ("input", "submit" | "button" | "image" | "reset" | "file") => None,
                ("input", "radio" | "checkbox") => {
                    let own = element.attr("value").unwrap_or("on");
                    let checked =
                        typed.map_or(element.attr("checked").is_some(), |chosen| chosen == own);
                    checked.then(|| own.to_owned())
                }
                ("input", "hidden") => Some(element.attr("value").unwrap_or_default().to_owned()),
                ("input", _) => Some(
                    typed
                        .map_or(element.attr("value").unwrap_or_default(), String::as_str)
                        .to_owned(),
                ),
                ("textarea", _) => {
                    Some(typed.cloned().unwrap_or_else(|| element.text().collect::<String>()))
                }
                _ => typed.cloned().or_else(|| selected(element)),
            };
            fields.extend(value.map(|value| (name.to_owned(), value)));
        }
        fields
    }
}

impl Browser for Payer {
    #[track_caller]
    fn open(&mut self, link: &str) {
        self.get(&self.path_of(link), "none");
    }

    #[track_caller]
    fn reload(&mut self) {
        self.get(&self.path.clone(), "same-origin");
    }

    #[track_caller]
    fn text(&mut self) -> String {
        visible(&self.html())
    }

    fn has_field(&mut self, name: &str) -> bool {
        self.html().select(&selector(&field(name))).next().is_some()
    }

    #[track_caller]
    fn fill(&mut self, name: &str, text: &str) {
        assert!(self.has_field(name), "no field {name}: {}", self.text());
        self.typed.insert(name.to_owned(), text.to_owned());
    }

    #[track_caller]
    fn go_on(&mut self) {
        self.submit(&self.form());
    }

    #[track_caller]
    fn choose(&mut self, name: &str, value: &str) {
        if let Some(form) = self.form_with(name, value) {
            return self.submit(&form);
        }
        assert!(self.has_choice(name, value), "no {name} {value}: {}", visible(&self.html()));
        self.typed.insert(name.to_owned(), value.to_owned());
        let form = self.form_with(name, value).expect("a form of the choice");
        self.submit(&form);
    }

    fn offers(&mut self, name: &str, value: &str) -> bool {
        self.has_choice(name, value) || self.form_with(name, value).is_some()
    }

    #[track_caller]
    fn follow(&mut self, words: &str) {
        let target = self
            .link(words)
            .unwrap_or_else(|| panic!("no link {words:?}: {}", visible(&self.html())));
        let path = match target.strip_prefix('?') {
            Some(query) => {
                format!("{}?{query}", self.path.split('?').next().unwrap_or_default())
            }
            None => self.path_of(&target),
        };
        self.get(&path, "same-origin");
    }
}

impl Payer {
    /// Where the link with these words leads.
    pub(crate) fn link(&self, words: &str) -> Option<String> {
        let html = self.html();
        let links = html.select(&selector("a[href]")).collect::<Vec<_>>();
        let found = links.iter().find(|link| words_of(**link).contains(words))?;
        found.attr("href").map(str::to_owned)
    }

    /// The form, with one of its buttons, that sends this field with this value by POST. One whose
    /// button has them comes before one that has them in any case.
    pub(crate) fn form_with(&self, name: &str, value: &str) -> Option<Form> {
        let pressed = |form: &Form, button: Option<Button>| {
            let last = form.fields.last();
            button.is_some_and(|button| button.is_named)
                && last.is_some_and(|(known, its)| known == name && its == value)
        };
        self.find_form(|form, button| form.post && pressed(form, button))
            .or_else(|| self.find_form(|form, _| form.post && form.has(name, value)))
    }

    fn has_choice(&self, name: &str, value: &str) -> bool {
        let html = self.html();
        let (radios, options) =
            (selector("form input[type=radio]"), selector("form select option"));
        let radio = html.select(&radios).any(|radio| {
            radio.attr("name") == Some(name)
                && radio.attr("value") == Some(value)
                && radio.attr("disabled").is_none()
                && !is_in_disabled_fieldset(radio)
        });
        radio
            || html.select(&options).any(|option| {
                let list = option
                    .ancestors()
                    .filter_map(ElementRef::wrap)
                    .find(|element| element.value().name() == "select");
                option.attr("value") == Some(value)
                    && option.attr("disabled").is_none()
                    && list.is_some_and(|list| list.attr("name") == Some(name))
            })
    }

    /// The elements that match a CSS selector: their visible words.
    pub(crate) fn words(&self, css: &str) -> Vec<String> {
        self.html().select(&selector(css)).map(words_of).collect()
    }

    /// An attribute of the first element that matches a CSS selector.
    pub(crate) fn attribute(&self, css: &str, name: &str) -> Option<String> {
        let html = self.html();
        let found = html.select(&selector(css)).next()?;
        found.attr(name).map(str::to_owned)
    }
}

impl Form {
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.fields.iter().any(|(known, its)| known == name && its == value)
    }

    /// The value of the first field of this name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The same form with another value in this field.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut form = self.without(name);
        form.fields.push((name.to_owned(), value.to_owned()));
        form
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        let mut form = self.clone();
        form.fields.retain(|(known, _)| known != name);
        form
    }

    /// The same form with this field once more.
    pub(crate) fn and(&self, name: &str, value: &str) -> Self {
        let mut form = self.clone();
        form.fields.push((name.to_owned(), value.to_owned()));
        form
    }

    /// The body of a form, as the URL standard encodes it.
    pub(crate) fn body(&self) -> String {
        let pair =
            |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
        self.fields.iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

fn encoded(text: &str) -> String {
    let lines = text.replace("\r\n", "\n").replace('\n', "\r\n");
    let mut out = String::new();
    for byte in lines.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                out.push(char::from(byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// The value of a list: of its selected option, or its first.
fn selected(list: ElementRef<'_>) -> Option<String> {
    let options = selector("option:not([disabled])");
    let options: Vec<_> = list.select(&options).collect();
    let chosen = options
        .iter()
        .find(|option| option.attr("selected").is_some())
        .or_else(|| options.first())?;
    Some(chosen.attr("value").map_or_else(|| words_of(*chosen), str::to_owned))
}

fn is_in_disabled_fieldset(element: ElementRef<'_>) -> bool {
    element
        .ancestors()
        .filter_map(ElementRef::wrap)
        .any(|above| above.value().name() == "fieldset" && above.attr("disabled").is_some())
}

#[track_caller]
pub(super) fn selector(css: &str) -> Selector {
    Selector::parse(css).unwrap_or_else(|error| panic!("{css}: {error:?}"))
}

/// The parser takes the inside of `noscript` for text, as a browser with scripts does.
fn without_noscript(source: &str) -> String {
    source.replace("<noscript>", "").replace("</noscript>", "")
}

/// The visible text of a page, with single spaces.
pub(super) fn visible(html: &Html) -> String {
    words_of(html.root_element())
}

/// The visible text of an element, with single spaces.
pub(super) fn words_of(element: ElementRef<'_>) -> String {
    let mut text = String::new();
    read(element, &mut text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read(element: ElementRef<'_>, text: &mut String) {
    let name = element.value().name();
    let unseen = matches!(name, "head" | "script" | "style" | "template" | "datalist")
        || element.attr("hidden").is_some();
    if unseen {
        return;
    }
    let inline = matches!(
        name,
        "a" | "abbr"
            | "b"
            | "bdi"
            | "bdo"
            | "cite"
            | "code"
            | "em"
            | "i"
            | "mark"
            | "small"
            | "span"
            | "strong"
            | "sub"
            | "sup"
            | "time"
            | "u"
            | "wbr"
    );
    if !inline {
        text.push(' ');
    }
    for child in element.children() {
        match child.value() {
            Node::Text(words) => text.push_str(words),
            Node::Element(_) => {
                if let Some(inner) = ElementRef::wrap(child) {
                    read(inner, text);
                }
            }
            _ => {}
        }
    }
    if !inline {
        text.push(' ');
    }
}
