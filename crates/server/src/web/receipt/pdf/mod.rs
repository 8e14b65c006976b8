//! Receipts and invoices as PDF: what the page says, on A4, with a QR code.
//!
//! The PDF is accessible (PDF/UA-1) and has its font inside. Characters that the font lacks are
//! replaced; then it says where the page is, which has them all.

mod draw;
mod font;
mod layout;

use crate::web::language::texts::Texts;
use crate::web::qr::Qr;
use crate::web::receipt::document::{
    Bill, Fact, InvoiceDocument, ItemLine, ReceiptDocument, Verification,
};
use draw::Properties;
use font::{Measures, visible};
use layout::{CODE, Layout, NAME, QR_SIZE, SMALL, SOME_LINES, STRONG, TEXT, TableRow};

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
    fn an_invoice_is_a_small_pdf() {
        let pdf = invoice(&samples::invoice("Rice", 200, ENGLISH)).unwrap();
        assert!(pages(&pdf) > 4 && pdf.len() < SIZE_MAX, "{}", pdf.len());
    }
}
