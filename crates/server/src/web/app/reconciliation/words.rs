//! What pages say of statements, their lines and differences.

use domain::kernel::time::{ServerTime, seconds};
use domain::reconciliation::difference::{Difference, DifferenceKind, DifferenceResolution};
use domain::reconciliation::line::LineStanding;
use domain::reconciliation::reported::LineKind;
use domain::reconciliation::statement::{Statement, StatementSource, StatementStatus};

use crate::web::app::frame::Moment;

/// What differs.
pub const fn kind(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::MissingHere => "Only in the statement",
        DifferenceKind::MissingThere => "Only here",
        DifferenceKind::AmountDiffers => "Another amount",
        DifferenceKind::FeeDiffers => "Another fee",
        DifferenceKind::DuplicateThere => "Twice in the statement",
    }
}

/// What to do about it.
pub const fn advice(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::MissingHere => {
            "The network says that money moved, and nothing of it is booked here. If there is a payment, \
             open it and ask the network now: once both agree, the next statement closes this by itself. If \
             there is none, look in the network's own dashboard for what it was. Booking it lets the ledger \
             say what the network says; it credits no merchant."
        }
        DifferenceKind::MissingThere => {
            "Money moved here, and the statement of that day does not have it. A later statement may: read \
             one first, and this closes by itself. If the network says that it never moved the money, book \
             it: the merchant keeps what was credited, and the installation bears it."
        }
        DifferenceKind::AmountDiffers => {
            "Both sides have the payment, and not the same amount. Ask the network which one is right. \
             Booking takes the network's; the merchant's wallet stays as it is, and the installation bears \
             what is between the two. If a review of the payment is open, decide that one first."
        }
        DifferenceKind::FeeDiffers => {
            "The fee that was expected is that of the tariff. What the network really took is booked with \
             its statement, so this can only be explained: a new price, a special one, or a mistake that the \
             network gives back. If it is the new price, change the network fee in the tariff."
        }
        DifferenceKind::DuplicateThere => {
            "The statement has one movement of the payment more than once. If the network lists it twice and \
             moved it once, explain it. If it moved the money twice, ask for it back, and book it: the \
             ledger then says what the network holds."
        }
    }
}

/// How a difference was closed.
pub const fn resolution(how: DifferenceResolution) -> &'static str {
    match how {
        DifferenceResolution::Explained => "explained: nothing was booked",
        DifferenceResolution::Booked => "booked: the network is right",
        DifferenceResolution::Agreed => "agreed: both sides say the same now",
    }
}

/// How a difference was closed, or that it is open.
pub fn state(difference: &Difference) -> &'static str {
    difference.resolution.map_or("open", resolution)
}

/// What a line is about.
pub const fn line(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Collection => "Payment",
        LineKind::Payout => "Payout",
        LineKind::Refund => "Refund",
        LineKind::Reversal => "Taken back by the network",
        LineKind::DisputeWithdrawn => "Dispute: withdrawn",
        LineKind::DisputeReinstated => "Dispute: given back",
        LineKind::TopUp => "Top-up",
        LineKind::BankTransfer => "Bank transfer",
        LineKind::Fee => "Fee",
        LineKind::Other => "Unknown to kola",
    }
}

pub const fn standing(standing: LineStanding) -> &'static str {
    match standing {
        LineStanding::Matched => "agrees",
        LineStanding::UnderWay => "may be under way",
        LineStanding::Differs => "differs",
        LineStanding::Explained => "explained",
        LineStanding::NoPayment => "of no payment",
    }
}

pub const fn status(status: StatementStatus) -> &'static str {
    match status {
        StatementStatus::Reading => "Being read",
        StatementStatus::Complete => "Read to its end",
        StatementStatus::Failed => "Not read to its end",
    }
}

/// Where a statement came from.
pub fn source(statement: &Statement) -> String {
    match (statement.source, &statement.name) {
        (StatementSource::Network, _) => "Asked of the network".to_owned(),
        (StatementSource::File, Some(name)) => format!("File {name}"),
        (StatementSource::File, None) => "A file".to_owned(),
    }
}

/// Of which time a statement tells: its days, in UTC, or its times where it has no whole days.
pub fn time(from: ServerTime, to: ServerTime) -> String {
    const DAY: i64 = seconds(86_400);
    let day = |time: ServerTime| Moment(time).words().chars().take(10).collect::<String>();
    let is_midnight = |time: ServerTime| time.0.rem_euclid(DAY) == 0;
    if !is_midnight(from) || !is_midnight(to) || to.since(from) < DAY {
        return format!("{} to {}", Moment(from).words(), Moment(to).words());
    }
    let (first, last) = (day(from), day(to.plus(-DAY)));
    if first == last { first } else { format!("{first} to {last}") }
}

/// A count with its noun.
pub fn counted(count: i64, one: &str, many: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{} {noun}", crate::web::app::figure_words::number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_told_as_days() {
        let at = |text: &str| ServerTime::parse(text).unwrap();
        assert_eq!(time(at("2026-11-28"), at("2026-11-29")), "2026-11-28");
        assert_eq!(time(at("2026-11-01"), at("2026-12-01")), "2026-11-01 to 2026-11-30");
        assert_eq!(
            time(at("2026-11-28T06:00:00Z"), at("2026-11-29")),
            "2026-11-28 06:00 UTC to 2026-11-29 00:00 UTC"
        );
        assert_eq!(counted(1, "line", "lines"), "1 line");
        assert_eq!(counted(1_200, "line", "lines"), "1,200 lines");
    }
}
