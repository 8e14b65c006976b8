//! The page that waits is told when something has changed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::{MTN_LRD, pay, stage};
use crate::support::Server;
use crate::support::payer::{Payer, shows, until};
use crate::support::shop::ending;

/// The answer to a page that listens: its status, and its lines as they come.
fn listen(server: &Server, link: &str) -> (u16, impl Iterator<Item = String>) {
    let stream = TcpStream::connect(&server.api.address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let path = link.find("/pay/").map(|at| &link[at..]).expect("the path of a page");
    let head = format!("GET {path}/changes HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    (&stream).write_all(head.as_bytes()).expect("a request");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    (status.expect("a status"), lines)
}

#[test]
fn a_page_that_waits_is_told_of_a_change() {
    let (server, shop, checkout) = stage(&[]);
    let mut payer = Payer::new(&server);
    assert_eq!(listen(&server, &checkout.link).0, 204, "there is nothing to wait for");
    pay(&mut payer, &checkout.link, MTN_LRD, &ending("129"));
    shows(&mut payer, &["Check your phone"]);
    let (status, mut lines) = listen(&server, &checkout.link);
    assert_eq!(status, 200);
    assert!(lines.any(|line| line == ": connected"));
    shop.advance(1_000);
    assert!(lines.any(|line| line == "data: changed"));
    until(&mut payer, "Paid");
    assert_eq!(listen(&server, &checkout.link).0, 204, "it does not come back");
}

#[test]
fn a_page_that_nobody_has_tells_nothing() {
    let (server, _shop, _checkout) = stage(&[]);
    assert_eq!(listen(&server, "/pay/nobody").0, 404);
}
