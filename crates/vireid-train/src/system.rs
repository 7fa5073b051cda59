//! What the system tells of memory.

use std::path::Path;

/// The largest memory this process has held, in MiB; `None` where the system does not tell.
pub fn peak_memory_mib() -> Option<f64> {
    Some(kib_of("/proc/self/status", "VmHWM:")? / 1024.0)
}

/// A figure in KiB of one of the system's tables.
fn kib_of(table: &str, name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(table).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Bytes of main memory that this process may come to hold: what it holds, and what is free to the machine and to the group of
/// processes (a container) that it runs in. `None` where the system does not tell.
pub(crate) fn available_memory() -> Option<f64> {
    let free = kib_of("/proc/meminfo", "MemAvailable:")? * 1024.0;
    let held = kib_of("/proc/self/status", "VmRSS:")? * 1024.0;
    Some(group_memory().map_or(free, |of_group| free.min(of_group)).max(0.0) + held)
}

/// Bytes that are left to the process's group, where it has a limit.
fn group_memory() -> Option<f64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let root = Path::new("/sys/fs/cgroup");
    let of_second =
        root.join(own).ancestors().filter(|folder| folder.starts_with(root)).map(left_in_group).fold(None, least);
    let of_first = left_in_first_group(&root.join("memory"));
    least(of_second, of_first)
}

fn least(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    [a, b].into_iter().flatten().reduce(f64::min)
}

fn number_in(file: &Path) -> Option<f64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Limit and use of a group as Linux has them now. Pages of files are given back when memory is short.
fn left_in_group(folder: &Path) -> Option<f64> {
    let (limit, used) = (number_in(&folder.join("memory.max"))?, number_in(&folder.join("memory.current"))?);
    let statistics = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let files = statistics.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse().ok());
    Some(limit - used + files.unwrap_or(0.0))
}

/// The same as Linux had them before; "no limit" is a number beyond all memory.
fn left_in_first_group(folder: &Path) -> Option<f64> {
    Some(number_in(&folder.join("memory.limit_in_bytes"))? - number_in(&folder.join("memory.usage_in_bytes"))?)
}

/// Bytes that are free on the graphics card of a device's name, the least where it can't be told which of several it is.
/// `None` where the system does not tell.
pub(crate) fn available_card_memory(device: &str) -> Option<f64> {
    if !device.starts_with("cuda") {
        return None;
    }
    let query = ["--query-gpu=memory.free", "--format=csv,noheader,nounits"];
    let output = std::process::Command::new("nvidia-smi").args(query).output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|line| line.trim().parse::<f64>().ok()).map(|mib| mib * f64::from(1 << 20)).reduce(f64::min)
}

/// A 64-bit fingerprint of bytes: tells configurations and data apart, protects against nothing.
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_free_is_less_than_there_is() {
        let (free, total) = (available_memory().unwrap(), kib_of("/proc/meminfo", "MemTotal:").unwrap() * 1024.0);
        assert!(free > 0.0 && free <= 1.1 * total, "{free} of {total}");
    }

    #[test]
    fn a_group_leaves_what_is_under_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(left_in_group(folder.path()), None);
        write("memory.current", "700\n");
        write("memory.max", "max\n");
        assert_eq!(left_in_group(folder.path()), None, "no limit");
        write("memory.max", "1000\n");
        assert_eq!(left_in_group(folder.path()), Some(300.0));
        write("memory.stat", "anon 600\ninactive_file 90\n");
        assert_eq!(left_in_group(folder.path()), Some(390.0));
        assert_eq!(
            (least(None, Some(2.0)), least(Some(1.0), Some(2.0)), least(None, None)),
            (Some(2.0), Some(1.0), None)
        );
    }
}
