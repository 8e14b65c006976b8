//! The messages of PostgreSQL's protocol, as far as the proxy must understand them.

use std::collections::HashMap;
use std::io::Read;
use std::net::TcpStream;

/// The prepared statements of a connection, and whether its open transaction has written.
#[derive(Default)]
pub(crate) struct Session {
    prepared: HashMap<Vec<u8>, String>,
    wrote: bool,
}

impl Session {
    /// Whether this message commits a transaction that has written.
    pub(crate) fn commits(&mut self, message: &[u8]) -> bool {
        let body = message.get(5..).unwrap_or_default();
        let mut texts = body.split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default();
        let sql = match message.first() {
            // A simple query.
            Some(b'Q') => String::from_utf8_lossy(text()).to_uppercase(),
            // Parse: the statement's name, which may be empty, and its text. It runs when it is bound.
            Some(b'P') => {
                let (name, sql) = (text().to_vec(), String::from_utf8_lossy(text()).to_uppercase());
                self.prepared.insert(name, sql);
                return false;
            }
            // Bind: the name of the portal, then that of the statement.
            Some(b'B') => {
                let (_portal, name) = (text(), text());
                self.prepared.get(name).cloned().unwrap_or_default()
            }
            _ => return false,
        };
        let mut commits = false;
        for statement in sql.split(';').map(str::trim_start) {
            if ["INSERT", "UPDATE", "DELETE", "COPY", "WITH"]
                .iter()
                .any(|word| statement.starts_with(word))
            {
                self.wrote = true;
            } else if ["COMMIT", "END", "ROLLBACK"].iter().any(|word| statement.starts_with(word)) {
                commits |= self.wrote && !statement.starts_with("ROLLBACK");
                self.wrote = false;
            }
        }
        commits
    }
}

/// Reads a message without its type byte: four bytes of length, which include themselves, and the
/// body.
pub(crate) fn read_untyped(mut from: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let rest = u64::from(u32::from_be_bytes(length)).saturating_sub(4);
    let mut message = length.to_vec();
    let read = from.take(rest).read_to_end(&mut message)?;
    if u64::try_from(read).is_ok_and(|read| read == rest) {
        Ok(message)
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}

pub(crate) fn read_typed(mut from: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut message = vec![0];
    from.read_exact(&mut message)?;
    message.extend(read_untyped(from)?);
    Ok(message)
}
