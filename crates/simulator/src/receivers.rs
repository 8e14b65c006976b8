//! The programs of merchants that webhooks are delivered to. They are well most of the time; then
//! one fails, hangs, wants to be left alone, or is gone.

use domain::kernel::time::{minutes, seconds};

use crate::db::Map;
use crate::rng::{Rng, hash_text};

/// An attempt that takes longer is given up.
pub const TIMEOUT: i64 = seconds(15);

/// The number of the receivers' streams of random numbers; it is part of what a seed means.
const STREAM: u64 = 12;

/// How a receiver behaves for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Well,
    /// It takes messages, but takes its time.
    Slow,
    /// Every other request fails.
    Flaky,
    Failing,
    /// Nobody listens at its address.
    Absent,
    /// It takes a request and never answers.
    Hanging,
    /// It asks to be left alone for a while.
    Busy,
    Gone,
}

struct Receiver {
    rng: Rng,
    mood: Mood,
    /// When its mood changes.
    until: i64,
}

/// What an attempt comes to.
pub struct Answer {
    /// Whether the request arrived.
    pub arrives: bool,
    pub status: Option<i64>,
    pub took: i64,
    pub retry_after: Option<i64>,
    /// What it is counted as.
    pub what: &'static str,
}

/// All receivers, by URL: who changes the URL of an endpoint has another receiver.
#[derive(Default)]
pub struct Receivers {
    seed: u64,
    known: Map<u64, Receiver>,
    /// Nobody changes any more: most of them are well for ever, and some never.
    is_final: bool,
}

impl Receivers {
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// From now on the moods of all stay as they are.
    pub fn settle(&mut self) {
        self.is_final = true;
        self.known.values_mut().for_each(|receiver| receiver.until = 0);
    }

    fn receiver(&mut self, url: &str) -> &mut Receiver {
        let (name, seed) = (hash_text(url), self.seed);
        let new = || Receiver { rng: Rng::of(seed, &[STREAM, name]), mood: Mood::Well, until: 0 };
        self.known.entry(name).or_insert_with(new)
    }

    /// The random numbers of what happens to attempts to deliver there.
    pub fn rng(&mut self, url: &str) -> &mut Rng {
        &mut self.receiver(url).rng
    }

    /// A message is posted to a URL.
    pub fn post(&mut self, url: &str, now: i64) -> Answer {
        let is_final = self.is_final;
        let receiver = self.receiver(url);
        if now >= receiver.until {
            receiver.change_mood(now, is_final);
        }
        receiver.answer()
    }
}

impl Receiver {
    fn change_mood(&mut self, now: i64, is_final: bool) {
        let rng = &mut self.rng;
        let weights: &[u32] =
            if is_final { &[18, 2, 0, 2, 1, 1, 1, 0] } else { &[30, 4, 6, 6, 4, 4, 4, 1] };
        self.mood = match rng.weighted(weights) {
            1 => Mood::Slow,
            2 => Mood::Flaky,
            3 => Mood::Failing,
            4 => Mood::Absent,
            5 => Mood::Hanging,
            6 => Mood::Busy,
            7 => Mood::Gone,
            _ => Mood::Well,
        };
        self.until = now
            + match rng.below(10) {
                _ if is_final => i64::MAX - now,
                0 => rng.between(minutes(60), minutes(10 * 24 * 60)),
                1..=3 => rng.between(minutes(1), minutes(120)),
                _ => rng.between(seconds(5), minutes(2)),
            };
    }

    fn answer(&mut self) -> Answer {
        let rng = &mut self.rng;
        let took = rng.between(2_000, 300_000);
        let arrived = |status, what| Answer {
            arrives: true,
            status: Some(status),
            took,
            retry_after: None,
            what,
        };
        match self.mood {
            Mood::Well => arrived(if rng.chance(900) { 200 } else { 204 }, "message taken"),
            Mood::Slow => Answer {
                took: rng.between(seconds(1), TIMEOUT - seconds(1)),
                ..arrived(200, "message taken slowly")
            },
            Mood::Flaky if rng.chance(500) => arrived(202, "message taken"),
            Mood::Flaky | Mood::Failing => {
                arrived(rng.pick(&[500, 503, 400, 301]).unwrap_or(500), "message refused")
            }
            Mood::Absent => Answer {
                arrives: false,
                status: None,
                ..arrived(0, "no connection to an endpoint")
            },
            Mood::Hanging => Answer {
                arrives: rng.chance(700),
                status: None,
                took: TIMEOUT,
                ..arrived(0, "endpoint hangs")
            },
            Mood::Busy => Answer {
                retry_after: Some(rng.between(0, minutes(60 * 24 * 4))).map(|after| {
                    // Mostly little, so that each place of the schedule meets some that count.
                    if rng.chance(300) { after } else { after % minutes(10) }
                }),
                ..arrived(429, "endpoint wants to be left alone")
            },
            Mood::Gone => arrived(410, "endpoint is gone"),
        }
    }
}
