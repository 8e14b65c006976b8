//! A proxy in front of PostgreSQL that a test can stall or close. It parses the messages of the
//! protocol, so that it can cut a connection exactly at a commit.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use super::wire::{Session, read_typed, read_untyped};

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cut {
    /// PostgreSQL does not get the COMMIT.
    BeforeCommit,
    /// The same, and then every connection is refused until the proxy is opened.
    BeforeCommitUntilOpened,
    /// PostgreSQL commits, and its answer does not arrive.
    AfterCommit,
    /// The same, and then every connection is refused until the proxy is opened.
    AfterCommitUntilOpened,
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Open,
    /// Connections stay open and new ones are accepted, but nothing is forwarded.
    Stalled,
    /// Every connection is closed at once.
    Closed,
}

pub(crate) struct Proxy {
    pub(crate) address: String,
    state: Arc<State>,
}

struct State {
    target: String,
    mode: Mutex<Mode>,
    changed: Condvar,
    next_cut: Mutex<Option<Cut>>,
    cuts: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
    is_dropped: AtomicBool,
}

impl Proxy {
    pub(crate) fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(State {
            target: target.to_owned(),
            mode: Mutex::new(Mode::Open),
            changed: Condvar::new(),
            next_cut: Mutex::new(None),
            cuts: AtomicUsize::new(0),
            streams: Mutex::new(Vec::new()),
            is_dropped: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.is_dropped.load(Ordering::SeqCst) {
                    return;
                }
                // A connection that cannot be made is dropped: its client sees it closed.
                let _connected = State::connect(&shared, client);
            }
        });
        Self { address, state }
    }

    /// Cuts one connection, at the next commit of a transaction that wrote.
    pub(crate) fn cut_next(&self, cut: Cut) {
        *self.state.next_cut.lock().expect("a lock") = Some(cut);
    }

    /// How many connections were cut at a commit.
    pub(crate) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// From now on the database does not answer.
    pub(crate) fn stall(&self) {
        self.state.set_mode(Mode::Stalled);
    }

    /// From now on the database cannot be reached.
    pub(crate) fn close(&self) {
        self.state.set_mode(Mode::Closed);
    }

    /// From now on the database answers again.
    pub(crate) fn open(&self) {
        self.state.set_mode(Mode::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_dropped.store(true, Ordering::SeqCst);
        self.state.set_mode(Mode::Closed);
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect(&self.address);
    }
}

impl State {
    fn set_mode(&self, mode: Mode) {
        *self.mode.lock().expect("a lock") = mode;
        self.changed.notify_all();
        if mode == Mode::Closed {
            for stream in self.streams.lock().expect("a lock").drain(..) {
                let _ended = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// Waits while the proxy is stalled; answers whether it is open then.
    fn is_open(&self) -> bool {
        let mode = self.mode.lock().expect("a lock");
        *self.changed.wait_while(mode, |mode| *mode == Mode::Stalled).expect("a lock") == Mode::Open
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        if *self.mode.lock().expect("a lock") == Mode::Closed {
            return Ok(());
        }
        let server = TcpStream::connect(&self.target)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.streams.lock().expect("a lock").push(stream.try_clone()?);
        }
        let flags = Arc::new(Flags::default());
        let (up, down) = (Arc::clone(self), Arc::clone(self));
        let (their_client, their_server, their_flags) =
            (client.try_clone()?, server.try_clone()?, Arc::clone(&flags));
        std::thread::spawn(move || {
            let _ended = up.forward_to_server(&client, &server, &flags);
            end(&client, &server);
        });
        std::thread::spawn(move || {
            let _ended = down.forward_to_client(&their_server, &their_client, &their_flags);
            end(&their_client, &their_server);
        });
        Ok(())
    }

    /// Forwards from kola to PostgreSQL; returns when the connection is to be closed.
    fn forward_to_server(
        &self,
        client: &TcpStream,
        server: &TcpStream,
        flags: &Flags,
    ) -> std::io::Result<()> {
        loop {
            let first = read_untyped(client)?;
            // SSLRequest and GSSENCRequest are answered with one byte, and come before the startup
            // message.
            let is_encryption_request =
                matches!(first.get(4..8), Some([0x04, 0xd2, 0x16, 0x2f | 0x30]));
            flags.one_byte.store(is_encryption_request, Ordering::SeqCst);
            if !self.is_open() {
                return Ok(());
            }
            (&mut &*server).write_all(&first)?;
            if !is_encryption_request {
                break;
            }
        }
        let mut session = Session::default();
        loop {
            let message = read_typed(client)?;
            let cut = if session.commits(&message) {
                self.next_cut.lock().expect("a lock").take()
            } else {
                None
            };
            if matches!(cut, Some(Cut::AfterCommit | Cut::AfterCommitUntilOpened)) {
                flags
                    .close_after_commit
                    .store(cut == Some(Cut::AfterCommitUntilOpened), Ordering::SeqCst);
                flags.drop_commit_reply.store(true, Ordering::SeqCst);
            }
            if cut.is_some() {
                self.cuts.fetch_add(1, Ordering::SeqCst);
            }
            if cut == Some(Cut::BeforeCommitUntilOpened) {
                self.set_mode(Mode::Closed);
            }
            if cut == Some(Cut::BeforeCommit) || !self.is_open() {
                return Ok(());
            }
            (&mut &*server).write_all(&message)?;
        }
    }

    /// Forwards from PostgreSQL to kola; returns when the connection is to be closed.
    fn forward_to_client(
        &self,
        server: &TcpStream,
        client: &TcpStream,
        flags: &Flags,
    ) -> std::io::Result<()> {
        loop {
            let mut tag = [0];
            (&mut &*server).read_exact(&mut tag)?;
            let mut message = tag.to_vec();
            if !flags.one_byte.swap(false, Ordering::SeqCst) {
                message.extend(read_untyped(server)?);
            }
            // CommandComplete: PostgreSQL has committed.
            if flags.drop_commit_reply.load(Ordering::SeqCst)
                && tag == *b"C"
                && message.get(5..).is_some_and(|tag| tag.starts_with(b"COMMIT"))
            {
                if flags.close_after_commit.load(Ordering::SeqCst) {
                    self.set_mode(Mode::Closed);
                }
                return Ok(());
            }
            if !self.is_open() {
                return Ok(());
            }
            (&mut &*client).write_all(&message)?;
        }
    }
}

fn end(client: &TcpStream, server: &TcpStream) {
    for stream in [client, server] {
        let _ended = stream.shutdown(Shutdown::Both);
    }
}

/// What the two directions of a connection share.
#[derive(Default)]
struct Flags {
    /// The next reply is a single byte.
    one_byte: AtomicBool,
    /// The reply to the COMMIT is not forwarded.
    drop_commit_reply: AtomicBool,
    /// After that commit the proxy is closed.
    close_after_commit: AtomicBool,
}
