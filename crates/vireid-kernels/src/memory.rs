//! Keeping freed memory.

/// Tells glibc's allocator to keep large freed blocks instead of handing them back to the system.
///
/// A training step allocates and frees the same large tensors over and over; handing them back costs a page fault for
/// every 4 KiB at the next step, up to half of a step of a small network. Call it once at the start of a program that
/// trains on the CPU. It changes the whole process, so no library of this project does it by itself. Elsewhere than on
/// Linux with glibc it does nothing.
#[allow(unsafe_code)]
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: `mallopt` takes two integers and changes parameters of the allocator; it may be called at any time, and
        // blocks handed out before stay valid.
        unsafe {
            libc::mallopt(libc::M_MMAP_MAX, 0);
            libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        }
    }
}
