//! Rate limits of requests: who is counted, and the fields that say how a caller stands.

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
use crate::net::forwarded::{self, Said};
use crate::net::rate_limits::{Limits, Standing};

pub(crate) static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(crate) static STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// Counts a request of a merchant.
///
/// # Errors
/// 429.
pub fn count(
    limits: &Limits,
    merchant: MerchantId,
    extensions: &Extensions,
) -> Result<(), ApiError> {
    note(limits.take(merchant), extensions)
}

/// Counts a request whose token is not good, by the client's address: whoever tries tokens out is
/// slowed down, and others at the same address are not.
///
/// # Errors
/// 429.
pub fn count_bad(limits: &Limits, extensions: &Extensions) -> Result<(), ApiError> {
    match extensions.get() {
        Some(Call { address, .. }) => note(limits.take_bad(*address), extensions),
        None => Ok(()),
    }
}

/// Leaves a standing for the answer's fields.
fn note((fits, standing): (bool, Standing), extensions: &Extensions) -> Result<(), ApiError> {
    if let Some(Call { counted, .. }) = extensions.get() {
        // A request is counted once.
        let _ = counted.set(standing);
    }
    if fits { Ok(()) } else { Err(ApiError::TooMany(standing.more_in.max(1))) }
}

/// What is known of a request's caller before its token is read, and what it was counted as.
#[derive(Clone)]
struct Call {
    address: IpAddr,
    counted: Arc<OnceLock<Standing>>,
}

/// Counts a request by the client's address.
pub struct ByAddress;

impl FromRequestParts<App> for ByAddress {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if let (Some(limits), Some(Call { address, .. })) = (&app.limits, parts.extensions.get()) {
            note(limits.take_from(*address), &parts.extensions)?;
        }
        Ok(Self)
    }
}

/// Counts a request for a page by the client's address.
pub struct OfPage;

impl FromRequestParts<App> for OfPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        if let (Some(limits), Some(Call { address, .. })) = (&app.limits, parts.extensions.get()) {
            note(limits.take_page(*address), &parts.extensions)?;
        }
        Ok(Self)
    }
}

/// Whom all are counted as whose address cannot be known.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The address that a client is counted by. A proxy on this machine is believed whom it speaks for.
/// Of an IPv6 address, the network counts: a client has the rest to itself.
fn address_of(peer: Option<IpAddr>, headers: &HeaderMap) -> IpAddr {
    let peer = peer.unwrap_or(NOBODY).to_canonical();
    let client = match forwarded::client(headers) {
        _ if !peer.is_loopback() => peer,
        Said::By(address) => address,
        Said::Nothing => peer,
        Said::Both => NOBODY,
    };
    match client {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// Writes on every answer how the caller stands.
pub async fn show(State(limits): State<Arc<Limits>>, mut request: Request, next: Next) -> Response {
    let peer =
        request.extensions().get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| peer.ip());
    let call = Call { address: address_of(peer, request.headers()), counted: Arc::default() };
    request.extensions_mut().insert(call.clone());
    let mut response = next.run(request).await;
    // What was not counted says how the address stands.
    let counted = call.counted.get().copied();
    let standing = counted.unwrap_or_else(|| limits.look(call.address));
    let Standing { policy, left, more_in } = standing;
    let RateLimit { requests, seconds } = limits.limit();
    for (name, value) in [
        (&POLICY, format!("\"{policy}\";q={requests};w={seconds}")),
        (&STANDING, format!("\"{policy}\";r={left};t={more_in}")),
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
