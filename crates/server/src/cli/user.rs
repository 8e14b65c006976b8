//! `kola user`: the people who log in at `/app`.

use anyhow::{Context, bail};
use clap::{ArgGroup, Subcommand};
use domain::directory::roles::Role;
use domain::kernel::ids::{InvitationId, MerchantId};
use domain::people::change_member::ChangeMember;
use domain::people::disable_user::DisableUser;
use domain::people::invitation::{Invitation, InvitedTo, Standing};
use domain::people::invite::{ConfirmInvitation, Invite};
use domain::people::user::User;
use serde_json::json;
use store::clock;
use store::reads::people::{ListedInvitation, Part};

use crate::cli::merchant::role;
use crate::cli::output::moment;
use crate::cli::public_address::PublicAddress;
use crate::cli::{Target, is_absent, not_found, output};
use crate::credentials::people::{self, Token};
use crate::web::app::link;

/// How many links are read at once.
const AT_ONCE: u32 = 1_000;

#[derive(Subcommand)]
pub enum Users {
    /// Print a link by which somebody joins a merchant, or those who run the installation. It is good
    /// once, for 72 hours.
    #[command(group(ArgGroup::new("where").required(true)))]
    Invite {
        /// The merchant's id.
        #[arg(long, group = "where")]
        merchant: Option<i64>,
        /// Their role in the merchant: VIEWER, SUPPORT, DEVELOPER, FINANCE, MANAGER or OWNER.
        #[arg(long, value_name = "ROLE", value_parser = role, requires = "merchant", default_value = "OWNER")]
        role: Role,
        /// They run the installation.
        #[arg(long, group = "where")]
        operator: bool,
        /// They read everything of the installation and change nothing.
        #[arg(long, group = "where")]
        auditor: bool,
        #[command(flatten)]
        address: PublicAddress,
    },
    /// Confirm a link that an owner made for a role by which money leaves: MANAGER, FINANCE or OWNER.
    Confirm {
        /// The link's id, which `kola user invitations` lists.
        id: i64,
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
    },
    /// List the links of a merchant that were not used, and whether they can be.
    Invitations {
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
    },
    /// List everybody who logs in, with their roles.
    List,
    /// Print a link by which somebody chooses another password and another phone.
    Reset {
        /// Their e-mail address.
        email: String,
        #[command(flatten)]
        address: PublicAddress,
    },
    /// Give somebody another role in a merchant, or remove them from it.
    #[command(group(ArgGroup::new("what").required(true)))]
    Role {
        /// Their e-mail address.
        email: String,
        /// The merchant's id.
        #[arg(long)]
        merchant: i64,
        /// The role: VIEWER, SUPPORT, DEVELOPER, FINANCE, MANAGER or OWNER.
        #[arg(long, group = "what", value_name = "ROLE", value_parser = role)]
        set: Option<Role>,
        /// Take the role away.
        #[arg(long, group = "what")]
        remove: bool,
    },
    /// Keep somebody from logging in. Their logins end.
    Disable {
        /// Their e-mail address.
        email: String,
    },
    /// Let somebody log in again.
    Enable {
        /// Their e-mail address.
        email: String,
    },
}

impl Users {
    pub fn run(self, target: &Target) -> anyhow::Result<()> {
        match self {
            Self::Invite { merchant, role, operator, auditor: _, address } => {
                let to = match merchant {
                    Some(id) => InvitedTo::Merchant(MerchantId(id), role),
                    None if operator => InvitedTo::Installation(Role::Operator),
                    None => InvitedTo::Installation(Role::Auditor),
                };
                output::check_is_read()?;
                drop(target.open_existing()?);
                let (invitation, link) = invite(target, to, address.said())?;
                show(&invitation, &link, "joins")
            }
            Self::Confirm { id, merchant } => {
                let (merchant_id, invitation_id) = (MerchantId(merchant), InvitationId(id));
                let confirm = ConfirmInvitation { merchant_id, invitation_id };
                let of = format!("of merchant {merchant}");
                in_words(target.run_once(confirm), &format!("there is no link {id} {of}"))?;
                let json = json!({ "id": id, "merchant": merchant, "confirmed": true });
                output::done(&json, &format!("link {id} of merchant {merchant} is confirmed"))
            }
            Self::Invitations { merchant } => invitations(target, MerchantId(merchant)),
            Self::List => list(target),
            Self::Reset { email, address } => {
                output::check_is_read()?;
                let user = by_email(target, &email)?;
                let (invitation, link) = invite(target, InvitedTo::Reset(user.id), address.said())?;
                show(&invitation, &link, "chooses another password and another phone")
            }
            Self::Role { email, merchant, set, remove: _ } => {
                let user = by_email(target, &email)?;
                let merchant_id = MerchantId(merchant);
                let change = ChangeMember { merchant_id, user_id: user.id, role: set };
                let nobody = format!("{} has no role in merchant {merchant}", user.email);
                in_words(target.run_once(change), &nobody)?;
                let role = set.map_or("no role", Role::as_str);
                let json = json!({ "email": user.email, "merchant": merchant, "role": set.map(Role::as_str) });
                output::done(&json, &format!("{} has {role} in merchant {merchant}", user.email))
            }
            Self::Disable { email } => disable(target, &email, true),
            Self::Enable { email } => disable(target, &email, false),
        }
    }
}

/// Makes a link, and what it is kept as.
///
/// # Errors
/// No such merchant; the database cannot be written.
pub fn invite(
    target: &Target,
    to: InvitedTo,
    public_url: &str,
) -> anyhow::Result<(Invitation, String)> {
    let token = Token::draw()?;
    let invite = Invite { to, token: token.fingerprint() };
    let invitation = match to {
        InvitedTo::Merchant(merchant, _) => target.run_on("merchant", merchant, invite)?,
        InvitedTo::Installation(_) | InvitedTo::Reset(_) => target.run_once(invite)?,
    };
    Ok((invitation, link(public_url, &token)))
}

fn show(invitation: &Invitation, link: &str, what: &str) -> anyhow::Result<()> {
    let until = invitation.until().to_string();
    let text = format!(
        "{link}\nWhoever opens this link {what}. It is good once, until {}, and shown only now.",
        moment(&until)
    );
    // A link that nobody has seen opens nothing, and ends by itself.
    output::show(&json!({ "link": link, "until": until }), &text)
        .context("the link cannot be shown")
}

fn by_email(target: &Target, email: &str) -> anyhow::Result<User> {
    let Some(known) = people::email(email) else { bail!("{email} is no e-mail address") };
    let name = known.clone();
    let found = target.read_existing(async |reads| reads.user(&name).await)?;
    found.with_context(|| format!("nobody logs in as {known}"))
}

fn disable(target: &Target, email: &str, disabled: bool) -> anyhow::Result<()> {
    let user = by_email(target, email)?;
    target.run_once(DisableUser { user_id: user.id, disabled })?;
    let now = if disabled { "cannot log in any more" } else { "can log in again" };
    let json = json!({ "email": user.email, "disabled": disabled });
    output::done(&json, &format!("{} {now}", user.email))
}

/// What came of a change; where what it is about is not there, this sentence says so.
fn in_words<T>(done: anyhow::Result<T>, absent: &str) -> anyhow::Result<T> {
    done.map_err(|error| if is_absent(&error) { anyhow::anyhow!("{absent}") } else { error })
}

/// What a link is worth, in a word for programs and in a sentence.
const fn standing(of: Standing) -> (&'static str, &'static str) {
    match of {
        Standing::Usable => ("usable", "can be used"),
        Standing::Waits => ("waits", "waits for a second person"),
        Standing::WaitsAgain => (
            "waits_again",
            "waits for a second person: whoever confirmed it may not give this role any more",
        ),
        Standing::Void => {
            ("void", "cannot be used: whoever made it may not give this role any more")
        }
    }
}

fn invitations(target: &Target, merchant: MerchantId) -> anyhow::Result<()> {
    let now = clock::now();
    let (found, rows) = target.read_existing(async |reads| {
        let of_merchant = reads.of(merchant);
        let (mut rows, mut part) = (vec![], Part::first(AT_ONCE));
        loop {
            let more = of_merchant.invitations(now, part).await?;
            let last = part.last(&more, |found| found.row.id.0);
            rows.extend(more);
            let Some(last) = last else { break };
            part.after = last;
        }
        Ok((reads.merchant(merchant).await?, rows))
    })?;
    if found.is_none() {
        bail!(not_found("merchant", merchant));
    }
    let role = |row: &Invitation| match row.to {
        InvitedTo::Merchant(_, role) | InvitedTo::Installation(role) => role.as_str(),
        InvitedTo::Reset(_) => "-",
    };
    let by = |found: &ListedInvitation| found.made_by.as_ref().map(|user| user.email.clone());
    let json: Vec<_> = rows
        .iter()
        .map(|found| {
            json!({
                "id": found.row.id.0,
                "role": role(&found.row),
                "invited_by": by(found),
                "until": found.row.until().to_string(),
                "waits_for_second_person": found.standing.waits(),
                "standing": standing(found.standing).0,
            })
        })
        .collect();
    let rows: Vec<[String; 5]> = rows
        .iter()
        .map(|found| {
            let until = found.row.until().to_string();
            [
                found.row.id.to_string(),
                role(&found.row).to_owned(),
                by(found).unwrap_or_else(|| "operator".to_owned()),
                moment(&until),
                standing(found.standing).1.to_owned(),
            ]
        })
        .collect();
    let head = ["id", "role", "made by", "until", "state"];
    output::tell(&json!(json), &output::table(head, &rows))
}

fn list(target: &Target) -> anyhow::Result<()> {
    let (users, members) = target
        .read_existing(async |reads| Ok((reads.users().await?, reads.memberships().await?)))?;
    let roles = |user: &User| {
        let of_merchants = members.iter().filter(|member| member.user_id == user.id);
        let of_merchants = of_merchants
            .filter_map(|member| Some((member.merchant_id, member.role?)))
            .map(|(merchant, role)| format!("{role} of {merchant}"));
        user.role.map(|role| role.to_string()).into_iter().chain(of_merchants).collect::<Vec<_>>()
    };
    let rows: Vec<[String; 5]> = users
        .iter()
        .map(|user| {
            [
                user.email.clone(),
                user.name.clone(),
                roles(user).join(", "),
                if user.has_second_factor() { "yes" } else { "no" }.to_owned(),
                user.disabled_at.map_or("-".to_owned(), |at| moment(at.to_string())),
            ]
        })
        .collect();
    let json: Vec<_> = users
        .iter()
        .map(|user| {
            json!({
                "id": user.id.0,
                "email": user.email,
                "name": user.name,
                "roles": roles(user),
                "second_factor": user.has_second_factor(),
                "disabled_at": user.disabled_at.map(|at| at.to_string()),
            })
        })
        .collect();
    let head = ["e-mail", "name", "roles", "codes", "kept out since"];
    output::tell(&json!(json), &output::table(head, &rows))
}
