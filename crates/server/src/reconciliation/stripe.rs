//! Statements of Stripe: the lines of an account's balance, page by page, the newest first.

use domain::kernel::money::Money;
use domain::kernel::time::{ServerTime, seconds};
use domain::reconciliation::reported::{LineKind, ReportedLine};
use networks::exchange::{HttpRequest, HttpResponse, Unsendable};
use networks::reading::Reading;
use networks::stripe::statements::{
    self as stripe, Line, LinesOf, Page, Payout, list_lines, list_payouts, read_lines, read_payouts,
};

use super::asking::{Asker, SourceFault, said};

/// The lines of a statement, as they are asked for. Only when [`page`](Self::page) has answered `None`
/// were they all of it.
#[derive(Debug)]
pub struct StripeLines<'a> {
    asker: Asker<'a>,
    of: LinesOf,
    place: Place,
}

/// How far a list was read.
#[derive(Debug)]
enum Place {
    Begin,
    After(String),
    End,
}

impl<'a> StripeLines<'a> {
    /// The lines that were made from a time, and before another. Stripe counts in whole seconds.
    #[must_use]
    pub const fn of_days(asker: Asker<'a>, from: ServerTime, to: ServerTime) -> Self {
        let of = LinesOf::Days { from: begin(from), to: begin(to) };
        Self { asker, of, place: Place::Begin }
    }

    /// The lines that were paid out to the bank together, with the payout itself.
    #[must_use]
    pub const fn of_payout(asker: Asker<'a>, payout: String) -> Self {
        Self { asker, of: LinesOf::Payout(payout), place: Place::Begin }
    }

    /// The next page, at most 100 lines; `None` at the end.
    ///
    /// # Errors
    /// [`SourceFault`]: a line that cannot be read makes the statement incomplete.
    pub async fn page(&mut self) -> Result<Option<Vec<ReportedLine>>, SourceFault> {
        let request = |after: Option<&str>| list_lines(&self.of, after);
        let found = next_page(&self.asker, &mut self.place, request, read_lines).await?;
        Ok(found.map(|lines| lines.into_iter().map(reported).collect()))
    }

    /// All lines, for a statement that fits into memory: about 300 bytes a line.
    ///
    /// # Errors
    /// [`SourceFault`]
    pub async fn all(mut self) -> Result<Vec<ReportedLine>, SourceFault> {
        let mut all = vec![];
        while let Some(page) = self.page().await? {
            all.extend(page);
        }
        tracing::info!(
            account = self.asker.called.account.name,
            lines = all.len(),
            "a statement of Stripe was fetched"
        );
        Ok(all)
    }
}

/// The payouts to the bank that were made from a time, and before another.
///
/// # Errors
/// [`SourceFault`]
pub async fn payouts(
    asker: &Asker<'_>,
    from: ServerTime,
    to: ServerTime,
) -> Result<Vec<Payout>, SourceFault> {
    let (mut place, mut all) = (Place::Begin, vec![]);
    let request = |after: Option<&str>| list_payouts(begin(from), begin(to), after);
    while let Some(page) = next_page(asker, &mut place, request, read_payouts).await? {
        all.extend(page);
    }
    Ok(all)
}

/// The first whole second that is not before a time, so that neighbours have no line in common and
/// leave none out.
const fn begin(time: ServerTime) -> i64 {
    time.plus(seconds(1) - 1).whole_seconds()
}

async fn next_page<T>(
    asker: &Asker<'_>,
    place: &mut Place,
    request: impl Fn(Option<&str>) -> Result<HttpRequest, Unsendable>,
    read: impl Fn(&HttpResponse) -> Result<Page<T>, Box<Reading>>,
) -> Result<Option<Vec<T>>, SourceFault> {
    let after = match place {
        Place::Begin => None,
        Place::After(id) => Some(id.clone()),
        Place::End => return Ok(None),
    };
    let request =
        request(after.as_deref()).map_err(|unsendable| SourceFault::Refused(unsendable.reason))?;
    let response = asker.ask(request).await?;
    let page = read(&response).map_err(|reading| SourceFault::Refused(said(&reading)))?;
    if !page.unreadable.is_empty() {
        let lines = page.unreadable.join(", ");
        return Err(SourceFault::Incomplete(format!("Stripe's lines cannot be read: {lines}")));
    }
    if page.next.is_some() && page.next == after {
        return Err(SourceFault::Incomplete("Stripe's list does not end".to_owned()));
    }
    *place = page.next.map_or(Place::End, Place::After);
    Ok(Some(page.lines))
}

/// A line of Stripe's in the terms of every network.
fn reported(line: Line) -> ReportedLine {
    let (amount, settled) = match line.original {
        // In the currency of the balance the line is the better witness: the object that it comes from
        // says what was asked for.
        Some(original) if original.currency != line.amount.currency => {
            let minor = if line.amount.minor < 0 { -original.minor } else { original.minor };
            (Money::new(minor, original.currency), Some(line.amount))
        }
        _ => (line.amount, None),
    };
    ReportedLine {
        kind: kind(&line.kind),
        line_id: Some(line.id),
        request_id: line.request_id,
        reference: line.payment.or(line.source),
        amount,
        settled,
        fee: Some(line.fee),
        occurred_at: ServerTime(seconds(line.created)),
    }
}

fn kind(kind: &stripe::LineKind) -> LineKind {
    match kind {
        stripe::LineKind::Payment => LineKind::Collection,
        stripe::LineKind::Refund => LineKind::Refund,
        stripe::LineKind::RefundFailed => LineKind::Reversal,
        stripe::LineKind::DisputeWithdrawn => LineKind::DisputeWithdrawn,
        stripe::LineKind::DisputeReinstated => LineKind::DisputeReinstated,
        stripe::LineKind::Payout | stripe::LineKind::PayoutFailed => LineKind::BankTransfer,
        stripe::LineKind::Fee => LineKind::Fee,
        stripe::LineKind::Other(word) => match word.as_str() {
            "topup" | "topup_reversal" => LineKind::TopUp,
            _ => LineKind::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use domain::kernel::currency::Currency;
    use domain::kernel::uuids::Uuid;

    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, Currency::parse(code).unwrap())
    }

    fn line(kind: stripe::LineKind, amount: Money, original: Option<Money>) -> Line {
        Line {
            id: "txn_1".to_owned(),
            kind,
            amount,
            fee: money(59, "USD"),
            original,
            source: Some("ch_1".to_owned()),
            payment: Some("pi_1".to_owned()),
            request_id: Some(Uuid::from_u128(7)),
            created: 1_790_000_000,
            available_on: 1_790_200_000,
        }
    }

    #[test]
    fn a_line_in_the_currency_of_the_payment() {
        let (usd, rwf) = (|minor| money(minor, "USD"), |minor| money(minor, "RWF"));
        let payment = || stripe::LineKind::Payment;
        let expected = ReportedLine {
            kind: LineKind::Collection,
            line_id: Some("txn_1".to_owned()),
            request_id: Some(Uuid::from_u128(7)),
            reference: Some("pi_1".to_owned()),
            amount: rwf(14_000),
            settled: Some(usd(1_000)),
            fee: Some(usd(59)),
            occurred_at: ServerTime(seconds(1_790_000_000)),
        };
        assert_eq!(reported(line(payment(), usd(1_000), Some(rwf(14_000)))), expected);
        let back = reported(line(stripe::LineKind::Refund, usd(-500), Some(rwf(7_000))));
        assert_eq!((back.amount, back.settled), (rwf(-7_000), Some(usd(-500))));
        // What the balance says counts where it is in the payment's currency.
        let same = reported(line(payment(), usd(999), Some(usd(1_000))));
        assert_eq!((same.amount, same.settled), (usd(999), None));
        let alone = reported(line(payment(), usd(1_000), None));
        assert_eq!((alone.amount, alone.settled), (usd(1_000), None));
        let payout = Line { payment: None, ..line(stripe::LineKind::Payout, usd(-5), None) };
        assert_eq!(reported(payout).reference.as_deref(), Some("ch_1"));
    }

    #[test]
    fn kinds_in_the_terms_of_every_network() {
        let other = |word: &str| stripe::LineKind::Other(word.to_owned());
        for (of_stripe, expected) in [
            (stripe::LineKind::Payment, LineKind::Collection),
            (stripe::LineKind::Refund, LineKind::Refund),
            (stripe::LineKind::RefundFailed, LineKind::Reversal),
            (stripe::LineKind::DisputeWithdrawn, LineKind::DisputeWithdrawn),
            (stripe::LineKind::DisputeReinstated, LineKind::DisputeReinstated),
            (stripe::LineKind::Payout, LineKind::BankTransfer),
            (stripe::LineKind::PayoutFailed, LineKind::BankTransfer),
            (stripe::LineKind::Fee, LineKind::Fee),
            (other("topup"), LineKind::TopUp),
            (other("topup_reversal"), LineKind::TopUp),
            (other("brand_new"), LineKind::Other),
        ] {
            assert_eq!(kind(&of_stripe), expected, "{of_stripe:?}");
        }
    }

    #[test]
    fn neighbours_share_no_second() {
        let at = ServerTime(seconds(10));
        assert_eq!((begin(at), begin(at.plus(1)), begin(at.plus(-1))), (10, 11, 10));
    }
}
