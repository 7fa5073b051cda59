//! A table as Markdown and as HTML.

use std::fmt::Write;

/// A table with what must be known about it.
#[derive(Debug, Default)]
pub struct Table {
    pub title: String,
    /// Above it.
    pub note: String,
    pub columns: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// Below it.
    pub remarks: Vec<String>,
}

impl Table {
    pub fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", self.title, self.note);
        let _ = writeln!(text, "| {} |\n|{}", self.columns.join(" | "), "---|".repeat(self.columns.len()));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "* {remark}");
        }
        text
    }

    pub fn html(&self) -> String {
        let mut text = format!("<section>\n<h2>{}</h2>\n<p>{}</p>\n", escaped(&self.title), escaped(&self.note));
        // A region that scrolls must be reachable by keyboard.
        let title = escaped(&self.title);
        let _ = write!(
            text,
            "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table>\n<thead><tr>"
        );
        for column in &self.columns {
            let _ = write!(text, "<th scope=\"col\">{}</th>", escaped(column));
        }
        text.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            let cells: String = row.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
            let _ = writeln!(text, "<tr>{cells}</tr>");
        }
        text.push_str("</tbody></table></div>\n");
        if !self.remarks.is_empty() {
            let items: String = self.remarks.iter().map(|remark| format!("<li>{}</li>\n", escaped(remark))).collect();
            let _ = writeln!(text, "<ul>\n{items}</ul>");
        }
        text + "</section>\n"
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_every_cell() {
        let table = Table {
            title: "A < B".into(),
            note: "n".into(),
            columns: vec!["x", "y"],
            rows: vec![vec!["1".into(), "2 ± 3".into()]],
            remarks: vec!["why".into()],
        };
        assert_eq!(table.markdown(), "## A < B\n\nn\n\n| x | y |\n|---|---|\n| 1 | 2 ± 3 |\n\n* why\n");
        let html = table.html();
        assert!(html.contains("<h2>A &lt; B</h2>") && html.contains("<td>2 ± 3</td>") && html.contains("<li>why</li>"));
    }
}
