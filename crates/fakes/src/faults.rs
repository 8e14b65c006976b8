//! What goes wrong, how often, and with which requests.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::fields::{Fault as FieldFault, Fields};
use crate::random::Random;

/// When a fault happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// To a request and its answer. The first fault that matches happens.
    Request,
    /// To a payment, when it is taken. All faults that match happen.
    Payment,
    /// To a callback, when it is made. All faults that match happen.
    Callback,
}

/// What goes wrong. Times are in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The connection closes before anything is taken.
    RequestLost,
    /// Nothing is taken; the answer has this status (429, 503, 500, 401 and so on).
    Refused {
        status: u16,
        retry_after: Option<i64>,
    },
    /// It is taken, and no answer comes.
    AnswerLost,
    /// It is taken, and the connection is reset.
    Reset,
    /// It is taken, and answered by a proxy: 502 with HTML.
    BadGateway,
    /// It is taken, and the connection closes in the middle of the answer.
    CutAnswer,
    /// It is taken, and answered 200 without a body.
    EmptyAnswer,
    /// It is taken, and answered 500. Stripe stores that answer under the idempotency key.
    ServerError,
    /// It is taken, and the answer comes so much later.
    Slow {
        milliseconds: u64,
    },

    /// It is not final before it is told to be.
    Stuck,
    /// It is final so much later than usual.
    Late {
        by: i64,
    },
    /// It fails with this code.
    Fails {
        code: String,
    },
    /// So long after its final state it is in the opposite one.
    Reversed {
        after: i64,
    },
    /// Another amount moves than was asked for. A decimal text.
    OtherAmount {
        amount: String,
    },
    /// It moves in another currency than was asked for.
    OtherCurrency {
        currency: String,
    },
    /// pawaPay: another number pays or is paid than was asked for.
    OtherNumber {
        phone: String,
    },
    /// pawaPay: it is in reconciliation for so long.
    InReconciliation {
        lasting: i64,
    },
    /// Until it is final, its status is this word.
    Word {
        status: String,
    },
    /// pawaPay: for so long its status is not found.
    Hidden {
        lasting: i64,
    },
    /// pawaPay: it is taken, and answered as a duplicate, without `created`.
    SaysDuplicate,
    /// It is final at once, and the answer waits until its callbacks were delivered.
    CallbackFirst,

    CallbackLost,
    CallbackLate {
        by: i64,
    },
    /// So many copies at once.
    CallbackRepeated {
        copies: u32,
    },
    CallbackUnsigned,
    /// Signed with a key that is not the network's.
    CallbackForged,
    /// Signed an hour ago.
    CallbackExpired,
    /// The body is changed after it was signed.
    CallbackTampered,
    /// The callback tells of another amount than the status. A decimal text.
    CallbackAmount {
        amount: String,
    },
    /// The callback tells of another currency than the status.
    CallbackCurrency {
        currency: String,
    },
}

impl Kind {
    const fn stage(&self) -> Stage {
        match self {
            Self::RequestLost
            | Self::Refused { .. }
            | Self::AnswerLost
            | Self::Reset
            | Self::BadGateway
            | Self::CutAnswer
            | Self::EmptyAnswer
            | Self::ServerError
            | Self::Slow { .. } => Stage::Request,
            Self::Stuck
            | Self::Late { .. }
            | Self::Fails { .. }
            | Self::Reversed { .. }
            | Self::OtherAmount { .. }
            | Self::OtherCurrency { .. }
            | Self::OtherNumber { .. }
            | Self::InReconciliation { .. }
            | Self::Word { .. }
            | Self::Hidden { .. }
            | Self::SaysDuplicate
            | Self::CallbackFirst => Stage::Payment,
            Self::CallbackLost
            | Self::CallbackLate { .. }
            | Self::CallbackRepeated { .. }
            | Self::CallbackUnsigned
            | Self::CallbackForged
            | Self::CallbackExpired
            | Self::CallbackTampered
            | Self::CallbackAmount { .. }
            | Self::CallbackCurrency { .. } => Stage::Callback,
        }
    }

    fn read(name: &str, fields: &mut Fields) -> Result<Self, FieldFault> {
        let milliseconds = |fields: &mut Fields| {
            fields.required_integer("seconds").map(|seconds| seconds.saturating_mul(1_000))
        };
        Ok(match name {
            "REQUEST_LOST" => Self::RequestLost,
            "REFUSED" => Self::Refused {
                status: u16::try_from(fields.required_integer("status")?)
                    .ok()
                    .filter(|status| (300..600).contains(status))
                    .ok_or_else(|| FieldFault::Invalid("status".to_owned()))?,
                retry_after: fields.integer("retry_after")?,
            },
            "ANSWER_LOST" => Self::AnswerLost,
            "RESET" => Self::Reset,
            "BAD_GATEWAY" => Self::BadGateway,
            "CUT_ANSWER" => Self::CutAnswer,
            "EMPTY_ANSWER" => Self::EmptyAnswer,
            "SERVER_ERROR" => Self::ServerError,
            "SLOW" => Self::Slow {
                milliseconds: u64::try_from(fields.required_integer("milliseconds")?)
                    .map_err(|_| FieldFault::Invalid("milliseconds".to_owned()))?,
            },
            "STUCK" => Self::Stuck,
            "LATE" => Self::Late { by: milliseconds(fields)? },
            "FAILS" => Self::Fails { code: fields.required_text("code")? },
            "REVERSED" => Self::Reversed { after: milliseconds(fields)? },
            "OTHER_AMOUNT" => Self::OtherAmount { amount: fields.required_text("amount")? },
            "OTHER_CURRENCY" => Self::OtherCurrency { currency: fields.required_text("currency")? },
            "OTHER_NUMBER" => Self::OtherNumber { phone: fields.required_text("phone")? },
            "IN_RECONCILIATION" => Self::InReconciliation { lasting: milliseconds(fields)? },
            "WORD" => Self::Word { status: fields.required_text("status")? },
            "HIDDEN" => Self::Hidden { lasting: milliseconds(fields)? },
            "SAYS_DUPLICATE" => Self::SaysDuplicate,
            "CALLBACK_FIRST" => Self::CallbackFirst,
            "CALLBACK_LOST" => Self::CallbackLost,
            "CALLBACK_LATE" => Self::CallbackLate { by: milliseconds(fields)? },
            "CALLBACK_REPEATED" => Self::CallbackRepeated {
                copies: u32::try_from(fields.required_integer("copies")?)
                    .map_err(|_| FieldFault::Invalid("copies".to_owned()))?,
            },
            "CALLBACK_UNSIGNED" => Self::CallbackUnsigned,
            "CALLBACK_FORGED" => Self::CallbackForged,
            "CALLBACK_EXPIRED" => Self::CallbackExpired,
            "CALLBACK_TAMPERED" => Self::CallbackTampered,
            "CALLBACK_AMOUNT" => Self::CallbackAmount { amount: fields.required_text("amount")? },
            "CALLBACK_CURRENCY" => {
                Self::CallbackCurrency { currency: fields.required_text("currency")? }
            }
            _ => return Err(FieldFault::Invalid("kind".to_owned())),
        })
    }
}

/// What a fault happens to. What is not given matches everything.
#[derive(Clone, Default, Debug)]
struct Match {
    method: Option<String>,
    path: Option<String>,
    event: Option<String>,
    body: Option<String>,
}

/// A request, a payment (with the request that brings it) or a callback that faults may happen to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// What a callback is about: `DEPOSIT`, `charge.refunded`.
    pub event: &'a str,
    pub body: &'a [u8],
}

impl Match {
    fn read(fields: Option<Fields>) -> Result<Self, FieldFault> {
        let Some(mut fields) = fields else { return Ok(Self::default()) };
        let read = Self {
            method: fields.text("method")?,
            path: fields.text("path")?,
            event: fields.text("event")?,
            body: fields.text("body")?,
        };
        fields.end()?;
        Ok(read)
    }

    fn fits(&self, candidate: Candidate<'_>) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| matches_pattern(wanted, found))
        };
        is(&self.method, candidate.method)
            && is(&self.path, candidate.path)
            && is(&self.event, candidate.event)
            && self.body.as_deref().is_none_or(|part| contains(candidate.body, part.as_bytes()))
    }
}

/// A pattern is a text in which each `*` stands for any text.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    part.is_empty() || body.windows(part.len()).any(|window| window == part)
}

#[derive(Clone, Debug)]
struct Fault {
    id: u64,
    kind: Kind,
    matches: Match,
    /// How often it still happens.
    left: u64,
    /// In how many of a hundred matches it happens.
    percent: u64,
    /// As it was written, for the list.
    written: Value,
}

/// The faults of one network, in the order in which they were added.
#[derive(Default, Debug)]
pub(crate) struct Faults {
    added: u64,
    faults: VecDeque<Fault>,
}

impl Faults {
    /// Adds a fault as the control port takes it, without its network. Answers its id.
    pub(crate) fn add(&mut self, mut fields: Fields, written: Value) -> Result<u64, FieldFault> {
        let name = fields.required_text("kind")?;
        let kind = Kind::read(&name, &mut fields)?;
        let matches = Match::read(fields.object("match")?)?;
        let not_negative = |name: &str, value: i64| {
            u64::try_from(value).map_err(|_| FieldFault::Invalid(name.to_owned()))
        };
        let left = not_negative("times", fields.integer("times")?.unwrap_or(1))?;
        let percent = not_negative("percent", fields.integer("percent")?.unwrap_or(100))?;
        fields.end()?;
        self.added += 1;
        self.faults.push_back(Fault { id: self.added, kind, matches, left, percent, written });
        Ok(self.added)
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn list(&self) -> Value {
        let of =
            |fault: &Fault| json!({ "id": fault.id, "left": fault.left, "fault": fault.written });
        self.faults.iter().map(of).collect()
    }

    /// The faults that happen now; each happens once less after that.
    pub(crate) fn take(
        &mut self,
        stage: Stage,
        candidate: Candidate<'_>,
        random: &mut Random,
    ) -> Vec<Kind> {
        let mut taken = Vec::new();
        for fault in &mut self.faults {
            if fault.left == 0 || fault.kind.stage() != stage || !fault.matches.fits(candidate) {
                continue;
            }
            // Drawn only where chance decides, so that other faults do not move the random numbers.
            if fault.percent < 100 && random.below(100) >= fault.percent {
                continue;
            }
            fault.left -= 1;
            taken.push(fault.kind.clone());
            if stage == Stage::Request {
                break;
            }
        }
        self.faults.retain(|fault| fault.left > 0);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(faults: &mut Faults, fault: &Value) -> Result<u64, FieldFault> {
        faults.add(Fields::parse(fault.to_string().as_bytes()).unwrap(), fault.clone())
    }

    const DEPOSIT: Candidate<'_> =
        Candidate { method: "POST", path: "/v2/deposits", event: "", body: b"{\"id\":\"abc\"}" };

    #[test]
    fn a_fault_happens_as_often_as_it_was_told_to() {
        let (mut faults, mut random) = (Faults::default(), Random::of_seed(1));
        add(&mut faults, &json!({"kind": "RESET", "times": 2, "match": {"body": "abc"}})).unwrap();
        add(&mut faults, &json!({"kind": "STUCK"})).unwrap();
        let mut take = |stage, candidate| faults.take(stage, candidate, &mut random);
        assert_eq!(take(Stage::Request, Candidate { body: b"other", ..DEPOSIT }), []);
        assert_eq!(take(Stage::Request, DEPOSIT), [Kind::Reset]);
        assert_eq!(take(Stage::Request, DEPOSIT), [Kind::Reset]);
        assert_eq!(take(Stage::Request, DEPOSIT), []);
        assert_eq!(take(Stage::Payment, DEPOSIT), [Kind::Stuck]);
        assert_eq!(take(Stage::Payment, DEPOSIT), []);
    }

    #[test]
    fn a_request_has_one_fault_and_a_payment_all_that_match() {
        let (mut faults, mut random) = (Faults::default(), Random::of_seed(1));
        for kind in ["RESET", "ANSWER_LOST", "STUCK", "SAYS_DUPLICATE"] {
            add(&mut faults, &json!({ "kind": kind })).unwrap();
        }
        assert_eq!(faults.take(Stage::Request, DEPOSIT, &mut random), [Kind::Reset]);
        assert_eq!(faults.take(Stage::Request, DEPOSIT, &mut random), [Kind::AnswerLost]);
        let both = [Kind::Stuck, Kind::SaysDuplicate];
        assert_eq!(faults.take(Stage::Payment, DEPOSIT, &mut random), both);
    }

    #[test]
    fn chance_follows_the_seed() {
        let draws = |seed| {
            let (mut faults, mut random) = (Faults::default(), Random::of_seed(seed));
            add(&mut faults, &json!({"kind": "RESET", "times": 1000, "percent": 30})).unwrap();
            let mut draw = |_| faults.take(Stage::Request, DEPOSIT, &mut random).len();
            (0..1000).map(&mut draw).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        let happened = draws(7).iter().sum::<usize>();
        assert!((250..350).contains(&happened), "{happened} of 1000 at 30 %");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let mut faults = Faults::default();
        for (fault, expected) in [
            (json!({"kind": "EARTHQUAKE"}), FieldFault::Invalid("kind".to_owned())),
            (json!({"kind": "LATE"}), FieldFault::Missing("seconds".to_owned())),
            (json!({"kind": "RESET", "seconds": 1}), FieldFault::Unknown("seconds".to_owned())),
            (json!({"kind": "REFUSED", "status": 200}), FieldFault::Invalid("status".to_owned())),
            (
                json!({"kind": "RESET", "match": {"verb": "GET"}}),
                FieldFault::Unknown("verb".to_owned()),
            ),
        ] {
            assert_eq!(add(&mut faults, &fault), Err(expected), "{fault}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("/v2/deposits", "/v2/deposits", true),
            ("/v2/deposits", "/v2/deposits/1", false),
            ("/v2/deposits/*", "/v2/deposits/1", true),
            ("/v1/*/confirm", "/v1/payment_intents/pi_1/confirm", true),
            ("*", "", true),
            ("charge.*", "refund.created", false),
            ("*a*b", "xaxb", true),
            ("*a*b", "xbxa", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), fits, "{pattern} {text}");
        }
    }
}
