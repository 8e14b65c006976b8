use std::io::Write;

use proptest::prelude::*;

use super::*;

const HEAD: &str = "Creation Date,MSISDN,Transaction ID,Amount,Currency,Country,MNO,Type,Fee\n";
const ID: &str = "8917c345-4791-4285-a416-62f24b6982db";

/// A line of pawaPay's with these parts.
fn line(id: &str, amount: &str, kind: &str, fee: &str) -> String {
    format!("2026-11-28T23:00:01Z,250783456789,{id},{amount},RWF,RWA,MTN_MOMO_RWA,{kind},{fee}\n")
}

fn opened(bytes: &[u8], mapping: &str) -> Result<StatementFile, FileRefused> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    StatementFile::check(file, Mapping::read(mapping).unwrap())
}

fn all(bytes: &[u8], mapping: &str) -> Vec<Result<ReportedLine, LineFault>> {
    opened(bytes, mapping).unwrap().lines().unwrap().collect()
}

fn good(bytes: &[u8], mapping: &str) -> Vec<ReportedLine> {
    all(bytes, mapping).into_iter().collect::<Result<_, _>>().unwrap()
}

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, Currency::parse(code).unwrap())
}

fn deposit() -> ReportedLine {
    ReportedLine {
        kind: LineKind::Collection,
        line_id: None,
        request_id: Uuid::try_parse(ID).ok(),
        reference: None,
        amount: money(1_000, "RWF"),
        settled: None,
        fee: Some(money(10, "RWF")),
        occurred_at: ServerTime::parse("2026-11-28T23:00:01Z").unwrap(),
    }
}

fn utf16(text: &str, is_big: bool) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units
        .flat_map(|unit: u16| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() })
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn the_columns_that_pawapay_names() {
    let file = HEAD.to_owned() + &line(ID, "1000", "DEPOSIT", "10");
    assert_eq!(good(file.as_bytes(), ""), [deposit()]);
}

#[test]
fn every_encoding_and_form_says_the_same() {
    let plain = HEAD.to_owned() + &line(ID, "1000", "DEPOSIT", "10");
    let (head, body) = plain.split_once('\n').unwrap();
    let quoted = |line: &str| format!("\"{}\"", line.trim_end().replace(',', "\",\""));
    let crlf = plain.replace('\n', "\r\n");
    for (what, bytes) in [
        ("with a byte-order mark", format!("\u{feff}{plain}").into_bytes()),
        ("UTF-16, little first", utf16(&plain, false)),
        ("UTF-16, big first", utf16(&crlf, true)),
        ("CRLF", crlf.clone().into_bytes()),
        ("CR", plain.replace('\n', "\r").into_bytes()),
        ("quotes", format!("{}\n{}\n", quoted(head), quoted(body)).into_bytes()),
        ("no end of line", plain.trim_end().as_bytes().to_vec()),
        ("quotes and no end", format!("{}\n{}", quoted(head), quoted(body)).into_bytes()),
        ("empty lines", format!("\r\n{head}\n\n\r\n{body}\n\n").into_bytes()),
        ("other case and space", plain.replace("Amount", " aMOUNT ").into_bytes()),
        ("gzip", gzip(plain.as_bytes())),
        ("gzip of UTF-16", gzip(&utf16(&plain, false))),
        ("gzip in parts", [gzip(format!("{head}\n").as_bytes()), gzip(body.as_bytes())].concat()),
    ] {
        assert_eq!(good(&bytes, ""), [deposit()], "{what}");
    }
}

#[test]
fn a_file_that_is_refused_says_what_to_do() {
    let head = HEAD.trim_end();
    let good = line(ID, "1000", "DEPOSIT", "10");
    let plain = format!("{head}\n{good}");
    let packed = gzip(plain.repeat(50).as_bytes());
    let mut broken = packed.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    let text = |text: &str| text.as_bytes().to_vec();
    for (bytes, said) in [
        (vec![], "the file is empty"),
        (text("\n\r\n"), "no line with the names of the columns"),
        (utf16("", false), "no line with the names of the columns"),
        (gzip(b""), "no line with the names of the columns"),
        (text(&head.replace(",Amount", "")), "no column \"Amount\"; it has \"Creation Date\""),
        (text(&head.replace("Transaction ID", "Id")), "[columns] request_id = "),
        (text(&head.replace(',', ";")), "or set delimiter = \";\""),
        (text(&head.replace(',', "\t")), "or set delimiter = \"\\t\""),
        (text(&head.replace("MNO", " amount ")), "two columns are named \"amount\""),
        (text(&head.replace("MNO", "Country")), "two columns are named \"country\""),
        (
            text(&format!("{head}\n{}", &good[..60])),
            "in the middle of line 2, after 3 of 9 columns",
        ),
        (text(&format!("{plain}2026-11-28")), "in the middle of line 3, after 1 of 9 columns"),
        (text(&format!("{plain}\"2026-11")), "in the middle of line 3, within quotes"),
        (text(&format!("{plain}\"2026-11\n")), "in the middle of line 3, within quotes"),
        (text(&format!("{plain}\"{}", good.repeat(1_000))), "line 3 is longer than 65536 bytes"),
        (text(&format!("{head}{}", ",".repeat(2_000))), "more than 1024 columns"),
        ([text(&plain), vec![0xff, b'\n']].concat(), "no text in UTF-8: save it as UTF-8"),
        ([text(&plain), vec![0xc3]].concat(), "no text in UTF-8"),
        ([text(&plain), vec![0]].concat(), "NUL characters"),
        (utf16(&plain, false)[2..].to_vec(), "NUL characters"),
        (utf16(&plain, false)[..99].to_vec(), "no text in UTF-16LE"),
        (text("PK\u{3}\u{4}rest"), "a spreadsheet"),
        (packed[..packed.len() - 9].to_vec(), "gzip file is broken or was cut off"),
        (packed[..20].to_vec(), "gzip file is broken or was cut off"),
        (broken, "gzip file is broken or was cut off"),
        ([gzip(plain.as_bytes()), text("rest")].concat(), "gzip file is broken"),
    ] {
        let refused = opened(&bytes, "").map(|file| file.summary).unwrap_err();
        assert!(refused.0.contains(said), "{said}: {refused}");
    }
    // A file without its first line has payers in it.
    let headless = opened(good.as_bytes(), "").unwrap_err().0;
    assert!(
        headless.contains("\"DEPOSIT\"") && headless.contains("Is its first line"),
        "{headless}"
    );
    assert!(!headless.contains("250783456789") && !headless.contains(ID), "{headless}");
    let missing = opened(plain.as_bytes(), "[columns]\nfee = \"Charge\"").unwrap_err();
    assert!(missing.0.contains("no column \"Charge\""), "{missing}");
    let nowhere = StatementFile::open(Path::new("/no/such/file.csv"), Mapping::default());
    assert!(nowhere.unwrap_err().0.contains("cannot be opened"));
}

#[test]
fn a_line_that_cannot_be_read_is_told_and_the_others_are_read() {
    let good = line(ID, "1000", "DEPOSIT", "10");
    for (bad, mapping, said) in [
        (line(ID, "10.5", "DEPOSIT", ""), "", "more decimals than RWF"),
        (line(ID, "1,000", "DEPOSIT", ""), "", "it has 10 columns, and the first line names 9"),
        (line(ID, "\"1,000\"", "DEPOSIT", ""), "", "is no amount"),
        (line(ID, "", "DEPOSIT", ""), "", "is no amount"),
        (line(ID, "1000", "DEPOSIT", "ten"), "", "\"ten\" is no amount"),
        (line(ID, "99999999999999999999", "DEPOSIT", ""), "", "larger than any amount"),
        (good.replace("2026-11-28T", "28/11/2026 "), "", "set date_format"),
        (good.replace("RWF", "FRW"), "", "\"FRW\" is no currency"),
        (good.replace("RWF", ""), "", "\"\" is no currency"),
        ("2026-11-28T23:00:01Z,1\n".to_owned(), "", "it has 2 columns"),
        (good.replace('\n', ",\n"), "", "it has 10 columns"),
        (line(ID, "-5", "DEPOSIT", ""), "amounts = \"by-kind\"", "below zero"),
        (line(ID, "5", "NEWS", ""), "amounts = \"by-kind\"", "[kinds]"),
    ] {
        let file = format!("{HEAD}{good}\"\n\",\n{bad}{good}");
        let read = all(file.as_bytes(), mapping);
        assert_eq!(read.len(), 4, "{bad}");
        assert_eq!((&read[0], &read[3]), (&Ok(deposit()), &Ok(deposit())));
        // The record before it has two lines.
        assert_eq!(read[1].as_ref().unwrap_err().line, 3);
        let fault = read[2].as_ref().unwrap_err();
        assert_eq!(fault.line, 5);
        assert!(fault.reason.contains(said), "{bad}: {fault}");
        let summary = opened(file.as_bytes(), mapping).unwrap().summary;
        assert_eq!((summary.lines, summary.faults), (2, 2));
        assert_eq!(&summary.first_faults[1], fault);
    }
}

#[test]
fn a_summary_says_what_is_in_a_file() {
    let other = line("T-1", "50", "Wallet fund", "").replace("RWF", "usd").replace("-28T", "-29T");
    let file = HEAD.to_owned()
        + &line(ID, "1000", "DEPOSIT", "10").repeat(4)
        + &line(ID, "-200", "PAYOUT", "5")
        + &line(ID, "200", "PAYOUT", "-5")
        + other.trim_end();
    let mut opened = opened(file.as_bytes(), "").unwrap();
    let summary = opened.summary().clone();
    let sha256: [u8; 32] = Sha256::digest(file.as_bytes()).into();
    assert_eq!(summary.sha256, sha256);
    assert_eq!((summary.lines, summary.faults, summary.sample.len()), (7, 0, 5));
    assert_eq!(summary.first.unwrap().to_string(), "2026-11-28T23:00:01Z");
    assert_eq!(summary.last.unwrap().to_string(), "2026-11-29T23:00:01Z");
    assert_eq!(summary.currencies.into_iter().collect::<Vec<_>>(), ["RWF", "USD"]);
    assert_eq!(
        summary.kinds.into_iter().collect::<Vec<_>>(),
        [
            (LineKind::Collection, 4),
            (LineKind::Payout, 1),
            (LineKind::Reversal, 1),
            (LineKind::Other, 1),
        ]
    );
    assert_eq!(
        summary.unknown_words.into_iter().collect::<Vec<_>>(),
        [("Wallet fund".to_owned(), 1)]
    );
    assert_eq!(summary.unread_columns, ["MSISDN", "Country", "MNO"]);
    assert_eq!(summary.warnings.len(), 2, "{:?}", summary.warnings);
    // As often as wanted, and the same each time.
    let once: Vec<_> = opened.lines().unwrap().collect();
    let again: Vec<_> = opened.lines().unwrap().collect();
    assert_eq!(once, again);
    let last = once[6].as_ref().unwrap();
    assert_eq!((last.request_id, last.reference.as_deref()), (None, Some("T-1")));
    assert_eq!((last.kind, last.fee, last.amount), (LineKind::Other, None, money(5_000, "USD")));
    assert_eq!(once[5].as_ref().unwrap().fee, Some(money(-5, "RWF")));
}

#[test]
fn amounts_without_signs_are_noticed() {
    let file = HEAD.to_owned() + &line(ID, "1000", "DEPOSIT", "") + &line(ID, "7", "REFUND", "");
    let summary = opened(file.as_bytes(), "").unwrap().summary;
    assert!(summary.warnings[0].contains("amounts = \"by-kind\""), "{:?}", summary.warnings);
    let by_kind = good(file.as_bytes(), "amounts = \"by-kind\"");
    assert_eq!((by_kind[1].kind, by_kind[1].amount), (LineKind::Refund, money(-7, "RWF")));
    assert_eq!(opened(file.as_bytes(), "amounts = \"by-kind\"").unwrap().summary.warnings, [""; 0]);
}

#[test]
fn another_dashboard_is_read_by_its_mapping() {
    let mapping = r#"
        delimiter = ";"
        time_zone = "Africa/Kigali"
        date_format = "%d.%m.%Y %H:%M"
        decimal_separator = ","
        thousands_separator = "."
        fees = "negative"
        [columns]
        date = "Buchung"
        request_id = "Kola"
        reference = "Vorgang"
        line_id = "Zeile"
        kind = "Art"
        amount = "Betrag"
        currency = "W"
        fee = "Gebühr"
        payment_amount = "Original"
        payment_currency = "OW"
        [kinds]
        Einzahlung = "COLLECTION"
        Auszahlung = "PAYOUT"
    "#;
    let head = "Zeile;Buchung;Art;Vorgang;Kola;Betrag;W;Gebühr;Original;OW\n";
    let lines = format!(
        "txn_1;28.11.2026 23:00;Einzahlung;pi_1;{ID};1.000,50;USD;-0,30;1.400.000;RWF\n\
         txn_2;28.11.2026 23:00;Auszahlung;pi_2;;-10;USD;;14000;RWF\n\
         txn_3;28.11.2026 23:00;Einzahlung;pi_3;;10;USD;;10;USD\n\
         txn_4;28.11.2026 23:00;Einzahlung;pi_4;;10;USD;;;\n"
    );
    let read = good(format!("{head}{lines}").as_bytes(), mapping);
    let first = ReportedLine {
        kind: LineKind::Collection,
        line_id: Some("txn_1".to_owned()),
        request_id: Uuid::try_parse(ID).ok(),
        reference: Some("pi_1".to_owned()),
        amount: money(1_400_000, "RWF"),
        settled: Some(money(100_050, "USD")),
        fee: Some(money(30, "USD")),
        occurred_at: ServerTime::parse("2026-11-28T21:00:00Z").unwrap(),
    };
    assert_eq!(read[0], first);
    assert_eq!(read[1].amount, money(-14_000, "RWF"));
    assert_eq!((read[2].amount, read[2].settled), (money(1_000, "USD"), None));
    assert_eq!((read[3].amount, read[3].settled), (money(1_000, "USD"), None));
    let fixed = "currency = \"USD\"\n[columns]\nrequest_id = \"\"\nreference = \"R\"";
    let read = good(b"R,Type,Amount,Creation Date\npi_1,DEPOSIT,5,2026-11-28\n", fixed);
    assert_eq!((read[0].amount, read[0].fee), (money(500, "USD"), None));
    assert_eq!((read[0].request_id, read[0].reference.as_deref()), (None, Some("pi_1")));
}

#[test]
fn a_file_that_changes_meanwhile_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("statement.csv");
    let text = HEAD.to_owned() + &line(ID, "1000", "DEPOSIT", "10").repeat(3);
    std::fs::write(&path, &text).unwrap();
    let mut file = StatementFile::open(&path, Mapping::default()).unwrap();
    assert!(file.lines().unwrap().all(|line| line.is_ok()));
    std::fs::write(&path, text.replace("1000", "1001")).unwrap();
    let read: Vec<_> = file.lines().unwrap().collect();
    let last = read.last().unwrap().as_ref().unwrap_err();
    assert!(last.reason.contains("was changed"), "{last}");
}

/// The most memory that this process has had, in kilobytes.
#[cfg(target_os = "linux")]
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// `cargo test -p kola --lib a_file_of_200_mb -- --ignored --nocapture`, alone: memory is that of the
/// whole process.
#[test]
#[ignore = "writes 200 MB and takes a while"]
#[cfg(target_os = "linux")]
fn a_file_of_200_mb_is_read_in_little_memory() {
    const LINES: u64 = 2_000_000;
    let mut file = io::BufWriter::new(tempfile::tempfile().unwrap());
    file.write_all(HEAD.as_bytes()).unwrap();
    for number in 0..LINES {
        let id = Uuid::from_u128(number.into()).to_string();
        file.write_all(line(&id, "1000", "DEPOSIT", "10").as_bytes()).unwrap();
    }
    let file = file.into_inner().unwrap();
    let size = file.metadata().unwrap().len();
    assert!(size > 200_000_000, "{size}");
    let before = most_memory();
    let begun = std::time::Instant::now();
    let mut opened = StatementFile::check(file, Mapping::default()).unwrap();
    let checked = begun.elapsed();
    assert_eq!(opened.summary().lines, LINES);
    let read = opened.lines().unwrap().filter(Result::is_ok).count();
    assert_eq!(u64::try_from(read), Ok(LINES));
    let (took, grown) = (begun.elapsed(), most_memory() - before);
    eprintln!(
        "{size} bytes, {LINES} lines: checked in {checked:?}, read in {took:?}, {grown} kB more"
    );
    assert!(grown < 16 * 1024, "{grown} kB");
}

/// A row, and in which order rows and columns are written.
fn rows() -> impl Strategy<Value = (Vec<[String; 9]>, Vec<usize>, Vec<usize>)> {
    let kind = prop::sample::select(vec!["DEPOSIT", "PAYOUT", "REFUND", "News, \"late\"\nones"]);
    let row = (0..4_102_444_800_i64, any::<u128>(), -1_000_000..1_000_000_i64, kind, 0..1_000_i64);
    let row = row.prop_map(|(at, id, minor, kind, fee)| {
        let at = ServerTime(domain::kernel::time::seconds(at)).to_string();
        let id = Uuid::from_u128(id).to_string();
        [&at, "250783456789", &id, &minor.to_string(), "RWF", "RWA", "MTN", kind, &fee.to_string()]
            .map(str::to_owned)
    });
    prop::collection::vec(row, 1..20).prop_flat_map(|rows| {
        let order = Just((0..rows.len()).collect::<Vec<_>>()).prop_shuffle();
        let columns = Just((0..9).collect::<Vec<_>>()).prop_shuffle();
        (Just(rows), order, columns)
    })
}

fn written(rows: &[[String; 9]], order: &[usize], columns: &[usize]) -> Vec<u8> {
    let names: Vec<String> = HEAD.trim_end().split(',').map(str::to_owned).collect();
    let line = |fields: &[String]| {
        let quoted = columns.iter().map(|at| format!("\"{}\"", fields[*at].replace('"', "\"\"")));
        quoted.collect::<Vec<_>>().join(",") + "\n"
    };
    let body: String = order.iter().map(|at| line(&rows[*at])).collect();
    (line(&names) + &body).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_rows_and_columns_makes_no_difference((rows, order, columns) in rows()) {
        let as_made: Vec<usize> = (0..rows.len()).collect();
        let plain = good(&written(&rows, &as_made, &(0..9).collect::<Vec<_>>()), "");
        let shuffled = good(&written(&rows, &order, &columns), "");
        let expected: Vec<_> = order.iter().map(|at| plain[*at].clone()).collect();
        prop_assert_eq!(shuffled, expected);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), begins in any::<bool>()) {
        let head = if begins { HEAD.as_bytes() } else { b"" };
        if let Ok(mut file) = opened(&[head, &bytes].concat(), "") {
            let _ = file.lines().unwrap().count();
        }
    }
}
