//! All texts of pages: one field for each, which every language fills in its own file, so that a
//! missing text does not compile. A text with places for values also has a method of its name, which
//! takes them.

use std::fmt::{self, Display, Write as _};

use askama::filters::HtmlSafe;
use askama::{FastWritable, Values};
use domain::kernel::money::Money;

use crate::web::language::Language;
use crate::web::text::{self, At, Clock, Day, PhoneNumber, escape, push_escaped};

/// Markup: it is not escaped again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Html(pub String);

impl Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Html {}

/// Templates write it as it is, without the formatting machinery that `Display` needs.
impl FastWritable for Html {
    fn write_into(&self, html: &mut dyn fmt::Write, _: &dyn Values) -> askama::Result<()> {
        Ok(html.write_str(&self.0)?)
    }
}

/// A value in a text.
pub trait Value {
    fn write(&self, language: Language, html: &mut String);
}

impl<T: Value + ?Sized> Value for &T {
    fn write(&self, language: Language, html: &mut String) {
        (**self).write(language, html);
    }
}

/// A name or number that somebody else has written: its direction does not change that of the
/// sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Foreign<'a>(pub &'a str);

impl Value for Foreign<'_> {
    fn write(&self, _: Language, html: &mut String) {
        html.push_str("<bdi>");
        push_escaped(html, self.0);
        html.push_str("</bdi>");
    }
}

/// A code, which is kept on one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unbroken<'a>(pub &'a str);

impl Value for Unbroken<'_> {
    fn write(&self, _: Language, html: &mut String) {
        unbroken(self.0, html);
    }
}

/// A text of ours.
impl Value for str {
    fn write(&self, _: Language, html: &mut String) {
        push_escaped(html, self);
    }
}

impl Value for String {
    fn write(&self, language: Language, html: &mut String) {
        self.as_str().write(language, html);
    }
}

impl Value for Html {
    fn write(&self, _: Language, html: &mut String) {
        html.push_str(&self.0);
    }
}

/// Kept on one line.
fn unbroken(text: &str, html: &mut String) {
    html.push_str("<span class=\"n\">");
    push_escaped(html, text);
    html.push_str("</span>");
}

impl Value for Money {
    fn write(&self, language: Language, html: &mut String) {
        unbroken(&text::money(*self, language), html);
    }
}

impl Value for usize {
    fn write(&self, _: Language, html: &mut String) {
        let _ = write!(html, "{self}");
    }
}

impl Value for u64 {
    fn write(&self, _: Language, html: &mut String) {
        let _ = write!(html, "{self}");
    }
}

impl Value for At {
    fn write(&self, language: Language, html: &mut String) {
        push_escaped(html, &self.in_words(language));
    }
}

impl Value for Clock {
    fn write(&self, _: Language, html: &mut String) {
        unbroken(&self.in_words(), html);
    }
}

impl Value for Day {
    fn write(&self, language: Language, html: &mut String) {
        push_escaped(html, &self.in_words(language));
    }
}

impl Value for PhoneNumber<'_> {
    fn write(&self, _: Language, html: &mut String) {
        html.push_str("<bdi class=\"n\" dir=\"ltr\">");
        push_escaped(html, &self.grouped());
        html.push_str("</bdi>");
    }
}

/// A text with its places filled: `{name}` stands for the value of that name.
fn fill(text: &str, language: Language, values: &[(&str, &dyn Value)]) -> Html {
    let mut html = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        push_escaped(&mut html, before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            value.write(language, &mut html);
        }
        rest = after;
    }
    push_escaped(&mut html, rest);
    Html(html)
}

/// The same without markup, for a PDF and for templates that escape it.
#[must_use]
pub fn plain(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            filled.push_str(value);
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

// A text is followed by its places: in round brackets if they are filled with markup, in square ones
// if they are filled with plain texts.
macro_rules! texts { ($(
    $(#[$doc:meta])*
    $name:ident $(($($place:ident),+))? $([$($plain_place:ident),+])?,
)+) => {
    /// The texts of a language.
    pub struct Texts {
        pub language: Language,
        $($(#[$doc])* pub $name: &'static str,)+
    }

    impl Texts {
        $($(
            #[must_use]
            pub fn $name(&self, $($place: impl Value),+) -> Html {
                fill(self.$name, self.language, &[$((stringify!($place), &$place)),+])
            }
        )?)+
        $($(
            #[must_use]
            pub fn $name(&self, $($plain_place: &str),+) -> String {
                plain(self.$name, &[$((stringify!($plain_place), $plain_place)),+])
            }
        )?)+
    }

    /// The name of each text, its places, and how to read it.
    #[cfg(test)]
    type Described = (&'static str, &'static [&'static str], fn(&Texts) -> &'static str);

    #[cfg(test)]
    const ALL: &[Described] = &[
        $((
            stringify!($name),
            &[$($(stringify!($place)),+)? $($(stringify!($plain_place)),+)?],
            |texts| texts.$name,
        )),+
    ];
}}

texts! {
    // The frame of all pages.
    sandbox_band,
    language_links,
    /// The twelve months, with spaces between them.
    months,
    card,
    wallet,

    // What is to be paid.
    invoice,
    order,
    numbered(kind, number),
    title_to_pay,
    title_waiting,
    title_not_paid,
    title_paid,
    title_taken_back,
    title_closed,
    title_in_review,
    seller,
    item,
    quantity,
    unit_price,
    amount,
    total,
    items_heading(count),
    items_part(first, last, count),
    items_all(count),
    items_not_shown,
    items_next,
    items_previous,
    back_to_payment,
    note,
    due_on(day),
    until(time),
    to_be_paid,
    ask_by_phone(merchant, phone),
    ask_by_email(merchant, address),
    qr_heading,
    qr_hint,
    qr_alt,

    // Notices.
    form_incomplete,
    method_not_offered,
    too_many_payments(time),

    // State: open.
    how_to_pay,
    fees_included(fees),
    no_fees_added,
    rate(one, many),
    pay_by(method, amount),
    network_down,
    amount_too_small,
    amount_too_large,
    no_price,
    nothing_offered,
    cancel_and_go_back,

    // State: phone.
    phone_heading(method),
    phone_label,
    phone_hint(example),
    you_pay(amount),
    go_on,
    other_way,
    problem,
    phone_missing,
    phone_not_a_number,
    phone_too_short,
    phone_too_long,
    phone_other_country(country),
    phone_too_many_requests(time),

    // State: review.
    review_heading,
    network_asks(network, phone, amount, merchant),
    card_pays(amount, merchant),
    card_goes_on,
    pin_stays_secret,
    looks_like(network),
    change_network(network),
    price_changed(before, now),
    send_request,
    go_to_card,
    change_number,

    // State: waiting.
    check_your_phone,
    checking_with(network),
    network_has_asked(network, phone, amount),
    card_is_checked(amount),
    do_not_pay_again,
    sent_at(time),
    asked_at(network, time),
    ask_at(time),
    closes_at(network, time),
    can_close,
    revive_by_dialling(code),
    revive_by_steps,
    check_now,
    checks_itself,
    stop_checking,
    no_connection,
    start_checking,

    // State: waiting long.
    not_told_yet(network),
    may_be_charged,
    asked_until(time),
    keep_link,

    // State: not sent yet.
    not_sent_yet,
    phone_not_asked,
    gate_circuit(network),
    gate_rate(network),
    gate_refund_queue,
    gate_approval,
    gate_held(network),
    next_try_at(time),
    withdraw,

    // State: card.
    card_heading(amount),
    card_sandbox,
    card_on_network_page,
    card_until(time),
    card_succeed(amount),
    card_three_d_secure,
    card_declines,
    card_decline_declined,
    card_decline_not_enough,
    card_decline_expired,
    card_decline_code,
    card_decline_lost,
    card_decline_stolen,
    card_decline_error,
    card_confirm_heading,
    card_confirm(amount),
    card_refuse,
    card_confirm_elsewhere,
    card_confirm_elsewhere_hint,

    // State: failed.
    not_made,
    not_approved,
    not_enough_money,
    limit_reached,
    unknown_number(network),
    failed_network_down(network),
    never_sent(network),
    card_was_declined,
    card_expired,
    card_code_wrong,
    card_not_enough_money,
    card_left,
    wallet_not_enough_money,
    no_reason(network),
    failed_at(amount, time),
    nothing_taken(network),
    try_again,
    other_number,

    // State: paid.
    paid,
    paid_at(amount, time),
    taken_back,
    taken_back_amount(amount),
    taken_back_undecided,
    was_paid_at(amount, time),
    receipt,
    receipt_number(code),
    receipt_pdf,
    back_to_shop,
    paid_with,
    platform_fee,
    gateway_fee,
    fx_fee,
    fx_rate,
    payer_bears_fees,
    seller_bears_fees,
    transaction,
    refunds,
    refunded_on(time),
    refund_since(time),
    left_of_payment,

    // Receipts, and invoices as PDF.
    receipt_of_invoice[number],
    receipt_of_order[number],
    issued_on[day],
    paid_on[time],
    taken_back_paid_on[amount, time],
    not_paid_yet,
    being_processed,
    being_looked_into,
    to_payment_page,
    payment,
    total_with_fees,
    seller_receives,
    confirmed_on,
    receipt_code,
    how_to_verify,
    verify_qr_alt,
    more_items,
    invoice_pdf,
    fees_to_come,
    ways_to_pay,
    scan_to_pay,
    characters_missing,
    page_of[page, count],

    // Verification of a receipt.
    verify_title,
    verify_intro,
    verify_incomplete,
    verify,
    amount_paid,
    number,
    genuine[amount, time],
    refunded_since[amount],
    taken_back_since[amount],
    refund_under_way[amount],
    genuine_advice,
    not_genuine,
    not_genuine_advice,
    too_many_guesses(wait),

    // A payment link.
    amount_label(currency),
    amount_hint(least, most),
    amount_missing,
    amount_not_a_number,
    amount_too_many_decimals(currency),
    amount_out_of_range(least, most),
    payer_heading,
    name_label,
    name_missing,
    contact_phone_hint,
    link_closed,
    own_order,
    link_used_up,
    link_is_reserved,
    link_deactivated,
    link_takes_no_more(merchant),

    // State: closed.
    expired_at(time),
    new_link,
    canceled,
    canceled_at(time),
    not_open_yet,
    nothing_taken_here,
    takes_none(merchant),

    // State: in review.
    person_checks,
    review_explained,
    reference(reference),
    review_since(time),

    // Refusals.
    no_page,
    no_page_hint,
    read_only,
    read_only_hint,
    other_site,
    other_site_hint,
    wait_a_little,
    too_many_pages(wait),
    not_now,
    try_later(wait),
    stays_paid,
    fault,
    fault_is_ours,
    fault_number(id),
    cannot_show,
    open_as_sent,
    in_a_moment,
    in_seconds(n),
    in_minutes(n),
    in_hours(n),
}

impl Texts {
    /// A value as it stands in a text.
    #[must_use]
    pub fn value(&self, value: impl Value) -> Html {
        let mut html = String::new();
        value.write(self.language, &mut html);
        Html(html)
    }

    /// A month by its number from 1 to 12.
    #[must_use]
    pub fn month(&self, number: i8) -> &'static str {
        let place = usize::try_from(number).unwrap_or_default().saturating_sub(1);
        self.months.split(' ').nth(place).unwrap_or_default()
    }

    /// A waiting time in words, rounded up so that it is never one of a unit.
    #[must_use]
    pub fn wait(&self, seconds: u64) -> Html {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        if seconds <= 1 {
            Html(escape(self.in_a_moment))
        } else if seconds <= MINUTE {
            self.in_seconds(seconds)
        } else if seconds <= HOUR {
            self.in_minutes(seconds.div_ceil(MINUTE))
        } else {
            self.in_hours(seconds.div_ceil(HOUR))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of a text, in alphabetical order.
    fn places(text: &str) -> Vec<&str> {
        let mut places: Vec<&str> =
            text.split('{').skip(1).filter_map(|part| part.split('}').next()).collect();
        places.sort_unstable();
        places
    }

    #[test]
    fn every_text_of_every_language_has_the_same_places() {
        for language in Language::ALL {
            let texts = language.texts();
            assert_eq!(texts.language, language);
            for (name, expected, read) in ALL {
                let text = read(texts);
                let mut expected = expected.to_vec();
                expected.sort_unstable();
                assert_eq!(places(text), expected, "{name} in {language:?}: {text}");
                assert_eq!(text.trim(), text, "{name} in {language:?}");
                assert!(!text.is_empty(), "{name} in {language:?}");
            }
            assert_eq!(texts.months.split(' ').count(), 12, "{language:?}");
        }
    }

    #[test]
    fn values_are_escaped_and_texts_too() {
        let html = fill(
            "a < {name} & {n}",
            Language::English,
            &[("name", &Foreign("<b>'x'")), ("n", &7_u64)],
        );
        assert_eq!(html.0, "a &lt; <bdi>&lt;b&gt;&#39;x&#39;</bdi> &amp; 7");
    }

    #[test]
    fn a_wait_is_told_as_people_say_it() {
        let told =
            [1, 2, 60, 61, 3_600, 3_601, 10_000].map(|s| Language::English.texts().wait(s).0);
        assert_eq!(
            told,
            [
                "in a moment",
                "in 2 seconds",
                "in 60 seconds",
                "in 2 minutes",
                "in 60 minutes",
                "in 2 hours",
                "in 3 hours"
            ]
        );
    }
}
