//! What is shipped can be read, and what contradicts itself is refused in words.

use crate::schema::market::*;

#[test]
fn what_is_shipped_can_be_read() {
    let file = MarketFile::shipped().unwrap();
    assert_eq!(file.markets.len(), Method::SHIPPED.len());
    assert_eq!(file.providers_of(Method::CREDIT_CARD), [Provider::Stripe]);
}

fn refused(from: &str, to: &str) -> String {
    assert!(SHIPPED.contains(from), "{from}");
    MarketFile::read(&SHIPPED.replacen(from, to, 1)).unwrap_err()
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    assert!(
        refused("method = \"MTN_MOMO_LBR\"", "method = \"mtn\"")
            .contains("\"mtn\" is not a method")
    );
    let said = refused("percentage = \"2.9\"", "percentage = 2.9");
    assert!(said.contains("line") && said.contains("expected a string"), "{said}");
    assert!(refused("percentage = \"2.9\"", "percentage = \"-1\"").contains("not a percentage"));
    assert!(refused("country = \"LR\"", "land = \"LR\"").contains("land"));
    assert!(refused("default = true", "default = false").contains("0 tiers"));
    assert!(refused("tier = \"default\"", "tier = \"gold\"").contains("gold"));
    assert!(refused("amount = \"0.30\"", "amount = \"0.305\"").contains("2 decimals"));
    assert!(refused("rate = \"192\"", "rate = \"0\"").contains("above zero"));
    assert!(
        refused("rate = \"192\"", "rate = \"1e18\"")
            .contains("1 USD = 1000000000000000000 LRD is out of bounds")
    );
    let said = refused("rate = \"192\"", "rate = \"0.192123456789012347\"");
    assert!(said.contains("between LRD and RWF, which goes through USD"), "{said}");
    assert!(refused("\"25073\"", "\"25072\"").contains("twice"));
    let last = SHIPPED.rfind("percentage = \"0\"").unwrap();
    let fee = format!("{}percentage = \"1\"{}", &SHIPPED[..last], &SHIPPED[last + 16..]);
    assert_eq!(
        MarketFile::read(&fee).unwrap_err(),
        "a refund has no fees: those of its collection stay spent"
    );
}

#[test]
fn a_fixed_part_has_a_rate_to_what_it_is_taken_of() {
    let said = refused(
        "currency = \"USD\" }\n\n[[gateway_fee]]",
        "currency = \"EUR\" }\n\n[[gateway_fee]]",
    );
    assert!(said.contains("fixed fee in EUR") && said.contains("between EUR and USD"), "{said}");
    let platform = "percentage = \"1\"\nexchange_percentage = \"1\"";
    let fixed = |currency: &str| {
        format!("{platform}\nfixed = {{ amount = \"1\", currency = \"{currency}\" }}")
    };
    assert!(refused(platform, &fixed("EUR")).contains("between EUR and USD"));
    MarketFile::read(&SHIPPED.replacen(platform, &fixed("RWF"), 1)).unwrap();
    let rate = "[[rate]]\nfrom_currency = \"EUR\"\nto_currency = \"USD\"\nrate = \"1.25\"\n";
    MarketFile::read(&format!("{}\n{rate}", SHIPPED.replacen(platform, &fixed("EUR"), 1))).unwrap();
}

#[test]
fn what_is_shipped_has_all_its_fees() {
    let file = MarketFile::shipped().unwrap();
    for (entry, operation) in file
        .markets
        .iter()
        .flat_map(|entry| entry.operations.iter().map(move |word| (entry, word.0)))
    {
        let of_method = |fee: &GatewayEntry| {
            fee.methods.contains(&entry.method) && fee.operation.0 == operation
        };
        assert!(file.gateway_fees.iter().any(of_method), "{} {operation}", entry.method.0);
        assert!(file.platform_fees.iter().any(|fee| fee.operation.0 == operation), "{operation}");
    }
}

/// The shipped file with more rows.
fn with(more: &str) -> Result<MarketFile, String> {
    MarketFile::read(&format!("{SHIPPED}\n{more}"))
}

fn row(provider: &str, currency: &str, period: &str) -> String {
    let head = "[[market]]\nmethod = \"AIRTEL_RWA\"\ncountry = \"RW\"\noperations = [\"PAYOUT\"]";
    format!("{head}\nprovider = \"{provider}\"\ncurrencies = [\"{currency}\"]\n{period}\n")
}

#[test]
fn rows_of_a_market_that_hold_at_once_are_refused() {
    with(&row("PAWAPAY", "USD", "")).unwrap();
    assert!(
        with(&row("PAWAPAY", "RWF", ""))
            .unwrap_err()
            .contains("AIRTEL_RWA PAYOUT RWF is there twice")
    );
    assert!(with(&row("STRIPE", "USD", "")).unwrap_err().contains("two providers"));
    assert!(with(&row("PAWAPAY", "USD\", \"USD", "")).unwrap_err().contains("twice"));
    let [before, after, over] =
        ["to = \"2027-01-01\"", "from = \"2027-01-01\"", "from = \"2026-12-31T23:59:59Z\""];
    let two = |first: String, second: String| with(&(first + &second));
    two(row("PAWAPAY", "USD", before), row("PAWAPAY", "USD", after)).unwrap();
    two(row("PAWAPAY", "USD", before), row("PAWAPAY", "USD", over)).unwrap_err();
    two(row("PAWAPAY", "USD", after), row("PAWAPAY", "USD", "")).unwrap_err();
    let never = row("PAWAPAY", "USD", "from = \"2027-01-01\"\nto = \"2027-01-01\"");
    assert!(with(&never).unwrap_err().contains("ends before it begins"));
}

#[test]
fn a_method_may_change_its_network() {
    let before = SHIPPED.replacen(
        "method = \"AIRTEL_RWA\"",
        "method = \"AIRTEL_RWA\"\nto = \"2027-01-01\"",
        1,
    );
    let after = row("STRIPE", "RWF", "from = \"2027-01-01\"");
    let file = MarketFile::read(&format!("{before}\n{after}")).unwrap();
    assert_eq!(file.providers_of(Method::AIRTEL_RWA), [Provider::PawaPay, Provider::Stripe]);
}

#[test]
fn a_prefix_has_one_operator_at_a_time() {
    let row = |period: &str| {
        let head = "[[phone]]\ncarrier = \"New\"\ncountry = \"RW\"\nmethod = \"MTN_MOMO_RWA\"\ndigits = 12";
        format!("{head}\nprefixes = [\"25070\"]\n{period}\n")
    };
    with(&row("")).unwrap();
    assert!(with(&(row("") + &row(""))).unwrap_err().contains("25070 of 12 digits is there twice"));
    with(&(row("to = \"2027-01-01\"") + &row("from = \"2027-01-01\""))).unwrap();
}

#[test]
fn percentages_are_exact() {
    let ppm = |text| Percentage::parse(text).map(|share| share.ppm);
    assert_eq!(
        [ppm("1"), ppm("2.9"), ppm("0.0001"), ppm("0"), ppm("100")].map(Option::unwrap),
        [10_000, 29_000, 1, 0, 1_000_000]
    );
    assert_eq!([ppm("0.00001"), ppm("-1"), ppm("100.1"), ppm("x")], [None; 4]);
}

/// A market of a method that is not shipped.
fn zambia(more: &str) -> String {
    let head = "[[market]]\nmethod = \"MTN_MOMO_ZMB\"\nprovider = \"PAWAPAY\"\ncountry = \"ZM\"";
    format!("{head}\noperations = [\"COLLECTION\"]\ncurrencies = [\"ZMW\"]\n{more}\n")
}

#[test]
fn a_new_method_says_what_it_is() {
    let code = "network_code = \"MTN_MOMO_ZMB\"\n";
    let prefix = "dial_prefix = \"260\"\n";
    let name = "display_name = \"MTN Mobile Money\"\n";
    for some in
        ["", &format!("{code}{prefix}"), &format!("{code}{name}"), &format!("{prefix}{name}")]
    {
        assert_eq!(
            with(&zambia(some)).unwrap_err(),
            "MTN_MOMO_ZMB is new: its market says network_code, dial_prefix and display_name"
        );
    }
    let all = format!("{code}{prefix}{name}");
    let file = with(&zambia(&all)).unwrap();
    let entry = file.markets.last().unwrap();
    assert_eq!((entry.decimals(entry.currencies[0].0), entry.dial_prefix()), (2, Some("260")));
    let refused = |from: &str, to: &str| with(&zambia(&all.replace(from, to))).unwrap_err();
    assert!(refused("\"260\"", "\"250\"").contains("numbers in ZM begin with 260, not with 250"));
    assert!(refused("\"260\"", "\"+260\"").contains("first digits of a number"));
    assert!(refused("\"MTN Mobile Money\"", "\"\"").contains("not a name of 1 to 40 characters"));
    let taken = refused("\"MTN_MOMO_ZMB\"", "\"ORANGE_LBR\"");
    assert!(taken.contains("ORANGE_LBR of PAWAPAY is ORANGE_MONEY_LBR already"), "{taken}");
    assert!(
        with(&zambia(&format!("{all}decimals = 3"))).unwrap_err().contains("ZMW has 2 decimals")
    );
    let again = zambia(&all.replace("Mobile Money", "MoMo")).replace("COLLECTION", "PAYOUT");
    assert!(with(&(zambia(&all) + &again)).unwrap_err().contains("two codes or names at one time"));
    let phone = "[[phone]]\ncarrier = \"MTN\"\ncountry = \"ZM\"\nmethod = \"MTN_MOMO_ZMB\"\ndigits = 12\nprefixes = [\"26096\"]";
    with(&(zambia(&all) + phone)).unwrap();
    assert!(with(phone).unwrap_err().contains("MTN_MOMO_ZMB, which has no market"));
}

#[test]
fn what_a_file_leaves_out_of_a_shipped_method_is_as_shipped() {
    let mut bare = SHIPPED.to_owned();
    for key in ["network_code", "dial_prefix", "display_name", "decimals"] {
        let is_kept = |line: &&str| !line.starts_with(key);
        bare = bare.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
    }
    let (bare, shipped) = (MarketFile::read(&bare).unwrap(), MarketFile::shipped().unwrap());
    for (bare, shipped) in bare.markets.iter().zip(&shipped.markets) {
        assert_eq!(
            (bare.details(), bare.dial_prefix()),
            (shipped.details(), shipped.dial_prefix())
        );
        for currency in &bare.currencies {
            assert_eq!(bare.decimals(currency.0), shipped.decimals(currency.0));
        }
    }
}
