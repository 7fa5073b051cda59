//! Which addresses a service may listen on.

use std::net::SocketAddr;

use crate::{ServeError, Token};

/// Refuses an address that others can reach where there is no token.
///
/// # Errors
///
/// `VR0912`.
pub fn check_listen(address: SocketAddr, token: &Option<Token>) -> Result<(), ServeError> {
    // An IPv4 address in IPv6's form is the same place.
    let is_loopback = address.ip().to_canonical().is_loopback();
    if is_loopback || token.is_some() { Ok(()) } else { Err(ServeError::NeedsToken { address }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_needs_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "0123456789abcdef").unwrap();
        let token = Some(Token::from_file(&path).unwrap());
        for address in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            check_listen(address.parse().unwrap(), &None).unwrap();
        }
        for address in ["0.0.0.0:80", "[::]:80", "192.168.1.2:80", "[fe80::1]:80", "[::ffff:10.0.0.1]:80"] {
            let said = check_listen(address.parse().unwrap(), &None).unwrap_err().to_string();
            assert!(said.starts_with("VR0912"), "{said}");
            check_listen(address.parse().unwrap(), &token).unwrap();
        }
    }
}
