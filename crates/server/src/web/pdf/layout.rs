//! Puts texts, tables and QR codes on pages, and keeps the structure that a reader of the tagged PDF
//! hears. Nothing here knows how a PDF is written: that is `draw.rs`.
//!
//! Lengths are twips; places are counted from the upper left corner of the page.

use crate::web::pdf::font::{Measures, Style, Weight};
use crate::web::qr::{BORDER, Qr};

/// A4.
pub const PAGE_WIDTH: i32 = 11_906;
pub const PAGE_HEIGHT: i32 = 16_838;
/// On the left and on the right: two centimetres.
const MARGIN: i32 = 1_134;
const TOP: i32 = 850;
const RIGHT: i32 = PAGE_WIDTH - MARGIN;
/// Where the text of a page ends. The number of the page stands below.
const BOTTOM: i32 = PAGE_HEIGHT - 1_200;
const FOOT: i32 = PAGE_HEIGHT - 950;
const TEXT_WIDTH: i32 = RIGHT - MARGIN;
/// Between two columns.
const GAP: i32 = 240;
pub const QR_SIZE: i32 = 1_900;
/// What some lines of text take.
pub const SOME_LINES: i32 = 1_000;
/// Around the text of a band.
const PADDING: i32 = 120;
/// Above and below the text of a row.
const ROW_SPACE: i32 = 36;

pub const TITLE: Style = Style { size: 360, weight: Weight::Bold };
pub const NAME: Style = Style { size: 260, weight: Weight::Bold };
pub const HEADING: Style = Style { size: 260, weight: Weight::Bold };
pub const CODE: Style = Style { size: 320, weight: Weight::Bold };
pub const TEXT: Style = Style { size: 200, weight: Weight::Regular };
pub const STRONG: Style = Style { size: 200, weight: Weight::Bold };
pub const SMALL: Style = Style { size: 170, weight: Weight::Regular };

impl Style {
    /// From the baseline of a line to that of the next.
    const fn leading(self) -> i32 {
        self.size * 27 / 20
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
    /// Names its row.
    RowHeader,
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
    Text {
        baseline: i32,
        style: Style,
        text: String,
    },
    /// A thin line.
    Rule {
        width: i32,
    },
    /// A pale area.
    Band {
        width: i32,
        height: i32,
    },
    /// With the width of its squares: whole twips, so that no two differ.
    Qr {
        square: i32,
        code: Qr,
    },
    /// An area that leads to the URL of its element. Nothing is seen of it.
    LinkArea {
        width: i32,
        height: i32,
    },
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

/// The row of a table: a name on the left, and its value on the right.
pub struct TableRow<'a> {
    pub name: &'a str,
    /// What stands below the name in small letters.
    pub detail: Option<&'a str>,
    pub value: &'a str,
    pub style: Style,
}

type StyledLine = (String, Style);

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
            top: TOP,
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
        let is_full = self.top + height > BOTTOM && self.top > TOP;
        if is_full {
            self.pages.push(vec![]);
            self.top = TOP;
        }
        is_full
    }

    pub fn space(&mut self, height: i32) {
        if self.top > TOP {
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

    /// A heading, with so much room below it on the page.
    pub fn heading(&mut self, text: &str, room: i32) {
        self.space(300);
        self.keep_together(HEADING.leading() + room);
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

    /// A table. The head, which names the two columns, is repeated on every page.
    pub fn table(&mut self, head: Option<(&str, &str)>, rows: &[TableRow<'_>]) {
        let table = self.root(Role::Table);
        let head = head.map(|(name, value)| TableRow { name, detail: None, value, style: SMALL });
        if let Some(head) = &head {
            let row = self.child(table, Role::Row);
            let cells = (self.child(row, Role::ColumnHeader), self.child(row, Role::ColumnHeader));
            self.row(Some(cells), head, false);
        }
        for (place, row) in rows.iter().enumerate() {
            if self.keep_together(self.height(row))
                && let Some(head) = &head
            {
                // Nobody hears it again: it belongs to no table.
                self.row(None, head, false);
            }
            let element = self.child(table, Role::Row);
            let cells = (self.child(element, Role::RowHeader), self.child(element, Role::Cell));
            self.row(Some(cells), row, place > 0 || head.is_some());
        }
    }

    /// The lines of a row: of its name and of its value, each with its style.
    fn cells(&self, row: &TableRow<'_>) -> (Vec<StyledLine>, Vec<StyledLine>) {
        let lines = |text: &str, style: Style, width| {
            let lines = self.measures.lines(&self.measures.printable(text).0, style, width);
            lines.into_iter().map(|line| (line, style)).collect::<Vec<_>>()
        };
        let value = self.measures.printable(row.value).0;
        let width = self.measures.width(&value, row.style).min(TEXT_WIDTH * 3 / 5);
        let rest = TEXT_WIDTH - width - GAP;
        let mut name = lines(row.name, row.style, rest);
        if let Some(detail) = row.detail {
            // A program that reads the text aloud must not join the two.
            name.last_mut().into_iter().for_each(|(line, _)| line.push(' '));
            name.extend(lines(detail, SMALL, rest));
        }
        (name, lines(row.value, row.style, width))
    }

    fn height(&self, row: &TableRow<'_>) -> i32 {
        let (name, value) = self.cells(row);
        let height = |lines: Vec<StyledLine>| -> i32 {
            lines.iter().map(|(_, style)| style.leading()).sum()
        };
        height(name).max(height(value)) + 2 * ROW_SPACE
    }

    /// A row, on one page. `elements` are those of its two cells.
    fn row(
        &mut self,
        elements: Option<(ElementId, ElementId)>,
        row: &TableRow<'_>,
        has_rule: bool,
    ) {
        for text in row.detail.iter().chain([&row.name, &row.value]) {
            self.is_whole &= self.measures.printable(text).1;
        }
        if has_rule {
            self.put(None, MARGIN, self.top, Shape::Rule { width: TEXT_WIDTH });
        }
        let (name, value) = self.cells(row);
        let mut top = self.top + ROW_SPACE;
        for (text, style) in name {
            let shape = Shape::Text { baseline: top + style.ascent(), style, text };
            self.put(elements.map(|(name, _)| name), MARGIN, top, shape);
            top += style.leading();
        }
        let mut top = self.top + ROW_SPACE;
        for (text, style) in value {
            let width = self.measures.width(text.trim_end(), style);
            let shape = Shape::Text { baseline: top + style.ascent(), style, text };
            self.put(elements.map(|(_, value)| value), RIGHT - width, top, shape);
            top += style.leading();
        }
        self.top += self.height(row);
    }

    /// A QR code of a URL, with texts beside it and the URL as a link. `words` say what the code is.
    pub fn qr_with_link(
        &mut self,
        code: Option<Qr>,
        words: &str,
        texts: &[(&str, Style)],
        url: &str,
    ) {
        self.keep_together(QR_SIZE);
        let (begin, page) = (self.top, self.pages.len());
        let mut left = MARGIN;
        if let Some(code) = code {
            let figure = self.root(Role::Figure(words.to_owned()));
            let square = code.square(QR_SIZE);
            // Its border goes into the margin, so that its edge stands below that of the texts.
            let place = MARGIN - square * BORDER;
            self.put(Some(figure), place, begin, Shape::Qr { square, code });
            left = place + QR_SIZE + GAP / 2;
        }
        self.top = begin + 4 * ROW_SPACE;
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
            let shape = Shape::Text { baseline: FOOT + SMALL.ascent(), style: SMALL, text };
            page.push(Piece { element: None, left: RIGHT - width, top: FOOT, shape });
        }
    }
}
