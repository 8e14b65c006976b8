//! An HTTP client that uses little processor time, because the server runs on the same machine. It
//! speaks HTTP/1.1 with keep-alive, sends one request at a time, and knows only the part of the
//! protocol that this server uses.

use std::future::poll_fn;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use super::callbacks::Callback;

/// The maximum size of an answer in bytes. Usual answers have about 1 KiB.
const MAX_ANSWER: usize = 256 * 1024;

pub struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    input: Vec<u8>,
    /// The address that this client says it forwards for, as a proxy does.
    pub forwarded_for: Option<Ipv4Addr>,
    /// The cookies that it sends, as a browser does.
    pub cookie: Option<String>,
    /// How long its payments at a network usually are not final.
    pub usual_wait: Duration,
}

/// The body of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a>(pub &'a [u8]);

impl Client {
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            request: Vec::new(),
            input: vec![0; MAX_ANSWER],
            forwarded_for: None,
            cookie: None,
            usual_wait: Duration::ZERO,
        })
    }

    pub async fn post(
        &mut self,
        token: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<Answer<'_>> {
        self.call("POST", token, path, Some(body)).await
    }

    pub async fn put(&mut self, token: &str, path: &str, body: &str) -> anyhow::Result<Answer<'_>> {
        self.call("PUT", token, path, Some(body)).await
    }

    pub async fn get(&mut self, token: &str, path: &str) -> anyhow::Result<Answer<'_>> {
        self.call("GET", token, path, None).await
    }

    /// Sends the form of a page.
    pub async fn form(&mut self, path: &str, form: &str) -> anyhow::Result<(u16, Answer<'_>)> {
        self.ask("POST", "", path, Some(form)).await
    }

    /// Sends a form, and keeps the cookie that the answer sets.
    pub async fn log_in(&mut self, path: &str, form: &str) -> anyhow::Result<()> {
        let (status, extent) = {
            self.render("POST", "", path, Some(form))?;
            self.exchange().await?
        };
        let head = self.input.get(..extent.start).unwrap_or_default();
        let head = String::from_utf8_lossy(head).into_owned();
        ensure!(status == 303, "a login was answered {status}: {head}");
        let cookie = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next())?
        });
        self.cookie = Some(cookie.context("no cookie")?.to_owned());
        Ok(())
    }

    /// Sends a callback of a network, with the headers that it came with.
    pub async fn deliver(&mut self, callback: &Callback) -> anyhow::Result<()> {
        self.request.clear();
        let Callback { path, headers, body } = callback;
        let length = body.len();
        write!(
            self.request,
            "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n"
        )?;
        for (name, value) in headers {
            write!(self.request, "{name}: {value}\r\n")?;
        }
        self.request.extend_from_slice(b"\r\n");
        self.request.extend_from_slice(body);
        let (status, extent) = self.exchange().await.with_context(|| format!("POST {path}"))?;
        let answer = Answer(self.input.get(extent).unwrap_or_default());
        ensure!(status == 200, "a callback was answered {status}: {answer}");
        Ok(())
    }

    /// Sends a request. Any status but 200 is an error that shows request and answer.
    async fn call(
        &mut self,
        method: &str,
        token: &str,
        path: &str,
        body: Option<&str>,
    ) -> anyhow::Result<Answer<'_>> {
        let (status, answer) = self.ask(method, token, path, body).await?;
        ensure!(
            status == 200,
            "{method} {path} with {} was answered {status}: {answer}",
            body.unwrap_or("no body")
        );
        Ok(answer)
    }

    /// Sends a request and returns the answer, whatever its status. After an error the connection
    /// cannot be used any more.
    pub async fn ask(
        &mut self,
        method: &str,
        token: &str,
        path: &str,
        body: Option<&str>,
    ) -> anyhow::Result<(u16, Answer<'_>)> {
        self.render(method, token, path, body)?;
        let (status, extent) = self.exchange().await.with_context(|| format!("{method} {path}"))?;
        Ok((status, Answer(self.input.get(extent).unwrap_or_default())))
    }

    fn render(
        &mut self,
        method: &str,
        token: &str,
        path: &str,
        body: Option<&str>,
    ) -> std::io::Result<()> {
        self.request.clear();
        write!(
            self.request,
            "{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
        )?;
        if let Some(address) = self.forwarded_for {
            write!(self.request, "X-Forwarded-For: {address}\r\n")?;
        }
        if let Some(cookie) = &self.cookie {
            write!(self.request, "Cookie: {cookie}\r\n")?;
        }
        if let Some(body) = body {
            let kind = match body.as_bytes() {
                [b'{', ..] => "application/json",
                _ => "application/x-www-form-urlencoded",
            };
            write!(self.request, "Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len())?;
        }
        write!(self.request, "\r\n{}", body.unwrap_or_default())
    }

    async fn exchange(&mut self) -> anyhow::Result<(u16, Range<usize>)> {
        let mut sent = 0;
        while let Some(rest) = self.request.get(sent..).filter(|rest| !rest.is_empty()) {
            sent += poll_fn(|context| Pin::new(&mut self.stream).poll_write(context, rest)).await?;
        }
        let mut filled = 0;
        loop {
            // `poll_read` knows after a short read that the socket is empty; `readable` and
            // `try_read` would make one more system call for every answer.
            let free = self.input.get_mut(filled..).unwrap_or_default();
            ensure!(!free.is_empty(), "an answer longer than {MAX_ANSWER} bytes");
            let mut buffer = ReadBuf::new(free);
            poll_fn(|context| Pin::new(&mut self.stream).poll_read(context, &mut buffer)).await?;
            let more = buffer.filled().len();
            ensure!(more > 0, "the server closed the connection");
            filled += more;
            let Some((status, body)) = head(self.input.get(..filled).unwrap_or_default())? else {
                continue;
            };
            if filled == body.end {
                return Ok((status, body));
            }
            ensure!(filled < body.end, "the server sent more than one answer");
        }
    }
}

/// The status and the range of the body; `None` until the head is complete.
fn head(input: &[u8]) -> anyhow::Result<Option<(u16, Range<usize>)>> {
    let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(input.get(..end).unwrap_or_default())?;
    let mut lines = text.split("\r\n");
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let status = status.context("an answer without a status")?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            value.trim().parse::<usize>().ok()
        } else {
            None
        }
    });
    let length = length.context("an answer without a length")?;
    let begin = end + 4;
    Ok(Some((status, begin..begin + length)))
}

impl<'a> Answer<'a> {
    pub fn id(self) -> anyhow::Result<u64> {
        let id = self.text("id").and_then(|id| id.parse().ok());
        id.with_context(|| format!("no id in {self}"))
    }

    /// Fails unless the answer has this status: only payments that are done count.
    pub fn expect_status(self, word: &str) -> anyhow::Result<()> {
        match self.field("status") {
            Some(status) if status == word.as_bytes() => Ok(()),
            _ => bail!("the status is not {word} in {self}"),
        }
    }

    pub fn text(self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.field(name)?).ok()
    }

    /// The text of a field of the outermost object, without quotes. Parsing every answer as JSON
    /// would cost more than the rest of the client.
    fn field(self, name: &str) -> Option<&'a [u8]> {
        let mut depth = 0_u32;
        let mut at = 0;
        while let Some(&byte) = self.0.get(at) {
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => {
                    let end = self.string_end(at)?;
                    let text = self.0.get(at + 1..end)?;
                    at = end;
                    if depth == 1
                        && text == name.as_bytes()
                        && let Some(value) = self.value_after(end + 1)
                    {
                        return Some(value);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }

    /// The position of the quote that ends the string which begins at `quote`.
    fn string_end(self, quote: usize) -> Option<usize> {
        let mut at = quote + 1;
        loop {
            match self.0.get(at)? {
                b'"' => return Some(at),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    /// The value after the colon at `at`. `None` if there is no colon: then the string before it
    /// was itself a value.
    fn value_after(self, at: usize) -> Option<&'a [u8]> {
        let after = self.0.get(at..)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let begin = self.0.len() - after.len();
        if after.first() == Some(&b'"') {
            return self.0.get(begin + 1..self.string_end(begin)?);
        }
        let length =
            after.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n'))?;
        after.get(..length)
    }
}

impl std::fmt::Display for Answer<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", String::from_utf8_lossy(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_one_of_the_outermost_object() {
        let answer = Answer(
            br#"{"a":{"id":1,"status":"NO"},"b":["id",{"id":2}],"c":"\"id\":3","d":"status", "id" : 4 ,"status":"PAID"}"#,
        );
        assert_eq!(answer.id().unwrap(), 4);
        assert!(answer.expect_status("PAID").is_ok());
        assert!(answer.expect_status("NO").is_err());
        assert!(answer.field("missing").is_none());
        assert!(Answer(br#"{"status":"#).expect_status("PAID").is_err());
    }

    #[test]
    fn the_head_says_where_the_body_is() {
        let answer =
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(head(answer).unwrap(), Some((200, 70..72)));
        assert_eq!(head(&answer[..60]).unwrap(), None);
        assert!(head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
