//! Names of weights in files of others, as a table: where each tensor goes.
//!
//! In a name's pattern `*` is any one part between dots, `**` all parts that are left, and `layer#` the word `layer` and a
//! number counted from 1. A place names them in order: `$1` is the first, counted from 0 where it is a number; `^2` is the
//! block that the `$2`-th non-local block of stage `$1` follows. No place at all: the tensor is left out. The first pattern
//! that fits counts; a name that none fits stays as it is.

/// What a file calls its tensors, and where each goes.
#[derive(Debug)]
pub(crate) struct RuleSet {
    /// As [`WeightNames::name`](crate::WeightNames::name) has it.
    pub name: &'static str,
    /// A file may be of this set if it has a tensor of one of these names.
    pub marks: &'static [&'static str],
    /// Two tensors that every network of this set has, under one beginning: where a file's network is.
    pub anchors: &'static [[&'static str; 2]],
    /// Whether whole networks of other sets stand inside of it, so that those are not networks of their own.
    pub is_around_others: bool,
    /// Whether a file may lack the neck, which its makers do not have.
    pub may_lack_neck: bool,
    /// Patterns, and the places of what they fit.
    pub rules: &'static [(&'static str, &'static [&'static str])],
}

/// ResNet as torchvision has it; timm's are named alike.
const RESNET: &[(&str, &[&str])] = &[
    ("conv1.*", &["stem_visible.conv.$1", "stem_infrared.conv.$1"]),
    ("bn1.*", &["stem_visible.bn.$1", "stem_infrared.bn.$1"]),
    ("layer#.*.downsample.0.*", &["layers.$1.blocks.$2.downsample.conv.$3"]),
    ("layer#.*.downsample.1.*", &["layers.$1.blocks.$2.downsample.bn.$3"]),
    ("layer#.*.**", &["layers.$1.blocks.$2.$3"]),
    ("fc.**", &[]),
    ("classifier.**", &[]),
    ("head.**", &[]),
];

/// All sets, in the order in which they are preferred where a file fits several equally.
pub(crate) const RULE_SETS: &[RuleSet] = &[
    RuleSet {
        name: "own",
        marks: &["stem_visible.conv.weight", "neck.weight", "patch_embed_infrared.proj.weight"],
        anchors: &[
            ["stem_visible.conv.weight", "stem_visible.conv.weight"],
            ["stem_visible.weight", "last.conv.weight"],
        ],
        is_around_others: false,
        may_lack_neck: false,
        // A run's last stage may train a classifier, which no network in use has.
        rules: &[("classifier.**", &[]), ("head.**", &[])],
    },
    RuleSet {
        name: "torchvision",
        marks: &["conv1.weight"],
        anchors: &[["conv1.weight", "layer1.0.conv1.weight"]],
        is_around_others: false,
        may_lack_neck: true,
        rules: RESNET,
    },
    RuleSet {
        name: "timm",
        marks: &["conv1.weight", "cls_token"],
        anchors: &[["cls_token", "pos_embed"]],
        is_around_others: false,
        may_lack_neck: true,
        rules: RESNET,
    },
    RuleSet {
        name: "efficientnet-pytorch",
        marks: &["_conv_stem.weight"],
        anchors: &[["_conv_stem.weight", "_conv_head.weight"]],
        is_around_others: false,
        may_lack_neck: true,
        rules: &[
            ("_conv_stem.*", &["stem_visible.$1", "stem_infrared.$1"]),
            ("_bn0.*", &["stem_visible.bn.$1", "stem_infrared.bn.$1"]),
            ("_blocks.*._expand_conv.*", &["blocks.$1.expand.conv.$2"]),
            ("_blocks.*._bn0.*", &["blocks.$1.expand.bn.$2"]),
            ("_blocks.*._depthwise_conv.*", &["blocks.$1.depthwise.$2"]),
            ("_blocks.*._bn1.*", &["blocks.$1.depthwise.bn.$2"]),
            ("_blocks.*._project_conv.*", &["blocks.$1.project.conv.$2"]),
            ("_blocks.*._bn2.*", &["blocks.$1.project.bn.$2"]),
            ("_conv_head.*", &["last.conv.$1"]),
            ("_bn1.*", &["last.bn.$1"]),
            ("_fc.**", &[]),
        ],
    },
    RuleSet {
        name: "usl-vi-reid",
        marks: &["visible_module.visible.conv1.weight", "base_resnet.base.layer1.0.conv1.weight"],
        anchors: &[["visible_module.visible.conv1.weight", "base_resnet.base.layer1.0.conv1.weight"]],
        is_around_others: true,
        may_lack_neck: false,
        rules: &[
            ("visible_module.visible.conv1.*", &["stem_visible.conv.$1"]),
            ("visible_module.visible.bn1.*", &["stem_visible.bn.$1"]),
            ("thermal_module.thermal.conv1.*", &["stem_infrared.conv.$1"]),
            ("thermal_module.thermal.bn1.*", &["stem_infrared.bn.$1"]),
            // Each of the three modules holds a whole network, of which it uses a part.
            ("visible_module.**", &[]),
            ("thermal_module.**", &[]),
            ("base_resnet.base.layer#.*.downsample.0.*", &["layers.$1.blocks.$2.downsample.conv.$3"]),
            ("base_resnet.base.layer#.*.downsample.1.*", &["layers.$1.blocks.$2.downsample.bn.$3"]),
            ("base_resnet.base.layer#.*.**", &["layers.$1.blocks.$2.$3"]),
            ("base_resnet.base.conv1.*", &[]),
            ("base_resnet.base.bn1.*", &[]),
            ("base_resnet.base.fc.*", &[]),
            ("NL_#.*.g.0.*", &["layers.$1.blocks.^2.non_local.g.$3"]),
            ("NL_#.*.g.*", &["layers.$1.blocks.^2.non_local.g.$3"]),
            ("NL_#.*.theta.*", &["layers.$1.blocks.^2.non_local.theta.$3"]),
            ("NL_#.*.phi.*", &["layers.$1.blocks.^2.non_local.phi.$3"]),
            ("NL_#.*.W.0.*", &["layers.$1.blocks.^2.non_local.out.$3"]),
            ("NL_#.*.W.1.*", &["layers.$1.blocks.^2.non_local.bn.$3"]),
            ("bottleneck.*", &["neck.$1"]),
            ("classifier.**", &[]),
        ],
    },
    RuleSet {
        name: "transreid",
        marks: &["base.cls_token"],
        anchors: &[["base.cls_token", "bottleneck.weight"]],
        is_around_others: true,
        may_lack_neck: false,
        rules: &[
            ("base.fc.**", &[]),
            ("base.head.**", &[]),
            ("base.**", &["$1"]),
            ("bottleneck.*", &["neck.$1"]),
            ("classifier.**", &[]),
        ],
    },
];
