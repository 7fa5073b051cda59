//! The tables of a gallery, opened as they are now.

use std::time::Duration;

use lancedb::query::{ColumnOrdering, ExecutableQuery, QueryBase, Select};
use lancedb::{Connection, Error, Table, connect};
use tokio::time::sleep;

use super::{lease, rows, schema};
use crate::{GalleryError, LanceAddress, Model};

/// Name of the table of entries.
pub const ENTRIES: &str = "entries";
/// Name of the table of judgements.
pub const JUDGEMENTS: &str = "judgements";
/// Name of the table that says who may write to a bucket.
const WRITER: &str = "writer";
/// The version of that table from which on it is in use: it was made, by several programs at worst, and taken and let go.
const USED: u64 = 5;
/// How long it takes at most to make it.
const SETTLED: Duration = Duration::from_secs(3);

/// How often a request is made again that a server doesn't answer. By itself the engine goes on for minutes.
const TRIES: (&str, &str, &str) = ("client_max_retries", "3", "OBJECT_STORE_CLIENT_MAX_RETRIES");

/// The tables of a gallery. Every read begins with a look whether another program has written.
#[derive(Debug)]
pub struct Tables {
    pub entries: Table,
    pub judgements: Table,
}

impl Tables {
    /// Opens a gallery, or makes it for a network where there is none: itself, its network, and its last number in the order of
    /// age.
    ///
    /// # Errors
    ///
    /// `VR0808` where there is none, `VR0809`.
    pub async fn open(
        connection: &Connection,
        place: &LanceAddress,
        create: Option<&Model>,
    ) -> Result<(Self, Model, i64), GalleryError> {
        let no_gallery = |reason: String| GalleryError::NoGallery { address: place.to_string(), reason };
        let entries = match (find(connection, ENTRIES).await?, create) {
            (Some(table), _) => table,
            (None, None) => return Err(none(place)),
            (None, Some(model)) => {
                // The entries are last: without them it is no gallery yet.
                if find(connection, JUDGEMENTS).await?.is_none() {
                    connection.create_empty_table(JUDGEMENTS, schema::judgements()).execute().await?;
                }
                connection.create_empty_table(ENTRIES, schema::entries(model)?).execute().await?
            }
        };
        let model = schema::model_of(entries.schema().await?.as_ref()).map_err(no_gallery)?;
        let judgements = find(connection, JUDGEMENTS).await?;
        let judgements = judgements.ok_or_else(|| no_gallery(format!("it lacks the table '{JUDGEMENTS}'")))?;
        let last = last_number(&entries).await?.max(last_number(&judgements).await?);
        Ok((Self { entries, judgements }, model, last))
    }
}

/// That there is no gallery.
pub fn none(place: &LanceAddress) -> GalleryError {
    GalleryError::NoGallery { address: place.to_string(), reason: "there is no gallery of Lance files".into() }
}

/// Connects to a place. A folder is made where there is none.
///
/// # Errors
///
/// `VR0808` for a folder that can't be named to the engine, `VR0809`.
pub async fn connect_to(place: &LanceAddress) -> Result<Connection, GalleryError> {
    let uri = match place {
        LanceAddress::Folder(folder) => {
            let bad = |reason: String| GalleryError::NoGallery { address: place.to_string(), reason };
            let absolute = std::path::absolute(folder).map_err(|error| bad(error.to_string()))?;
            absolute.to_str().ok_or_else(|| bad("its name is no Unicode".into()))?.to_string()
        }
        LanceAddress::Bucket(_) => place.to_string(),
    };
    let mut connecting = connect(&uri).read_consistency_interval(Duration::ZERO);
    let (option, tries, variable) = TRIES;
    if matches!(place, LanceAddress::Bucket(_)) && std::env::var_os(variable).is_none() {
        connecting = connecting.storage_option(option, tries);
    }
    Ok(connecting.execute().await?)
}

/// The table of a bucket that says who may write; made if `create`, unless another program has made it meanwhile.
pub async fn writer(connection: &Connection, place: &LanceAddress, create: bool) -> Result<Table, GalleryError> {
    let table = match find(connection, WRITER).await? {
        Some(table) => table,
        None if !create => return Err(none(place)),
        None => match connection.create_table(WRITER, lease::free()?).execute().await {
            Ok(table) => table,
            Err(error) => find(connection, WRITER).await?.ok_or_else(|| GalleryError::from(error))?,
        },
    };
    // The engine lets a second program that makes it at the same time write over it. That one is waited for, so that it frees no
    // row that somebody has taken.
    if table.version().await? < USED {
        sleep(SETTLED).await;
    }
    Ok(table)
}

async fn find(connection: &Connection, name: &str) -> Result<Option<Table>, GalleryError> {
    match connection.open_table(name).execute().await {
        Ok(table) => Ok(Some(table)),
        Err(Error::TableNotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn last_number(table: &Table) -> Result<i64, GalleryError> {
    let newest = ColumnOrdering::desc_nulls_last("number".into());
    let query = table.query().select(Select::columns(&["number"])).order_by(Some(vec![newest])).limit(1);
    let mut last = 0;
    for batch in super::read::collect(query.execute().await?).await? {
        last = rows::integers(&batch, "number")?.into_iter().flatten().fold(last, i64::max);
    }
    Ok(last)
}
