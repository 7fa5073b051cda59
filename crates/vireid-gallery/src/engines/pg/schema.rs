//! The tables of a gallery in PostgreSQL, and its statements.

use postgres::{Client, GenericClient};

use super::engine;
use crate::{GalleryError, Model};

/// Numbers of an embedding that pgvector keeps at most.
const LONGEST: usize = 16_000;
/// Numbers of an embedding that its index takes in half precision. That in single precision ends at 2,000.
const LONGEST_INDEXED: usize = 4_000;

/// The number of the lock under which galleries are made; any would do.
const CREATING: i64 = 0x7669_7265_6964;

/// The names of a gallery's tables, and how its statements compare.
pub struct Schema {
    /// Of the entries.
    pub table: String,
    /// Of the judgements.
    pub judgements: String,
    /// The distance from the vector in `$1`, as the index has it where there is one.
    pub distance: String,
}

impl Schema {
    pub fn new(table: &str, dim: usize) -> Self {
        let distance = match dim {
            ..=LONGEST_INDEXED => format!("embedding::halfvec({dim}) <#> $1::real[]::halfvec({dim})"),
            _ => format!("embedding <#> $1::real[]::vector({dim})"),
        };
        Self { table: table.into(), judgements: format!("{table}_judgements"), distance }
    }
}

/// The network of a gallery; `None` where there is none.
pub fn model_of(client: &mut impl GenericClient, table: &str) -> Result<Option<Model>, GalleryError> {
    let table = format!("{table}_model");
    // Not `to_regclass`, which may still answer what it did before another program made the table.
    let there = "SELECT 1 FROM pg_class WHERE relname = $1::text AND pg_table_is_visible(oid)";
    if client.query_opt(there, &[&table])?.is_none() {
        return Ok(None);
    }
    let bad = |reason: String| engine(format!("the table {table} is no gallery's: {reason}"));
    let row = client.query_opt(&format!("SELECT model FROM {table}"), &[])?;
    let text: String = row.ok_or_else(|| bad("it is empty".into()))?.try_get(0)?;
    serde_json::from_str(&text).map(Some).map_err(|error| bad(error.to_string()))
}

/// Makes the tables of a gallery, all or none, unless another program has made them meanwhile.
pub fn create(
    client: &mut Client,
    table: &str,
    model: &Model,
    no_gallery: &dyn Fn(String) -> GalleryError,
) -> Result<(), GalleryError> {
    let dim = model.dim;
    if !(1..=LONGEST).contains(&dim) {
        return Err(no_gallery(format!("pgvector keeps 1 to {LONGEST} numbers for an embedding, not {dim}")));
    }
    let mut transaction = client.transaction()?;
    // Two programs that make an extension or a table at one time are both refused, so they go one after the other.
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&CREATING])?;
    if model_of(&mut transaction, table)?.is_some() {
        return Ok(());
    }
    make_extension(&mut transaction)?;
    check_extension(&mut transaction)?;
    let index = match dim {
        ..=LONGEST_INDEXED => {
            format!("CREATE INDEX ON {table} USING hnsw ((embedding::halfvec({dim})) halfvec_ip_ops);")
        }
        _ => String::new(),
    };
    transaction.batch_execute(&format!(
        "CREATE TABLE {table}_model (only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one), model text NOT NULL);
         CREATE TABLE {table} (
             number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             id text COLLATE \"C\" UNIQUE NOT NULL,
             modality text NOT NULL,
             camera text COLLATE \"C\" NOT NULL,
             time_ms bigint,
             metadata jsonb NOT NULL,
             crops bigint NOT NULL,
             spread real NOT NULL,
             person bigint,
             embedding vector({dim}) NOT NULL,
             image bytea);
         CREATE INDEX ON {table} (camera);
         CREATE INDEX ON {table} (time_ms);
         CREATE INDEX ON {table} USING gin (metadata jsonb_path_ops);
         {index}
         CREATE TABLE {table}_judgements (
             number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             query text COLLATE \"C\",
             query_modality text NOT NULL,
             answer text COLLATE \"C\" NOT NULL,
             answer_modality text NOT NULL,
             similarity real NOT NULL,
             same boolean NOT NULL,
             time_ms bigint NOT NULL);
         CREATE INDEX ON {table}_judgements (query);
         CREATE INDEX ON {table}_judgements (answer);"
    ))?;
    let text = serde_json::to_string(model).map_err(|error| engine(error.to_string()))?;
    transaction.execute(&format!("INSERT INTO {table}_model (model) VALUES ($1)"), &[&text])?;
    Ok(transaction.commit()?)
}

fn make_extension(client: &mut impl GenericClient) -> Result<(), GalleryError> {
    let mut has =
        |from: &str| client.query_opt(&format!("SELECT 1 FROM {from} = 'vector'"), &[]).map(|row| row.is_some());
    if has("pg_extension WHERE extname")? {
        return Ok(());
    }
    if !has("pg_available_extensions WHERE name")? {
        return Err(engine(
            "the server has no pgvector; install the package of that name for its version of PostgreSQL",
        ));
    }
    client.batch_execute("CREATE EXTENSION IF NOT EXISTS vector").map_err(|error| {
        let said = super::with_sources(&error);
        engine(format!("the database lacks pgvector; have its owner run CREATE EXTENSION vector ({said})"))
    })
}

/// Searches rely on index scans that go on until enough rows pass the filter, which pgvector has from 0.8.
pub fn check_extension(client: &mut impl GenericClient) -> Result<(), GalleryError> {
    let row = client.query_opt("SELECT extversion FROM pg_extension WHERE extname = 'vector'", &[])?;
    let version: String = row.ok_or_else(|| engine("the database lacks pgvector"))?.try_get(0)?;
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if (major, minor) < (0, 8) {
        return Err(engine(format!("the database has pgvector {version}; 0.8 or newer is needed")));
    }
    Ok(())
}
