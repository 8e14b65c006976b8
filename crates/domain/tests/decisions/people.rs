//! People: who may do what by a login, links that are good once, and codes that are taken once.

use domain::decision::command::{Command, Output, Request};
use domain::directory::principal::Principal;
use domain::directory::roles::{Action, Role};
use domain::kernel::ids::{LoginId, MerchantId, UserId};
use domain::kernel::refusal::Refusal;
use domain::kernel::time::minutes;
use domain::kernel::uuids::Fingerprint;
use domain::people::accept_invitation::{AcceptInvitation, Guest};
use domain::people::access::Person;
use domain::people::change_member::ChangeMember;
use domain::people::disable_user::DisableUser;
use domain::people::end_login::{EndLogin, TouchLogin};
use domain::people::invitation::{Invitation, InvitedTo};
use domain::people::invite::{ConfirmInvitation, Invite};
use domain::people::log_in::{Browser, FinishLogin, ReserveLogin};
use domain::people::saved_filter::SaveFilter;
use domain::people::second_factor::{
    ConfirmSecondFactor, GiveCode, Proof, ReserveCode, SetUpSecondFactor,
};
use domain::people::user::{RecoveryCodes, SealedTotp, User};

use crate::stage::Stage;

fn print(n: u32) -> Fingerprint {
    Fingerprint::of(&[&n.to_be_bytes()])
}

/// Somebody who has joined and logged in.
pub(crate) struct Somebody {
    user: User,
    pub(crate) person: Person,
    logins: u32,
}

impl Stage {
    /// Decides a command of a person.
    pub(crate) fn by(
        &mut self,
        person: Person,
        command: impl Into<Command>,
    ) -> Result<Output, Vec<Refusal>> {
        self.decide_for(Principal::User(person), command)
    }

    fn joined(&mut self, n: u32, to: InvitedTo) -> Somebody {
        self.decide(&Invite { to, token: print(n) }).unwrap();
        let by = Guest::New {
            email: format!("p{n}@shop.example"),
            name: "P".into(),
            password_hash: "h".into(),
        };
        let user = self.decide(&AcceptInvitation { token: print(n), by }).unwrap();
        let merchant_id = match to {
            InvitedTo::Merchant(merchant, _) => Some(merchant),
            _ => None,
        };
        let mut somebody = Somebody {
            person: Person { user_id: user.id, login_id: LoginId(0), merchant_id },
            user,
            logins: n * 1000,
        };
        somebody.log_in(self);
        somebody
    }

    pub(crate) fn member(&mut self, n: u32, role: Role) -> Somebody {
        let merchant = self.merchant;
        self.joined(n, InvitedTo::Merchant(merchant, role))
    }
}

impl Somebody {
    pub(crate) fn log_in(&mut self, stage: &mut Stage) {
        let email = self.user.email.clone();
        let reserve = ReserveLogin { email, address: "a".into() };
        let attempt = stage.decide(&reserve).unwrap();
        self.logins += 1;
        let finish = FinishLogin {
            reserved: attempt.reserved,
            user_id: self.user.id,
            password_hash: "h".into(),
            browser: Browser {
                token: print(1_000_000 + self.logins),
                address: "a".into(),
                name: "b".into(),
            },
        };
        self.person.login_id = stage.decide(&finish).unwrap().unwrap().id;
    }

    /// Sets codes up; the first one is of this step.
    pub(crate) fn confirm(&self, stage: &mut Stage, step: i64) {
        let by = self.person;
        let sealed = format!("sealed {step}");
        let secret = SealedTotp { sealed: sealed.clone(), key_id: "k".into() };
        let set_up = SetUpSecondFactor { by, secret };
        stage.by(by, set_up).unwrap();
        let reserved = stage.decide(&ReserveCode { by, address: "a".into() }).unwrap();
        let recovery_codes = RecoveryCodes(vec![print(7), print(8)]);
        stage.by(by, ConfirmSecondFactor { by, reserved, sealed, step, recovery_codes }).unwrap();
    }

    fn give(&self, stage: &mut Stage, proof: Proof) -> Result<(), Vec<Refusal>> {
        let by = self.person;
        let reserved = stage.decide(&ReserveCode { by, address: "c".into() })?;
        stage.by(by, GiveCode { by, reserved, proof }).map(|_| ())
    }

    /// Gives the code of a step that must be a later one.
    pub(crate) fn give_step(&self, stage: &mut Stage, step: i64) {
        self.give(stage, Proof::Step(step)).unwrap();
    }

    /// What comes of inviting a viewer, which asks for a fresh code.
    fn invites(&self, stage: &mut Stage, n: u32) -> Result<(), Vec<Refusal>> {
        let to = InvitedTo::Merchant(stage.merchant, Role::Viewer);
        stage.by(self.person, Invite { to, token: print(n) }).map(|_| ())
    }
}

#[test]
fn a_login_suffices_for_an_action_or_not() {
    let mut stage = Stage::new();
    let owner = stage.member(1, Role::Owner);
    assert_eq!(owner.invites(&mut stage, 10), Err(vec![Refusal::SecondFactorNotSetUp]));
    owner.confirm(&mut stage, 100);
    assert_eq!(owner.invites(&mut stage, 11), Ok(()));
    stage.now = stage.now.plus(minutes(5));
    assert_eq!(owner.invites(&mut stage, 12), Err(vec![Refusal::SecondFactorMissing]));
    owner.give(&mut stage, Proof::Step(101)).unwrap();
    assert_eq!(owner.invites(&mut stage, 13), Ok(()));
    // A login that has given no code, and one of somebody else.
    let mut anew = Somebody { user: owner.user.clone(), person: owner.person, logins: 50 };
    anew.log_in(&mut stage);
    assert_eq!(anew.invites(&mut stage, 14), Err(vec![Refusal::SecondFactorMissing]));
    let viewer = stage.member(2, Role::Viewer);
    let stolen = Person { login_id: viewer.person.login_id, ..owner.person };
    let touch = TouchLogin { by: stolen };
    assert_eq!(stage.by(stolen, touch), Err(vec![Refusal::LoginEnded]));
    // A role that does not allow it, whatever the code.
    viewer.confirm(&mut stage, 200);
    let refused = Refusal::NotPermitted { role: Role::Viewer, action: Action::ManageMerchant };
    assert_eq!(viewer.invites(&mut stage, 15), Err(vec![refused]));
    // Another merchant.
    let elsewhere = Person { merchant_id: Some(MerchantId(987)), ..owner.person };
    let to = InvitedTo::Merchant(MerchantId(987), Role::Viewer);
    let invite = Invite { to, token: print(16) };
    assert_eq!(stage.by(elsewhere, invite), Err(vec![Refusal::NotMember]));
}

#[test]
fn a_login_is_over_after_its_time_and_when_it_is_ended() {
    let mut stage = Stage::new();
    let mut ama = stage.member(1, Role::Viewer);
    let touches = |stage: &mut Stage, who: &Somebody| {
        stage.by(who.person, TouchLogin { by: who.person }).map(|_| ())
    };
    let over = Err(vec![Refusal::LoginEnded]);
    // Used every fifty minutes, it lasts twelve hours.
    for _ in 0..14 {
        stage.now = stage.now.plus(minutes(50));
        assert_eq!(touches(&mut stage, &ama), Ok(()));
    }
    stage.now = stage.now.plus(minutes(20));
    assert_eq!(touches(&mut stage, &ama), over);
    ama.log_in(&mut stage);
    stage.now = stage.now.plus(minutes(60));
    assert_eq!(touches(&mut stage, &ama), over);
    ama.log_in(&mut stage);
    let kofi = stage.member(2, Role::Viewer);
    let theirs = EndLogin { by: kofi.person, login_id: ama.person.login_id };
    assert_eq!(stage.by(kofi.person, theirs), Err(vec![Refusal::NotFound]));
    let own = EndLogin { by: ama.person, login_id: ama.person.login_id };
    stage.by(ama.person, own).unwrap();
    assert_eq!(touches(&mut stage, &ama), over);
    ama.log_in(&mut stage);
    stage.decide(&DisableUser { user_id: ama.user.id, disabled: true }).unwrap();
    stage.now = stage.now.plus(1);
    stage.decide(&DisableUser { user_id: ama.user.id, disabled: false }).unwrap();
    assert_eq!(touches(&mut stage, &ama), over);
}

#[test]
fn a_code_is_taken_once_and_only_forward() {
    let mut stage = Stage::new();
    let ama = stage.member(1, Role::Owner);
    ama.confirm(&mut stage, 100);
    let wrong = Err(vec![Refusal::WrongCode]);
    assert_eq!(ama.give(&mut stage, Proof::Step(100)), wrong);
    assert_eq!(ama.give(&mut stage, Proof::Step(99)), wrong);
    assert_eq!(ama.give(&mut stage, Proof::Step(102)), Ok(()));
    assert_eq!(ama.give(&mut stage, Proof::Step(101)), wrong);
    assert_eq!(ama.give(&mut stage, Proof::Recovery(print(7))), Ok(()));
    assert_eq!(ama.give(&mut stage, Proof::Recovery(print(7))), wrong);
    // Five wrong ones, of which the right ones do not count.
    let locked = ama.give(&mut stage, Proof::Recovery(print(9)));
    assert_eq!(locked, wrong);
    let refused = ama.give(&mut stage, Proof::Step(110)).unwrap_err();
    assert!(matches!(refused[..], [Refusal::TooManyLogins { seconds: 1..=900 }]), "{refused:?}");
    stage.now = stage.now.plus(minutes(15));
    assert_eq!(ama.give(&mut stage, Proof::Step(110)), Ok(()));
}

#[test]
fn tries_are_counted_by_account_and_address() {
    let mut stage = Stage::new();
    let reserve = |stage: &mut Stage, email: &str, address: &str| {
        stage.decide(&ReserveLogin { email: email.into(), address: address.into() }).map(|_| ())
    };
    let refused = |result: Result<(), Vec<Refusal>>| {
        matches!(result.unwrap_err()[..], [Refusal::TooManyLogins { .. }])
    };
    for _ in 0..5 {
        assert_eq!(reserve(&mut stage, "x@y.z", "a"), Ok(()));
    }
    assert!(refused(reserve(&mut stage, "x@y.z", "a")));
    // Fifteen more of the address, whatever the account.
    for n in 0..15 {
        assert_eq!(reserve(&mut stage, &format!("{n}@y.z"), "a"), Ok(()));
    }
    assert!(refused(reserve(&mut stage, "new@y.z", "a")));
    // Forty-five more at the account, whatever the address.
    for n in 0..45 {
        assert_eq!(reserve(&mut stage, "x@y.z", &format!("b{n}")), Ok(()));
    }
    assert!(refused(reserve(&mut stage, "x@y.z", "c")));
    stage.now = stage.now.plus(minutes(15));
    assert_eq!(reserve(&mut stage, "x@y.z", "a"), Ok(()));
}

/// What strangers try from an address keeps nobody there from giving a code, and neither do the wrong
/// codes of a colleague. One's own are counted all the same.
#[test]
fn codes_are_counted_for_each_person() {
    let mut stage = Stage::new();
    let ama = stage.member(1, Role::Owner);
    ama.confirm(&mut stage, 100);
    let kofi = stage.member(2, Role::Owner);
    kofi.confirm(&mut stage, 100);
    for n in 0..20 {
        let reserve = ReserveLogin { email: format!("{n}@y.z"), address: "c".into() };
        stage.decide(&reserve).unwrap();
    }
    let reserve = ReserveLogin { email: "new@y.z".into(), address: "c".into() };
    assert!(stage.decide(&reserve).is_err());
    for _ in 0..5 {
        assert_eq!(kofi.give(&mut stage, Proof::Step(1)), Err(vec![Refusal::WrongCode]));
    }
    assert_eq!(ama.give(&mut stage, Proof::Step(101)), Ok(()));
    let refused = kofi.give(&mut stage, Proof::Step(101)).unwrap_err();
    assert!(matches!(refused[..], [Refusal::TooManyLogins { .. }]), "{refused:?}");
}

#[test]
fn roles_are_given_by_owners_and_operators_and_one_owner_stays() {
    let mut stage = Stage::new();
    let owner = stage.member(1, Role::Owner);
    owner.confirm(&mut stage, 100);
    let manager = stage.member(2, Role::Manager);
    let merchant_id = stage.merchant;
    let change = |who: &Somebody, role| ChangeMember { merchant_id, user_id: who.user.id, role };
    let by_owner = |stage: &mut Stage, change| stage.by(owner.person, change).map(|_| ());
    let last = Err(vec![Refusal::LastOwner]);
    assert_eq!(by_owner(&mut stage, change(&owner, None)), last);
    assert_eq!(by_owner(&mut stage, change(&owner, Some(Role::Viewer))), last);
    let more = Err(vec![Refusal::MoreThanOwn]);
    assert_eq!(by_owner(&mut stage, change(&manager, Some(Role::Operator))), more);
    stage.decide(&change(&manager, Some(Role::Owner))).unwrap();
    assert_eq!(by_owner(&mut stage, change(&owner, Some(Role::Viewer))), Ok(()));
    // Who is no owner any more changes nobody.
    assert!(by_owner(&mut stage, change(&manager, None)).is_err());
    // The operator at the command line may do it all, but not take the last owner either.
    assert_eq!(stage.decide(&change(&manager, None)), Err(vec![Refusal::LastOwner]));
    stage.decide(&change(&owner, Some(Role::Owner))).unwrap();
    stage.decide(&change(&manager, None)).unwrap();
    let unknown = ChangeMember { merchant_id, user_id: UserId(987), role: None };
    assert_eq!(stage.decide(&unknown), Err(vec![Refusal::NotFound]));
    // Who was removed may be invited again, by a link of their own.
    let to = InvitedTo::Merchant(merchant_id, Role::Support);
    stage.decide(&Invite { to, token: print(50) }).unwrap();
    let join = |by| AcceptInvitation { token: print(50), by: Guest::Known(by) };
    let other = stage.by(owner.person, join(manager.person));
    assert_eq!(other, Err(vec![Refusal::LoginEnded]), "nobody joins for somebody else");
    stage.by(manager.person, join(manager.person)).unwrap();
    let again = stage.by(manager.person, join(manager.person));
    assert_eq!(again, Err(vec![Refusal::InvitationEnded]));
}

#[test]
fn a_link_leads_where_it_was_made_for() {
    let mut stage = Stage::new();
    let ama = stage.member(1, Role::Support);
    let returning = Guest::Returning { password_hash: "new".into() };
    let merchant = stage.merchant;
    let to = InvitedTo::Merchant(merchant, Role::Viewer);
    stage.decide(&Invite { to, token: print(20) }).unwrap();
    stage.decide(&Invite { to: InvitedTo::Reset(ama.user.id), token: print(21) }).unwrap();
    let ended = Err(vec![Refusal::InvitationEnded]);
    let new = || Guest::New { email: "n@y.z".into(), name: "N".into(), password_hash: "h".into() };
    let accept = |stage: &mut Stage, n, by| {
        stage.decide(&AcceptInvitation { token: print(n), by }).map(|_| ())
    };
    assert_eq!(accept(&mut stage, 20, returning.clone()), ended);
    assert_eq!(accept(&mut stage, 21, new()), ended);
    assert_eq!(accept(&mut stage, 22, new()), ended);
    assert_eq!(accept(&mut stage, 21, returning.clone()), Ok(()));
    assert_eq!(accept(&mut stage, 21, returning), ended);
    let taken =
        Guest::New { email: ama.user.email.clone(), name: "N".into(), password_hash: "h".into() };
    assert_eq!(accept(&mut stage, 20, taken), Err(vec![Refusal::EmailTaken]));
    stage.now = stage.now.plus(minutes(72 * 60));
    assert_eq!(accept(&mut stage, 20, new()), ended);
    // Roles of the installation are for the installation, and the others for merchants.
    let more = Err(vec![Refusal::MoreThanOwn]);
    for to in [InvitedTo::Installation(Role::Owner), InvitedTo::Merchant(merchant, Role::Operator)]
    {
        assert_eq!(stage.decide(&Invite { to, token: print(30) }).map(|_| ()), more);
    }
}

/// What jobs and networks ask for is for no caller, whatever their role.
#[test]
fn a_filter_is_whose_who_keeps_it() {
    let mut stage = Stage::new();
    let (ama, kofi) = (stage.member(1, Role::Viewer), stage.member(2, Role::Owner));
    kofi.confirm(&mut stage, 100);
    let merchant_id = stage.merchant;
    let save = |query: Option<&str>| SaveFilter {
        merchant_id,
        name: "Failed".into(),
        query: query.map(str::to_owned),
    };
    let mut by = |who: &Somebody, query| match stage.by(who.person, save(query)) {
        Ok(Output::SaveFilter(row)) => Ok(row),
        Ok(other) => panic!("{other:?}"),
        Err(reasons) => Err(reasons),
    };
    assert_eq!(by(&ama, None), Err(vec![Refusal::NotFound]));
    let first = by(&ama, Some("?a=1")).unwrap();
    assert_eq!((first.user_id, first.merchant_id), (ama.user.id, merchant_id));
    assert_eq!(by(&ama, Some("?a=1")), Ok(first.clone()));
    // Another's of the same name is another one.
    let other = by(&kofi, Some("?b=1")).unwrap();
    assert_ne!(other.id, first.id);
    assert_eq!(by(&ama, Some("?a=2")).unwrap().id, first.id);
    assert_eq!(by(&ama, None).unwrap().query, None);
    assert_eq!(by(&ama, None).unwrap().id, first.id);
    assert_eq!(by(&kofi, Some("?b=1")), Ok(other));
    // Nobody but a person has any.
    assert_eq!(stage.decide(&save(Some("?a=1"))), Err(vec![Refusal::NotFound]));
}

#[test]
fn what_only_the_server_asks_for_is_for_nobody_else() {
    let mut stage = Stage::new();
    let operator = stage.joined(1, InvitedTo::Installation(Role::Operator));
    operator.confirm(&mut stage, 100);
    let context = domain::decision::use_case::Context {
        now: stage.now,
        settings: &domain::decision::settings::Settings::default(),
    };
    let delete = domain::decision::retention::DeleteRetained {
        table: domain::decision::retention::Retained::Logins,
        ids: vec![1],
    };
    let request = Request::new(Principal::User(operator.person), delete);
    let stop = request.decide(&mut stage.work, &context).unwrap_err();
    assert!(matches!(stop, domain::decision::workspace::Stop::Inconsistent(_)), "{stop:?}");
}

#[test]
fn a_link_of_somebody_who_was_removed_is_over() {
    let mut stage = Stage::new();
    let (owner, other) = (stage.member(1, Role::Owner), stage.member(2, Role::Owner));
    other.confirm(&mut stage, 100);
    let merchant_id = stage.merchant;
    let to = InvitedTo::Merchant(merchant_id, Role::Owner);
    let Output::Invite(made) = stage.by(other.person, Invite { to, token: print(60) }).unwrap()
    else {
        panic!("an invitation")
    };
    stage.decide(&ConfirmInvitation { merchant_id, invitation_id: made.id }).unwrap();
    let lowered = ChangeMember { merchant_id, user_id: other.user.id, role: Some(Role::Manager) };
    stage.decide(&lowered).unwrap();
    let accept = |stage: &mut Stage| {
        let by = Guest::New { email: "n@y.z".into(), name: "N".into(), password_hash: "h".into() };
        stage.decide(&AcceptInvitation { token: print(60), by }).map(|_| ())
    };
    assert_eq!(accept(&mut stage), Err(vec![Refusal::InvitationEnded]));
    stage.decide(&ChangeMember { role: Some(Role::Owner), ..lowered }).unwrap();
    assert_eq!(accept(&mut stage), Ok(()));
    let _owner = owner;
}

/// Whoever requests or approves payouts is let in by two: alone, an owner would be both.
#[test]
fn a_role_by_which_money_leaves_takes_two_to_give() {
    let mut stage = Stage::new();
    let merchant_id = stage.merchant;
    let (ama, ben) = (stage.member(1, Role::Owner), stage.member(2, Role::Owner));
    let viewer = stage.member(3, Role::Viewer);
    ama.confirm(&mut stage, 100);
    ben.confirm(&mut stage, 100);
    viewer.confirm(&mut stage, 100);
    let invite = |stage: &mut Stage, n, role| -> Invitation {
        let to = InvitedTo::Merchant(merchant_id, role);
        match stage.by(ama.person, Invite { to, token: print(n) }).unwrap() {
            Output::Invite(made) => made,
            other => panic!("{other:?}"),
        }
    };
    let accept = |stage: &mut Stage, n: u32| {
        let email = format!("guest{n}@y.z");
        let by = Guest::New { email, name: "N".into(), password_hash: "h".into() };
        stage.decide(&AcceptInvitation { token: print(n), by }).map(|_| ())
    };
    let waits = Err(vec![Refusal::InvitationWaits]);
    for (n, role) in (80..).zip([Role::Manager, Role::Finance, Role::Owner]) {
        let invitation_id = invite(&mut stage, n, role).id;
        assert_eq!(accept(&mut stage, n), waits, "{role}");
        let confirm = ConfirmInvitation { merchant_id, invitation_id };
        let own = stage.by(ama.person, confirm.clone()).map(|_| ());
        assert_eq!(own, Err(vec![Refusal::OwnInvitation]));
        let denied = stage.by(viewer.person, confirm.clone()).unwrap_err();
        assert!(matches!(denied.as_slice(), [Refusal::NotPermitted { .. }]), "{denied:?}");
        assert_eq!(accept(&mut stage, n), waits, "{role}");
        stage.by(ben.person, confirm.clone()).unwrap();
        assert_eq!(accept(&mut stage, n), Ok(()), "{role}");
        let late = stage.by(ben.person, confirm).map(|_| ());
        assert_eq!(late, Err(vec![Refusal::InvitationEnded]));
    }
    for (n, role) in (90..).zip([Role::Viewer, Role::Support, Role::Developer]) {
        invite(&mut stage, n, role);
        assert_eq!(accept(&mut stage, n), Ok(()), "{role}");
    }
    // Somebody who is there already is raised in the same way, and in no other.
    let change =
        |role| ChangeMember { merchant_id, user_id: viewer.person.user_id, role: Some(role) };
    let by_one = stage.by(ama.person, change(Role::Finance)).map(|_| ());
    assert_eq!(by_one, Err(vec![Refusal::RoleTakesTwo { role: Role::Finance }]));
    stage.by(ama.person, change(Role::Support)).unwrap();
    let join = |stage: &mut Stage, n| {
        let by = Guest::Known(viewer.person);
        stage.by(viewer.person, AcceptInvitation { token: print(n), by }).map(|_| ())
    };
    let invitation_id = invite(&mut stage, 95, Role::Finance).id;
    assert_eq!(join(&mut stage, 95), waits);
    stage.by(ben.person, ConfirmInvitation { merchant_id, invitation_id }).unwrap();
    assert_eq!(join(&mut stage, 95), Ok(()));
    // A link that adds nothing changes nothing.
    invite(&mut stage, 96, Role::Viewer);
    assert_eq!(join(&mut stage, 96), Err(vec![Refusal::AlreadyMember]));
    // Lowered by one.
    stage.by(ama.person, change(Role::Viewer)).unwrap();
    // The operator is a second person for every merchant.
    stage.decide(&change(Role::Finance)).unwrap();
    let elsewhere = ConfirmInvitation { merchant_id: MerchantId(merchant_id.0 + 1), invitation_id };
    assert_eq!(stage.decide(&elsewhere), Err(vec![Refusal::NotFound]));
}

/// Whoever confirmed a link and may not give its role any more has confirmed nothing.
#[test]
fn a_link_confirmed_by_somebody_who_was_removed_is_over() {
    let mut stage = Stage::new();
    let merchant_id = stage.merchant;
    let (ama, ben) = (stage.member(1, Role::Owner), stage.member(2, Role::Owner));
    ama.confirm(&mut stage, 100);
    ben.confirm(&mut stage, 100);
    let to = InvitedTo::Merchant(merchant_id, Role::Finance);
    let Output::Invite(made) = stage.by(ama.person, Invite { to, token: print(80) }).unwrap()
    else {
        panic!("an invitation")
    };
    let confirm = ConfirmInvitation { merchant_id, invitation_id: made.id };
    stage.by(ben.person, confirm).unwrap();
    let removed = ChangeMember { merchant_id, user_id: ben.person.user_id, role: None };
    stage.by(ama.person, removed).unwrap();
    let by = Guest::New { email: "n@y.z".into(), name: "N".into(), password_hash: "h".into() };
    let accept = AcceptInvitation { token: print(80), by };
    let late = stage.decide(&accept).map(|_| ());
    assert_eq!(late, Err(vec![Refusal::InvitationEnded]));
    // The word of another is as good; not that of whoever made it, nor for one whose maker is out.
    let confirm = ConfirmInvitation { merchant_id, invitation_id: made.id };
    let own = stage.by(ama.person, confirm.clone()).map(|_| ());
    assert_eq!(own, Err(vec![Refusal::OwnInvitation]));
    stage.decide(&confirm).unwrap();
    stage.decide(&DisableUser { user_id: ama.person.user_id, disabled: true }).unwrap();
    assert_eq!(stage.decide(&confirm), Err(vec![Refusal::InvitationEnded]));
    stage.decide(&DisableUser { user_id: ama.person.user_id, disabled: false }).unwrap();
    stage.decide(&accept).unwrap();
}

#[test]
fn of_links_to_begin_anew_only_the_last_is_good() {
    let mut stage = Stage::new();
    let ama = stage.member(1, Role::Viewer);
    for n in [70, 71, 72] {
        stage.decide(&Invite { to: InvitedTo::Reset(ama.user.id), token: print(n) }).unwrap();
    }
    let accept = |stage: &mut Stage, n| {
        let by = Guest::Returning { password_hash: "new".into() };
        stage.decide(&AcceptInvitation { token: print(n), by }).map(|_| ())
    };
    let ended = Err(vec![Refusal::InvitationEnded]);
    assert_eq!(accept(&mut stage, 70), ended);
    assert_eq!(accept(&mut stage, 72), Ok(()));
    assert_eq!(accept(&mut stage, 71), ended);
    stage.decide(&Invite { to: InvitedTo::Reset(ama.user.id), token: print(73) }).unwrap();
    stage.decide(&DisableUser { user_id: ama.user.id, disabled: true }).unwrap();
    assert_eq!(accept(&mut stage, 73), ended);
}

/// A phone that is set up counts from its first code on; until then the one before does.
#[test]
fn another_phone_counts_when_it_is_confirmed() {
    let mut stage = Stage::new();
    let ama = stage.member(1, Role::Owner);
    ama.confirm(&mut stage, 100);
    let by = ama.person;
    let secret = SealedTotp { sealed: "other".into(), key_id: "k".into() };
    stage.by(by, SetUpSecondFactor { by, secret }).unwrap();
    let mut thief = Somebody { user: ama.user.clone(), person: by, logins: 90 };
    thief.log_in(&mut stage);
    let reserved = stage.decide(&ReserveCode { by: thief.person, address: "t".into() }).unwrap();
    let confirm = ConfirmSecondFactor {
        by: thief.person,
        reserved,
        sealed: "other".into(),
        step: 500,
        recovery_codes: RecoveryCodes::default(),
    };
    // Who knows the password alone neither confirms it nor sets up another.
    let missing = Err(vec![Refusal::SecondFactorMissing]);
    assert_eq!(stage.by(thief.person, confirm.clone()).map(|_| ()), missing);
    let end = EndLogin { by: thief.person, login_id: by.login_id };
    assert_eq!(stage.by(thief.person, end).map(|_| ()), missing);
    assert_eq!(ama.give(&mut stage, Proof::Step(101)), Ok(()), "the first phone still counts");
    stage.by(by, ConfirmSecondFactor { by, ..confirm }).unwrap();
    assert_eq!(ama.give(&mut stage, Proof::Step(500)), Err(vec![Refusal::WrongCode]));
    assert_eq!(ama.give(&mut stage, Proof::Step(501)), Ok(()));
}
