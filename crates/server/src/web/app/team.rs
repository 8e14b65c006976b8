//! `/app/team/{merchant}`: who has which role in a merchant.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use domain::decision::command::ListedDecision;
use domain::directory::merchant_limits::{MerchantLimits, SetMerchantLimits, typed_limit};
use domain::directory::roles::{Action, Role};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{InvitationId, MerchantId, UserId};
use domain::kernel::money::Money;
use domain::kernel::patch::Patch;
use domain::people::change_member::ChangeMember;
use domain::people::invitation::{InvitedTo, Standing};
use domain::people::invite::{CancelInvitation, ConfirmInvitation, Invite};
use store::reads::people::{ListedInvitation, Part};

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::people::Token;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::filter::{self, Places};
use crate::web::app::frame::{self, AppFrame, Fault, Moment};
use crate::web::app::navigation::Screen;
use crate::web::app::person::{self, LoggedIn, Posted};
use crate::web::app::typed::{answer, number, too_large};
use crate::web::form::Form;
use crate::web::language::Visitor;

/// How many people, and how many links, stand on a page.
const PAGE: u32 = 50;
/// The places in both lists, as the address has them.
const MEMBERS: &str = "after";
const LINKS: &str = "links";
/// The field that says whether API keys are bound by limits.
const BIND: &str = "bind_api_keys";

#[derive(Template)]
#[template(path = "app/team.html")]
struct TeamTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    id: i64,
    members: Vec<Member>,
    /// Whether these are the first members.
    is_first: bool,
    more_members: Option<String>,
    invitations: Vec<Open>,
    /// Whether these are the first links.
    is_first_link: bool,
    more_links: Option<String>,
    limits: Vec<Limits>,
    /// The roles that whoever looks may give.
    roles: Vec<&'static str>,
    /// What each of them may do.
    permitted: Vec<Permitted>,
    /// The link that was made just now, which is shown once.
    link: Option<Link>,
    /// What the next link will be: it makes one, however often its form is sent.
    next_token: String,
    /// The currency whose limits were set just now.
    limits_set: Option<String>,
    fault: Fault,
}

/// A role, and what it may do.
struct Permitted {
    role: &'static str,
    actions: String,
}

impl Permitted {
    fn new(role: Role) -> Self {
        // What everybody does with their own login says nothing.
        let is_own = |action: &Action| matches!(action, Action::LogIn | Action::UseOwnLogin);
        let may = |action: &&Action| role.may(**action) && !is_own(action);
        let actions: Vec<&str> =
            Action::ALL.iter().filter(may).map(|action| action.as_str()).collect();
        Self { role: role.as_str(), actions: actions.join("; ") }
    }
}

/// A link as it is shown once.
struct Link {
    url: String,
    /// A second person has to confirm it first.
    waits: bool,
}

struct Member {
    id: i64,
    name: String,
    email: String,
    role: &'static str,
    since: Moment,
    has_second_factor: bool,
    is_disabled: bool,
    is_me: bool,
}

/// The limits in a currency, as they stand in the form; without a currency, one to be chosen.
#[derive(Clone, Default)]
struct Limits {
    currency: String,
    support_refund: String,
    /// Empty for no limit.
    payment: String,
    day: String,
    bind_api_keys: bool,
    /// Whether the currency is still to be chosen.
    is_new: bool,
    /// What of them was typed wrongly.
    wrong: Option<WrongField>,
}

struct Open {
    id: i64,
    role: &'static str,
    /// Who made it; `None` for the operator.
    by: Option<String>,
    until: Moment,
    standing: Standing,
    /// Whoever looks may be the second person.
    may_confirm: bool,
}

impl Limits {
    fn new(row: &MerchantLimits) -> Self {
        let amount = |minor| Money::new(minor, row.currency).to_string();
        Self {
            currency: row.currency.code().to_owned(),
            support_refund: amount(row.support_refund_minor),
            payment: row.payment_minor.map(amount).unwrap_or_default(),
            day: row.day_minor.map(amount).unwrap_or_default(),
            bind_api_keys: row.bind_api_keys,
            is_new: false,
            wrong: None,
        }
    }

    fn typed(form: &Form) -> Self {
        let text = |name| form.field(name).unwrap_or_default().to_owned();
        Self {
            currency: text("currency").to_uppercase(),
            support_refund: text("amount"),
            payment: text("payment"),
            day: text("day"),
            bind_api_keys: answer(form, BIND).ok().flatten().unwrap_or_default(),
            is_new: true,
            wrong: None,
        }
    }

    /// The id of a field of their form.
    fn field(&self, name: &str) -> String {
        let currency = if self.is_new { "new" } else { &self.currency };
        format!("{name}-{currency}")
    }
}

/// The limits of each form of the page, the last one for a currency that has none yet. What was typed
/// stands in its form.
fn forms(rows: &[MerchantLimits], typed: Option<Limits>) -> Vec<Limits> {
    let known = |typed: &Limits| rows.iter().any(|row| row.currency.code() == typed.currency);
    let typed = typed.map(|typed| Limits { is_new: !known(&typed), ..typed });
    let mut new = Limits { is_new: true, ..Limits::default() };
    let mut all: Vec<Limits> = rows.iter().map(Limits::new).collect();
    match typed {
        Some(typed) if typed.is_new => new = typed,
        Some(typed) => {
            let place = all.iter_mut().find(|one| one.currency == typed.currency);
            place.into_iter().for_each(|one| one.clone_from(&typed));
        }
        None => {}
    }
    all.push(new);
    all
}

impl Open {
    fn new(found: ListedInvitation, me: UserId) -> Option<Self> {
        let ListedInvitation { row, standing, made_by } = found;
        match row.to {
            InvitedTo::Merchant(_, role) => Some(Self {
                id: row.id.0,
                role: role.as_str(),
                by: made_by.map(|user| user.name),
                until: Moment(row.until()),
                standing,
                may_confirm: standing.waits() && row.invited_by != Some(me),
            }),
            InvitedTo::Installation(_) | InvitedTo::Reset(_) => None,
        }
    }

    /// What has to be known of it beside that it was not used.
    fn why(&self) -> Option<&'static str> {
        match self.standing {
            Standing::Usable => None,
            Standing::Waits => Some("Waits for a second person."),
            Standing::WaitsAgain => Some(
                "Waits for a second person again: whoever confirmed it may not give this role any more.",
            ),
            Standing::Void => Some(
                "Cannot be used: whoever made it may not give this role any more. Take it back, and make another.",
            ),
        }
    }

    /// Whether it waits for somebody else than whoever looks.
    const fn waits_for_others(&self) -> bool {
        self.standing.waits() && !self.may_confirm
    }
}

fn path(merchant: i64) -> String {
    format!("/app/team/{merchant}")
}

/// What is said on the page beside what there is.
#[derive(Default)]
struct Said {
    link: Option<Link>,
    limits_set: Option<String>,
    fault: Fault,
    /// The limits that were typed and not accepted.
    typed: Option<Limits>,
    /// Where in the lists the page begins.
    places: Places,
}

async fn render(
    status: StatusCode,
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    said: Said,
) -> Result<Response, ApiError> {
    let at = match me.at_merchant(app, merchant, Action::ManageMerchant).await {
        Ok(at) => at,
        Err(failure) => return me.not_permitted(failure, visitor, &path(merchant)),
    };
    let mut fault = said.fault;
    let part = |after: Option<i64>| Part { limit: PAGE, after: after.unwrap_or(0) };
    let after = said.places.get(MEMBERS, &mut fault);
    let links_after = said.places.get(LINKS, &mut fault);
    let status = if status == StatusCode::OK { fault.status() } else { status };
    let more = |name, last: i64| {
        format!("{}{}", path(merchant), filter::query(&[(name, &last.to_string())]))
    };
    let found = at.reads.members(part(after)).await?;
    let more_members = part(after).last(&found, |(member, _)| member.id.0);
    let members = found.into_iter().filter_map(|(member, user)| {
        Some(Member {
            id: user.id.0,
            has_second_factor: user.has_second_factor(),
            is_disabled: user.disabled_at.is_some(),
            is_me: user.id == me.user.id,
            name: user.name,
            email: user.email,
            role: member.role?.as_str(),
            since: Moment(member.created_at),
        })
    });
    let invitations = at.reads.invitations(me.now, part(links_after)).await?;
    let more_links = part(links_after).last(&invitations, |found| found.row.id.0);
    let may_give = |role: &&Role| at.rights.role.may_grant(**role);
    let frame = me.frame(visitor, &format!("Team of {}", at.merchant.name));
    let frame = frame.at(&path(merchant)).of(&at, Screen::Team);
    let limits = forms(&at.reads.limits().await?, said.typed);
    let wrong = |one: &Limits| {
        let (name, sentence) = one.wrong.clone()?;
        Some(Fault::of_field(one.field(name), sentence))
    };
    let fault = limits.iter().find_map(wrong).unwrap_or(fault);
    let template = TeamTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        id: merchant,
        members: members.collect(),
        is_first: after.is_none(),
        more_members: more_members.map(|last| more(MEMBERS, last)),
        invitations: invitations
            .into_iter()
            .filter_map(|found| Open::new(found, me.user.id))
            .collect(),
        is_first_link: links_after.is_none(),
        more_links: more_links.map(|last| more(LINKS, last)),
        limits,
        roles: Role::OF_MERCHANTS.iter().filter(may_give).map(|role| role.as_str()).collect(),
        permitted: Role::OF_MERCHANTS.iter().copied().map(Permitted::new).collect(),
        link: said.link,
        next_token: person::draw_token()?.as_str().to_owned(),
        limits_set: said.limits_set,
        fault,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = uri.query().unwrap_or_default();
    let set = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "limits");
    let set = set.and_then(|(_, currency)| Currency::parse(&currency));
    let limits_set = set.map(|currency| currency.code().to_owned());
    let places = Places::of(&uri, &[MEMBERS, LINKS]);
    let said = Said { limits_set, places, ..Said::default() };
    render(StatusCode::OK, &app, (&me, visitor), merchant, said).await
}

/// The page again, with why something was refused, and the limits that were typed.
async fn again(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    (failure, typed): (Failure, Option<Limits>),
) -> Result<Response, ApiError> {
    let page = async |status, sentence| {
        let said = Said { fault: Fault::of_page(sentence), typed, ..Said::default() };
        render(status, app, (me, visitor), merchant, said).await
    };
    frame::refused(failure, &path(merchant))?.answer_read(page).await
}

/// Does what a form asks for, and leads back to the page.
async fn change<D: ListedDecision>(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    decision: D,
) -> Result<Response, ApiError> {
    match me.submit(app, Some(MerchantId(merchant)), decision).await {
        Ok(_) => Ok(frame::lead_to(&path(merchant))),
        Err(failure) => again(app, (me, visitor), merchant, (failure, None)).await,
    }
}

fn given_role(form: &Form) -> Result<Role, ApiError> {
    let role = form.field("role").and_then(Role::parse_of_merchant);
    role.ok_or_else(|| ApiError::Forbidden("there is no such role".to_owned()))
}

async fn invite(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let role = given_role(&form)?;
    if let Err(failure) = me.at_merchant(&app, merchant, Action::ManageMerchant).await {
        return me.not_permitted(failure, visitor, &path(merchant));
    }
    // A form that is sent twice has the same one.
    let token = match form.field("token").and_then(Token::parse) {
        Some(token) => token,
        None => person::draw_token()?,
    };
    let id = MerchantId(merchant);
    let invite = Invite { to: InvitedTo::Merchant(id, role), token: token.fingerprint() };
    match me.submit(&app, Some(id), invite).await {
        Ok(made) => {
            let link = Link { url: link(&app.config.public_url, &token), waits: made.waits() };
            let said = Said { link: Some(link), ..Said::default() };
            render(StatusCode::OK, &app, (&me, visitor), merchant, said).await
        }
        Err(failure) => again(&app, (&me, visitor), merchant, (failure, None)).await,
    }
}

/// The link of an invitation.
#[must_use]
pub fn link(public_url: &str, token: &Token) -> String {
    format!("{}/app/invitation/{}", public_url.trim_end_matches('/'), token.as_str())
}

async fn change_role(
    Posted { app, visitor, me, ids: [merchant, user], form }: Posted<2>,
) -> Result<Response, ApiError> {
    let role = match form.field("role") {
        Some("REMOVE") => None,
        _ => Some(given_role(&form)?),
    };
    let decision = ChangeMember { merchant_id: MerchantId(merchant), user_id: UserId(user), role };
    change(&app, (&me, visitor), merchant, decision).await
}

async fn set_limit(
    Posted { app, visitor, me, ids: [merchant], form }: Posted<1>,
) -> Result<Response, ApiError> {
    let typed = Limits::typed(&form);
    let decision = match typed_limits(&form, MerchantId(merchant)) {
        Ok(decision) => decision,
        Err(wrong) => {
            let typed = Some(Limits { wrong: Some(wrong), ..typed });
            let (status, said) =
                (StatusCode::UNPROCESSABLE_ENTITY, Said { typed, ..Said::default() });
            return render(status, &app, (&me, visitor), merchant, said).await;
        }
    };
    match me.submit(&app, Some(MerchantId(merchant)), decision).await {
        Ok(set) => {
            let to = format!("{}?limits={}", path(merchant), set.currency);
            Ok(frame::lead_to(&to))
        }
        Err(failure) => again(&app, (&me, visitor), merchant, (failure, Some(typed))).await,
    }
}

/// The name of a field, and what is wrong with it.
type WrongField = (&'static str, String);

/// The limits of the form. A field that it has not is kept; an empty one is no limit, or of refunds
/// nothing.
fn typed_limits(form: &Form, merchant_id: MerchantId) -> Result<SetMerchantLimits, WrongField> {
    let text = form.field("currency").unwrap_or_default().to_uppercase();
    let currency = Currency::parse(&text);
    let currency =
        currency.ok_or_else(|| ("currency", "Give a currency, such as USD.".to_owned()))?;
    let patch = |name| match form.field(name) {
        Some(text) => {
            let limit = number(text).and_then(|_| typed_limit(text, currency));
            limit.map(|limit| Patch::Set(limit.minor)).ok_or_else(|| {
                let none = "Give an amount in this currency, such as 1250.50, with a point.";
                (name, too_large(text, currency).unwrap_or_else(|| none.to_owned()))
            })
        }
        None if form.has(name) => Ok(Patch::Clear),
        None => Ok(Patch::Keep),
    };
    let support_refund_minor = match patch("amount")? {
        Patch::Keep => None,
        Patch::Clear => Some(0),
        Patch::Set(minor) => Some(minor),
    };
    Ok(SetMerchantLimits {
        merchant_id,
        currency,
        support_refund_minor,
        payment_minor: patch("payment")?,
        day_minor: patch("day")?,
        bind_api_keys: answer(form, BIND).map_err(|sentence| ("bind", sentence.to_owned()))?,
    })
}

async fn confirm(
    Posted { app, visitor, me, ids: [merchant, invitation], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let (merchant_id, invitation_id) = (MerchantId(merchant), InvitationId(invitation));
    let decision = ConfirmInvitation { merchant_id, invitation_id };
    change(&app, (&me, visitor), merchant, decision).await
}

async fn cancel(
    Posted { app, visitor, me, ids: [merchant, invitation], .. }: Posted<2>,
) -> Result<Response, ApiError> {
    let (merchant_id, invitation_id) = (MerchantId(merchant), InvitationId(invitation));
    let decision = CancelInvitation { merchant_id, invitation_id };
    change(&app, (&me, visitor), merchant, decision).await
}

#[must_use]
pub fn routes() -> Routes {
    Routes::new()
        .page("/app/team/{merchant}", show)
        .form("/app/team/{merchant}/invite", invite)
        .form("/app/team/{merchant}/limits", set_limit)
        .form("/app/team/{merchant}/members/{user}", change_role)
        .form("/app/team/{merchant}/invitations/{id}/confirm", confirm)
        .form("/app/team/{merchant}/invitations/{id}/cancel", cancel)
}
