//! Receipts and invoices as PDF: what the page says, on A4, with a QR code.
//!
//! The PDF is accessible (PDF/UA-1) and has its font inside. Characters that the font lacks are
//! replaced; then it says where the page is, which has them all.

mod draw;
mod font;
mod layout;

use crate::web::qr::Qr;
use crate::web::receipt::document::{
    Bill, Fact, InvoiceDocument, ItemLine, ReceiptDocument, Verification,
};
use crate::web::receipt::texts::Texts;
use draw::Properties;
use font::Measures;
use layout::{CODE, Layout, NAME, SMALL, STRONG, TEXT, TableRow};

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
    let texts = document.bill.texts;
    let mut layout = begin(&document.bill, &document.state)?;
    items(&mut layout, &document.bill);
    if let Some(payment) = &document.payment {
        layout.heading(texts.payment);
        facts(&mut layout, &payment.amounts, Some(&payment.paid), Some(&payment.received));
        layout.space(80);
        layout.paragraph(payment.borne_by, SMALL);
        layout.space(160);
        facts(&mut layout, &payment.facts, None, None);
    }
    if let Some(refunds) = &document.refunds {
        layout.heading(texts.refunds);
        facts(&mut layout, &refunds.refunds, Some(&refunds.left), None);
    }
    if let Some(verification) = &document.verification {
        verify(&mut layout, texts, verification);
    }
    end(layout, &document.bill)
}

/// # Errors
/// [`PdfError`].
pub fn invoice(document: &InvoiceDocument) -> Result<Vec<u8>, PdfError> {
    let texts = document.bill.texts;
    let mut layout = begin(&document.bill, &document.state)?;
    items(&mut layout, &document.bill);
    if let Some(words) = document.fees_to_come {
        layout.space(160);
        layout.paragraph(words, SMALL);
    }
    layout.heading(texts.how_to_pay);
    let lines = [(texts.scan_to_pay, TEXT)];
    layout.qr_with_link(Qr::new(&document.pay_url), texts.pay_qr, &lines, &document.pay_url);
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
    for Fact { name, value } in &bill.dates {
        layout.paragraph(&format!("{name}: {value}"), TEXT);
    }
    if !bill.note.is_empty() {
        layout.space(160);
        layout.paragraph(&bill.note, TEXT);
    }
    layout.space(300);
    Ok(layout)
}

fn items(layout: &mut Layout, bill: &Bill) {
    let texts = bill.texts;
    let head = TableRow {
        name: texts.item,
        values: vec![texts.quantity, texts.unit_price, texts.amount],
        style: SMALL,
        has_rule: false,
    };
    let mut rows: Vec<TableRow<'_>> = bill
        .items
        .iter()
        .map(|ItemLine { name, quantity, unit_price, amount }| TableRow {
            name,
            values: vec![quantity, unit_price, amount],
            style: TEXT,
            has_rule: true,
        })
        .collect();
    rows.push(TableRow {
        name: texts.total,
        values: vec![&bill.total],
        style: STRONG,
        has_rule: true,
    });
    layout.table(Some(&head), &rows);
    if let Some(words) = bill.items_missing {
        layout.paragraph(words, SMALL);
    }
}

/// Names with their values; `sum` stands out, and `after` follows it.
fn facts(layout: &mut Layout, facts: &[Fact], sum: Option<&Fact>, after: Option<&Fact>) {
    let row = |fact: &'_ Fact, style| -> (String, String, font::Style) {
        (fact.name.to_owned(), fact.value.clone(), style)
    };
    let rows: Vec<_> = facts
        .iter()
        .map(|fact| row(fact, TEXT))
        .chain(sum.map(|fact| row(fact, STRONG)))
        .chain(after.map(|fact| row(fact, TEXT)))
        .collect();
    let rows: Vec<TableRow<'_>> = rows
        .iter()
        .enumerate()
        .map(|(place, (name, value, style))| TableRow {
            name,
            values: vec![value],
            style: *style,
            has_rule: place > 0,
        })
        .collect();
    layout.table(None, &rows);
}

fn verify(layout: &mut Layout, texts: &Texts, verification: &Verification) {
    layout.heading(texts.receipt_code);
    let lines = [(verification.code.as_str(), CODE), (texts.how_to_verify, TEXT)];
    let code = Qr::new(&verification.url);
    layout.qr_with_link(code, texts.verify_qr, &lines, &verification.url);
}

/// What cannot be shown, the numbers of the pages, and the bytes.
fn end(mut layout: Layout, bill: &Bill) -> Result<Vec<u8>, PdfError> {
    if !layout.is_whole {
        layout.space(300);
        layout.paragraph(bill.texts.characters_missing, SMALL);
        layout.paragraph(&bill.page_url, SMALL);
    }
    layout.number_pages(|page, count| {
        format!("{} · {}", bill.number, bill.texts.page_of(page, count))
    });
    let properties = Properties {
        title: format!("{} – {}", bill.title, bill.seller.name),
        author: bill.seller.name.clone(),
        language: bill.texts.language,
    };
    draw::write(&layout, properties)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::receipt::document::samples;

    /// What no PDF may exceed.
    const SIZE_MAX: usize = 200 * 1024;

    fn pages(pdf: &[u8]) -> usize {
        let text = String::from_utf8_lossy(pdf);
        text.matches("/Type /Page\n").count() + text.matches("/Type/Page/").count()
    }

    #[test]
    fn a_receipt_is_an_accessible_pdf_of_one_page() {
        let pdf = receipt(&samples::receipt("Rice", 3)).unwrap();
        std::fs::write("/tmp/receipts/receipt.pdf", &pdf).unwrap();
        assert!(pdf.starts_with(b"%PDF-1.7") && pdf.len() < SIZE_MAX, "{}", pdf.len());
        let text = String::from_utf8_lossy(&pdf);
        assert!(text.contains("pdfuaid:part") && text.contains("/MarkInfo"), "{text}");
        assert_eq!(pages(&pdf), 1);
        assert_eq!(receipt(&samples::receipt("Rice", 3)).unwrap(), pdf, "the same each time");
    }

    #[test]
    fn hard() {
        let long = "Rice of the long kind ".repeat(12);
        for (name, document) in [
            ("many", samples::receipt(&long, 200)),
            ("hostile", samples::receipt("<b>米 🍚</b> \u{202e}gnp.exe \u{5d0}\u{5d1}", 200)),
        ] {
            let pdf = receipt(&document).unwrap();
            std::fs::write(format!("/tmp/receipts/{name}.pdf"), &pdf).unwrap();
            assert!(pdf.len() < SIZE_MAX, "{}", pdf.len());
        }
        std::fs::write("/tmp/receipts/invoice.pdf", invoice(&samples::invoice("Rice", 5)).unwrap()).unwrap();
    }
}
