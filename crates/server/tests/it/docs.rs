//! The documentation: its generated pages are up to date.

use super::support::Database;

#[test]
fn the_error_catalogue_is_up_to_date() {
    let catalogue = Database::new().kola(&["errors"]).ok();
    assert!(catalogue == include_str!("../../../../docs/errors.md"), "run: cargo run -- errors > docs/errors.md");
}
