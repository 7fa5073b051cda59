//! The gallery in Lance's tables.

use std::collections::{BTreeMap, HashMap};

use super::read::read_mark;
use super::{Lance, engine, rows, schema};
use crate::in_memory::{check_embedding, check_items};
use crate::{Added, Count, Existing, Filter, GalleryError, Hit, Item, Judgement, Kept, Model, Page, Store};

impl Store for Lance {
    fn model(&self) -> &Model {
        &self.model
    }

    fn count(&self) -> Result<Count, GalleryError> {
        self.run(|tables| async move { tables.steady(|| tables.count()).await })
    }

    fn add(&self, items: Vec<Item>, existing: Existing) -> Result<Vec<Added>, GalleryError> {
        check_items(&items, self.model.dim)?;
        let ids: Vec<String> = items.iter().map(|item| item.facts.id.clone()).collect();
        let pass = self.writing()?;
        let asked = ids.clone();
        let there = self.run(|tables| async move { tables.there(&asked).await })?;
        let become_of = |id: &String| match (there.contains_key(id), existing) {
            (false, _) => Added::New,
            (true, Existing::Keep) => Added::Kept,
            (true, _) => Added::Replaced,
        };
        let added: Vec<Added> = ids.iter().map(become_of).collect();
        if existing == Existing::Refuse
            && let Some(id) = ids.iter().find(|id| there.contains_key(*id))
        {
            return Err(GalleryError::Exists { id: id.clone() });
        }
        let written = items.into_iter().zip(&added).filter(|(_, added)| **added != Added::Kept).map(|(item, _)| item);
        let written: Vec<Item> = written.collect();
        if written.is_empty() {
            return Ok(added);
        }
        let replaced: Vec<String> = ids.iter().filter(|id| there.contains_key(*id)).cloned().collect();
        let is_replacing = existing == Existing::Replace && !replaced.is_empty();
        if is_replacing {
            // What was said of them is forgotten with them; first, so that none of it is said of the new ones if this is cut
            // short.
            self.run(|tables| async move { tables.forget_judgements(&replaced).await })?;
        }
        let dim = i32::try_from(self.model.dim).map_err(|_| engine("its embeddings are too long"))?;
        let batch = rows::batch(schema::entries(&self.model)?, &written, self.numbers(written.len()), dim)?;
        let (done, wanted) =
            (self.run(|tables| async move { tables.write(batch, is_replacing).await })?, written.len());
        if done != wanted as u64 {
            return Err(engine(format!(
                "{done} of {wanted} entries were added: another program wrote at the same time"
            )));
        }
        // They are added all the same. What could not be done is owed, and a later call does it.
        _ = self.put_in_order(&pass, is_replacing);
        Ok(added)
    }

    fn get(&self, id: &str) -> Result<Option<Kept>, GalleryError> {
        let id = id.to_string();
        self.run(|tables| async move { tables.steady(|| tables.get(&id)).await })
    }

    fn image(&self, id: &str) -> Result<Option<Vec<u8>>, GalleryError> {
        let id = id.to_string();
        self.run(|tables| async move { tables.steady(|| tables.image(&id)).await })
    }

    fn search(&self, query: &[f32], filter: &Filter, top: usize) -> Result<Vec<Hit>, GalleryError> {
        check_embedding(query, self.model.dim)?;
        let (query, filter) = (query.to_vec(), filter.clone());
        self.run(|tables| async move { tables.steady(|| tables.nearest(&query, &filter, top)).await })
    }

    fn delete(&self, ids: &[String]) -> Result<u64, GalleryError> {
        let pass = self.writing()?;
        let ids = ids.to_vec();
        let deleted = self.run(|tables| async move {
            let there: Vec<String> = tables.there(&ids).await?.into_keys().collect();
            tables.forget(&there).await
        })?;
        self.put_in_order(&pass, deleted > 0)?;
        Ok(deleted)
    }

    fn delete_matching(&self, filter: &Filter) -> Result<u64, GalleryError> {
        let pass = self.writing()?;
        let filter = filter.clone();
        let deleted = self.run(|tables| async move {
            let ids = tables.admitted(&filter).await?;
            tables.forget(&ids).await
        })?;
        self.put_in_order(&pass, deleted > 0)?;
        Ok(deleted)
    }

    fn page(&self, after: Option<&str>, filter: &Filter, limit: usize) -> Result<Page, GalleryError> {
        let after = after.map(read_mark).transpose()?;
        if limit == 0 {
            return Ok(Page { entries: Vec::new(), next: None });
        }
        let filter = filter.clone();
        self.run(|tables| async move { tables.steady(|| tables.page(after.as_ref(), &filter, limit)).await })
    }

    fn judge(&self, judgement: Judgement) -> Result<(), GalleryError> {
        let pass = self.writing()?;
        let number = self.numbers(1);
        let named: Vec<String> = judgement.query.iter().chain([&judgement.answer]).cloned().collect();
        self.run(|tables| async move {
            refuse_unknown(&named, &tables.there(&named).await?)?;
            tables.keep_judgement(&judgement, number).await
        })?;
        _ = self.put_in_order(&pass, false);
        Ok(())
    }

    fn judgements(&self) -> Result<Vec<Judgement>, GalleryError> {
        self.run(|tables| async move { tables.steady(|| tables.all_judgements()).await })
    }

    fn assign(&self, people: &[(String, Option<u64>)]) -> Result<(), GalleryError> {
        let pass = self.writing()?;
        let ids: Vec<String> = people.iter().map(|(id, _)| id.clone()).collect();
        // The last word on an entry counts.
        let last: BTreeMap<String, Option<u64>> = people.iter().cloned().collect();
        let last: Vec<(String, Option<u64>)> = last.into_iter().collect();
        if last.is_empty() {
            return Ok(());
        }
        self.run(|tables| async move {
            refuse_unknown(&ids, &tables.there(&ids).await?)?;
            tables.assign(&last).await
        })?;
        _ = self.put_in_order(&pass, false);
        Ok(())
    }
}

fn refuse_unknown<V>(ids: &[String], there: &HashMap<String, V>) -> Result<(), GalleryError> {
    match ids.iter().find(|id| !there.contains_key(*id)) {
        None => Ok(()),
        Some(id) => Err(GalleryError::Unknown { id: id.clone() }),
    }
}
