//! Copying a gallery into another.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use serde::Serialize;

use crate::in_memory::dot;
use crate::{Added, Existing, GalleryError, Item, Judgement, Kept, Page, Store};

/// Entries that are copied at a time, with their images.
const PAGE: usize = 128;

/// What a copy has done. Entries that were there already are those of an earlier copy that was stopped, as a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Copied {
    /// Entries that are new in the target.
    pub entries: u64,
    /// Entries that were there already, and stayed.
    pub there: u64,
    /// Entries whose id was there already with other facts or another embedding, and stayed as they were: of `there`, but not copied.
    pub differing: u64,
    /// Entries that were deleted from the source while they were copied, and are not in the target for that reason.
    pub deleted: u64,
    /// Images that were copied.
    pub images: u64,
    /// Images that the target can't keep.
    pub images_left: u64,
    /// Entries that were put to their people.
    pub people: u64,
    /// Entries whose people the target can't keep.
    pub people_left: u64,
    /// Judgements that were copied.
    pub judgements: u64,
    /// Judgements that the target can't keep.
    pub judgements_left: u64,
    /// Whether it went to the end.
    pub finished: bool,
}

/// Copies a gallery into another, in the order of age, page by page. An id that is in the target already stays as it is there, so
/// a copy that was stopped goes on when it is made again.
///
/// After each page `progress` is told what was done until then, and can stop the copy.
///
/// What is deleted from the source while its page is copied is taken out of the target again; what is deleted later stays there.
///
/// # Errors
///
/// `VR0804` where the two hold embeddings of different networks; then nothing is copied. Whatever else the stores say.
pub fn copy(
    from: &dyn Store,
    to: &dyn Store,
    mut progress: impl FnMut(&Copied) -> ControlFlow<()>,
) -> Result<Copied, GalleryError> {
    to.model().check(from.model())?;
    let mut copied = Copied::default();
    let mut after: Option<String> = None;
    let mut replaced = Vec::new();
    loop {
        let page = from.page(after.as_deref(), &Default::default(), PAGE)?;
        let next = page.next.clone();
        replaced.extend(copy_page(from, to, page, after.as_deref(), &mut copied)?);
        if progress(&copied).is_break() {
            return Ok(copied);
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    // What was replaced while its page was copied has moved to the end, and may lie behind what was the last page then.
    while !replaced.is_empty() {
        let mut entries = Vec::new();
        for id in std::mem::take(&mut replaced) {
            if to.get(&id)?.is_none() {
                entries.extend(from.get(&id)?);
            }
        }
        let page = Page { entries, next: None };
        replaced = copy_page(from, to, page, None, &mut copied)?;
        if progress(&copied).is_break() {
            return Ok(copied);
        }
    }
    copy_judgements(from, to, &mut copied)?;
    copied.finished = true;
    Ok(copied)
}

/// Which of its entries were replaced meanwhile, and are not in the target for that reason.
fn copy_page(
    from: &dyn Store,
    to: &dyn Store,
    page: Page,
    after: Option<&str>,
    copied: &mut Copied,
) -> Result<Vec<String>, GalleryError> {
    let (mut items, mut people) = (Vec::new(), Vec::new());
    for entry in page.entries {
        let person = (entry.facts.id.clone(), entry.person);
        match to.get(&entry.facts.id)? {
            None => {
                people.push(person);
                items.push(with_image(from, to, entry, copied)?);
            }
            Some(there) => {
                copied.there += 1;
                if !is_same(&there, &entry) {
                    copied.differing += 1;
                } else if there.person.is_none() {
                    // Of a copy that was stopped between the entries and their people.
                    people.push(person);
                }
            }
        }
    }
    let ids: Vec<String> = items.iter().map(|item| item.facts.id.clone()).collect();
    let mut as_copied: HashMap<String, Item> = items.iter().map(|item| (item.facts.id.clone(), item.clone())).collect();
    let added = if items.is_empty() { Vec::new() } else { to.add(items, Existing::Keep)? };
    let new: Vec<String> =
        ids.into_iter().zip(added).filter(|(_, added)| *added == Added::New).map(|(id, _)| id).collect();
    copied.entries += new.len() as u64;
    let (mut gone, mut replaced) = (Vec::new(), Vec::new());
    for id in gone_meanwhile(from, new, after)? {
        match from.get(&id)? {
            None => copied.deleted += 1,
            Some(now) if is_as_copied(from, &now, as_copied.remove(&id))? => continue,
            Some(_) => replaced.push(id.clone()),
        }
        gone.push(id);
    }
    if !gone.is_empty() {
        to.delete(&gone)?;
        copied.entries -= gone.len() as u64;
    }
    people.retain(|(id, person)| person.is_some() && !gone.contains(id));
    if to.keeps().people && !people.is_empty() {
        to.assign(&people)?;
        copied.people += people.len() as u64;
    } else {
        copied.people_left += people.len() as u64;
    }
    Ok(replaced)
}

fn with_image(from: &dyn Store, to: &dyn Store, entry: Kept, copied: &mut Copied) -> Result<Item, GalleryError> {
    let image = match (entry.has_image, to.keeps().images) {
        (false, _) => None,
        (true, false) => {
            copied.images_left += 1;
            None
        }
        (true, true) => from.image(&entry.facts.id)?,
    };
    copied.images += u64::from(image.is_some());
    Ok(Item { facts: entry.facts, embedding: entry.embedding, image })
}

/// Which of the entries of a page are not on it any more: they were deleted, or replaced and so moved to the end.
fn gone_meanwhile(from: &dyn Store, new: Vec<String>, after: Option<&str>) -> Result<Vec<String>, GalleryError> {
    if new.is_empty() {
        return Ok(new);
    }
    let again = from.page(after, &Default::default(), PAGE)?;
    let left: HashSet<String> = again.entries.into_iter().map(|entry| entry.facts.id).collect();
    Ok(new.into_iter().filter(|id| !left.contains(id)).collect())
}

/// Whether an entry of the source is what was copied of it, though it lies elsewhere.
fn is_as_copied(from: &dyn Store, now: &Kept, copied: Option<Item>) -> Result<bool, GalleryError> {
    let Some(copied) = copied else { return Ok(false) };
    let same = now.facts == copied.facts && now.embedding == copied.embedding;
    Ok(same && (copied.image.is_none() || from.image(&now.facts.id)? == copied.image))
}

/// Stores may keep an embedding with fewer digits than it came with.
fn is_same(there: &Kept, entry: &Kept) -> bool {
    there.facts == entry.facts && dot(&there.embedding, &entry.embedding) > 0.999
}

fn copy_judgements(from: &dyn Store, to: &dyn Store, copied: &mut Copied) -> Result<(), GalleryError> {
    if !from.keeps().judgements {
        return Ok(());
    }
    let judgements = from.judgements()?;
    if !to.keeps().judgements {
        copied.judgements_left = judgements.len() as u64;
        return Ok(());
    }
    // By the bytes of their JSON, for a list of them would be gone through for each.
    let key = |judgement: &Judgement| serde_json::to_string(judgement).unwrap_or_default();
    let there: HashSet<String> = to.judgements()?.iter().map(key).collect();
    for judgement in judgements.into_iter().filter(|judgement| !there.contains(&key(judgement))) {
        match to.judge(judgement) {
            Ok(()) => copied.judgements += 1,
            // Its entries were deleted meanwhile.
            Err(GalleryError::Unknown { .. }) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
