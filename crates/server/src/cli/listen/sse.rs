//! Reads server-sent events: bytes go in as they come, events come out. It does no I/O.

use anyhow::bail;

/// The most bytes of an event, with its lines that are not read yet. One of kola has a few thousand.
const EVENT_MAX_BYTES: usize = 4 << 20;

/// An event of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamedEvent {
    /// Its id, or that of the last event before it that had one; empty where there was none.
    pub id: String,
    /// Its type, `message` where none is given.
    pub kind: String,
    /// Its lines of data, with `\n` between them.
    pub data: String,
}

/// What was read of a stream so far.
#[derive(Default, Debug)]
pub struct EventReader {
    /// Bytes of lines that were not looked at, of which the first one begins.
    pending: Vec<u8>,
    /// How many of them are known to have no end of a line.
    searched: usize,
    /// Whether any line was read: before the first one may be a byte order mark.
    has_begun: bool,
    /// The last line ended in CR, so that an LF which follows belongs to it.
    after_cr: bool,
    id: String,
    kind: String,
    /// Each line of data, with its `\n`.
    data: String,
}

impl EventReader {
    /// Takes bytes of the stream, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next event that is complete; `None` until more bytes have come. What is not complete at
    /// the end of a stream is no event.
    ///
    /// # Errors
    /// An event has more than 4 MiB.
    pub fn next(&mut self) -> anyhow::Result<Option<StreamedEvent>> {
        let mut read = 0;
        let mut event = None;
        while event.is_none() {
            let rest = self.pending.get(read..).unwrap_or_default();
            if self.after_cr && rest.first() == Some(&b'\n') {
                self.after_cr = false;
                read += 1;
                continue;
            }
            let fresh = rest.get(self.searched..).unwrap_or_default();
            let Some(end) = fresh.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
                self.searched = rest.len();
                break;
            };
            let length = self.searched + end;
            self.searched = 0;
            let (line, ending) = rest.split_at(length);
            let line = String::from_utf8_lossy(line).into_owned();
            self.after_cr = ending.first() == Some(&b'\r');
            read += length + 1;
            event = self.take_line(&line);
        }
        self.pending.drain(..read);
        if self.pending.len() + self.data.len() > EVENT_MAX_BYTES && event.is_none() {
            bail!("an event of the stream has more than {EVENT_MAX_BYTES} bytes");
        }
        Ok(event)
    }

    /// Takes a line without its end. An empty one ends an event, if that has data.
    fn take_line(&mut self, line: &str) -> Option<StreamedEvent> {
        let line = if self.has_begun { line } else { line.trim_start_matches('\u{feff}') };
        self.has_begun = true;
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // Comments have no name before their colon; `retry` and others are of no use here.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<StreamedEvent> {
        let (kind, mut data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
        data.pop()?;
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        Some(StreamedEvent { id: self.id.clone(), kind, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, kind: &str, data: &str) -> StreamedEvent {
        StreamedEvent { id: id.to_owned(), kind: kind.to_owned(), data: data.to_owned() }
    }

    /// The events of a stream that comes in these pieces.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<StreamedEvent> {
        let mut reader = EventReader::default();
        let mut events = vec![];
        for piece in pieces {
            reader.push(piece);
            while let Some(event) = reader.next().unwrap() {
                events.push(event);
            }
        }
        events
    }

    fn read_whole(text: &str) -> Vec<StreamedEvent> {
        read([text.as_bytes()])
    }

    const STREAM: &str = ": connected\n\nid: 1\nevent: wallet.funded\ndata: {\"é\":1}\n\n: heartbeat\n\n\
                          id: 2\nevent: source.paid\ndata: a\ndata: b\n\n";

    fn of_stream() -> [StreamedEvent; 2] {
        [event("1", "wallet.funded", "{\"é\":1}"), event("2", "source.paid", "a\nb")]
    }

    #[test]
    fn events_are_read_wherever_they_are_cut() {
        for text in [STREAM.to_owned(), STREAM.replace('\n', "\r\n"), STREAM.replace('\n', "\r")] {
            let bytes = text.as_bytes();
            assert_eq!(read([bytes]), of_stream(), "{text:?}");
            assert_eq!(read(bytes.chunks(1)), of_stream(), "{text:?}");
            for cut in 0..=bytes.len() {
                let (head, tail) = bytes.split_at(cut);
                assert_eq!(read([head, tail]), of_stream(), "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn comments_and_events_without_data_are_none() {
        assert_eq!(read_whole(": connected\n\n: heartbeat\n\n:\n\n\n\n"), []);
        assert_eq!(read_whole("event: a\n\n"), []);
        assert_eq!(read_whole("id: 7\n\ndata: x\n\n"), [event("7", "message", "x")]);
        assert_eq!(read_whole("event: a\n\ndata: x\n\n"), [event("", "message", "x")]);
    }

    #[test]
    fn what_is_not_complete_is_no_event() {
        assert_eq!(read_whole("id: 1\ndata: x\n"), []);
        assert_eq!(read_whole("id: 1\ndata: x"), []);
        assert_eq!(read_whole("data: x\r\ndata: y\r"), []);
    }

    #[test]
    fn fields_are_read_as_the_standard_says() {
        for (text, expected) in [
            ("data:x\n\n", event("", "message", "x")),
            ("data:  x \n\n", event("", "message", " x ")),
            ("data: a: b\n\n", event("", "message", "a: b")),
            ("data\n\n", event("", "message", "")),
            ("data:\ndata:\n\n", event("", "message", "\n")),
            ("\u{feff}data: x\n\n", event("", "message", "x")),
            ("retry: 5\nother: y\ndata: x\n\n", event("", "message", "x")),
            ("id: a\0b\ndata: x\n\n", event("", "message", "x")),
            ("event: a\nevent: b\ndata: x\n\n", event("", "b", "x")),
        ] {
            assert_eq!(read_whole(text), [expected], "{text:?}");
        }
        let kept = read_whole("id: 1\ndata: x\n\ndata: y\n\nid\ndata: z\n\n");
        let ids: Vec<&str> = kept.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids, ["1", "1", ""], "an id holds until there is another");
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut reader = EventReader::default();
        let line = vec![b'x'; 1 << 20];
        let mut read = || {
            reader.push(&line);
            reader.next()
        };
        assert!((0..4).all(|_| read().is_ok()));
        assert!(read().unwrap_err().to_string().contains("more than 4194304 bytes"));
        let lines = "data: x\n".repeat(EVENT_MAX_BYTES / 2 + 1);
        let mut reader = EventReader::default();
        reader.push(lines.as_bytes());
        assert!(reader.next().is_err());
    }
}
