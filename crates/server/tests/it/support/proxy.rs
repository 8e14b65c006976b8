//! A door to PostgreSQL that a test can slam: it reads the protocol's messages on their way, so
//! that it can cut a connection at the very commit.

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
    /// PostgreSQL commits, and its answer does not arrive.
    AfterCommit,
    /// The same, and then nobody reaches it until the door is opened.
    AfterCommitForLonger,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Open,
    /// Connections stay and new ones are taken, but nothing passes.
    Stalled,
    /// Every connection ends at once.
    Closed,
}

pub(crate) struct Proxy {
    pub(crate) address: String,
    state: Arc<State>,
}

struct State {
    target: String,
    way: Mutex<Way>,
    changed: Condvar,
    armed: Mutex<Option<Cut>>,
    cuts: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
    gone: AtomicBool,
}

impl Proxy {
    pub(crate) fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let state = Arc::new(State {
            target: target.to_owned(),
            way: Mutex::new(Way::Open),
            changed: Condvar::new(),
            armed: Mutex::new(None),
            cuts: AtomicUsize::new(0),
            streams: Mutex::new(Vec::new()),
            gone: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.gone.load(Ordering::SeqCst) {
                    return;
                }
                // A connection that cannot be made is dropped: its client sees the end.
                let _connected = State::connect(&shared, client);
            }
        });
        Self { address, state }
    }

    /// Cuts one connection at the next commit of something written.
    pub(crate) fn cut_next(&self, cut: Cut) {
        *self.state.armed.lock().expect("a lock") = Some(cut);
    }

    /// How many connections were cut at a commit.
    pub(crate) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// The database is there and says nothing.
    pub(crate) fn stall(&self) {
        self.state.go(Way::Stalled);
    }

    /// The database is away.
    pub(crate) fn close(&self) {
        self.state.go(Way::Closed);
    }

    /// The database is back.
    pub(crate) fn open(&self) {
        self.state.go(Way::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.gone.store(true, Ordering::SeqCst);
        self.state.go(Way::Closed);
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect(&self.address);
    }
}

impl State {
    fn go(&self, way: Way) {
        *self.way.lock().expect("a lock") = way;
        self.changed.notify_all();
        if way == Way::Closed {
            for stream in self.streams.lock().expect("a lock").drain(..) {
                let _ended = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// Waits while nothing may pass; answers whether something may.
    fn may_pass(&self) -> bool {
        let way = self.way.lock().expect("a lock");
        *self.changed.wait_while(way, |way| *way == Way::Stalled).expect("a lock") == Way::Open
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        if *self.way.lock().expect("a lock") == Way::Closed {
            return Ok(());
        }
        let server = TcpStream::connect(&self.target)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.streams.lock().expect("a lock").push(stream.try_clone()?);
        }
        let talk = Arc::new(Talk::default());
        let (up, down) = (Arc::clone(self), Arc::clone(self));
        let (their_client, their_server, their_talk) =
            (client.try_clone()?, server.try_clone()?, Arc::clone(&talk));
        std::thread::spawn(move || {
            let _ended = up.pass_up(&client, &server, &talk);
            end(&client, &server);
        });
        std::thread::spawn(move || {
            let _ended = down.pass_down(&their_server, &their_client, &their_talk);
            end(&their_client, &their_server);
        });
        Ok(())
    }

    /// From kola to PostgreSQL; answers when the connection is to end.
    fn pass_up(&self, client: &TcpStream, server: &TcpStream, talk: &Talk) -> std::io::Result<()> {
        loop {
            let first = read_untyped(client)?;
            // Questions for encryption are answered with one byte and come before the real start.
            let asks = matches!(first.get(4..8), Some([0x04, 0xd2, 0x16, 0x2f | 0x30]));
            talk.one_byte.store(asks, Ordering::SeqCst);
            if !self.may_pass() {
                return Ok(());
            }
            (&mut &*server).write_all(&first)?;
            if !asks {
                break;
            }
        }
        let mut session = Session::default();
        loop {
            let message = read_typed(client)?;
            let cut = if session.commits(&message) {
                self.armed.lock().expect("a lock").take()
            } else {
                None
            };
            if matches!(cut, Some(Cut::AfterCommit | Cut::AfterCommitForLonger)) {
                talk.for_longer.store(cut == Some(Cut::AfterCommitForLonger), Ordering::SeqCst);
                talk.deaf.store(true, Ordering::SeqCst);
            }
            if cut.is_some() {
                self.cuts.fetch_add(1, Ordering::SeqCst);
            }
            if cut == Some(Cut::BeforeCommit) || !self.may_pass() {
                return Ok(());
            }
            (&mut &*server).write_all(&message)?;
        }
    }

    /// From PostgreSQL to kola; answers when the connection is to end.
    fn pass_down(
        &self,
        server: &TcpStream,
        client: &TcpStream,
        talk: &Talk,
    ) -> std::io::Result<()> {
        loop {
            let mut tag = [0];
            (&mut &*server).read_exact(&mut tag)?;
            let mut message = tag.to_vec();
            if !talk.one_byte.swap(false, Ordering::SeqCst) {
                message.extend(read_untyped(server)?);
            }
            // CommandComplete: PostgreSQL has committed.
            if talk.deaf.load(Ordering::SeqCst)
                && tag == *b"C"
                && message.get(5..).is_some_and(|tag| tag.starts_with(b"COMMIT"))
            {
                if talk.for_longer.load(Ordering::SeqCst) {
                    self.go(Way::Closed);
                }
                return Ok(());
            }
            if !self.may_pass() {
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

/// What the two directions of a connection tell each other.
#[derive(Default)]
struct Talk {
    one_byte: AtomicBool,
    /// The answer to the COMMIT is not to arrive.
    deaf: AtomicBool,
    /// And no new connection is to be had after that.
    for_longer: AtomicBool,
}
