//! The frames of both versions of the protocol. Version 1.0.0 has objects, 2.0.0 has arrays.

use std::fmt;

use serde_json::{Map, Value};

/// The largest frame that is read, in bytes.
pub const MAX_FRAME: usize = 64 * 1024;
/// The longest reference of a frame, as JSON in bytes. Clients count from one.
const MAX_REF: usize = 64;

/// The framing that a client asks for at the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vsn {
    /// 1.0.0: `{topic, event, payload, ref, join_ref}`.
    V1,
    /// 2.0.0: `[join_ref, ref, topic, event, payload]`.
    V2,
}

/// The handshake asks for a framing that is not known, and must be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownVsn;

/// Why a frame is not read. The socket closes: no client writes such frames, and what follows one
/// cannot be trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// It has more than [`MAX_FRAME`] bytes.
    TooLarge,
    /// It is binary. Only broadcasts are, which are not served.
    Binary,
    /// It is no JSON, is nested too deeply, or its parts have other types than they must.
    Malformed,
}

/// A `ref` or `join_ref`: a string, a number or null, which is echoed and means nothing here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ref(Box<str>);

/// What a client sent.
///
/// It has no `Debug`, because its payload may have a token.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientFrame {
    pub join_ref: Ref,
    pub reference: Ref,
    pub topic: String,
    pub event: String,
    pub payload: Map<String, Value>,
}

impl Vsn {
    /// Reads the parameter `vsn` of the handshake. One that is missing means 1.0.0.
    pub fn read(parameter: Option<&str>) -> Result<Self, UnknownVsn> {
        match parameter {
            None | Some("1.0.0") => Ok(Self::V1),
            Some("2.0.0") => Ok(Self::V2),
            Some(_) => Err(UnknownVsn),
        }
    }

    /// Reads a text frame.
    ///
    /// References may be missing in 1.0.0. A payload that is missing or null is an empty one.
    pub fn parse(self, text: &str) -> Result<ClientFrame, FrameError> {
        if text.len() > MAX_FRAME {
            return Err(FrameError::TooLarge);
        }
        // The library refuses more than 128 levels, so that no frame exhausts the stack.
        let frame = serde_json::from_str(text).map_err(|_| FrameError::Malformed)?;
        let [join_ref, reference, topic, event, payload] = match (self, frame) {
            (Self::V1, Value::Object(mut frame)) => {
                ["join_ref", "ref", "topic", "event", "payload"]
                    .map(|name| frame.get_mut(name).map(Value::take).unwrap_or_default())
            }
            (Self::V2, Value::Array(frame)) => {
                <[Value; 5]>::try_from(frame).map_err(|_| FrameError::Malformed)?
            }
            _ => return Err(FrameError::Malformed),
        };
        let (Value::String(topic), Value::String(event)) = (topic, event) else {
            return Err(FrameError::Malformed);
        };
        let payload = match payload {
            Value::Object(payload) => payload,
            Value::Null => Map::new(),
            _ => return Err(FrameError::Malformed),
        };
        Ok(ClientFrame {
            join_ref: Ref::read(&join_ref)?,
            reference: Ref::read(&reference)?,
            topic,
            event,
            payload,
        })
    }

    /// Writes a frame. The payload is JSON already, and an object: clients look into it unasked.
    #[must_use]
    pub fn write(
        self,
        join_ref: &Ref,
        reference: &Ref,
        topic: &str,
        event: &str,
        payload: &str,
    ) -> String {
        let (topic, event) = (quoted(topic), quoted(event));
        match self {
            Self::V1 => format!(
                r#"{{"topic":{topic},"event":{event},"payload":{payload},"ref":{reference}}}"#
            ),
            Self::V2 => format!("[{join_ref},{reference},{topic},{event},{payload}]"),
        }
    }
}

impl FrameError {
    /// The code with which the socket closes.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::Binary => 1003,
            Self::Malformed => 1007,
        }
    }

    /// The reason that is sent with the code.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "frame too large",
            Self::Binary => "text frames only",
            Self::Malformed => "malformed frame",
        }
    }
}

impl Ref {
    /// The reference of what answers no frame.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        &*self.0 == "null"
    }

    fn read(value: &Value) -> Result<Self, FrameError> {
        match value {
            Value::Null | Value::String(_) | Value::Number(_) => {
                let text = value.to_string();
                // It is kept as long as its channel.
                if text.len() > MAX_REF {
                    Err(FrameError::Malformed)
                } else {
                    Ok(Self(text.into()))
                }
            }
            _ => Err(FrameError::Malformed),
        }
    }
}

/// As JSON.
impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of a frame as JSON, or why it is not read.
    fn parsed(vsn: Vsn, text: &str) -> Result<String, FrameError> {
        let ClientFrame { join_ref, reference, topic, event, payload } = vsn.parse(text)?;
        Ok(format!("{join_ref} {reference} {topic} {event} {}", Value::Object(payload)))
    }

    #[test]
    fn a_missing_version_is_the_first() {
        assert_eq!(Vsn::read(None), Ok(Vsn::V1));
        assert_eq!(Vsn::read(Some("1.0.0")), Ok(Vsn::V1));
        assert_eq!(Vsn::read(Some("2.0.0")), Ok(Vsn::V2));
        for vsn in ["", "1", "2", "3.0.0", "2.0.0 ", "v2.0.0"] {
            assert_eq!(Vsn::read(Some(vsn)), Err(UnknownVsn));
        }
    }

    #[test]
    fn frames_are_read() {
        for (text, parts) in [
            (r#"[null,"7","phoenix","heartbeat",{}]"#, r#"null "7" phoenix heartbeat {}"#),
            (r#"["6","9","t","e",{"a":1.50}]"#, r#""6" "9" t e {"a":1.50}"#),
            // What other clients might send.
            (r#" [ 6 , 9 , "" , "" , null ] "#, r#"6 9   {}"#),
            (r#"["\"\u00e9","9","t","e",{}]"#, r#""\"é" "9" t e {}"#),
        ] {
            assert_eq!(parsed(Vsn::V2, text).as_deref(), Ok(parts), "{text}");
        }
        for (text, parts) in [
            (
                r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"7"}"#,
                r#"null "7" phoenix heartbeat {}"#,
            ),
            (
                r#"{"event":"e","payload":{"a":1.50},"topic":"t","ref":"9","join_ref":"6"}"#,
                r#""6" "9" t e {"a":1.50}"#,
            ),
            (r#"{"topic":"t","event":"e","more":[]}"#, r#"null null t e {}"#),
            (r#"{"topic":"t","event":"e","payload":null,"ref":null}"#, r#"null null t e {}"#),
        ] {
            assert_eq!(parsed(Vsn::V1, text).as_deref(), Ok(parts), "{text}");
        }
    }

    #[test]
    fn what_is_no_frame_is_malformed() {
        let nested_text = "[".repeat(60_000);
        let nested_list = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
        let nested_payload =
            format!(r#"[null,null,"t","e",{}1{}]"#, r#"{"a":"#.repeat(5000), "}".repeat(5000));
        let long_ref = format!(r#"["{}","1","t","e",{{}}]"#, "6".repeat(63));
        let long_number = format!(r#"[{},"1","t","e",{{}}]"#, "6".repeat(60_000));
        let mut frames = vec![nested_text, nested_list, nested_payload, long_ref, long_number];
        frames.extend(
            [
                "",
                " ",
                "\0",
                "null",
                "true",
                "7",
                r#""frame""#,
                "[]",
                "{}",
                "[null,null,null,null,null]",
                r#"["6","9","t","e"]"#,
                r#"["6","9","t","e",{},{}]"#,
                r#"["6","9","t","e",{}"#,
                r#"["6","9","t","e",{}]]"#,
                r#"["6","9",null,"e",{}]"#,
                r#"["6","9",7,"e",{}]"#,
                r#"["6","9",["t"],"e",{}]"#,
                r#"["6","9","t",null,{}]"#,
                r#"["6","9","t",7,{}]"#,
                r#"["6","9","t",{},{}]"#,
                r#"["6","9","t","e",[]]"#,
                r#"["6","9","t","e","{}"]"#,
                r#"["6","9","t","e",0]"#,
                r#"["6","9","t","e",false]"#,
                r#"[true,"9","t","e",{}]"#,
                r#"[["6"],"9","t","e",{}]"#,
                r#"["6",{"ref":"9"},"t","e",{}]"#,
                r#"["6","9","t","e",{"a":"\ud800"}]"#,
                r#"["6","9","t","e",{"a":NaN}]"#,
                r#"["6","9","t","e",{"$serde_json::private::Number":"x"}]"#,
                r#"["6","9","t","e",{"a":{"$serde_json::private::Number":[]}}]"#,
                r#"{"topic":"t"}"#,
                r#"{"event":"e"}"#,
                r#"{"topic":7,"event":"e"}"#,
                r#"{"topic":"t","event":["e"]}"#,
                r#"{"topic":"t","event":"e","payload":"{}"}"#,
                r#"{"topic":"t","event":"e","ref":true}"#,
                r#"{"topic":"t","event":"e","join_ref":{}}"#,
            ]
            .map(str::to_owned),
        );
        for text in frames {
            let start: String = text.chars().take(80).collect();
            assert_eq!(parsed(Vsn::V1, &text), Err(FrameError::Malformed), "{start}");
            assert_eq!(parsed(Vsn::V2, &text), Err(FrameError::Malformed), "{start}");
        }
        // Each has its own framing only.
        assert!(Vsn::V1.parse(r#"[null,"7","phoenix","heartbeat",{}]"#).is_err());
        assert!(Vsn::V2.parse(r#"{"topic":"phoenix","event":"heartbeat","ref":"7"}"#).is_err());
    }

    #[test]
    fn a_large_frame_is_refused() {
        let frame = |bytes: usize| {
            let text = format!(r#"["6","9","t","e",{{"a":"{}"}}]"#, "a".repeat(bytes - 26));
            assert_eq!(text.len(), bytes);
            parsed(Vsn::V2, &text).err()
        };
        assert_eq!(frame(MAX_FRAME), None);
        assert_eq!(frame(MAX_FRAME + 1), Some(FrameError::TooLarge));
        assert_eq!(frame(10_000_000), Some(FrameError::TooLarge));
        assert_eq!(FrameError::TooLarge.code(), 1009);
        assert_eq!(FrameError::Binary.code(), 1003);
        assert_eq!(FrameError::Malformed.code(), 1007);
    }

    #[test]
    fn frames_are_written() {
        let [join_ref, reference] =
            ["6", "7"].map(|text| Ref::read(&Value::from(text)).expect("a reference"));
        let payload = r#"{"status":"ok","response":{}}"#;
        assert_eq!(
            Vsn::V2.write(&join_ref, &reference, "a\"b", "phx_reply", payload),
            r#"["6","7","a\"b","phx_reply",{"status":"ok","response":{}}]"#
        );
        assert_eq!(
            Vsn::V1.write(&join_ref, &reference, "a\"b", "phx_reply", payload),
            concat!(
                r#"{"topic":"a\"b","event":"phx_reply","payload":{"status":"ok","response":{}},"#,
                r#""ref":"7"}"#
            )
        );
        assert_eq!(
            Vsn::V2.write(&Ref::null(), &Ref::null(), "t", "system", "{}"),
            r#"[null,null,"t","system",{}]"#
        );
    }
}
