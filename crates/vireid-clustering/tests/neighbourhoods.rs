//! Balanced and camera-aware neighbourhoods against a dense form, and what must hold of them whatever the data.

#![allow(clippy::unwrap_used)]

mod dense;

use std::collections::BTreeSet;

use dense::Dense;
use proptest::prelude::*;
use vireid_clustering::{
    CameraCounts, ClusteringError, Expansion, JaccardDbscan, JaccardEncoding, Neighbourhood, Neighbours, Origin,
    nearest_across, nearest_neighbours,
};
use vireid_compare::{assert_close, assert_near};
use vireid_core::{Camera, Embeddings, Modality, Streams};

/// Values on a grid, on which sums and products in f32 are exact: ties are real ties, and rounding decides nothing.
fn on_a_grid(rows: usize, dim: usize, steps: usize, seed: u64) -> Embeddings {
    let mut stream = Streams::new(seed).stream("rows", [0; 3]);
    let values = (0..rows * dim).map(|_| 2.0 * stream.below(steps + 1) as f32 / steps as f32 - 1.0).collect();
    Embeddings::new(values, rows, dim).unwrap()
}

fn origins(rows: usize, cameras: usize, seed: u64) -> Vec<Origin> {
    let mut stream = Streams::new(seed).stream("origins", [0; 3]);
    let mut origin =
        || Origin { modality: Modality::ALL[stream.below(2)], camera: Camera(stream.below(cameras) as u16) };
    (0..rows).map(|_| origin()).collect()
}

fn neighbourhoods(counts: CameraCounts, origins: &[Origin]) -> [Neighbourhood<'_>; 3] {
    Neighbourhood::NAMES.map(|name| Neighbourhood::by_name(name, counts, origins).unwrap())
}

fn expansions(k2: usize, k3: usize, origins: &[Origin]) -> [Expansion<'_>; 10] {
    [
        Expansion::None,
        Expansion::Mean { k2 },
        Expansion::ModalityBalanced { k2, origins },
        Expansion::ModalityCamera { k2, origins },
        Expansion::Capped { k2, k3, origins },
        Expansion::PerModality { k2, k3, origins },
        Expansion::Sequential { k2, k3, origins },
        Expansion::SideSplit { k2, k3, origins },
        Expansion::Reciprocal { k2, k3, origins },
        Expansion::CameraAware { k2_intra: k2, k2_inter: k3, origins },
    ]
}

fn distances(encoding: &JaccardEncoding) -> Vec<f32> {
    let (n, near) = (encoding.len(), encoding.within(1.0));
    let mut distances = vec![1.0; n * n];
    (0..n).for_each(|i| near.pairs(i).for_each(|(j, distance)| distances[i * n + j as usize] = distance));
    distances
}

fn equals_the_dense_form(rows: &Embeddings, k1: usize, k2: usize, k3: usize, cameras: usize, seed: u64) {
    let origins = origins(rows.rows(), cameras, seed);
    let counts = CameraCounts { k1_intra: k3, k1_inter: k1, k2_intra: k3, k2_inter: k2 };
    for neighbourhood in neighbourhoods(counts, &origins) {
        let dense = Dense::new(rows, k1, neighbourhood);
        for expansion in expansions(k2, k3, &origins) {
            let found = JaccardEncoding::in_neighbourhood(rows, k1, &neighbourhood, &expansion).unwrap();
            assert_close(&distances(&found), &dense.distances(&expansion), 1e-5);
        }
    }
}

proptest! {
    /// What a search for many found holds what one for fewer would have.
    #[test]
    fn fewer_neighbours_need_no_search(rows in 1usize..40, k1 in 1usize..12, more in 0usize..12, steps in 2usize..6, seed: u64) {
        let embeddings = on_a_grid(rows, 3, steps, seed);
        let origins = origins(rows, 3, seed);
        for neighbourhood in neighbourhoods(CameraCounts::default(), &origins) {
            let found = neighbourhood.find(&embeddings, k1 + more).unwrap();
            prop_assert_eq!(found.fewer(k1), neighbourhood.find(&embeddings, k1).unwrap(), "{:?}", neighbourhood);
        }
    }
}

proptest! {
    // Each is three neighbourhoods with ten expansions.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn distances_equal_the_dense_form(
        rows in 1usize..40, k1 in 1usize..18, k2 in 1usize..10, k3 in 1usize..6, cameras in 1usize..4, seed: u64,
    ) {
        equals_the_dense_form(&on_a_grid(rows, 5, 16, seed), k1, k2, k3, cameras, seed);
    }

    /// Nine places for all samples: many are equal, and more equal ones than neighbours leave some without any.
    #[test]
    fn so_they_do_with_duplicates(
        rows in 1usize..40, k1 in 1usize..9, k2 in 1usize..6, k3 in 1usize..4, cameras in 1usize..3, seed: u64,
    ) {
        equals_the_dense_form(&on_a_grid(rows, 2, 2, seed), k1, k2, k3, cameras, seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_sum_to_one_and_distances_are_distances(
        rows in 1usize..50, k1 in 1usize..20, k2 in 1usize..10, cameras in 1usize..4, seed: u64,
    ) {
        let (embeddings, origins) = (on_a_grid(rows, 6, 1 << 8, seed), origins(rows, cameras, seed));
        for neighbourhood in neighbourhoods(CameraCounts::default(), &origins) {
            let expansion = neighbourhood.expansion(Expansion::ModalityBalanced { k2, origins: &origins });
            let found = JaccardEncoding::in_neighbourhood(&embeddings, k1, &neighbourhood, &expansion).unwrap();
            let near = found.within(1.0);
            for i in 0..rows {
                assert_near(found.weights().row(i).1.iter().sum::<f32>(), 1.0, 1e-5);
                prop_assert!(near.pairs(i).any(|(j, distance)| j as usize == i && distance < 1e-5));
                for (j, distance) in near.pairs(i) {
                    prop_assert!((0.0..=1.0).contains(&distance));
                    prop_assert_eq!(near.pairs(j as usize).find(|&(back, _)| back as usize == i).unwrap().1, distance);
                }
            }
        }
    }

    /// Another order of the samples gives the same distances, where no two distances from a sample tie.
    #[test]
    fn samples_can_be_permuted(rows in 2usize..40, k1 in 1usize..15, k2 in 1usize..6, seed: u64) {
        let (embeddings, origins) = (on_a_grid(rows, 3, 1 << 10, seed), origins(rows, 2, seed));
        let far = |i: usize, j: usize| -> f32 {
            embeddings.row(i).iter().zip(embeddings.row(j)).map(|(a, b)| (a - b) * (a - b)).sum()
        };
        for i in 0..rows {
            let mut all: Vec<f32> = (0..rows).map(|j| far(i, j)).collect();
            all.sort_by(f32::total_cmp);
            prop_assume!(all.windows(2).all(|pair| pair[0] < pair[1]));
        }
        let order = Streams::new(seed).stream("order", [0; 3]).distinct(rows, rows);
        let moved: Vec<Origin> = order.iter().map(|&row| origins[row]).collect();
        let here = neighbourhoods(CameraCounts::default(), &origins);
        let there = neighbourhoods(CameraCounts::default(), &moved);
        for (here, there) in here.into_iter().zip(there) {
            let mean = Expansion::Mean { k2 };
            let encode = |rows: &Embeddings, of: &Neighbourhood, expansion: Expansion| {
                distances(&JaccardEncoding::in_neighbourhood(rows, k1, of, &expansion).unwrap())
            };
            let plain = encode(&embeddings, &here, here.expansion(mean));
            let permuted = encode(&embeddings.select(&order), &there, there.expansion(mean));
            let back: Vec<f32> = (0..rows * rows).map(|at| plain[order[at / rows] * rows + order[at % rows]]).collect();
            assert_close(&permuted, &back, 1e-5);
        }
    }

    /// With nobody beyond the border, half of the neighbours are left.
    #[test]
    fn one_modality_is_the_plain_form_with_half_the_counts(
        rows in 1usize..40, k1 in 1usize..20, k2 in 1usize..10, seed: u64,
    ) {
        // Fine enough that no two are equal: of equal ones another than the sample may come first.
        let embeddings = on_a_grid(rows, 4, 1 << 8, seed);
        let alone = vec![Origin { modality: Modality::Infrared, camera: Camera(0) }; rows];
        let balanced = Neighbourhood::Balanced { origins: &alone };
        let found = JaccardEncoding::in_neighbourhood(&embeddings, k1, &balanced, &Expansion::Mean { k2 }).unwrap();
        let plain = JaccardEncoding::new(&embeddings, k1.div_ceil(2), &Expansion::Mean { k2: k2.div_ceil(2) });
        prop_assert_eq!(found, plain.unwrap());
    }

    /// A search of somebody else's, such as a GPU's, finds the same.
    #[test]
    fn neighbours_found_by_another_search(rows in 0usize..50, k1 in 1usize..20, cameras in 1usize..5, seed: u64) {
        let (embeddings, origins) = (on_a_grid(rows, 4, 8, seed), origins(rows, cameras, seed));
        for neighbourhood in neighbourhoods(CameraCounts::default(), &origins) {
            let found: Result<Neighbours, ClusteringError> = neighbourhood.find_by(&embeddings, k1, nearest_across);
            prop_assert_eq!(found.unwrap(), neighbourhood.find(&embeddings, k1).unwrap());
        }
    }
}

fn origin(modality: Modality, camera: u16) -> Origin {
    Origin { modality, camera: Camera(camera) }
}

/// On a line, by hand: visible images at 0, 1, 2 and 3, infrared ones at 10, 11 and 12.
#[test]
fn halves_of_the_neighbours() {
    let rows = Embeddings::new(vec![0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0], 7, 1).unwrap();
    let origins: Vec<Origin> =
        (0..7).map(|row| origin(if row < 4 { Modality::Visible } else { Modality::Infrared }, 0)).collect();
    let balanced = Neighbourhood::Balanced { origins: &origins };
    let of = |k1: usize| balanced.find(&rows, k1).unwrap();
    // Two and two; the tie of 0 and 2 around 1 goes to the smaller index.
    assert_eq!((of(4).row(0), of(4).row(1), of(4).row(4)), (&[0, 1, 4, 5][..], &[1, 0, 4, 5][..], &[4, 5, 3, 2][..]));
    // Three and two: the own half of an odd number is the larger.
    assert_eq!((of(5).row(3), of(5).row(6)), (&[3, 2, 1, 4, 5][..], &[6, 5, 4, 3, 2][..]));
    // Four and four, of which three infrared ones exist, within their modality as well as beyond: no half grows.
    assert_eq!((of(8).row(0), of(8).row(6)), (&[0, 1, 2, 3, 4, 5, 6][..], &[6, 5, 4, 3, 2, 1, 0][..]));
    assert_eq!((of(10).row(0).len(), of(10).row(6).len(), of(1).row(5)), (7, 7, &[5][..]));
    let few = Neighbourhood::Balanced { origins: &[&origins[..3], &origins[3..4], &[origins[0]; 3]].concat() }
        .find(&rows, 4)
        .unwrap();
    assert_eq!((few.row(6), few.row(6).len()), (&[6, 5][..], 2));
    // The two and the three nearest of an expansion.
    let found = of(6);
    assert_eq!((&*found.nearest(3, 2), &*found.nearest(3, 3)), (&[3, 4][..], &[3, 2, 4][..]));
    assert_eq!((&*found.nearest(3, 60), &*found.nearest(3, 0)), (found.row(3), &[][..]));
}

/// On the same line with two cameras of either modality: the own camera's list and the others', which is one longer than asked.
#[test]
fn neighbours_of_cameras() {
    let rows = Embeddings::new(vec![0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0], 7, 1).unwrap();
    let camera = [0, 1, 0, 1, 0, 1, 0];
    let origins: Vec<Origin> =
        (0..7).map(|row| origin(if row < 4 { Modality::Visible } else { Modality::Infrared }, camera[row])).collect();
    let counts = CameraCounts { k1_intra: 1, k1_inter: 2, k2_intra: 1, k2_inter: 1 };
    let aware = Neighbourhood::CameraAware { counts, origins: &origins };
    let found = aware.find(&rows, 0).unwrap();
    // 0 has 2 in its camera, and 1, 3 and 4 elsewhere; 5 is alone in its camera.
    assert_eq!((found.row(0), found.row(5)), (&[0, 1, 2, 3, 4][..], &[5, 4, 6, 3][..]));
    // 4 is mutual with 6 (own camera), 5, 3 and 2; of those that 0 has, 4 does not have it back.
    let columns = |row: usize| {
        let found = JaccardEncoding::from_neighbours(&rows, &found, &Expansion::None).unwrap();
        found.weights().row(row).0.to_vec()
    };
    assert_eq!((columns(0), columns(4)), (vec![0, 1, 2, 3], vec![2, 3, 4, 5, 6]));
    // The mean of two encodings: the sample's own and the nearest of another camera.
    let none = JaccardEncoding::from_neighbours(&rows, &found, &Expansion::None).unwrap();
    let mean = JaccardEncoding::from_neighbours(&rows, &found, &aware.expansion(Expansion::None)).unwrap();
    let dense = |of: &JaccardEncoding, row: usize| {
        let mut dense = vec![0.0f32; 7];
        of.weights().pairs(row).for_each(|(column, weight)| dense[column as usize] = weight);
        dense
    };
    let expected: Vec<f32> = dense(&none, 0).iter().zip(dense(&none, 1)).map(|(a, b)| 0.5 * (a + b)).collect();
    assert_close(&dense(&mean, 0), &expected, 1e-6);
}

/// People seen in both modalities, with a constant offset between these that is larger than the distance of any two people.
fn people_beyond_a_gap(seed: u64) -> (Embeddings, Vec<Origin>, Vec<usize>) {
    let (people, images, dim) = (12, 10, 16);
    let mut stream = Streams::new(seed).stream("people", [0; 3]);
    let centres = Embeddings::new((0..people * dim).map(|_| stream.normal(0.0, 1.0) as f32).collect(), people, dim);
    let centres = centres.unwrap().normalized();
    let (mut values, mut origins, mut truth) = (Vec::new(), Vec::new(), Vec::new());
    for (modality, offset) in [(Modality::Visible, 0.8), (Modality::Infrared, -0.8)] {
        for image in 0..people * images {
            truth.push(image % people);
            origins.push(origin(modality, (image / people % 2) as u16));
            values.extend(centres.row(image % people).iter().map(|x| 0.6 * x + stream.normal(0.0, 0.03) as f32));
            values.push(offset);
        }
    }
    (Embeddings::new(values, truth.len(), dim + 1).unwrap().normalized(), origins, truth)
}

#[test]
fn neighbourhoods_reach_over_a_gap_that_a_plain_one_does_not() {
    for seed in 0..5 {
        let (rows, origins, truth) = people_beyond_a_gap(seed);
        // What lies in other cameras lies beyond the gap only where a modality has no second camera.
        let one_camera: Vec<Origin> = origins.iter().map(|of| Origin { camera: Camera(0), ..*of }).collect();
        let counts = CameraCounts::default();
        let settings = JaccardDbscan { k1: 20, eps: 0.6, min_samples: 4 };
        let fit = |neighbourhood: Neighbourhood| {
            let expansion = neighbourhood.expansion(Expansion::Mean { k2: 6 });
            settings.fit_in(&rows, &neighbourhood, &expansion).unwrap().labels
        };
        let mixed = |labels: &[Option<usize>]| {
            let of = |modality: Modality| {
                let with = labels.iter().zip(&origins).filter(move |(_, origin)| origin.modality == modality);
                with.filter_map(|(label, _)| *label).collect::<BTreeSet<_>>()
            };
            of(Modality::Visible).intersection(&of(Modality::Infrared)).count()
        };
        let plain = fit(Neighbourhood::Plain);
        assert!(plain.iter().flatten().max() >= Some(&11), "seed {seed}");
        assert_eq!(mixed(&plain), 0, "seed {seed}");
        assert_eq!(mixed(&fit(Neighbourhood::CameraAware { counts, origins: &origins })), 0, "seed {seed}");
        for neighbourhood in
            [Neighbourhood::Balanced { origins: &origins }, Neighbourhood::CameraAware { counts, origins: &one_camera }]
        {
            let found = fit(neighbourhood);
            assert_eq!(mixed(&found), 12, "seed {seed}");
            let person = |label: &Option<usize>| {
                let images = found.iter().zip(&truth).filter(|(other, _)| *other == label);
                images.map(|(_, person)| *person).collect::<BTreeSet<_>>().len()
            };
            assert!(found.iter().all(|label| label.is_some() && person(label) == 1), "seed {seed}");
        }
    }
}

#[test]
fn names() {
    let origins = origins(3, 1, 0);
    let counts = CameraCounts::default();
    assert_eq!(Neighbourhood::by_name("plain", counts, &[]), Ok(Neighbourhood::default()));
    let unknown = Neighbourhood::by_name("global", counts, &origins).unwrap_err().to_string();
    assert!(unknown.starts_with("VR0201: neighbourhood = global"), "{unknown}");
    let given = Expansion::Mean { k2: 9 };
    let [plain, balanced, aware] = neighbourhoods(counts, &origins);
    assert_eq!((plain.expansion(given), balanced.expansion(given)), (given, given));
    let own = Expansion::CameraAware { k2_intra: 2, k2_inter: 4, origins: &origins };
    assert_eq!(aware.expansion(given), own);
}

#[test]
fn odd_input() {
    let (rows, all) = (on_a_grid(9, 3, 8, 1), origins(9, 2, 1));
    let counts = CameraCounts::default();
    let said = |neighbourhood: Neighbourhood, k1: usize| neighbourhood.find(&rows, k1).unwrap_err().to_string();
    let by = |neighbourhood: Neighbourhood, k1: usize| {
        let found: Result<Neighbours, ClusteringError> = neighbourhood.find_by(&rows, k1, nearest_across);
        found.unwrap_err().to_string()
    };
    for refused in [
        said(Neighbourhood::Plain, 0),
        said(Neighbourhood::Balanced { origins: &all }, 0),
        said(Neighbourhood::CameraAware { counts: CameraCounts { k1_intra: 0, ..counts }, origins: &all }, 5),
        by(Neighbourhood::CameraAware { counts: CameraCounts { k1_inter: 0, ..counts }, origins: &all }, 5),
        JaccardEncoding::new(&rows, 5, &Expansion::CameraAware { k2_intra: 0, k2_inter: 1, origins: &all })
            .unwrap_err()
            .to_string(),
    ] {
        assert!(refused.starts_with("VR0201"), "{refused}");
    }
    let few = &all[1..];
    for refused in [
        said(Neighbourhood::Balanced { origins: few }, 4),
        by(Neighbourhood::Balanced { origins: few }, 4),
        said(Neighbourhood::CameraAware { counts, origins: few }, 4),
        JaccardEncoding::new(&rows, 5, &Expansion::CameraAware { k2_intra: 1, k2_inter: 1, origins: few })
            .unwrap_err()
            .to_string(),
        JaccardEncoding::from_neighbours(
            &rows,
            &nearest_neighbours(&rows.select(&[1]), 3).unwrap().into(),
            &Expansion::None,
        )
        .unwrap_err()
        .to_string(),
    ] {
        assert!(refused.starts_with("VR0202"), "{refused}");
    }
}

/// No rows, one row, rows of one modality or camera, and counts beyond all numbers.
#[test]
fn little_of_everything() {
    let most = CameraCounts { k1_intra: usize::MAX, k1_inter: usize::MAX, k2_intra: usize::MAX, k2_inter: usize::MAX };
    for rows in [0, 1, 2, 7] {
        for origins in [origins(rows, 2, 3), vec![origin(Modality::Visible, 1); rows]] {
            let embeddings = on_a_grid(rows, 3, 8, 2);
            for (k1, k2, counts) in [(1, 1, CameraCounts::default()), (usize::MAX, usize::MAX, most)] {
                for neighbourhood in neighbourhoods(counts, &origins) {
                    for expansion in expansions(k2, k2, &origins) {
                        let found =
                            JaccardEncoding::in_neighbourhood(&embeddings, k1, &neighbourhood, &expansion).unwrap();
                        assert_eq!(found.len(), rows);
                        let near = found.within(0.5);
                        assert!((0..rows).all(|row| near.row(row).0.contains(&(row as u32))));
                    }
                }
            }
        }
    }
}
