//! `kola listen` and `kola events resend`: the events of a server at a program of this machine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::net::TcpSocket;

use crate::support::process::Run;
use crate::support::{Merchant, Server, id, open, spawn, wait_for};
use crate::webhooks::receiver::Receiver;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Lines that a process writes, as they come.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn of(source: impl std::io::Read + Send + 'static) -> Self {
        let lines = Self::default();
        let sink = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                sink.0.lock().expect("a lock").push(line);
            }
        });
        lines
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("a lock").clone()
    }

    /// The first line with this text, once it is there.
    #[track_caller]
    fn wait_for(&self, text: &str) -> String {
        wait_for(&format!("a line with {text:?}"), || {
            self.all().into_iter().find(|line| line.contains(text))
        })
    }
}

/// A `kola listen` that runs, and is killed when this is dropped.
struct Listener {
    child: Child,
    out: Lines,
    err: Lines,
}

impl Listener {
    /// Starts the command; it is connected when this returns.
    #[track_caller]
    fn start(shop: &Merchant, arguments: &[&str]) -> Self {
        Self::start_at(&shop.api.address, shop, arguments)
    }

    #[track_caller]
    fn start_at(address: &str, shop: &Merchant, arguments: &[&str]) -> Self {
        let mut child = command(&format!("http://{address}"), shop)
            .arg("listen")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kola starts");
        let out = Lines::of(child.stdout.take().expect("a pipe"));
        let err = Lines::of(child.stderr.take().expect("a pipe"));
        let mut listener = Self { child, out, err };
        wait_for("a connection", || {
            if let Some(status) = listener.child.try_wait().expect("a child") {
                panic!("kola listen ended with {status}: {:?}", listener.err.all());
            }
            let said = [listener.out.all(), listener.err.all()].concat();
            said.iter().any(|line| line.contains("connected: ")).then_some(())
        });
        listener
    }

    /// The secret that it has printed.
    #[track_caller]
    fn secret(&self) -> String {
        let line = self.out.wait_for("whsec_");
        line.split(' ').find(|word| word.starts_with("whsec_")).expect("the secret").to_owned()
    }

    /// The exit code, once it has ended.
    #[track_caller]
    fn ended(&mut self) -> Option<i32> {
        wait_for("the end of kola listen", || self.child.try_wait().expect("a child")).code()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The command with the merchant's API key in its environment.
fn command(url: &str, shop: &Merchant) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kola"));
    command
        .env("KOLA_URL", url)
        .env("KOLA_CLIENT_ID", &shop.credentials.client_id)
        .env("KOLA_CLIENT_SECRET", &shop.credentials.client_secret)
        .env("KOLA_WEBHOOK_SECRET", "")
        .stdin(Stdio::null());
    command
}

/// Runs the command until it ends.
fn run(mut command: Command, arguments: &[&str]) -> Run {
    let output = command.args(arguments).output().expect("kola runs");
    Run {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn kola(shop: &Merchant, arguments: &[&str]) -> Run {
    run(command(&format!("http://{}", shop.api.address), shop), arguments)
}

/// The ids of a merchant's events, in their order.
#[track_caller]
fn event_ids(shop: &Merchant) -> Vec<i64> {
    shop.api.get("/v1/events/list?after_position=0&limit=1000").rows().iter().map(id).collect()
}

/// The ids of the events that a receiver got, in the order in which they came.
fn received_ids(receiver: &Receiver) -> Vec<i64> {
    receiver.received().iter().map(|message| id(&message.json())).collect()
}

#[test]
fn every_event_is_forwarded_once_and_signed() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1.00");
    let before = event_ids(&shop).len();
    let receiver = Receiver::open();
    let listener = Listener::start(&shop, &["--forward-to", &receiver.url()]);
    let paid = shop.paid_hundred();
    server.fund(&shop, "USD", "2.00");
    receiver.wait_for("wallet.funded", 1);
    let expected = event_ids(&shop).split_off(before);
    assert_eq!(received_ids(&receiver), expected, "each once, in their order, none from before");

    let secret = listener.secret();
    for message in receiver.received() {
        assert!(message.is_signed_by(&secret), "{message:?}");
        assert_eq!(message.header("webhook-id"), id(&message.json()).to_string());
        assert_eq!(message.header("content-type"), "application/json");
    }
    let completed = receiver.wait_for("execution.completed", 1)[0].json();
    assert_eq!(completed["data"]["object"]["reference_id"], paid["reference_id"]);
    assert_eq!(completed["api_version"], "1");
    let line = listener.out.wait_for("wallet.funded");
    let words: Vec<&str> = line.split_whitespace().collect();
    let wallet = shop.wallet("USD").to_string();
    let last = expected.last().expect("an event").to_string();
    assert_eq!(words[2..7], ["UTC", &last, "wallet.funded", &wallet, "204"], "{line}");
    let told = listener.out.all().iter().filter(|line| line.contains("  204  ")).count();
    assert_eq!(told, expected.len(), "{:?}", listener.out.all());
}

#[test]
fn messages_are_those_of_the_stream() {
    let (server, shop) = open();
    let receiver = Receiver::open();
    let forwards = Listener::start(&shop, &["--forward-to", &receiver.url(), "--secret", SECRET]);
    let prints = Listener::start(&shop, &["--json"]);
    server.fund(&shop, "USD", "1.00");
    let message = receiver.wait_for("wallet.funded", 1).remove(0);
    assert!(message.is_signed_by(SECRET));
    let printed = prints.out.wait_for("wallet.funded");
    assert_eq!(prints.out.all(), [printed.as_str()], "nothing but events");
    assert_eq!(printed, message.body, "byte for byte");
    assert!(!forwards.out.all().concat().contains(SECRET), "it is known already");
}

/// With `--json` the lines are the messages themselves, so a refusal is told beside them.
#[test]
fn what_the_receiver_refuses_is_told() {
    let (server, shop) = open();
    let receiver = Receiver::answering(|_| (400, String::new()));
    let arguments = ["--json", "--forward-to", &receiver.url(), "--secret", SECRET];
    let listener = Listener::start(&shop, &arguments);
    server.fund(&shop, "USD", "1.00");
    let said = listener.err.wait_for("answered 400");
    let event = event_ids(&shop).last().expect("an event").to_string();
    let again = format!("kola events resend {event} --forward-to {} --url ", receiver.url());
    assert!(said.contains(&again) && said.contains(" --client-id "), "{said}");
}

#[test]
fn only_the_types_that_were_asked_for_are_forwarded() {
    let (server, shop) = open();
    let receiver = Receiver::open();
    let arguments = ["--types", "wallet.funded,source.paid", "--forward-to", &receiver.url()];
    let _listener = Listener::start(&shop, &arguments);
    shop.paid_hundred();
    server.fund(&shop, "USD", "1.00");
    receiver.wait_for("wallet.funded", 1);
    let kinds: Vec<String> = receiver.received().iter().map(|message| message.kind()).collect();
    assert_eq!(kinds, ["source.paid", "wallet.funded"]);
}

/// An address of this machine whose port nobody else gets, and where nobody listens yet.
struct Reserved(TcpSocket);

impl Reserved {
    fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        Self(socket)
    }

    fn url(&self) -> String {
        format!("http://{}/hooks", self.0.local_addr().expect("an address"))
    }

    fn listen(self) -> TcpListener {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.expect("a runtime");
        let _entered = runtime.enter();
        let listener = self.0.listen(128).and_then(tokio::net::TcpListener::into_std);
        let listener = listener.expect("a listener");
        listener.set_nonblocking(false).expect("a listener that waits");
        listener
    }
}

#[test]
fn a_receiver_that_is_down_at_first_gets_what_comes_later() {
    let (server, shop) = open();
    let reserved = Reserved::new();
    let url = reserved.url();
    let listener = Listener::start(&shop, &["--forward-to", &url, "--secret", SECRET]);
    server.fund(&shop, "USD", "1.00");
    let lost = event_ids(&shop).remove(0);
    // It was tried a few times by then.
    listener.err.wait_for(&format!("event {lost} was not delivered"));
    let tries = listener.err.all().iter().filter(|line| line.contains("again in")).count();
    assert_eq!(tries, 3, "{:?}", listener.err.all());
    assert!(listener.out.wait_for("not delivered").contains("no connection"));

    let receiver = Receiver::on(reserved.listen(), |_| (200, String::new()));
    server.fund(&shop, "USD", "2.00");
    receiver.wait_for("wallet.funded", 1);
    let all = event_ids(&shop);
    assert_eq!(received_ids(&receiver), all[1..]);
    let resend = ["events", "resend", &lost.to_string(), "--forward-to", &url, "--secret", SECRET];
    kola(&shop, &resend).ok();
    assert_eq!(received_ids(&receiver), [all[1], lost]);
    assert!(receiver.received()[1].is_signed_by(SECRET));
}

/// One address for a server that comes back at another, which breaks connections when told to.
struct Front {
    address: String,
    state: Arc<Mutex<FrontState>>,
}

#[derive(Default)]
struct FrontState {
    target: String,
    streams: Vec<TcpStream>,
}

impl Front {
    fn of(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = FrontState { target: server.api.address.clone(), streams: vec![] };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        // The threads end with the test process.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Without a server the client sees its connection closed.
                let _connected = connect(&mut shared.lock().expect("a lock"), client);
            }
        });
        Self { address, state }
    }

    /// New connections are refused. A server that is about to go gives its port to others.
    fn lead_nowhere(&self) {
        self.state.lock().expect("a lock").target.clear();
    }

    fn lead_to(&self, server: &Server) {
        self.state.lock().expect("a lock").target.clone_from(&server.api.address);
    }

    /// Breaks all connections.
    fn cut(&self) {
        for stream in self.state.lock().expect("a lock").streams.drain(..) {
            let _ended = stream.shutdown(Shutdown::Both);
        }
    }
}

fn connect(state: &mut FrontState, client: TcpStream) -> std::io::Result<()> {
    let server = TcpStream::connect(&state.target)?;
    state.streams.extend([client.try_clone()?, server.try_clone()?]);
    for (mut from, mut to) in
        [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)]
    {
        std::thread::spawn(move || {
            let _copied = std::io::copy(&mut from, &mut to);
            let _ended = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }
    Ok(())
}

#[test]
fn a_server_that_was_away_leaves_no_gap() {
    let (mut server, shop) = spawn();
    let front = Front::of(&server);
    let receiver = Receiver::open();
    let listener = Listener::start_at(&front.address, &shop, &["--forward-to", &receiver.url()]);

    // Before it has seen any event.
    front.lead_nowhere();
    assert_eq!(server.terminate(), Some(0));
    server.fund(&shop, "USD", "1.00");
    listener.err.wait_for("connecting again");
    server.restart(&[]);
    front.lead_to(&server);
    receiver.wait_for("wallet.funded", 1);

    // And after one.
    front.lead_nowhere();
    server.kill();
    server.fund(&shop, "USD", "2.00");
    server.fund(&shop, "USD", "3.00");
    server.restart(&[]);
    front.lead_to(&server);
    let shop = server.sign_in(&shop.credentials);
    server.fund(&shop, "USD", "4.00");
    receiver.wait_for("wallet.funded", 4);

    // The server stays, the connection breaks.
    front.cut();
    shop.paid_hundred();
    receiver.wait_for("source.paid", 1);
    server.fund(&shop, "USD", "5.00");
    receiver.wait_for("wallet.funded", 5);
    assert_eq!(received_ids(&receiver), event_ids(&shop), "none is missing, none comes twice");
}

#[test]
fn mistakes_are_told() {
    let (server, shop) = open();
    let url = format!("http://{}", server.api.address);
    let refused = |name: &str, value: &str, arguments: &[&str]| {
        let mut command = command(&url, &shop);
        command.env(name, value);
        run(command, arguments).refused()
    };
    for arguments in
        [&["listen"][..], &["events", "resend", "1", "--forward-to", "http://127.0.0.1:1/"]]
    {
        let said = refused("KOLA_CLIENT_SECRET", "wrong-secret", arguments);
        assert!(said.contains("wrong client_secret") && said.contains(&url), "{said}");
        assert!(!said.contains("wrong-secret"), "{said}");
        let said = refused("KOLA_CLIENT_SECRET", "", arguments);
        assert!(said.contains("no client secret: set KOLA_CLIENT_SECRET"), "{said}");
        let said = refused("KOLA_CLIENT_ID", "", arguments);
        assert!(said.contains("--client-id"), "{said}");
        let reserved = Reserved::new();
        let nobody = reserved.url().replace("/hooks", "");
        let said = refused("KOLA_URL", &nobody, arguments);
        assert!(said.contains(&format!("no server at {nobody}")), "{said}");
        let said = refused("KOLA_URL", "kola.example", arguments);
        assert!(said.contains("--url") && said.contains("http"), "{said}");
    }
    let forward = ["listen", "--forward-to", "http://127.0.0.1:1/"];
    let said = refused("KOLA_WEBHOOK_SECRET", "hunter2", &forward);
    assert!(said.contains("KOLA_WEBHOOK_SECRET") && said.contains("whsec_"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    let said = kola(&shop, &["listen", "--types", "wallet.funded,wallet.lost"]).refused();
    assert!(said.contains("wallet.lost") && said.contains("source.paid, "), "{said}");
    let said = kola(&shop, &["listen", "--forward-to", "localhost:3000"]).refused();
    assert!(said.contains("--forward-to: The URL must begin with"), "{said}");
}

#[test]
fn what_is_no_kola_server_is_told() {
    let (_server, shop) = open();
    let other = Receiver::answering(|_| (404, String::new()));
    let said = run(command(&format!("http://{}", other.address), &shop), &["listen"]).refused();
    assert!(said.contains("is not a kola server"), "{said}");
    let moved = Receiver::answering(|_| (301, "location: https://kola.example/\r\n".to_owned()));
    let said = run(command(&format!("http://{}", moved.address), &shop), &["listen"]).refused();
    assert!(said.contains("https://kola.example/"), "{said}");
    let busy = Receiver::answering(|_| (503, String::new()));
    let said = run(command(&format!("http://{}", busy.address), &shop), &["listen"]).refused();
    assert!(said.contains("503"), "{said}");
}

#[test]
fn a_server_that_speaks_no_tls_is_told() {
    let (_server, shop) = open();
    let made = rcgen::generate_simple_self_signed(["kola.example".to_owned()]).expect("a key");
    let dir = tempfile::TempDir::new().expect("a directory");
    let file = dir.path().join("authorities.pem");
    std::fs::write(&file, made.cert.pem()).expect("a file");
    let mut command = command(&format!("https://{}", shop.api.address), &shop);
    // A machine of tests may trust no certificates.
    command.env("SSL_CERT_FILE", &file);
    let said = run(command, &["listen"]).refused();
    assert!(said.contains(&format!("is it --url http://{}?", shop.api.address)), "{said}");
}

#[test]
fn more_streams_than_may_be_are_told() {
    let (_server, shop) = open();
    let mut streams: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&shop.api.address).expect("a connection");
            let token = shop.api.token.as_deref().expect("a token");
            let head = format!(
                "GET /v1/events/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).expect("a request");
            stream.read_exact(&mut [0; 12]).expect("a status");
            stream
        })
        .collect();
    let said = kola(&shop, &["listen"]).refused();
    assert!(said.contains("429") && said.contains("Too many streams"), "{said}");
    streams.clear();
}

#[test]
fn the_secret_may_be_piped_in() {
    let (server, shop) = open();
    let mut child = command(&format!("http://{}", shop.api.address), &shop)
        .env("KOLA_CLIENT_SECRET", "")
        .args(["listen", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kola starts");
    let secret = format!("{}\n", shop.credentials.client_secret);
    child.stdin.take().expect("a pipe").write_all(secret.as_bytes()).expect("a secret");
    let out = Lines::of(child.stdout.take().expect("a pipe"));
    let err = Lines::of(child.stderr.take().expect("a pipe"));
    let _listener = Listener { child, out: out.clone(), err: err.clone() };
    err.wait_for("connected: ");
    server.fund(&shop, "USD", "1.00");
    out.wait_for("wallet.funded");
}

#[test]
fn an_event_is_sent_again() {
    let (server, shop) = open();
    server.fund(&shop, "USD", "1.00");
    shop.paid_hundred();
    let receiver = Receiver::open();
    let url = receiver.url();
    let resend = |event: i64| {
        let event = event.to_string();
        let arguments = ["events", "resend", &event, "--forward-to", &url, "--secret", SECRET];
        kola(&shop, &arguments)
    };
    let known = event_ids(&shop);
    // The merchant's first event, one in the middle, and the last.
    for (nth, event) in [known[0], known[2], known[known.len() - 1]].into_iter().enumerate() {
        let printed = resend(event).ok();
        assert!(printed.contains("  204  ") && printed.contains(&event.to_string()), "{printed}");
        let received = receiver.received();
        assert_eq!(received.len(), nth + 1);
        let message = &received[nth];
        assert!(message.is_signed_by(SECRET));
        assert_eq!(
            (id(&message.json()), message.header("webhook-id")),
            (event, &*event.to_string())
        );
    }
    receiver.answer(|_| (500, String::new()));
    let failed = resend(known[0]);
    assert!(failed.out.contains("answered 500"), "{}", failed.out);
    let refused = failed.refused();
    assert!(refused.contains("the receiver answered 500") && !refused.contains("new secret"));
    let unknown = resend(987_654_321).refused();
    assert!(unknown.contains("there is no event 987654321"), "{unknown}");
    let nobody = Reserved::new();
    let event = known[0].to_string();
    let arguments = ["events", "resend", &event, "--forward-to", &nobody.url()];
    let said = kola(&shop, &arguments).refused();
    assert!(said.contains("was not delivered: no connection"), "{said}");
    // The receiver cannot know a secret that was drawn for this one message.
    receiver.answer(|_| (400, String::new()));
    let arguments = ["events", "resend", &event, "--forward-to", &url];
    let said = kola(&shop, &arguments).refused();
    assert!(said.contains("answered 400") && said.contains("--secret"), "{said}");
}

#[test]
fn it_ends_when_it_is_told_to_or_nobody_reads() {
    let (_server, shop) = open();
    for signal in ["-TERM", "-INT"] {
        let mut listener = Listener::start(&shop, &[]);
        let pid = listener.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
        assert_eq!(listener.ended(), Some(0), "{signal}: {:?}", listener.err.all());
    }
    let mut child = command(&format!("http://{}", shop.api.address), &shop)
        .arg("listen")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kola starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    // The pipe is closed now, and nothing happens that would be printed.
    let err = Lines::of(child.stderr.take().expect("a pipe"));
    let mut listener = Listener { child, out: Lines::default(), err };
    assert_eq!(listener.ended(), Some(0), "{line}: {:?}", listener.err.all());
    assert_eq!(listener.err.all(), Vec::<String>::new());
}

#[test]
fn a_revoked_key_ends_it() {
    let (_server, shop) = open();
    let mut listener = Listener::start(&shop, &[]);
    let key = id(&shop.api.get("/v1/api-keys/list").rows()[0]);
    shop.api.post(&format!("/v1/api-keys/revoke/{key}"), &json!({})).ok();
    assert_eq!(listener.ended(), Some(1));
    listener.err.wait_for("the API key was revoked");
}

/// A server of a few lines, whose first stream ends because its token does. It answers the requests
/// that it got.
fn server_with_short_tokens() -> (SocketAddr, Lines) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let requests = Lines::default();
    let sink = requests.clone();
    std::thread::spawn(move || {
        let (mut tokens, mut streams) = (0, 0);
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(connection.try_clone().expect("a connection"));
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
                    break;
                }
                let lower = line.to_ascii_lowercase();
                if let Some(text) = lower.strip_prefix("content-length:") {
                    length = text.trim().parse().expect("a length");
                }
                head.push_str(&line);
            }
            let _body = reader.read_exact(&mut vec![0; length]);
            sink.0.lock().expect("a lock").push(head.clone());
            let answer = if head.starts_with("POST /v1/jwt/client/obtain/token ") {
                tokens += 1;
                json!({ "access_token": format!("token-{tokens}"), "expires_in": 1 }).to_string()
            } else if head.starts_with("GET /v1/events/stream?") {
                streams += 1;
                let event =
                    |id: i64| format!("id: {id}\nevent: wallet.funded\ndata: {{\"id\":{id}}}\n\n");
                let text = match streams {
                    1 => format!(": connected\n\n{}event: token_expired\ndata: {{}}\n\n", event(7)),
                    _ => event(8),
                };
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
                let _sent = write!(connection, "{head}connection: close\r\n\r\n{text}");
                continue;
            } else {
                "[]".to_owned()
            };
            let _sent = write!(
                connection,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            );
        }
    });
    (address, requests)
}

#[test]
fn a_token_that_has_ended_is_replaced() {
    let (_server, shop) = open();
    let (address, requests) = server_with_short_tokens();
    let listener = Listener::start_at(&address.to_string(), &shop, &["--json"]);
    listener.out.wait_for(r#"{"id":8}"#);
    assert_eq!(listener.out.all()[0], r#"{"id":7}"#);
    let streams: Vec<String> =
        requests.all().into_iter().filter(|head| head.contains("/events/stream?")).collect();
    let lower: Vec<String> = streams.iter().map(|head| head.to_ascii_lowercase()).collect();
    assert!(lower[0].contains("authorization: bearer token-1"), "{streams:?}");
    assert!(!lower[0].contains("last-event-id"), "{streams:?}");
    assert!(lower[1].contains("authorization: bearer token-2"), "{streams:?}");
    assert!(lower[1].contains("last-event-id: 7"), "{streams:?}");
    let said = listener.err.all().concat();
    let waits = said.split("the server ended the stream").next().unwrap_or_default();
    assert!(!waits.contains("connecting again"), "the end of a token is no break: {said}");
}
