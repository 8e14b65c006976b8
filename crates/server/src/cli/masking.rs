//! URLs without what may be secret in them, for everything that is printed.

/// What stands in the place of a secret.
const MASK: &str = "***";

/// The user info by which messages and help texts show how a URL is written.
const EXAMPLE: &str = "user:password";

/// A value without the password and the token of a URL. Rather too much is masked: a password that is
/// not encoded may have any character.
pub fn masked(value: &str) -> String {
    match value.split_once("://") {
        Some((scheme, rest)) if is_postgres(scheme) => format!("{scheme}://{}", of_database(rest)),
        Some((scheme, rest)) => format!("{scheme}://{}", of_url(rest)),
        None if value.starts_with("sqlite:") => value.to_owned(),
        None => without_scheme(value),
    }
}

/// A text with its URLs masked where they have a user: a message that quotes what somebody gave.
pub fn in_text(text: &str) -> String {
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '<' | '>' | '(' | ')');
    let words = text.split_inclusive(is_end).map(|word| {
        let (url, end) = match word.chars().next_back().filter(|last| is_end(*last)) {
            Some(last) => word.split_at(word.len() - last.len_utf8()),
            None => (word, ""),
        };
        let has_user = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
        match has_user {
            Some((user, _)) if !user.eq_ignore_ascii_case(EXAMPLE) => masked(url) + end,
            _ => word.to_owned(),
        }
    });
    words.collect()
}

/// A text without what of these values is masked, as it is or behind a flag: `--database=URL`.
pub fn without(text: &str, values: impl Iterator<Item = String>) -> String {
    let mut secrets: Vec<String> = values
        .flat_map(|value| {
            let behind_flag = value.split_once('=').map(|(_, behind)| behind.to_owned());
            let url = url_in(&value).map(str::to_owned);
            [Some(value), behind_flag, url].into_iter().flatten()
        })
        .filter(|value| url_in(value).is_none_or(|url| url == value) && masked(value) != *value)
        .collect();
    // A part of another one would leave the rest of it.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let hidden = |secret: &str| match secret.split_once("://") {
        Some((scheme, _)) if is_postgres(scheme) => "URL".to_owned(),
        _ => masked(secret),
    };
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, &hidden(secret)))
}

fn is_postgres(scheme: &str) -> bool {
    matches!(scheme.to_ascii_lowercase().as_str(), "postgres" | "postgresql")
}

/// What begins with the scheme of a URL.
fn url_in(text: &str) -> Option<&str> {
    let (before, _) = text.split_once("://")?;
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let start = before.trim_end_matches(is_of_scheme).len();
    text.get(start..)
}

/// What follows the scheme of a database's URL. The name of its user is no secret.
fn of_database(rest: &str) -> String {
    let rest = match rest.to_ascii_lowercase().find("password=") {
        Some(at) => format!("{}{MASK}", rest.get(..at + "password=".len()).unwrap_or_default()),
        None => rest.to_owned(),
    };
    match rest.rsplit_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{user}:{MASK}@{host}"),
        None => rest,
    }
}

/// What follows the scheme of another URL. A user without a password may be a token, and so may be
/// what a query has.
fn of_url(rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    // An @ in a path is none of a user, unless the authority is only the beginning of one.
    let is_cut = !authority.ends_with(']') && !port.bytes().all(|byte| byte.is_ascii_digit());
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) if authority.contains('@') || is_cut => (Some(user), rest),
        _ => (None, rest),
    };
    let user = user.map(|user| match user.split_once(':') {
        Some((name, _)) if !name.is_empty() => format!("{name}:{MASK}@"),
        _ => format!("{MASK}@"),
    });
    let rest = match rest.find(['?', '#']) {
        Some(at) => format!("{}{MASK}", rest.get(..=at).unwrap_or_default()),
        None => rest.to_owned(),
    };
    format!("{}{rest}", user.unwrap_or_default())
}

/// A proxy that was written without its scheme.
fn without_scheme(value: &str) -> String {
    let Some((user, host)) = value.rsplit_once('@') else { return value.to_owned() };
    let has_port = host.rsplit_once(':').is_some_and(|(name, port)| {
        !name.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    match user.split_once(':') {
        Some((user, _)) => format!("{user}:{MASK}@{host}"),
        None if has_port => format!("{MASK}@{host}"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_masked() {
        for (url, shown) in [
            (
                "postgres://kola:hunter2@db.example:5432/kola",
                "postgres://kola:***@db.example:5432/kola",
            ),
            ("postgres://kola:hunt@er/2?@db/kola", "postgres://kola:***@db/kola"),
            (
                "postgres://db/kola?user=a&PASSWORD=hunter2&x=y",
                "postgres://db/kola?user=a&PASSWORD=***",
            ),
            ("postgres://db/kola?password=hunter@2", "postgres://db/kola?password=***"),
            ("postgres://kola@db/kola", "postgres://kola@db/kola"),
            ("http://user:hunter2@proxy:3128", "http://user:***@proxy:3128"),
            ("http://user:hunt/er2@proxy:3128", "http://user:***@proxy:3128"),
            ("http://hunter2@proxy:3128", "http://***@proxy:3128"),
            ("http://:hunter2@proxy:3128", "http://***@proxy:3128"),
            ("http://proxy:3128?token=hunter2", "http://proxy:3128?***"),
            ("http://proxy:3128/#hunter2", "http://proxy:3128/#***"),
            ("http://[::1]:3128/a", "http://[::1]:3128/a"),
            ("user:hunter2@proxy:3128", "user:***@proxy:3128"),
            ("hunter2@proxy:3128", "***@proxy:3128"),
            ("sqlite:kola.db", "sqlite:kola.db"),
            ("sqlite:/srv/a@b.db", "sqlite:/srv/a@b.db"),
            ("/etc/kola/tariff@2.toml", "/etc/kola/tariff@2.toml"),
            ("https://pay.example", "https://pay.example"),
            ("https://pay.example:8443/@x", "https://pay.example:8443/@x"),
            ("https://a.example,https://b.example", "https://a.example,https://b.example"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }

    #[test]
    fn a_message_shows_no_user_of_a_url() {
        for (text, shown) in [
            ("no: 'http://u:hunter2@h:1'!", "no: 'http://u:***@h:1'!"),
            ("http://hunter2@h\nhttp://h/@x", "http://***@h\nhttp://h/@x"),
            ("use http://user:password@host:port", "use http://user:password@host:port"),
            ("use postgres://USER:PASSWORD@HOST", "use postgres://USER:PASSWORD@HOST"),
            ("GET http://h/?a=b", "GET http://h/?a=b"),
        ] {
            assert_eq!(in_text(text), shown);
        }
    }

    #[test]
    fn a_message_shows_no_secret_that_was_given() {
        let text = "unexpected '--proxi=http://u:hunt er'2@h:1', 'postgres://k:hunter2@db/x'";
        let given = ["kola", "--proxi=http://u:hunt er'2@h:1", "postgres://k:hunter2@db/x"];
        let shown = without(text, given.into_iter().map(str::to_owned));
        assert_eq!(shown, "unexpected '--proxi=http://u:***@h:1', 'URL'");
        let shown = without("no 'a:hunter2@h:1'", ["--x=a:hunter2@h:1".to_owned()].into_iter());
        assert_eq!(shown, "no 'a:***@h:1'");
    }
}
