//! Hostile clients: connections that send nothing, too much, or nonsense. Others are served
//! meanwhile, and memory is bounded.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{Merchant, Server, WAIT_MAX, json, open, open_with, spawn, wait_for};

const SECOND: Duration = Duration::from_secs(1);
/// The time in which other clients must be served. A client that is kept out would wait until the
/// hostile connections are closed, which takes much longer, even on a slow machine.
const SOON: Duration = Duration::from_secs(40);
const IDLE: usize = 10_000;
/// With fewer connections their memory could not be told from what a server uses anyway.
const FEWEST: usize = 1_000;
/// How many files this process may need besides the idle connections.
const OTHER_FILES: u64 = 1_000;

/// Checks that the server answers a read and a write.
#[track_caller]
fn serves(shop: &Merchant) {
    let start = Instant::now();
    shop.api.get("/v1/parties/list").ok();
    assert!(start.elapsed() < SOON, "a reader waited {:?}", start.elapsed());
    let start = Instant::now();
    shop.party();
    assert!(start.elapsed() < SOON, "a writer waited {:?}", start.elapsed());
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.api.address).expect("a connection");
    stream.set_read_timeout(Some(WAIT_MAX)).expect("a timeout");
    stream
}

/// Everything that the server sends until it closes the connection, which it must do.
#[track_caller]
fn heard(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        // The server closed the connection before it had read everything.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!(
            "the connection stays open: {error}; it said {:?}",
            String::from_utf8_lossy(&said)
        ),
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Sends these bytes and returns the status lines of the answers. The server closes the connection
/// after them.
#[track_caller]
fn statuses(server: &Server, bytes: &[u8]) -> Vec<u16> {
    let mut stream = connect(server);
    // The server may close the connection before it has read everything.
    let _sent = stream.write_all(bytes);
    let said = heard(stream);
    let lines = said.split("HTTP/1.1 ").skip(1);
    lines
        .map(|line| {
            line.get(..3).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{said}"))
        })
        .collect()
}

/// The memory of the server's process in MiB.
#[track_caller]
fn memory(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") / 1024
}

/// How many connections this process can open and the server accepts.
fn affordable() -> usize {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _refused = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = usize::try_from(current.saturating_sub(OTHER_FILES)).expect("a size");
    if most < IDLE {
        writeln!(
            std::io::stderr(),
            "SKIPPED {} of {IDLE} idle connections: the system allows so many files",
            IDLE - most
        )
        .expect("stderr");
    }
    most.min(IDLE)
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
}

#[test]
fn ten_thousand_idle_connections_keep_nobody_out() {
    let (server, shop) = spawn();
    let before = memory(&server);
    let affordable = affordable();
    if affordable < FEWEST {
        return;
    }
    let idle: Vec<TcpStream> = (0..affordable).map(|_| connect(&server)).collect();
    serves(&shop);
    let grown = memory(&server).saturating_sub(before);
    let each = grown * 1024 / u64::try_from(idle.len()).expect("a count");
    assert!(each <= 24, "{grown} MiB for {} connections: {each} KiB each", idle.len());
    drop(idle);
    serves(&shop);
}

#[test]
fn idle_connections_make_room_for_others() {
    let (server, shop) = open_with(&[("KOLA_CONNECTIONS_MAX", "8"), ("KOLA_IDLE_SECONDS", "2")]);
    let idle: Vec<TcpStream> = (0..8).map(|_| connect(&server)).collect();
    let start = Instant::now();
    shop.api.get("/v1/parties/list").ok();
    assert!(start.elapsed() < WAIT_MAX, "{:?}", start.elapsed());
    for stream in idle {
        assert_eq!(heard(stream), "");
    }
}

#[test]
fn who_does_not_read_its_answers_makes_room_for_others() {
    let (server, shop) = open_with(&[("KOLA_CONNECTIONS_MAX", "4"), ("KOLA_IDLE_SECONDS", "2")]);
    let begun = Instant::now();
    // Each client requests more than the buffers of both sides hold, and reads nothing.
    let strangers: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = connect(&server);
            stream.set_write_timeout(Some(SECOND)).expect("a timeout");
            for _ in 0..200 {
                if stream.write_all(get("/openapi.json", "").as_bytes()).is_err() {
                    break;
                }
            }
            stream
        })
        .collect();
    wait_for("a place", || answers(connect(&server)).then_some(()));
    assert!(begun.elapsed() < 3 * WAIT_MAX, "{:?}", begun.elapsed());
    drop(strangers);
    serves(&shop);
}

/// Whether the server answers on this connection within ten seconds.
fn answers(mut stream: TcpStream) -> bool {
    let asked = stream
        .set_read_timeout(Some(10 * SECOND))
        .and_then(|()| stream.write_all(get("/healthz", "").as_bytes()));
    asked.is_ok() && stream.read(&mut [0; 12]).is_ok_and(|read| read > 0)
}

#[test]
fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let (server, shop) = open_with(&[("KOLA_IDLE_SECONDS", "2")]);
    let mut slow: Vec<TcpStream> = (0..200).map(|_| connect(&server)).collect();
    let start = Instant::now();
    for byte in get("/v1/parties/list", "X-Slow: yes\r\n").bytes().cycle().take(20) {
        for stream in &mut slow {
            // The connection may be closed already.
            let _sent =
                stream.write_all(&[if byte == b'\r' || byte == b'\n' { b'x' } else { byte }]);
        }
        serves(&shop);
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(start.elapsed() > 2 * SECOND);
    for stream in slow {
        heard(stream);
    }
}

#[test]
fn a_head_has_a_largest_size() {
    let (server, shop) = spawn();
    let before = memory(&server);
    let fits = get("/healthz", &format!("Connection: close\r\nX-Long: {}\r\n", "a".repeat(12_000)));
    assert_eq!(statuses(&server, fits.as_bytes()), [200]);
    for long in [
        get("/healthz", &format!("X-Long: {}\r\n", "a".repeat(20_000))),
        get(&format!("/healthz?{}", "a".repeat(20_000)), ""),
        get("/healthz", &"X-Many: a\r\n".repeat(1_900)),
    ] {
        assert_eq!(statuses(&server, long.as_bytes()), [431]);
    }
    // A head without an end, sent as fast as the server reads it.
    for _ in 0..50 {
        let mut stream = connect(&server);
        stream.write_all(b"GET /healthz HTTP/1.1\r\nX-Endless: ").expect("a start");
        for _ in 0..256 {
            if stream.write_all(&[b'a'; 4_096]).is_err() {
                break;
            }
        }
    }
    serves(&shop);
    assert!(memory(&server) < before + 32, "{} MiB, {before} before", memory(&server));
}

#[test]
fn a_body_has_a_largest_size() {
    let (server, shop) = spawn();
    let token = shop.api.token.clone().expect("a token");
    let before = memory(&server);
    let head = format!(
        "POST /v1/parties/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n"
    );
    for _ in 0..20 {
        let sized = format!("{head}Content-Length: 20000000\r\n\r\n{}", "[".repeat(20_000_000));
        assert_eq!(statuses(&server, sized.as_bytes()), [413]);
        let chunk = format!("100000\r\n{}\r\n", "[".repeat(0x10_0000));
        let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}");
        assert_eq!(statuses(&server, chunked.as_bytes()), [413]);
    }
    serves(&shop);
    assert!(memory(&server) < before + 32, "{} MiB, {before} before", memory(&server));
}

#[test]
fn chunks_of_wrong_lengths_are_refused() {
    let (server, shop) = open();
    let token = shop.api.token.clone().expect("a token");
    let head = format!(
        "POST /v1/parties/create HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    for body in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    ] {
        let answered = statuses(&server, format!("{head}{body}").as_bytes());
        assert_eq!(answered, [400], "{body:?}");
    }
    let mut cut = connect(&server);
    cut.write_all(format!("{head}ff\r\n{{").as_bytes()).expect("a part of a body");
    cut.shutdown(Shutdown::Write).expect("half a connection");
    let said = heard(cut);
    assert!(
        said.starts_with("HTTP/1.1 400")
            && said.contains("{\"detail\":\"The request body is broken"),
        "{said}"
    );
    // The same with a body whose length is given.
    let head = head.replace("Transfer-Encoding: chunked", "Content-Length: 200");
    let mut cut = connect(&server);
    cut.write_all(format!("{head}{{").as_bytes()).expect("a part of a body");
    cut.shutdown(Shutdown::Write).expect("half a connection");
    let said = heard(cut);
    assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    serves(&shop);
}

#[test]
fn two_lengths_are_no_way_to_smuggle_a_request() {
    let (server, shop) = open();
    let inner = get("/healthz", "");
    let smuggled = |lengths: &str| {
        format!("POST /v1/nowhere HTTP/1.1\r\nHost: x\r\n{lengths}\r\n0\r\n\r\n{inner}")
    };
    let differing = "Content-Length: 5\r\nContent-Length: 6\r\n";
    assert_eq!(statuses(&server, smuggled(differing).as_bytes()), [400]);
    for lengths in [
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: x\r\n",
        "Content-Length: +5\r\n",
    ] {
        assert_eq!(statuses(&server, smuggled(lengths).as_bytes()), [400], "{lengths}");
    }
    serves(&shop);
}

#[test]
fn nonsense_after_a_request_ends_the_connection() {
    let (server, shop) = open();
    let garbage: Vec<u8> = (0_u8..=255).cycle().take(3_000).collect();
    let mut pipelined = get("/healthz", "").repeat(3).into_bytes();
    pipelined.extend(&garbage);
    assert_eq!(statuses(&server, &pipelined), [200, 200, 200, 400]);
    assert_eq!(statuses(&server, &garbage), [400]);
    serves(&shop);
}

#[test]
fn another_protocol_is_refused_at_once() {
    let (server, shop) = open();
    let start = Instant::now();
    for opening in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"SSH-2.0-x\r\n\r\n",
    ] {
        let answered = statuses(&server, opening);
        assert!(answered.iter().all(|status| *status == 400 || *status == 505), "{answered:?}");
    }
    assert!(start.elapsed() < WAIT_MAX);
    serves(&shop);
}

#[test]
fn half_closed_connections_are_let_go() {
    let (server, shop) = spawn();
    let files = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("files").count();
    let before = files();
    let half: Vec<TcpStream> = (0..500)
        .map(|n| {
            let mut stream = connect(&server);
            let request = get("/v1/parties/list", "");
            stream
                .write_all(&request.as_bytes()[..n % request.len()])
                .expect("a part of a request");
            stream.shutdown(Shutdown::Write).expect("half a connection");
            stream
        })
        .collect();
    serves(&shop);
    wait_for("the server lets them go", || (files() <= before + 10).then_some(()));
    drop(half);
}

#[test]
fn nothing_of_this_stops_a_server_from_ending_well() {
    let (mut server, shop) = spawn();
    let idle: Vec<TcpStream> = (0..100).map(|_| connect(&server)).collect();
    let used = connect(&server);
    (&used).write_all(get("/healthz", "").as_bytes()).expect("a request");
    shop.api.post("/v1/parties/create", &json!({})).refused(422);
    assert_eq!(server.terminate(), Some(0));
    drop(idle);
}
