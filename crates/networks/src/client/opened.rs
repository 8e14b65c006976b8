//! Answers that are read while they come, such as a stream of events.

use std::error::Error;
use std::fmt;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};

use super::{BODY_MAX_BYTES, Client, PRODUCT, cause, with_causes};

/// An answer whose head has arrived.
#[derive(Debug)]
pub struct Opened {
    pub status: StatusCode,
    pub headers: HeaderMap,
    body: Incoming,
}

/// Why a request has no answer. The words are those of the libraries, for whoever made the request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OpenError {
    /// The name is unknown, or nobody listens there.
    Connection(String),
    /// No agreement on TLS: the certificate, or the server speaks none.
    Tls(String),
    /// What came was no HTTP/1.1.
    NotHttp,
    /// The connection ended before the answer did.
    Closed(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(reason) => write!(f, "no connection: {reason}"),
            Self::Tls(reason) => write!(f, "no TLS: {reason}"),
            Self::NotHttp => f.write_str("what it answered is not HTTP/1.1"),
            Self::Closed(reason) => write!(f, "the connection ended: {reason}"),
        }
    }
}

impl Error for OpenError {}

impl Client {
    /// Sends a request to any `http://` or `https://` address and answers as soon as the head of the
    /// answer is there. Only connecting has a limit of time; what follows is the caller's.
    ///
    /// # Errors
    /// [`OpenError`]
    pub async fn open(&self, mut request: Request<Bytes>) -> Result<Opened, OpenError> {
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        let is_tls = request.uri().scheme_str() == Some("https");
        let request = request.map(Full::new);
        let answer = match &self.proxied {
            Some(proxied) if is_tls => proxied.request(request).await,
            _ => self.direct.request(request).await,
        };
        let answer = answer.map_err(|error| {
            // The library's own words about a step say nothing that its cause does not.
            let reason = error.source().map_or_else(|| error.to_string(), with_causes);
            if cause::<rustls::Error>(&error).is_some() {
                OpenError::Tls(reason)
            } else if error.is_connect() {
                OpenError::Connection(reason)
            } else if cause::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse) {
                OpenError::NotHttp
            } else {
                OpenError::Closed(reason)
            }
        })?;
        let (head, body) = answer.into_parts();
        Ok(Opened { status: head.status, headers: head.headers, body })
    }
}

impl Opened {
    /// The next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// [`OpenError::Closed`]
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, OpenError> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| OpenError::Closed(with_causes(&error)))?;
            // Trailers are no part of the body.
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The whole body, of at most 1 MiB.
    ///
    /// # Errors
    /// [`OpenError::Closed`], also for a longer one.
    pub async fn whole(self) -> Result<Bytes, OpenError> {
        let body = Limited::new(self.body, BODY_MAX_BYTES).collect().await;
        Ok(body.map_err(|error| OpenError::Closed(with_causes(error.as_ref())))?.to_bytes())
    }
}
