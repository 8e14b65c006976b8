//! `/app/team/{merchant}`: who has which role in a merchant.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::decision::command::ListedDecision;
use domain::directory::merchant_limits::{MerchantLimits, SetMerchantLimits, typed_limit};
use domain::directory::roles::{Action, Role};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{InvitationId, MerchantId, UserId};
use domain::kernel::money::Money;
use domain::kernel::patch::Patch;
use domain::people::change_member::ChangeMember;
use domain::people::invitation::{Invitation, InvitedTo};
use domain::people::invite::{CancelInvitation, ConfirmInvitation, Invite};

use crate::api::error::ApiError;
use crate::api::extract::Ids;
use crate::api::routes::Routes;
use crate::app::App;
use crate::credentials::people::Token;
use crate::engine::Failure;
use crate::net::limits::CountPageRequest;
use crate::web::app::frame::{self, AppFrame, Moment};
use crate::web::app::person::LoggedIn;
use crate::web::form::Form;
use crate::web::language::Visitor;

#[derive(Template)]
#[template(path = "app/team.html")]
struct TeamTemplate<'a> {
    app: &'a AppFrame,
    merchant: &'a str,
    id: i64,
    members: Vec<Member>,
    invitations: Vec<Open>,
    limits: Vec<Limits>,
    /// The roles that whoever looks may give.
    roles: Vec<&'static str>,
    /// The link that was made just now, which is shown once.
    link: Option<Link>,
    fault: Option<String>,
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
#[derive(Default)]
struct Limits {
    currency: String,
    support_refund: String,
    /// Empty for no limit.
    payment: String,
    day: String,
    bind_api_keys: bool,
}

struct Open {
    id: i64,
    role: &'static str,
    until: Moment,
    waits: bool,
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
        }
    }
}

impl Open {
    fn new(row: &Invitation, me: UserId) -> Option<Self> {
        match row.to {
            InvitedTo::Merchant(_, role) => Some(Self {
                id: row.id.0,
                role: role.as_str(),
                until: Moment(row.until()),
                waits: row.waits(),
                may_confirm: row.waits() && row.invited_by != Some(me),
            }),
            InvitedTo::Installation(_) | InvitedTo::Reset(_) => None,
        }
    }
}

fn path(merchant: i64) -> String {
    format!("/app/team/{merchant}")
}

/// What is said on the page beside what there is.
#[derive(Default)]
struct Said {
    link: Option<Link>,
    fault: Option<String>,
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
    let members = at.reads.members().await?.into_iter().filter_map(|(member, user)| {
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
    let members = members.collect();
    let invitations = at.reads.invitations(me.now).await?;
    let may_give = |role: &&Role| at.rights.role.may_grant(**role);
    let frame = me.frame(visitor, &format!("Team of {}", at.merchant.name));
    let template = TeamTemplate {
        app: &frame,
        merchant: &at.merchant.name,
        id: merchant,
        members,
        invitations: invitations.iter().filter_map(|row| Open::new(row, me.user.id)).collect(),
        limits: at
            .reads
            .limits()
            .await?
            .iter()
            .map(Limits::new)
            .chain([Limits::default()])
            .collect(),
        roles: Role::OF_MERCHANTS.iter().filter(may_give).map(|role| role.as_str()).collect(),
        link: said.link,
        fault: said.fault,
    };
    frame::render(status, &frame, &template)
}

async fn show(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
) -> Result<Response, ApiError> {
    render(StatusCode::OK, &app, (&me, visitor), merchant, Said::default()).await
}

/// The page again, with why something was refused.
async fn again(
    app: &App,
    (me, visitor): (&LoggedIn, Visitor),
    merchant: i64,
    failure: Failure,
) -> Result<Response, ApiError> {
    let page = async |status, sentence| {
        let said = Said { link: None, fault: Some(sentence) };
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
        Err(failure) => again(app, (me, visitor), merchant, failure).await,
    }
}

fn given_role(form: &Form) -> Result<Role, ApiError> {
    let role = form.field("role").and_then(Role::parse_of_merchant);
    role.ok_or_else(|| ApiError::Forbidden("there is no such role".to_owned()))
}

async fn invite(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let role = given_role(&form)?;
    if let Err(failure) = me.at_merchant(&app, merchant, Action::ManageMerchant).await {
        return me.not_permitted(failure, visitor, &path(merchant));
    }
    let token = Token::draw().map_err(|error| ApiError::internal(error.to_string()))?;
    let id = MerchantId(merchant);
    let invite = Invite { to: InvitedTo::Merchant(id, role), token: token.fingerprint() };
    match me.submit(&app, Some(id), invite).await {
        Ok(made) => {
            let link = Link { url: link(&app.config.public_url, &token), waits: made.waits() };
            let said = Said { link: Some(link), fault: None };
            render(StatusCode::OK, &app, (&me, visitor), merchant, said).await
        }
        Err(failure) => again(&app, (&me, visitor), merchant, failure).await,
    }
}

/// The link of an invitation.
#[must_use]
pub fn link(public_url: &str, token: &Token) -> String {
    format!("{}/app/invitation/{}", public_url.trim_end_matches('/'), token.as_str())
}

async fn change_role(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, user]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let role = match form.field("role") {
        Some("REMOVE") => None,
        _ => Some(given_role(&form)?),
    };
    let decision = ChangeMember { merchant_id: MerchantId(merchant), user_id: UserId(user), role };
    change(&app, (&me, visitor), merchant, decision).await
}

async fn set_limit(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant]): Ids<1>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let Some(decision) = typed_limits(&form, MerchantId(merchant)) else {
        let fault = "Give a currency, such as USD, and amounts in it, such as 50.00.".to_owned();
        let said = Said { link: None, fault: Some(fault) };
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return render(status, &app, (&me, visitor), merchant, said).await;
    };
    change(&app, (&me, visitor), merchant, decision).await
}

/// The limits of the form. A field that it has not is kept; an empty one is no limit, or of refunds
/// nothing.
fn typed_limits(form: &Form, merchant_id: MerchantId) -> Option<SetMerchantLimits> {
    let currency = Currency::parse(&form.field("currency")?.to_uppercase())?;
    let minor = |text| typed_limit(text, currency).map(|limit| limit.minor);
    let patch = |name| match form.field(name) {
        Some(text) => minor(text).map(Patch::Set),
        None if form.has(name) => Some(Patch::Clear),
        None => Some(Patch::Keep),
    };
    let support_refund_minor = match patch("amount")? {
        Patch::Keep => None,
        Patch::Clear => Some(0),
        Patch::Set(minor) => Some(minor),
    };
    Some(SetMerchantLimits {
        merchant_id,
        currency,
        support_refund_minor,
        payment_minor: patch("payment")?,
        day_minor: patch("day")?,
        bind_api_keys: form.field("bind_api_keys").map(|answer| answer == "yes"),
    })
}

async fn confirm(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, invitation]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
    let (merchant_id, invitation_id) = (MerchantId(merchant), InvitationId(invitation));
    let decision = ConfirmInvitation { merchant_id, invitation_id };
    change(&app, (&me, visitor), merchant, decision).await
}

async fn cancel(
    State(app): State<App>,
    _: CountPageRequest,
    visitor: Visitor,
    me: LoggedIn,
    Ids([merchant, invitation]): Ids<2>,
    form: Form,
) -> Result<Response, ApiError> {
    me.check_form(&form)?;
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
