//! Exact neighbours of every sample within its own group and among all others: of its modality, or of its camera.

use rayon::prelude::*;
use vireid_core::{Embeddings, follow};

use crate::blocks::{BLOCK, Blocks};
use crate::lists::Lists;
use crate::selection::{Selection, limits, locked, offer_row, offer_to_columns, selections, sorted};
use crate::{ClusteringError, NeighbourRanking};

/// Neighbours on both sides of a border, nearest first. A side with fewer samples than were asked for gives what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sides {
    /// How many were asked for.
    pub counts: SideCounts,
    /// Of the sample's own group, itself included.
    pub own: Lists,
    /// Of all other groups.
    pub other: Lists,
}

/// How many neighbours are wanted on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SideCounts {
    pub own: usize,
    pub other: usize,
}

/// The nearest rows of every row in its own group and in the others; ties go to the smaller index.
///
/// Every pair's product is formed once, as in [`nearest_neighbours`](crate::nearest_neighbours), whatever the number of
/// groups. Rows that do not lie group by group are copied in that order.
pub(crate) fn nearest_by_group<G: Ord + Copy>(
    embeddings: &Embeddings,
    groups: &[G],
    counts: SideCounts,
) -> Result<Sides, ClusteringError> {
    in_blocks(embeddings, groups, counts, BLOCK)
}

fn in_blocks<G: Ord + Copy>(
    embeddings: &Embeddings,
    groups: &[G],
    counts: SideCounts,
    block: usize,
) -> Result<Sides, ClusteringError> {
    let n = embeddings.rows();
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.sort_by_key(|&row| groups[row as usize]);
    let moved =
        (!order.is_sorted()).then(|| embeddings.select(&order.iter().map(|&row| row as usize).collect::<Vec<_>>()));
    let rows = Blocks::new(moved.as_ref().unwrap_or(embeddings), block);
    rows.check()?;
    // Of each place in that order the first and the last of its group.
    let spans: Vec<(usize, usize)> = order
        .chunk_by(|&a, &b| groups[a as usize] == groups[b as usize])
        .scan(0, |end, group| {
            *end += group.len();
            Some(std::iter::repeat_n((*end - group.len(), *end), group.len()))
        })
        .flatten()
        .collect();
    let (owns, others) = (selections(&rows, counts.own.min(n)), selections(&rows, counts.other.min(n)));
    let pairs = rows.pairs();
    let steps = follow("neighbours", pairs.len());
    pairs.into_par_iter().for_each_init(
        || vec![0.0f32; block * block],
        |room, (a, b)| {
            if !steps.step() {
                return;
            }
            let distances = rows.distances(a, &rows, b, room);
            let (range, columns) = (rows.range(a), rows.range(b));
            // The columns of a row's own group are neighbours of each other in this order.
            let cut = |place: usize| {
                let within = |at: usize| at.clamp(columns.start, columns.end) - columns.start;
                (within(spans[place].0), within(spans[place].1))
            };
            {
                let (mut own, mut other) = (locked(&owns[a]), locked(&others[a]));
                for (number, row) in distances.rows().enumerate() {
                    let (start, end) = cut(range.start + number);
                    let named = |from: usize| {
                        let names = &order[columns.start + from..];
                        move |column: usize| names[column]
                    };
                    offer_row(&mut own[number], &row[start..end], named(start));
                    offer_row(&mut other[number], &row[..start], named(0));
                    offer_row(&mut other[number], &row[end..], named(end));
                }
            }
            if a == b {
                return;
            }
            let (mut own, mut other) = (locked(&owns[b]), locked(&others[b]));
            let (mut own_limits, mut other_limits) = (limits(&own), limits(&other));
            for (number, row) in distances.rows().enumerate() {
                let (place, (start, end)) = (range.start + number, cut(range.start + number));
                let offer = |lists: &mut [Selection], limits: &mut [f32], columns: std::ops::Range<usize>| {
                    offer_to_columns(
                        &mut lists[columns.clone()],
                        &mut limits[columns.clone()],
                        &row[columns],
                        order[place],
                    );
                };
                offer(&mut own, &mut own_limits, start..end);
                offer(&mut other, &mut other_limits, 0..start);
                offer(&mut other, &mut other_limits, end..row.len());
            }
        },
    );
    steps.check()?;
    Ok(Sides { counts, own: sorted(owns).reordered(&order), other: sorted(others).reordered(&order) })
}

/// The same with a search of somebody else's, group by group: the nearest of a group in itself, then among all others.
pub(crate) fn searched_by_group<G: Ord + Copy, E: From<ClusteringError>>(
    embeddings: &Embeddings,
    groups: &[G],
    counts: SideCounts,
    search: &mut impl FnMut(&Embeddings, &Embeddings, usize) -> Result<NeighbourRanking, E>,
) -> Result<Sides, E> {
    let mut kinds = groups.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let (mut own, mut other) = (vec![Vec::new(); groups.len()], vec![Vec::new(); groups.len()]);
    for kind in kinds {
        let (members, rest): (Vec<usize>, Vec<usize>) = (0..groups.len()).partition(|&row| groups[row] == kind);
        let queries = embeddings.select(&members);
        let found = search(&queries, &queries, counts.own)?;
        named(&found, &members, &members, &mut own)?;
        if counts.other > 0 && !rest.is_empty() {
            let found = search(&queries, &embeddings.select(&rest), counts.other)?;
            named(&found, &members, &rest, &mut other)?;
        }
    }
    Ok(Sides { counts, own: Lists::new(own), other: Lists::new(other) })
}

/// Puts a ranking of `candidates` for `members` into the lists of all samples, by the samples' own indices.
fn named(
    found: &NeighbourRanking,
    members: &[usize],
    candidates: &[usize],
    lists: &mut [Vec<u32>],
) -> Result<(), ClusteringError> {
    if found.rows() != members.len() {
        let what = "ranked samples and embeddings";
        return Err(ClusteringError::Length { what, left: found.rows(), right: members.len() });
    }
    for (place, &member) in members.iter().enumerate() {
        let name = |&index: &u32| match candidates.get(index as usize) {
            Some(&sample) => Ok(sample as u32),
            None => {
                let expected = "below the number of candidates";
                Err(ClusteringError::Parameter { name: "neighbour", value: index.to_string(), expected })
            }
        };
        lists[member] = found.row(place).iter().map(name).collect::<Result<_, _>>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vireid_core::Streams;

    use super::*;
    use crate::nearest_across;

    /// Small integers make every distance exact, so ties are real ties and the order must agree to the last entry.
    fn world(rows: usize, kinds: usize, seed: u64) -> (Embeddings, Vec<usize>) {
        let mut stream = Streams::new(seed).stream("grouped", [0; 3]);
        let values = (0..rows * 3).map(|_| stream.below(5) as f32).collect();
        (Embeddings::new(values, rows, 3).unwrap(), (0..rows).map(|_| stream.below(kinds)).collect())
    }

    fn brute_force(embeddings: &Embeddings, groups: &[usize], counts: SideCounts) -> Sides {
        let side = |same: bool, k: usize| {
            let list = |i: usize| {
                let distance = |j: usize| -> f32 {
                    embeddings.row(i).iter().zip(embeddings.row(j)).map(|(a, b)| (a - b).powi(2)).sum()
                };
                let mut all: Vec<usize> = (0..groups.len()).filter(|&j| (groups[i] == groups[j]) == same).collect();
                all.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
                all.into_iter().take(k).map(|j| j as u32).collect()
            };
            Lists::new((0..groups.len()).map(list).collect())
        };
        Sides { counts, own: side(true, counts.own), other: side(false, counts.other) }
    }

    proptest! {
        #[test]
        fn equals_brute_force_for_any_block(
            rows in 0usize..60, kinds in 1usize..6, own in 0usize..12, other in 0usize..12, block in 1usize..70, seed: u64,
        ) {
            let (embeddings, groups) = world(rows, kinds, seed);
            let counts = SideCounts { own, other };
            let expected = brute_force(&embeddings, &groups, counts);
            prop_assert_eq!(&in_blocks(&embeddings, &groups, counts, block).unwrap(), &expected);
            if own > 0 {
                let searched = searched_by_group(&embeddings, &groups, counts, &mut nearest_across);
                prop_assert_eq!(searched.unwrap(), expected);
            }
        }
    }

    #[test]
    fn more_rows_than_a_block() {
        let (embeddings, groups) = world(2 * BLOCK + 7, 3, 4);
        let counts = SideCounts { own: 4, other: 5 };
        let expected = brute_force(&embeddings, &groups, counts);
        assert_eq!(nearest_by_group(&embeddings, &groups, counts).unwrap(), expected);
    }

    #[test]
    fn a_search_that_answers_something_else_is_refused() {
        let (embeddings, groups) = world(9, 2, 1);
        let refused = |rows: usize, index: u32| {
            let mut search = |queries: &Embeddings, _: &Embeddings, k: usize| {
                let rows = queries.rows() + rows;
                NeighbourRanking::from_indices(vec![index; rows * k], rows, k, 100)
            };
            searched_by_group(&embeddings, &groups, SideCounts { own: 2, other: 2 }, &mut search)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(1, 0).starts_with("VR0202"));
        assert!(refused(0, 50).starts_with("VR0201"));
    }
}
