//! The countries that pages name, each in the languages of the pages and with its time zone: those
//! with mobile money at the networks that kola knows.

use crate::web::language::Language;
use crate::web::text::Zone;

struct Country {
    /// ISO 3166, two letters.
    letters: &'static str,
    /// None of these countries changes its clocks. One with several zones has UTC.
    zone: Zone,
    english: &'static str,
    french: &'static str,
    kinyarwanda: &'static str,
}

const fn country(
    letters: &'static str,
    zone: Zone,
    [english, french, kinyarwanda]: [&'static str; 3],
) -> Country {
    Country { letters, zone, english, french, kinyarwanda }
}

const COUNTRIES: &[Country] = &[
    country("BF", Zone::Gmt, ["Burkina Faso", "Burkina Faso", "Burukina Faso"]),
    country("BJ", Zone::Wat, ["Benin", "Bénin", "Bene"]),
    country(
        "CD",
        Zone::Utc,
        [
            "Democratic Republic of the Congo",
            "République démocratique du Congo",
            "Repubulika Iharanira Demokarasi ya Kongo",
        ],
    ),
    country(
        "CG",
        Zone::Wat,
        ["Republic of the Congo", "République du Congo", "Repubulika ya Kongo"],
    ),
    country("CI", Zone::Gmt, ["Côte d’Ivoire", "Côte d’Ivoire", "Kote Divuwari"]),
    country("CM", Zone::Wat, ["Cameroon", "Cameroun", "Kameruni"]),
    country("ET", Zone::Eat, ["Ethiopia", "Éthiopie", "Etiyopiya"]),
    country("GA", Zone::Wat, ["Gabon", "Gabon", "Gabo"]),
    country("GH", Zone::Gmt, ["Ghana", "Ghana", "Gana"]),
    country("KE", Zone::Eat, ["Kenya", "Kenya", "Kenya"]),
    country("LR", Zone::Gmt, ["Liberia", "Libéria", "Liberiya"]),
    country("LS", Zone::Sast, ["Lesotho", "Lesotho", "Lesoto"]),
    country("MW", Zone::Cat, ["Malawi", "Malawi", "Malawi"]),
    country("MZ", Zone::Cat, ["Mozambique", "Mozambique", "Mozambike"]),
    country("NG", Zone::Wat, ["Nigeria", "Nigéria", "Nijeriya"]),
    country("RW", Zone::Cat, ["Rwanda", "Rwanda", "Rwanda"]),
    country("SL", Zone::Gmt, ["Sierra Leone", "Sierra Leone", "Siyera Lewone"]),
    country("SN", Zone::Gmt, ["Senegal", "Sénégal", "Senegali"]),
    country("TZ", Zone::Eat, ["Tanzania", "Tanzanie", "Tanzaniya"]),
    country("UG", Zone::Eat, ["Uganda", "Ouganda", "Uganda"]),
    country("ZM", Zone::Cat, ["Zambia", "Zambie", "Zambiya"]),
];

fn find(letters: &str) -> Option<&'static Country> {
    COUNTRIES.iter().find(|country| country.letters == letters)
}

/// The name of a country; its letters where no name is known.
#[must_use]
pub fn name(letters: &str, language: Language) -> &str {
    find(letters).map_or(letters, |country| match language {
        Language::English => country.english,
        Language::French => country.french,
        Language::Kinyarwanda => country.kinyarwanda,
    })
}

/// The zone of a country; UTC where it is not known.
#[must_use]
pub fn zone(letters: &str) -> Zone {
    find(letters).map_or(Zone::Utc, |country| country.zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_country_is_there_once_and_others_go_by_their_letters() {
        assert!(COUNTRIES.is_sorted_by(|one, next| one.letters < next.letters));
        assert_eq!(name("ZM", Language::French), "Zambie");
        assert_eq!((name("ZW", Language::English), zone("ZW")), ("ZW", Zone::Utc));
        assert_eq!((zone("GH"), zone("ZM")), (Zone::Gmt, Zone::Cat));
    }
}
