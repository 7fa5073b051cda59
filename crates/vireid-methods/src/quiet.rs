//! Panics that are answers: Burn's backends panic where a device, its driver or its host is missing or has failed.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::MethodError;

thread_local! {
    /// Whether this thread's panics are caught and told in another way.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does some work whose panic is an answer: what it says is returned, and nothing printed. Panics of other threads are heard
/// as ever.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    // One hook, set once and never taken back: threads that swapped hooks in turn could leave a silent one behind.
    HOOK.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                hook(panic);
            }
        }));
    });
    let before = IS_QUIET.replace(true);
    let answer = catch_unwind(AssertUnwindSafe(work));
    IS_QUIET.set(before);
    answer.map_err(|panic| words(panic.as_ref()))
}

/// What work gives that does nothing but read values off a device. Burn reads modules, optimisers and tables by calls that
/// panic when the device does not answer.
///
/// # Errors
///
/// `VR0511`.
pub(crate) fn read_off_device<T>(read: impl FnOnce() -> T) -> Result<T, MethodError> {
    quietly(read).map_err(MethodError::DeviceFailed)
}

/// What a panic said, on one line.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it gave no reason").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_failed_read_is_an_error_with_its_reason() {
        let error = read_off_device::<()>(|| panic!("the device\n  was {}", "lost")).unwrap_err().to_string();
        assert!(error.starts_with("VR0511: the device failed: the device was lost;"), "{error}");
        assert_eq!(read_off_device(|| 7).unwrap(), 7);
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
