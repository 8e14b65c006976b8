//! How a merchant appears on its pages: its name, its colour in a stylesheet, and its logo. Both
//! files are named by their content, so that browsers may keep them.
#![expect(clippy::float_arithmetic, reason = "the contrast of colours: no money is computed here")]

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::directory::brand::Colour;
use domain::directory::merchant::Merchant;
use domain::kernel::uuids::Fingerprint;

use crate::api::error::ApiError;
use crate::app::App;
use crate::web::assets::{hash_of, kept_for_a_year};

/// What the pages' own stylesheet calls `--card`, in light and in dark colours.
const CARDS: [Colour; 2] = [Colour(0xFF_FF_FF), Colour(0x18_21_1E)];

/// The least contrast of what is not text with what is beside it (WCAG 2.2, 1.4.11).
const OUTLINE_CONTRAST: f64 = 3.0;

/// Whose page it is, as the payer sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Brand {
    pub name: String,
    /// The path of the stylesheet with the brand's colour.
    pub stylesheet: Option<String>,
    /// The path of the logo.
    pub logo: Option<String>,
}

impl Brand {
    #[must_use]
    pub fn of(merchant: &Merchant) -> Self {
        Self {
            name: merchant.shown_name().to_owned(),
            stylesheet: merchant.colour.map(|colour| stylesheet(colour).0),
            logo: merchant.logo.map(logo_path),
        }
    }
}

fn logo_path(fingerprint: Fingerprint) -> String {
    format!("/assets/logo.{}.png", fingerprint.0.as_simple())
}

/// The path and the content of a colour's stylesheet. The colour is that of the main button and of a
/// line at the top. It is no colour of a text, which nobody could read on every background.
fn stylesheet(colour: Colour) -> (String, String) {
    let on_colour = text_on(colour);
    // A button whose colour is nearly that of the page has an outline.
    let [light, dark] = CARDS.map(|card| {
        if contrast(colour, card) < OUTLINE_CONTRAST {
            "var(--edge)".to_owned()
        } else {
            colour.to_string()
        }
    });
    let content = format!(
        "header {{ border-top: .375rem solid {colour}; }}\n\
         .main {{ background: {colour}; color: {on_colour}; border-color: {light}; }}\n\
         @media (prefers-color-scheme: dark) {{ .main {{ border-color: {dark}; }} }}\n"
    );
    let name = colour.to_string().to_lowercase();
    let path = format!("/assets/colour-{}.{}.css", name.trim_start_matches('#'), hash_of(&content));
    (path, content)
}

/// Black or white, whichever is read better on the colour: its contrast is at least 4.58 on any.
fn text_on(colour: Colour) -> Colour {
    let [black, white] = [Colour(0), Colour(0xFF_FF_FF)];
    if contrast(colour, white) >= contrast(colour, black) { white } else { black }
}

/// The contrast of two colours by WCAG 2.2, from 1 to 21.
fn contrast(one: Colour, other: Colour) -> f64 {
    let [one, other] = [one, other].map(luminance);
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// How light a colour is, from 0 to 1: "relative luminance" in WCAG 2.2.
fn luminance(colour: Colour) -> f64 {
    let [red, green, blue] = colour.channels().map(|channel| {
        let part = f64::from(channel) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126f64.mul_add(red, 0.7152f64.mul_add(green, 0.0722 * blue))
}

/// The file of a brand that has this name, if there is one.
///
/// # Errors
/// [`ApiError`] when the database cannot be read.
pub async fn file(app: &App, name: &str) -> Result<Option<Response>, ApiError> {
    if let Some(colour) = name.strip_prefix("colour-").and_then(|rest| rest.get(..6)) {
        let known = Colour::parse(&format!("#{colour}")).map(stylesheet);
        let known = known.filter(|(path, _)| path.strip_prefix("/assets/") == Some(name));
        return Ok(known.map(|(_, css)| kept_for_a_year("text/css; charset=utf-8", css)));
    }
    let fingerprint = name.strip_prefix("logo.").and_then(|rest| rest.strip_suffix(".png"));
    let fingerprint = fingerprint.and_then(|text| text.parse().ok()).map(Fingerprint);
    let Some(fingerprint) =
        fingerprint.filter(|fingerprint| logo_path(*fingerprint).ends_with(name))
    else {
        return Ok(None);
    };
    let Some(logo) = app.queries.logo(fingerprint).await? else { return Ok(None) };
    let png = BASE64
        .decode(logo.png)
        .map_err(|error| ApiError::internal(format!("a stored logo: {error}")))?;
    Ok(Some(kept_for_a_year("image/png", png)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_on_every_colour() {
        let steps = (0..=255).step_by(5);
        let colours = steps.clone().flat_map(|red| {
            let steps = steps.clone();
            steps.clone().flat_map(move |green| {
                steps.clone().map(move |blue| Colour(red << 16 | green << 8 | blue))
            })
        });
        let worst = colours.map(|colour| contrast(colour, text_on(colour))).fold(21.0, f64::min);
        assert!((4.5..4.7).contains(&worst), "{worst}");
    }

    #[test]
    fn contrasts_are_those_of_the_standard() {
        let of = |one, other| (contrast(Colour(one), Colour(other)) * 100.0).round();
        // Known pairs: black on white, mid grey on white, and a brand's yellow under white.
        assert_eq!(
            [of(0, 0xFF_FF_FF), of(0x76_76_76, 0xFF_FF_FF), of(0xFF_CC_00, 0xFF_FF_FF)],
            [2100.0, 454.0, 151.0]
        );
    }

    #[test]
    fn a_button_that_is_nearly_the_pages_colour_has_an_outline() {
        let (path, css) = stylesheet(Colour(0xFF_CC_00));
        assert!(path.starts_with("/assets/colour-ffcc00."), "{path}");
        assert!(css.contains("color: #000000; border-color: var(--edge)"), "{css}");
        assert!(css.ends_with("border-color: #FFCC00; } }\n"), "{css}");
        let (_, css) = stylesheet(Colour(0x0B_1C_2B));
        assert!(css.contains("color: #FFFFFF; border-color: #0B1C2B"), "{css}");
        assert!(css.ends_with("border-color: var(--edge); } }\n"), "{css}");
    }
}
