use std::time::Duration;

use lancedb::arrow::arrow_schema::SchemaRef;
use lancedb::query::{ColumnOrdering, ExecutableQuery, QueryBase, Select};
use lancedb::{Connection, Error, Table, connect};

use super::{rows, schema};
use crate::{GalleryError, LanceAddress, Model};

/// Name of the table of entries.
pub const ENTRIES: &str = "entries";
/// Name of the table of judgements.
pub const JUDGEMENTS: &str = "judgements";

/// How often a request is made again that a server doesn't answer. By itself the engine goes on for minutes.
const TRIES: (&str, &str, &str) = ("client_max_retries", "3", "OBJECT_STORE_CLIENT_MAX_RETRIES");

/// The tables of a gallery. Every read begins with a look whether another program has written.
#[derive(Debug)]
pub struct Tables {
    pub entries: Table,
    pub judgements: Table,
}

impl Tables {
    /// Opens a gallery, or makes it for a network where there is none: itself, its network, and its last number in the order of age.
    ///
    /// # Errors
    ///
    /// `VR0808` where there is none, `VR0809`.
    pub async fn open(place: &LanceAddress, create: Option<Model>) -> Result<(Self, Model, i64), GalleryError> {
        let no_gallery = |reason: String| GalleryError::NoGallery { address: place.to_string(), reason };
        let none = || no_gallery("there is no gallery of Lance files".into());
        let uri = match place {
            LanceAddress::Folder(folder) => {
                // Looked for first, for the engine makes the folder.
                if create.is_none() && !folder.join(format!("{ENTRIES}.lance")).is_dir() {
                    return Err(none());
                }
                let absolute = std::path::absolute(folder).map_err(|error| no_gallery(error.to_string()))?;
                absolute.to_str().ok_or_else(|| no_gallery("its name is no Unicode".into()))?.to_string()
            }
            LanceAddress::Bucket(_) => place.to_string(),
        };
        let mut connecting = connect(&uri).read_consistency_interval(Duration::ZERO);
        let (option, tries, variable) = TRIES;
        if matches!(place, LanceAddress::Bucket(_)) && std::env::var_os(variable).is_none() {
            connecting = connecting.storage_option(option, tries);
        }
        let connection = connecting.execute().await?;
        let entries = match (find(&connection, ENTRIES).await?, &create) {
            (Some(table), _) => table,
            (None, None) => return Err(none()),
            (None, Some(model)) => {
                // The entries are last: without them it is no gallery yet.
                make(&connection, JUDGEMENTS, schema::judgements()).await?;
                make(&connection, ENTRIES, schema::entries(model)?).await?
            }
        };
        let model = schema::model_of(entries.schema().await?.as_ref()).map_err(no_gallery)?;
        let judgements = find(&connection, JUDGEMENTS).await?;
        let judgements = judgements.ok_or_else(|| no_gallery(format!("it lacks the table '{JUDGEMENTS}'")))?;
        let last = last_number(&entries).await?.max(last_number(&judgements).await?);
        Ok((Self { entries, judgements }, model, last))
    }
}

async fn find(connection: &Connection, name: &str) -> Result<Option<Table>, GalleryError> {
    match connection.open_table(name).execute().await {
        Ok(table) => Ok(Some(table)),
        Err(Error::TableNotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Makes a table, unless another program has made it meanwhile.
async fn make(connection: &Connection, name: &str, schema: SchemaRef) -> Result<Table, GalleryError> {
    match connection.create_empty_table(name, schema).execute().await {
        Ok(table) => Ok(table),
        Err(error) => match find(connection, name).await? {
            Some(table) => Ok(table),
            None => Err(error.into()),
        },
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
