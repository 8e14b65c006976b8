//! What stands around the pages of `/app`, and what is answered when something is refused.

use std::sync::LazyLock;

use askama::Template;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::kernel::refusal::{Refusal, Subject};
use domain::kernel::time::ServerTime;

use crate::api::error::ApiError;
use crate::api::refusals;
use crate::engine::Failure;
use crate::web::app::filter::plain;
use crate::web::app::navigation::{self, Screen, ScreenLink};
use crate::web::app::person::AtMerchant;
use crate::web::assets;
use crate::web::language::Visitor;
use crate::web::language::texts::Html;
use crate::web::page::{self, Frame};
use crate::web::text::escape;

/// Where somebody logs in.
pub const LOGIN: &str = "/app/login";
pub const SECOND_FACTOR: &str = "/app/second-factor";
pub const PROFILE: &str = "/app/profile";
pub const INSTALLATION: &str = "/app/installation";

/// What stands around the content of a page.
pub struct AppFrame {
    pub frame: Frame,
    /// The name of who has logged in.
    pub name: Option<String>,
    /// What every form of the page carries.
    pub form_token: String,
    /// Where the page is opened again. It may be the answer to a form, whose address opens nothing.
    pub path: Option<String>,
    /// The merchant of the page, with its screens.
    pub merchant: Option<OfMerchant>,
}

/// The merchant that a page is about.
pub struct OfMerchant {
    pub name: String,
    pub screens: Vec<ScreenLink>,
}

impl AppFrame {
    /// The frame of a page for who has not logged in. These pages are in English only.
    pub fn for_visitor(visitor: Visitor, title: &str) -> Self {
        let title = format!("{title} – kola");
        Self {
            frame: Frame::new(visitor.in_english(), title),
            name: None,
            form_token: String::new(),
            path: None,
            merchant: None,
        }
    }

    /// The frame of a page of a merchant: one of its screens, or a page below one.
    #[must_use]
    pub fn of(self, at: &AtMerchant<'_>, current: Screen) -> Self {
        let screens = navigation::links(at.merchant.id.0, at.rights.role, Some(current));
        Self { merchant: Some(OfMerchant { name: at.merchant.name.clone(), screens }), ..self }
    }

    /// The script that shows times in the zone of who looks.
    #[expect(clippy::unused_self, reason = "templates have no paths")]
    pub fn local_times(&self) -> &'static str {
        assets::LOCAL_TIMES.path()
    }

    /// The frame of a page that is opened at this path.
    #[must_use]
    pub fn at(self, path: &str) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }
}

/// Why a form was refused, as its page says it: above everything, and again beside the field that it
/// is about. The default is a form that was not refused.
#[derive(Clone, Default)]
pub struct Fault {
    sentence: Option<String>,
    /// The id of the field.
    field: Option<String>,
    /// What else is wrong: the id of each field, and what is said there.
    others: Vec<(String, String)>,
    /// Where the sentence leads to: a path, and the words of the link.
    leads_to: Option<(String, &'static str)>,
}

impl Fault {
    /// A fault of no single field.
    pub fn of_page(sentence: impl Into<String>) -> Self {
        Self { sentence: Some(sentence.into()), ..Self::default() }
    }

    pub fn of_field(id: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self { sentence: Some(sentence.into()), field: Some(id.into()), ..Self::default() }
    }

    /// The fault of a form whose key was used before, for something else than what it says now:
    /// what that made is at this path.
    pub fn sent_before(made: String) -> Self {
        let sentence = "This form was sent before, with other values. Nothing was done now. Look at \
            what it made then; to do this as well, send the form once more.";
        Self { leads_to: Some((made, "What it made")), ..Self::of_page(sentence) }
    }

    pub fn sentence(&self) -> Option<&str> {
        self.sentence.as_deref()
    }

    /// Where the sentence leads to: a path, and the words of the link.
    pub fn leads_to(&self) -> Option<(&str, &str)> {
        self.leads_to.as_ref().map(|(path, words)| (path.as_str(), *words))
    }

    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// All of what is wrong with a form. Of a field that has several faults, the first is said.
    pub fn of_all(faults: Vec<Self>) -> Option<Self> {
        let mut faults = faults.into_iter();
        let mut all = faults.next()?;
        for Self { sentence, field, others, .. } in faults {
            all.others.extend(field.zip(sentence));
            all.others.extend(others);
        }
        Some(all)
    }

    /// What is wrong beside the first fault, with the ids of the fields.
    pub fn others(&self) -> &[(String, String)] {
        &self.others
    }

    /// What stands beside the field of this id.
    pub fn beside(&self, id: &str) -> Option<&str> {
        if self.field() == Some(id) {
            return self.sentence();
        }
        let other = self.others.iter().find(|(field, _)| field == id);
        other.map(|(_, sentence)| sentence.as_str())
    }

    /// The paragraph beside the field of this id, on a line of its own; nothing where its form was
    /// not refused for it. The id is a template's own.
    pub fn note(&self, id: &str) -> Html {
        let paragraph =
            |sentence| format!("\n<p id=\"{id}-fault\" class=\"fault\">{}</p>", escape(sentence));
        Html(self.beside(id).map(paragraph).unwrap_or_default())
    }

    /// The status of the page that says it.
    pub fn status(&self) -> StatusCode {
        match self.sentence {
            Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
            None => StatusCode::OK,
        }
    }

    /// The attributes that tie a field to what is said about it: its hint, if it has one, and its
    /// fault. Both ids are a template's own.
    pub fn ties(&self, id: &str, hint: &str) -> Html {
        let is_wrong = self.beside(id).is_some();
        let fault = if is_wrong { format!("{id}-fault") } else { String::new() };
        let described = format!("{hint} {fault}");
        let mut html = String::new();
        if !described.trim().is_empty() {
            html = format!(" aria-describedby=\"{}\"", described.trim());
        }
        if is_wrong {
            html.push_str(" aria-invalid=\"true\"");
        }
        Html(html)
    }
}

/// Renders a page.
///
/// # Errors
/// [`ApiError`] when the template cannot be rendered.
pub fn render(
    status: StatusCode,
    frame: &AppFrame,
    page: &impl Template,
) -> Result<Response, ApiError> {
    page::render(status, &frame.frame, page, None)
}

/// Leads to another page, which is asked for by GET.
pub fn lead_to(path: &str) -> Response {
    let location = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/app"));
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

/// A path of these pages to go on to, with its filter: never another host, whatever the link says.
pub fn next_path(text: Option<&str>) -> String {
    let fits = |next: &&str| {
        let (path, query) = next.split_once('?').unwrap_or((next, ""));
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (path == "/app" || path.starts_with("/app/"))
            && path.len() <= 200
            && path.bytes().all(|byte| is_word(byte) || byte == b'/')
            && query.len() <= 1_000
            && query.bytes().all(|byte| is_word(byte) || b"=&%+.~*:".contains(&byte))
    };
    text.filter(fits).unwrap_or("/app").to_owned()
}

/// The routes below `/app`: their methods and paths.
static ROUTES: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let routes = super::routes();
    routes.list().iter().map(|route| (route.method, route.path)).collect()
});

/// Whether a page is at this path, and not only what a form is sent to.
fn opens(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let is_open = |part: &str| part.starts_with('{');
    let fits = |route: &str| {
        let (parts, asked) = (route.split('/'), path.split('/'));
        parts.clone().count() == asked.clone().count()
            && parts.zip(asked).all(|(part, asked)| is_open(part) || part == asked)
    };
    // Of several that fit, the router takes the one with the most parts of its own.
    let found = ROUTES.iter().filter(|(_, route)| fits(route));
    let open_parts = |route: &str| route.split('/').filter(|part| is_open(part)).count();
    let least = found.clone().map(|(_, route)| open_parts(route)).min();
    let mut best = found.filter(|(_, route)| Some(open_parts(route)) == least);
    best.any(|(method, _)| *method == "GET")
}

/// A path as of [`next_path`] at which a page is: nobody is led to where only a form is sent.
pub fn next_page(text: Option<&str>) -> String {
    let next = next_path(text);
    if opens(&next) { next } else { next_path(None) }
}

/// A link that goes on to a path afterwards.
pub fn with_next(path: &str, next: &str) -> String {
    if next == "/app" {
        return path.to_owned();
    }
    let (page, query) = next.split_once('?').unwrap_or((next, ""));
    if query.is_empty() {
        return format!("{path}?next={page}");
    }
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    format!("{path}?next={page}%3F{query}")
}

/// Where a code is given again that a page asks for which is opened: nothing was asked to be done.
pub fn code_to_open(path: &str) -> String {
    let form = with_next(SECOND_FACTOR, path);
    format!("{form}{}opens=1", if form.contains('?') { "&" } else { "?" })
}

/// What came of a request that was refused, in a sentence on the page that it came from, or elsewhere.
pub enum Refused {
    /// The sentence, with the status, and after how many seconds it may be tried again.
    Said(StatusCode, String, Option<i64>),
    /// The login is over, or a code is asked for: first somewhere else.
    Elsewhere(String),
}

/// What is answered to a refusal where there is no page to say it on.
pub fn without_page(failure: Failure) -> ApiError {
    match failure {
        Failure::Refused(reasons) if reasons.contains(&Refusal::NotFound) => ApiError::NotFound,
        other => ApiError::from(other),
    }
}

/// What is answered to a refusal on a page, where `here` is the path to come back to.
///
/// # Errors
/// What is no refusal.
pub fn refused(failure: Failure, here: &str) -> Result<Refused, ApiError> {
    let Failure::Refused(reasons) = failure else { return Err(failure.into()) };
    let Some(reason) = reasons.first() else {
        return Err(ApiError::internal("a refusal without a reason"));
    };
    Ok(match reason {
        Refusal::LoginEnded => Refused::Elsewhere(with_next(LOGIN, here)),
        Refusal::SecondFactorMissing => Refused::Elsewhere(with_next(SECOND_FACTOR, here)),
        Refusal::SecondFactorNotSetUp => Refused::Elsewhere(PROFILE.to_owned()),
        Refusal::NotFound => return Err(ApiError::NotFound),
        Refusal::TooManyLogins { seconds } => {
            Refused::Said(StatusCode::TOO_MANY_REQUESTS, sentence(reason), Some(*seconds))
        }
        other => Refused::Said(refusals::status(other), sentence(other), None),
    })
}

/// The reason, as a sentence begins and ends: in words of the pages, where programs are told the names
/// of states or what is theirs alone.
pub fn sentence(reason: &Refusal) -> String {
    match reason {
        Refusal::InvalidState { subject, what, state, needs } => {
            as_sentence(&in_other_state(*subject, what, state, needs))
        }
        Refusal::PasscodeLocked { seconds } => passcode_locked(Some(*seconds)),
        Refusal::PasscodeLockedForAll => passcode_locked(None),
        other => as_sentence(&other.to_string()),
    }
}

/// What became of something meanwhile, or was before.
fn in_other_state(subject: Subject, what: &str, state: &str, needs: &str) -> String {
    match (subject, state) {
        (Subject::Approval, "APPROVED") => "it was approved already".to_owned(),
        (Subject::Approval, "REFUSED") => "it was refused already".to_owned(),
        (Subject::Approval, "EXPIRED") => "it was not approved in time".to_owned(),
        (Subject::Source, "IDLE") => format!("the {what} is a draft: publish it first"),
        (Subject::Source, "ACTIVE") => format!("the {what} was published already"),
        (Subject::Source, "PROCESSING") => format!("the {what} is being paid just now"),
        (Subject::Source, "PAID") => format!("the {what} is paid already"),
        (Subject::Source, "CANCELED") => format!("the {what} was canceled already"),
        (Subject::Execution, _) => format!("the {what} cannot be taken back: {}", stage(state)),
        (Subject::Original, _) => format!("the {what} cannot be refunded: {}", stage(state)),
        _ => format!("the {what} is {} and must be {}", plain(state), plain(needs)),
    }
}

/// How far a payment is.
fn stage(state: &str) -> String {
    match state {
        "PENDING" => "it was not sent yet".to_owned(),
        "PROCESSING" => "it is under way".to_owned(),
        "COMPLETED" => "it is completed".to_owned(),
        "FAILED" => "it has failed".to_owned(),
        other => format!("it is {}", plain(other)),
    }
}

/// What is said where a passcode is not compared any more: for so many seconds for this person, or for
/// everybody of the merchant.
pub fn passcode_locked(seconds: Option<i64>) -> String {
    const LIFTS: &str = "Whoever runs this server can lift it.";
    match seconds {
        Some(seconds) => {
            let wait = match seconds.max(1).saturating_add(59) / 60 {
                1 => "a minute".to_owned(),
                minutes => format!("{minutes} minutes"),
            };
            format!("You gave too many wrong passcodes: try again in {wait}. {LIFTS}")
        }
        None => format!("Too many wrong passcodes were given for this merchant. {LIFTS}"),
    }
}

/// Words with the letter and the mark with which a sentence begins and ends.
pub fn as_sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first: String =
        letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

impl Refused {
    /// The answer, where `page` shows a sentence.
    ///
    /// # Errors
    /// See `page`.
    pub fn answer(
        self,
        page: impl FnOnce(StatusCode, String) -> Result<Response, ApiError>,
    ) -> Result<Response, ApiError> {
        match self {
            Self::Said(status, sentence, wait) => Ok(with_wait(page(status, sentence)?, wait)),
            Self::Elsewhere(path) => Ok(lead_to(&path)),
        }
    }

    /// The same for a page that is read from the database first.
    ///
    /// # Errors
    /// See `page`.
    pub async fn answer_read(
        self,
        page: impl AsyncFnOnce(StatusCode, String) -> Result<Response, ApiError>,
    ) -> Result<Response, ApiError> {
        match self {
            Self::Said(status, sentence, wait) => {
                Ok(with_wait(page(status, sentence).await?, wait))
            }
            Self::Elsewhere(path) => Ok(lead_to(&path)),
        }
    }
}

/// What is said of a form that lacks what every page of it has.
pub const INCOMPLETE: &str = "Open this page again: its form is not complete.";

/// Whether it was refused because it costs something else than was shown.
pub fn was_other_price(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(reasons) if reasons.contains(&Refusal::QuoteChanged))
}

/// Whether it was refused because something is not what was shown any more.
pub fn was_changed(failure: &Failure) -> bool {
    let Failure::Refused(reasons) = failure else { return false };
    reasons.iter().any(|reason| matches!(reason, Refusal::ChangedMeanwhile { .. }))
}

fn with_wait(mut response: Response, seconds: Option<i64>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[derive(Template)]
#[template(path = "app/ended.html")]
struct SentenceTemplate<'a> {
    app: &'a AppFrame,
    sentence: String,
}

/// A page that says one sentence.
///
/// # Errors
/// See [`render`].
pub fn sentence_page(
    status: StatusCode,
    frame: &AppFrame,
    sentence: String,
) -> Result<Response, ApiError> {
    render(status, frame, &SentenceTemplate { app: frame, sentence })
}

/// A point in time in words, and for programs: in UTC, which is named.
pub struct Moment(pub ServerTime);

impl Moment {
    pub fn words(&self) -> String {
        let text = self.0.to_string();
        // To the minute: 2026-11-29T18:23:05.000000Z.
        match (text.get(..10), text.get(11..16)) {
            (Some(day), Some(time)) => format!("{day} {time} UTC"),
            _ => text,
        }
    }

    pub fn machine(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_host() {
        for path in [
            "/app",
            "/app/team/10",
            "/app/profile",
            "/app/payments/10?state=FAILED&from=2026-11-29&q=Ama+%26+sons",
        ] {
            assert_eq!(next_path(Some(path)), path);
            let link = with_next(LOGIN, path);
            let query = link.split_once('?').map(|(_, query)| query).unwrap_or_default();
            let next = form_urlencoded::parse(query.as_bytes()).next().map(|(_, value)| value);
            assert_eq!(next_path(next.as_deref()), path, "{link}");
        }
        for other in [
            "",
            "https://evil.example",
            "//evil.example",
            "/app/../../evil",
            "/app//evil.example",
            "/application",
            "/app\\evil",
            "/app?next=//evil",
            "/app?next=https://evil.example",
            "/app?a\r\nx: y",
            "/app?a#b",
            "/app?\"><script>",
            "/app/%2f%2fevil",
            "javascript:alert(1)",
            "/app/\r\nx: y",
            " /app",
        ] {
            let next = next_path(Some(other));
            assert!(next == "/app" || next == "/app//evil.example", "{other}: {next}");
        }
        assert_eq!(next_path(None), "/app");
    }

    #[test]
    fn nobody_is_led_to_where_only_a_form_is_sent() {
        for path in [
            "/app",
            "/app/login",
            "/app/team/10",
            "/app/audit/csv",
            "/app/payments/10?state=FAILED",
            "/app/payments/10/csv",
            "/app/payments/10/77",
        ] {
            assert_eq!(next_page(Some(path)), path);
        }
        for other in [
            "/app/logout",
            "/app/team/10/invite",
            "/app/tariff/platform-fee",
            "/app/payments/10/filters/save",
            "/app/nothing/there",
            "https://evil.example",
        ] {
            assert_eq!(next_page(Some(other)), "/app", "{other}");
        }
        assert_eq!(next_page(None), "/app");
    }

    #[test]
    fn states_are_told_in_words() {
        let of = |subject, what, state| {
            sentence(&Refusal::InvalidState { subject, what, state, needs: "ACTIVE" })
        };
        let approval = |state| of(Subject::Approval, "approval", state);
        assert_eq!(approval("APPROVED"), "It was approved already.");
        let invoice = |state| of(Subject::Source, "invoice", state);
        assert_eq!(invoice("ACTIVE"), "The invoice was published already.");
        assert_eq!(invoice("PAID"), "The invoice is paid already.");
        let payment = of(Subject::Execution, "payment", "FAILED");
        assert_eq!(payment, "The payment cannot be taken back: it has failed.");
        for state in ["APPROVED", "IN_USE"] {
            let other = of(Subject::Session, "session", state);
            assert!(!other.chars().skip(1).any(char::is_uppercase), "{other}");
        }
        let locked = |seconds| sentence(&Refusal::PasscodeLocked { seconds });
        assert!(locked(1).contains("in a minute."), "{}", locked(1));
        assert!(locked(61).contains("in 2 minutes."), "{}", locked(61));
    }

    #[test]
    fn a_fault_stands_beside_its_field_only() {
        let fault = Fault::of_field("code", "Wrong.");
        assert_eq!(fault.beside("code"), Some("Wrong."));
        assert_eq!(fault.beside("password"), None);
        let marks = " aria-describedby=\"hint code-fault\" aria-invalid=\"true\"";
        assert_eq!(fault.ties("code", "hint").0, marks);
        assert_eq!(fault.ties("password", "hint").0, " aria-describedby=\"hint\"");
        assert_eq!(fault.ties("password", "").0, "");
        assert_eq!(fault.note("code").0, "\n<p id=\"code-fault\" class=\"fault\">Wrong.</p>");
        assert_eq!(fault.note("password").0, "");
        let typed = Fault::of_field("name", "No <b>.");
        assert!(typed.note("name").0.contains("No &lt;b&gt;."), "{}", typed.note("name"));
        let of_page = Fault::of_page("Wrong.");
        assert_eq!((of_page.sentence(), of_page.beside("code")), (Some("Wrong."), None));
        assert_eq!(Fault::default().sentence(), None);
    }

    #[test]
    fn each_of_several_faults_stands_beside_its_field() {
        let of = |id: &str, sentence: &str| Fault::of_field(id, sentence);
        let all = [of("name", "Say it."), of("price", "How much?"), of("price", "Which?")];
        let fault = Fault::of_all(all.into()).unwrap();
        assert_eq!((fault.sentence(), fault.field()), (Some("Say it."), Some("name")));
        assert_eq!(
            (fault.beside("name"), fault.beside("price")),
            (Some("Say it."), Some("How much?"))
        );
        assert!(fault.ties("price", "").0.contains("aria-invalid"));
        assert!(Fault::of_all(vec![]).is_none());
    }

    #[test]
    fn a_moment_names_its_zone() {
        let at = ServerTime::parse("2026-11-29T18:23:05Z").unwrap();
        assert_eq!(Moment(at).words(), "2026-11-29 18:23 UTC");
    }
}
