//! Writes a layout as a tagged PDF, which krilla checks against PDF/UA-1.

use std::num::NonZeroU16;

use krilla::action::{Action, LinkAction};
use krilla::annotation::{Annotation, LinkAnnotation, Target};
use krilla::color::luma;
use krilla::configure::{Accessibility, Configuration, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::{Metadata, TextDirection as ReadingDirection};
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Identifier, Node, TableHeaderScope, Tag, TagGroup, TagKind,
    TagTree,
};
use krilla::text::{Font, TextDirection};
use krilla::{Document, SerializeSettings};

use crate::web::pdf::PdfError;
use crate::web::pdf::font::{self, Weight};
use crate::web::pdf::layout::{
    Element, ElementId, Layout, PAGE_HEIGHT, PAGE_WIDTH, Piece, Role, Shape,
};
use crate::web::qr::Run;

/// What stands in the document's properties.
pub struct Properties {
    pub title: String,
    pub author: String,
    /// Such as `en`.
    pub language: &'static str,
}

struct Fonts {
    regular: Font,
    bold: Font,
}

impl Fonts {
    fn read() -> Option<Self> {
        Some(Self {
            regular: Font::new(font::REGULAR.into(), 0)?,
            bold: Font::new(font::BOLD.into(), 0)?,
        })
    }

    fn of(&self, weight: Weight) -> Font {
        match weight {
            Weight::Regular => self.regular.clone(),
            Weight::Bold => self.bold.clone(),
        }
    }
}

/// Twips as the points of a PDF.
#[expect(
    clippy::float_arithmetic,
    reason = "a PDF has floats; only the place of ink depends on it"
)]
fn points(twips: i32) -> f32 {
    // No page is as long as an i16 can count.
    f32::from(i16::try_from(twips).unwrap_or(i16::MAX)) / 20.0
}

/// A rectangle; `None` if it has no area.
fn rectangle(left: i32, top: i32, width: i32, height: i32) -> Option<Rect> {
    Rect::from_xywh(points(left), points(top), points(width), points(height))
}

fn gray(value: u8) -> Fill {
    Fill { paint: luma::Color::new(value).into(), ..Fill::default() }
}

/// What belongs to an element: the areas of a link, and then what is seen.
#[derive(Default)]
struct Content {
    areas: Vec<Identifier>,
    pieces: Vec<Identifier>,
}

/// # Errors
/// [`PdfError`] when the fonts cannot be read, or when the document breaks a rule of PDF/UA-1.
pub fn write(layout: &Layout, properties: Properties) -> Result<Vec<u8>, PdfError> {
    let fonts = Fonts::read().ok_or(PdfError::Font)?;
    let mut document = Document::new_with(SerializeSettings {
        configuration: accessible()?,
        ..SerializeSettings::default()
    });
    let size = PageSettings::from_wh(points(PAGE_WIDTH), points(PAGE_HEIGHT));
    let mut contents: Vec<Content> = layout.elements.iter().map(|_| Content::default()).collect();
    for pieces in &layout.pages {
        let mut page = document.start_page_with(size.clone().ok_or(PdfError::Font)?);
        let mut surface = page.surface();
        // The lines of a text that stand below each other are one piece to whoever hears them.
        for together in pieces.chunk_by(|a, b| a.element.is_some() && a.element == b.element) {
            let Some(first) = together.first() else { continue };
            let artifact = ContentTag::Artifact(Artifact::with_kind(artifact_of(first)));
            let tag = first.element.map_or(artifact, |_| ContentTag::Other);
            let identifier = surface.start_tagged(tag);
            together.iter().for_each(|piece| draw(&mut surface, piece, &fonts));
            surface.end_tagged();
            if let Some(content) = first.element.and_then(|element| contents.get_mut(element)) {
                content.pieces.push(identifier);
            }
        }
        surface.finish();
        for piece in pieces {
            if let Some(annotation) = link(layout, piece)
                && let Some(content) = piece.element.and_then(|element| contents.get_mut(element))
            {
                content.areas.push(page.add_tagged_annotation(annotation));
            }
        }
        page.finish();
    }
    let mut outline = Outline::new();
    for bookmark in &layout.outline {
        let place = XyzDestination::new(bookmark.page, Point::from_xy(0.0, points(bookmark.top)));
        outline.push_child(OutlineNode::new(bookmark.title.clone(), place));
    }
    document.set_outline(outline);
    let language = properties.language.to_owned();
    document.set_metadata(
        Metadata::new()
            .title(properties.title)
            .authors(vec![properties.author])
            .language(language.clone())
            .text_direction(ReadingDirection::LeftToRight),
    );
    let mut tree = TagTree::new().with_lang(Some(language));
    for root in &layout.roots {
        tree.push(group(layout, &mut contents, *root));
    }
    document.set_tag_tree(tree);
    document.finish().map_err(|error| PdfError::Krilla(format!("{error:?}")))
}

/// krilla's own check of PDF/UA-1: a document that breaks a rule is not written.
fn accessible() -> Result<Configuration, PdfError> {
    ConfigurationBuilder::new()
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| PdfError::Krilla(format!("{error:?}")))
}

fn artifact_of(piece: &Piece) -> ArtifactType {
    match piece.shape {
        // The number of the page, or the repeated head of a table.
        Shape::Text { .. } => ArtifactType::PaginationOther,
        _ => ArtifactType::Layout,
    }
}

fn draw(surface: &mut Surface<'_>, piece: &Piece, fonts: &Fonts) {
    let Piece { left, top, .. } = *piece;
    match &piece.shape {
        Shape::Text { baseline, style, text } => {
            surface.set_fill(Some(gray(0)));
            surface.draw_text(
                Point::from_xy(points(left), points(*baseline)),
                fonts.of(style.weight),
                points(style.size),
                text,
                false,
                TextDirection::LeftToRight,
            );
        }
        Shape::Rule { width } => fill(surface, gray(160), [rectangle(left, top, *width, 12)]),
        Shape::Band { width, height } => {
            fill(surface, gray(232), [rectangle(left, top, *width, *height)]);
        }
        Shape::Qr { square, code } => {
            let squares = code.runs().iter().map(|Run { column, row, length }| {
                rectangle(left + column * square, top + row * square, length * square, *square)
            });
            fill(surface, gray(0), squares);
        }
        Shape::LinkArea { .. } => {}
    }
}

fn fill(surface: &mut Surface<'_>, color: Fill, areas: impl IntoIterator<Item = Option<Rect>>) {
    let mut path = PathBuilder::new();
    areas.into_iter().flatten().for_each(|area| path.push_rect(area));
    if let Some(path) = path.finish() {
        surface.set_fill(Some(color));
        surface.draw_path(&path);
    }
}

/// The link of a piece that is one.
fn link(layout: &Layout, piece: &Piece) -> Option<Annotation> {
    let Shape::LinkArea { width, height } = piece.shape else { return None };
    let Some(Element { role: Role::Link(url), .. }) =
        piece.element.and_then(|element| layout.elements.get(element))
    else {
        return None;
    };
    let area = rectangle(piece.left, piece.top, width, height)?;
    let target = Target::Action(Action::from(LinkAction::new(url.clone())));
    Some(Annotation::new_link(LinkAnnotation::new(area, target), Some(url.clone())))
}

fn group(layout: &Layout, contents: &mut [Content], id: ElementId) -> TagGroup {
    let Some(element) = layout.elements.get(id) else { return TagGroup::new(Tag::NonStruct) };
    let mut group = TagGroup::new(tag(&element.role));
    let Content { areas, pieces } = contents.get_mut(id).map(std::mem::take).unwrap_or_default();
    areas.into_iter().chain(pieces).for_each(|identifier| group.push(Node::Leaf(identifier)));
    for child in &element.children {
        group.push(self::group(layout, contents, *child));
    }
    group
}

fn tag(role: &Role) -> TagKind {
    let level = |level| NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN);
    match role {
        Role::Title(title) => Tag::Hn(level(1), Some(title.clone())).into(),
        Role::Heading(title) => Tag::Hn(level(2), Some(title.clone())).into(),
        Role::Paragraph => Tag::P.into(),
        Role::Table => Tag::Table.into(),
        Role::Row => Tag::TR.into(),
        Role::ColumnHeader => Tag::TH(TableHeaderScope::Column).into(),
        Role::RowHeader => Tag::TH(TableHeaderScope::Row).into(),
        Role::Cell => Tag::TD.into(),
        Role::Figure(words) => Tag::Figure(Some(words.clone())).into(),
        Role::Link(_) => Tag::Link.into(),
    }
}
