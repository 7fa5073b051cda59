//! Panics of other people's parsers, turned into reasons.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// How many guards this thread is inside of.
    static GUARDS: Cell<usize> = const { Cell::new(0) };
}

/// Runs a parser of another crate on a file that nobody vouches for. Such a parser may panic where it should refuse; here,
/// at the edge, that is a reason to refuse the file, and nothing is printed.
///
/// # Errors
///
/// What the parser said when it panicked, as a reason for a message. A stack overflow and a lack of memory end the process
/// all the same.
///
/// ```
/// let bytes: Vec<u8> = Vec::new();
/// let first = vireid_core::guard_parser(|| bytes[0]);
/// assert!(first.unwrap_err().contains("index out of bounds"));
/// ```
pub fn guard_parser<T>(parse: impl FnOnce() -> T) -> Result<T, String> {
    quietly(parse).map_err(|words| format!("it is damaged, and its parser gave up on it ({words})"))
}

/// Does some work whose panic is an answer, and prints nothing of it. Panics of other threads are heard as ever.
///
/// # Errors
///
/// What the panic said, on one line.
pub fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    GUARDS.set(GUARDS.get() + 1);
    let answer = catch_unwind(AssertUnwindSafe(work));
    GUARDS.set(GUARDS.get() - 1);
    answer.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        one_line(text.unwrap_or("it gave no reason"))
    })
}

/// A message of another crate on one line.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Hooks belong to the process, guards to a thread: one hook, put in once and never taken out, is silent for guarded threads
/// and hands every other panic to the hook that was there before. In the instant between taking that one and setting ours, a
/// panic of another thread is told by the standard library's hook: heard, though not as the process's own hook would tell it.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            let is_guarded = GUARDS.try_with(|guards| guards.get() > 0).unwrap_or(false);
            if !is_guarded {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_guarded_panic_is_a_reason() {
        let reason = guard_parser(|| -> u8 { panic!("no such table") }).unwrap_err();
        assert!(reason.contains("damaged") && reason.contains("no such table"), "{reason}");
        assert_eq!(guard_parser(|| 7), Ok(7));
        assert_eq!(quietly(|| quietly(|| panic!("inner")).unwrap_or(3)), Ok(3));
    }

    #[test]
    fn the_message_is_one_line() {
        let reason = guard_parser(|| panic!("{}\n  {}", "first", "second")).unwrap_err();
        assert!(reason.contains("(first second)"), "{reason}");
        assert!(guard_parser(|| std::panic::panic_any(7)).unwrap_err().contains("it gave no reason"));
    }

    /// Threads that swapped the process's panic hook at the same time could mute every later panic. In a process of its own,
    /// since a hook is the whole process's.
    #[test]
    fn quiet_threads_mute_nobody_else() {
        const CHILD: &str = "VIREID_TEST_QUIET_THREADS";
        const THREADS: usize = 8;
        const ROUNDS: usize = 200;
        static HEARD: AtomicUsize = AtomicUsize::new(0);
        if std::env::var_os(CHILD).is_none() {
            let child = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "panics::tests::quiet_threads_mute_nobody_else"])
                .env(CHILD, "1")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&child.stdout);
            assert!(child.status.success() && said.contains("1 passed"), "{said}");
            return;
        }
        let report = take_hook();
        set_hook(Box::new(move |panic| match panic.payload().downcast_ref::<&str>() {
            Some(&"heard") => _ = HEARD.fetch_add(1, Ordering::SeqCst),
            Some(&"muted") => HEARD.store(1 << 20, Ordering::SeqCst),
            _ => report(panic),
        }));
        install_hook();
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
