//! Receipts and invoices as people get them: pages, PDFs, and the form that verifies a receipt.

use std::io::Write;
use std::process::{Command, Stdio};

use scraper::{Html, Selector};
use ureq::http::Response;

use super::{Merchant, Server, shown};

/// What came back, with any status, from a client that follows no redirects.
pub(crate) struct Paper {
    pub(crate) status: u16,
    response: Response<()>,
    pub(crate) bytes: Vec<u8>,
}

impl Paper {
    #[track_caller]
    fn read(response: Result<Response<ureq::Body>, ureq::Error>) -> Self {
        let (parts, mut body) = response.expect("an answer").into_parts();
        let bytes = body.read_to_vec().expect("a body");
        Self { status: parts.status.as_u16(), response: Response::from_parts(parts, ()), bytes }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map(|value| value.to_str().expect("text")).unwrap_or("")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// What stands in the `main` part of a page, with single spaces.
    pub(crate) fn words(&self) -> String {
        let page = Html::parse_document(&self.text());
        let main = page.select(&selector("main")).next().expect("a main part");
        single_spaced(&main.text().collect::<Vec<_>>().join(" "))
    }

    /// The texts of the cells in the tables of a page, without what only the page has.
    pub(crate) fn cells(&self) -> Vec<String> {
        let page = Html::parse_document(&self.text());
        let cells = selector("tr th, tr td > span, tr td > small, tr td.n, tr td > bdi");
        page.select(&cells).map(|cell| single_spaced(&cell.text().collect::<String>())).collect()
    }

    /// The text of a PDF without any space, since lines break elsewhere than on the page. `None` on
    /// a machine without pdftotext.
    #[track_caller]
    pub(crate) fn pdf_words(&self) -> Option<String> {
        assert_eq!((self.status, self.header("content-type")), (200, "application/pdf"));
        let words = pdf_text(&self.bytes)?;
        Some(without_spaces(&words))
    }
}

pub(crate) fn selector(text: &str) -> Selector {
    Selector::parse(text).expect("a selector")
}

fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn without_spaces(text: &str) -> String {
    text.split_whitespace().collect()
}

/// What pdftotext reads in a PDF.
#[track_caller]
fn pdf_text(pdf: &[u8]) -> Option<String> {
    let program = Command::new("pdftotext")
        .args(["-enc", "UTF-8", "-raw", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut program) = program else {
        super::skipped(module_path!(), "the text of a PDF: pdftotext is not on this machine");
        return None;
    };
    let mut input = program.stdin.take().expect("an input");
    // The program reads all of its input before it writes.
    input.write_all(pdf).expect("pdftotext reads the PDF");
    drop(input);
    let output = program.wait_with_output().expect("pdftotext ends");
    assert!(output.status.success(), "pdftotext finds faults");
    Some(String::from_utf8(output.stdout).expect("text"))
}

impl Server {
    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into()
    }

    /// Gets a path, or a URL of this server.
    #[track_caller]
    pub(crate) fn paper(&self, path: &str) -> Paper {
        let own = format!("http://{}", self.api.address);
        let url = format!("{own}{}", path.strip_prefix(&own).unwrap_or(path));
        Paper::read(Self::agent().get(url).call())
    }

    /// The same with a header, such as a cookie.
    #[track_caller]
    pub(crate) fn paper_for(&self, path: &str, (name, value): (&str, &str)) -> Paper {
        let url = format!("http://{}{path}", self.api.address);
        Paper::read(Self::agent().get(url).header(name, value).call())
    }

    /// Verifies a receipt, as somebody at this address.
    #[track_caller]
    pub(crate) fn check_receipt(&self, address: &str, code: &str, amount: &str) -> Paper {
        let form = [("code", code), ("amount", amount)];
        let asked = Self::agent()
            .post(format!("http://{}/verify", self.api.address))
            .header("X-Forwarded-For", address);
        Paper::read(asked.send_form(form))
    }
}

impl Merchant {
    /// The URL of a page of an invoice: `pay` or `receipt`.
    #[track_caller]
    pub(crate) fn link(&self, page: &str, invoice: i64) -> String {
        let invoice = self.api.get(&format!("/v1/invoices/retrieve/{invoice}")).ok();
        let number = shown(&invoice, "invoice_number");
        let asked = format!("/v1/links/{page}?source_type=INVOICE&source_number={number}");
        shown(&self.api.get(&asked).ok(), "url")
    }
}
