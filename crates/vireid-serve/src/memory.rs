//! How much memory the images of all requests may take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::failure::Failure;

/// Bytes of one permit.
const GRAIN: usize = 1024;

/// How much memory the images of all requests can take.
pub struct Memory(Arc<Semaphore>);

/// Bytes of a client, and the room in memory that they take: it is free again when they are gone.
#[derive(Default)]
pub struct Upload {
    pub bytes: Vec<u8>,
    room: Vec<OwnedSemaphorePermit>,
}

impl Memory {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / GRAIN).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Room for so many bytes; it is free again when what is returned is gone.
    ///
    /// # Errors
    ///
    /// `VR0906` where there is none.
    pub fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Failure> {
        let full = || Failure::busy("the requests of others take all the memory that there is for them");
        let permits = u32::try_from(bytes.div_ceil(GRAIN)).map_err(|_| full())?;
        self.0.clone().try_acquire_many_owned(permits).map_err(|_| full())
    }

    /// Adds bytes to an upload.
    ///
    /// # Errors
    ///
    /// `VR0906` where there is no room.
    pub fn extend(&self, upload: &mut Upload, bytes: &[u8]) -> Result<(), Failure> {
        let needed = (upload.bytes.len() + bytes.len()).div_ceil(GRAIN) - upload.bytes.len().div_ceil(GRAIN);
        if needed > 0 {
            let more = self.reserve(needed * GRAIN)?;
            match upload.room.first_mut() {
                Some(room) => room.merge(more),
                None => upload.room.push(more),
            }
        }
        upload.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_free_again_when_the_bytes_are_gone() {
        let memory = Memory::new(4 * GRAIN);
        let mut first = Upload::default();
        for _ in 0..3 * GRAIN {
            memory.extend(&mut first, b"x").unwrap();
        }
        let mut second = Upload::default();
        memory.extend(&mut second, &[0; GRAIN]).unwrap();
        assert_eq!(memory.extend(&mut second, b"x").unwrap_err().status, 503);
        assert_eq!((first.bytes.len(), second.bytes.len()), (3 * GRAIN, GRAIN));
        drop(first);
        memory.extend(&mut second, &[0; 3 * GRAIN]).unwrap();
    }
}
