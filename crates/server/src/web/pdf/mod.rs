//! Receipts, invoices and statements of wallets as PDF, on A4; those that have a page say what it says.
//!
//! Each PDF is accessible (PDF/UA-1) and has its font inside. Characters that the font lacks are
//! replaced; then it says where the page is, which has them all.

mod draw;
mod font;
mod layout;
mod statement;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{
    CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
};
use axum::response::{IntoResponse, Response};
use domain::kernel::ids::MerchantId;

use crate::api::error::ApiError;
use crate::app::App;
use crate::net::response_permits::ResponsePermit;
use crate::web::language::texts::Texts;
use crate::web::page::ROBOTS;
use crate::web::qr::Qr;
use crate::web::receipt::document::{
    Bill, Fact, InvoiceDocument, ItemLine, ReceiptDocument, Verification,
};
use draw::Properties;
use font::{Measures, visible};
use layout::{CODE, Layout, NAME, QR_SIZE, SMALL, SOME_LINES, STRONG, TEXT, TableRow};

pub use statement::statement;

/// What follows a token in the URL of a PDF.
pub const PDF: &str = ".pdf";
/// The media type of PDFs.
pub const MEDIA_TYPE: &str = "application/pdf";

/// A permit to make a PDF for a merchant.
///
/// # Errors
/// 429 when none becomes free in time.
pub async fn permit(app: &App, merchant: MerchantId) -> Result<ResponsePermit, ApiError> {
    app.pdfs.acquire(merchant).await.ok_or(ApiError::TooMany(1))
}

/// Makes a PDF on a thread that serves no requests: it takes some milliseconds, and longer for
/// hundreds of long items. The thread itself holds the permit, because it goes on when the client
/// has left.
///
/// # Errors
/// [`ApiError`] when it cannot be made.
pub async fn respond(
    permit: ResponsePermit,
    name: &str,
    make: impl FnOnce() -> Result<Vec<u8>, PdfError> + Send + 'static,
) -> Result<Response, ApiError> {
    let made = tokio::task::spawn_blocking(move || (make(), permit)).await;
    let (made, permit) = made.map_err(|_| ApiError::internal("making a PDF panicked"))?;
    let bytes = made.map_err(|error| ApiError::internal(error.to_string()))?;
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let disposition = HeaderValue::try_from(format!("inline; filename=\"{name}{PDF}\""));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE)),
        (CONTENT_DISPOSITION, disposition.map_err(|error| ApiError::internal(error.to_string()))?),
        // Browsers show a PDF by a page of their own, which a stricter policy would break.
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("frame-ancestors 'none'")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (ROBOTS.clone(), HeaderValue::from_static("noindex")),
    ];
    Ok((headers, Body::from(permit.attach_if_large(bytes))).into_response())
}

/// Why a PDF was not made: each of them is a fault of this program.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    #[error("the fonts of PDFs cannot be read")]
    Font,
    #[error("the PDF is not valid: {0}")]
    Krilla(String),
}

/// # Errors
/// [`PdfError`].
pub fn receipt(document: &ReceiptDocument) -> Result<Vec<u8>, PdfError> {
    let texts = document.bill.texts();
    let mut layout = begin(&document.bill, &document.state)?;
    items(&mut layout, &document.bill);
    if let Some(payment) = &document.payment {
        layout.heading(texts.payment, SOME_LINES);
        facts(&mut layout, &payment.amounts, Some(&payment.paid));
        layout.space(80);
        layout.paragraph(payment.borne_by, SMALL);
        layout.space(160);
        facts(&mut layout, &payment.facts, None);
    }
    if let Some(refunds) = &document.refunds {
        layout.heading(texts.refunds, SOME_LINES);
        facts(&mut layout, &refunds.refunds, Some(&refunds.left));
    }
    if let Some(verification) = &document.verification {
        verify(&mut layout, texts, verification);
    }
    end(layout, &document.bill)
}

/// # Errors
/// [`PdfError`].
pub fn invoice(document: &InvoiceDocument) -> Result<Vec<u8>, PdfError> {
    let texts = document.bill.texts();
    let mut layout = begin(&document.bill, &document.state)?;
    items(&mut layout, &document.bill);
    if let Some(words) = document.fees_to_come {
        layout.space(160);
        layout.paragraph(words, SMALL);
    }
    layout.heading(texts.ways_to_pay, QR_SIZE);
    let lines = [(texts.scan_to_pay, TEXT)];
    layout.qr_with_link(Qr::new(&document.pay_url), texts.qr_alt, &lines, &document.pay_url);
    end(layout, &document.bill)
}

/// Seller, title, state and dates.
fn begin(bill: &Bill, state: &str) -> Result<Layout, PdfError> {
    let mut layout = Layout::new(Measures::read().ok_or(PdfError::Font)?);
    if let Some(words) = bill.test_money {
        layout.band(words);
    }
    layout.paragraph(&bill.seller.name, NAME);
    if let Some(contact) = &bill.seller.contact {
        layout.paragraph(contact, SMALL);
    }
    layout.space(300);
    layout.title(&bill.title);
    layout.paragraph(state, STRONG);
    for date in &bill.dates {
        layout.paragraph(date, TEXT);
    }
    if !bill.note.is_empty() {
        layout.space(160);
        layout.paragraph(&bill.note, TEXT);
    }
    layout.space(300);
    Ok(layout)
}

fn items(layout: &mut Layout, bill: &Bill) {
    let texts = bill.texts();
    let details: Vec<String> = bill.items.iter().map(ItemLine::detail).collect();
    let mut rows: Vec<TableRow<'_>> = bill
        .items
        .iter()
        .zip(&details)
        .map(|(ItemLine { name, amount, .. }, detail)| TableRow {
            name,
            detail: Some(detail),
            value: amount,
            style: TEXT,
        })
        .collect();
    rows.push(TableRow { name: texts.total, detail: None, value: &bill.total, style: STRONG });
    layout.table(Some((texts.item, texts.amount)), &rows);
    if let Some(words) = bill.items_missing {
        layout.paragraph(words, SMALL);
    }
}

/// Names with their values; the `sum` below them stands out.
fn facts(layout: &mut Layout, facts: &[Fact], sum: Option<&Fact>) {
    let facts = facts.iter().map(|fact| (fact, TEXT)).chain(sum.map(|fact| (fact, STRONG)));
    let rows: Vec<TableRow<'_>> = facts
        .map(|(Fact { name, value }, style)| TableRow { name, detail: None, value, style })
        .collect();
    layout.table(None, &rows);
}

fn verify(layout: &mut Layout, texts: &Texts, verification: &Verification) {
    layout.heading(texts.receipt_code, QR_SIZE);
    let lines = [(verification.code.as_str(), CODE), (texts.how_to_verify, TEXT)];
    let code = Qr::new(&verification.url);
    layout.qr_with_link(code, texts.verify_qr_alt, &lines, &verification.url);
}

/// What cannot be shown, the numbers of the pages, and the bytes.
fn end(mut layout: Layout, bill: &Bill) -> Result<Vec<u8>, PdfError> {
    if !layout.is_whole {
        layout.space(300);
        layout.paragraph(bill.texts().characters_missing, SMALL);
        layout.paragraph(&bill.page_url, SMALL);
    }
    layout.number_pages(|page, count| {
        let page = bill.texts().page_of(&page.to_string(), &count.to_string());
        format!("{} · {page}", bill.number)
    });
    let properties = Properties {
        title: visible(&format!("{} – {}", bill.title, bill.seller.name)),
        author: visible(&bill.seller.name),
        language: bill.language.code(),
    };
    draw::write(&layout, properties)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::language::Language;
    use crate::web::receipt::document::samples;
    use crate::web::statement::{ENTRIES_MAX, Line, Section, StatementDocument};

    /// What no PDF may exceed.
    const SIZE_MAX: usize = 200 * 1024;
    const ENGLISH: Language = Language::English;

    fn pages(pdf: &[u8]) -> usize {
        String::from_utf8_lossy(pdf).matches("/Type/Page/").count()
    }

    #[test]
    fn a_receipt_is_an_accessible_pdf_of_one_page() {
        for language in Language::ALL {
            let document = samples::receipt("Rice", 3, language);
            let pdf = receipt(&document).unwrap();
            assert!(pdf.starts_with(b"%PDF-1.7") && pdf.len() < SIZE_MAX, "{}", pdf.len());
            let text = String::from_utf8_lossy(&pdf);
            for part in ["<pdfuaid:part>1<", "/Marked true", "/DisplayDocTitle true"] {
                assert!(text.contains(part), "no {part}");
            }
            assert_eq!(pages(&pdf), 1);
            assert_eq!(receipt(&document).unwrap(), pdf, "the same each time");
        }
    }

    /// Letters without a pattern, as many as the longest name has.
    fn any_letters(seed: &mut u32) -> String {
        let letters: Vec<char> =
            "abcdefghijklmnoprstuvwyzABDGKMNRSTéèêçñöabcdeghiknorstu αβγδ абвгде ŋɛɔ "
                .chars()
                .collect();
        let mut next = || {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            letters[usize::try_from(*seed >> 16).unwrap() % letters.len()]
        };
        (0..255).map(|_| next()).collect()
    }

    #[test]
    fn the_largest_receipt_is_small_enough() {
        let mut document = samples::receipt("Rice", 200, ENGLISH);
        let mut seed = 1;
        document.bill.items.iter_mut().for_each(|item| item.name = any_letters(&mut seed));
        let pdf = receipt(&document).unwrap();
        assert!(pdf.len() < SIZE_MAX, "{}", pdf.len());
    }

    #[test]
    fn hostile_texts_make_a_valid_pdf() {
        let all: String = (1..0xffff).filter_map(char::from_u32).collect();
        for name in [
            "<b>米 🍚</b> \u{202e}gnp.exe \u{5d0}\u{5d1} e\u{301}\u{301}\u{301}",
            "",
            "\u{200b}",
            &"W".repeat(3_000),
            &"\u{301}".repeat(3_000),
            &all,
        ] {
            let mut document = samples::receipt(name, 30, ENGLISH);
            document.bill.seller.name = name.to_owned();
            document.bill.note = name.to_owned();
            assert!(pages(&receipt(&document).unwrap()) > 1);
        }
    }

    #[test]
    fn a_statement_has_a_page_for_some_dozens_of_entries() {
        let line = |place: usize, is_balance| Line {
            name: "Released, since the transfer failed".to_owned(),
            detail: Some(format!("10:00:00 UTC. Then 1,234,567.50 USD available. Entry {place}.")),
            value: "+1,234,567.50 USD available".to_owned(),
            is_balance,
        };
        let section = |heading: &str, lines: usize| Section {
            heading: heading.to_owned(),
            lines: (0..lines).map(|place| line(place, place == 0)).collect(),
        };
        let document = StatementDocument {
            title: "Statement of wallet 12 for November 2026".to_owned(),
            seller: "AMA SHOP".to_owned(),
            test_money: Some("Sandbox"),
            notes: vec!["In USD.".to_owned()],
            sums: vec![section("Available", 9), section("Held", 9)],
            days: (0..20).map(|_| section("5 November 2026", ENTRIES_MAX / 20)).collect(),
            no_entries: None,
            file: "statement".to_owned(),
        };
        let pdf = statement(&document).unwrap();
        let count = pages(&pdf);
        assert!((ENTRIES_MAX / 40..ENTRIES_MAX / 15).contains(&count), "{count}");
        assert!(pdf.len() < 5 * SIZE_MAX, "{}", pdf.len());
        assert!(String::from_utf8_lossy(&pdf).contains("<pdfuaid:part>1<"));
    }

    #[test]
    fn an_invoice_is_a_small_pdf() {
        let pdf = invoice(&samples::invoice("Rice", 200, ENGLISH)).unwrap();
        assert!(pages(&pdf) > 4 && pdf.len() < SIZE_MAX, "{}", pdf.len());
    }
}
