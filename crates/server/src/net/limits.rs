//! Applies the rate limits to requests: whom each counts for, and the `RateLimit` headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use domain::kernel::ids::MerchantId;

use crate::api::error::ApiError;
use crate::app::App;
use crate::config::RateLimit;
use crate::net::forwarded::{self, ForwardedFor};
use crate::net::rate_limits::{LimitStatus, Limits};

pub(crate) static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(crate) static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Counts a request of a merchant.
///
/// # Errors
/// 429.
pub fn count(
    limits: &Limits,
    merchant: MerchantId,
    extensions: &Extensions,
) -> Result<(), ApiError> {
    record(limits.take(merchant), extensions)
}

/// Counts a request with an invalid token, by the client's address: guessing tokens is slowed down,
/// and requests with valid tokens from the same address are not.
///
/// # Errors
/// 429.
pub fn count_bad_token(limits: &Limits, extensions: &Extensions) -> Result<(), ApiError> {
    match extensions.get() {
        Some(Client { address, .. }) => record(limits.take_bad_token(*address), extensions),
        None => Ok(()),
    }
}

/// Keeps the status for the response headers.
fn record((fits, status): (bool, LimitStatus), extensions: &Extensions) -> Result<(), ApiError> {
    if let Some(Client { counted, .. }) = extensions.get() {
        // A request is counted once.
        let _ = counted.set(status);
    }
    if fits { Ok(()) } else { Err(ApiError::TooMany(status.reset_seconds.max(1))) }
}

/// What is known of the client before its token is checked, and the limit that the request was
/// counted for.
#[derive(Clone)]
struct Client {
    address: IpAddr,
    counted: Arc<OnceLock<LimitStatus>>,
}

/// Counts a request for a token by the client's address.
pub struct CountTokenRequest;

impl FromRequestParts<App> for CountTokenRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if let (Some(limits), Some(Client { address, .. })) = (&app.limits, parts.extensions.get())
        {
            record(limits.take_token_request(*address), &parts.extensions)?;
        }
        Ok(Self)
    }
}

/// Counts a request for a page by the client's address.
pub struct CountPageRequest;

impl FromRequestParts<App> for CountPageRequest {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if let (Some(limits), Some(Client { address, .. })) = (&app.limits, parts.extensions.get())
        {
            record(limits.take_page(*address), &parts.extensions)?;
        }
        Ok(Self)
    }
}

/// The address that a client is counted by.
pub struct ClientAddress(pub IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip());
        Ok(Self(address_of(peer, &parts.headers)))
    }
}

/// Stands for all clients whose address cannot be known.
const UNKNOWN_CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The client's address; `None` where it cannot be known. Only a proxy on this machine is trusted to
/// name its client.
fn known_address(peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    match forwarded::client(headers) {
        _ if !peer.is_loopback() => Some(peer),
        ForwardedFor::Address(address) => Some(address),
        ForwardedFor::Nothing => Some(peer),
        ForwardedFor::Both => None,
    }
}

/// The whole address of the client of a request; `None` where it cannot be known.
#[must_use]
pub fn client_of(request: &Request) -> Option<IpAddr> {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    known_address(peer.map(|ConnectInfo(peer)| peer.ip()), request.headers())
}

/// The address that a client is counted by. Of an IPv6 address the first 64 bits count: a client can
/// choose the rest.
fn address_of(peer: Option<IpAddr>, headers: &HeaderMap) -> IpAddr {
    match known_address(peer, headers).unwrap_or(UNKNOWN_CLIENT) {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Adds the `RateLimit` headers to every response.
pub async fn add_headers(
    State(limits): State<Arc<Limits>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer =
        request.extensions().get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
    let client = Client { address: address_of(peer, request.headers()), counted: Arc::default() };
    request.extensions_mut().insert(client.clone());
    let mut response = next.run(request).await;
    // A response to a request that was not counted shows the status of the address.
    let counted = client.counted.get().copied();
    let status = counted.unwrap_or_else(|| limits.status_of(client.address));
    let LimitStatus { policy, remaining, reset_seconds } = status;
    let RateLimit { requests, seconds } = limits.limit();
    for (name, value) in [
        (&RATE_LIMIT_POLICY, format!("\"{policy}\";q={requests};w={seconds}")),
        (&RATE_LIMIT, format!("\"{policy}\";r={remaining};t={reset_seconds}")),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name.clone(), value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_known_by_what_it_cannot_choose() {
        let mut headers = HeaderMap::new();
        let of = |peer: &str, headers: &HeaderMap| {
            address_of(Some(peer.parse().unwrap()), headers).to_string()
        };
        assert_eq!(of("203.0.113.7", &headers), "203.0.113.7");
        assert_eq!(of("::ffff:203.0.113.7", &headers), "203.0.113.7");
        assert_eq!(of("2001:db8:1:2:3:4:5:6", &headers), "2001:db8:1:2::");
        headers.insert("x-forwarded-for", HeaderValue::from_static("198.51.100.1, 198.51.100.2"));
        assert_eq!(of("203.0.113.7", &headers), "203.0.113.7", "a stranger is not believed");
        assert_eq!(
            of("127.0.0.1", &headers),
            "198.51.100.2",
            "what the client wrote before is not"
        );
        headers.append("x-forwarded-for", HeaderValue::from_static("nonsense"));
        assert_eq!(of("127.0.0.1", &headers), "127.0.0.1");
        headers.append("x-forwarded-for", HeaderValue::from_static("[2001:db8:1:2::9]:80"));
        assert_eq!(of("127.0.0.1", &headers), "2001:db8:1:2::");
        headers.insert("forwarded", HeaderValue::from_static("for=192.0.2.1"));
        assert_eq!(
            of("127.0.0.1", &headers),
            "0.0.0.0",
            "who writes a field of its own is counted with all who do"
        );
    }
}
