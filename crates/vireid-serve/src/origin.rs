//! Where a request came from: what browsers send for other sites is refused.

use axum::http::header::{FORWARDED, HOST, HeaderName, ORIGIN};
use axum::http::{HeaderMap, Uri};

use crate::failure::Failure;

/// Refuses what a browser sends for another site's page.
///
/// # Errors
///
/// `VR0904`.
pub fn check_origin(headers: &HeaderMap, uri: &Uri) -> Result<(), Failure> {
    let cross_site = headers.get_all("sec-fetch-site").iter().any(|site| site.as_bytes() == b"cross-site");
    if cross_site {
        return Err(Failure::foreign_origin());
    }
    let own = authority(headers, uri);
    let is_own = |origin: &str| {
        let (scheme, place) = origin.split_once("://")?;
        let port = match scheme {
            "http" => ":80",
            // Behind a proxy that speaks TLS.
            "https" => ":443",
            _ => return None,
        };
        let plain = |place: &str| place.strip_suffix(port).unwrap_or(place).to_ascii_lowercase();
        (plain(place) == plain(own?)).then_some(())
    };
    let all_own = headers.get_all(ORIGIN).iter().all(|origin| origin.to_str().ok().and_then(is_own).is_some());
    if all_own { Ok(()) } else { Err(Failure::foreign_origin()) }
}

/// Refuses a host's name that another may have made to point here.
///
/// # Errors
///
/// `VR0903`.
pub fn check_host(headers: &HeaderMap, uri: &Uri) -> Result<(), Failure> {
    let host = authority(headers, uri).map(without_port).unwrap_or_default();
    let is_ours = ["localhost", "127.0.0.1", "[::1]"].iter().any(|ours| host.eq_ignore_ascii_case(ours));
    if is_ours { Ok(()) } else { Err(Failure::foreign_host()) }
}

/// Refuses what came through a proxy: whoever it let in asked for this computer by its name.
///
/// # Errors
///
/// `VR0903`.
pub fn check_direct(headers: &HeaderMap) -> Result<(), Failure> {
    let is_forwarded = |name: &HeaderName| name == FORWARDED || name.as_str().starts_with("x-forwarded-");
    if headers.keys().any(is_forwarded) { Err(Failure::forwarded()) } else { Ok(()) }
}

/// Host and port that the client meant: one only.
fn authority<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    let agrees = uri.authority().is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host));
    (hosts.next().is_none() && agrees).then_some(host)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_names_of_this_computer() {
        let uri = Uri::from_static("/");
        let with = |host: &str| check_host(&headers(&[("host", host)]), &uri).is_ok();
        for ours in ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]", "[::1]:8080"] {
            assert!(with(ours), "{ours}");
        }
        for other in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "::1",
            "localhost:x",
            "x@localhost",
        ] {
            assert!(!with(other), "{other}");
        }
        assert!(check_host(&HeaderMap::new(), &uri).is_err());
        let mut twice = headers(&[("host", "localhost")]);
        twice.append("host", "evil.example".parse().unwrap());
        assert!(check_host(&twice, &uri).is_err());
        assert!(check_host(&headers(&[("host", "localhost")]), &Uri::from_static("http://evil.example/")).is_err());
    }

    #[test]
    fn nothing_that_a_proxy_passes_on() {
        let with = |name: &'static str| check_direct(&headers(&[("host", "localhost"), (name, "x")])).is_ok();
        assert!(with("accept"));
        for name in ["forwarded", "x-forwarded-for", "x-forwarded-host", "X-Forwarded-Proto"] {
            assert!(!with(name), "{name}");
        }
    }

    #[test]
    fn only_pages_of_the_service_itself() {
        let with = |pairs: &[(&'static str, &str)]| check_origin(&headers(pairs), &Uri::from_static("/")).is_ok();
        let host = ("host", "Here.example:8080");
        assert!(with(&[host]) && with(&[]));
        assert!(with(&[host, ("origin", "http://here.example:8080")]));
        assert!(with(&[("host", "here.example"), ("origin", "https://here.example")]));
        assert!(with(&[("host", "here.example:80"), ("origin", "http://here.example")]));
        for other in [
            "null",
            "",
            "http://here.example",
            "http://there.example:8080",
            "file://here.example:8080",
            "here.example:8080",
        ] {
            assert!(!with(&[host, ("origin", other)]), "{other}");
        }
        assert!(!with(&[("origin", "http://here.example")]));
        assert!(!with(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(with(&[host, ("sec-fetch-site", "same-origin")]));
    }
}
