//! Puts texts, tables and QR codes on pages, and keeps the structure that a reader of the tagged PDF
//! hears. Nothing here knows how a PDF is written: that is `draw.rs`.
//!
//! Lengths are twips; places are counted from the upper left corner of the page.

use crate::web::qr::Qr;
use crate::web::receipt::pdf::font::{Measures, Style, Weight};

/// A4.
pub const PAGE_WIDTH: i32 = 11_906;
pub const PAGE_HEIGHT: i32 = 16_838;
const MARGIN: i32 = 1_134;
pub const RIGHT: i32 = PAGE_WIDTH - MARGIN;
/// Where the text of a page ends. The number of the page stands below.
const BOTTOM: i32 = PAGE_HEIGHT - MARGIN - 400;
const TEXT_WIDTH: i32 = RIGHT - MARGIN;
/// Between two columns.
const GAP: i32 = 240;
/// A column of amounts is no wider than this; what is longer is broken.
const AMOUNT_WIDTH_MAX: i32 = 2_400;
const QR_SIZE: i32 = 1_900;
/// Around the text of a band.
const PADDING: i32 = 120;
/// Above and below the text of a row.
const ROW_SPACE: i32 = 50;

pub const TITLE: Style = Style { size: 400, weight: Weight::Bold };
pub const NAME: Style = Style { size: 260, weight: Weight::Bold };
pub const HEADING: Style = Style { size: 260, weight: Weight::Bold };
pub const CODE: Style = Style { size: 320, weight: Weight::Bold };
pub const TEXT: Style = Style { size: 200, weight: Weight::Regular };
pub const STRONG: Style = Style { size: 200, weight: Weight::Bold };
pub const SMALL: Style = Style { size: 170, weight: Weight::Regular };

impl Style {
    /// From the baseline of a line to that of the next.
    const fn leading(self) -> i32 {
        self.size * 7 / 5
    }

    /// From the top of a line to its baseline.
    const fn ascent(self) -> i32 {
        self.size * 21 / 20
    }
}

/// The place of an element in [`Layout::elements`].
pub type ElementId = usize;

/// What a part of the document is to somebody who hears it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    Title(String),
    Heading(String),
    Paragraph,
    Table,
    Row,
    /// Names its column.
    ColumnHeader,
    /// Names its row. It takes so many columns.
    RowHeader(u32),
    Cell,
    /// With the words that stand for it.
    Figure(String),
    /// With its URL.
    Link(String),
}

/// An element of the document's structure. It has either elements or pieces inside.
pub struct Element {
    pub role: Role,
    pub children: Vec<ElementId>,
}

/// What is drawn.
pub enum Shape {
    Text { baseline: i32, style: Style, text: String },
    /// A thin line.
    Rule { width: i32 },
    /// A pale area.
    Band { width: i32, height: i32 },
    Qr { size: i32, code: Qr },
    /// An area that leads to the URL of its element. Nothing is seen of it.
    LinkArea { width: i32, height: i32 },
}

/// A shape in its place.
pub struct Piece {
    /// The element that it belongs to; `None` for what is only decoration.
    pub element: Option<ElementId>,
    pub left: i32,
    pub top: i32,
    pub shape: Shape,
}

/// An entry of the document's outline.
pub struct Bookmark {
    pub title: String,
    pub page: usize,
    pub top: i32,
}

/// The row of a table: the name on the left, the other texts on the right of their columns.
pub struct TableRow<'a> {
    pub name: &'a str,
    /// What stands in the last columns. Where they are fewer than in other rows, the name has the
    /// columns that are left.
    pub values: Vec<&'a str>,
    pub style: Style,
    /// Whether a line stands above it.
    pub has_rule: bool,
}

/// The document under construction.
pub struct Layout {
    measures: Measures,
    pub pages: Vec<Vec<Piece>>,
    pub elements: Vec<Element>,
    /// The elements that are inside no other one, in the order of reading.
    pub roots: Vec<ElementId>,
    pub outline: Vec<Bookmark>,
    /// Whether every character can be shown.
    pub is_whole: bool,
    /// Where the next piece goes.
    top: i32,
}

impl Layout {
    #[must_use]
    pub fn new(measures: Measures) -> Self {
        Self {
            measures,
            pages: vec![vec![]],
            elements: vec![],
            roots: vec![],
            outline: vec![],
            is_whole: true,
            top: MARGIN,
        }
    }

    fn root(&mut self, role: Role) -> ElementId {
        let id = self.element(role);
        self.roots.push(id);
        id
    }

    fn element(&mut self, role: Role) -> ElementId {
        self.elements.push(Element { role, children: vec![] });
        self.elements.len() - 1
    }

    fn child(&mut self, parent: ElementId, role: Role) -> ElementId {
        let id = self.element(role);
        if let Some(parent) = self.elements.get_mut(parent) {
            parent.children.push(id);
        }
        id
    }

    fn put(&mut self, element: Option<ElementId>, left: i32, top: i32, shape: Shape) {
        if let Some(page) = self.pages.last_mut() {
            page.push(Piece { element, left, top, shape });
        }
    }

    /// Begins a page if less than `height` is left on this one. Returns whether it did.
    fn keep_together(&mut self, height: i32) -> bool {
        let is_full = self.top + height > BOTTOM && self.top > MARGIN;
        if is_full {
            self.pages.push(vec![]);
            self.top = MARGIN;
        }
        is_full
    }

    pub fn space(&mut self, height: i32) {
        if self.top > MARGIN {
            self.top += height;
        }
    }

    /// The lines of a text.
    fn lines(&mut self, text: &str, style: Style, width: i32) -> Vec<String> {
        let (text, is_whole) = self.measures.printable(text);
        self.is_whole &= is_whole;
        self.measures.lines(&text, style, width)
    }

    /// Writes lines below each other from here on, over as many pages as they take.
    fn write(&mut self, element: ElementId, left: i32, lines: Vec<String>, style: Style) {
        for line in lines {
            self.keep_together(style.leading());
            let shape = Shape::Text { baseline: self.top + style.ascent(), style, text: line };
            self.put(Some(element), left, self.top, shape);
            self.top += style.leading();
        }
    }

    /// The title of the document.
    pub fn title(&mut self, text: &str) {
        let lines = self.lines(text, TITLE, TEXT_WIDTH);
        let element = self.root(Role::Title(text.to_owned()));
        self.bookmark(text);
        self.write(element, MARGIN, lines, TITLE);
        self.top += 80;
    }

    /// A heading, with room for some lines below it.
    pub fn heading(&mut self, text: &str) {
        self.space(400);
        self.keep_together(4 * HEADING.leading());
        let lines = self.lines(text, HEADING, TEXT_WIDTH);
        let element = self.root(Role::Heading(text.to_owned()));
        self.bookmark(text);
        self.write(element, MARGIN, lines, HEADING);
        self.top += 60;
    }

    fn bookmark(&mut self, title: &str) {
        let page = self.pages.len() - 1;
        self.outline.push(Bookmark { title: title.to_owned(), page, top: self.top });
    }

    pub fn paragraph(&mut self, text: &str, style: Style) {
        let lines = self.lines(text, style, TEXT_WIDTH);
        let element = self.root(Role::Paragraph);
        self.write(element, MARGIN, lines, style);
    }

    /// A paragraph on a pale ground.
    pub fn band(&mut self, text: &str) {
        let lines = self.lines(text, STRONG, TEXT_WIDTH - 2 * PADDING);
        let count = i32::try_from(lines.len()).unwrap_or(1);
        let height = count * STRONG.leading() + PADDING;
        self.keep_together(height);
        let top = self.top;
        self.put(None, MARGIN, top, Shape::Band { width: TEXT_WIDTH, height });
        self.top += PADDING / 2;
        let element = self.root(Role::Paragraph);
        self.write(element, MARGIN + PADDING, lines, STRONG);
        self.top = top + height + 240;
    }

    /// A table. The head is repeated on every page.
    pub fn table(&mut self, head: Option<&TableRow<'_>>, rows: &[TableRow<'_>]) {
        let columns = self.columns(head, rows);
        let table = self.root(Role::Table);
        if let Some(head) = head {
            self.row(Some(table), head, &columns, &Role::ColumnHeader);
        }
        for row in rows {
            if self.keep_together(self.height(row, &columns))
                && let Some(head) = head
            {
                // Nobody hears it again: it belongs to no table.
                self.row(None, head, &columns, &Role::ColumnHeader);
            }
            self.row(Some(table), row, &columns, &Role::Cell);
        }
    }

    /// The widths of the columns right of the names, by what stands in them.
    fn columns(&self, head: Option<&TableRow<'_>>, rows: &[TableRow<'_>]) -> Vec<i32> {
        let rows: Vec<&TableRow<'_>> = head.into_iter().chain(rows).collect();
        let count = rows.iter().map(|row| row.values.len()).max().unwrap_or_default();
        let mut widths = vec![0; count];
        for row in rows {
            for (widest, value) in widths.iter_mut().rev().zip(row.values.iter().rev()) {
                let (value, _) = self.measures.printable(value);
                *widest = self.measures.width(&value, row.style).max(*widest);
            }
        }
        // A single column may take most of the line.
        let most = if count == 1 { TEXT_WIDTH * 3 / 5 } else { AMOUNT_WIDTH_MAX };
        widths.into_iter().map(|width: i32| width.min(most)).collect()
    }

    /// The cells of a row, the name first: where each begins (the name) or ends, and its lines.
    fn cells(&self, row: &TableRow<'_>, columns: &[i32]) -> Vec<(i32, Vec<String>)> {
        let columns = &columns[columns.len().saturating_sub(row.values.len())..];
        let taken: i32 = columns.iter().map(|width| width + GAP).sum();
        let lines = |text: &str, width| {
            self.measures.lines(&self.measures.printable(text).0, row.style, width)
        };
        let mut cells = vec![(MARGIN, lines(row.name, TEXT_WIDTH - taken))];
        let mut edge = RIGHT - taken;
        for (value, width) in row.values.iter().zip(columns) {
            edge += width + GAP;
            cells.push((edge, lines(value, *width)));
        }
        cells
    }

    fn height(&self, row: &TableRow<'_>, columns: &[i32]) -> i32 {
        let cells = self.cells(row, columns);
        let most = cells.iter().map(|(_, lines)| lines.len()).max().unwrap_or(1);
        i32::try_from(most).unwrap_or(1) * row.style.leading() + 2 * ROW_SPACE
    }

    /// A row, on one page. `role` is that of its values.
    fn row(
        &mut self,
        table: Option<ElementId>,
        row: &TableRow<'_>,
        columns: &[i32],
        role: &Role,
    ) {
        for text in row.values.iter().chain([&row.name]) {
            self.is_whole &= self.measures.printable(text).1;
        }
        if row.has_rule {
            self.put(None, MARGIN, self.top, Shape::Rule { width: TEXT_WIDTH });
        }
        let spanned = columns.len().saturating_sub(row.values.len()) + 1;
        let of_name = match role {
            Role::Cell => Role::RowHeader(u32::try_from(spanned).unwrap_or(1)),
            other => other.clone(),
        };
        let style = row.style;
        let element = table.map(|table| self.child(table, Role::Row));
        for (place, (edge, lines)) in self.cells(row, columns).into_iter().enumerate() {
            let role = if place == 0 { of_name.clone() } else { role.clone() };
            let cell = element.map(|row| self.child(row, role));
            let mut top = self.top + ROW_SPACE;
            for text in lines {
                let width = if place == 0 { 0 } else { self.measures.width(text.trim_end(), style) };
                let shape = Shape::Text { baseline: top + style.ascent(), style, text };
                self.put(cell, edge - width, top, shape);
                top += style.leading();
            }
        }
        self.top += self.height(row, columns);
    }

    /// A QR code of a URL, with texts beside it and the URL as a link. `words` say what the code is.
    pub fn qr_with_link(&mut self, code: Option<Qr>, words: &str, texts: &[(&str, Style)], url: &str) {
        self.keep_together(QR_SIZE);
        let (begin, page) = (self.top, self.pages.len());
        let mut left = MARGIN;
        if let Some(code) = code {
            let figure = self.root(Role::Figure(words.to_owned()));
            self.put(Some(figure), MARGIN, begin, Shape::Qr { size: QR_SIZE, code });
            left += QR_SIZE + GAP;
        }
        self.top = begin + 160;
        for (text, style) in texts {
            let lines = self.lines(text, *style, RIGHT - left);
            let element = self.root(Role::Paragraph);
            self.write(element, left, lines, *style);
        }
        self.link(url, left);
        if self.pages.len() == page {
            self.top = self.top.max(begin + QR_SIZE);
        }
    }

    /// A URL that leads where it says.
    fn link(&mut self, url: &str, left: i32) {
        let lines = self.lines(url, TEXT, RIGHT - left);
        let paragraph = self.root(Role::Paragraph);
        let link = self.child(paragraph, Role::Link(url.to_owned()));
        for text in lines {
            self.keep_together(TEXT.leading());
            let width = self.measures.width(text.trim_end(), TEXT);
            let (top, height) = (self.top, TEXT.leading());
            self.put(Some(link), left, top, Shape::LinkArea { width, height });
            let shape = Shape::Text { baseline: top + TEXT.ascent(), style: TEXT, text };
            self.put(Some(link), left, top, shape);
            self.top += height;
        }
    }

    /// Writes a line at the foot of every page, by the number of the page from 1 and how many there
    /// are.
    pub fn number_pages(&mut self, text: impl Fn(usize, usize) -> String) {
        let count = self.pages.len();
        for (place, page) in self.pages.iter_mut().enumerate() {
            let (text, _) = self.measures.printable(&text(place + 1, count));
            let width = self.measures.width(&text, SMALL);
            let top = PAGE_HEIGHT - MARGIN;
            let shape = Shape::Text { baseline: top + SMALL.ascent(), style: SMALL, text };
            page.push(Piece { element: None, left: RIGHT - width, top, shape });
        }
    }
}
