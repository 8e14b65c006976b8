//! Chromium, driven by its driver: a payer with scripts, a keyboard and a screen.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::{By, Key, WebDriverResult};
use thirtyfour::{Capabilities, WebDriver, WebElement, WindowHandle};
use tokio::runtime::{Builder, Runtime};

use crate::support::payer::{Browser, field};
use crate::support::{Server, wait_for};

/// The width of the narrowest screen, of a cheap phone, and of a desktop, in CSS pixels.
pub(crate) const NARROW: u32 = 320;
pub(crate) const PHONE: u32 = 360;
pub(crate) const DESKTOP: u32 = 1280;

/// A browser with a profile of its own, which ends when this is dropped.
pub(crate) struct Chromium {
    driver: Option<WebDriver>,
    runtime: Runtime,
    process: Child,
    _profile: TempDir,
    /// Where links without a host lead.
    address: String,
}

/// A request of a page, as the browser's network log tells it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) url: String,
    /// The bytes that came over the network, with headers; none where a cache answered.
    pub(crate) received: u64,
}

impl Chromium {
    /// A browser whose links lead to this server.
    #[track_caller]
    pub(crate) fn start(server: &Server) -> Self {
        let profile = TempDir::new().expect("a directory");
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            // A group of its own, so that no browser is left behind; and no trace in a home.
            .process_group(0)
            .env("HOME", profile.path())
            .env("XDG_CONFIG_HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: `cargo xtask test --browser` installs it");
        let port = port_of(&mut process);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let capabilities = capabilities(&profile);
        let driver =
            runtime.block_on(WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities));
        let driver = match driver {
            Ok(driver) => Some(driver),
            Err(error) => {
                end(&mut process);
                panic!("Chromium does not start: {error}");
            }
        };
        let address = server.api.address.clone();
        Self { driver, runtime, process, _profile: profile, address }
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("a browser")
    }

    #[track_caller]
    fn wait<T>(&self, future: impl Future<Output = WebDriverResult<T>>) -> T {
        self.runtime.block_on(future).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Sends a command of the DevTools protocol.
    #[track_caller]
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        let sent = self.runtime.block_on(self.driver().cdp().send_raw(command, parameters));
        sent.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// The value of a script of the test, which no security policy of the page stops.
    #[track_caller]
    pub(crate) fn evaluate(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.wait(self.driver().execute(script, arguments)).json().clone()
    }

    /// The same where the script ends with a call of its last argument.
    #[track_caller]
    pub(crate) fn evaluate_later(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.wait(self.driver().execute_async(script, arguments)).json().clone()
    }

    /// Sets the size of the screen in CSS pixels.
    #[track_caller]
    pub(crate) fn resize(&self, width: u32, height: u32, scale: f64) {
        let mobile = width < 600;
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}),
        );
    }

    /// Prefers light or dark colours.
    #[track_caller]
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features}));
    }

    /// Is a browser in this zone.
    #[track_caller]
    pub(crate) fn live_in(&self, zone: &str) {
        self.devtools("Emulation.setTimezoneOverride", json!({"timezoneId": zone}));
    }

    #[track_caller]
    pub(crate) fn without_scripts(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    }

    /// A network with this latency in milliseconds and rate in bytes a second.
    #[track_caller]
    pub(crate) fn slow_down(&self, latency: u32, rate: u32) {
        self.devtools("Network.enable", json!({}));
        self.devtools(
            "Network.emulateNetworkConditions",
            json!({"offline": false, "latency": latency, "downloadThroughput": rate, "uploadThroughput": rate}),
        );
    }

    /// Takes the network away, or gives it back.
    #[track_caller]
    pub(crate) fn go_offline(&self, offline: bool) {
        self.devtools("Network.enable", json!({}));
        self.devtools(
            "Network.emulateNetworkConditions",
            json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}),
        );
    }

    /// The requests since this was last asked.
    #[track_caller]
    pub(crate) fn requests(&self) -> Vec<Request> {
        let mut requests: Vec<(String, Request)> = vec![];
        for entry in self.wait(self.driver().get_log("performance")) {
            let entry: Value = serde_json::from_str(&entry.message).expect("an entry");
            let (method, told) = (&entry["message"]["method"], &entry["message"]["params"]);
            let id = told["requestId"].as_str().unwrap_or_default().to_owned();
            match method.as_str().unwrap_or_default() {
                "Network.requestWillBeSent" => {
                    let url = told["request"]["url"].as_str().unwrap_or_default().to_owned();
                    // The browser's own first page.
                    if !url.starts_with("chrome:") {
                        requests.push((id, Request { url, received: 0 }));
                    }
                }
                "Network.loadingFinished" => {
                    let received = told["encodedDataLength"].as_f64().map_or(0, whole);
                    let known = requests.iter_mut().rev().find(|(its, _)| *its == id);
                    known.into_iter().for_each(|(_, request)| request.received = received);
                }
                _ => {}
            }
        }
        requests.into_iter().map(|(_, request)| request).collect()
    }

    /// What pages complained of since this was last asked: faults of scripts, refusals of the
    /// security policy, files that are not there.
    #[track_caller]
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.wait(self.driver().browser_log());
        // A page that is refused is told as a resource that failed to load.
        let refusal = |text: &str| text.contains("the server responded with a status of 4");
        entries.into_iter().map(|entry| entry.message).filter(|text| !refusal(text)).collect()
    }

    #[track_caller]
    pub(crate) fn url(&self) -> String {
        self.wait(self.driver().current_url()).to_string()
    }

    #[track_caller]
    pub(crate) fn back(&self) {
        self.wait(self.driver().back());
    }

    #[track_caller]
    pub(crate) fn forward(&self) {
        self.wait(self.driver().forward());
    }

    /// Opens a further tab and goes there.
    #[track_caller]
    pub(crate) fn new_tab(&self) -> WindowHandle {
        let tab = self.wait(self.driver().new_tab());
        self.go_to(&tab);
        tab
    }

    #[track_caller]
    pub(crate) fn tab(&self) -> WindowHandle {
        self.wait(self.driver().window())
    }

    #[track_caller]
    pub(crate) fn go_to(&self, tab: &WindowHandle) {
        self.wait(self.driver().switch_to_window(tab.clone()));
    }

    #[track_caller]
    pub(crate) fn press(&self, key: Key) {
        self.wait(self.driver().action_chain().send_keys(key).perform());
    }

    #[track_caller]
    pub(crate) fn type_keys(&self, text: &str) {
        self.wait(self.driver().action_chain().send_keys(text).perform());
    }

    /// Clicks the same place twice, as fast as a finger does.
    #[track_caller]
    pub(crate) fn double_click(&self, css: &str) {
        let element = self.element(css);
        let twice = self.driver().action_chain().double_click_element(&element);
        self.leave(|| self.wait(twice.perform()));
    }

    #[track_caller]
    fn element(&self, css: &str) -> WebElement {
        let found = self.runtime.block_on(self.driver().find(By::Css(css)));
        found.unwrap_or_else(|error| panic!("no {css}: {error}: {}", self.visible()))
    }

    pub(crate) fn has(&self, css: &str) -> bool {
        self.runtime.block_on(self.driver().find(By::Css(css))).is_ok()
    }

    /// Presses what leads to another page, and waits for that.
    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        let element = self.element(css);
        self.leave(|| self.wait(element.click()));
    }

    /// Selects one of the options of a list.
    #[track_caller]
    pub(crate) fn select(&self, list: &str, value: &str) {
        let option = self.element(&format!("{list} option[value=\"{value}\"]"));
        self.wait(option.click());
    }

    /// Writes into a field.
    #[track_caller]
    pub(crate) fn write(&self, css: &str, text: &str) {
        let field = self.element(css);
        self.wait(field.clear());
        self.wait(field.send_keys(text));
    }

    /// What stands in a field.
    #[track_caller]
    pub(crate) fn written(&self, css: &str) -> String {
        self.wait(self.element(css).prop("value")).unwrap_or_default()
    }

    /// Gives the browser a cookie of the server.
    #[track_caller]
    pub(crate) fn give_cookie(&self, name: &str, value: &str) {
        let url = format!("http://{}/", self.address);
        self.devtools("Network.setCookie", json!({"name": name, "value": value, "url": url}));
    }

    /// Does what leads to another page, and waits until that is there. The driver itself does not
    /// wait for a form that is sent.
    #[track_caller]
    fn leave(&self, act: impl FnOnce()) {
        self.evaluate("window.isLeft = true", vec![]);
        act();
        let arrived = "return !window.isLeft && document.readyState === 'complete'";
        wait_for("the next page", || {
            // Between two pages there is none to ask.
            let there = self.runtime.block_on(self.driver().execute(arrived, vec![])).ok()?;
            (there.json() == &json!(true)).then_some(())
        });
    }

    #[track_caller]
    fn visible(&self) -> String {
        let text = self.evaluate("return document.body ? document.body.innerText : ''", vec![]);
        text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The whole page as PNG.
    #[track_caller]
    pub(crate) fn picture(&self, width: u32) -> Vec<u8> {
        let height = self.evaluate("return document.documentElement.scrollHeight", vec![]);
        let height = height.as_u64().and_then(|height| height.try_into().ok());
        self.resize(width, height.expect("a height"), 1.0);
        let shot = self.devtools("Page.captureScreenshot", json!({"format": "png"}));
        decoded(shot["data"].as_str().expect("a picture"))
    }
}

impl Browser for Chromium {
    #[track_caller]
    fn open(&mut self, link: &str) {
        let url = if link.starts_with('/') {
            format!("http://{}{link}", self.address)
        } else {
            link.to_owned()
        };
        self.wait(self.driver().goto(url));
    }

    #[track_caller]
    fn reload(&mut self) {
        self.wait(self.driver().refresh());
    }

    #[track_caller]
    fn text(&mut self) -> String {
        self.visible()
    }

    fn has_field(&mut self, name: &str) -> bool {
        self.has(&field(name))
    }

    #[track_caller]
    fn fill(&mut self, name: &str, text: &str) {
        self.write(&field(name), text);
    }

    #[track_caller]
    fn go_on(&mut self) {
        self.click(FORWARD);
    }

    #[track_caller]
    fn choose(&mut self, name: &str, value: &str) {
        let [button, choice, hidden] = places(name, value);
        if self.has(&button) {
            return self.click(&button);
        }
        if self.has(&choice) {
            self.click(&choice);
            return self.go_on();
        }
        self.click(&format!("form:has({hidden}) button"));
    }

    fn offers(&mut self, name: &str, value: &str) -> bool {
        places(name, value).iter().any(|place| self.has(place))
    }

    #[track_caller]
    fn follow(&mut self, words: &str) {
        let link = self.runtime.block_on(self.driver().find(By::PartialLinkText(words)));
        let link = link.unwrap_or_else(|error| panic!("{words}: {error}: {}", self.visible()));
        self.leave(|| self.wait(link.click()));
    }
}

/// The first button of the first form that is sent by POST.
pub(crate) const FORWARD: &str = "form[method=post i] button:enabled";

/// A button, a choice or a hidden field with this name and value.
fn places(name: &str, value: &str) -> [String; 3] {
    [("button", ":enabled"), ("input[type=radio]", ":enabled"), ("input[type=hidden]", "")]
        .map(|(kind, state)| format!("{kind}[name=\"{name}\"][value=\"{value}\"]{state}"))
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            let _ended = self.runtime.block_on(driver.quit());
        }
        end(&mut self.process);
    }
}

/// Ends the driver, and a browser that it has not ended.
fn end(process: &mut Child) {
    let group = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    let _killed = group.map(|group| kill_process_group(group, Signal::KILL));
    let _status = process.wait();
}

/// The port that the driver has chosen.
#[track_caller]
fn port_of(process: &mut Child) -> u16 {
    let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    port.expect("the port of chromedriver")
}

fn capabilities(profile: &TempDir) -> Capabilities {
    let profile = format!("--user-data-dir={}", profile.path().display());
    let arguments = [
        &profile,
        "--headless=new",
        // The sandbox needs rights that root in a container has not.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-extensions",
        "--lang=en-GB",
        // Nothing but this machine is there.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ];
    let wanted = json!({
        "browserName": "chrome",
        "goog:chromeOptions": {"args": arguments, "prefs": {"intl.accept_languages": "en-GB,en"}},
        "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
    });
    let Value::Object(wanted) = wanted else { panic!("no object: {wanted}") };
    Capabilities::from(wanted)
}

/// A number of bytes, which the protocol tells as a float.
fn whole(number: f64) -> u64 {
    format!("{number:.0}").parse().unwrap_or(0)
}

/// Bytes of base 64.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut bits = 0_u32;
    let mut count = 0;
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff).try_into().expect("a byte"));
        }
    }
    bytes
}
