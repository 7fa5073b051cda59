//! Panics that are answers: Burn's backends panic where a device, its driver or its host is missing or has failed.

use vireid_core::quietly;

use crate::MethodError;

/// What work gives that does nothing but read values off a device. Burn reads modules, optimisers and tables by calls that
/// panic when the device does not answer.
///
/// # Errors
///
/// `VR0511`; `VR0521` where memory ran out.
pub(crate) fn read_off_device<T>(read: impl FnOnce() -> T) -> Result<T, MethodError> {
    quietly(read).map_err(|reason| MethodError::of_device(&reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_read_is_an_error_with_its_reason() {
        let error = read_off_device::<()>(|| panic!("the device\n  was {}", "lost")).unwrap_err().to_string();
        assert!(error.starts_with("VR0511: the device failed: the device was lost;"), "{error}");
        assert_eq!(read_off_device(|| 7).unwrap(), 7);
        let error = read_off_device::<()>(|| panic!("out of device memory allocating {} bytes\n", 1 << 30));
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("VR0521") && error.contains("1073741824 bytes; set backbone.checkpointing = true"),
            "{error}"
        );
    }
}
