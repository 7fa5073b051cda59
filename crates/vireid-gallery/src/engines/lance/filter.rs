//! Filters as conditions of Lance.

use lancedb::datafusion::functions_nested::expr_fn::array_has;
use lancedb::datafusion::prelude::Expr;
use lancedb::expr::{col, lit};

use crate::Filter;
use crate::engines::tags::tag;

/// A filter as a condition of the engine; `None` for one that says nothing. It is an expression and no text, so that nothing that
/// a person wrote is read as a statement.
pub fn condition(filter: &Filter) -> Option<Expr> {
    let mut parts = Vec::new();
    if let Some(modality) = filter.modality {
        parts.push(col("modality").eq(lit(modality.name())));
    }
    if !filter.cameras.is_empty() {
        parts.push(is_one_of("camera", &filter.cameras));
    }
    if let Some(from) = filter.from {
        parts.push(col("time_ms").gt_eq(lit(from.milliseconds())));
    }
    if let Some(until) = filter.until {
        parts.push(col("time_ms").lt(lit(until.milliseconds())));
    }
    parts.extend(filter.metadata.iter().map(|(key, value)| array_has(col("tags"), lit(tag(key, value)))));
    parts.into_iter().reduce(Expr::and)
}

/// That a column has one of some texts.
pub fn is_one_of(column: &str, texts: &[String]) -> Expr {
    col(column).in_list(texts.iter().map(|text| lit(text.as_str())).collect(), false)
}

/// That an entry comes behind another in the order of age. Two programs can give one number; then the ids tell.
pub fn is_behind(number: i64, id: &str) -> Expr {
    let same = col("number").eq(lit(number)).and(col("id").gt(lit(id)));
    col("number").gt(lit(number)).or(same)
}
