//! Galleries that are kept by engines of others.
//!
//! Each engine is asked for more entries than are wanted, by its own index and in its own arithmetic; what it finds is then
//! compared anew, with the numbers that were put in. So the similarities are those of every other store; which entries are found
//! at all is the engine's doing, and `recall` measures it.

#[cfg(feature = "lance")]
mod lance;
#[cfg(feature = "postgres")]
mod pg;
#[cfg(feature = "qdrant")]
mod qdrant;
#[cfg(any(feature = "lance", feature = "postgres", feature = "qdrant"))]
mod ranked;
#[cfg(any(feature = "lance", feature = "qdrant"))]
mod tags;

#[cfg(feature = "lance")]
pub use lance::Lance;
#[cfg(feature = "postgres")]
pub use pg::Postgres;
#[cfg(feature = "qdrant")]
pub use qdrant::Qdrant;

use crate::{GalleryError, LanceAddress, Opening, PostgresAddress, QdrantAddress, Store};

/// A gallery in Lance files.
#[cfg(feature = "lance")]
pub fn open_lance(address: &LanceAddress, opening: Opening<'_>) -> Result<Box<dyn Store>, GalleryError> {
    Ok(Box::new(Lance::open(address, opening)?))
}

/// Says that the build lacks it.
#[cfg(not(feature = "lance"))]
pub fn open_lance(address: &LanceAddress, _: Opening<'_>) -> Result<Box<dyn Store>, GalleryError> {
    Err(GalleryError::NoEngine { address: address.to_string(), feature: "lance" })
}

/// A gallery in PostgreSQL.
#[cfg(feature = "postgres")]
pub fn open_postgres(address: &PostgresAddress, opening: Opening<'_>) -> Result<Box<dyn Store>, GalleryError> {
    Ok(Box::new(Postgres::open(address, opening)?))
}

/// Says that the build lacks it.
#[cfg(not(feature = "postgres"))]
pub fn open_postgres(address: &PostgresAddress, _: Opening<'_>) -> Result<Box<dyn Store>, GalleryError> {
    Err(GalleryError::NoEngine { address: address.to_string(), feature: "postgres" })
}

/// A gallery in Qdrant.
#[cfg(feature = "qdrant")]
pub fn open_qdrant(address: &QdrantAddress, opening: Opening<'_>) -> Result<Box<dyn Store>, GalleryError> {
    Ok(Box::new(Qdrant::open(address, opening)?))
}

/// Says that the build lacks it.
#[cfg(not(feature = "qdrant"))]
pub fn open_qdrant(address: &QdrantAddress, _: Opening<'_>) -> Result<Box<dyn Store>, GalleryError> {
    Err(GalleryError::NoEngine { address: address.to_string(), feature: "qdrant" })
}
