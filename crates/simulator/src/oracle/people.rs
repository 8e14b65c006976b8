//! People, written down once more from what is published: who they are and how they prove it, which
//! roles they have, and what each role may do.

use domain::decision::command::{Command, Output};
use domain::decision::event::Actor;
use domain::directory::api_keys::CreateApiKey;
use domain::directory::merchant_limits::SetMerchantLimits;
use domain::directory::principal::{Caller, Principal};
use domain::directory::roles::{Action, Rights, Role};
use domain::kernel::currency::Currency;
use domain::kernel::names::Operation;
use domain::kernel::patch::Patch;
use domain::kernel::refusal::Subject;
use domain::kernel::uuids::Fingerprint;
use domain::payments::cancel_session::CancelSession;
use domain::payments::create_session::{CreateSession, NewSession};
use domain::payments::execute::OperationDetails;
use domain::payments::session::SessionKind;
use domain::people::accept_invitation::{AcceptInvitation, Guest};
use domain::people::access::Person;
use domain::people::change_member::ChangeMember;
use domain::people::change_password::ChangePassword;
use domain::people::disable_user::DisableUser;
use domain::people::end_login::EndLogin;
use domain::people::invitation::InvitedTo;
use domain::people::invite::{CancelInvitation, ConfirmInvitation, Invite};
use domain::people::log_in::{FinishLogin, ReserveLogin};
use domain::people::login::Login as LoginRow;
use domain::people::second_factor::{
    ConfirmSecondFactor, GiveCode, Proof, ReserveCode, SetUpSecondFactor,
};

use super::approvals::Limits;
use super::model::{Mismatch, Model};
use super::{Observed, Reason, first, output};
use crate::db::Map;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
/// A link is good for so long.
pub const LINK_LASTS: i64 = 72 * HOUR;
/// A login lasts so long, and so long without use.
const LOGIN_LASTS: i64 = 12 * HOUR;
const IDLE_MAX: i64 = HOUR;
/// Its use is noted no more often.
const NOTED_EVERY: i64 = MINUTE;
/// What asks again takes a code that is no older.
const CODE_LASTS: i64 = 5 * MINUTE;
/// Wrong tries count for so long: at an account from an address, from an address, at an account.
const TRY_COUNTS: i64 = 15 * MINUTE;
const TRIES_MAX: [usize; 3] = [5, 20, 50];

/// The keys that sign access tokens: one that is used, and one that is retired.
pub const SIGNING_KEY: i64 = 1;
pub const RETIRED_SIGNING_KEY: i64 = 2;

const LOGIN: Reason = (Subject::Caller, "login");
const SECOND_FACTOR: Reason = (Subject::Caller, "second_factor");
const ROLE: Reason = (Subject::Caller, "role");
const CREDENTIALS: Reason = (Subject::Caller, "credentials");
const NOT_FOUND: Reason = (Subject::Target, "not_found");
const INVITATION: Reason = (Subject::Invitation, "invitation");
const USER: Reason = (Subject::User, "user");

/// Whether a role may do something.
pub const fn may(role: Role, action: Action) -> bool {
    use Role::{Auditor, Developer, Finance, Manager, Operator, Owner, Support, Viewer};
    match action {
        Action::LogIn | Action::UseOwnLogin | Action::ReadPayments => true,
        Action::SeeContacts | Action::FollowUp => {
            matches!(role, Support | Finance | Manager | Owner | Operator)
        }
        Action::ReadWallets | Action::ReadAudit => {
            matches!(role, Finance | Manager | Owner | Operator | Auditor)
        }
        Action::Sell => matches!(role, Support | Manager | Owner),
        Action::EditCustomers | Action::RefundWithinLimit => {
            matches!(role, Support | Finance | Manager | Owner)
        }
        Action::Refund | Action::PayOut => matches!(role, Finance | Manager | Owner),
        Action::ApprovePayouts => matches!(role, Finance | Owner),
        Action::ReadIntegration => matches!(role, Developer | Owner | Operator | Auditor),
        Action::ChangeIntegration => matches!(role, Developer | Owner),
        Action::ManageMerchant => matches!(role, Owner | Operator),
        Action::ReadReviews => !matches!(role, Viewer | Developer),
        Action::ResolveReviews | Action::ManageInstallation => matches!(role, Operator),
        Action::ReadInstallation => matches!(role, Operator | Auditor),
    }
}

/// What somebody is asked for a code again for.
const fn asks_again(action: Action) -> bool {
    matches!(
        action,
        Action::Refund
            | Action::PayOut
            | Action::ApprovePayouts
            | Action::ChangeIntegration
            | Action::ManageMerchant
            | Action::ManageInstallation
    )
}

const fn needs_second_factor(role: Role) -> bool {
    matches!(role, Role::Owner | Role::Finance | Role::Operator)
}

const fn is_of_merchants(role: Role) -> bool {
    !matches!(role, Role::Operator | Role::Auditor)
}

/// Whether some rights are no more than others.
fn is_within(rights: &Rights, own: &Rights) -> bool {
    let adds = |action: &Action| may(rights.role, *action) && !may(own.role, *action);
    let of_operations = match (&rights.operations, &own.operations) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(some), Some(known)) => some.names().iter().all(|name| known.names().contains(name)),
    };
    of_operations && !Action::ALL.iter().any(adds)
}

const fn of_operation(operation: Operation) -> Action {
    match operation {
        Operation::Collection => Action::Sell,
        Operation::Payout | Operation::Transfer => Action::PayOut,
        Operation::Refund => Action::RefundWithinLimit,
    }
}

/// What a command is, as far as roles differ in it; `None` for what people and programs do not ask
/// for.
pub const fn action_of(command: &Command) -> Option<Action> {
    Some(match command {
        Command::CreateMerchant(_)
        | Command::UpdateMerchant(_)
        | Command::FundWallet(_)
        | Command::SetWalletStatus(_)
        | Command::SetPlatformFee(_)
        | Command::SetGatewayFee(_)
        | Command::SetRate(_)
        | Command::OpenMarket(_)
        | Command::CloseMarket(_)
        | Command::AssignPhonePrefix(_)
        | Command::EndPhonePrefix(_)
        | Command::DisableUser(_) => Action::ManageInstallation,
        Command::Invite(Invite { to, .. }) => match to {
            InvitedTo::Merchant(..) => Action::ManageMerchant,
            InvitedTo::Installation(_) | InvitedTo::Reset(_) => Action::ManageInstallation,
        },
        Command::SetPasscode(_)
        | Command::UnlockPasscode(_)
        | Command::ReservePasscodeChange(_)
        | Command::ReplacePasscode(_)
        | Command::ConfirmInvitation(_)
        | Command::CancelInvitation(_)
        | Command::SetMerchantLimits(_)
        | Command::ChangeMember(_) => Action::ManageMerchant,
        Command::CreateApiKey(_)
        | Command::RevokeApiKey(_)
        | Command::AdvanceClock(_)
        | Command::AuthenticateCard(_)
        | Command::CreateWebhookEndpoint(_)
        | Command::UpdateWebhookEndpoint(_)
        | Command::DeleteWebhookEndpoint(_)
        | Command::RotateWebhookSecret(_)
        | Command::TestWebhookEndpoint(_)
        | Command::ResendDeliveries(_) => Action::ChangeIntegration,
        Command::Approve(_) => Action::ApprovePayouts,
        Command::Refuse(_) => Action::PayOut,
        Command::CreateParty(_)
        | Command::CreateCounterparty(_)
        | Command::UpdateCounterparty(_)
        | Command::CreateAccount(_)
        | Command::DeactivateAccount(_) => Action::EditCustomers,
        Command::CreateSource(_)
        | Command::UpdateSource(_)
        | Command::PublishSource(_)
        | Command::CancelSource(_)
        | Command::AddItem(_)
        | Command::UpdateItem(_)
        | Command::RemoveItem(_)
        | Command::CreateCheckout(_)
        | Command::CreatePaymentLink(_)
        | Command::DeactivatePaymentLink(_) => Action::Sell,
        Command::OpenCheckoutPage(_) | Command::CheckNow(_) => Action::FollowUp,
        Command::CreateSession(CreateSession { session, .. }) => of_operation(match session {
            NewSession::Checkout { .. } => Operation::Collection,
            NewSession::Payout { .. } => Operation::Payout,
            NewSession::Transfer { .. } => Operation::Transfer,
            NewSession::Refund { .. } => Operation::Refund,
        }),
        Command::CancelSession(CancelSession { kind, .. }) => of_operation(match kind {
            SessionKind::Checkout => Operation::Collection,
            SessionKind::Payout => Operation::Payout,
            SessionKind::Transfer => Operation::Transfer,
            SessionKind::Refund => Operation::Refund,
        }),
        Command::Execute(request) => of_operation(match request.details {
            OperationDetails::Collection { .. } => Operation::Collection,
            OperationDetails::Payout { .. } => Operation::Payout,
            OperationDetails::Transfer => Operation::Transfer,
            OperationDetails::Refund => Operation::Refund,
        }),
        Command::ReservePasscodeAttempt(_) => Action::PayOut,
        Command::ResolveReview(_) => Action::ResolveReviews,
        Command::ReserveCode(_) | Command::GiveCode(_) => Action::LogIn,
        Command::AcceptInvitation(_)
        | Command::SetUpSecondFactor(_)
        | Command::ConfirmSecondFactor(_)
        | Command::ChangePassword(_) => Action::UseOwnLogin,
        Command::EndLogin(EndLogin { by, login_id }) if by.login_id.0 != login_id.0 => {
            Action::UseOwnLogin
        }
        Command::EndLogin(_) | Command::TouchLogin(_) => Action::LogIn,
        _ => return None,
    })
}

#[derive(Clone, Debug)]
pub struct User {
    pub email: String,
    /// What the password is compared with.
    pub password: String,
    /// The phone whose codes count, known by its secret, and one that is being set up.
    pub phone: Option<String>,
    pub pending: Option<String>,
    /// The last step whose code was taken.
    pub step: i64,
    pub recovery: Vec<Fingerprint>,
    /// Recovery codes that were good once.
    pub spent: Vec<Fingerprint>,
    /// The role in the installation.
    pub role: Option<Role>,
    pub is_disabled: bool,
    /// The last link to begin anew, until it is used.
    pub reset: Option<Fingerprint>,
    /// How often all logins were ended.
    pub cuts: i64,
}

impl User {
    pub fn has_second_factor(&self) -> bool {
        self.phone.is_some()
    }
}

#[derive(Clone, Debug)]
pub struct Login {
    pub user: i64,
    pub created: i64,
    pub used: i64,
    /// When a code was given last.
    pub code: Option<i64>,
    pub is_ended: bool,
    /// All logins of its user were ended.
    pub is_cut: bool,
}

impl Login {
    pub fn is_fresh(&self, now: i64) -> bool {
        self.code.is_some_and(|at| (0..CODE_LASTS).contains(&(now - at)))
    }
}

#[derive(Clone, Debug)]
pub struct Invitation {
    pub token: Fingerprint,
    /// The person who made it.
    pub invited_by: Option<i64>,
    pub to: InvitedTo,
    pub created: i64,
    /// A second person has to confirm it.
    pub takes_two: bool,
    pub is_confirmed: bool,
    /// The person who confirmed it.
    pub confirmed_by: Option<i64>,
    pub is_ended: bool,
}

/// The roles by which money leaves.
const OF_MONEY: [Role; 3] = [Role::Finance, Role::Manager, Role::Owner];

impl Invitation {
    pub const fn waits(&self) -> bool {
        self.takes_two && !self.is_confirmed
    }

    pub const fn is_open(&self, now: i64) -> bool {
        !self.is_ended && now < self.created + LINK_LASTS
    }
}

/// An API key.
#[derive(Clone, Debug)]
pub struct Key {
    pub merchant: i64,
    pub rights: Rights,
    pub is_revoked: bool,
    /// Whoever made it, directly or by other keys.
    pub made_by: Option<Actor>,
}

/// What wrong tries are counted for: an account, an address, or both.
type Counted = (Option<String>, Option<String>);

/// What stands before the account of tries at codes. The address alone does not count for them.
const CODE: &str = "code ";

fn counted(email: &str, address: &str) -> [Option<Counted>; 3] {
    let is_strangers = !email.starts_with(CODE);
    let (account, address) = (Some(email.to_owned()), Some(address.to_owned()));
    [
        Some((account.clone(), address.clone())),
        is_strangers.then_some((None, address)),
        Some((account, None)),
    ]
}

/// Everything about people.
#[derive(Default)]
pub struct People {
    pub users: Map<i64, User>,
    pub by_email: Map<String, i64>,
    /// The role of each person who has or had one in a merchant.
    pub members: Map<(i64, i64), Option<Role>>,
    pub logins: Map<i64, Login>,
    pub invitations: Map<i64, Invitation>,
    pub by_token: Map<Fingerprint, i64>,
    pub keys: Map<i64, Key>,
    /// The id and the time of each try that counts.
    tries: Map<Counted, Vec<(i64, i64)>>,
    /// The account and the address of each try.
    tried: Map<i64, (String, String)>,
    /// Ids in the order in which they were made.
    pub user_list: Vec<i64>,
    pub login_list: Vec<i64>,
    pub invitation_list: Vec<i64>,
    /// The last use of each login that a batch has changed.
    pub noted_uses: Map<i64, i64>,
    /// By merchant and currency.
    pub limits: Map<(i64, Currency), Limits>,
    /// Who asks for the present command.
    pub actor: Option<Actor>,
    /// What whoever asks for the present command may do.
    pub asking: Option<Rights>,
    /// The login by which a person asks, and when.
    pub asking_person: Option<(Person, i64)>,
}

impl People {
    pub fn owners(&self, merchant: i64) -> i64 {
        let of_merchant = self.members.iter().filter(|((_, of), _)| *of == merchant);
        let owners = of_merchant.filter(|(_, role)| **role == Some(Role::Owner)).count();
        i64::try_from(owners).unwrap_or(i64::MAX)
    }

    /// The role in the merchant, or else in the installation.
    pub fn role_of(&self, user: i64, merchant: Option<i64>) -> Option<Role> {
        let in_merchant = merchant.and_then(|id| self.members.get(&(user, id)).copied().flatten());
        in_merchant.or_else(|| self.users.get(&user).and_then(|user| user.role))
    }

    /// Whether a login is good at a time.
    pub fn is_alive(&self, login: &Login, now: i64) -> bool {
        let is_over = login.is_ended || login.is_cut;
        !is_over
            && self.users.get(&login.user).is_some_and(|user| !user.is_disabled)
            && now < login.created + LOGIN_LASTS
            && now - login.used < IDLE_MAX
    }

    /// Why somebody must not do something now.
    pub fn reason_against_person(
        &self,
        person: Person,
        action: Action,
        now: i64,
    ) -> Option<Reason> {
        let login = self.logins.get(&person.login_id.0);
        let login = login.filter(|login| login.user == person.user_id.0);
        let Some(login) = login.filter(|login| self.is_alive(login, now)) else {
            return Some(LOGIN);
        };
        let user = self.users.get(&login.user)?;
        match action {
            Action::LogIn => return None,
            // A password alone is good for nothing where codes are asked for.
            Action::UseOwnLogin => {
                return (user.has_second_factor() && login.code.is_none()).then_some(SECOND_FACTOR);
            }
            _ => {}
        }
        let Some(role) = self.role_of(login.user, person.merchant_id.map(|id| id.0)) else {
            return Some(ROLE);
        };
        // What the role does not allow asks nobody for a code.
        let asks_again = asks_again(action) && may(role, action);
        let is_proved = if user.has_second_factor() {
            login.code.is_some() && (!asks_again || login.is_fresh(now))
        } else {
            !needs_second_factor(role) && !asks_again
        };
        if is_proved { (!may(role, action)).then_some(ROLE) } else { Some(SECOND_FACTOR) }
    }

    fn reason_against_key(&self, caller: Caller, action: Action, now: i64) -> Option<Reason> {
        let key = self.keys.get(&caller.api_key_id.0);
        let key = key.filter(|key| key.merchant == caller.merchant_id.0 && !key.is_revoked);
        let is_signed = caller.signing_key_id.0 == SIGNING_KEY && now < caller.until.0;
        let Some(key) = key.filter(|_| is_signed) else { return Some(CREDENTIALS) };
        (!may(key.rights.role, action)).then_some(ROLE)
    }

    /// Why whoever asks must not do something now.
    pub fn reason_against(&self, by: Principal, command: &Command, now: i64) -> Option<Reason> {
        match (by, action_of(command)) {
            (Principal::User(person), Some(action)) => {
                self.reason_against_person(person, action, now)
            }
            (Principal::ApiKey(caller), Some(action)) => {
                self.reason_against_key(caller, action, now)
            }
            _ => None,
        }
    }

    /// What whoever asks may do; `None` where nothing limits it.
    pub fn rights(&self, by: Principal) -> Option<Rights> {
        match by {
            Principal::User(person) => {
                let role = self.role_of(person.user_id.0, person.merchant_id.map(|id| id.0));
                Some(Rights { role: role.unwrap_or(Role::Viewer), operations: None })
            }
            Principal::ApiKey(caller) => {
                self.keys.get(&caller.api_key_id.0).map(|key| key.rights.clone())
            }
            _ => None,
        }
    }

    /// Why whoever asks must not give back so much of a payment in all.
    pub fn reason_against_giving_back(
        &self,
        merchant: i64,
        sum: i64,
        currency: Currency,
    ) -> Option<Reason> {
        let limits = self.limits.get(&(merchant, currency));
        if sum <= limits.map_or(0, |limits| limits.support_refund) {
            return None;
        }
        if self.asking.as_ref().is_some_and(|own| !may(own.role, Action::Refund)) {
            return Some(ROLE);
        }
        let (person, now) = self.asking_person?;
        self.reason_against_person(person, Action::Refund, now)
    }

    /// Whether whoever asks may give or take a role.
    fn may_grant(&self, by: Principal, role: Role) -> bool {
        self.rights(by).is_none_or(|own| match own.role {
            Role::Owner => is_of_merchants(role),
            Role::Operator => true,
            _ => false,
        })
    }

    /// Whether so many tries were wrong lately that there is no room for one more.
    fn is_try_refused(&self, email: &str, address: &str, now: i64) -> bool {
        counted(email, address).iter().zip(TRIES_MAX).any(|(what, most)| {
            let all = what.as_ref().and_then(|what| self.tries.get(what)).into_iter().flatten();
            all.filter(|(_, at)| now - at < TRY_COUNTS).count() >= most
        })
    }

    fn add_try(&mut self, id: i64, email: &str, address: &str, now: i64) {
        for what in counted(email, address).into_iter().flatten() {
            let tries = self.tries.entry(what).or_default();
            tries.retain(|(_, at)| now - at < TRY_COUNTS);
            tries.push((id, now));
        }
        self.tried.insert(id, (email.to_owned(), address.to_owned()));
    }

    /// Takes a try away that was right.
    fn forgive(&mut self, id: i64, now: i64) {
        let Some((email, address)) = self.tried.get(&id).cloned() else { return };
        for what in counted(&email, &address).into_iter().flatten() {
            if let Some(tries) = self.tries.get_mut(&what) {
                tries.retain(|(other, at)| *other != id && now - at < TRY_COUNTS);
            }
        }
    }

    /// Whether the tries of a row are those of an account, an address, or both.
    pub fn knows_tries(&self, row: &[(i64, i64)]) -> bool {
        let Some((last, _)) = row.last() else { return true };
        let Some((email, address)) = self.tried.get(last) else { return false };
        counted(email, address)
            .iter()
            .flatten()
            .any(|what| self.tries.get(what).is_some_and(|known| known == row))
    }

    fn open_login(&mut self, row: &LoginRow, code: Option<i64>, now: i64) {
        // One that was decided while another batch ended all logins is among those that ended.
        let cuts = self.users.get(&row.user_id.0).map_or(0, |user| user.cuts);
        let login = Login {
            user: row.user_id.0,
            created: now,
            used: now,
            code,
            is_ended: false,
            is_cut: row.generation < cuts,
        };
        self.logins.insert(row.id.0, login);
        self.login_list.push(row.id.0);
    }

    /// Ends all logins of somebody.
    fn cut(&mut self, user: i64) {
        for login in self.logins.values_mut().filter(|login| login.user == user) {
            login.is_cut = true;
        }
        if let Some(user) = self.users.get_mut(&user) {
            user.reset = None;
            user.cuts += 1;
        }
    }

    /// Whether whoever made and confirmed a link may still give what it gives.
    fn givers_may(&self, invitation: &Invitation) -> bool {
        let givers = [invitation.invited_by, invitation.confirmed_by];
        givers.into_iter().flatten().all(|giver| self.giver_may(giver, invitation))
    }

    fn giver_may(&self, inviter: i64, invitation: &Invitation) -> bool {
        let (merchant, given) = match invitation.to {
            InvitedTo::Merchant(merchant, role) => (Some(merchant.0), Some(role)),
            InvitedTo::Installation(role) => (None, Some(role)),
            InvitedTo::Reset(user) => (None, self.users.get(&user.0).and_then(|user| user.role)),
        };
        let is_out = self.users.get(&inviter).is_none_or(|user| user.is_disabled);
        let may = self.role_of(inviter, merchant).is_some_and(|own| match own {
            Role::Owner => given.is_none_or(is_of_merchants),
            Role::Operator => true,
            _ => given.is_none(),
        });
        may && !is_out
    }
}

impl Model {
    pub(super) fn invited(
        &mut self,
        new: &Invite,
        by: Principal,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let people = &self.people;
        let refused = match new.to {
            InvitedTo::Merchant(merchant, role) => first(&[
                (!self.merchants.contains_key(&merchant.0), NOT_FOUND),
                (!is_of_merchants(role) || !people.may_grant(by, role), ROLE),
            ]),
            InvitedTo::Installation(role) => {
                first(&[(is_of_merchants(role) || !people.may_grant(by, role), ROLE)])
            }
            InvitedTo::Reset(user) => {
                let role = people.users.get(&user.0).and_then(|user| user.role);
                first(&[
                    (!people.users.contains_key(&user.0), NOT_FOUND),
                    (role.is_some_and(|role| !people.may_grant(by, role)), ROLE),
                ])
            }
        };
        if observed.check_acceptance(refused)? {
            let row = output!(observed, Output::Invite(row) => row);
            let invited_by = match by {
                Principal::User(person) => Some(person.user_id.0),
                _ => None,
            };
            let invitation = Invitation {
                token: new.token,
                to: new.to,
                invited_by,
                created: observed.now,
                takes_two: matches!(new.to, InvitedTo::Merchant(_, role) if OF_MONEY.contains(&role))
                    && self.people.asking.as_ref().is_some_and(|own| is_of_merchants(own.role)),
                is_confirmed: false,
                confirmed_by: None,
                is_ended: false,
            };
            if let InvitedTo::Reset(user) = new.to
                && let Some(user) = self.people.users.get_mut(&user.0)
            {
                user.reset = Some(new.token);
            }
            self.dependencies_version += 1;
            self.people.invitations.insert(row.id.0, invitation);
            self.people.by_token.insert(new.token, row.id.0);
            self.people.invitation_list.push(row.id.0);
        }
        Ok(())
    }

    pub(super) fn invitation_confirmed(
        &mut self,
        request: &ConfirmInvitation,
        by: Principal,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let found = self.people.invitations.get(&request.invitation_id.0);
        let own = found.filter(|found| {
            matches!(found.to, InvitedTo::Merchant(merchant, _) if merchant == request.merchant_id)
        });
        let who = match by {
            Principal::User(person) => Some(person.user_id.0),
            _ => None,
        };
        let may = |giver: Option<i64>, found: &Invitation| {
            giver.is_none_or(|giver| self.people.giver_may(giver, found))
        };
        let is_over =
            own.is_some_and(|found| !found.is_open(observed.now) || !may(found.invited_by, found));
        // The word of somebody who may not give the role any more is replaced.
        let waits = own.is_some_and(|found| {
            found.takes_two && !(found.is_confirmed && may(found.confirmed_by, found))
        });
        let is_same = waits && who.is_some() && own.is_some_and(|found| found.invited_by == who);
        let refused = first(&[(own.is_none(), NOT_FOUND), (is_over, INVITATION), (is_same, ROLE)]);
        if observed.check_acceptance(refused)?
            && waits
            && let Some(own) = self.people.invitations.get_mut(&request.invitation_id.0)
        {
            own.is_confirmed = true;
            own.confirmed_by = who;
            self.dependencies_version += 1;
        }
        Ok(())
    }

    pub(super) fn invitation_canceled(
        &mut self,
        request: &CancelInvitation,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let found = self.people.invitations.get_mut(&request.invitation_id.0);
        let own = found.filter(|found| {
            matches!(found.to, InvitedTo::Merchant(merchant, _) if merchant == request.merchant_id)
        });
        if observed.check_acceptance(first(&[(own.is_none(), NOT_FOUND)]))?
            && let Some(own) = own
        {
            own.is_ended = true;
        }
        Ok(())
    }

    pub(super) fn invitation_accepted(
        &mut self,
        request: &AcceptInvitation,
        by: Principal,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let now = observed.now;
        let id = self.people.by_token.get(&request.token).copied();
        let found = id.and_then(|id| self.people.invitations.get(&id));
        let to = found.map(|found| found.to);
        let is_reset = matches!(to, Some(InvitedTo::Reset(_)));
        let is_good = |found: &Invitation| {
            let is_last = match found.to {
                InvitedTo::Reset(user) => {
                    let user = self.people.users.get(&user.0);
                    user.is_some_and(|user| user.reset == Some(request.token))
                }
                _ => true,
            };
            found.is_open(now) && is_last && self.people.givers_may(found)
        };
        let is_over = !found.is_some_and(is_good);
        let is_waiting = found.is_some_and(Invitation::waits);
        let is_other_page = is_reset != matches!(request.by, Guest::Returning { .. });
        let is_taken = matches!(&request.by, Guest::New { email, .. }
            if self.people.by_email.contains_key(email));
        let known = match request.by {
            Guest::Known(person) => Some(person.user_id),
            Guest::New { .. } | Guest::Returning { .. } => None,
        };
        let is_other = known
            .is_some_and(|user| !matches!(by, Principal::User(person) if person.user_id == user));
        let is_member = match (known, to) {
            (Some(user), Some(InvitedTo::Merchant(merchant, role))) => {
                let own = self.people.members.get(&(user.0, merchant.0)).copied().flatten();
                own.is_some_and(|own| role.is_within(own))
            }
            _ => false,
        };
        if !observed.check_acceptance(first(&[
            (is_over || is_other_page || is_waiting, INVITATION),
            (is_taken, USER),
            (is_other, LOGIN),
            (is_member, USER),
        ]))? {
            return Ok(());
        }
        let row = output!(observed, Output::AcceptInvitation(row) => row);
        let user = row.id.0;
        match &request.by {
            Guest::New { email, password_hash, .. } => {
                let new = User {
                    email: email.clone(),
                    password: password_hash.clone(),
                    phone: None,
                    pending: None,
                    step: 0,
                    recovery: vec![],
                    spent: vec![],
                    role: None,
                    is_disabled: false,
                    reset: None,
                    cuts: 0,
                };
                self.people.users.insert(user, new);
                self.people.by_email.insert(email.clone(), user);
                self.people.user_list.push(user);
            }
            Guest::Known(known) if known.user_id.0 != user => {
                return Err(format!("{} used a link, and {user} joined", known.user_id));
            }
            Guest::Known(_) => {}
            Guest::Returning { password_hash } => {
                self.people.cut(user);
                if let Some(found) = self.people.users.get_mut(&user) {
                    found.password.clone_from(password_hash);
                    (found.phone, found.pending, found.recovery) = (None, None, vec![]);
                    // What strangers have tried keeps nobody from beginning anew.
                    let account = (Some(found.email.clone()), None);
                    self.people.tries.remove(&account);
                }
            }
        }
        match to {
            Some(InvitedTo::Merchant(merchant, role)) => {
                self.people.members.insert((user, merchant.0), Some(role));
            }
            Some(InvitedTo::Installation(role)) => {
                if let Some(found) = self.people.users.get_mut(&user)
                    && found.role != Some(Role::Operator)
                {
                    found.role = Some(role);
                }
            }
            Some(InvitedTo::Reset(of)) if of.0 != user => {
                return Err(format!("a link of {of} changed {user}"));
            }
            Some(InvitedTo::Reset(_)) | None => {}
        }
        if let Some(found) = id.and_then(|id| self.people.invitations.get_mut(&id)) {
            found.is_ended = true;
        }
        self.dependencies_version += 1;
        Ok(())
    }

    pub(super) fn login_reserved(
        &mut self,
        request: &ReserveLogin,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let ReserveLogin { email, address } = request;
        let is_refused = self.people.is_try_refused(email, address, observed.now);
        if observed.check_acceptance(first(&[(is_refused, LOGIN)]))? {
            let attempt = output!(observed, Output::ReserveLogin(attempt) => attempt);
            let id = self.people.by_email.get(email);
            let known = id.and_then(|id| Some((*id, self.people.users.get(id)?.password.clone())));
            let told = attempt.user.map(|(id, hash)| (id.0, hash));
            if told != known && !observed.overlapped {
                return Err(format!("{email} is {known:?} and not {told:?}"));
            }
            self.people.add_try(attempt.reserved.id.0, email, address, observed.now);
        }
        Ok(())
    }

    pub(super) fn login_finished(
        &mut self,
        request: &FinishLogin,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if !observed.check_acceptance(vec![])? {
            return Ok(());
        }
        let row = output!(observed, Output::FinishLogin(row) => row);
        let user = self.people.users.get(&request.user_id.0);
        let is_right =
            user.is_some_and(|user| !user.is_disabled && user.password == request.password_hash);
        let may_differ = if row.is_some() { observed.lenient } else { observed.overlapped };
        if row.is_some() != is_right && !may_differ {
            return Err(format!("right: {is_right}, and the login is {row:?}"));
        }
        if let Some(row) = row {
            self.people.forgive(request.reserved.id.0, observed.now);
            self.people.open_login(&row, None, observed.now);
        }
        Ok(())
    }

    pub(super) fn code_reserved(
        &mut self,
        request: &ReserveCode,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let user = self.people.users.get(&request.by.user_id.0);
        // Apart from the passwords that are tried.
        let email = user.map(|user| format!("{CODE}{}", user.email)).unwrap_or_default();
        let is_refused = self.people.is_try_refused(&email, &request.address, observed.now);
        if observed.check_acceptance(first(&[(is_refused, LOGIN)]))? {
            let reserved = output!(observed, Output::ReserveCode(reserved) => reserved);
            self.people.add_try(reserved.id.0, &email, &request.address, observed.now);
        }
        Ok(())
    }

    /// A code of a phone is taken once, and none from before it; a recovery code is taken once.
    pub(super) fn code_given(
        &mut self,
        request: &GiveCode,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let user = self.people.users.get(&request.by.user_id.0);
        let has_phone = user.is_some_and(User::has_second_factor);
        let is_good = user.is_some_and(|user| match request.proof {
            Proof::Step(step) => step > user.step,
            Proof::Recovery(code) => user.recovery.contains(&code),
        });
        if !observed.check_acceptance(first(&[(!has_phone, SECOND_FACTOR), (!is_good, LOGIN)]))? {
            return Ok(());
        }
        self.people.forgive(request.reserved.id.0, observed.now);
        if let Some(user) = self.people.users.get_mut(&request.by.user_id.0) {
            match request.proof {
                Proof::Step(step) => user.step = step,
                Proof::Recovery(code) => {
                    user.recovery.retain(|known| *known != code);
                    user.spent.push(code);
                }
            }
        }
        if let Some(login) = self.people.logins.get_mut(&request.by.login_id.0) {
            (login.code, login.used) = (Some(observed.now), observed.now);
        }
        self.dependencies_version += 1;
        Ok(())
    }

    /// Whoever has a phone replaces it only after a code of it.
    pub(super) fn second_factor_set_up(
        &mut self,
        request: &SetUpSecondFactor,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let by = request.by;
        let has_phone = self.people.users.get(&by.user_id.0).is_some_and(User::has_second_factor);
        let login = self.people.logins.get(&by.login_id.0);
        let is_fresh = login.is_some_and(|login| login.is_fresh(observed.now));
        if observed.check_acceptance(first(&[(has_phone && !is_fresh, SECOND_FACTOR)]))?
            && let Some(user) = self.people.users.get_mut(&by.user_id.0)
        {
            user.pending = Some(request.secret.sealed.clone());
            self.dependencies_version += 1;
        }
        Ok(())
    }

    pub(super) fn second_factor_confirmed(
        &mut self,
        request: &ConfirmSecondFactor,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let user = self.people.users.get(&request.by.user_id.0);
        let waits = user.is_some_and(|user| user.pending.as_ref() == Some(&request.sealed));
        if !observed.check_acceptance(first(&[(!waits, LOGIN)]))? {
            return Ok(());
        }
        self.people.forgive(request.reserved.id.0, observed.now);
        if let Some(user) = self.people.users.get_mut(&request.by.user_id.0) {
            user.phone = user.pending.take();
            // Another phone makes other codes: its steps begin anew.
            user.step = request.step;
            user.recovery.clone_from(&request.recovery_codes.0);
        }
        if let Some(login) = self.people.logins.get_mut(&request.by.login_id.0) {
            login.code = Some(observed.now);
        }
        self.dependencies_version += 1;
        Ok(())
    }

    pub(super) fn password_changed(
        &mut self,
        request: &ChangePassword,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let (user_id, login_id) = (request.by.user_id.0, request.by.login_id.0);
        let user = self.people.users.get(&user_id);
        let is_wrong = user.is_none_or(|user| user.password != request.from_hash);
        let code = self.people.logins.get(&login_id).and_then(|login| login.code);
        let lacks_code = user.is_some_and(User::has_second_factor) && code.is_none();
        if !observed.check_acceptance(first(&[(is_wrong, LOGIN), (lacks_code, SECOND_FACTOR)]))? {
            return Ok(());
        }
        let row = output!(observed, Output::ChangePassword(row) => row);
        self.people.forgive(request.reserved.id.0, observed.now);
        self.people.cut(user_id);
        if let Some(user) = self.people.users.get_mut(&user_id) {
            user.password.clone_from(&request.to_hash);
        }
        if let Some(login) = self.people.logins.get_mut(&login_id) {
            login.is_ended = true;
        }
        self.people.open_login(&row, code, observed.now);
        self.dependencies_version += 1;
        Ok(())
    }

    pub(super) fn login_ended(
        &mut self,
        request: &EndLogin,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let found = self.people.logins.get_mut(&request.login_id.0);
        let own = found.filter(|login| login.user == request.by.user_id.0);
        if observed.check_acceptance(first(&[(own.is_none(), NOT_FOUND)]))?
            && let Some(own) = own
        {
            own.is_ended = true;
            self.dependencies_version += 1;
        }
        Ok(())
    }

    pub(super) fn login_touched(
        &mut self,
        by: Person,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        if observed.check_acceptance(vec![])?
            && let Some(login) = self.people.logins.get_mut(&by.login_id.0)
        {
            if observed.overlapped {
                // It may have read the last use as it was before another process noted one.
                let noted = self.people.noted_uses.get(&by.login_id.0);
                login.used = noted.copied().unwrap_or(login.used);
            } else if observed.now - login.used >= NOTED_EVERY {
                login.used = observed.now;
            }
        }
        Ok(())
    }

    pub(super) fn member_changed(
        &mut self,
        request: &ChangeMember,
        by: Principal,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let (merchant, key) = (request.merchant_id.0, (request.user_id.0, request.merchant_id.0));
        let before = self.people.members.get(&key).copied().flatten();
        let is_beyond = |role: Role| !is_of_merchants(role) || !self.people.may_grant(by, role);
        let by_owner = self.people.asking.as_ref().is_some_and(|own| is_of_merchants(own.role));
        // To another role by which money leaves an owner alone leads nobody.
        let takes_two = by_owner
            && request.role.is_some_and(|role| OF_MONEY.contains(&role))
            && before != request.role
            && before != Some(Role::Owner);
        let is_denied =
            before.is_some_and(is_beyond) || request.role.is_some_and(is_beyond) || takes_two;
        let is_last = before == Some(Role::Owner)
            && request.role != Some(Role::Owner)
            && self.people.owners(merchant) == 1;
        if observed.check_acceptance(first(&[
            (before.is_none(), NOT_FOUND),
            (is_denied, ROLE),
            (is_last, USER),
        ]))? {
            let row = output!(observed, Output::ChangeMember(row) => row);
            // To the role that the member had writes nothing. So no row orders it against a change by
            // another process, which may stand before it here and have come after it.
            if observed.read_back || row.updated_at.0 == observed.now {
                self.people.members.insert(key, request.role);
                self.dependencies_version += 1;
            }
        }
        Ok(())
    }

    pub(super) fn limits_set(
        &mut self,
        request: &SetMerchantLimits,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let merchant = request.merchant_id.0;
        let unknown = !self.merchants.contains_key(&merchant);
        let before = self.people.limits.get(&(merchant, request.currency)).copied();
        let before = before.unwrap_or_default();
        let is_raised = |before: Option<i64>, to: Patch<i64>| match (before, to) {
            (Some(before), Patch::Set(to)) => to > before,
            (Some(_), Patch::Clear) => true,
            _ => false,
        };
        let is_raised = is_raised(before.payment, request.payment_minor)
            || is_raised(before.day, request.day_minor)
            || before.bind_api_keys && request.bind_api_keys == Some(false);
        let is_of_merchant =
            self.people.asking.as_ref().is_some_and(|own| is_of_merchants(own.role));
        let refused = first(&[(unknown, NOT_FOUND), (is_raised && is_of_merchant, ROLE)]);
        if observed.check_acceptance(refused)? {
            let limits = self.people.limits.entry((merchant, request.currency)).or_default();
            limits.support_refund = request.support_refund_minor.unwrap_or(limits.support_refund);
            limits.payment = request.payment_minor.apply_to(limits.payment);
            limits.day = request.day_minor.apply_to(limits.day);
            limits.bind_api_keys = request.bind_api_keys.unwrap_or(limits.bind_api_keys);
            self.dependencies_version += 1;
        }
        Ok(())
    }

    pub(super) fn user_disabled(
        &mut self,
        request: &DisableUser,
        by: Principal,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let found = self.people.users.get(&request.user_id.0);
        let is_denied =
            found.and_then(|found| found.role).is_some_and(|role| !self.people.may_grant(by, role));
        let is_same = found.is_some_and(|found| found.is_disabled == request.disabled);
        let refused = first(&[(found.is_none(), NOT_FOUND), (is_denied, ROLE)]);
        if observed.check_acceptance(refused)? && !is_same {
            if let Some(found) = self.people.users.get_mut(&request.user_id.0) {
                found.is_disabled = request.disabled;
            }
            self.people.cut(request.user_id.0);
            self.dependencies_version += 1;
        }
        Ok(())
    }

    /// Nobody makes a key that may do more than they may.
    pub(super) fn key_created(
        &mut self,
        new: &CreateApiKey,
        by: Principal,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let own = self.people.rights(by);
        let is_more = own.is_some_and(|own| !is_within(&new.rights, &own));
        if observed.check_acceptance(first(&[(is_more, ROLE)]))? {
            let row = output!(observed, Output::CreateApiKey(key) => key);
            let (merchant, rights) = (new.merchant_id.0, new.rights.clone());
            let made_by = match by.actor() {
                actor @ (Actor::User(_) | Actor::ApiKey(_)) => Some(self.behind(actor)),
                _ => None,
            };
            let key = Key { merchant, rights, is_revoked: false, made_by };
            self.people.keys.insert(row.id.0, key);
            self.merchant(merchant).keys.push(row.id.0);
        }
        Ok(())
    }

    pub(super) fn key_revoked(
        &mut self,
        merchant: i64,
        key: i64,
        observed: Observed<'_>,
    ) -> Result<(), Mismatch> {
        let known = self.people.keys.get_mut(&key).filter(|known| known.merchant == merchant);
        if observed.check_acceptance(first(&[(known.is_none(), NOT_FOUND)]))?
            && let Some(known) = known
        {
            known.is_revoked = true;
            self.dependencies_version += 1;
        }
        Ok(())
    }
}
