//! Small whole files of every kind, drawn or written here: no photographs, no people.

use std::sync::Arc;

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, Rgb32FImage, RgbImage, Rgba, RgbaImage};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

type Seeds = Vec<(&'static str, Vec<u8>)>;

/// A little pattern in every format.
pub fn images() -> Seeds {
    let (width, height) = (12, 20);
    let shade = |x: u32, y: u32| ((x * 19) ^ (y * 7)) as u8;
    let rgb = RgbImage::from_fn(width, height, |x, y| Rgb([shade(x, y), shade(y, x), (x + y) as u8]));
    let rgba = RgbaImage::from_fn(width, height, |x, y| Rgba([shade(x, y), 9, shade(y, x), (x * 20) as u8]));
    let grey = GrayImage::from_fn(width, height, |x, y| Luma([shade(x, y)]));
    let deep = ImageBuffer::from_fn(width, height, |x, y| Luma([u16::from(shade(x, y)) << 6]));
    let floats = Rgb32FImage::from_fn(width, height, |x, y| Rgb([f32::from(shade(x, y)), -1.0, f32::NAN]));
    let encoded = |picture: DynamicImage, format: ImageFormat| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    vec![
        ("seed-colour.jpg", encoded(rgb.clone().into(), ImageFormat::Jpeg)),
        ("seed-grey.jpg", encoded(grey.clone().into(), ImageFormat::Jpeg)),
        ("seed-colour.png", encoded(rgb.clone().into(), ImageFormat::Png)),
        ("seed-alpha.png", encoded(rgba.clone().into(), ImageFormat::Png)),
        ("seed-16-bit.png", encoded(DynamicImage::ImageLuma16(deep.clone()), ImageFormat::Png)),
        ("seed-colour.bmp", encoded(rgb.clone().into(), ImageFormat::Bmp)),
        ("seed-colour.tiff", encoded(rgb.into(), ImageFormat::Tiff)),
        ("seed-16-bit.tiff", encoded(DynamicImage::ImageLuma16(deep), ImageFormat::Tiff)),
        ("seed-floats.tiff", encoded(DynamicImage::ImageRgb32F(floats), ImageFormat::Tiff)),
        ("seed-alpha.webp", encoded(rgba.into(), ImageFormat::WebP)),
        ("seed-too-small.png", encoded(GrayImage::new(1, 1).into(), ImageFormat::Png)),
    ]
}

fn text(name: &'static str, text: &str) -> (&'static str, Vec<u8>) {
    (name, text.as_bytes().to_vec())
}

pub fn manifests_csv() -> Seeds {
    vec![
        text("seed-short.csv", "path,modality,camera\na.png,visible,1\nb.png,infrared,2\n"),
        text(
            "seed-whole.csv",
            "path,modality,camera,identity,split\na.png,visible,door,eve,train\n\"b, c.png\",infrared,night,,\n\
             d.png,visible,door,bob,test\r\ne.png,infrared,night,bob,test\n",
        ),
    ]
}

pub fn manifests_parquet() -> Seeds {
    let written = |compression: Compression, dictionary: bool| {
        let schema = "message m { required binary path (UTF8); required binary modality (UTF8); required int64 camera; optional binary identity (UTF8); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let builder = WriterProperties::builder().set_compression(compression).set_dictionary_enabled(dictionary);
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(builder.build())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for column in [["a.png", "b.png", "c.png"], ["visible", "infrared", "visible"]] {
            let mut of = group.next_column().unwrap().unwrap();
            of.typed::<ByteArrayType>().write_batch(&column.map(ByteArray::from), None, None).unwrap();
            of.close().unwrap();
        }
        let mut of = group.next_column().unwrap().unwrap();
        of.typed::<Int64Type>().write_batch(&[1, 3, 1], None, None).unwrap();
        of.close().unwrap();
        let mut of = group.next_column().unwrap().unwrap();
        of.typed::<ByteArrayType>().write_batch(&["eve".into()], Some(&[0, 1, 0]), None).unwrap();
        of.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    };
    vec![
        ("seed-plain.parquet", written(Compression::UNCOMPRESSED, false)),
        ("seed-snappy.parquet", written(Compression::SNAPPY, true)),
        ("seed-brotli.parquet", include_bytes!("../../vireid-data/tests/files/brotli.parquet").to_vec()),
        ("seed-gzip.parquet", include_bytes!("../../vireid-data/tests/files/gzip.parquet").to_vec()),
        ("seed-lz4.parquet", include_bytes!("../../vireid-data/tests/files/lz4.parquet").to_vec()),
        ("seed-zstd.parquet", include_bytes!("../../vireid-data/tests/files/zstd.parquet").to_vec()),
        ("seed-zstd-pages2.parquet", include_bytes!("../../vireid-data/tests/files/zstd_pages2.parquet").to_vec()),
    ]
}

/// The first byte chooses the list.
pub fn sysu_lists() -> Seeds {
    vec![text("seed-train", "01,2\n"), text("seed-val", "12\n"), text("seed-test", "21, 2")]
}

/// The first byte chooses the list.
pub fn regdb_lists() -> Seeds {
    vec![
        text("seed-train", "0Visible/1/male_1.bmp 0\nVisible/2/x.bmp 1\n"),
        text("seed-test", "3Thermal/1/male_t_1.bmp 12\r\n\nThermal/with blank/x.bmp 1\r\n"),
    ]
}

/// The first byte chooses the list.
pub fn llcm_lists() -> Seeds {
    vec![
        text("seed-train", "0vis/0001/0001_c3_f1.jpg 0\nvis/cam12/x.jpg 1\n"),
        text("seed-nir", "1nir/cam7/0001/a.jpg 0\n"),
        text("seed-test", "25, 6\n7"),
    ]
}

#[cfg(feature = "program")]
pub use of_program::*;

#[cfg(feature = "program")]
mod of_program {
    use std::collections::BTreeMap;
    use std::path::Path;

    use burn::module::{Module, Param, ParamId};
    use burn::optim::GradientsParams;
    use burn::tensor::{Device, Tensor};
    use safetensors::tensor::{Dtype, TensorView};
    use vireid::{EmbeddedImage, EmbeddingsFile};
    use vireid_core::Embeddings;
    use vireid_methods::{Checkpoint, EmbeddingRecipe, Evaluation, MethodState, Position, adam};

    use super::{Seeds, text};
    use crate::scratch;

    /// An index of three images.
    pub fn embeddings() -> EmbeddingsFile {
        let image = |name: &str, modality: &str, camera: &str, identity: Option<&str>| EmbeddedImage {
            path: name.into(),
            modality: modality.into(),
            camera: camera.into(),
            identity: identity.map(Into::into),
        };
        EmbeddingsFile {
            embeddings: Embeddings::new(vec![1.0, 0.0, 0.6, 0.8, 0.0, -1.0], 3, 2).unwrap(),
            images: vec![
                image("a, b.png", "visible", "2", None),
                image("c.png", "infrared", "north gate", Some("7")),
                image("d.png", "visible", "2", Some("7")),
            ],
            recipe: EmbeddingRecipe {
                weights: "0123456789abcdef".into(),
                settings: [("dimension".into(), "2".into())].into(),
            },
            data: "fedcba9876543210".into(),
        }
    }

    /// The first byte chooses the file.
    pub fn indices_npy() -> Seeds {
        let path = scratch::path("seed.npy");
        embeddings().save(&path).unwrap();
        let part = |first: u8, ending: &str| [vec![first], written(&path.with_extension(ending))].concat();
        vec![
            ("seed-matrix", part(b'0', "npy")),
            ("seed-table", part(b'1', "csv")),
            ("seed-origin", part(b'2', "json")),
            (
                "seed-columns",
                array("'>f8', 'fortran_order': True, 'shape': (3, 2)", &[1.5f64.to_be_bytes(); 6].concat()),
            ),
            ("seed-halves", array("'<f2', 'fortran_order': False, 'shape': (3, 2)", &[0, 60, 1, 0, 0, 124].repeat(2))),
            ("seed-numbers", array("'>i2', 'fortran_order': False, 'shape': (3,)", &[255, 255, 0, 1, 1, 0])),
            ("seed-names", array("'<U2', 'fortran_order': False, 'shape': (2,)", b"i\0\0\0r\0\0\0v\0\0\0\0\0\0\0")),
            ("seed-bytes", array("'|S3', 'fortran_order': False, 'shape': (2,)", b"rgbir\0")),
        ]
    }

    /// A matrix's place in an index taken by an array of NumPy's format 2.0.
    fn array(header: &str, items: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': {header}, }}\n");
        let length = (header.len() as u32).to_le_bytes();
        [b"0\x93NUMPY\x02\x00", &length[..], header.as_bytes(), items].concat()
    }

    pub fn indices_parquet() -> Seeds {
        let path = scratch::path("seed.parquet");
        embeddings().save(&path).unwrap();
        vec![("seed-whole.parquet", written(&path))]
    }

    /// A file of an index. The folder that it was written into stands in it and has another name in every thread: here it
    /// has one that is as long, for lengths stand in the file too.
    fn written(path: &Path) -> Vec<u8> {
        let mut bytes = scratch::take(path);
        let folder = path.parent().unwrap().to_str().unwrap().as_bytes();
        let alike: Vec<u8> = b"/gallery".iter().copied().cycle().take(folder.len()).collect();
        while let Some(at) = bytes.windows(folder.len()).position(|window| window == folder) {
            bytes[at..at + folder.len()].copy_from_slice(&alike);
        }
        bytes
    }

    pub fn checkpoints() -> Seeds {
        let mut state = MethodState::default();
        state.put_labels("labels", &[Some(0), None, Some(1)]);
        state.put_values("scores", &[0.5, 1.0]);
        let evaluations: Vec<Evaluation> = Vec::new();
        let whole = Checkpoint {
            method: "mbccm".into(),
            backbone: "small".into(),
            seed: 3,
            position: Position { epoch: 2, step: 5 },
            evaluations,
            model: vec![("a.weight".into(), vec![2, 1], vec![0.5, -1.0]), ("a.bias".into(), vec![1], vec![0.0])],
            optimizer: vec![1, 2, 3],
            prepared: true,
            state,
        };
        let path = scratch::path("seed.safetensors");
        whole.save(&path).unwrap();
        vec![("seed-whole.safetensors", scratch::take(&path))]
    }

    #[derive(Module, Debug)]
    struct One {
        weight: Param<Tensor<2>>,
    }

    pub fn optimizer_records() -> Seeds {
        let device = Device::default();
        let id = ParamId::from(1);
        let values = Tensor::<2>::ones([2, 3], &device);
        let model = One { weight: Param::initialized(id, Tensor::from_inner(values.clone()).require_grad()) };
        let mut gradients = GradientsParams::new();
        gradients.register(id, values);
        let mut optimizer = adam(1e-4);
        let _ = optimizer.step(1e-2, model, gradients);
        let record = |of: &burn::optim::ModuleOptimizer| of.into_bytes().unwrap().to_vec();
        vec![("seed-fresh", record(&adam(1e-4))), ("seed-one-step", record(&optimizer))]
    }

    pub fn configs() -> Seeds {
        let preset = |name: &str| vireid_methods::preset(name, &[]).unwrap().to_toml().into_bytes();
        vec![
            ("seed-mbccm.toml", preset("mbccm_sysu_paper")),
            ("seed-mult.toml", preset("mult_regdb_quick")),
            ("seed-mmm.toml", preset("mmm_sysu_paper")),
            ("seed-dmic.toml", preset("dmic_sysu_paper")),
            ("seed-ecul.toml", preset("ecul_regdb_paper")),
        ]
    }

    /// The first byte chooses the preset.
    pub fn settings() -> Seeds {
        vec![
            text("seed-numbers", "0stage2.epochs=30\nclustering.eps.visible=0.4\nsettings.alpha=1\n"),
            text("seed-lists", "3stage1.learning_rate=[{ from = 0, rate = 1e-3 }, { from = 2, rate = 1e-4 }]\n"),
            text("seed-names", "8backbone.precision=bf16\nbackbone.weights=/x/y.pth\ninput.filter=bilinear"),
            text("seed-wrong", "\x0dstage2.epoch=30\nstage1.epochs.x=2\n"),
        ]
    }

    /// The files of a run.
    pub fn whole_run_files() -> [(&'static str, Vec<u8>); 9] {
        let picture = super::images().into_iter().find(|(name, _)| *name == "seed-colour.png").unwrap().1;
        [
            ("events.jsonl", EVENTS.into()),
            ("evidence.json", EVIDENCE.into()),
            ("cost.json", COST.into()),
            ("environment.json", ENVIRONMENT.into()),
            ("calibration.json", CALIBRATION.into()),
            ("training_set.json", TRAINING_SET.into()),
            ("data.json", DATA.into()),
            ("ranked.png", picture.clone()),
            ("pairs.png", picture),
        ]
    }

    const EVENTS: &str = concat!(
        r#"{"event":"stage","name":"<fuzz>","first_epoch":0,"epochs":2,"steps":4,"done":0}"#,
        "\n",
        r#"{"event":"clusters","stage":"a","epoch":0,"visible":{"clusters":3,"noise":1,"stability":0.5,"ari":0.25,"flow":{"kept":1,"split":1,"merged":0,"born":1,"gone":2}},"infrared":{"clusters":2,"noise":0,"flow":{"kept":0,"split":0,"merged":0,"born":2,"gone":0}},"association":{"partnered":0.5,"precision":1.0,"recall":null},"joint":{"clusters":2,"shared":1,"noise":0}}"#,
        "\n",
        r#"{"event":"step","epoch":0,"step":0,"learning_rate":0.00035,"losses":[["<fuzz>",1.5]]}"#,
        "\n",
        r#"{"event":"epoch","epoch":0,"losses":[["<fuzz>",1.5],["b",-1e30]],"seconds":{"load":0.1}}"#,
        "\n",
        r#"{"event":"clusters","stage":"a","epoch":1,"visible":{"clusters":3,"noise":1,"flow":{"kept":3,"split":0,"merged":0,"born":0,"gone":0}}}"#,
        "\n",
        r#"{"event":"evaluation","moment":"<fuzz>","epochs":2,"scores":[{"search":"<fuzz>","rank1":{"mean":50.0,"std":1.0},"map":{"mean":40.0,"std":0.5}}],"seconds":0.5}"#,
        "\n",
        r#"{"event":"interrupted","epoch":1,"step":2}"#,
        "\n"
    );
    const EVIDENCE: &str = r#"{"part":"<fuzz>","ranked":[{"query":"q.png","camera":3,"first_right":2,"average_precision":0.5,"answers":[{"path":"a.png","modality":"visible","camera":1,"similarity":0.75,"right":false},{"path":"b.png","modality":"visible","camera":2,"similarity":0.5,"right":true}]}],"pairs":[{"infrared_images":3,"visible_images":2,"similarity":0.75,"right":null}],"map":[{"x":0.5,"y":-1.0,"modality":"visible","camera":1,"identity":4}]}"#;
    const COST: &str = r#"{"seconds":{"load":0.5,"<fuzz>":1.5},"wall_seconds":2.0,"peak_memory_mib":100.0}"#;
    const ENVIRONMENT: &str = r#"{"version":"0.1.0","device":"cpu","data":"<fuzz>","data_manifest":"0123456789abcdef","synthetic":true,"seed":0,"config_hash":"0123456789abcdef","threads":2}"#;

    const CALIBRATION: &str = r#"{"model":"0123456789abcdef","settings":{"input.height":"96"},"far":0.01,"threshold":0.5,"frr":0.25,"probabilities":[[0.25,0.0],[2.0,0.75]],"same":40,"different":900,"left_out":1,"seen_people":{"of":9,"by_image":2,"by_name":1}}"#;
    const TRAINING_SET: &str = r#"{"images":["0123456789abcdef0123456789abcdef"],"people":["<fuzz>"]}"#;
    const DATA: &str = r#"{"kind":"manifest","path":"/crops/people.csv","trial":1,"world_seed":0,"full_world":false,"skip_corrupt":true}"#;

    /// The first byte chooses the file.
    pub fn run_files() -> Seeds {
        let names = [
            "seed-events",
            "seed-evidence",
            "seed-cost",
            "seed-environment",
            "seed-calibration",
            "seed-training-set",
            "seed-data",
            "seed-ranked",
        ];
        let files = (0u8..).zip(whole_run_files()).map(|(number, (_, whole))| [vec![number], whole].concat());
        names.into_iter().zip(files).collect()
    }

    pub fn weights_pth() -> Seeds {
        const TINY: &[u8] = include_bytes!("../../vireid-backbone/fixtures/tiny.pth");
        const MALICIOUS: &[u8] = include_bytes!("../../vireid-backbone/fixtures/malicious.pth");
        vec![("seed-tiny.pth", TINY.to_vec()), ("seed-malicious.pth", MALICIOUS.to_vec())]
    }

    pub fn weights_safetensors() -> Seeds {
        let bytes: Vec<u8> = [0.5f32, -1.0, 2.0, 0.25].iter().flat_map(|value| value.to_le_bytes()).collect();
        let view = |kind, shape: &[usize], bytes| TensorView::new(kind, shape.to_vec(), bytes).unwrap();
        let whole = BTreeMap::from([
            ("conv1.weight", view(Dtype::F32, &[2, 2], &bytes)),
            ("bn1.num_batches_tracked", view(Dtype::I64, &[], &bytes[..8])),
            ("bn1.weight", view(Dtype::F32, &[1], &bytes[..4])),
        ]);
        let half = BTreeMap::from([("conv1.weight", view(Dtype::F16, &[2, 2], &bytes[..8]))]);
        vec![
            ("seed-whole.safetensors", safetensors::serialize(whole, None).unwrap()),
            ("seed-half.safetensors", safetensors::serialize(half, None).unwrap()),
        ]
    }
}
