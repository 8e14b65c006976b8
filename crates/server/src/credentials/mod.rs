//! API keys, passcodes and access tokens: drawing, hashing, signing and checking.

pub mod hashing;
pub mod people;
pub mod purpose;
pub mod realtime;
pub mod sealing;
pub mod secrets;
pub mod tokens;
