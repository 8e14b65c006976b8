//! What people do: they are invited and join, log in, prove who they are, change each other's
//! roles, and ask for what merchants and operators ask for. Guessers try their passwords.

use domain::decision::command::Command;
use domain::decision::event::Actor;
use domain::directory::api_keys::CreateApiKey;
use domain::directory::merchant_limits::SetMerchantLimits;
use domain::directory::principal::{Caller, Principal};
use domain::directory::roles::{Operations, Rights, Role};
use domain::kernel::currency::Currency;
use domain::kernel::ids::{
    ApiKeyId, ApprovalId, InvitationId, LoginId, MerchantId, SigningKeyId, UserId,
};
use domain::kernel::patch::Patch;
use domain::kernel::time::{ServerTime, minutes, seconds};
use domain::kernel::uuids::Fingerprint;
use domain::payments::approval::ApprovalStatus;
use domain::payments::create_session::{CreateSession, NewSession};
use domain::payments::decide_approval::{Approve, Refuse};
use domain::payments::execute::OperationDetails;
use domain::people::accept_invitation::{AcceptInvitation, Guest};
use domain::people::access::Person;
use domain::people::change_member::ChangeMember;
use domain::people::disable_user::DisableUser;
use domain::people::end_login::{EndLogin, TouchLogin};
use domain::people::invitation::InvitedTo;
use domain::people::invite::{CancelInvitation, ConfirmInvitation, Invite};
use domain::people::log_in::{Browser, ReserveLogin};
use domain::people::second_factor::{ReserveCode, SetUpSecondFactor};
use domain::people::user::SealedTotp;

use super::Clients;
use crate::oracle::people::{Login, RETIRED_SIGNING_KEY, SIGNING_KEY, User, action_of};
use crate::plan::merchant_of;
use crate::queued_command::{Code, Origin, QueuedCommand, Try};
use crate::rng::Rng;

/// How often each is done: invite, take a link back, use a link, log in, guess, give a code, set up
/// a phone, give its first code, change the password, end a login, use one, change a role, set limits,
/// disable.
const WEIGHTS: &[u32] = &[9, 1, 14, 20, 1, 14, 10, 12, 3, 2, 4, 6, 4, 6, 3];
/// How often somebody in person asks for what a client would, and how often a program with an API
/// key, in thousandths.
const BY_PERSON: usize = 220;
const BY_KEY: usize = 80;
/// The same of payouts and transfers, by keys and by people: only theirs may need an approval.
const PAYOUT_BY: (usize, usize) = (300, 400);
/// People are looked for among so many of the last logins.
const RECENT_LOGINS: usize = 60;

/// Few people, so that they meet, and some who are not there.
fn email(rng: &mut Rng) -> String {
    format!("p{}@shop.example", rng.below(40))
}

/// Few addresses; those of guessers are others.
fn address(rng: &mut Rng) -> String {
    format!("192.0.2.{}", rng.below(8))
}

fn token(rng: &mut Rng) -> Fingerprint {
    Fingerprint::of(&[&rng.next().to_be_bytes()])
}

fn browser(rng: &mut Rng) -> Browser {
    Browser { token: token(rng), address: address(rng), name: "B".to_owned() }
}

fn password(rng: &mut Rng) -> String {
    format!("hash-{}", rng.next())
}

fn role_of_merchants(rng: &mut Rng) -> Role {
    match rng.below(14) {
        0..=4 => Role::Owner,
        5 | 6 => Role::Finance,
        7..=9 => Role::Manager,
        10 => Role::Support,
        11 => Role::Developer,
        12 => Role::Viewer,
        // No role of a merchant.
        _ => Role::Operator,
    }
}

const fn person(user: i64, login: i64, merchant: Option<i64>) -> Person {
    let merchant_id = match merchant {
        Some(id) => Some(MerchantId(id)),
        None => None,
    };
    Person { user_id: UserId(user), login_id: LoginId(login), merchant_id }
}

impl Clients<'_> {
    /// Something that people do about themselves and each other.
    pub(super) fn people(&mut self, id: i64) -> Option<QueuedCommand> {
        match self.rng.weighted(WEIGHTS) {
            0 => self.invite(id),
            1 => {
                let invitation = self.rng.recent(&self.model.people.invitation_list)?;
                let command = Command::CancelInvitation(CancelInvitation {
                    merchant_id: MerchantId(id),
                    invitation_id: InvitationId(invitation),
                });
                Some(self.by_operator_or_person(command, Some(id)))
            }
            2 => self.use_link(),
            3 => Some(self.log_in()),
            4 => Some(self.guess()),
            5 => self.give_code(),
            6 => {
                let by =
                    self.own_login(|user, _| user.phone.is_none() && user.pending.is_none())?;
                let sealed = format!("sealed-{}", self.rng.next());
                let secret = SealedTotp { sealed, key_id: "key".to_owned() };
                let set_up = SetUpSecondFactor { by, secret };
                Some(of_person(set_up.into(), by))
            }
            7 => {
                let waits = |user: &User| user.pending.is_some();
                let by = self.own_login(|user, _| waits(user))?;
                let recovery = (0..3).map(|_| token(self.rng)).collect();
                let is_right = self.rng.chance(900);
                Some(self.try_code(by, Try::FirstCode { by, is_right, recovery }))
            }
            8 => {
                let by = self.own_login(|_, _| true)?;
                let (is_right, to_hash) = (self.rng.chance(800), password(self.rng));
                let browser = browser(self.rng);
                Some(self.try_code(by, Try::NewPassword { by, is_right, to_hash, browser }))
            }
            9 => {
                let by = self.own_login(|_, _| true)?;
                let login_id = match self.rng.below(10) {
                    // Perhaps somebody else's.
                    0..=2 => LoginId(self.rng.recent(&self.model.people.login_list)?),
                    _ => by.login_id,
                };
                Some(of_person(EndLogin { by, login_id }.into(), by))
            }
            10 => {
                let by = self.own_login(|_, _| true)?;
                Some(of_person(TouchLogin { by }.into(), by))
            }
            11 => self.change_member(id),
            12 => self.set_limits(id),
            13 => self.confirm_invitation(id),
            _ => {
                let people = &self.model.people;
                let is_disabled =
                    |id: &i64| people.users.get(id).is_some_and(|user| user.is_disabled);
                // Mostly whoever was disabled is enabled again soon.
                let out = people.user_list.iter().rev().find(|id| is_disabled(id)).copied();
                let out = out.filter(|_| self.rng.chance(600));
                let user = out.or_else(|| self.rng.recent(&people.user_list))?;
                let is_disabled = is_disabled(&user);
                let disabled = if self.rng.chance(800) { !is_disabled } else { is_disabled };
                let command = Command::DisableUser(DisableUser { user_id: UserId(user), disabled });
                Some(self.by_operator_or_person(command, None))
            }
        }
    }

    fn invite(&mut self, id: i64) -> Option<QueuedCommand> {
        let to = match self.rng.below(20) {
            0..=2 => {
                let role = match self.rng.below(8) {
                    0 => Role::Manager,
                    1 | 2 => Role::Auditor,
                    _ => Role::Operator,
                };
                InvitedTo::Installation(role)
            }
            3 | 4 => InvitedTo::Reset(UserId(self.rng.recent(&self.model.people.user_list)?)),
            _ => InvitedTo::Merchant(MerchantId(id), role_of_merchants(self.rng)),
        };
        let of = if matches!(to, InvitedTo::Merchant(..)) { Some(id) } else { None };
        let command = Command::Invite(Invite { to, token: token(self.rng) });
        Some(self.by_operator_or_person(command, of))
    }

    /// Mostly one that waits for a second person.
    fn confirm_invitation(&mut self, id: i64) -> Option<QueuedCommand> {
        let people = &self.model.people;
        let mut chosen = self.rng.recent(&people.invitation_list)?;
        for _ in 0..6 {
            if people.invitations.get(&chosen)?.waits() || self.rng.chance(60) {
                break;
            }
            chosen = self.rng.recent(&people.invitation_list)?;
        }
        let merchant = match people.invitations.get(&chosen)?.to {
            InvitedTo::Merchant(merchant, _) => merchant.0,
            InvitedTo::Installation(_) | InvitedTo::Reset(_) => id,
        };
        let command = Command::ConfirmInvitation(ConfirmInvitation {
            merchant_id: MerchantId(merchant),
            invitation_id: InvitationId(chosen),
        });
        Some(self.by_operator_or_person(command, Some(merchant)))
    }

    fn use_link(&mut self) -> Option<QueuedCommand> {
        let people = &self.model.people;
        let mut chosen = self.rng.recent(&people.invitation_list)?;
        // Mostly one that is still good; some that were used, and some that are old.
        for _ in 0..6 {
            let found = people.invitations.get(&chosen)?;
            if found.is_open(self.now) || self.rng.chance(60) {
                break;
            }
            chosen = self.rng.recent(&people.invitation_list)?;
        }
        if self.rng.chance(60) {
            // One that nobody has used in time.
            let is_late = |id: &&i64| {
                people
                    .invitations
                    .get(id)
                    .is_some_and(|found| !found.is_ended && !found.is_open(self.now))
            };
            let late = people.invitation_list.iter().rev().find(is_late);
            chosen = late.copied().unwrap_or(chosen);
        }
        let known = people.invitations.get(&chosen)?;
        let mut token = known.token;
        if self.rng.chance(10) {
            token = Fingerprint::of(&[b"a link of nobody"]);
        }
        let is_reset = matches!(known.to, InvitedTo::Reset(_)) != self.rng.chance(20);
        if is_reset {
            let by = Guest::Returning { password_hash: password(self.rng) };
            return Some(of_visitor(AcceptInvitation { token, by }.into()));
        }
        let is_known = self.rng.chance(350);
        if let Some(by) = self.own_login(|_, _| true).filter(|_| is_known) {
            // Nobody joins for somebody else.
            let other = self.rng.recent(&people.user_list).filter(|_| self.rng.chance(30));
            let user_id = other.map_or(by.user_id, UserId);
            let guest = Guest::Known(Person { user_id, ..by });
            return Some(of_person(AcceptInvitation { token, by: guest }.into(), by));
        }
        let mut email = email(self.rng);
        for _ in 0..6 {
            if !people.by_email.contains_key(&email) || self.rng.chance(200) {
                break;
            }
            email = self::email(self.rng);
        }
        let by = Guest::New { email, name: "P".to_owned(), password_hash: password(self.rng) };
        Some(of_visitor(AcceptInvitation { token, by }.into()))
    }

    /// Mostly somebody who is there and not logged in.
    fn log_in(&mut self) -> QueuedCommand {
        let mut email = self.somebodys_email();
        for _ in 0..4 {
            let known = self.model.people.by_email.get(&email);
            let logins = || self.model.people.login_list.iter().rev().take(RECENT_LOGINS);
            let is_in = |user: i64| {
                logins().any(|id| {
                    self.model.people.logins.get(id).is_some_and(|login| {
                        login.user == user && self.model.people.is_alive(login, self.now)
                    })
                })
            };
            if known.is_some_and(|user| !is_in(*user)) || self.rng.chance(100) {
                break;
            }
            email = self.somebodys_email();
        }
        let browser = browser(self.rng);
        let address = browser.address.clone();
        let is_right = self.rng.chance(880);
        QueuedCommand::untagged(
            ReserveLogin { email, address },
            Origin::Try(Try::Password { is_right, browser }),
        )
        .asked_by(Principal::Visitor)
    }

    /// Mostly of somebody who is there.
    fn somebodys_email(&mut self) -> String {
        let people = &self.model.people;
        let user = self.rng.pick(&people.user_list).filter(|_| self.rng.chance(900));
        let known = user.and_then(|user| people.users.get(&user));
        known.map_or_else(|| email(self.rng), |user| user.email.clone())
    }

    /// Guesses at one account from one address, at many from one, or at one from many.
    fn guess(&mut self) -> QueuedCommand {
        let (account, place) = (self.somebodys_email(), self.rng.below(4));
        let number = |rng: &mut Rng| rng.below(30);
        let rng = &mut *self.rng;
        let all: Vec<(String, String)> = match rng.below(3) {
            0 => (0..7).map(|_| (account.clone(), format!("192.0.2.{place}"))).collect(),
            1 => (0..24)
                .map(|_| {
                    let other = format!("nobody{}@shop.example", number(rng));
                    let email = if rng.chance(300) { email(rng) } else { other };
                    (email, format!("198.51.100.{place}"))
                })
                .collect(),
            _ => (0..56).map(|_| (account.clone(), format!("203.0.113.{}", number(rng)))).collect(),
        };
        let mut all = all.into_iter();
        let (email, address) = all.next().unwrap_or_default();
        QueuedCommand::untagged(
            ReserveLogin { email, address },
            Origin::Try(Try::Guesses(all.collect())),
        )
        .asked_by(Principal::Visitor)
    }

    fn give_code(&mut self) -> Option<QueuedCommand> {
        let now = self.now;
        let by = self.own_login(|user, login| user.has_second_factor() && !login.is_fresh(now))?;
        let code = match self.rng.below(20) {
            0 => Code::Again,
            1 => Code::Older,
            2 => Code::Wrong,
            3 | 4 => Code::Recovery,
            5 => Code::Spent,
            _ => Code::Now,
        };
        Some(self.try_code(by, Try::Code { by, code }))
    }

    fn try_code(&mut self, by: Person, tried: Try) -> QueuedCommand {
        let reserve = ReserveCode { by, address: address(self.rng) };
        QueuedCommand::untagged(reserve, Origin::Try(tried)).asked_by(Principal::User(by))
    }

    /// Limits of the size of payments, or none.
    fn set_limits(&mut self, id: i64) -> Option<QueuedCommand> {
        let currency = self.rng.pick(&["USD", "USD", "LRD", "RWF"]).and_then(Currency::parse)?;
        let support = if self.rng.chance(300) { 0 } else { self.rng.between(1, 200_000) };
        let limit = |rng: &mut Rng, most| match rng.below(6) {
            0 => Patch::Keep,
            1 => Patch::Clear,
            _ => Patch::Set(rng.between(0, most)),
        };
        let command = Command::SetMerchantLimits(SetMerchantLimits {
            merchant_id: MerchantId(id),
            currency,
            support_refund_minor: Some(support).filter(|_| self.rng.chance(500)),
            payment_minor: limit(self.rng, 250),
            day_minor: limit(self.rng, 900),
            bind_api_keys: Some(self.rng.chance(700)).filter(|_| self.rng.chance(700)),
        });
        Some(self.by_operator_or_person(command, Some(id)))
    }

    /// Somebody answers a request for approval: mostly one that is open, and mostly somebody else than
    /// who made it.
    pub(super) fn answer_approval(&mut self, id: i64) -> Option<QueuedCommand> {
        let model = self.model;
        let mut chosen = self.rng.recent(&model.approval_list)?;
        for _ in 0..6 {
            let known = model.approvals.get(&chosen)?;
            let is_open = known.merchant == id && known.status == ApprovalStatus::Requested;
            if is_open || self.rng.chance(30) {
                break;
            }
            chosen = self.rng.recent(&model.approval_list)?;
        }
        let known = model.approvals.get(&chosen)?;
        let merchant = if self.rng.chance(985) { known.merchant } else { id };
        let (merchant_id, approval_id) = (MerchantId(merchant), ApprovalId(chosen));
        let command = match self.rng.chance(700) {
            true => Command::Approve(Approve { merchant_id, approval_id }),
            false => {
                let note = Some("no".to_owned()).filter(|_| self.rng.chance(500));
                Command::Refuse(Refuse { merchant_id, approval_id, note })
            }
        };
        let of = Some(merchant);
        let by = if self.rng.chance(250) {
            self.who_requested(known.requested_by, merchant)
        } else if self.rng.chance(250) {
            self.api_key_of(of, &command).map(Principal::ApiKey)
        } else {
            self.somebody(&command, of).map(Principal::User)
        };
        Some(QueuedCommand::from_client(command).asked_by(by?))
    }

    /// Whoever made a request, by another login or another key.
    fn who_requested(&mut self, actor: Actor, merchant: i64) -> Option<Principal> {
        let people = &self.model.people;
        let behind = self.model.behind(actor);
        if let (Actor::User(user), true) = (actor, self.rng.chance(500)) {
            let is_theirs = |id: &&i64| {
                people
                    .logins
                    .get(id)
                    .is_some_and(|login| login.user == user.0 && people.is_alive(login, self.now))
            };
            let recent = people.login_list.iter().rev().take(RECENT_LOGINS);
            let logins: Vec<i64> = recent.filter(is_theirs).copied().collect();
            let login = self.rng.pick(&logins)?;
            return Some(Principal::User(person(user.0, login, Some(merchant))));
        }
        let keys = &self.model.merchants.get(&merchant)?.keys;
        let is_theirs = |id: &&i64| {
            let is_good = people.keys.get(id).is_some_and(|key| !key.is_revoked);
            is_good && self.model.behind(Actor::ApiKey(ApiKeyId(**id))) == behind
        };
        let theirs: Vec<i64> = keys.iter().filter(is_theirs).copied().collect();
        let key = self.rng.pick(&theirs)?;
        Some(Principal::ApiKey(Caller {
            merchant_id: MerchantId(merchant),
            api_key_id: ApiKeyId(key),
            signing_key_id: SigningKeyId(SIGNING_KEY),
            until: ServerTime(self.now + minutes(60)),
        }))
    }

    fn change_member(&mut self, id: i64) -> Option<QueuedCommand> {
        let users = self.model.people.user_list.iter();
        let has_role =
            |user: &&i64| self.model.people.members.get(&(**user, id)).is_some_and(Option::is_some);
        let members: Vec<i64> = users.filter(has_role).copied().collect();
        let user = match self.rng.chance(950) {
            true => self.rng.pick(&members)?,
            false => self.rng.recent(&self.model.people.user_list)?,
        };
        let role = if self.rng.chance(350) { None } else { Some(role_of_merchants(self.rng)) };
        let command = Command::ChangeMember(ChangeMember {
            merchant_id: MerchantId(id),
            user_id: UserId(user),
            role,
        });
        Some(self.by_operator_or_person(command, Some(id)))
    }

    /// A login for what somebody does about themselves: mostly a good one of somebody who `fits`.
    fn own_login(&mut self, fits: impl Fn(&User, &Login) -> bool) -> Option<Person> {
        let people = &self.model.people;
        if self.rng.chance(50) {
            let id = self.rng.recent(&people.login_list)?;
            return Some(person(people.logins.get(&id)?.user, id, None));
        }
        let is_wanted = |id: &&i64| {
            people.logins.get(id).is_some_and(|login| {
                people.is_alive(login, self.now)
                    && people.users.get(&login.user).is_some_and(|user| fits(user, login))
            })
        };
        let recent = people.login_list.iter().rev().take(RECENT_LOGINS);
        let wanted: Vec<i64> = recent.filter(is_wanted).copied().collect();
        let id = self.rng.pick(&wanted)?;
        Some(person(people.logins.get(&id)?.user, id, None))
    }

    /// Whoever runs the installation at its command line, or somebody in person.
    fn by_operator_or_person(&mut self, command: Command, of: Option<i64>) -> QueuedCommand {
        let item = QueuedCommand::from_client(command);
        match self.somebody(&item.command, of).filter(|_| self.rng.chance(600)) {
            Some(by) => item.asked_by(Principal::User(by)),
            None => item,
        }
    }

    /// Somebody who has logged in: mostly one who may do this, else one with another role in the
    /// merchant, or anybody.
    fn somebody(&mut self, command: &Command, of: Option<i64>) -> Option<Person> {
        let people = &self.model.people;
        let action = action_of(command)?;
        let recent = || people.login_list.iter().rev().take(RECENT_LOGINS);
        let made = |id: &i64| Some(person(people.logins.get(id)?.user, *id, of));
        let wanted: Vec<Person> = match self.rng.below(20) {
            0..=12 => {
                let may =
                    |by: &Person| people.reason_against_person(*by, action, self.now).is_none();
                recent().filter_map(made).filter(may).collect()
            }
            13..=18 => {
                let is_member = |by: &Person| people.role_of(by.user_id.0, of).is_some();
                let is_in = |id: &&i64| {
                    people.logins.get(id).is_some_and(|login| people.is_alive(login, self.now))
                };
                recent().filter(is_in).filter_map(made).filter(is_member).collect()
            }
            _ => recent().filter_map(made).collect(),
        };
        self.rng.pick(&wanted)
    }

    /// Some of what clients ask for is asked for by people with roles, and by programs with API
    /// keys.
    pub(super) fn by_somebody(&mut self, item: QueuedCommand) -> QueuedCommand {
        let is_of_client = matches!(item.origin, Origin::Client(0)) && item.by.is_none();
        if !is_of_client || self.is_exchanged_refund(&item.command) {
            return item;
        }
        let mut command = item.command.clone();
        let of = match &command {
            Command::Execute(request) => Some(request.merchant_id.0),
            _ => merchant_of(&mut command).map(|id| id.0),
        };
        let who = self.rng.below(1_000);
        let pays_out = matches!(&item.command, Command::Execute(request)
            if matches!(request.details, OperationDetails::Payout { .. } | OperationDetails::Transfer));
        let (by_key, by_person) = if pays_out { PAYOUT_BY } else { (BY_KEY, BY_PERSON) };
        if who < by_key {
            match self.api_key_of(of, &item.command) {
                Some(caller) => item.asked_by(Principal::ApiKey(caller)),
                None => item,
            }
        } else if who < by_key + by_person {
            match self.somebody(&item.command, of) {
                Some(by) => item.asked_by(Principal::User(by)),
                None => item,
            }
        } else {
            item
        }
    }

    /// A refund of a payment that was exchanged: after some months only whoever runs the
    /// installation makes one, and when that is, the oracle does not know.
    fn is_exchanged_refund(&self, command: &Command) -> bool {
        let original = match command {
            Command::CreateSession(CreateSession {
                session: NewSession::Refund { original_id, .. },
                ..
            }) => Some(original_id.0),
            Command::Execute(request) if matches!(request.details, OperationDetails::Refund) => {
                let session = self.model.sessions.get(&request.session_id.0);
                session.and_then(|session| session.original)
            }
            _ => return false,
        };
        original
            .and_then(|id| self.model.executions.get(&id))
            .is_none_or(|known| known.outside_currency != known.wallet_currency)
    }

    /// A token of one of the merchant's keys, mostly one that is good.
    fn api_key_of(&mut self, of: Option<i64>, command: &Command) -> Option<Caller> {
        action_of(command)?;
        let merchant = of?;
        let keys = &self.model.merchants.get(&merchant)?.keys;
        let is_good = |id: &&i64| self.model.people.keys.get(id).is_some_and(|key| !key.is_revoked);
        let good: Vec<i64> = keys.iter().filter(is_good).copied().collect();
        let key = if self.rng.chance(900) { self.rng.recent(&good) } else { self.rng.recent(keys) };
        let key = key?;
        let is_signed = self.rng.chance(970);
        let left = if self.rng.chance(970) { minutes(60) } else { -seconds(1) };
        Some(Caller {
            merchant_id: MerchantId(merchant),
            api_key_id: ApiKeyId(key),
            signing_key_id: SigningKeyId(if is_signed { SIGNING_KEY } else { RETIRED_SIGNING_KEY }),
            until: ServerTime(self.now + left + seconds(30)),
        })
    }

    /// A new key, perhaps one that may do less than all.
    pub(super) fn new_key(&mut self, merchant_id: MerchantId) -> Command {
        let operations = match self.rng.below(6) {
            0 => Some(Operations::new(["createSession".to_owned()])),
            _ => None,
        };
        let role = match self.rng.below(8) {
            0 => Role::Viewer,
            1 => Role::Developer,
            2 => Role::Finance,
            3 => Role::Support,
            4 => Role::Manager,
            _ => Role::Owner,
        };
        Command::CreateApiKey(CreateApiKey {
            merchant_id,
            client_id: format!("client-{}", self.rng.next()),
            secret_hash: String::new(),
            rights: Rights { role, operations },
        })
    }
}

fn of_person(command: Command, by: Person) -> QueuedCommand {
    QueuedCommand::from_client(command).asked_by(Principal::User(by))
}

fn of_visitor(command: Command) -> QueuedCommand {
    QueuedCommand::from_client(command).asked_by(Principal::Visitor)
}
