//! Plots as SVG. What they show is told apart by pattern and shape, not by colour alone; each has a
//! title and a description, and the page has its numbers in a table beside it.

use crate::web::language::texts::Html;
use crate::web::text::escape;

const WIDTH: i128 = 340;
/// The height of the area that shows numbers.
const AREA: i128 = 110;
/// The space above it, for the number of its top.
const TOP: i128 = 18;
/// The space below it, for days, and for the legend below them.
const DAYS: i128 = 20;
const LEGEND: i128 = 16;
const EDGE: i128 = 4;

/// How the parts of a bar are filled, in their order: full, hatched, empty.
const FILLS: [&str; 3] = ["full", "hatch", "none"];

/// What a plot is called.
pub struct About {
    /// The id of the plot on its page.
    pub id: String,
    pub title: String,
    /// What can be seen, for who does not see it.
    pub description: String,
}

/// A row of numbers, one for each day.
pub struct Series {
    pub name: &'static str,
    pub values: Vec<i128>,
}

/// A row of points, one for each day that has one: from 0 to the number of steps.
pub struct Points {
    pub name: &'static str,
    pub steps: Vec<Option<usize>>,
}

fn begin(about: &About, height: i128) -> String {
    let About { id, title, description } = about;
    format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n\
         <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n",
        escape(title),
        escape(description)
    )
}

fn words(x: i128, y: i128, anchor: &str, text: &str) -> String {
    format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>\n", escape(text))
}

fn line(y: i128) -> String {
    format!("<path class=\"axis\" d=\"M{EDGE} {y}H{}\"/>\n", WIDTH - EDGE)
}

/// The first and the last day below the area.
fn ends(days: &[String]) -> String {
    let y = TOP + AREA + 13;
    let first = days.first().map(|day| words(EDGE, y, "start", day));
    let last = days.last().map(|day| words(WIDTH - EDGE, y, "end", day));
    first.into_iter().chain(last).collect()
}

/// The names of parts, each beside its fill.
fn legend(id: &str, names: &[&str]) -> String {
    let y = TOP + AREA + 19;
    let part = |(nth, name): (i128, &&str)| {
        let x = EDGE + nth * 110;
        let mark = rectangle(id, usize::try_from(nth).unwrap_or(0), (x, y, 10, 10));
        format!("{mark}{}", words(x + 15, y + 9, "start", name))
    };
    (0..).zip(names).map(part).collect()
}

fn rectangle(id: &str, fill: usize, (x, y, width, height): (i128, i128, i128, i128)) -> String {
    let kind = FILLS.get(fill).copied().unwrap_or("none");
    let pattern =
        if kind == "hatch" { format!(" fill=\"url(#{id}-hatch)\"") } else { String::new() };
    format!(
        "<rect class=\"bar {kind}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{pattern}/>\n"
    )
}

/// Bars by day, of one part or of several on top of each other. `top` is what the largest stands for.
pub fn bars(about: &About, days: &[String], parts: &[Series], top: &str) -> Html {
    let id = &about.id;
    let has_legend = parts.len() > 1;
    let margin = if has_legend { DAYS + LEGEND } else { DAYS };
    let mut svg = begin(about, TOP + AREA + margin);
    svg.push_str(&format!(
        "<defs><pattern id=\"{id}-hatch\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">\
         <path class=\"hatch-line\" d=\"M0 4L4 0\"/></pattern></defs>\n"
    ));
    let total = |day: usize| parts.iter().filter_map(|part| part.values.get(day)).sum::<i128>();
    let largest = (0..days.len()).map(total).max().unwrap_or(0).max(1);
    let count = i128::try_from(days.len()).unwrap_or(1).max(1);
    let step = (WIDTH - 2 * EDGE) * 100 / count;
    svg.push_str(&words(EDGE, TOP - 6, "start", top));
    for (day, place) in (0..days.len()).zip(0..) {
        let mut below = 0;
        for (fill, part) in parts.iter().enumerate() {
            let value = part.values.get(day).copied().unwrap_or(0);
            // From the rounded sums, so that the parts leave no gap.
            let (from, to) = (below * AREA / largest, (below + value) * AREA / largest);
            below += value;
            // What is there is seen, however small it is.
            let height = if value > 0 { (to - from).max(1) } else { 0 };
            if height > 0 {
                let x = EDGE + place * step / 100;
                let place = (x, TOP + AREA - from - height, (step / 100 - 2).max(1), height);
                svg.push_str(&rectangle(id, fill, place));
            }
        }
    }
    svg.push_str(&line(TOP + AREA));
    svg.push_str(&ends(days));
    if has_legend {
        let names: Vec<&str> = parts.iter().map(|part| part.name).collect();
        svg.push_str(&legend(id, &names));
    }
    svg.push_str("</svg>");
    Html(svg)
}

/// Points by day on a scale of named steps: two rows at most, the first full circles on a line, the
/// second empty squares on a broken line.
pub fn points(
    about: &About,
    days: &[String],
    rows: &[Points],
    step_name: impl Fn(usize) -> String,
) -> Html {
    let mut svg = begin(about, TOP + AREA + DAYS + LEGEND);
    let all = || rows.iter().flat_map(|row| row.steps.iter().flatten().copied());
    let (low, high) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let span = i128::try_from(high - low).unwrap_or(0).max(1);
    // Where all are the same, they stand beside its name, at the top.
    let y = |step: usize| {
        let above = i128::try_from(if low == high { 1 } else { step - low }).unwrap_or(0);
        TOP + AREA - 6 - above * (AREA - 12) / span
    };
    let count = i128::try_from(days.len()).unwrap_or(1).max(1);
    let x = |place: i128| EDGE + (WIDTH - 2 * EDGE) * (2 * place + 1) / (2 * count);
    svg.push_str(&words(EDGE, TOP - 6, "start", &step_name(high)));
    if low < high {
        svg.push_str(&words(EDGE, TOP + AREA - 10, "start", &step_name(low)));
    }
    for (nth, row) in rows.iter().enumerate() {
        let found =
            (0..).zip(&row.steps).filter_map(|(place, step)| step.map(|step| (place, step)));
        let found: Vec<(i128, usize)> = found.collect();
        let path: Vec<String> =
            found.iter().map(|(place, step)| format!("{} {}", x(*place), y(*step))).collect();
        let kind = if nth == 0 { "solid" } else { "broken" };
        if path.len() > 1 {
            svg.push_str(&format!("<path class=\"{kind}\" d=\"M{}\"/>\n", path.join("L")));
        }
        for (place, step) in found {
            svg.push_str(&mark(nth, x(place), y(step)));
        }
    }
    svg.push_str(&line(TOP + AREA));
    svg.push_str(&ends(days));
    let legend_y = TOP + AREA + 24;
    for ((nth, place), row) in (0..).zip(0_i128..).zip(rows) {
        let at = EDGE + 5 + place * 160;
        svg.push_str(&mark(nth, at, legend_y));
        svg.push_str(&words(at + 10, legend_y + 4, "start", row.name));
    }
    svg.push_str("</svg>");
    Html(svg)
}

fn mark(row: usize, x: i128, y: i128) -> String {
    if row == 0 {
        format!("<circle class=\"bar full\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>\n")
    } else {
        let (left, top) = (x - 3, y - 3);
        format!("<rect class=\"bar none\" x=\"{left}\" y=\"{top}\" width=\"6\" height=\"6\"/>\n")
    }
}

/// Shares of a whole, in tenths of a percent, each below its name.
pub fn shares(about: &About, rows: &[(String, i64)]) -> Html {
    const ROW: i128 = 34;
    let height = ROW * i128::try_from(rows.len()).unwrap_or(0) + 4;
    let mut svg = begin(about, height);
    for ((name, tenths), nth) in rows.iter().zip(0..) {
        let y = nth * ROW + 13;
        let width = WIDTH - 2 * EDGE;
        svg.push_str(&words(EDGE, y, "start", name));
        svg.push_str(&format!(
            "<rect class=\"bar none\" x=\"{EDGE}\" y=\"{}\" width=\"{width}\" height=\"10\"/>\n",
            y + 5
        ));
        let share = width * i128::from(*tenths) / 1_000;
        svg.push_str(&format!(
            "<rect class=\"bar full\" x=\"{EDGE}\" y=\"{}\" width=\"{share}\" height=\"10\"/>\n",
            y + 5
        ));
    }
    svg.push_str("</svg>");
    Html(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About {
            id: "volume-usd".to_owned(),
            title: "Volume <b>".to_owned(),
            description: "From 1 to 2".to_owned(),
        }
    }

    fn days() -> Vec<String> {
        (1..=30).map(|day| format!("2026-11-{day:02}")).collect()
    }

    /// The numbers of an attribute.
    fn numbers(svg: &str, element: &str, name: &str) -> Vec<i64> {
        let begin = format!("<{element} ");
        let elements = svg.split(&begin).skip(1);
        let value = |rest: &str| {
            let rest = rest.split('>').next().unwrap().split_once(&format!(" {name}=\""));
            rest.and_then(|(_, rest)| rest.split('"').next().unwrap().parse().ok())
        };
        elements.filter_map(value).collect()
    }

    #[test]
    fn bars_are_as_high_as_what_they_stand_for() {
        let values = (0..30).map(|day| if day == 3 { 200 } else { i128::from(day == 4) * 100 });
        let part = Series { name: "all", values: values.collect() };
        let Html(svg) = bars(&about(), &days(), &[part], "2.00 USD");
        assert_eq!(numbers(&svg, "rect", "height"), [110, 55]);
        assert!(svg.contains("<title id=\"volume-usd-title\">Volume &lt;b&gt;</title>"), "{svg}");
        assert!(svg.contains("role=\"img\" aria-labelledby=\"volume-usd-title volume-usd-desc\""));
        assert!(
            svg.contains("2026-11-01") && svg.contains("2026-11-30") && svg.contains("2.00 USD")
        );
        // Larger than an integer of a database, and all within the picture.
        let huge = Series { name: "all", values: vec![i128::from(i64::MAX) * 9; 30] };
        let Html(svg) = bars(&about(), &days(), &[huge], "much");
        assert_eq!(numbers(&svg, "rect", "height"), vec![110; 30]);
        let ends = numbers(&svg, "rect", "x").into_iter().zip(numbers(&svg, "rect", "width"));
        assert!(ends.map(|(x, width)| x + width).all(|end| end <= 340));
        let none = Series { name: "all", values: vec![0; 30] };
        assert!(!bars(&about(), &days(), &[none], "0").0.contains("<rect"));
    }

    #[test]
    fn parts_stand_on_each_other_and_differ_without_colour() {
        let part = |name, value| Series { name, values: vec![value] };
        let parts = [part("one", 50), part("two", 25), part("three", 25)];
        let Html(svg) = bars(&about(), &days()[..1], &parts, "100");
        assert_eq!(&numbers(&svg, "rect", "height")[..3], [55, 27, 28]);
        assert_eq!(&numbers(&svg, "rect", "y")[..3], [73, 46, 18]);
        for kind in ["bar full", "bar hatch", "bar none", "one", "two", "three"] {
            assert!(svg.contains(kind), "{kind}: {svg}");
        }
    }

    #[test]
    fn points_leave_days_out_that_have_none() {
        let rows = [
            Points { name: "half", steps: vec![Some(0), None, Some(2)] },
            Points { name: "95 of 100", steps: vec![Some(4), None, Some(4)] },
        ];
        let name = |step| format!("step {step}");
        let Html(svg) = points(&about(), &days()[..3], &rows, name);
        // Two each, and one each in the legend.
        assert_eq!(svg.matches("<circle").count(), 3);
        assert_eq!(svg.matches("<rect").count(), 3);
        assert_eq!(numbers(&svg, "circle", "cy")[..2], [122, 73]);
        assert!(
            svg.contains("step 4") && svg.contains("step 0") && svg.contains("class=\"broken\"")
        );
        let one = [Points { name: "half", steps: vec![Some(3)] }];
        let Html(svg) = points(&about(), &days()[..1], &one, name);
        assert!(!svg.contains("class=\"solid\"") && svg.contains("<circle"), "{svg}");
    }

    #[test]
    fn a_share_is_part_of_its_frame() {
        let rows = [("All".to_owned(), 1_000), ("Half".to_owned(), 500), ("None".to_owned(), 0)];
        let Html(svg) = shares(&about(), &rows);
        assert_eq!(numbers(&svg, "rect", "width"), [332, 332, 332, 166, 332, 0]);
    }
}
