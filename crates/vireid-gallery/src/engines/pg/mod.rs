//! A gallery in PostgreSQL with pgvector: a table of entries, one of the network, one of judgements.

mod filter;
mod password;
mod rows;
mod schema;
mod store;
mod work;

use std::sync::{Mutex, PoisonError};

use ::postgres::{Client, Config, NoTls};

use self::schema::Schema;
use crate::{GalleryError, Model, Opening, PostgresAddress};

/// A gallery in PostgreSQL. Every call is one transaction, so that what it does is done wholly or not at all.
///
/// What is deleted is never found again, but its bytes stay in the server's files until they are written over. `VACUUM FULL` of the
/// gallery's tables takes them out; that locks the tables and builds the index anew, and so it is left to whoever runs the server.
///
/// It has one connection, without TLS; calls of several threads wait for one another. A connection that broke is made anew by
/// the next call. It blocks, and must not be called from within an asynchronous task.
pub struct Postgres {
    config: Config,
    schema: Schema,
    model: Model,
    client: Mutex<Client>,
}

/// Said without the password.
impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("table", &self.schema.table)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Opens the gallery at an address.
    ///
    /// The password is that of the address, or `PGPASSWORD`, or a line of `~/.pgpass` (`PGPASSFILE`).
    ///
    /// # Errors
    ///
    /// `VR0809` where the server can't be reached, lacks pgvector 0.8 or refuses; `VR0808` where there is no such gallery, or the
    /// network's embeddings are too long for pgvector; `VR0804` where it is of another network.
    pub fn open(address: &PostgresAddress, opening: Opening<'_>) -> Result<Self, GalleryError> {
        let no_gallery = |reason: String| GalleryError::NoGallery { address: address.to_string(), reason };
        let mut config: Config = address.url().parse().map_err(|error| no_gallery(with_sources(&error)))?;
        if config.get_password().is_none()
            && let Some(password) = password::find(&config)
        {
            config.password(password);
        }
        let mut client = config.connect(NoTls)?;
        let mut found = schema::model_of(&mut client, address.table())?;
        if let (None, Opening::OrCreate { model, .. }) = (&found, opening) {
            schema::create(&mut client, address.table(), model, &no_gallery)?;
            found = schema::model_of(&mut client, address.table())?;
        }
        let model = found.ok_or_else(|| no_gallery(format!("the database has no gallery '{}'", address.table())))?;
        opening.model().map_or(Ok(()), |expected| model.check(expected))?;
        schema::check_extension(&mut client)?;
        let schema = Schema::new(address.table(), model.dim);
        Ok(Self { config, schema, model, client: Mutex::new(client) })
    }

    /// Does something with the connection, which is made anew where it broke.
    fn with<R>(&self, work: impl FnOnce(&mut Client) -> Result<R, GalleryError>) -> Result<R, GalleryError> {
        // A transaction that a panic left behind was rolled back when it was dropped.
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if client.is_closed() {
            *client = self.config.connect(NoTls)?;
        }
        work(&mut client)
    }
}

fn engine(reason: impl Into<String>) -> GalleryError {
    GalleryError::Engine { engine: "postgres", reason: reason.into() }
}

impl From<postgres::Error> for GalleryError {
    fn from(error: postgres::Error) -> Self {
        // What the server said, without the "db error" before it.
        error.as_db_error().map_or_else(|| engine(with_sources(&error)), |said| engine(said.to_string()))
    }
}

/// An error and what is behind it.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        said = format!("{said}: {inner}");
        source = inner.source();
    }
    said
}
