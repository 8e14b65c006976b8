//! Records of a CSV file, in buffers of a fixed size: the file is unpacked, made text, and taken apart.

use std::io::{self, BufRead, BufReader, Read};

use csv_core::ReadRecordResult;
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};
use flate2::bufread::MultiGzDecoder;

/// The longest record, in bytes. What is longer is no line of a statement: a quote is missing.
const RECORD_MAX_BYTES: usize = 64 * 1024;
/// The most columns.
const COLUMNS_MAX: usize = 1_024;
const BUFFER_BYTES: usize = 64 * 1024;
/// The largest file, unpacked: a few kilobytes can unpack to anything.
const TEXT_MAX_BYTES: u64 = 4 << 30;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZIP: [u8; 4] = *b"PK\x03\x04";

/// The records of a file.
pub(super) struct Records<'a> {
    input: BufReader<Text<'a>>,
    core: csv_core::Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
    newlines: u64,
}

/// A record.
pub(super) struct Record<'a> {
    /// Where it begins, from 1.
    pub(super) line: u64,
    /// Whether the file ends without ending the line.
    pub(super) has_no_end: bool,
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Record<'a> {
    pub(super) const fn count(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&'a str> {
        let begin = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(begin..*self.ends.get(index)?)
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &'a str> {
        (0..self.count()).map_while(|index| self.get(index))
    }
}

impl<'a> Records<'a> {
    /// # Errors
    /// It is no text, in words for the operator.
    pub(super) fn open(file: impl Read + Send + 'a, delimiter: u8) -> Result<Self, String> {
        Ok(Self {
            input: BufReader::with_capacity(BUFFER_BYTES, Text::open(file)?),
            core: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            output: vec![0; RECORD_MAX_BYTES],
            ends: vec![0; COLUMNS_MAX],
            newlines: 0,
        })
    }

    /// The next record. Empty lines are none.
    ///
    /// # Errors
    /// The file cannot be read any further, in words for the operator.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, String> {
        if !self.skip_empty_lines()? {
            return Ok(None);
        }
        let line = self.newlines + 1;
        let (mut written, mut fields, mut is_end) = (0, 0, false);
        loop {
            let input =
                self.input.fill_buf().map_err(|error| in_line(self.newlines + 1, &error))?;
            if input.is_empty() && is_end {
                return Err(format!(
                    "the file ends in the middle of line {line}, within quotes: fetch it again"
                ));
            }
            is_end = input.is_empty();
            let (output, ends) = (self.output.get_mut(written..), self.ends.get_mut(fields..));
            let (result, read, more, more_fields) = self.core.read_record(
                // Ends the last line, unless it is within quotes.
                if is_end { b"\n" } else { input },
                output.unwrap_or_default(),
                ends.unwrap_or_default(),
            );
            if !is_end {
                let newlines = input.iter().take(read).filter(|byte| **byte == b'\n').count();
                self.newlines += u64::try_from(newlines).unwrap_or(0);
                self.input.consume(read);
            }
            written += more;
            fields += more_fields;
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    return Err(format!(
                        "line {line} is longer than {RECORD_MAX_BYTES} bytes: a quote that never \
                         ends, or no CSV file"
                    ));
                }
                ReadRecordResult::OutputEndsFull => {
                    return Err(format!("line {line} has more than {COLUMNS_MAX} columns"));
                }
            }
        }
        let text = std::str::from_utf8(self.output.get(..written).unwrap_or_default())
            .map_err(|_| format!("line {line} is no text"))?;
        let ends = self.ends.get(..fields).unwrap_or_default();
        Ok(Some(Record { line, has_no_end: is_end, text, ends }))
    }

    /// Whether there is more.
    fn skip_empty_lines(&mut self) -> Result<bool, String> {
        loop {
            let input =
                self.input.fill_buf().map_err(|error| in_line(self.newlines + 1, &error))?;
            let Some(first) = input.first() else { return Ok(false) };
            match first {
                b'\n' => self.newlines += 1,
                b'\r' => {}
                _ => return Ok(true),
            }
            self.input.consume(1);
        }
    }
}

fn in_line(line: u64, error: &io::Error) -> String {
    format!("near line {line}: {error}")
}

/// The text of a file in UTF-8, whatever its encoding. A byte that is no text is an error, never
/// another character.
struct Text<'a> {
    raw: Box<dyn Read + Send + 'a>,
    decoder: Decoder,
    /// What was read, and is decoded from `begin` to `end`.
    input: Vec<u8>,
    begin: usize,
    end: usize,
    is_whole: bool,
    is_decoded: bool,
    bytes: u64,
}

impl<'a> Text<'a> {
    fn open(file: impl Read + Send + 'a) -> Result<Self, String> {
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let begin = file.fill_buf().map_err(|error| error.to_string())?;
        if begin.is_empty() {
            return Err("the file is empty: fetch it again".to_owned());
        }
        if begin.starts_with(&ZIP) {
            return Err(
                "this is a spreadsheet or a zip archive: save it as CSV, or unpack it".to_owned()
            );
        }
        let mut raw: Box<dyn Read + Send + 'a> = if begin.starts_with(&GZIP) {
            Box::new(Unpacked(MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        let mut input = vec![0; BUFFER_BYTES];
        let end = fill(&mut raw, &mut input).map_err(|error| error.to_string())?;
        let encoding =
            Encoding::for_bom(input.get(..end).unwrap_or_default()).map_or(UTF_8, |found| found.0);
        let decoder = encoding.new_decoder_with_bom_removal();
        let bytes = u64::try_from(end).unwrap_or(0);
        Ok(Self {
            raw,
            decoder,
            begin: 0,
            end,
            is_whole: end < input.len(),
            input,
            is_decoded: false,
            bytes,
        })
    }

    fn refill(&mut self) -> io::Result<()> {
        self.begin = 0;
        self.end = fill(&mut self.raw, &mut self.input)?;
        self.is_whole = self.end < self.input.len();
        self.bytes += u64::try_from(self.end).unwrap_or(0);
        if self.bytes > TEXT_MAX_BYTES {
            return Err(invalid("the file has more than 4 GiB: fetch a statement of fewer days"));
        }
        Ok(())
    }
}

impl Read for Text<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.is_decoded {
            let input = self.input.get(self.begin..self.end).unwrap_or_default();
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(input, buffer, self.is_whole);
            self.begin += read;
            match result {
                DecoderResult::Malformed(..) => {
                    return Err(invalid(&format!(
                        "the file has bytes that are no text in {}: save it as UTF-8, or as UTF-16 \
                         with a byte-order mark",
                        self.decoder.encoding().name()
                    )));
                }
                DecoderResult::InputEmpty if self.is_whole => self.is_decoded = true,
                DecoderResult::InputEmpty => self.refill()?,
                DecoderResult::OutputFull => {}
            }
            if buffer.iter().take(written).any(|byte| *byte == 0) {
                return Err(invalid(
                    "the file has NUL characters, which no text has: save it as UTF-8, or as UTF-16 \
                     with a byte-order mark",
                ));
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

/// A file that was packed by gzip.
struct Unpacked<R>(MultiGzDecoder<R>);

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            invalid(&format!("the gzip file is broken or was cut off ({error}): fetch it again"))
        })
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(raw: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match raw.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
