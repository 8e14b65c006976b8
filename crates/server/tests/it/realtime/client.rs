//! A client of the protocol that speaks both versions.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::handshake::client::generate_key;
use tungstenite::http::Request;
use tungstenite::protocol::Message;
use tungstenite::{HandshakeError, WebSocket};

use crate::support::Server;

/// A frame of the server.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) payload: Value,
}

pub(crate) struct Client {
    socket: WebSocket<TcpStream>,
    is_v2: bool,
    last_ref: u64,
    /// The `join_ref` of the last join.
    join_ref: Value,
}

/// The status of the answer to a handshake.
pub(crate) fn handshake_status(server: &Server, query: &str) -> u16 {
    match handshake(server, query) {
        Ok(_) => 101,
        Err(status) => status,
    }
}

fn handshake(server: &Server, query: &str) -> Result<WebSocket<TcpStream>, u16> {
    let address = &server.api.address;
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    stream.set_nodelay(true).expect("no delay");
    let request = Request::builder()
        .uri(format!("ws://{address}/realtime/v1/websocket?{query}"))
        .header("host", address)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", generate_key())
        .body(())
        .expect("a request");
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            Err(response.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

impl Client {
    #[track_caller]
    pub(crate) fn open(server: &Server, anon: &str, vsn: &str) -> Self {
        let socket = handshake(server, &format!("apikey={anon}&vsn={vsn}"));
        let socket = socket.unwrap_or_else(|status| panic!("{status}"));
        Self { socket, is_v2: vsn == "2.0.0", last_ref: 0, join_ref: Value::Null }
    }

    pub(crate) fn send(&mut self, topic: &str, event: &str, payload: &Value) {
        self.last_ref += 1;
        let reference = json!(self.last_ref.to_string());
        if event == "phx_join" {
            self.join_ref = reference.clone();
        }
        let join_ref = if topic == "phoenix" { &Value::Null } else { &self.join_ref };
        let frame = if self.is_v2 {
            json!([join_ref, reference, topic, event, payload])
        } else {
            json!({"topic": topic, "event": event, "payload": payload, "ref": reference, "join_ref": join_ref})
        };
        self.send_text(&frame.to_string());
    }

    /// The server may have closed already.
    pub(crate) fn send_text(&mut self, text: &str) {
        let _sent = self.socket.send(Message::text(text));
    }

    pub(crate) fn send_binary(&mut self, bytes: &[u8]) {
        let _sent = self.socket.send(Message::binary(bytes.to_vec()));
    }

    #[track_caller]
    pub(crate) fn next(&mut self) -> Frame {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return self.frame(&text),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next frame that is a reply.
    #[track_caller]
    pub(crate) fn next_reply(&mut self) -> Frame {
        loop {
            let frame = self.next();
            if frame.event == "phx_reply" {
                return frame;
            }
        }
    }

    fn frame(&self, text: &str) -> Frame {
        let mut frame: Value = serde_json::from_str(text).expect("JSON");
        let [event, payload] = if self.is_v2 {
            [3, 4].map(|at| frame[at].take())
        } else {
            ["event", "payload"].map(|name| frame[name].take())
        };
        assert!(payload.is_object(), "{text}");
        Frame { event: event.as_str().expect("an event").to_owned(), payload }
    }

    /// Whether the server has closed the socket, after all that it has sent so far.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.socket.get_mut().set_nonblocking(true).expect("no waiting");
        let closed = loop {
            match self.socket.read() {
                Ok(Message::Close(_)) => break true,
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if error.kind() == std::io::ErrorKind::WouldBlock =>
                {
                    break false;
                }
                Err(_) => break true,
            }
        };
        self.socket.get_mut().set_nonblocking(false).expect("waiting");
        closed
    }

    /// How the server closes the socket: with which code, and why. Frames before it are skipped.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> (u16, String) {
        loop {
            match self.socket.read() {
                Ok(Message::Close(Some(frame))) => {
                    // The answer to it is sent with the next read.
                    let _ended = self.socket.read();
                    return (frame.code.into(), frame.reason.to_string());
                }
                Ok(Message::Close(None)) => return (1005, String::new()),
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}
