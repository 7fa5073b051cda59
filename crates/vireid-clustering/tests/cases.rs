//! Cases with known results: expansions worked out by an independent implementation, and transports and label transfers
//! run by MULT's published code. Inputs are made up.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use vireid_clustering::{
    Expansion, JaccardEncoding, LabelTransfer, NeighbourGraph, Origin, Sinkhorn, SparseRows, TransferInput,
    TransportKernel, dbscan, nearest_neighbours, sinkhorn_log,
};
use vireid_compare::{assert_close, largest_difference};
use vireid_core::{Camera, Embeddings, Modality, PerModality};

fn case(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn embeddings(value: &Value) -> Embeddings {
    let rows = rows(value);
    Embeddings::new(rows.concat().into_iter().map(|x| x as f32).collect(), rows.len(), rows[0].len()).unwrap()
}

fn integers(value: &Value) -> Vec<i64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn near(what: &str, got: &[f32], expected: &Value, tolerance: f64) {
    let expected = rows(expected).concat();
    let worst = largest_difference(got, &expected);
    assert!(worst <= tolerance, "{what}: off by {worst:e}");
}

fn dense(encoding: &JaccardEncoding) -> Vec<f32> {
    let (n, near) = (encoding.len(), encoding.within(1.0));
    let mut dense = vec![1.0; n * n];
    (0..n).for_each(|i| near.pairs(i).for_each(|(j, distance)| dense[i * n + j as usize] = distance));
    dense
}

struct Expansions {
    case: Value,
    embeddings: Embeddings,
    origins: Vec<Origin>,
}

impl Expansions {
    fn load() -> Self {
        let case = case(include_str!("cases/expansions.json"));
        let modality = |m| if m == 0 { Modality::Visible } else { Modality::Infrared };
        let pairs = integers(&case["modality"]).into_iter().zip(integers(&case["camera"]));
        let origins = pairs.map(|(m, c)| Origin { modality: modality(m), camera: Camera(c as u16) }).collect();
        Self { embeddings: embeddings(&case["raw"]).normalized(), origins, case }
    }

    fn encode(&self, expansion: &Expansion) -> JaccardEncoding {
        JaccardEncoding::new(&self.embeddings, 9, expansion).unwrap()
    }
}

#[test]
fn rankings() {
    let world = Expansions::load();
    let ranking = nearest_neighbours(&world.embeddings, 9).unwrap();
    for (row, expected) in rows(&world.case["rank"]).iter().enumerate() {
        assert_eq!(ranking.row(row), expected.iter().map(|&index| index as u32).collect::<Vec<_>>(), "row {row}");
    }
}

#[test]
fn expansions() {
    let world = Expansions::load();
    let origins = &world.origins[..];
    for (name, expansion) in [
        ("D_plain", Expansion::Mean { k2: 7 }),
        ("D_mod", Expansion::ModalityBalanced { k2: 7, origins }),
        ("D_mie", Expansion::ModalityCamera { k2: 7, origins }),
        ("D_emcc_k3_2", Expansion::Capped { k2: 7, k3: 2, origins }),
        ("D_emcc_B_k3_2", Expansion::PerModality { k2: 7, k3: 2, origins }),
        ("D_emcc_C_k3_3", Expansion::Sequential { k2: 7, k3: 3, origins }),
    ] {
        near(name, &dense(&world.encode(&expansion)), &world.case[name], 2e-5);
    }
}

#[test]
fn labels_of_expansions() {
    let world = Expansions::load();
    let origins = &world.origins[..];
    for (name, expected) in world.case["dbscan"].as_object().unwrap() {
        let (kind, eps) = name.split_once('@').unwrap();
        let expansion = match kind {
            "plain" => Expansion::Mean { k2: 7 },
            "mod" => Expansion::ModalityBalanced { k2: 7, origins },
            "mie" => Expansion::ModalityCamera { k2: 7, origins },
            _ => Expansion::Capped { k2: 7, k3: 2, origins },
        };
        let graph = NeighbourGraph::from_jaccard(&world.encode(&expansion), eps.parse().unwrap()).unwrap();
        let labels: Vec<i64> =
            dbscan(&graph, 3).unwrap().into_iter().map(|label| label.map_or(-1, |label| label as i64)).collect();
        assert_eq!(labels, integers(expected), "{name}");
    }
}

/// What one form of expansion becomes at its limits.
#[test]
fn expansions_nest() {
    let world = Expansions::load();
    let origins = &world.origins[..];
    let camera = world.encode(&Expansion::ModalityCamera { k2: 7, origins });
    assert_eq!(world.encode(&Expansion::Capped { k2: 7, k3: 7, origins }), camera, "a cap that never binds");
    let one_camera: Vec<Origin> =
        origins.iter().map(|origin| Origin { modality: origin.modality, camera: Camera(0) }).collect();
    let balanced = world.encode(&Expansion::ModalityBalanced { k2: 7, origins });
    assert_eq!(world.encode(&Expansion::ModalityCamera { k2: 7, origins: &one_camera }), balanced, "one camera each");
    let alone = vec![Origin { modality: Modality::Visible, camera: Camera(0) }; origins.len()];
    let plain = world.encode(&Expansion::Mean { k2: 7 });
    assert_eq!(world.encode(&Expansion::ModalityBalanced { k2: 7, origins: &alone }), plain, "one modality");
    assert_eq!(world.encode(&Expansion::Sequential { k2: 7, k3: 1, origins }), camera, "no second expansion");
    let everyone = Expansion::SideSplit { k2: 9, k3: 9, origins: &alone };
    assert_eq!(world.encode(&everyone), world.encode(&Expansion::Mean { k2: 9 }), "one side");
    let nobody = Expansion::Reciprocal { k2: 1, k3: 9, origins };
    assert_eq!(world.encode(&nobody), world.encode(&Expansion::None), "only the sample itself");
}

#[test]
fn wrong_parameters() {
    let world = Expansions::load();
    let refuse = |expansion: Expansion| JaccardEncoding::new(&world.embeddings, 9, &expansion).unwrap_err().to_string();
    assert!(refuse(Expansion::Mean { k2: 0 }).starts_with("VR0201"));
    assert!(refuse(Expansion::Capped { k2: 7, k3: 0, origins: &world.origins }).starts_with("VR0201"));
    assert!(refuse(Expansion::ModalityCamera { k2: 7, origins: &world.origins[1..] }).starts_with("VR0202"));
}

#[test]
fn transports() {
    for problem in case(include_str!("cases/transport.json"))["sinkhorn"].as_array().unwrap() {
        let (name, cost) = (problem["name"].as_str().unwrap(), rows(&problem["cost"]));
        let flat: Vec<f32> = cost.concat().into_iter().map(|x| x as f32).collect();
        let kernel = TransportKernel::of_costs(&flat, cost.len(), cost[0].len(), Sinkhorn::mult()).unwrap();
        let scaling = kernel.solve().unwrap();
        assert_eq!(scaling.steps as u64, problem["steps"].as_u64().unwrap(), "{name}");
        near(name, &kernel.plan(&scaling), &problem["plan"], 2e-6);
        let log = sinkhorn_log(&flat, cost.len(), cost[0].len(), Sinkhorn::mult()).unwrap();
        assert_eq!(log.steps, scaling.steps, "{name}: logarithmic form");
    }
}

#[test]
fn transfers() {
    for problem in case(include_str!("cases/transport.json"))["transfer"].as_array().unwrap() {
        let both = |visible: &str, infrared: &str| PerModality {
            visible: embeddings(&problem[visible]),
            infrared: embeddings(&problem[infrared]),
        };
        let sparse = |name: &str| {
            let dense = embeddings(&problem[name]);
            SparseRows::from_dense(dense.as_slice(), dense.dim(), |distance| distance < 1.0)
        };
        let (embeddings, centroids) = (both("feat_v", "feat_r"), both("center_v", "center_r"));
        let distances = PerModality { visible: sparse("jaccard_v"), infrared: sparse("jaccard_r") };
        let input = TransferInput { embeddings: &embeddings, centroids: &centroids, distances: &distances };
        let labels = LabelTransfer::mult().run(input).unwrap();
        for (soft, hard, labels) in [
            ("soft_v", "hard_v", &labels.own.visible),
            ("soft_r", "hard_r", &labels.own.infrared),
            ("soft_v_cm", "hard_v_in_ir_space", &labels.cross.visible),
            ("soft_r_cm", "hard_r_in_vis_space", &labels.cross.infrared),
        ] {
            near(soft, labels.as_slice(), &problem[soft], 1e-5);
            let got: Vec<i64> = labels.hard().into_iter().map(|label| label as i64).collect();
            assert_eq!(got, integers(&problem[hard]), "{hard}");
        }
        let rounds = |space: &str| problem["lp_iters"][space].as_u64().unwrap() as usize;
        assert_eq!(labels.rounds.visible, rounds("visible_space"));
        assert_eq!(labels.rounds.infrared, rounds("ir_space"));
    }
}

/// Sparse affinities and a plan that is never formed, against dense matrices written for clarity.
#[test]
fn a_transfer_equals_the_dense_one() {
    let mut stream = vireid_core::Streams::new(4).stream("transfer", [0; 3]);
    let mut random = |rows: usize| {
        let values = (0..rows * 6).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        Embeddings::new(values, rows, 6).unwrap().normalized()
    };
    let embeddings = PerModality { visible: random(40), infrared: random(25) };
    let centroids = PerModality { visible: random(5), infrared: random(4) };
    let jaccard = |embeddings| JaccardEncoding::new(embeddings, 8, &Expansion::Mean { k2: 3 }).unwrap();
    let (visible, infrared) = (jaccard(&embeddings.visible), jaccard(&embeddings.infrared));
    let distances = PerModality { visible: visible.within(1.0), infrared: infrared.within(1.0) };
    let input = TransferInput { embeddings: &embeddings, centroids: &centroids, distances: &distances };
    let settings = LabelTransfer::mult();
    let got = settings.run(input).unwrap();

    let kernel = TransportKernel::between(&embeddings.visible, &embeddings.infrared, settings.transport).unwrap();
    let plan = kernel.plan(&kernel.solve().unwrap());
    let (n, m) = (40, 25);
    let at = |i: usize, j: usize| f64::from(plan[i * m + j]);
    let to_visible: Vec<Vec<f64>> = (0..n).map(|i| normalized((0..m).map(|j| at(i, j)).collect())).collect();
    let to_infrared: Vec<Vec<f64>> = (0..m).map(|j| normalized((0..n).map(|i| at(i, j)).collect())).collect();
    let affinity = |encoding: &JaccardEncoding| -> Vec<Vec<f64>> {
        let dense = dense(encoding);
        dense.chunks(encoding.len()).map(|row| normalized(row.iter().map(|d| f64::from(1.0 - d)).collect())).collect()
    };
    let (s_visible, s_infrared) = (affinity(&visible), affinity(&infrared));
    let start = |embeddings: &Embeddings, centroids: &Embeddings| -> Vec<Vec<f64>> {
        (0..embeddings.rows())
            .map(|row| {
                let logit = |c: usize| -> f64 {
                    let pairs = embeddings.row(row).iter().zip(centroids.row(c));
                    pairs.map(|(a, b)| f64::from(a * b)).sum::<f64>() / 0.05
                };
                normalized((0..centroids.rows()).map(|c| logit(c).exp()).collect())
            })
            .collect()
    };
    let cross = TransportKernel::between(&embeddings.infrared, &centroids.visible, settings.transport).unwrap();
    let cross = cross.row_argmax(&cross.solve().unwrap());
    let h0 = start(&embeddings.visible, &centroids.visible);
    let o0: Vec<Vec<f64>> = cross.iter().map(|&c| (0..5).map(|k| f64::from(u8::from(k == c))).collect()).collect();
    let (mut h, mut o) = (h0.clone(), o0.clone());
    for _ in 0..got.rounds.visible {
        let mixed_h = blend(0.8, &product(&to_visible, &o), &h0);
        let mixed_o = blend(0.8, &product(&to_infrared, &mixed_h), &o0);
        h = blend(0.5, &product(&s_visible, &mixed_h), &mixed_h);
        o = blend(0.5, &product(&s_infrared, &mixed_o), &mixed_o);
    }
    for (labels, expected) in [(&got.own.visible, h), (&got.cross.infrared, o)] {
        assert_close(labels.as_slice(), &expected.concat(), 1e-4);
        let sums: Vec<f32> = (0..labels.samples()).map(|sample| labels.row(sample).iter().sum()).collect();
        assert_close(&sums, &vec![1.0; labels.samples()], 1e-4);
    }
}

fn normalized(row: Vec<f64>) -> Vec<f64> {
    let total: f64 = row.iter().sum();
    row.into_iter().map(|value| value / total).collect()
}

fn product(left: &[Vec<f64>], right: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let entry = |row: &Vec<f64>, c: usize| row.iter().zip(right).map(|(a, b)| a * b[c]).sum();
    left.iter().map(|row| (0..right[0].len()).map(|c| entry(row, c)).collect()).collect()
}

fn blend(share: f64, left: &[Vec<f64>], right: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mix = |(a, b): (&f64, &f64)| share * a + (1.0 - share) * b;
    left.iter().zip(right).map(|(left, right)| left.iter().zip(right).map(mix).collect()).collect()
}

#[test]
fn nothing_to_transfer() {
    let embeddings = PerModality {
        visible: Embeddings::new(vec![1.0, 0.0], 1, 2).unwrap(),
        infrared: Embeddings::new(vec![], 0, 2).unwrap(),
    };
    let distances =
        PerModality { visible: SparseRows::from_rows(vec![vec![(0, 0.0)]]), infrared: SparseRows::from_rows(vec![]) };
    let input = TransferInput { embeddings: &embeddings, centroids: &embeddings, distances: &distances };
    assert!(LabelTransfer::mult().run(input).unwrap_err().to_string().starts_with("VR0205"));
}

/// Labels do not change with the number of threads, and permuting the rows permutes them, up to their numbers.
#[test]
fn labels_depend_on_neither_threads_nor_order() {
    let mut stream = vireid_core::Streams::new(9).stream("labels", [0; 3]);
    let rows = 300;
    let values = (0..rows * 16).map(|at| stream.normal(f64::from(at as u32 / 16 % 20 == at as u32 % 16), 0.12) as f32);
    let embeddings = Embeddings::new(values.collect(), rows, 16).unwrap().normalized();
    let labels = |embeddings: &Embeddings, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let encoding = JaccardEncoding::new(embeddings, 15, &Expansion::Mean { k2: 4 }).unwrap();
            dbscan(&NeighbourGraph::from_jaccard(&encoding, 0.5).unwrap(), 4).unwrap()
        })
    };
    let plain = labels(&embeddings, 1);
    assert!(plain.iter().flatten().max().is_some_and(|&last| last >= 5), "{plain:?}");
    assert_eq!(plain, labels(&embeddings, 4));
    let order = stream.distinct(rows, rows);
    let permuted = labels(&embeddings.select(&order), 2);
    for (i, &a) in order.iter().enumerate() {
        for (j, &b) in order.iter().enumerate() {
            assert_eq!(permuted[i].is_some() && permuted[i] == permuted[j], plain[a].is_some() && plain[a] == plain[b]);
        }
    }
}
