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
    use std::panic::catch_unwind;
    use std::sync::atomic::{AtomicUsize, Ordering};

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
        assert_eq!(quietly(|| quietly(|| panic!("inner")).unwrap_or(3)), Ok(3));
    }

    /// Threads that swapped the process's panic hook at the same time could mute every later panic. In a process of its own,
    /// since a hook is the whole process's.
    #[test]
    fn quiet_threads_mute_nobody_else() {
        const CHILD: &str = "VIREID_TEST_QUIET_THREADS";
        const THREADS: usize = 8;
        static HEARD: AtomicUsize = AtomicUsize::new(0);
        if std::env::var_os(CHILD).is_none() {
            let child = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "quiet::tests::quiet_threads_mute_nobody_else"])
                .env(CHILD, "1")
                .output()
                .unwrap();
            assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
            return;
        }
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match panic.payload().downcast_ref::<&str>() {
            Some(&"heard") => _ = HEARD.fetch_add(1, Ordering::SeqCst),
            Some(&"muted") => HEARD.store(1 << 20, Ordering::SeqCst),
            _ => report(panic),
        }));
        const ROUNDS: usize = 200;
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..ROUNDS).for_each(|_| assert!(quietly(|| panic!("muted")).is_err())));
                scope.spawn(|| (0..ROUNDS).for_each(|_| assert!(catch_unwind(|| panic!("heard")).is_err())));
            }
        });
        assert!(catch_unwind(|| panic!("heard")).is_err());
        assert_eq!(HEARD.load(Ordering::SeqCst), THREADS * ROUNDS + 1);
    }
}
