use crate::api::fields::Text;
use crate::api::fields::kinds::*;
use serde_json::json;

/// A value from its text, as a body has it.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn kind<T: FromValue>(text: &str) -> &'static str {
    T::read(&value(text)).err().map_or("fine", |kind| kind.kind())
}

#[test]
fn ids_are_integers_or_strings_of_digits() {
    for text in ["55", r#""55""#, r#"" 55 ""#, "55.0", "55.000"] {
        assert_eq!(Id::read(&value(text)), Ok(Id(55)), "{text}");
    }
    for text in [
        "55.5",
        "55.01",
        "5e1",
        "5.5e1",
        r#""55.0""#,
        "true",
        r#""5_5""#,
        r#""0x1""#,
        r#""""#,
        "[]",
        "{}",
        r#""-""#,
        r#""+5""#,
    ] {
        assert_eq!(Id::read(&value(text)), Err(FaultKind::NotInteger), "{text}");
    }
    assert_eq!(Id::read(&value("0")), Err(FaultKind::NotGreater(0)));
    assert_eq!(Id::read(&value(r#""-7""#)), Err(FaultKind::NotGreater(0)));
    assert_eq!(Id::read(&value("9223372036854775807")), Ok(Id(i64::MAX)));
    assert_eq!(Id::read(&value("9223372036854775808")), Err(FaultKind::NotAtMost(i64::MAX)));
}

#[test]
fn integers_have_bounds() {
    type Small = Int<1, 9>;
    assert_eq!(Small::read(&json!(9)), Ok(Int(9)));
    assert_eq!(Small::read(&value("2.0")), Ok(Int(2)));
    assert_eq!(Small::read(&value("10.0")), Err(FaultKind::NotAtMost(9)));
    assert_eq!(Small::read(&json!(0)), Err(FaultKind::NotAtLeast(1)));
    assert_eq!(Small::read(&json!("10")), Err(FaultKind::NotAtMost(9)));
    assert_eq!(Small::read(&json!(1.5)), Err(FaultKind::NotInteger));
}

#[test]
fn truth_has_many_words() {
    for text in ["true", "1", r#""TRUE""#, r#""on""#, r#""y""#] {
        assert_eq!(bool::read(&value(text)), Ok(true), "{text}");
    }
    for text in ["false", "0", r#""False""#, r#""off""#, r#""n""#] {
        assert_eq!(bool::read(&value(text)), Ok(false), "{text}");
    }
    for text in ["2", r#""maybe""#, "[]", "1.0"] {
        assert_eq!(bool::read(&value(text)), Err(FaultKind::NotBool), "{text}");
    }
}

#[test]
fn codes_phones_and_emails() {
    assert_eq!(kind::<Currency>(r#""LRD""#), "fine");
    assert_eq!(kind::<Currency>(r#""lrd""#), "value_error.str.regex");
    assert_eq!(kind::<Currency>(r#""XXX""#), "value_error.currency");
    assert_eq!(kind::<Currency>("1"), "type_error.str");
    assert_eq!(kind::<Phone>(r#""231770000001""#), "fine");
    for phone in [
        r#""+231770000001""#,
        r#""0770000001""#,
        r#""1234567""#,
        r#""1234567890123456""#,
        r#""12345678a""#,
    ] {
        assert_eq!(kind::<Phone>(phone), "value_error.str.regex", "{phone}");
    }
    assert_eq!(kind::<Email>(r#""a.b+c@example.org""#), "fine");
    for email in [
        r#""a""#,
        r#""a@b""#,
        r#""@b.c""#,
        r#""a@b..c""#,
        r#""a b@c.d""#,
        r#""a@b@c.d""#,
        r#"".a@b.c""#,
        r#""a@-b.c""#,
    ] {
        assert_eq!(kind::<Email>(email), "value_error.email", "{email}");
    }
}

#[test]
fn amounts_are_read_from_their_text() {
    let exact = Decimal::read(&value("0.1000000000000000000000000001")).unwrap();
    assert_eq!(exact, Decimal::parse("0.1000000000000000000000000001").unwrap());
    for text in ["500.00", "500", "5e2", r#""500.00""#] {
        assert_eq!(Decimal::read(&value(text)), Ok(Decimal::parse("500").unwrap()), "{text}");
    }
    for text in ["99999999999999999999999999999999", "1e400", "1e5000"] {
        assert!(
            Decimal::read(&value(text)).is_ok(),
            "too large is for the currency to say: {text}"
        );
    }
    for text in ["true", r#""NaN""#, r#""inf""#, r#""1_000""#, r#""""#, "[]"] {
        assert_eq!(Decimal::read(&value(text)), Err(FaultKind::NotFloat), "{text}");
    }
    for text in ["0", "-0.0", "-5", r#""0.00""#] {
        assert_eq!(Decimal::read(&value(text)), Err(FaultKind::NotGreater(0)), "{text}");
    }
}

#[test]
fn times_and_uuids() {
    assert_eq!(kind::<MerchantTime>(r#""2026-06-15T18:00:00Z""#), "fine");
    assert_eq!(kind::<MerchantTime>(r#""2026-06-15T18:00:00""#), "fine");
    assert_eq!(kind::<MerchantTime>(r#""soon""#), "value_error.datetime");
    assert_eq!(kind::<MerchantTime>("1750010400"), "value_error.datetime");
    assert_eq!(
        kind::<MerchantTime>(r#""2026-06-15T18:00:00Z[Africa/Kigali]""#),
        "value_error.datetime"
    );
    assert_eq!(
        Day::read(&value(r#""2026-06-15T23:59:00-05:00""#)).ok().map(|day| day.0),
        MerchantTime::parse("2026-06-15")
    );
    assert_eq!(
        Reference::read(&json!("7F3D2A10-9C4B-4E8A-B1C2-0123456789AB")),
        Ok(Reference(ReferenceId(uuid::uuid!("7f3d2a10-9c4b-4e8a-b1c2-0123456789ab"))))
    );
    for text in [
        "7f3d2a10-9c4b-1e8a-b1c2-0123456789ab",
        "7f3d2a10-9c4b-4e8a-11c2-0123456789ab",
        "7f3d2a109c4b4e8ab1c20123456789ab",
        "{7f3d2a10-9c4b-4e8a-b1c2-0123456789ab}",
        "nonsense",
    ] {
        assert_eq!(Reference::read(&json!(text)), Err(FaultKind::NotUuid), "{text}");
    }
    assert_eq!(Reference::read(&json!(7)), Err(FaultKind::NotUuid));
}

#[test]
fn enums_name_what_is_permitted() {
    assert_eq!(SourceType::read(&json!("ORDER")), Ok(SourceType::Order));
    assert_eq!(SourceType::read(&json!("order")), Err(FaultKind::not_enum(["INVOICE", "ORDER"])));
    assert_eq!(kind::<SourceType>("1"), "type_error.enum");
}

crate::payload! {
    struct Guarded { passcode: Deferred<Code> }
    struct Code { code: Text<5> }
}

#[test]
fn lists_are_bounded_and_name_the_place_of_a_fault() {
    type Few = List<Id, 1, 2>;
    assert_eq!(Few::read(&json!([1, "2"])).map(|list| list.0).ok(), Some(vec![Id(1), Id(2)]));
    assert_eq!(Few::read(&json!([])).err(), Some(FaultKind::TooFewItems(1)));
    assert_eq!(Few::read(&json!([1, 2, 3])).err(), Some(FaultKind::TooManyItems(2)));
    assert_eq!(Few::read(&json!({})).err(), Some(FaultKind::NotList));
    let inside = vec![
        Fault::at(&[Part::Index(0)], FaultKind::NoneNotAllowed),
        Fault::at(&[Part::Index(1)], FaultKind::NotInteger),
    ];
    assert_eq!(Few::read(&json!([null, "x"])).err(), Some(FaultKind::Inside(inside)));
}

#[test]
fn what_is_wrong_with_a_value_may_be_told_later() {
    let passcode = |value: Value| {
        let object = json!({ "passcode": value });
        crate::api::fields::read::<Guarded>(object.as_object().unwrap(), None)
            .ok()
            .unwrap()
            .passcode
            .0
            .map(|code| code.map(|code| code.code.0))
    };
    assert_eq!(passcode(json!({"code": "12345"})), Ok(Some("12345".to_owned())));
    assert_eq!(passcode(json!(null)), Ok(None));
    assert_eq!(passcode(json!("12345")), Err(FaultKind::NotDict));
    for malformed in [json!({}), json!({"code": 12345})] {
        assert!(matches!(passcode(malformed), Err(FaultKind::Inside(_))));
    }
}
