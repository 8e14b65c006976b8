//! The statement of a wallet.

use crate::web::language::Language;
use crate::web::pdf::PdfError;
use crate::web::pdf::draw::{self, Properties};
use crate::web::pdf::font::{Measures, visible};
use crate::web::pdf::layout::{Layout, NAME, SOME_LINES, STRONG, TEXT, TableRow};
use crate::web::statement::{Line, Section, StatementDocument};

/// # Errors
/// [`PdfError`].
pub fn statement(document: &StatementDocument) -> Result<Vec<u8>, PdfError> {
    let mut layout = Layout::new(Measures::read().ok_or(PdfError::Font)?);
    if let Some(words) = document.test_money {
        layout.band(words);
    }
    layout.paragraph(&document.seller, NAME);
    layout.space(300);
    layout.title(&document.title);
    for note in &document.notes {
        layout.paragraph(note, TEXT);
    }
    for section in &document.sums {
        self::section(&mut layout, section, ("Kind", "Sum"));
    }
    if let Some(words) = &document.no_entries {
        layout.space(300);
        layout.paragraph(words, TEXT);
    }
    for day in &document.days {
        section(&mut layout, day, ("Entry", "Amount"));
    }
    let texts = Language::English.texts();
    layout.number_pages(|page, count| {
        let page = texts.page_of(&page.to_string(), &count.to_string());
        format!("{} · {page}", document.title)
    });
    let properties = Properties {
        title: visible(&format!("{} – {}", document.title, document.seller)),
        author: visible(&document.seller),
        language: Language::English.code(),
    };
    draw::write(&layout, properties)
}

fn section(layout: &mut Layout, section: &Section, head: (&str, &str)) {
    layout.heading(&section.heading, SOME_LINES);
    let rows: Vec<TableRow<'_>> = section.lines.iter().map(row).collect();
    layout.table(Some(head), &rows);
}

fn row(line: &Line) -> TableRow<'_> {
    TableRow {
        name: &line.name,
        detail: line.detail.as_deref(),
        value: &line.value,
        style: if line.is_balance { STRONG } else { TEXT },
    }
}
