//! A person with a browser at `/app`: keeps cookies, sends forms, and makes codes.

use std::collections::BTreeMap;

use totp_rs::{Builder, Secret};

use crate::support::{Api, Reply, Server};

pub(crate) const PASSWORD: &str = "correct horse battery";

#[derive(Clone)]
pub(crate) struct Browser {
    api: Api,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Headers of each request.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// The text of an answer.
pub(crate) fn text(reply: &Reply) -> &str {
    reply.body.as_str().unwrap_or_default()
}

/// Where an answer leads.
#[track_caller]
pub(crate) fn leads(reply: &Reply) -> &str {
    // A form that is led to the page of the code goes there with all that was typed.
    let location = reply.header("location").unwrap_or_default();
    let is_carried = location.starts_with("/app/second-factor") && location.contains("&to=");
    assert_eq!(reply.status, if is_carried { 307 } else { 303 }, "{}", text(reply));
    reply.header("location").expect("a location")
}

/// What stands between two texts.
#[track_caller]
pub(crate) fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let rest = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}")).1;
    rest.split_once(after).expect("its end").0
}

impl Browser {
    pub(crate) fn new(server: &Server) -> Self {
        Self { api: server.api.with_token(None), cookies: BTreeMap::new(), headers: vec![] }
    }

    /// The same browser, whose requests go to another process.
    pub(crate) fn moved_to(&self, server: &Server) -> Self {
        Self { api: server.api.with_token(None), ..self.clone() }
    }

    #[track_caller]
    fn exchange(&mut self, method: &str, path: &str, body: &str) -> Reply {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![
            ("Cookie", cookies.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("User-Agent", "a browser of the tests"),
        ];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        let reply = self.api.exchange(method, path, &headers, body.as_bytes());
        let reply = reply.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        for cookie in reply.all("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.exchange("GET", path, "")
    }

    /// Sends fields, without the token of the page's form.
    #[track_caller]
    pub(crate) fn post_bare(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.exchange("POST", path, &body)
    }

    /// Sends fields as a page of this login does.
    #[track_caller]
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.form_token();
        let mut all = vec![("form_token", token.as_str())];
        all.extend_from_slice(fields);
        self.post_bare(path, &all)
    }

    #[track_caller]
    pub(crate) fn form_token(&mut self) -> String {
        let page = match self.get("/app/profile") {
            asked if asked.status == 303 => self.get("/app/second-factor"),
            page => page,
        };
        between(text(&page), "name=\"form_token\" value=\"", "\"").to_owned()
    }

    /// Whether there is a login.
    pub(crate) fn is_in(&mut self) -> bool {
        self.get("/app").status == 200
    }
}

/// Somebody who has joined.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) browser: Browser,
    pub(crate) email: String,
    pub(crate) secret: Option<String>,
}

impl Person {
    /// Joins by a link.
    #[track_caller]
    pub(crate) fn join(server: &Server, link: &str, email: &str) -> Self {
        let mut browser = Browser::new(server);
        let fields = [("email", email), ("name", "A Person"), ("password", PASSWORD)];
        let reply = browser.post_bare(link, &fields);
        assert_eq!(reply.status, 303, "{}", text(&reply));
        Self { browser, email: email.to_owned(), secret: None }
    }

    /// Sets codes of a phone up. Returns the recovery codes.
    #[track_caller]
    pub(crate) fn set_up_codes(&mut self, server: &Server) -> Vec<String> {
        let reply = self.browser.post("/app/profile/second-factor", &[]);
        assert_eq!(leads(&reply), "/app/profile");
        let page = self.browser.get("/app/profile");
        let secret = between(text(&page), "Secret: <code dir=\"ltr\">", "<").replace(' ', "");
        self.secret = Some(secret);
        let code = self.code(server);
        let page = self.browser.post("/app/profile/second-factor/confirm", &[("code", &code)]);
        assert_eq!(page.status, 200, "{}", text(&page));
        let codes = text(&page).split("<code dir=\"ltr\">").skip(1);
        codes.map(|rest| rest.split('<').next().expect("a code").to_owned()).collect()
    }

    /// A code that is good now, also when another one was used a moment ago.
    pub(crate) fn code(&self, server: &Server) -> String {
        server.database.sql("UPDATE users SET totp_step = 0");
        code_at(
            self.secret.as_deref().expect("codes are set up"),
            jiff::Timestamp::now().as_second(),
        )
    }

    /// Gives a code.
    #[track_caller]
    pub(crate) fn give_code(&mut self, server: &Server) {
        let code = self.code(server);
        let reply = self.browser.post("/app/second-factor", &[("code", &code)]);
        assert_eq!(leads(&reply), "/app", "{}", text(&reply));
    }

    /// Logs in with another browser.
    #[track_caller]
    pub(crate) fn log_in_anew(&self, server: &Server) -> Self {
        let mut other = Self { browser: Browser::new(server), ..self.clone() };
        let reply = log_in(&mut other.browser, &self.email, PASSWORD);
        assert_eq!(reply.status, 303, "{}", text(&reply));
        other
    }
}

/// The code of a secret at a second.
pub(crate) fn code_at(secret: &str, second: i64) -> String {
    let secret = Secret::try_from_base32(secret).expect("a secret");
    let totp = Builder::new().with_secret(secret).build().expect("a generator");
    totp.generate(u64::try_from(second).expect("a time")).to_string()
}

#[track_caller]
pub(crate) fn log_in(browser: &mut Browser, email: &str, password: &str) -> Reply {
    browser.post_bare("/app/login", &[("email", email), ("password", password)])
}
